"""Gradient rules of the NumPy functions behind ``Tensor``'s operators.

A rule is written as in HIPS autograd: for each argument one maker ``(answer, *args, **kwargs) ->
(g -> gradient)``. What is kept for the backward pass is what the inner function captures, which is
visible in one line. Plain arrays only; ``Tensor`` is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyconv.autograd import Array, Vjp
from pyconv.dtypes import NAMES, is_float, is_half
from pyconv.shapes import type_error, value_error

Pull = Callable[[Array], Array]
Maker = Callable[..., Pull]
Rule = Callable[..., Vjp]


def per_argument(*makers: Maker) -> Rule:
    """Combine one maker for each argument into a rule ``(needs, answer, *args, **kwargs)``.

    Makers of arguments that need no gradient are not run, so nothing is kept for them.
    """

    def rule(needs: tuple[bool, ...], answer: Array, *args: Any, **kwargs: Any) -> Vjp:
        pulls = [
            maker(answer, *args, **kwargs) if need else None
            for maker, need in zip(makers, needs, strict=True)
        ]
        return lambda g: tuple(None if pull is None else pull(g) for pull in pulls)

    return rule


def sum_function(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """``numpy.sum``; numbers of 16 bits are summed in float32."""
    if not is_half(x.dtype):
        return np.asarray(np.sum(x, axis=axis, keepdims=keepdims))
    return np.asarray(np.sum(x, axis=axis, dtype=np.float32, keepdims=keepdims)).astype(x.dtype)


def mean_function(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """``numpy.mean``; numbers of 16 bits are summed in float32."""
    if not is_half(x.dtype):
        return np.asarray(np.mean(x, axis=axis, keepdims=keepdims))
    return np.asarray(np.mean(x, axis=axis, dtype=np.float32, keepdims=keepdims)).astype(x.dtype)


def matmul_function(x: Array, y: Array) -> Array:
    """``numpy.matmul``; numbers of 16 bits are multiplied and summed in float32."""
    if not is_half(x.dtype) or x.dtype != y.dtype:
        return np.asarray(np.matmul(x, y))
    return np.asarray(np.matmul(x.astype(np.float32), y.astype(np.float32))).astype(x.dtype)


def unbroadcast(gradient: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Sum `gradient` over the axes that broadcasting added or stretched to reach it."""
    extra = gradient.ndim - len(shape)
    if extra > 0:
        gradient = sum_function(gradient, axis=tuple(range(extra)))
    stretched = tuple(
        axis for axis, size in enumerate(shape) if size == 1 and gradient.shape[axis] != 1
    )
    if stretched:
        gradient = sum_function(gradient, axis=stretched, keepdims=True)
    return np.asarray(gradient, dtype=dtype)


def _fold(operand: Array, pull: Callable[[Array], Any]) -> Pull:
    """`pull`, then back to the operand's shape and dtype; the operand itself is not kept."""
    shape, dtype = operand.shape, operand.dtype
    return lambda g: unbroadcast(np.asarray(pull(g)), shape, dtype)


add = per_argument(
    lambda _, x, y: _fold(x, lambda g: g),
    lambda _, x, y: _fold(y, lambda g: g),
)
subtract = per_argument(
    lambda _, x, y: _fold(x, lambda g: g),
    lambda _, x, y: _fold(y, lambda g: -g),
)
multiply = per_argument(
    lambda _, x, y: _fold(x, lambda g: g * y),
    lambda _, x, y: _fold(y, lambda g: g * x),
)
divide = per_argument(
    lambda _, x, y: _fold(x, lambda g: g / y),
    lambda answer, x, y: _fold(y, lambda g: -g * answer / y),
)
negative = per_argument(lambda _, x: lambda g: -g)
exp = per_argument(lambda answer, x: lambda g: np.asarray(g * answer))
log = per_argument(lambda _, x: lambda g: np.asarray(g / x))


def power_function(x: Array, exponent: float) -> Array:
    """``x ** exponent`` for a number; a floating array keeps its dtype."""
    answer = np.asarray(x**exponent)
    return answer.astype(x.dtype, copy=False) if is_float(x.dtype) else answer


def _power(_: Array, x: Array, *, exponent: float) -> Pull:
    if exponent == 0:  # x ** -1 would give 0 * inf at 0
        return np.zeros_like
    return _fold(x, lambda g: g * (exponent * power_function(x, exponent - 1)))


power = per_argument(_power)


