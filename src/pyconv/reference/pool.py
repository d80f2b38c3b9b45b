"""Max and average pooling and their gradients, by PyTorch's formulas.

Every function goes through the positions of the window ("taps") one after the other. A tap sees of
the padded input a strided slice of the size of the output.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import shapes
from ..shapes import PoolProblem
from .common import Array, Float64, float64, like

Slices = tuple[slice, slice, slice]


def _taps(p: PoolProblem) -> Iterator[Slices]:
    """Yield for each position of the window, row by row, what it sees of the padded input."""
    for row in range(p.kernel[0]):
        for column in range(p.kernel[1]):
            first = (row * p.dilation[0], column * p.dilation[1])
            rows, columns = (
                slice(f, f + (o - 1) * s + 1, s)
                for f, o, s in zip(first, p.output, p.stride, strict=True)
            )
            yield slice(None), rows, columns


def _padded_shape(p: PoolProblem) -> tuple[int, int, int]:
    """Shape of the input with its padding and, in ceil mode, as far as the last window reaches."""
    lengths = [
        max((o - 1) * s + d * (k - 1) + 1, low + i)
        for i, k, s, d, low, o in zip(
            p.input, p.kernel, p.stride, p.dilation, p.pad_lo, p.output, strict=True
        )
    ]
    return p.planes, lengths[0], lengths[1]


def _inner(p: PoolProblem) -> Slices:
    """Return where the input lies in the padded array."""
    top, left = p.pad_lo
    return slice(None), slice(top, top + p.input[0]), slice(left, left + p.input[1])


def _padded(x: Float64, p: PoolProblem) -> Float64:
    result = np.zeros(_padded_shape(p))
    result[_inner(p)] = x.reshape(p.planes, *p.input)
    return result


def _offsets_dtype(p: PoolProblem) -> npt.DTypeLike:
    return np.uint8 if p.window <= 256 else np.int32


def _positions(p: PoolProblem, offsets: Array) -> tuple[Array, Array]:
    """Return the rows and columns of the input that `offsets` of shape (planes, *output) mean."""
    out_row, out_column = np.ogrid[: p.output[0], : p.output[1]]
    row, column = np.divmod(offsets.astype(np.int64), p.kernel[1])
    return (
        out_row * p.stride[0] - p.pad_lo[0] + row * p.dilation[0],
        out_column * p.stride[1] - p.pad_lo[1] + column * p.dilation[1],
    )


def _max_pool(x: Float64, p: PoolProblem) -> tuple[Float64, Array]:
    padded = _padded(x, p)
    is_input = np.zeros(padded.shape, dtype=bool)
    is_input[_inner(p)] = True
    best = np.full((p.planes, *p.output), -np.inf)
    offsets = np.full(best.shape, -1)
    for number, tap in enumerate(_taps(p)):
        value = padded[tap]
        # The first element counts even if it is -inf; a later one if greater; a NaN always.
        take = is_input[tap] & ((offsets < 0) | (value > best) | np.isnan(value))
        best[take] = value[take]
        offsets[take] = number
    return best, offsets.astype(_offsets_dtype(p))


def max_pool2d(
    input: npt.ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the greatest element of each window; the first of equals, and NaN before all.

    Parameters
    ----------
    input
        (N, C, height, width) or (C, height, width).
    kernel_size, stride, padding, dilation
        Each an int or a pair; `stride` is `kernel_size` if None. Padding counts as -inf.
    ceil_mode
        Whether windows may overhang the end.
    return_indices
        Whether to return also where the elements were found.

    Returns
    -------
    array or (array, array)
        The result in the dtype of `input` and, if asked for, int64 indices
        ``row * width + column`` into the plane.

    Raises
    ------
    TypeError, ValueError
        As :func:`pyconv.shapes.max_pool_problem`.
    """
    x = float64(input)
    hyper = (kernel_size, stride, padding, dilation, ceil_mode)
    p, _ = shapes.max_pool_problem("max_pool2d", x.shape, *hyper)
    shape = shapes.pool_out_shape(x.shape, p)
    best, offsets = _max_pool(x, p)
    result = like(best.reshape(shape), input)
    if not shapes.flag("max_pool2d", "return_indices", return_indices):
        return result
    row, column = _positions(p, offsets)
    return result, (row * p.input[1] + column).reshape(shape)


