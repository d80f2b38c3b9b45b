"""The random numbers of the package: initial weights and dropout draw from one generator."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING

from pyconv.shapes import type_error, value_error
from pyconv.shapes.checks import described

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["default_generator", "manual_seed"]

_generator: Generator | None = None


def manual_seed(seed: int) -> Generator:
    """Seed the generator of initial weights and dropout.

    Parameters
    ----------
    seed : int
        Not negative.

    Returns
    -------
    numpy.random.Generator
        The new generator.

    Raises
    ------
    TypeError
        If `seed` is not an integer.
    ValueError
        If `seed` is negative.
    """
    from numpy.random import default_rng

    global _generator
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise type_error("manual_seed", "seed", "an int of at least 0", described(seed))
    number = index(seed)
    if number < 0:
        raise value_error("manual_seed", "seed", "an int of at least 0", number)
    _generator = default_rng(number)
    return _generator


def default_generator() -> Generator:
    """The generator of the package, seeded from the operating system until ``manual_seed``."""
    global _generator
    if _generator is None:
        from numpy.random import default_rng

        _generator = default_rng()
    return _generator
