"""The dtype rule that all reference functions follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Float64 = npt.NDArray[np.float64]


def float64(values: npt.ArrayLike) -> Float64:
    """Return `values` as a float64 array."""
    return np.asarray(values, dtype=np.float64)


def like(result: Float64, first: npt.ArrayLike) -> Array:
    """Return `result` in the dtype of `first`, or as it is if that is no floating dtype."""
    dtype = np.asarray(first).dtype
    return result.astype(dtype) if np.issubdtype(dtype, np.floating) else result
