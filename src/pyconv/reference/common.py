"""The dtype rule that all reference functions follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Float64 = npt.NDArray[np.float64]

#: Bits of a significand and the exponent of the least normal number, of formats of 16 bits.
_HALVES = {"float16": (11, -14), "bfloat16": (8, -126)}


def float64(values: npt.ArrayLike) -> Float64:
    """Return `values` as a float64 array."""
    return np.asarray(values, dtype=np.float64)


def like(result: Float64, first: npt.ArrayLike) -> Array:
    """Return `result` in the dtype of `first`, or as it is if that is no floating dtype."""
    dtype = np.asarray(first).dtype
    if dtype.name in _HALVES:
        return _rounded(np.asarray(result), *_HALVES[dtype.name]).astype(dtype)
    return result.astype(dtype) if np.issubdtype(dtype, np.floating) else result


def _rounded(values: Float64, bits: int, least_exponent: int) -> Float64:
    """Round once, to nearest even: casts of some packages go through float32 and round twice."""
    _, exponent = np.frexp(values)
    last = np.maximum(exponent, least_exponent + 1) - bits
    # What is too large overflows where it is cast.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.ldexp(np.rint(np.ldexp(values, -last)), last))
