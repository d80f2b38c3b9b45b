"""The fully connected layer and its gradients on plain arrays."""

from __future__ import annotations

import math

from pyconv import _core, shapes
from pyconv.arrays.check import output, prepare
from pyconv.arrays.conv import Array, Weight
from pyconv.packed import PackedWeight
from pyconv.precision import Precision, precision_code

__all__ = ["linear", "linear_bias", "linear_input", "linear_weight"]


def _plain(weight: Weight) -> Array:
    return weight.array if isinstance(weight, PackedWeight) else weight


def linear(
    input: Array,
    weight: Weight,
    bias: Array | None = None,
    *,
    relu: bool = False,
    out: Array | None = None,
    algorithm: str | None = None,
    precision: Precision | None = None,
) -> Array:
    """Return ``input @ weight.T + bias``, as torch.nn.functional.linear does.

    Parameters
    ----------
    input
        (..., in_features), floats of 16, 32 or 64 bits, any strides.
    weight
        (out_features, in_features) of the same dtype, or a :class:`pyconv.PackedWeight`.
    bias
        (out_features,), or None.
    relu
        Clamp the result at zero in the same pass; NaN stays NaN.
    out
        Array for the result, as in :func:`pyconv.arrays.conv2d`.
    algorithm
        "gemm", "bf16x1", "bf16x3" or "bf16x6" (products of bfloat16 for each of float32), to force
        it whatever its precision; see :func:`pyconv.explain`.
    precision
        "highest", "high" or "medium": what float32 may lose to speed; None for the policy of
        :func:`pyconv.set_float32_precision`.

    Returns
    -------
    (..., out_features). A row has the same bits alone and in any batch.

    Raises
    ------
    TypeError, ValueError
        For wrong dtypes, and for shapes that do not fit.
    """
    x = prepare("linear", "input", input)
    w = prepare("linear", "weight", _plain(weight), x.dtype)
    problem = shapes.linear_problem("linear", x.shape, w.shape)
    n, k = w.shape
    inputs = [x, w]
    if bias is not None:
        bias = prepare("linear", "bias", bias, x.dtype)
        if bias.shape != (n,):
            shapes.check_bias("linear", bias.shape, n)
        inputs.append(bias)
    if type(relu) is not bool:
        relu = shapes.flag("linear", "relu", relu)
    result = output("linear", out, (*x.shape[:-1], n), x.dtype, *inputs)
    code = precision_code("linear", precision)
    _core.linear_forward(x, w, bias, result, problem[0], n, k, relu, code, algorithm or "")
    return result


def _check_weight(name: str, weight: Array) -> None:
    if weight.ndim != 2:
        expected = "two dimensions (out_features, in_features)"
        raise shapes.value_error(name, "weight", expected, f"shape {weight.shape}")


def linear_input(
    weight: Weight,
    grad_output: Array,
    *,
    algorithm: str | None = None,
    precision: Precision | None = None,
) -> Array:
    """Return the gradient of :func:`linear` for its input.

    Parameters
    ----------
    weight
        (out_features, in_features).
    grad_output
        (..., out_features) of the same dtype.
    algorithm, precision
        As in :func:`linear`.

    Returns
    -------
    (..., in_features).

    Raises
    ------
    TypeError, ValueError
        For wrong dtypes, and for shapes that do not fit.
    """
    g = prepare("linear_input", "grad_output", grad_output)
    w = prepare("linear_input", "weight", _plain(weight), g.dtype)
    _check_weight("linear_input", w)
    shapes.check_linear_grad("linear_input", g.shape, g.shape[:-1], w.shape[0])
    n, k = w.shape
    result = _core.empty((*g.shape[:-1], k), g.dtype)
    code = precision_code("linear_input", precision)
    _core.linear_input(g, w, result, math.prod(g.shape[:-1]), n, k, code, algorithm or "")
    return result


def linear_weight(
    input: Array,
    grad_output: Array,
    *,
    algorithm: str | None = None,
    precision: Precision | None = None,
) -> Array:
    """Return the gradient of :func:`linear` for its weight, summed over all rows.

    Parameters
    ----------
    input
        (..., in_features).
    grad_output
        (..., out_features) of the same dtype.
    algorithm, precision
        As in :func:`linear`.

    Returns
    -------
    (out_features, in_features).

    Raises
    ------
    TypeError, ValueError
        For wrong dtypes, and for leading dimensions that differ.
    """
    x = prepare("linear_weight", "input", input)
    g = prepare("linear_weight", "grad_output", grad_output, x.dtype)
    for argument, value in (("input", x), ("grad_output", g)):
        if value.ndim == 0:
            raise shapes.value_error(
                "linear_weight", argument, "at least one dimension", f"shape {value.shape}"
            )
    shapes.check_linear_grad("linear_weight", g.shape, x.shape[:-1], g.shape[-1])
    rows, n, k = math.prod(g.shape[:-1]), g.shape[-1], x.shape[-1]
    result = _core.empty((n, k), x.dtype)
    code = precision_code("linear_weight", precision)
    _core.linear_weight(x, g, result, rows, n, k, code, algorithm or "")
    return result


def linear_bias(grad_output: Array) -> Array:
    """Return the gradient of :func:`linear` for its bias: the sum over all rows.

    Parameters
    ----------
    grad_output
        (..., out_features), floats of 16, 32 or 64 bits.

    Returns
    -------
    (out_features,).

    Raises
    ------
    TypeError, ValueError
        For a wrong dtype, and for a scalar.
    """
    g = prepare("linear_bias", "grad_output", grad_output)
    if g.ndim == 0:
        raise shapes.value_error("linear_bias", "grad_output", "at least one dimension", "shape ()")
    result = _core.empty((g.shape[-1],), g.dtype)
    _core.bias_gradient(g, result, math.prod(g.shape[:-1]), g.shape[-1], 1)
    return result
