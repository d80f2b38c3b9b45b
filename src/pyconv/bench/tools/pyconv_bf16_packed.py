"""pyconv on arrays of bfloat16 with a :class:`pyconv.PackedWeight`."""

from __future__ import annotations

from pyconv.bench.jobs import Job
from pyconv.bench.tools import NotOfferedError, Operands, Prepared
from pyconv.bench.tools.pyconv_bf16 import prepare_with
from pyconv.bench.tools.pyconv_packed import pack
from pyconv.bench.tools.pyconv_tool import set_threads

__all__ = ["prepare", "set_threads"]


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed, on a packed weight."""
    if operands.weight is None or job.direction == "weight":
        raise NotOfferedError("reads no weight")
    return prepare_with(pack, job, operands)
