"""ReLU, softmax and cross entropy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .. import shapes
from .common import Array, float64, like


def relu(input: npt.ArrayLike) -> Array:
    """Return ``max(input, 0)`` element by element; NaN stays NaN."""
    return like(np.maximum(float64(input), 0.0), input)


def relu_backward(grad_output: npt.ArrayLike, output: npt.ArrayLike) -> Array:
    """Return the gradient of ReLU: 0 where `output` is 0 or less, `grad_output` elsewhere."""
    y, g = float64(output), float64(grad_output)
    if y.shape != g.shape:
        expected = f"shape {g.shape}, that of grad_output"
        raise shapes.value_error("relu_backward", "output", expected, f"shape {y.shape}")
    return like(np.where(y <= 0.0, 0.0, g), grad_output)


def relu_bias_backward(grad_output: npt.ArrayLike, output: npt.ArrayLike) -> tuple[Array, Array]:
    """Return :func:`relu_backward` and its sum over all dimensions but the second."""
    masked = relu_backward(grad_output, output)
    axes = tuple(axis for axis in range(masked.ndim) if axis != 1)
    return masked, like(float64(masked).sum(axis=axes), grad_output)


def relu_with_bits(input: npt.ArrayLike) -> tuple[Array, Array]:
    """Return :func:`relu`, and for each element a bit that says whether its gradient passes."""
    y = relu(input)
    return y, np.packbits(~(y <= 0.0), bitorder="little")


def relu_bits_backward(grad_output: npt.ArrayLike, bits: npt.ArrayLike) -> Array:
    """Return the gradient of ReLU from the bits of :func:`relu_with_bits`."""
    g = float64(grad_output)
    passes = np.unpackbits(np.asarray(bits), count=g.size, bitorder="little").astype(bool)
    return like(np.where(passes.reshape(g.shape), g, 0.0), grad_output)


def log_softmax(input: npt.ArrayLike, dim: int = -1) -> Array:
    """Return the logarithm of :func:`softmax`, without forming quotients that could underflow."""
    x = float64(input)
    shifted = x - x.max(axis=dim, keepdims=True)
    return like(shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True)), input)


def softmax(input: npt.ArrayLike, dim: int = -1) -> Array:
    """Return ``exp(input) / sum(exp(input))`` along `dim`."""
    return like(np.exp(log_softmax(float64(input), dim)), input)


def cross_entropy(input: npt.ArrayLike, target: npt.ArrayLike) -> Array:
    """Return the mean of ``-log_softmax(input)[row, target[row]]``.

    Parameters
    ----------
    input
        Scores (rows, classes).
    target
        Index of the right class of each row, (rows,).
    """
    scores = log_softmax(float64(input))
    rows = np.arange(len(scores))
    return like(-scores[rows, np.asarray(target)].mean(), input)


def cross_entropy_input(input: npt.ArrayLike, target: npt.ArrayLike) -> Array:
    """Return the gradient of :func:`cross_entropy`: ``(softmax - one_hot(target)) / rows``."""
    grad = softmax(float64(input))
    rows = np.arange(len(grad))
    grad[rows, np.asarray(target)] -= 1.0
    return like(grad / len(grad), input)
