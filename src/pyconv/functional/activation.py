"""relu, softmax, log_softmax and dropout on arrays and tensors."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy import ndarray

from pyconv import arrays, rng
from pyconv.autograd import Array, Vjp
from pyconv.dtypes import is_half
from pyconv.functional.checks import check_float, check_fraction, reject_out
from pyconv.shapes import type_error, value_error
from pyconv.shapes.checks import described
from pyconv.tensor import Primitive, Tensor

__all__ = ["dropout", "log_softmax", "relu", "softmax"]

T = TypeVar("T", Array, Tensor)


def _relu_rule(needs: tuple[bool, ...], bits: Array, input: Array) -> Vjp:
    # Bits instead of the output: 1/32 of the memory where nothing else keeps it, and half of the
    # time of the backward pass even where something does.
    return lambda g: (arrays.relu_bits_backward(g, bits),)


_relu = Primitive("relu", arrays.relu, _relu_rule, traced=arrays.relu_with_bits)


def relu(input: T, *, out: Array | None = None) -> T:
    """max(0, x), element by element; NaN stays NaN.

    Parameters
    ----------
    input : ndarray or Tensor
        Floats of 16, 32 or 64 bits, any shape.
    out : ndarray, optional
        Where to write the result; may be `input` itself. Plain arrays only.

    Returns
    -------
    ndarray or Tensor
        Of the input's shape and dtype.

    Raises
    ------
    TypeError
        For another kind or dtype of input, and for `out` together with a Tensor.
    """
    if type(input) is ndarray:
        return arrays.relu(input, out=out)
    if isinstance(input, Tensor):
        reject_out("relu", out)
        result: Tensor = _relu(input)
        return result
    return arrays.relu(input, out=out)  # subclasses of ndarray, and mistakes


def _check_dim(name: str, input: Any, dim: int) -> None:
    check_float(name, "input", input)
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)):
        raise type_error(name, "dim", "an int", described(dim))
    if not -input.ndim <= dim < input.ndim:
        raise value_error(name, "dim", f"an axis of shape {input.shape}", dim)


def softmax_array(x: Array, dim: int) -> Array:
    """exp(x) / sum(exp(x)) along `dim`. The largest element is taken off first, so that exp cannot
    overflow."""
    if x.size == 0:
        return np.empty_like(x)
    answer: Array = np.exp(x - x.max(axis=dim, keepdims=True))
    answer /= answer.sum(axis=dim, keepdims=True)
    return answer


def log_softmax_array(x: Array, dim: int) -> Array:
    """x - log(sum(exp(x))) along `dim`, with the largest element taken off first."""
    if x.size == 0:
        return np.empty_like(x)
    answer: Array = x - x.max(axis=dim, keepdims=True)
    answer -= np.log(np.exp(answer).sum(axis=dim, keepdims=True))
    return answer


def _softmax_rule(needs: tuple[bool, ...], y: Array, x: Array, *, dim: int) -> Vjp:
    return lambda g: (y * (g - (g * y).sum(axis=dim, keepdims=True)),)


def _log_softmax_rule(needs: tuple[bool, ...], y: Array, x: Array, *, dim: int) -> Vjp:
    return lambda g: (g - np.exp(y) * g.sum(axis=dim, keepdims=True),)


_softmax = Primitive("softmax", softmax_array, _softmax_rule)
_log_softmax = Primitive("log_softmax", log_softmax_array, _log_softmax_rule)


def softmax(input: T, dim: int) -> T:
    """Exponentials along `dim`, scaled to the sum 1.

    Parameters
    ----------
    input : ndarray or Tensor
        Floats of 16, 32 or 64 bits, of at least one dimension.
    dim : int
        The axis to sum over. (torch guesses one if it is left out, and warns; here it is required.)

    Returns
    -------
    ndarray or Tensor
        Of the input's shape and dtype.

    Raises
    ------
    TypeError
        For another kind or dtype of input.
    ValueError
        If there is no axis `dim`.
    """
    _check_dim("softmax", input, dim)
    if is_half(input.dtype):  # sums of 16 bits are float32
        return softmax(input.astype(np.float32), dim).astype(input.dtype)
    result: T = _softmax(input, dim=dim)
    return result


def log_softmax(input: T, dim: int) -> T:
    """Logarithm of ``softmax``, computed without forming it; the parameters are the same."""
    _check_dim("log_softmax", input, dim)
    if is_half(input.dtype):
        return log_softmax(input.astype(np.float32), dim).astype(input.dtype)
    result: T = _log_softmax(input, dim=dim)
    return result


def dropout(
    input: T, p: float = 0.5, training: bool = True, *, generator: np.random.Generator | None = None
) -> T:
    """Zero each element with probability `p` and scale the rest by 1 / (1 - p).

    Parameters
    ----------
    input : ndarray or Tensor
        Floats of 16, 32 or 64 bits.
    p : float
        Probability, from 0 to 1.
    training : bool
        If False, the input is returned as it is.
    generator : numpy.random.Generator, optional
        Source of the random numbers; by default the one that ``pyconv.manual_seed`` seeds.

    Returns
    -------
    ndarray or Tensor
        Of the input's shape and dtype.

    Raises
    ------
    TypeError
        For another kind or dtype of input.
    ValueError
        If `p` is NaN or outside [0, 1].
    """
    check_float("dropout", "input", input)
    check_fraction("dropout", "p", p)
    if not training or p == 0:
        return input
    source = rng.default_generator() if generator is None else generator
    keep = source.random(input.shape, dtype=np.float32) >= p
    scale = keep.astype(input.dtype)
    if p < 1:
        scale *= 1.0 / (1.0 - float(p))
    result: T = input * scale
    return result
