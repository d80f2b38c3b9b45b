"""linear and flatten on arrays and tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from numpy import ndarray

from pyconv import arrays
from pyconv.autograd import Array, Vjp
from pyconv.functional.checks import reject_out
from pyconv.precision import Precision, get_float32_precision
from pyconv.rules import flat_shape
from pyconv.shapes import type_error
from pyconv.shapes.checks import described
from pyconv.tensor import Primitive, Tensor

if TYPE_CHECKING:
    from pyconv.packed import PackedWeight

__all__ = ["flatten", "linear"]

T = TypeVar("T", Array, Tensor)


def _linear_rule(
    needs: tuple[bool, ...],
    output: Array,
    input: Array,
    weight: Array | PackedWeight,
    bias: Array | None,
    *,
    relu: bool,
    algorithm: str | None,
    precision: Precision | None,
) -> Vjp:
    wants_input, wants_weight, wants_bias = needs
    level = precision or get_float32_precision()  # of the forward pass, wherever backward runs
    kept_weight = weight if wants_input else None
    kept_input = input if wants_weight else None
    kept_output = output if relu else None

    def vjp(g: Array) -> tuple[Array | None, ...]:
        if kept_output is not None:
            g = arrays.relu_backward(g, kept_output)
        return (
            None if kept_weight is None else arrays.linear_input(kept_weight, g, precision=level),
            None if kept_input is None else arrays.linear_weight(kept_input, g, precision=level),
            arrays.linear_bias(g) if wants_bias else None,
        )

    return vjp


_linear = Primitive("linear", arrays.linear, _linear_rule)


@overload
def linear(
    input: Array,
    weight: Array | PackedWeight,
    bias: Array | None = None,
    *,
    relu: bool = False,
    out: Array | None = None,
    algorithm: str | None = None,
    precision: Precision | None = None,
) -> Array: ...


@overload
def linear(
    input: Tensor,
    weight: Tensor | Array | PackedWeight,
    bias: Tensor | Array | None = None,
    *,
    relu: bool = False,
    out: None = None,
    algorithm: str | None = None,
    precision: Precision | None = None,
) -> Tensor: ...


@overload
def linear(
    input: Array,
    weight: Tensor,
    bias: Tensor | Array | None = None,
    *,
    relu: bool = False,
    out: None = None,
    algorithm: str | None = None,
    precision: Precision | None = None,
) -> Tensor: ...


def linear(
    input: Any,
    weight: Any,
    bias: Any = None,
    *,
    relu: bool = False,
    out: Array | None = None,
    algorithm: str | None = None,
    precision: Precision | None = None,
) -> Any:
    """input @ weight.T + bias, with ReLU in the same pass if asked for.

    Parameters
    ----------
    input : ndarray or Tensor, (..., in_features)
        Floats of 16, 32 or 64 bits.
    weight : ndarray, Tensor or PackedWeight, (out_features, in_features)
        Of the input's dtype.
    bias : ndarray or Tensor, (out_features,), optional
    relu : bool
        Apply max(0, .) in the same pass.
    out : ndarray, optional
        Where to write the result. Plain arrays only.
    algorithm : str, optional
        For the forward pass: "float32", "bf16x1", "bf16x3" or "bf16x6".
    precision : {"highest", "high", "medium"}, optional
        Instead of the policy of ``pyconv.set_float32_precision``, for the gradients too.

    Returns
    -------
    ndarray or Tensor, (..., out_features)
        A Tensor if any operand is one.

    Raises
    ------
    TypeError
        For another kind or dtype of an operand, and for `out` together with a Tensor.
    ValueError
        For shapes that do not fit.
    """
    if (
        type(input) is ndarray
        and type(weight) is ndarray
        and (bias is None or type(bias) is ndarray)
    ):
        return arrays.linear(
            input, weight, bias, relu=relu, out=out, algorithm=algorithm, precision=precision
        )
    if any(isinstance(operand, Tensor) for operand in (input, weight, bias)):
        reject_out("linear", out)
        return _linear(input, weight, bias, relu=relu, algorithm=algorithm, precision=precision)
    return arrays.linear(
        input, weight, bias, relu=relu, out=out, algorithm=algorithm, precision=precision
    )


def flatten(input: T, start_dim: int = 0, end_dim: int = -1) -> T:
    """Join the axes from `start_dim` to `end_dim` (both included) into one.

    Parameters
    ----------
    input : ndarray or Tensor
    start_dim, end_dim : int
        Axes; negative ones count from the end.

    Returns
    -------
    ndarray or Tensor
        A view where NumPy can make one.

    Raises
    ------
    TypeError
        If `input` is neither an array nor a Tensor.
    ValueError
        If an axis does not exist, or if `end_dim` comes before `start_dim`.
    """
    if not isinstance(input, (ndarray, Tensor)):
        raise type_error("flatten", "input", "an array or a Tensor", described(input))
    return input.reshape(flat_shape("flatten", input.shape, start_dim, end_dim))
