"""ReLU and its gradient on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyconv import _core
from pyconv.arrays.check import output, prepare
from pyconv.shapes import value_error

__all__ = ["relu", "relu_backward"]

Array = npt.NDArray[Any]


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
        result: Array = np.empty(x.shape, x.dtype)
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
        result: Array = np.empty(grad.shape, grad.dtype)
    else:
        result = _output("relu_backward", out, grad.shape, grad.dtype, grad, y, in_place=True)
    _core.relu_backward(grad, y, result)
    return result


# The parameter of relu_backward hides the function of this name.
_output = output
