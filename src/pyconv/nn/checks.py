"""A check that the layers with parameters share."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from pyconv.dtypes import NAMES, is_float
from pyconv.shapes import type_error

Float: TypeAlias = "np.dtype[Any]"


def float_dtype(name: str, dtype: DTypeLike) -> Float:
    """A dtype that is computed with, however it is spelled; TypeError for others and for None."""
    try:
        found: Float | None = None if dtype is None else np.dtype(dtype)
    except TypeError:
        found = None
    if found is not None and is_float(found):
        return found
    raise type_error(name, "dtype", NAMES, repr(dtype))
