"""Linear."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from pyconv import functional
from pyconv.autograd import Array
from pyconv.nn.checks import float_dtype
from pyconv.nn.init import reset_layer
from pyconv.nn.module import Module, Parameter
from pyconv.shapes import flag, integer
from pyconv.tensor import Tensor

__all__ = ["Linear"]


class Linear(Module):
    """input @ weight.T + bias.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
        Whether there is a bias.
    dtype : dtype
        float32, float64, float16 or bfloat16; the input has to be of the same.

    Attributes
    ----------
    weight : Parameter, (out_features, in_features)
    bias : Parameter, (out_features,), or None

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.in_features = integer("Linear", "in_features", in_features, 1)
        self.out_features = integer("Linear", "out_features", out_features, 1)
        kind = float_dtype("Linear", dtype)
        self.weight = Parameter(np.zeros((self.out_features, self.in_features), kind))
        has_bias = flag("Linear", "bias", bias)
        self.bias = Parameter(np.zeros(self.out_features, kind)) if has_bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values: all within +-1 / sqrt(in_features), as torch's."""
        reset_layer(self.weight, self.bias)

    def forward(self, input: Array | Tensor) -> Tensor:
        if isinstance(input, Tensor):
            return functional.linear(input, self.weight, self.bias)
        return functional.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
