"""What kernels take: C-contiguous, aligned arrays of four dtypes, and room for a result."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from pyconv import _core
from pyconv.dtypes import NAMES, is_float, is_half
from pyconv.shapes import type_error, value_error
from pyconv.shapes.checks import MAX_BYTES

__all__ = ["output", "prepare"]

_ndarray = np.ndarray
_float32 = np.dtype(np.float32)
_float64 = np.dtype(np.float64)


def prepare(
    function: str, argument: str, value: Any, dtype: np.dtype[Any] | None = None
) -> npt.NDArray[Any]:
    """Return `value` as an array that kernels take, copied only if its memory layout needs it.

    Parameters
    ----------
    function, argument
        What to name in messages.
    value
        A float32, float64, float16 or bfloat16 array of any strides. Subclasses are taken as plain
        arrays.
    dtype
        The dtype that it must have, that of the other operand, or None for any.

    Raises
    ------
    TypeError
        For anything but an array, for masked arrays, and for other dtypes or byte orders.
    ValueError
        If the copy would not fit in memory.
    """
    # The common case in few steps: a tiny call has a microsecond for all of Python.
    if type(value) is _ndarray:
        given = value.dtype
        if (
            (given is _float32 or given is _float64 or is_half(given))
            and (dtype is None or given is dtype)
            and value.flags.carray
        ):
            return value
    return _prepare(function, argument, value, dtype)


def _prepare(
    function: str, argument: str, value: Any, dtype: np.dtype[Any] | None
) -> npt.NDArray[Any]:
    if not isinstance(value, np.ndarray):
        expected = f"a NumPy array of {NAMES} (numpy.asarray makes one)"
        raise type_error(function, argument, expected, type(value).__name__)
    if isinstance(value, np.ma.MaskedArray):
        expected = "an array without a mask (.filled(value) makes one)"
        raise type_error(function, argument, expected, type(value).__name__)
    given = value.dtype
    if not is_float(given):
        raise type_error(function, argument, _wanted(given), f"dtype {given}")
    if dtype is not None and given != dtype:
        expected = f"dtype {dtype} as the other operand has (convert one of them with .astype)"
        raise type_error(function, argument, expected, f"dtype {given}")
    plain: npt.NDArray[Any] = np.asarray(value)
    if plain.flags.c_contiguous and plain.flags.aligned:
        return plain
    return _copied(function, argument, plain)


def _copied(function: str, argument: str, view: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a contiguous copy; a broadcast view may well be larger than any memory."""
    try:
        # Asked first because some systems lend more than they have and stop the process later.
        if view.nbytes > _memory_bytes():
            raise MemoryError
        return view.copy(order="C")
    except MemoryError:
        expected = "an array that fits in memory as a contiguous copy"
        given = f"shape {view.shape} of {view.dtype}, {view.nbytes} bytes"
        raise value_error(function, argument, expected, given) from None


def _memory_bytes() -> int:
    """Return the size of the machine's memory where the system tells, else no limit."""
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return MAX_BYTES
    return pages * size if pages > 0 and size > 0 else MAX_BYTES


def _wanted(given: np.dtype[Any]) -> str:
    """Say what to do about a dtype that kernels do not take."""
    if not given.isnative and is_float(given.newbyteorder("=")):
        name = given.newbyteorder("=").name
        package = "ml_dtypes" if name == "bfloat16" else "numpy"
        return f"native byte order (.astype({package}.{name}) converts)"
    if given.kind == "c":
        return f"{NAMES} (take .real and .imag one after the other)"
    return f"{NAMES} (.astype(numpy.float32) converts)"


def output(
    function: str,
    out: Any,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    *inputs: npt.NDArray[Any],
    in_place: bool = False,
) -> npt.NDArray[Any]:
    """Return a new array for the result, or `out` after checking that it can hold it.

    Parameters
    ----------
    function
        What to name in messages.
    out
        None, or the array that the caller wants the result in.
    shape, dtype
        Those of the result.
    *inputs
        Operands, as :func:`prepare` returned them: `out` must not overlap any.
    in_place
        Whether `out` may be exactly the memory of one of them.

    Raises
    ------
    TypeError
        If `out` is no plain array or has another dtype.
    ValueError
        If it has another shape, is not C-contiguous, aligned and writeable, or overlaps an input.
    """
    if out is None:
        return _core.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise type_error(function, "out", "a NumPy array or None", type(out).__name__)
    if out.dtype != dtype:
        expected = f"dtype {dtype}, that of the result"
        raise type_error(function, "out", expected, f"dtype {out.dtype}")
    if out.shape != shape:
        raise value_error(function, "out", f"shape {shape}", f"shape {out.shape}")
    if not out.flags.carray:
        given = "C-contiguous" if out.flags.c_contiguous else "not C-contiguous"
        given += ", aligned" if out.flags.aligned else ", not aligned"
        given += ", writeable" if out.flags.writeable else ", read-only"
        raise value_error(function, "out", "a C-contiguous, aligned, writeable array", given)
    for operand in inputs:
        # Both are contiguous, so that overlapping bounds mean overlapping elements.
        if np.may_share_memory(out, operand) and not (in_place and _same_memory(out, operand)):
            raise value_error(function, "out", "memory that no operand uses", "an overlap")
    return out


def _same_memory(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    return a.nbytes == b.nbytes and a.ctypes.data == b.ctypes.data
