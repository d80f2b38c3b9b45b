"""The random numbers of the package: initial weights and dropout draw from one generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    from operator import index

    from numpy.random import default_rng

    global _generator
    number = index(seed)
    if number < 0:
        raise ValueError(f"manual_seed: seed is {seed}, expected a number that is not negative")
    _generator = default_rng(number)
    return _generator


def default_generator() -> Generator:
    """The generator of the package, seeded from the operating system until ``manual_seed``."""
    global _generator
    if _generator is None:
        from numpy.random import default_rng

        _generator = default_rng()
    return _generator
