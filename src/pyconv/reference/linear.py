"""The fully connected layer and its gradients."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .. import shapes
from .common import Array, float64, like


def linear(
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *,
    relu: bool = False,
) -> Array:
    """Return ``input @ weight.T + bias``.

    Parameters
    ----------
    input
        (..., in_features).
    weight
        (out_features, in_features).
    bias
        (out_features,) or None.
    relu
        Whether to apply ReLU to the result.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    x, w = float64(input), float64(weight)
    shapes.linear_problem("linear", x.shape, w.shape)
    result = np.einsum("...i,oi->...o", x, w)
    if bias is not None:
        b = float64(bias)
        shapes.check_bias("linear", b.shape, w.shape[0])
        result = result + b
    return like(np.maximum(result, 0.0) if relu else result, input)


def linear_input(weight: npt.ArrayLike, grad_output: npt.ArrayLike) -> Array:
    """Return the gradient of :func:`linear` with respect to the input: ``grad_output @ weight``."""
    w, g = float64(weight), float64(grad_output)
    shapes.check_linear_grad("linear_input", g.shape, g.shape[:-1], w.shape[0])
    return like(np.einsum("...o,oi->...i", g, w), grad_output)


def linear_weight(input: npt.ArrayLike, grad_output: npt.ArrayLike) -> Array:
    """Return the gradient of :func:`linear` with respect to the weight."""
    x, g = float64(input), float64(grad_output)
    shapes.check_linear_grad("linear_weight", g.shape, x.shape[:-1], g.shape[-1])
    rows = math.prod(x.shape[:-1])
    dw = np.einsum("ro,ri->oi", g.reshape(rows, g.shape[-1]), x.reshape(rows, x.shape[-1]))
    return like(dw, input)


def linear_bias(grad_output: npt.ArrayLike) -> Array:
    """Return the gradient of :func:`linear` with respect to the bias: the sum over all rows."""
    g = float64(grad_output)
    return like(g.sum(axis=tuple(range(g.ndim - 1))), grad_output)
