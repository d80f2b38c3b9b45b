"""How far a result may be from the float64 reference: a bound for each element, not a guess."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyconv.cli.verify import LEFT_OUT

Array = npt.NDArray[Any]

#: Roundings beyond those of the products and sums: bias, final rounding, joining partial sums.
EXTRA_ROUNDINGS = 4


def sum_bound(terms: int, dtype: npt.DTypeLike, magnitude: Array, gain: float = 1.0) -> Array:
    """Return the bound of the error of sums of products.

    Whatever the order of a sum of `terms` products, its error is at most about
    ``terms * eps * sum(abs(products))`` (Higham, Accuracy and Stability of Numerical Algorithms,
    section 3.1). `magnitude` is that last sum, of the absolute operands, by the reference. The
    reference has an error of its own of the same form, which only shows when `dtype` is float64.
    """
    info = np.finfo(dtype)
    reference = np.finfo(np.float64).eps
    relative = (terms + EXTRA_ROUNDINGS) * (gain * float(info.eps) + float(reference))
    return relative * magnitude.astype(np.float64) + terms * float(info.tiny)


def split_bound(algorithm: str, magnitude: Array) -> Array:
    """Return the error besides that of the sum; zero for an algorithm that does not split."""
    return LEFT_OUT.get(algorithm, 0.0) * magnitude.astype(np.float64)


def assert_within(actual: Array, expected: Array, bound: Array) -> None:
    """Assert that no element of `actual` is further from `expected` than `bound`."""
    assert actual.shape == expected.shape
    error = np.abs(actual.astype(np.float64) - expected)
    over = ~(error <= bound)
    if over.any():
        worst = np.unravel_index(np.argmax(np.where(over, error - bound, -np.inf)), error.shape)
        where = tuple(int(i) for i in worst)
        raise AssertionError(
            f"{over.sum()} of {over.size} elements beyond the bound; worst at {where}: "
            f"{actual[where]!r} instead of {expected[where]!r}, "
            f"error {error[where]:.3g}, bound {bound[where]:.3g}"
        )


def assert_same(actual: Array, expected: Array) -> None:
    """Assert that the values are equal (NaN with NaN); name the first that is not."""
    assert actual.shape == expected.shape
    differ = ~((actual == expected) | (np.isnan(actual) & np.isnan(expected)))
    if differ.any():
        where = tuple(int(i) for i in np.argwhere(differ)[0])
        raise AssertionError(
            f"{differ.sum()} of {differ.size} elements differ; first at {where}: "
            f"{actual[where]!r} instead of {expected[where]!r}"
        )
