"""OpenVINO on the CPU, free to compute in bfloat16."""

from __future__ import annotations

from pyconv.bench.jobs import Job
from pyconv.bench.tools import Operands, Prepared
from pyconv.bench.tools.openvino_tool import prepare_in, set_threads

__all__ = ["prepare", "set_threads"]


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed, computing in bfloat16."""
    return prepare_in("bf16", job, operands)