def _matmul_left(_: Array, x: Array, y: Array) -> Pull:
    if y.ndim == 1:
        return _fold(x, lambda g: g[..., None] * y)
    if x.ndim == 1:
        return _fold(x, lambda g: matmul_function(y, g[..., None])[..., 0])
    return _fold(x, lambda g: matmul_function(g, np.swapaxes(y, -1, -2)))


def _matmul_right(_: Array, x: Array, y: Array) -> Pull:
    if x.ndim == 1 and y.ndim == 1:
        return _fold(y, lambda g: g * x)
    if y.ndim == 1:
        return _fold(y, lambda g: matmul_function(np.swapaxes(x, -1, -2), g[..., None])[..., 0])
    if x.ndim == 1:
        return _fold(y, lambda g: x[:, None] * g[..., None, :])
    return _fold(y, lambda g: matmul_function(np.swapaxes(x, -1, -2), g))


matmul = per_argument(_matmul_left, _matmul_right)


def _sum(_: Array, x: Array, *, axis: Any, keepdims: bool) -> Pull:
    shape = x.shape
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    summed = {a % x.ndim for a in axes}
    kept = tuple(1 if a in summed else size for a, size in enumerate(shape))
    return lambda g: np.broadcast_to(g.reshape(kept), shape)


def _mean(answer: Array, x: Array, *, axis: Any, keepdims: bool) -> Pull:
    spread = _sum(answer, x, axis=axis, keepdims=keepdims)
    count = x.size // max(answer.size, 1)
    return lambda g: spread(np.divide(g, max(count, 1), dtype=g.dtype))


sum_ = per_argument(_sum)
mean = per_argument(_mean)


def _cast(_: Array, x: Array, *, dtype: np.dtype[Any]) -> Pull:
    before = x.dtype
    return lambda g: g.astype(before, copy=False)


cast = per_argument(_cast)


def _reshape(_: Array, x: Array, *, shape: tuple[int, ...]) -> Pull:
    before = x.shape
    return lambda g: g.reshape(before)


def _transpose(_: Array, x: Array, *, axes: tuple[int, ...]) -> Pull:
    back = tuple(int(axis) for axis in np.argsort(axes))
    return lambda g: g.transpose(back)


reshape = per_argument(_reshape)
transpose = per_argument(_transpose)


def _take(_: Array, x: Array, *, index: Any) -> Pull:
    shape = x.shape
    parts = index if isinstance(index, tuple) else (index,)
    basic = all(p is None or p is ... or isinstance(p, (int, slice, np.integer)) for p in parts)

    def pull(g: Array) -> Array:
        gradient = np.zeros(shape, dtype=g.dtype)
        if basic:
            gradient[index] = g
        else:  # an index array may name one element several times
            np.add.at(gradient, index, g)
        return gradient

    return pull


take = per_argument(_take)


def flat_shape(name: str, shape: tuple[int, ...], start: int, end: int) -> tuple[int, ...]:
    """`shape` with the axes from `start` to `end` (both included) joined into one.

    Raises
    ------
    ValueError
        If an axis does not exist, or if `end` comes before `start`.
    """
    rank = max(len(shape), 1)
    for argument, axis in (("start_dim", start), ("end_dim", end)):
        if not -rank <= axis < rank:
            expected = f"an axis from {-rank} to {rank - 1} of shape {shape}"
            raise value_error(name, argument, expected, axis)
    first, last = start % rank, end % rank
    if first > last:
        expected = f"an axis of shape {shape} that does not come before start_dim, {start}"
        raise value_error(name, "end_dim", expected, end)
    joined = 1
    for size in shape[first : last + 1]:
        joined *= size
    return (*shape[:first], joined, *shape[last + 1 :])


def plain_array(name: str, argument: str, data: Any) -> Array:
    """`data` as an ndarray of booleans, integers or real numbers; TypeError for anything else."""
    array: Array = np.asarray(data)
    if array.dtype.kind not in "biuf" and not is_half(array.dtype):
        expected = "booleans, integers or real numbers"
        raise type_error(name, argument, expected, f"dtype {array.dtype}")
    return array


def check_differentiable(name: str, argument: str, array: Array) -> None:
    """TypeError unless the array's dtype can carry a gradient."""
    if not is_float(array.dtype):
        expected = f"{NAMES} where a gradient is required"
        given = f"dtype {array.dtype}; convert it with .astype(numpy.float32)"
        raise type_error(name, argument, expected, given)
