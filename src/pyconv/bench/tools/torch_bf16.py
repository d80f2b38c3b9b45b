"""PyTorch on NCHW tensors of bfloat16."""

from __future__ import annotations

import torch

from pyconv.bench.jobs import Job
from pyconv.bench.tools import Operands, Prepared
from pyconv.bench.tools.torch_tool import prepare_in, set_threads

__all__ = ["prepare", "set_threads"]


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed, on contiguous tensors of bfloat16."""
    return prepare_in(torch.contiguous_format, job, operands, torch.bfloat16)
