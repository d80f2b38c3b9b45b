"""Shapes of the fully connected layer."""

from __future__ import annotations

import math

from .checks import Shape, check_bytes, value_error
from .problems import LinearProblem


def linear_problem(name: str, input_shape: Shape, weight_shape: Shape) -> LinearProblem:
    """Return the problem of ``input @ weight.T`` for shapes (..., in) and (out, in).

    Raises
    ------
    ValueError
        If the ranks or the numbers of features do not fit.
    """
    if len(weight_shape) != 2:
        expected = "a weight (out_features, in_features)"
        raise value_error(name, "weight", expected, f"shape {weight_shape}")
    out_features, in_features = weight_shape
    if not input_shape or input_shape[-1] != in_features:
        expected = f"a last dimension of {in_features}, as in weight {weight_shape}"
        raise value_error(name, "input", expected, f"shape {input_shape}")
    check_bytes(name, "output", (*input_shape[:-1], out_features))
    return LinearProblem(math.prod(input_shape[:-1]), in_features, out_features)


def check_linear_grad(name: str, given: Shape, leading: Shape, out_features: int) -> None:
    """Raise ValueError unless the gradient is (leading dimensions of the input, out_features)."""
    expected = (*leading, out_features)
    if given != expected:
        wanted = f"shape {expected}, that of the forward output"
        raise value_error(name, "grad_output", wanted, f"shape {given}")
