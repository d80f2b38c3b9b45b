"""Checks of single arguments, and the wording of all messages."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

Shape = tuple[int, ...]

#: Strides, dilations, paddings and window sizes fit an int32, so that no product of two overflows.
MAX_PARAMETER = 2**31 - 1
#: No array may take more bytes than this; elements are counted as 8 bytes, those of a float64.
MAX_BYTES = 2**63 - 1
ITEM_BYTES = 8


def value_error(name: str, argument: str, expected: str, given: object) -> ValueError:
    """Return the ValueError for a value or a shape, worded as all of them are."""
    return ValueError(f"{name}(): argument '{argument}': expected {expected}, got {given}")


def type_error(name: str, argument: str, expected: str, given: object) -> TypeError:
    """Return the TypeError for a kind of object or a dtype, worded as all of them are."""
    return TypeError(f"{name}(): argument '{argument}': expected {expected}, got {given}")


def described(value: object) -> str:
    return f"{value!r} ({type(value).__name__})"


def integer(name: str, argument: str, value: Any, minimum: int, expected: str = "") -> int:
    """Return `value` as an int of at least `minimum`.

    Anything with ``__index__`` counts (NumPy integers do), except bool.

    Raises
    ------
    TypeError
        If it is not an integer (floats, NaN, bool, str, None).
    ValueError
        If it is below `minimum` or above `MAX_PARAMETER`.
    """
    expected = expected or f"an int of at least {minimum}"
    if isinstance(value, bool):
        raise type_error(name, argument, expected, described(value))
    try:
        number = operator.index(value)
    except TypeError:
        raise type_error(name, argument, expected, described(value)) from None
    if number < minimum:
        raise value_error(name, argument, expected, number)
    if number > MAX_PARAMETER:
        raise value_error(name, argument, f"at most {MAX_PARAMETER}", number)
    return number


def integers(name: str, argument: str, value: Any, rank: int, minimum: int) -> Shape:
    """Return `value`, an int or a tuple or list of `rank` ints, as a tuple of `rank` ints."""
    expected = f"an int or a tuple of {rank} ints of at least {minimum}"
    if isinstance(value, (tuple, list)):
        if len(value) != rank:
            raise value_error(name, argument, expected, repr(value))
        return tuple(integer(name, argument, entry, minimum) for entry in value)
    return (integer(name, argument, value, minimum, expected),) * rank


def flag(name: str, argument: str, value: Any) -> bool:
    """Return `value` as a bool; NumPy's bool counts, other kinds raise TypeError."""
    if isinstance(value, bool):
        return value
    if getattr(getattr(value, "dtype", None), "kind", "") == "b" and value.shape == ():
        return bool(value)
    raise type_error(name, argument, "True or False", described(value))


def divisor(name: str, divisor_override: Any) -> int:
    """Return `divisor_override` of average pooling as an int, 0 standing for None.

    Raises TypeError if it is no integer and ValueError if it is 0.
    """
    if divisor_override is None:
        return 0
    expected = "None or an int other than 0"
    number = integer(name, "divisor_override", divisor_override, -MAX_PARAMETER, expected)
    if number == 0:
        raise value_error(name, "divisor_override", expected, number)
    return number


def size(name: str, argument: str, value: Any, ranks: Sequence[int], meaning: str) -> Shape:
    """Return `value`, a shape given as a tuple or list, as a tuple of ints of a length in `ranks`.

    `meaning` describes the entries in messages, for example ``"(N, C, height, width)"``.
    """
    # The shape of an array, mostly, in few steps.
    if type(value) is tuple and len(value) in ranks:
        for entry in value:
            if type(entry) is not int or entry <= 0:
                break
        else:
            if ITEM_BYTES * math.prod(value) <= MAX_BYTES:
                return value
    if not isinstance(value, (tuple, list)):
        raise type_error(name, argument, f"a shape {meaning}", described(value))
    result = []
    for entry in value:
        if isinstance(entry, bool) or not hasattr(entry, "__index__"):
            raise type_error(name, argument, f"a shape {meaning} of ints", described(value))
        result.append(operator.index(entry))
    shape = tuple(result)
    if len(shape) not in ranks:
        raise value_error(name, argument, f"{meaning}", f"{len(shape)} dimensions, shape {shape}")
    if min(shape, default=0) < 0:
        raise value_error(name, argument, "no negative sizes", f"shape {shape}")
    check_bytes(name, argument, shape)
    return shape


def check_bytes(name: str, argument: str, shape: Shape) -> None:
    """Refuse sizes whose product cannot be addressed; a 0 among them does not excuse the rest."""
    if ITEM_BYTES * math.prod(max(extent, 1) for extent in shape) > MAX_BYTES:
        raise value_error(
            name, argument, f"at most {MAX_BYTES // ITEM_BYTES} elements", f"shape {shape}"
        )
