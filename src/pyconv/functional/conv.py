"""conv1d, conv2d, conv3d on arrays and tensors.

The call of the kernel stands first in each function, behind three type checks: that path is what
a small convolution spends its microseconds on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, overload

from numpy import ndarray

from pyconv import arrays
from pyconv.autograd import Array, Vjp
from pyconv.functional.checks import reject_out
from pyconv.precision import Precision, get_float32_precision
from pyconv.tensor import Primitive, Tensor

if TYPE_CHECKING:
    from pyconv.packed import PackedWeight

__all__ = ["conv1d", "conv2d", "conv3d"]

Size: TypeAlias = "int | tuple[int, ...]"
Padding: TypeAlias = "str | int | tuple[int, ...] | tuple[tuple[int, int], ...]"


class _Convolution(Protocol):
    """The signature of the three functions: a tensor among the operands gives a tensor."""

    __name__: str

    @overload
    def __call__(
        self,
        input: Array,
        weight: Array | PackedWeight,
        bias: Array | None = None,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        *,
        relu: bool = False,
        out: Array | None = None,
        algorithm: str | None = None,
        precision: Precision | None = None,
    ) -> Array: ...

    @overload
    def __call__(
        self,
        input: Tensor,
        weight: Tensor | Array | PackedWeight,
        bias: Tensor | Array | None = None,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        *,
        relu: bool = False,
        out: None = None,
        algorithm: str | None = None,
        precision: Precision | None = None,
    ) -> Tensor: ...

    @overload
    def __call__(
        self,
        input: Array,
        weight: Tensor,
        bias: Tensor | Array | None = None,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        *,
        relu: bool = False,
        out: None = None,
        algorithm: str | None = None,
        precision: Precision | None = None,
    ) -> Tensor: ...


def _typed(function: Callable[..., Any]) -> _Convolution:
    return cast(_Convolution, function)


def _conv_rule(rank: int) -> Callable[..., Vjp]:
    input_gradient = getattr(arrays, f"conv{rank}d_input")
    weight_gradient = getattr(arrays, f"conv{rank}d_weight")
    bias_gradient = getattr(arrays, f"conv{rank}d_bias")

    def rule(
        needs: tuple[bool, ...],
        output: Array,
        input: Array,
        weight: Array | PackedWeight,
        bias: Array | None,
        stride: Size,
        padding: Padding,
        dilation: Size,
        groups: int,
        *,
        relu: bool,
        algorithm: str | None,
        precision: Precision | None,
    ) -> Vjp:
        geometry = (stride, padding, dilation, groups)
        input_size, weight_size = input.shape, weight.shape
        wants_input, wants_weight, wants_bias = needs[:3]
        kept_weight = weight if wants_input else None
        kept_input = input if wants_weight else None
        kept_output = output if relu else None
        level = precision or get_float32_precision()  # of the forward pass, wherever backward runs

        def vjp(g: Array) -> tuple[Array | None, ...]:
            bias_grad = None
            if kept_output is not None and wants_bias and g.ndim == rank + 2:
                g, bias_grad = arrays.relu_bias_backward(g, kept_output)
            elif kept_output is not None:  # the mask of the fused ReLU, read off its output
                g = arrays.relu_backward(g, kept_output)
            if wants_bias and bias_grad is None:
                bias_grad = bias_gradient(g)
            return (
                input_gradient(input_size, kept_weight, g, *geometry, precision=level)
                if wants_input
                else None,
                weight_gradient(kept_input, weight_size, g, *geometry, precision=level)
                if wants_weight
                else None,
                bias_grad,
                *(None,) * 4,
            )

        return vjp

    return rule


_conv1d = Primitive("conv1d", arrays.conv1d, _conv_rule(1))
_conv2d = Primitive("conv2d", arrays.conv2d, _conv_rule(2))
_conv3d = Primitive("conv3d", arrays.conv3d, _conv_rule(3))


def _general(primitive: Primitive, *operands: Any, out: Any, **options: Any) -> Any:
    """Everything but three plain arrays: tensors, packed weights, subclasses, and mistakes."""
    if any(isinstance(operand, Tensor) for operand in operands[:3]):
        reject_out(primitive.name, out)
        return primitive(*operands, **options)
    return primitive.function(*operands, out=out, **options)


@_typed
def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    relu: bool = False,
    out: Array | None = None,
    algorithm: str | None = None,
    precision: Precision | None = None,
) -> Any:
    """2-D convolution (cross-correlation, as in all deep-learning libraries) with bias and ReLU.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, H, W) or (C, H, W), floats of 16, 32 or 64 bits, any strides
    weight : ndarray, Tensor or PackedWeight, (K, C/groups, KH, KW), of the input's dtype
    bias : ndarray or Tensor, (K,), optional
    stride, dilation : int or pair
    padding : int, pair, ((top, bottom), (left, right)), "same", "valid" or "full"
        Zeros around the input. "same" gives ceil(size / stride) output pixels.
    groups : int
        Channels and filters are split into so many independent convolutions.
    relu : bool
        Clamp at zero in the same pass.
    out : ndarray, optional
        Where to write it. Plain arrays only.
    algorithm : str, optional
        Name of the algorithm to force; see ``pyconv.explain``.
    precision : {"highest", "high", "medium"}, optional
        Instead of the policy of ``pyconv.set_float32_precision``, for the gradients too.

    Returns
    -------
    (N, K, OH, OW) or (K, OH, OW), a Tensor if any operand is one.

    Raises
    ------
    TypeError
        For another kind or dtype of an operand; for `out` with a Tensor.
    ValueError
        For shapes or values that do not fit.
    """
    if (
        type(input) is ndarray
        and type(weight) is ndarray
        and (bias is None or type(bias) is ndarray)
    ):
        return arrays.conv2d(
            input, weight, bias, stride, padding, dilation, groups,
            relu=relu, out=out, algorithm=algorithm, precision=precision,
        )  # fmt: skip
    return _general(
        _conv2d, input, weight, bias, stride, padding, dilation, groups,
        relu=relu, out=out, algorithm=algorithm, precision=precision,
    )  # fmt: skip


@_typed
def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    relu: bool = False,
    out: Array | None = None,
    algorithm: str | None = None,
    precision: Precision | None = None,
) -> Any:
    """1-D convolution: ``conv2d`` for input (N, C, L) or (C, L) and weight (K, C/groups, KL)."""
    if (
        type(input) is ndarray
        and type(weight) is ndarray
        and (bias is None or type(bias) is ndarray)
    ):
        return arrays.conv1d(
            input, weight, bias, stride, padding, dilation, groups,
            relu=relu, out=out, algorithm=algorithm, precision=precision,
        )  # fmt: skip
    return _general(
        _conv1d, input, weight, bias, stride, padding, dilation, groups,
        relu=relu, out=out, algorithm=algorithm, precision=precision,
    )  # fmt: skip


@_typed
def conv3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    relu: bool = False,
    out: Array | None = None,
    algorithm: str | None = None,
    precision: Precision | None = None,
) -> Any:
    """3-D convolution: ``conv2d`` for input (N, C, D, H, W) or (C, D, H, W) and weight
    (K, C/groups, KD, KH, KW)."""
    if (
        type(input) is ndarray
        and type(weight) is ndarray
        and (bias is None or type(bias) is ndarray)
    ):
        return arrays.conv3d(
            input, weight, bias, stride, padding, dilation, groups,
            relu=relu, out=out, algorithm=algorithm, precision=precision,
        )  # fmt: skip
    return _general(
        _conv3d, input, weight, bias, stride, padding, dilation, groups,
        relu=relu, out=out, algorithm=algorithm, precision=precision,
    )  # fmt: skip
