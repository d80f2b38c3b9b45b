"""pyconv on arrays of bfloat16, weights as they are."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from pyconv.bench.jobs import Job
from pyconv.bench.tools import NotOfferedError, Operands, Prepared, float32_only, pyconv_tool
from pyconv.bench.tools.pyconv_tool import set_threads

__all__ = ["prepare", "set_threads"]


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed, on arrays of bfloat16."""
    float32_only(job)
    if job.case.op == "max_pool2d" and job.direction != "forward":
        raise NotOfferedError("rounded to bfloat16, other elements are the largest")
    try:
        half: Any = importlib.import_module("ml_dtypes").bfloat16
    except ImportError:
        raise NotOfferedError("ml_dtypes is not installed") from None
    weight = None if operands.weight is None else operands.weight.astype(half)
    halves = Operands(operands.input.astype(half), weight, operands.grad_output.astype(half))
    prepared = pyconv_tool.prepare(job, halves)
    return prepared._replace(array=lambda result: np.asarray(result).astype(np.float32))
