"""ReLU and its gradient on plain arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pyconv import _core
from pyconv.arrays.check import output, prepare
from pyconv.shapes import type_error, value_error
from pyconv.shapes.checks import described

__all__ = [
    "relu",
    "relu_backward",
    "relu_bias_backward",
    "relu_bits_backward",
    "relu_with_bits",
]

Array = npt.NDArray[Any]
_uint8 = np.dtype(np.uint8)


def relu(input: Array, *, out: Array | None = None) -> Array:
    """Return ``max(input, 0)`` element by element; NaN stays NaN.

    Parameters
    ----------
    input
        Any shape, floats of 16, 32 or 64 bits, any strides.
    out
        Array for the result: its shape and dtype, C-contiguous; may be `input` itself.

    Returns
    -------
    An array of the shape and dtype of `input`.

    Raises
    ------
    TypeError
        For anything but an array of floats.
    ValueError
        If `out` does not fit, or overlaps `input` in part.
    """
    x = prepare("relu", "input", input)
    if out is None:
        result: Array = _core.empty(x.shape, x.dtype)
    else:
        result = output("relu", out, x.shape, x.dtype, x, in_place=True)
    _core.relu_forward(x, result)
    return result


def relu_backward(grad_output: Array, output: Array, *, out: Array | None = None) -> Array:
    """Return the gradient of :func:`relu` for its input, from what it returned.

    Parameters
    ----------
    grad_output
        Gradient of the output, floats of 16, 32 or 64 bits.
    output
        What :func:`relu` returned; same shape and dtype.
    out
        Array for the result: its shape and dtype, C-contiguous; may be `grad_output` or `output`
        itself.

    Returns
    -------
    An array of the same shape: 0 where ``output <= 0``, else `grad_output` (where the output is
    NaN too, as in PyTorch).

    Raises
    ------
    TypeError
        For anything but arrays of floats, both of one dtype.
    ValueError
        If the shapes differ, or `out` does not fit.
    """
    grad = prepare("relu_backward", "grad_output", grad_output)
    y = prepare("relu_backward", "output", output, grad.dtype)
    if y.shape != grad.shape:
        expected = f"shape {grad.shape}, that of grad_output"
        raise value_error("relu_backward", "output", expected, f"shape {y.shape}")
    if out is None:
        result: Array = _core.empty(grad.shape, grad.dtype)
    else:
        result = _output("relu_backward", out, grad.shape, grad.dtype, grad, y, in_place=True)
    _core.relu_backward(grad, y, result)
    return result


def relu_bias_backward(grad_output: Array, output: Array) -> tuple[Array, Array]:
    """Return the gradients of ``relu(x + bias)`` for x and for the bias, in one pass.

    Parameters
    ----------
    grad_output
        Gradient of the output, (N, K, spatial...), floats of 16, 32 or 64 bits.
    output
        What the operator with the fused ReLU returned; same shape and dtype.

    Returns
    -------
    What :func:`relu_backward` returns, and its sum over N and space, (K): the same bits as
    :func:`conv2d_bias` makes of it.

    Raises
    ------
    TypeError
        For anything but arrays of floats, both of one dtype.
    ValueError
        If the shapes differ or have fewer than two dimensions.
    """
    name = "relu_bias_backward"
    grad = prepare(name, "grad_output", grad_output)
    y = prepare(name, "output", output, grad.dtype)
    if grad.ndim < 2:
        raise value_error(name, "grad_output", "(N, K, spatial...)", f"shape {grad.shape}")
    if y.shape != grad.shape:
        expected = f"shape {grad.shape}, that of grad_output"
        raise value_error(name, "output", expected, f"shape {y.shape}")
    images, channels, area = grad.shape[0], grad.shape[1], math.prod(grad.shape[2:])
    masked: Array = _core.empty(grad.shape, grad.dtype)
    sums: Array = _core.empty((channels,), grad.dtype)
    if grad.itemsize == 2:  # sums are made of what is rounded, as by two calls
        _core.relu_backward(grad, y, masked)
        _core.bias_gradient(masked, sums, images, channels, area)
    else:
        _core.relu_bias_backward(grad, y, masked, sums, images, channels, area)
    return masked, sums


def relu_with_bits(input: Array, *, out: Array | None = None) -> tuple[Array, npt.NDArray[Any]]:
    """Return :func:`relu` and what :func:`relu_bits_backward` needs of it, one bit an element.

    Parameters
    ----------
    input, out
        As in :func:`relu`.

    Returns
    -------
    The result, and uint8 of shape (ceil(size / 8),): element i of the result, counted in C order,
    passes its gradient on if bit i % 8 of byte i // 8 is set.

    Raises
    ------
    TypeError, ValueError
        As :func:`relu`.
    """
    x = prepare("relu_with_bits", "input", input)
    if out is None:
        result: Array = _core.empty(x.shape, x.dtype)
    else:
        result = output("relu_with_bits", out, x.shape, x.dtype, x, in_place=True)
    bits = _core.empty(((x.size + 7) // 8,), _uint8)
    _core.relu_forward_bits(x, result, bits)
    return result, bits


def relu_bits_backward(
    grad_output: Array, bits: npt.NDArray[Any], *, out: Array | None = None
) -> Array:
    """Return the gradient of :func:`relu` for its input, from the bits of :func:`relu_with_bits`.

    Parameters
    ----------
    grad_output
        Gradient of the output, float32 or float64.
    bits
        What :func:`relu_with_bits` returned for an input of this shape.
    out
        Array for the result: its shape and dtype, C-contiguous; may be `grad_output` itself.

    Returns
    -------
    An array of the shape of `grad_output`: the same as :func:`relu_backward` returns.

    Raises
    ------
    TypeError
        For anything but an array of float32 or float64, and bits that are not uint8.
    ValueError
        If `bits` are not those of so many elements, or `out` does not fit.
    """
    name = "relu_bits_backward"
    grad = prepare(name, "grad_output", grad_output)
    if type(bits) is not np.ndarray or bits.dtype != np.uint8:
        raise type_error(name, "bits", "an array of uint8", described(bits))
    shape = ((grad.size + 7) // 8,)
    if bits.shape != shape:
        raise value_error(name, "bits", f"shape {shape}, a bit an element", f"shape {bits.shape}")
    if out is None:
        result: Array = _core.empty(grad.shape, grad.dtype)
    else:
        result = _output(name, out, grad.shape, grad.dtype, grad, in_place=True)
    _core.relu_backward_bits(grad, np.ascontiguousarray(bits), result)
    return result


# The parameter of relu_backward hides the function of this name.
_output = output
