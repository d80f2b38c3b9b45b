"""What is timed: a case of the shape table in one of three directions, float32 or float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyconv import cases

DIRECTIONS = ("forward", "input", "weight")


class Job(NamedTuple):
    """One case in one direction: forward, or the gradient for the input or for the weight."""

    case: cases.Case
    direction: str = "forward"
    dtype: str = "float32"

    @property
    def flops(self) -> int:
        """Floating point operations of the direct method; 0 where a rate would mean nothing."""
        return self.case.flops

    @property
    def bytes(self) -> int:
        """Bytes of input, weight and output: what any method moves at least once."""
        shapes = (self.case.input, self.case.weight, self.case.output)
        elements = sum(int(np.prod(shape)) for shape in shapes if shape)
        return elements * np.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        wide = "" if self.dtype == "float32" else f", {self.dtype}"
        return f"{self.case.name}, {self.direction}{wide}"
