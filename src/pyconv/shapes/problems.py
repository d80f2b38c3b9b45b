"""The sizes of one operation, as the kernels and the reference take them."""

from __future__ import annotations

import math
from typing import NamedTuple

Pair = tuple[int, int]
Triple = tuple[int, int, int]


class ConvProblem(NamedTuple):
    """Sizes of one convolution; a rank below 3 has leading entries of 1 (padding 0)."""

    n: int
    c: int
    k: int
    groups: int
    input: Triple
    kernel: Triple
    stride: Triple
    dilation: Triple
    pad_lo: Triple
    pad_hi: Triple
    output: Triple

    @property
    def sizes(self) -> tuple[int, ...]:
        """The 25 sizes in field order: the form in which the extension takes a problem."""
        head = (self.n, self.c, self.k, self.groups)
        return head + sum(self[4:], ())

    @property
    def reduction(self) -> int:
        """Number of products in the sum of one output element."""
        return self.c // self.groups * math.prod(self.kernel)

    @property
    def flops(self) -> int:
        """Floating point operations of the direct method: two for each multiply-add."""
        return 2 * self.n * self.k * math.prod(self.output) * self.reduction

    def reads(self, itemsize: int) -> int:
        """Bytes of the input and the weight."""
        return itemsize * (self.n * self.c * math.prod(self.input) + self.k * self.reduction)

    def writes(self, itemsize: int) -> int:
        """Bytes of the output."""
        return itemsize * self.n * self.k * math.prod(self.output)


class PoolProblem(NamedTuple):
    """Sizes of one 2-D pooling. ``ceil_mode`` shows in ``output`` only: windows may overhang."""

    planes: int
    input: Pair
    kernel: Pair
    stride: Pair
    dilation: Pair
    pad_lo: Pair
    pad_hi: Pair
    output: Pair

    @property
    def sizes(self) -> tuple[int, ...]:
        """The 15 sizes in field order: the form in which the extension takes a problem."""
        return (self.planes, *sum(self[1:], ()))

    @property
    def window(self) -> int:
        """Number of elements of one window."""
        return math.prod(self.kernel)

    def reads(self, itemsize: int) -> int:
        """Bytes of the input."""
        return itemsize * self.planes * math.prod(self.input)

    def writes(self, itemsize: int) -> int:
        """Bytes of the output."""
        return itemsize * self.planes * math.prod(self.output)


class LinearProblem(NamedTuple):
    """Sizes of ``input @ weight.T``: (rows, in_features) with (out_features, in_features)."""

    rows: int
    in_features: int
    out_features: int

    @property
    def flops(self) -> int:
        """Floating point operations: two for each multiply-add."""
        return 2 * self.rows * self.in_features * self.out_features
