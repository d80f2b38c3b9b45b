"""A weight that keeps its packed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyconv import _core
from pyconv.arrays.check import prepare
from pyconv.dtypes import is_half

__all__ = ["PackedWeight"]


class PackedWeight:
    """A weight packed once for each plan and reused; it may stand wherever a weight may.

    Some algorithms read weights in another form: ``channel_vector`` in panels of filters,
    Winograd's transformed, products of bfloat16 as pairs. They make it of a plain array in every
    call and keep it in a ``PackedWeight``. The others read a weight where it lies: for them the
    two are the same. :func:`pyconv.explain` names the algorithm.

    Parameters
    ----------
    weight
        Array of float32, float64, float16 or bfloat16. Its values are copied:
        a later write to it is not seen.

    Raises
    ------
    TypeError
        If `weight` is not an array of one of these.
    """

    __slots__ = ("_native", "array", "dtype", "ndim", "shape")

    def __init__(self, weight: npt.NDArray[Any]) -> None:
        prepared = prepare("PackedWeight", "weight", weight)
        self._native = _core.PackedWeight(prepared)
        #: The packed copy as a read-only array of the original shape.
        self.array: npt.NDArray[Any]
        if is_half(prepared.dtype):  # what is packed is float32
            self.array = prepared.copy()
            self.array.flags.writeable = False
        else:
            self.array = self._native.array.reshape(prepared.shape)
        self.shape: tuple[int, ...] = prepared.shape
        self.ndim: int = prepared.ndim
        self.dtype: np.dtype[Any] = prepared.dtype

    def __repr__(self) -> str:
        return f"PackedWeight(shape={self.shape}, dtype={self.dtype})"

    def __reduce__(self) -> tuple[type[PackedWeight], tuple[npt.NDArray[Any]]]:
        return PackedWeight, (np.array(self.array),)
