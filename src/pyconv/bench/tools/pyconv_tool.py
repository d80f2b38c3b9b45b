"""pyconv: forward through the public functions, gradients through :mod:`pyconv.arrays`."""

from __future__ import annotations

from functools import partial

import numpy as np

import pyconv
from pyconv import arrays, functional
from pyconv.bench.jobs import Job
from pyconv.bench.tools import Operands, Prepared
from pyconv.bench.tools.calls import gradient_call


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed, on weights as they are."""
    case = job.case
    if job.direction != "forward":
        return Prepared(gradient_call(arrays, job, operands), np.asarray)
    function = getattr(functional, case.op)
    if operands.weight is None:
        return Prepared(partial(function, operands.input, **case.arguments), np.asarray)
    call = partial(function, operands.input, operands.weight, None, **case.arguments)
    return Prepared(call, np.asarray)


def set_threads(threads: int) -> None:
    """Use so many threads from now on."""
    pyconv.set_num_threads(threads)
