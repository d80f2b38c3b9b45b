"""Convolution, ReLU and maximum pooling in one pass over memory, on plain arrays."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pyconv import _core, shapes
from pyconv.arrays import conv, pool
from pyconv.arrays.check import output, prepare
from pyconv.packed import PackedWeight
from pyconv.precision import Precision

__all__ = ["conv2d_relu_max_pool2d"]

Array: TypeAlias = "npt.NDArray[Any]"
Size: TypeAlias = "int | tuple[int, ...]"
Padding: TypeAlias = "str | int | tuple[int, ...] | tuple[tuple[int, int], ...]"
Pair: TypeAlias = "int | tuple[int, int]"

_NAME = "conv2d_relu_max_pool2d"

#: What the convolution makes of a block of images is to stay in a second-level cache of 1 MB. (One
#: image may be larger: 1.2 MB of AlexNet's first layer still gain 6 to 8 %, Zen 5, November 2026.)
_BLOCK_BYTES, _IMAGE_BYTES = 512 * 1024, 2048 * 1024

#: What all images make fits that cache and a part of the next below this size, and then what the
#: blocks cost is more than they spare (LeNet's two layers, a batch of 64: 0.97).
_FAR_BYTES = 4_000_000


class _Call(NamedTuple):
    """What a convolution with its pooling is made of, but for the data."""

    dtype: np.dtype[Any]
    weight: tuple[int, ...]
    packed: bool
    hyper: tuple[Any, ...]
    windows: tuple[Any, ...]
    precision: Precision | None


class _Step(NamedTuple):
    """The plans for so many images, and the shapes of what either makes."""

    conv: _core.ConvPlan
    made: tuple[int, ...]
    pool: _core.PoolProblem
    output: tuple[int, ...]


def _step(call: _Call, shape: tuple[int, ...]) -> _Step:
    choice = (None, call.precision)
    plan, made, _ = conv._planned(
        shapes.conv_problem, _NAME, "forward", call.dtype, choice, call.packed,
        (shape, call.weight), call.hyper,
    )  # fmt: skip
    pooling = pool._plan(shapes.max_pool_problem, _NAME, made, *call.windows)
    return _Step(plan, made, pooling.problem, pooling.output)


def _images_at_a_time(call: _Call, whole: _Step, images: int) -> int:
    """Return how many images to take at a time, or 0 where the two calls are no slower."""
    if call.dtype.itemsize == 2:  # float32 between the two would round once less than two calls
        return 0
    nbytes = math.prod(whole.made) * call.dtype.itemsize // max(1, images)
    most = max(1, _BLOCK_BYTES // max(1, nbytes))
    if images <= most or nbytes > _IMAGE_BYTES or images * nbytes < _FAR_BYTES:
        return 0
    blocks = -(-images // most)
    size = -(-images // blocks)
    # Every block would transform or pack the weight again.
    again = 0 if call.packed else whole.conv.shared_bytes
    return 0 if 4 * again > size * nbytes else size


def _run(call: _Call, whole: _Step, x: Array, w: Any, bias: Array | None, result: Array) -> None:
    images = x.shape[0] if x.ndim == 4 else 1
    size = _images_at_a_time(call, whole, images)
    if size == 0:
        made = _core.empty(whole.made, x.dtype)
        _core.conv_forward(whole.conv, x, w, bias, made, True)
        _core.max_pool_forward(whole.pool, made, result, None)
        return
    even = images // size * size
    for first, end, count in ((0, even, size), (even, images, images - even)):
        if first < end:
            step = _step(call, (count, *x.shape[1:]))
            _core.conv_relu_max_pool(step.conv, step.pool, x[first:end], w, bias, result[first:end])


def conv2d_relu_max_pool2d(
    input: Array,
    weight: npt.NDArray[Any] | PackedWeight,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    kernel_size: Pair = 2,
    pool_stride: Pair | None = None,
    pool_padding: Pair = 0,
    ceil_mode: bool = False,
    out: Array | None = None,
    precision: Precision | None = None,
) -> Array:
    """Return ``max_pool2d(conv2d(..., relu=True))``, the same bits, for inference.

    A batch is pooled a few images at a time, as the convolution makes them, so that what lies
    between never goes to memory. Where that would gain nothing this is the two calls.

    Parameters
    ----------
    input, weight, bias, stride, padding, dilation, groups, precision
        As in :func:`conv2d`.
    kernel_size, pool_stride, pool_padding, ceil_mode
        As `kernel_size`, `stride`, `padding` and `ceil_mode` in :func:`max_pool2d`.
    out
        Array for the result: its shape and dtype, C-contiguous, sharing no memory with an operand.

    Returns
    -------
    An array ([N,] K, oH, oW).

    Raises
    ------
    TypeError, ValueError
        As the two functions do.
    """
    x = prepare(_NAME, "input", input)
    w, shape = conv._weight(_NAME, weight, x.dtype)
    hyper = (stride, padding, dilation, groups)
    windows = (kernel_size, pool_stride, pool_padding, 1, ceil_mode)
    call = _Call(x.dtype, shape, type(weight) is PackedWeight, hyper, windows, precision)
    whole = _step(call, x.shape)
    inputs = (x, *conv._overlap(w))
    if bias is not None:
        bias = prepare(_NAME, "bias", bias, x.dtype)
        shapes.check_bias(_NAME, bias.shape, shape[0])
        inputs = (*inputs, bias)
    result = output(_NAME, out, whole.output, x.dtype, *inputs)
    _run(call, whole, x, w, bias, result)
    return result
