"""What is timed: the perf cases of the shape table and a few tiny calls, in three directions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pyconv import cases

DIRECTIONS = ("forward", "input", "weight")

# Calls whose arithmetic is nothing: what they take is the cost of a call itself.
TINY = (
    cases.Case("tiny conv 3x3, 1x1x8x8", "conv2d", (1, 1, 8, 8), (1, 1, 3, 3)),
    cases.Case("tiny max pool 2, 1x1x8x8", "max_pool2d", (1, 1, 8, 8), (), {"kernel_size": 2}),
    cases.Case("tiny ReLU, 1x1x8x8", "relu", (1, 1, 8, 8)),
)


class Job(NamedTuple):
    """One case in one direction: forward, or the gradient for the input or for the weight."""

    case: cases.Case
    direction: str = "forward"

    @property
    def flops(self) -> int:
        """Floating point operations of the direct method; 0 where a rate would mean nothing."""
        return self.case.flops


def all_cases() -> tuple[cases.Case, ...]:
    """Return every case of the benchmark, in the order of the table."""
    return (*cases.conv("perf"), *cases.pool("perf"), *cases.relu("perf"), *TINY)


def select(layers: Iterable[str] = (), directions: Iterable[str] = ("forward",)) -> list[Job]:
    """Return the jobs whose name contains any of ``layers``, in the given directions.

    Pooling and ReLU have no weight and so no job in direction ``"weight"``.

    Raises
    ------
    ValueError
        For an unknown direction, or if no case has such a name.
    """
    wanted = [layer.casefold() for layer in layers]
    chosen = tuple(directions)
    for direction in chosen:
        if direction not in DIRECTIONS:
            raise ValueError(f"direction: got {direction!r}, expected one of {DIRECTIONS}")
    found = [
        case
        for case in all_cases()
        if not wanted or any(part in case.name.casefold() for part in wanted)
    ]
    if not found:
        raise ValueError(f"layers: no case has {' or '.join(map(repr, wanted))} in its name")
    return [
        Job(case, direction)
        for direction in chosen
        for case in found
        if case.weight or direction != "weight"
    ]
