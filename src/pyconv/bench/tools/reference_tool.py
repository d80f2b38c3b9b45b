"""The NumPy reference: what a reader would write, never optimised."""

from __future__ import annotations

from functools import partial

import numpy as np

from pyconv import reference
from pyconv.bench.jobs import Job
from pyconv.bench.tools import Operands, Prepared
from pyconv.bench.tools.calls import gradient_call


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed."""
    case = job.case
    if job.direction != "forward":
        return Prepared(gradient_call(reference, job, operands), np.asarray)
    function = getattr(reference, case.op)
    arrays = [array for array in (operands.input, operands.weight) if array is not None]
    return Prepared(partial(function, *arrays, **case.arguments), np.asarray)


def set_threads(threads: int) -> None:
    """Do nothing: einsum runs on one thread."""
