"""Checks of arguments that several functions share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from pyconv.dtypes import NAMES, is_float
from pyconv.shapes import type_error, value_error
from pyconv.shapes.checks import described
from pyconv.tensor import Tensor

REDUCTIONS = ("none", "mean", "sum")


def reject_out(name: str, out: object) -> None:
    """TypeError if `out` is given where an operand is a Tensor: the tape needs the old values."""
    if out is not None:
        expected = "None where an operand is a Tensor (out= is for plain arrays)"
        raise type_error(name, "out", expected, type(out).__name__)


def check_float(name: str, argument: str, value: Any) -> None:
    """TypeError unless `value` is an array or a tensor of floating point numbers."""
    if not isinstance(value, (ndarray, Tensor)):
        raise type_error(name, argument, "an array or a Tensor", described(value))
    if not is_float(value.dtype):
        raise type_error(name, argument, NAMES, f"dtype {value.dtype}")


def check_fraction(name: str, argument: str, value: Any) -> None:
    """ValueError unless `value` is a number from 0 to 1 (NaN is not)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise type_error(name, argument, "a number from 0 to 1", described(value))
    if not 0.0 <= value <= 1.0:
        raise value_error(name, argument, "a number from 0 to 1", value)


def check_reduction(name: str, reduction: str) -> None:
    """ValueError unless `reduction` is one of the three names."""
    if reduction not in REDUCTIONS:
        raise value_error(name, "reduction", f"one of {REDUCTIONS}", repr(reduction))
