"""One entry of the table."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import shapes

Array = npt.NDArray[Any]

#: Integers for exact tests lie in -3 ... 3: products and their sums stay exact even in float32.
_LARGEST_INTEGER = 3


class Operands(NamedTuple):
    """The arrays of a case; weight and bias are None where the operator has none."""

    input: Array
    weight: Array | None
    bias: Array | None


@dataclass(frozen=True)
class Case:
    """A function, the shapes of its operands and its arguments; the repr is a constructor call.

    Attributes
    ----------
    name
        Unique in the table.
    op
        Name of the function: ``"conv2d"``, ``"max_pool2d"``, ...
    input
        Shape of the input.
    weight
        Shape of the weight, empty if the operator has none.
    arguments
        Keyword arguments of the call, those that differ from the defaults.
    tags
        See :mod:`pyconv.cases`.
    """

    name: str
    op: str
    input: tuple[int, ...]
    weight: tuple[int, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict, hash=False)
    tags: frozenset[str] = frozenset()

    @property
    def rank(self) -> int:
        """Number of spatial dimensions of a convolution or pooling, from the name of `op`."""
        return int(self.op[-2]) if self.op.endswith("d") else 0

    @property
    def conv_problem(self) -> shapes.ConvProblem:
        """The sizes of a convolution case."""
        rank = self.rank
        return shapes.conv_problem(self.op, rank, self.input, self.weight, **self.arguments)[0]

    @property
    def pool_problem(self) -> shapes.PoolProblem:
        """The sizes of a pooling case."""
        hyper = {
            key: value
            for key, value in self.arguments.items()
            if key not in ("count_include_pad", "divisor_override")
        }
        make = shapes.max_pool_problem if self.op == "max_pool2d" else shapes.avg_pool_problem
        return make(self.op, self.input, **hyper)[0]

    @property
    def output(self) -> tuple[int, ...]:
        """Shape of the output."""
        if self.weight:
            unbatched = len(self.input) == self.rank + 1
            return shapes.out_shape(self.conv_problem, unbatched, self.rank)
        if self.rank:
            return shapes.pool_out_shape(self.input, self.pool_problem)
        return self.input

    @property
    def flops(self) -> int:
        """Floating point operations of a convolution by the direct method, 0 for other ops."""
        return self.conv_problem.flops if self.weight else 0

    def operands(self, dtype: npt.DTypeLike = np.float32, integers: bool = False) -> Operands:
        """Return the same random arrays on every call.

        Parameters
        ----------
        dtype
            Any dtype of floats.
        integers
            Whether to draw small integers, on which sums are exact in either dtype, instead of
            the normal distribution.
        """
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        weight = draw(rng, self.weight, dtype, integers) if self.weight else None
        bias = draw(rng, self.weight[:1], dtype, integers) if self.weight else None
        return Operands(draw(rng, self.input, dtype, integers), weight, bias)

    def grad_output(self, dtype: npt.DTypeLike = np.float32, integers: bool = False) -> Array:
        """Return the same random gradient of the output on every call."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()) + 1)
        return draw(rng, self.output, dtype, integers)


def draw(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: npt.DTypeLike, integers: bool
) -> Array:
    """Return normal numbers, or integers from -3 to 3, as an array of `dtype`."""
    if integers:
        values = rng.integers(-_LARGEST_INTEGER, _LARGEST_INTEGER, size=shape, endpoint=True)
        return values.astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def conv_case(
    tag: str, name: str, shape: tuple[int, ...], weight: tuple[int, ...], **arguments: Any
) -> Case:
    """Return the convolution `tag.name` of an input and a weight of these shapes."""
    op = f"conv{len(weight) - 2}d"
    return Case(f"{tag}.{name}", op, shape, weight, arguments, frozenset([tag]))
