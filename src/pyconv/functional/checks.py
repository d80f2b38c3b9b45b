"""Checks of arguments that several functions share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from pyconv.tensor import Tensor

REDUCTIONS = ("none", "mean", "sum")


def reject_out(name: str, out: object) -> None:
    """TypeError if `out` is given where an operand is a Tensor: the tape needs the old values."""
    if out is not None:
        raise TypeError(
            f"{name}: out is {type(out).__name__} and an operand is a Tensor; out is for plain "
            "arrays, expected None (pass tensor.data to compute into an array)"
        )


def check_float(name: str, argument: str, value: Any) -> None:
    """TypeError unless `value` is a float32 or float64 array or tensor."""
    if not isinstance(value, (ndarray, Tensor)):
        raise TypeError(f"{name}: {argument} is {type(value).__name__}, expected ndarray or Tensor")
    if value.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name}: {argument} has dtype {value.dtype}, expected float32 or float64")


def check_fraction(name: str, argument: str, value: Any) -> None:
    """ValueError unless `value` is a number from 0 to 1 (NaN is not)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name}: {argument} is {value!r}, expected a number from 0 to 1")
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name}: {argument} is {value}, expected a number from 0 to 1")


def check_reduction(name: str, reduction: str) -> None:
    """ValueError unless `reduction` is one of the three names."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{name}: reduction is {reduction!r}, expected one of {REDUCTIONS}")
