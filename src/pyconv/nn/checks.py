"""Checks of the arguments of layers."""

from __future__ import annotations

import operator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

Float: TypeAlias = "np.dtype[np.float32] | np.dtype[np.float64]"


def float_dtype(name: str, dtype: DTypeLike) -> Float:
    """float32 or float64, however it is spelled; TypeError for others and for None."""
    try:
        found = None if dtype is None else np.dtype(dtype)
    except TypeError:
        found = None
    for kind in (np.dtype(np.float32), np.dtype(np.float64)):
        if found == kind:
            return kind
    raise TypeError(f"{name}: dtype is {dtype!r}, expected float32 or float64")


def count(name: str, argument: str, value: Any, least: int = 1) -> int:
    """`value` as an int of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}: {argument} is {value!r}, expected int")
    number = operator.index(value)
    if number < least:
        raise ValueError(f"{name}: {argument} is {number}, expected at least {least}")
    return number


def per_axis(name: str, argument: str, value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """An int for each axis, from one int or from a tuple of `rank` ints."""
    if not isinstance(value, (tuple, list)):
        return (count(name, argument, value, least),) * rank
    if len(value) != rank:
        raise ValueError(f"{name}: {argument} is {value!r}, expected int or {rank} ints")
    return tuple(count(name, argument, part, least) for part in value)


def flag(name: str, argument: str, value: Any) -> bool:
    """`value` if it is True or False; TypeError otherwise."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: {argument} is {value!r}, expected True or False")
    return bool(value)
