"""The cache of plans: normalising arguments and planning happen once for each way of calling."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from pyconv import _core
from pyconv.shapes import ConvProblem, LinearProblem

__all__ = ["clear", "hyper_key", "keep", "linear_plan_for", "lookup", "plan_for"]

_LIMIT = 4096
_entries: dict[Hashable, Any] = {}

#: The entry of a key, or None.
lookup = _entries.get


def clear() -> None:
    """Forget every plan, as a change of instruction set or of the number of threads needs."""
    _entries.clear()


def hyper_key(value: Any) -> Hashable:
    """Return a key for a stride, padding or dilation, or None where it must not be cached.

    ``1``, ``1.0`` and ``True`` are equal and hash alike but are not equally welcome, so anything
    but an int and a str is represented by its text.
    """
    if type(value) is int or type(value) is str:
        return value
    if type(value) in (tuple, list) and len(value) <= 3:
        return repr(value)
    return None


def keep(key: Hashable, entry: Any) -> None:
    """Keep the entry of `key`, at the cost of all others where they have become too many."""
    if len(_entries) >= _LIMIT:
        _entries.clear()
    _entries[key] = entry


def _check_algorithm(name: str, algorithm: str | None) -> None:
    if algorithm is not None and not isinstance(algorithm, str):
        raise TypeError(
            f"{name}(): argument 'algorithm': expected a str or None, got {algorithm!r}"
        )


def plan_for(
    name: str,
    direction: str,
    problem: ConvProblem,
    dtype: np.dtype[Any],
    algorithm: str | None,
    precision: int,
    packed: bool,
) -> _core.ConvPlan:
    """Return a new plan; an unknown or refusing `algorithm` is a ValueError naming it."""
    _check_algorithm(name, algorithm)
    try:
        return _core.conv_plan(
            direction, problem.sizes, dtype.name, precision, packed, algorithm or ""
        )
    except ValueError as error:
        raise ValueError(f"{name}(): {error}") from None


def linear_plan_for(
    name: str,
    direction: str,
    problem: LinearProblem,
    dtype: np.dtype[Any],
    algorithm: str | None,
    precision: int,
) -> _core.LinearPlan:
    """Return the plan that a linear layer makes; errors as in :func:`plan_for`."""
    _check_algorithm(name, algorithm)
    sizes = (problem.rows, problem.out_features, problem.in_features)
    try:
        return _core.linear_plan(direction, *sizes, dtype.name, precision, algorithm or "")
    except ValueError as error:
        raise ValueError(f"{name}(): {error}") from None
