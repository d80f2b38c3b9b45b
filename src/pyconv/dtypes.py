"""The dtypes that are computed with.

bfloat16 belongs to another package (ml_dtypes): it is known by its name, so that nothing has to be
imported for those who have no such arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["NAMES", "computed_as", "is_float", "is_half"]

#: For messages.
NAMES = "float32, float64, float16 or bfloat16"

_float16 = np.dtype(np.float16)
_float32 = np.dtype(np.float32)
_float64 = np.dtype(np.float64)
_bfloat16: np.dtype[Any] | None = None  # once an array of it has been seen: its name takes long


def is_half(dtype: np.dtype[Any]) -> bool:
    """Return whether numbers are float16 or bfloat16, in native byte order."""
    global _bfloat16
    if dtype is _float16 or dtype is _bfloat16:
        return True
    if dtype.itemsize != 2 or not dtype.isnative:
        return False
    if dtype.name == "bfloat16" and dtype.kind in "Vf":
        _bfloat16 = dtype
        return True
    return dtype == _float16


def computed_as(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of sums over numbers of a dtype: float32 where numbers have 16 bits."""
    return _float32 if is_half(dtype) else dtype


def is_float(dtype: np.dtype[Any]) -> bool:
    """Return whether arrays of the dtype are computed with, in native byte order."""
    return dtype in (_float32, _float64) or is_half(dtype)
