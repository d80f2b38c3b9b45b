"""pyconv on arrays of bfloat16, weights as they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyconv.bench.jobs import Job
from pyconv.bench.tools import Array, NotOfferedError, Operands, Prepared, float32_only, pyconv_tool
from pyconv.bench.tools.pyconv_tool import set_threads

__all__ = ["prepare", "prepare_with", "set_threads"]


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed, on arrays of bfloat16."""
    return prepare_with(lambda _, operands: operands, job, operands)


def prepare_with(
    pack: Callable[[Job, Operands], Operands], job: Job, operands: Operands
) -> Prepared:
    """Return the call that is timed, after `pack` has seen the operands in bfloat16."""
    float32_only(job)
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        raise NotOfferedError("ml_dtypes is not installed") from None

    def half(array: Array) -> Array:
        return array.astype(bfloat16)

    weight = None if operands.weight is None else half(operands.weight)
    halves = Operands(half(operands.input), weight, half(operands.grad_output))
    prepared = pyconv_tool.prepare(job, pack(job, halves))
    return prepared._replace(array=lambda result: np.asarray(result).astype(np.float32))
