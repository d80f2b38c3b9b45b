"""How far the results of an algorithm may be from exact sums: what tests and ``check`` hold it to.

A sum of K products in the order of an ordinary algorithm is within ``K eps sum|products|`` of the
exact one, element by element (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
An algorithm that mixes neighbouring pixels before it multiplies can promise that only for the
largest operand: ``gain K eps max|a| max_row sum|b|``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyconv import _core

__all__ = ["Rounding", "half_ulp", "largest_sum", "rounding"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Rounding:
    """What an algorithm promises.

    Attributes
    ----------
    gain
        Errors relative to those of an ordinary sum; 1 also means that small integers stay exact.
    normwise
        Whether the bound is in terms of the largest operands instead of element by element.
    """

    gain: float
    normwise: bool


def rounding(direction: str, algorithm: str) -> Rounding:
    """Return the promise of an algorithm of "forward", "input" or "weight"."""
    return Rounding(*_core.conv_rounding(direction, algorithm))


#: Unit roundoff and half of the least number, of formats of 16 bits.
_HALVES = {"float16": (2.0**-11, 2.0**-25), "bfloat16": (2.0**-8, 2.0**-134)}


def half_ulp(values: Array, dtype: np.dtype[Any]) -> Array:
    """Return what rounding float32 `values` (of their size) to a dtype may change: 0 for itself."""
    relative, least = _HALVES.get(dtype.name, (0.0, 0.0))
    return np.asarray(relative * np.abs(values.astype(np.float64)) + least)


def largest_sum(direction: str, x: Array, w: Array, g: Array, groups: int, rank: int) -> float:
    """Return max|a| max_row sum|b| of a pass: a is the image and b the filters or the gradient.

    Parameters
    ----------
    x, w, g
        Input ([N,] C, spatial...), weight (K, C / groups, kernel...), gradient of the output.
    """
    x, w, g = np.abs(x), np.abs(w), np.abs(g)
    if direction == "forward":
        image, rows = x, w.reshape(len(w), math.prod(w.shape[1:]))
    elif direction == "input":
        filters, taps = len(w) // groups, math.prod(w.shape[2:])
        folded = w.reshape(groups, filters, w.shape[1], taps).transpose(0, 2, 1, 3)
        image, rows = g, folded.reshape(groups * w.shape[1], filters * taps)
    else:
        channels = g.shape[-rank - 1]
        image, rows = x, np.moveaxis(g, -rank - 1, 0).reshape(channels, g.size // max(1, channels))
    return float(image.max(initial=0) * rows.sum(axis=1).max(initial=0))