def max_pool2d_with_offsets(
    input: npt.ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    """Return what :func:`max_pool2d` does and the positions of the elements in their windows.

    The offsets are ``row * kernel_width + column``, uint8 where a window has at most 256 elements
    and int32 elsewhere.
    """
    x = float64(input)
    hyper = (kernel_size, stride, padding, dilation, ceil_mode)
    p, _ = shapes.max_pool_problem("max_pool2d_with_offsets", x.shape, *hyper)
    shape = shapes.pool_out_shape(x.shape, p)
    best, offsets = _max_pool(x, p)
    return like(best.reshape(shape), input), offsets.reshape(shape)


def max_pool2d_backward(
    grad_output: npt.ArrayLike,
    offsets: Array,
    input_size: tuple[int, ...],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Array:
    """Return the gradient of :func:`max_pool2d`: each element goes where its maximum was found.

    `offsets` are those of :func:`max_pool2d_with_offsets`; ValueError if they lie outside of the
    input.
    """
    g = float64(grad_output)
    hyper = (kernel_size, stride, padding, dilation, ceil_mode)
    name = "max_pool2d_backward"
    p, _ = shapes.max_pool_problem(name, input_size, *hyper)
    shapes.check_pool_grad(name, "grad_output", g.shape, input_size, p)
    shapes.check_pool_grad(name, "offsets", offsets.shape, input_size, p)
    result = np.zeros((p.planes, *p.input))
    row, column = _positions(p, offsets.reshape(p.planes, *p.output))
    inside = (row >= 0) & (row < p.input[0]) & (column >= 0) & (column < p.input[1])
    if not inside.all():
        expected = "positions inside of the input"
        raise shapes.value_error(name, "offsets", expected, f"{(~inside).sum()} outside")
    plane = np.arange(p.planes)[:, None, None]
    np.add.at(result, (plane, row, column), g.reshape(row.shape))
    return like(result.reshape(input_size), grad_output)


def _divisors(name: str, p: PoolProblem, count_include_pad: bool, divisor_override: Any) -> Float64:
    """Return what the sum of each window is divided by, (out_height, out_width).

    The padding may count; what overhangs the padding in ceil mode never does.
    """
    override = shapes.divisor(name, divisor_override)
    if override:
        return np.full(p.output, float(override))
    include = shapes.flag(name, "count_include_pad", count_include_pad)
    counts = []
    for axis in range(2):
        length, pad = p.input[axis], p.pad_lo[axis]
        start = np.arange(p.output[axis]) * p.stride[axis] - pad
        end = np.minimum(start + p.kernel[axis], length + pad)
        if not include:
            start, end = np.maximum(start, 0), np.minimum(end, length)
        counts.append(end - start)
    return np.multiply.outer(counts[0], counts[1]).astype(np.float64)


def avg_pool2d(
    input: npt.ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Return the mean of each window.

    Parameters
    ----------
    input
        (N, C, height, width) or (C, height, width).
    kernel_size, stride, padding
        Each an int or a pair; `stride` is `kernel_size` if None. Padding counts as 0.
    ceil_mode
        Whether windows may overhang the end.
    count_include_pad
        Whether elements of the padding count in the divisor.
    divisor_override
        A divisor to use instead of the number of elements.

    Raises
    ------
    TypeError, ValueError
        As :func:`pyconv.shapes.avg_pool_problem`; ValueError for a `divisor_override` of 0.
    """
    x = float64(input)
    p, _ = shapes.avg_pool_problem("avg_pool2d", x.shape, kernel_size, stride, padding, ceil_mode)
    padded = _padded(x, p)
    total = np.zeros((p.planes, *p.output))
    for tap in _taps(p):
        total += padded[tap]
    mean = total / _divisors("avg_pool2d", p, count_include_pad, divisor_override)
    return like(mean.reshape(shapes.pool_out_shape(x.shape, p)), input)


def avg_pool2d_backward(
    grad_output: npt.ArrayLike,
    input_size: tuple[int, ...],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Return the gradient of :func:`avg_pool2d`: each element is spread evenly over its window."""
    hyper = (kernel_size, stride, padding, ceil_mode)
    name = "avg_pool2d_backward"
    p, _ = shapes.avg_pool_problem(name, input_size, *hyper)
    g = float64(grad_output)
    shapes.check_pool_grad(name, "grad_output", g.shape, input_size, p)
    divisors = _divisors(name, p, count_include_pad, divisor_override)
    share = g.reshape(p.planes, *p.output) / divisors
    padded = np.zeros(_padded_shape(p))
    for tap in _taps(p):
        padded[tap] += share
    return like(padded[_inner(p)].reshape(input_size), grad_output)
