"""Convolution and its gradients: windows onto the padded input, and ``einsum``.

All ranks run as three spatial dimensions, the missing ones of length 1. In the einsum subscripts
n is the image, g the group, c the channel and f the filter within the group, d h w the output
pixel, and i j k the tap (the position in the kernel).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from .. import shapes
from ..shapes import ConvProblem
from .common import Array, Float64, float64, like


def _padded(x: Float64, p: ConvProblem) -> Float64:
    """Return the input as (N, C, D, H, W) with zeros around."""
    pads = [(0, 0), (0, 0), *zip(p.pad_lo, p.pad_hi, strict=True)]
    return np.pad(x.reshape(p.n, p.c, *p.input), pads)


def _windows(x: Float64, p: ConvProblem) -> Float64:
    """Return a view (n, g, c, d, h, w, i, j, k): what each output pixel sees through each tap."""
    padded = _padded(x, p)
    image, channel, *pixel = padded.strides
    per_group = p.c // p.groups
    return as_strided(
        padded,
        (p.n, p.groups, per_group, *p.output, *p.kernel),
        (
            image,
            channel * per_group,
            channel,
            *(step * s for step, s in zip(pixel, p.stride, strict=True)),
            *(step * d for step, d in zip(pixel, p.dilation, strict=True)),
        ),
        writeable=False,
    )


def _grouped_weight(w: Float64, p: ConvProblem) -> Float64:
    return w.reshape(p.groups, p.k // p.groups, p.c // p.groups, *p.kernel)


def _grouped_output(g: Float64, p: ConvProblem) -> Float64:
    return g.reshape(p.n, p.groups, p.k // p.groups, *p.output)


def _forward(
    rank: int,
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None,
    hyper: tuple[Any, Any, Any, Any],
    relu: bool,
) -> Array:
    x, w = float64(input), float64(weight)
    name = f"conv{rank}d"
    p, unbatched = shapes.conv_problem(name, rank, x.shape, w.shape, *hyper)
    y = np.einsum("ngcdhwijk,gfcijk->ngfdhw", _windows(x, p), _grouped_weight(w, p))
    y = y.reshape(p.n, p.k, *p.output)
    if bias is not None:
        b = float64(bias)
        shapes.check_bias(name, b.shape, p.k)
        y = y + b[:, None, None, None]
    if relu:
        y = np.maximum(y, 0.0)
    return like(y.reshape(shapes.out_shape(p, unbatched, rank)), input)


def _input(
    rank: int,
    input_size: tuple[int, ...],
    weight: npt.ArrayLike,
    grad_output: npt.ArrayLike,
    hyper: tuple[Any, Any, Any, Any],
) -> Array:
    w, g = float64(weight), float64(grad_output)
    name = f"conv{rank}d_input"
    p, _ = shapes.conv_input_problem(name, rank, input_size, w.shape, g.shape, *hyper)
    padded = _padded(np.zeros((p.n, p.c, *p.input)), p)
    by_group = padded.reshape(p.n, p.groups, p.c // p.groups, *padded.shape[2:])
    grouped_weight, grouped_grad = _grouped_weight(w, p), _grouped_output(g, p)
    for tap in np.ndindex(p.kernel):
        depth, height, width = (
            slice(t * d, t * d + (o - 1) * s + 1, s)
            for t, d, o, s in zip(tap, p.dilation, p.output, p.stride, strict=True)
        )
        i, j, k = tap
        products = np.einsum("ngfdhw,gfc->ngcdhw", grouped_grad, grouped_weight[..., i, j, k])
        by_group[..., depth, height, width] += products
    depth, height, width = (slice(low, low + i) for low, i in zip(p.pad_lo, p.input, strict=True))
    return like(padded[..., depth, height, width].reshape(input_size), grad_output)


def _weight(
    rank: int,
    input: npt.ArrayLike,
    weight_size: tuple[int, ...],
    grad_output: npt.ArrayLike,
    hyper: tuple[Any, Any, Any, Any],
) -> Array:
    x, g = float64(input), float64(grad_output)
    name = f"conv{rank}d_weight"
    p, _ = shapes.conv_weight_problem(name, rank, x.shape, weight_size, g.shape, *hyper)
    dw = np.einsum("ngcdhwijk,ngfdhw->gfcijk", _windows(x, p), _grouped_output(g, p))
    return like(dw.reshape(weight_size), input)


def _bias(rank: int, grad_output: npt.ArrayLike) -> Array:
    g = float64(grad_output)
    shapes.check_output_rank(f"conv{rank}d_bias", rank, g.shape)
    pixels = tuple(range(g.ndim - rank, g.ndim))
    per_image = g.sum(axis=pixels)
    return like(per_image if g.ndim == rank + 1 else per_image.sum(axis=0), grad_output)


def conv1d(
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    relu: bool = False,
) -> Array:
    """Return the 1-D convolution; as :func:`conv2d` with one spatial dimension."""
    return _forward(1, input, weight, bias, (stride, padding, dilation, groups), relu)


def conv1d_input(
    input_size: tuple[int, ...],
    weight: npt.ArrayLike,
    grad_output: npt.ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Return the gradient of :func:`conv1d` with respect to an input of shape `input_size`."""
    return _input(1, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv1d_weight(
    input: npt.ArrayLike,
    weight_size: tuple[int, ...],
    grad_output: npt.ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Return the gradient of :func:`conv1d` with respect to a weight of shape `weight_size`."""
    return _weight(1, input, weight_size, grad_output, (stride, padding, dilation, groups))


def conv1d_bias(grad_output: npt.ArrayLike) -> Array:
    """Return the gradient of :func:`conv1d` with respect to the bias: sums over all pixels."""
    return _bias(1, grad_output)


def conv2d(
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    relu: bool = False,
) -> Array:
    """Return the 2-D convolution (cross-correlation: the kernel is not flipped).

    Parameters
    ----------
    input
        (N, C, height, width) or (C, height, width).
    weight
        (K, C / groups, kernel height, kernel width).
    bias
        (K,) or None.
    stride, dilation
        An int or a pair.
    padding
        An int, a pair, a pair of (low, high) pairs, ``"same"``, ``"valid"`` or ``"full"``.
    groups
        Number of groups of channels that are convolved apart.
    relu
        Whether to apply ReLU to the result.

    Returns
    -------
    array
        (N, K, out height, out width), or without N, in the dtype of `input`.

    Raises
    ------
    TypeError, ValueError
        As :func:`pyconv.shapes.conv_problem`; ValueError for a bias of another shape.
    """
    return _forward(2, input, weight, bias, (stride, padding, dilation, groups), relu)


def conv2d_input(
    input_size: tuple[int, ...],
    weight: npt.ArrayLike,
    grad_output: npt.ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Return the gradient of :func:`conv2d` with respect to an input of shape `input_size`."""
    return _input(2, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv2d_weight(
    input: npt.ArrayLike,
    weight_size: tuple[int, ...],
    grad_output: npt.ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Return the gradient of :func:`conv2d` with respect to a weight of shape `weight_size`."""
    return _weight(2, input, weight_size, grad_output, (stride, padding, dilation, groups))


def conv2d_bias(grad_output: npt.ArrayLike) -> Array:
    """Return the gradient of :func:`conv2d` with respect to the bias: sums over all pixels."""
    return _bias(2, grad_output)


def conv3d(
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    relu: bool = False,
) -> Array:
    """Return the 3-D convolution; as :func:`conv2d` with three spatial dimensions."""
    return _forward(3, input, weight, bias, (stride, padding, dilation, groups), relu)


def conv3d_input(
    input_size: tuple[int, ...],
    weight: npt.ArrayLike,
    grad_output: npt.ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Return the gradient of :func:`conv3d` with respect to an input of shape `input_size`."""
    return _input(3, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv3d_weight(
    input: npt.ArrayLike,
    weight_size: tuple[int, ...],
    grad_output: npt.ArrayLike,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Return the gradient of :func:`conv3d` with respect to a weight of shape `weight_size`."""
    return _weight(3, input, weight_size, grad_output, (stride, padding, dilation, groups))


def conv3d_bias(grad_output: npt.ArrayLike) -> Array:
    """Return the gradient of :func:`conv3d` with respect to the bias: sums over all pixels."""
    return _bias(3, grad_output)
