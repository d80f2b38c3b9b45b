"""Layers without parameters: ReLU, Flatten, Dropout."""

from __future__ import annotations

from typing import TypeVar

from pyconv import functional
from pyconv.autograd import Array
from pyconv.functional.checks import check_fraction
from pyconv.nn.module import Module
from pyconv.tensor import Tensor

__all__ = ["Dropout", "Flatten", "ReLU"]

T = TypeVar("T", Array, Tensor)


class ReLU(Module):
    """max(0, x), element by element."""

    def forward(self, input: T) -> T:
        return functional.relu(input)


class Flatten(Module):
    """Join axes into one; by default all but the first, the batch."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: T) -> T:
        return functional.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Dropout(Module):
    """In training mode, zero each element with probability `p` and scale the rest to match.

    Raises
    ------
    ValueError
        If `p` is NaN or outside [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        check_fraction("Dropout", "p", p)
        self.p = p

    def forward(self, input: T) -> T:
        return functional.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
