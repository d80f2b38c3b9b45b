"""Convolution as its definition says it, one product after the other: for tiny shapes only.

It shares nothing with the windows and ``einsum`` of :mod:`pyconv.reference.conv` but the sizes, so
that the two can check each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import shapes
from ..shapes import ConvProblem
from .common import Array, float64, like

Index = tuple[int, ...]


def _ranges(*lengths: int) -> Iterator[Index]:
    return product(*(range(length) for length in lengths))


def _products(p: ConvProblem) -> Iterator[tuple[Index, Index, Index]]:
    """Yield the indices into input, weight and output of every product that is summed.

    Products with the padding are 0 and left out.
    """
    per_group, filters = p.c // p.groups, p.k // p.groups
    for n, f, c in _ranges(p.n, p.k, per_group):
        channel = f // filters * per_group + c
        for out in _ranges(*p.output):
            for tap in _ranges(*p.kernel):
                pixel = tuple(
                    o * s - low + t * d
                    for o, s, low, t, d in zip(
                        out, p.stride, p.pad_lo, tap, p.dilation, strict=True
                    )
                )
                if all(0 <= i < length for i, length in zip(pixel, p.input, strict=True)):
                    yield (n, channel, *pixel), (f, c, *tap), (n, f, *out)


def _views(p: ConvProblem) -> tuple[Index, Index, Index]:
    """Return the shapes of input, weight and output with a batch and three spatial dimensions."""
    return (p.n, p.c, *p.input), (p.k, p.c // p.groups, *p.kernel), (p.n, p.k, *p.output)


def conv(
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Return the convolution of any rank that the weight (K, C / groups, kernel...) has."""
    x, w = float64(input), float64(weight)
    rank = w.ndim - 2
    hyper = (stride, padding, dilation, groups)
    p, unbatched = shapes.conv_problem("conv", rank, x.shape, w.shape, *hyper)
    x_shape, w_shape, y_shape = _views(p)
    x5, w5, y = x.reshape(x_shape), w.reshape(w_shape), np.zeros(y_shape)
    for in_x, in_w, in_y in _products(p):
        y[in_y] += x5[in_x] * w5[in_w]
    if bias is not None:
        for f, value in enumerate(float64(bias)):
            y[:, f] += value
    return like(y.reshape(shapes.out_shape(p, unbatched, rank)), input)


def conv_input(
    input_size: tuple[int, ...],
    weight: npt.ArrayLike,
    grad_output: npt.ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Return the gradient of :func:`conv` with respect to the input."""
    w, g = float64(weight), float64(grad_output)
    hyper = (stride, padding, dilation, groups)
    p, _ = shapes.conv_input_problem("conv_input", w.ndim - 2, input_size, w.shape, g.shape, *hyper)
    x_shape, w_shape, y_shape = _views(p)
    dx, w5, g5 = np.zeros(x_shape), w.reshape(w_shape), g.reshape(y_shape)
    for in_x, in_w, in_y in _products(p):
        dx[in_x] += g5[in_y] * w5[in_w]
    return like(dx.reshape(input_size), grad_output)


def conv_weight(
    input: npt.ArrayLike,
    weight_size: tuple[int, ...],
    grad_output: npt.ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Return the gradient of :func:`conv` with respect to the weight."""
    x, g = float64(input), float64(grad_output)
    hyper = (stride, padding, dilation, groups)
    p, _ = shapes.conv_weight_problem(
        "conv_weight", len(weight_size) - 2, x.shape, weight_size, g.shape, *hyper
    )
    x_shape, w_shape, y_shape = _views(p)
    x5, dw, g5 = x.reshape(x_shape), np.zeros(w_shape), g.reshape(y_shape)
    for in_x, in_w, in_y in _products(p):
        dw[in_w] += g5[in_y] * x5[in_x]
    return like(dw.reshape(weight_size), input)
