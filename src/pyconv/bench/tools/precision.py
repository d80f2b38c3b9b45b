"""What the two lower levels of float32 precision share."""

from __future__ import annotations

from functools import partial

from pyconv.bench.jobs import Job
from pyconv.bench.tools import NotOfferedError, Operands, Prepared, float32_only, pyconv_tool
from pyconv.bench.tools.pyconv_packed import pack
from pyconv.precision import Precision


def prepare_at(level: Precision, job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed, at a level of precision."""
    float32_only(job)
    if operands.weight is None:
        raise NotOfferedError("the same at every precision")
    prepared = pyconv_tool.prepare(job, pack(job, operands))
    return prepared._replace(call=partial(prepared.call, precision=level))
