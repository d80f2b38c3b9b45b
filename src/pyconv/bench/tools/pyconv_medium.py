"""pyconv at the float32 precision "medium", with packed weights."""

from __future__ import annotations

from pyconv.bench.jobs import Job
from pyconv.bench.tools import Operands, Prepared
from pyconv.bench.tools.precision import prepare_at
from pyconv.bench.tools.pyconv_tool import set_threads

__all__ = ["prepare", "set_threads"]


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed."""
    return prepare_at("medium", job, operands)
