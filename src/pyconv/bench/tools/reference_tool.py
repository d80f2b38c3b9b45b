"""The NumPy reference: what a reader would write, never optimised."""

from __future__ import annotations

from functools import partial

import numpy as np

from pyconv import reference
from pyconv.bench.jobs import Job
from pyconv.bench.tools import NotOfferedError, Operands, Prepared
from pyconv.bench.tools.calls import gradient_call

#: A call of the largest layer of VGG takes 3 s.
MOST_FLOPS = 4e9


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed."""
    case = job.case
    if job.flops > MOST_FLOPS and operands.input.dtype == np.dtype(np.float32):
        raise NotOfferedError(f"too slow: {job.flops / 1e9:.2g} Gflop")
    if job.direction != "forward":
        return Prepared(gradient_call(reference, job, operands), np.asarray)
    function = getattr(reference, case.op)
    arrays = [array for array in (operands.input, operands.weight) if array is not None]
    return Prepared(partial(function, *arrays, **case.arguments), np.asarray)


def set_threads(threads: int) -> None:
    """Do nothing: einsum runs on one thread."""
