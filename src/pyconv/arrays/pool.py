"""Maximum and average pooling and their gradients on plain arrays."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pyconv import _core, shapes
from pyconv.arrays.check import output, prepare
from pyconv.arrays.plans import hyper_key, keep, lookup

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool2d_with_offsets",
]

Array: TypeAlias = "npt.NDArray[Any]"
Size: TypeAlias = "int | tuple[int, int]"

#: Windows of so many elements have positions that fit a byte, and those of so many an int32.
_BYTE_WINDOW = 256
_WORD_WINDOW = 2**31 - 1

_SIZES = "(N, C, H, W) or (C, H, W)"
_int64 = np.dtype(np.int64)
_INT = frozenset([int])
_max_problem = shapes.max_pool_problem


class _Plan(NamedTuple):
    problem: _core.PoolProblem
    output: tuple[int, ...]
    #: Of positions in windows, or None where no dtype holds them.
    offsets: np.dtype[Any] | None
    window: int


def _new_plan(make: Any, name: str, shape: tuple[int, ...], hyper: tuple[Any, ...]) -> _Plan:
    problem, _ = make(name, shape, *hyper)
    window = problem.window
    offsets = np.dtype(np.uint8 if window <= _BYTE_WINDOW else np.int32)
    return _Plan(
        _core.PoolProblem(problem.sizes),
        shapes.pool_out_shape(shape, problem),
        offsets if window <= _WORD_WINDOW else None,
        window,
    )


def _avg_problem(
    name: str, shape: Any, kernel: Any, stride: Any, padding: Any, dilation: int, ceil: Any
) -> Any:
    return shapes.avg_pool_problem(name, shape, kernel, stride, padding, ceil)


def _plan(
    make: Any,
    name: str,
    shape: tuple[int, ...],
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil: Any,
) -> _Plan:
    """Return the sizes of a pooling; those of a call made before come from a cache."""
    # Of equal numbers not all are welcome: True and 1.0 are not.
    if (
        type(kernel) is int
        and (stride is None or type(stride) is int)
        and type(padding) is int
        and type(dilation) is int
        and type(ceil) is bool
    ):
        key: Any = (make, shape, kernel, stride, padding, dilation, ceil)
    else:
        step = "kernel" if stride is None else hyper_key(stride)
        keys = (hyper_key(kernel), step, hyper_key(padding), hyper_key(dilation))
        key = (make, shape, *keys, ceil)
        if None in keys or type(ceil) is not bool:
            return _new_plan(make, name, shape, (kernel, stride, padding, dilation, ceil))
    plan: _Plan | None = lookup(key)
    if plan is None:
        plan = _new_plan(make, name, shape, (kernel, stride, padding, dilation, ceil))
        keep(key, plan)
    return plan


def _offsets_dtype(name: str, plan: _Plan) -> np.dtype[Any]:
    if plan.offsets is None:
        expected = f"windows of at most {_WORD_WINDOW} elements where positions are asked for"
        raise shapes.value_error(name, "kernel_size", expected, plan.window)
    return plan.offsets


def max_pool2d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Any:
    """Return the greatest element of each window, as torch.nn.functional.max_pool2d does.

    Parameters
    ----------
    input
        (N, C, H, W), or unbatched (C, H, W); floats of 16, 32 or 64 bits, any strides.
    kernel_size, stride, padding, dilation
        Each an int or a pair. `stride` is `kernel_size` if None; `padding` counts as -inf and is
        at most half of `kernel_size`.
    ceil_mode
        Whether windows may overhang the end.
    return_indices
        Whether to return also where the elements were found.
    out
        Array for the result: its shape and dtype, C-contiguous, sharing no memory with `input`.

    Returns
    -------
    array, or (array, array)
        ([N,] C, oH, oW) in the dtype of `input` and, if asked for, int64 positions
        ``row * W + column`` in the plane. The first of equals wins, and NaN wins over all.

    Raises
    ------
    TypeError
        For anything but an array of floats, and for arguments of a wrong kind.
    ValueError
        For shapes that do not fit, an empty output, and an `out` that does not fit.

    Notes
    -----
    Rows are joined first, then the taps of the joined row, split by stride so that each tap is a
    contiguous run. Positions travel as window offsets of one byte beside the values.
    """
    x = prepare("max_pool2d", "input", input)
    plan = _plan(_max_problem, "max_pool2d", x.shape,
                 kernel_size, stride, padding, dilation, ceil_mode)  # fmt: skip
    if type(return_indices) is not bool:
        return_indices = shapes.flag("max_pool2d", "return_indices", return_indices)
    if not return_indices:
        result = output("max_pool2d", out, plan.output, x.dtype, x)
        _core.max_pool_forward(plan.problem, x, result, None)
        return result
    offsets = _core.empty(plan.output, _offsets_dtype("max_pool2d", plan))
    result = output("max_pool2d", out, plan.output, x.dtype, x)
    _core.max_pool_forward(plan.problem, x, result, offsets)
    indices = _core.empty(plan.output, _int64)
    _core.max_pool_indices(plan.problem, offsets, indices)
    return result, indices


def max_pool2d_with_offsets(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    """Return what :func:`max_pool2d` does, and where in its window each element was found.

    The offsets are ``row * kernel_width + column`` within the window: uint8 where a window has at
    most 256 elements, else int32. They are what :func:`max_pool2d_backward` takes, at an eighth of
    the memory of indices. Arguments and errors are those of :func:`max_pool2d`.
    """
    name = "max_pool2d_with_offsets"
    x = prepare(name, "input", input)
    plan = _plan(_max_problem, name, x.shape,
                 kernel_size, stride, padding, dilation, ceil_mode)  # fmt: skip
    offsets = _core.empty(plan.output, _offsets_dtype(name, plan))
    result: Array = _core.empty(plan.output, x.dtype)
    _core.max_pool_forward(plan.problem, x, result, offsets)
    return result, offsets


def _backward_plan(
    make: Any, name: str, input_size: Any, grad: Array, *hyper: Any
) -> tuple[_Plan, tuple[int, ...]]:
    """Return the plan and the checked `input_size`; `grad` must have the shape of the output."""
    if type(input_size) is not tuple or not _INT.issuperset(map(type, input_size)):
        input_size = shapes.size(name, "input_size", input_size, (3, 4), _SIZES)
    plan = _plan(make, name, input_size, *hyper)
    if grad.shape != plan.output:
        expected = f"shape {plan.output}, that of the forward output"
        raise shapes.value_error(name, "grad_output", expected, f"shape {grad.shape}")
    return plan, input_size


def max_pool2d_backward(
    grad_output: Array,
    offsets: npt.NDArray[np.integer[Any]],
    input_size: tuple[int, ...],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    out: Array | None = None,
) -> Array:
    """Return the gradient of :func:`max_pool2d` for its input.

    Parameters
    ----------
    grad_output
        Gradient of the output, ([N,] C, oH, oW), floats of 16, 32 or 64 bits.
    offsets
        What :func:`max_pool2d_with_offsets` returned beside the output.
    input_size
        Shape of the input of the forward pass.
    kernel_size, stride, padding, dilation, ceil_mode, out
        As in :func:`max_pool2d`.

    Returns
    -------
    An array of shape `input_size`: each gradient is added where its maximum was found.

    Raises
    ------
    TypeError
        For wrong dtypes, and for arguments of a wrong kind.
    ValueError
        For shapes that do not follow from `input_size`, and an `out` that does not fit.
    """
    name = "max_pool2d_backward"
    grad = prepare(name, "grad_output", grad_output)
    plan, size = _backward_plan(_max_problem, name, input_size, grad,
                                kernel_size, stride, padding, dilation, ceil_mode)  # fmt: skip
    dtype = _offsets_dtype(name, plan)
    if not isinstance(offsets, np.ndarray) or offsets.dtype != dtype:
        expected = f"the {dtype} offsets of max_pool2d_with_offsets"
        given = getattr(offsets, "dtype", type(offsets).__name__)
        raise shapes.type_error(name, "offsets", expected, given)
    if offsets.shape != plan.output:
        expected = f"shape {plan.output}, that of the forward output"
        raise shapes.value_error(name, "offsets", expected, f"shape {offsets.shape}")
    places: Any = offsets if offsets.flags.carray else np.require(offsets, None, ("C", "A"))
    result = output(name, out, size, grad.dtype, grad, places)
    _core.max_pool_backward(plan.problem, grad, places, result)
    return result


def avg_pool2d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Array | None = None,
) -> Array:
    """Return the mean of each window, as torch.nn.functional.avg_pool2d does.

    Parameters
    ----------
    input
        (N, C, H, W), or unbatched (C, H, W); floats of 16, 32 or 64 bits, any strides.
    kernel_size, stride, padding, ceil_mode, out
        As in :func:`max_pool2d`; padding counts as 0.
    count_include_pad
        Whether the padding counts as elements. What a window of `ceil_mode` has beyond the padding
        never does.
    divisor_override
        What to divide sums by instead of their number of elements.

    Returns
    -------
    An array ([N,] C, oH, oW) in the dtype of `input`.

    Raises
    ------
    TypeError, ValueError
        As :func:`max_pool2d`, and ValueError for a `divisor_override` of 0.
    """
    x = prepare("avg_pool2d", "input", input)
    plan = _plan(_avg_problem, "avg_pool2d", x.shape, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is None and type(count_include_pad) is bool:
        count, divisor = count_include_pad, 0
    else:
        count, divisor = _divisor("avg_pool2d", count_include_pad, divisor_override)
    result = output("avg_pool2d", out, plan.output, x.dtype, x)
    _core.avg_pool_forward(plan.problem, x, result, count, divisor)
    return result


def _divisor(name: str, count_include_pad: Any, divisor_override: Any) -> tuple[bool, int]:
    count = shapes.flag(name, "count_include_pad", count_include_pad)
    return count, shapes.divisor(name, divisor_override)


def avg_pool2d_backward(
    grad_output: Array,
    input_size: tuple[int, ...],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Array | None = None,
) -> Array:
    """Return the gradient of :func:`avg_pool2d` for its input.

    Parameters
    ----------
    grad_output
        Gradient of the output, ([N,] C, oH, oW), floats of 16, 32 or 64 bits.
    input_size
        Shape of the input of the forward pass.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, out
        As in :func:`avg_pool2d`.

    Returns
    -------
    An array of shape `input_size`.

    Raises
    ------
    TypeError
        For wrong dtypes, and for arguments of a wrong kind.
    ValueError
        For shapes that do not follow from `input_size`, and an `out` that does not fit.
    """
    name = "avg_pool2d_backward"
    grad = prepare(name, "grad_output", grad_output)
    plan, size = _backward_plan(
        _avg_problem, name, input_size, grad, kernel_size, stride, padding, 1, ceil_mode
    )
    count, divisor = _divisor(name, count_include_pad, divisor_override)
    result = output(name, out, size, grad.dtype, grad)
    _core.avg_pool_backward(plan.problem, grad, result, count, divisor)
    return result
