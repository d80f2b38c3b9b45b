"""PyTorch on tensors of bfloat16 whose channels lie innermost in memory."""

from __future__ import annotations

import torch

from pyconv.bench.jobs import Job
from pyconv.bench.tools import Operands, Prepared
from pyconv.bench.tools.torch_tool import prepare_in, set_threads

__all__ = ["prepare", "set_threads"]


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed, on channels_last tensors of bfloat16."""
    return prepare_in(torch.channels_last, job, operands, torch.bfloat16)
