"""Conv1d, Conv2d, Conv3d."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from pyconv import functional
from pyconv.autograd import Array, is_grad_enabled
from pyconv.nn.checks import float_dtype
from pyconv.nn.init import reset_layer
from pyconv.nn.module import Module, Parameter
from pyconv.shapes import flag, integer, integers, padding_pairs, value_error
from pyconv.tensor import Tensor

__all__ = ["Conv1d", "Conv2d", "Conv3d"]

Size: TypeAlias = "int | tuple[int, ...]"
Padding: TypeAlias = "str | int | tuple[int, ...] | tuple[tuple[int, int], ...]"


class _Conv(Module):
    """What the three have in common; a subclass names its rank and its function."""

    rank: int
    function: Callable[..., Any]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.in_channels = integer(name, "in_channels", in_channels, 1)
        self.out_channels = integer(name, "out_channels", out_channels, 1)
        self.kernel_size = integers(name, "kernel_size", kernel_size, self.rank, 1)
        self.stride = integers(name, "stride", stride, self.rank, 1)
        self.padding = _checked_padding(name, padding, self.rank)
        self.dilation = integers(name, "dilation", dilation, self.rank, 1)
        self.groups = integer(name, "groups", groups, 1)
        for argument, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % self.groups:
                raise value_error(name, argument, f"a multiple of groups, {groups}", channels)
        kind = float_dtype(name, dtype)
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.weight = Parameter(np.zeros(shape, kind))
        has_bias = flag(name, "bias", bias)
        self.bias = Parameter(np.zeros(self.out_channels, kind)) if has_bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values: all within +-1 / sqrt(fan_in), as torch's."""
        reset_layer(self.weight, self.bias)

    def _usable_weight(self) -> Any:
        """The packed weight if there is one and its gradient is not recorded."""
        weight: Any = self.weight
        if isinstance(weight, Parameter) and not (weight.requires_grad and is_grad_enabled()):
            weight = weight.packed or weight
        return weight

    def forward(self, input: Array | Tensor) -> Tensor:
        weight = self._usable_weight()
        result = type(self).function(
            input, weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )
        # An array comes of an array and a packed weight without a bias.
        return result if isinstance(result, Tensor) else Tensor(result)

    def _pack(self) -> None:
        if isinstance(self.weight, Parameter):
            self.weight.pack()

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        ones = (1,) * self.rank
        if self.padding != (0,) * self.rank:
            text += f", padding={self.padding}"
        if self.dilation != ones:
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if self.bias is not None else text + ", bias=False"


def _checked_padding(name: str, padding: Any, rank: int) -> Padding:
    """The padding as torch keeps it: a word, one int for each axis, or pairs."""
    ones = (1,) * rank
    pairs = padding_pairs(name, padding, ones, ones, ones, ones)
    if isinstance(padding, str):
        return padding
    lows = tuple(low for low, _ in pairs)
    return lows if lows == tuple(high for _, high in pairs) else pairs


class Conv1d(_Conv):
    """``functional.conv1d`` with its weight and bias; the parameters are those of ``Conv2d``."""

    rank = 1
    function = staticmethod(functional.conv1d)


class Conv2d(_Conv):
    """``functional.conv2d`` with its weight and bias.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or pair of int
    padding : int, pair, ((top, bottom), (left, right)), "same", "valid" or "full"
    groups : int
        Has to divide both channel counts.
    bias : bool
        Whether there is a bias.
    dtype : dtype
        float32, float64, float16 or bfloat16; the input has to be of the same.

    Attributes
    ----------
    weight : Parameter, (out_channels, in_channels / groups, KH, KW)
    bias : Parameter, (out_channels,), or None

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.
    """

    rank = 2
    function = staticmethod(functional.conv2d)


class Conv3d(_Conv):
    """``functional.conv3d`` with its weight and bias; the parameters are those of ``Conv2d``."""

    rank = 3
    function = staticmethod(functional.conv3d)
