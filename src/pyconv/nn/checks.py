"""A check that the layers with parameters share."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from pyconv.shapes import type_error

Float: TypeAlias = "np.dtype[np.float32] | np.dtype[np.float64]"


def float_dtype(name: str, dtype: DTypeLike) -> Float:
    """float32 or float64, however it is spelled; TypeError for others and for None."""
    try:
        found: Any = None if dtype is None else np.dtype(dtype)
    except TypeError:
        found = None
    # NumPy holds None and float64 for equal: None has to be kept out of the comparison.
    for kind in (np.dtype(np.float32), np.dtype(np.float64)):
        if found is not None and found == kind:
            return kind
    raise type_error(name, "dtype", "float32 or float64", repr(dtype))
