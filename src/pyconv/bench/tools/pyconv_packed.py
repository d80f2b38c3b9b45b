"""pyconv with a :class:`pyconv.PackedWeight`, for the passes that read weights."""

from __future__ import annotations

import pyconv
from pyconv.bench.jobs import Job
from pyconv.bench.tools import NotOfferedError, Operands, Prepared, pyconv_tool
from pyconv.bench.tools.pyconv_tool import set_threads

__all__ = ["pack", "prepare", "set_threads"]


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed, on a packed weight."""
    if operands.weight is None or job.direction == "weight":
        raise NotOfferedError("reads no weight")
    return pyconv_tool.prepare(job, pack(job, operands))


def pack(job: Job, operands: Operands) -> Operands:
    """Return the operands with the weight packed where the pass reads one."""
    if operands.weight is None or job.direction == "weight":
        return operands
    return operands._replace(weight=pyconv.PackedWeight(operands.weight))
