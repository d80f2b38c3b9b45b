"""Shapes of 2-D pooling, by PyTorch's rules."""

from __future__ import annotations

import math
from typing import Any

from .checks import Shape, check_bytes, flag, integers, size, value_error
from .problems import Pair, PoolProblem


def _pair(values: Shape) -> Pair:
    first, second = values
    return first, second


def pooled_length(
    length: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> int:
    """Return the number of windows along one dimension, 0 or less if none fits.

    In ceil mode a window may overhang the end, but the last one must start inside the input or
    the padding before it, as in PyTorch.
    """
    slack = length + 2 * padding - dilation * (kernel - 1) - 1
    windows = (slack + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (windows - 1) * stride >= length + padding:
        windows -= 1
    return windows


def _pool(
    name: str, input_shape: Any, hyper: tuple[Any, Any, Any, Any], ceil_mode: Any
) -> tuple[PoolProblem, bool]:
    shape = size(name, "input", input_shape, (3, 4), "(N, C, height, width) or (C, height, width)")
    kernel = _pair(integers(name, "kernel_size", hyper[0], 2, 1))
    stride = kernel if hyper[1] is None else _pair(integers(name, "stride", hyper[1], 2, 1))
    padding = _pair(integers(name, "padding", hyper[2], 2, 0))
    dilation = _pair(integers(name, "dilation", hyper[3], 2, 1))
    ceil = flag(name, "ceil_mode", ceil_mode)
    if min(shape[-2:]) < 1:
        raise value_error(name, "input", "spatial sizes of at least 1", f"shape {shape}")
    output = []
    for axis in range(2):
        if padding[axis] > kernel[axis] // 2:
            expected = f"at most {kernel[axis] // 2}, half of kernel_size {kernel[axis]}"
            raise value_error(name, "padding", expected, padding[axis])
        length, geometry = shape[axis - 2], (kernel[axis], stride[axis], padding[axis])
        windows = pooled_length(length, *geometry, dilation[axis], ceil)
        if windows < 1:
            extent = dilation[axis] * (kernel[axis] - 1) + 1
            raise value_error(
                name,
                "input",
                f"at least {extent} elements along spatial axis {axis}, the reach of the window",
                f"{length} with padding {padding[axis]}: the output would be empty",
            )
        _check_windows(name, length, geometry, dilation[axis], windows)
        output.append(windows)
    unbatched = len(shape) == 3
    problem = PoolProblem(
        math.prod(shape[:-2]), _pair(shape[-2:]), kernel, stride, dilation, padding, padding,
        _pair(tuple(output)),
    )  # fmt: skip
    check_bytes(name, "output", (*shape[:-2], *output))
    return problem, unbatched


def _check_windows(
    name: str, length: int, geometry: tuple[int, int, int], dilation: int, windows: int
) -> None:
    """Refuse windows whose taps all fall into the padding, which only a wide dilation can do."""
    kernel, stride, padding = geometry
    if dilation <= length:
        return
    for window in range(min(windows, -(-padding // stride))):
        start = window * stride - padding
        first_inside = start % dilation
        if first_inside >= length or first_inside > start + dilation * (kernel - 1):
            expected = "windows that each cover an element of the input"
            given = f"{dilation} with input length {length}, padding {padding}, stride {stride}"
            raise value_error(name, "dilation", expected, given)


def max_pool_problem(
    name: str,
    input_shape: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: Any = False,
) -> tuple[PoolProblem, bool]:
    """Return the problem of a 2-D max pooling and whether the input came unbatched.

    Parameters
    ----------
    name
        The function to name in messages.
    input_shape
        (N, C, height, width) or (C, height, width).
    kernel_size, stride, padding, dilation
        Each an int or a pair. `stride` is `kernel_size` if None; `padding` is at most half of
        `kernel_size`.
    ceil_mode
        Whether windows may overhang the end.

    Raises
    ------
    TypeError
        For hyper-parameters that are no integers, or a `ceil_mode` that is no bool.
    ValueError
        For ranks and sizes that do not fit, an empty output, a window without any input element,
        or sizes whose product passes 2**63 - 1 bytes.
    """
    return _pool(name, input_shape, (kernel_size, stride, padding, dilation), ceil_mode)


def avg_pool_problem(
    name: str,
    input_shape: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: Any = False,
) -> tuple[PoolProblem, bool]:
    """Return the problem of a 2-D average pooling and whether the input came unbatched.

    As :func:`max_pool_problem`, without dilation.
    """
    return _pool(name, input_shape, (kernel_size, stride, padding, 1), ceil_mode)


def pool_out_shape(input_shape: Shape, problem: PoolProblem) -> Shape:
    """Return the shape of the output of a pooling."""
    return (*input_shape[:-2], *problem.output)


def check_pool_grad(
    name: str, argument: str, given: Shape, input_shape: Shape, problem: PoolProblem
) -> None:
    """Raise ValueError unless `argument` (gradient, offsets) has the shape of the output."""
    expected = pool_out_shape(input_shape, problem)
    if tuple(given) != expected:
        wanted = f"shape {expected}, that of the forward output"
        raise value_error(name, argument, wanted, f"shape {tuple(given)}")
