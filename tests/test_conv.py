"""One table: every case, pass, algorithm, instruction set and dtype."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import pyconv
from guarded import Guard
from passes import (
    DIRECTIONS,
    DTYPES,
    PAIR_ISAS,
    Data,
    bound,
    by_torch,
    exact,
    is_exact,
    make,
    refusal,
    result_shape,
    rounded,
    run,
    willing,
)
from pyconv import arrays, cases
from pyconv.cases import Case
from tolerances import assert_same, assert_within

CASES = cases.conv("smoke", "edge")
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_direction = pytest.mark.parametrize("direction", DIRECTIONS)


def _placed(data: Data, guard: Guard, elements: int) -> Data:
    """Put the arrays between canaries, `elements` after the border of a cache line."""
    return data.map(lambda array: guard.place(array, elements * array.itemsize))


def _variants(direction: str) -> list[tuple[bool, dict[str, Any]]]:
    if direction != "forward":
        return [(True, {})]
    return [(True, {}), (True, {"relu": True}), (False, {})]


@every_case
@every_direction
def test_integers_are_exact(case: Case, direction: str, isa: str, guard: Guard) -> None:
    """Sums of small integers are exact in any order, so that one wrong index shows."""
    for dtype in DTYPES:
        data = make(case, dtype, integers=True)
        for elements, algorithm in enumerate((None, *willing(case, direction, dtype))):
            placed = _placed(data, guard, elements)
            for bias, extra in _variants(direction):
                shape, itemsize = result_shape(case, direction), placed.x.itemsize
                out = guard.empty(shape, dtype, (elements + 2) % 4 * itemsize)
                given = placed if bias else placed._replace(bias=None)
                result = run(arrays, case, direction, given, out=out, algorithm=algorithm, **extra)
                assert result is out
                expected = exact(case, direction, bias)
                context = f"{case!r} {direction} {algorithm} {dtype.__name__} {isa} {extra}"
                try:
                    expected = np.maximum(expected, 0) if extra else expected
                    if algorithm is None or is_exact(direction, algorithm):
                        assert_same(result, expected)
                    else:
                        limit = bound(case, direction, dtype, algorithm, integers=True)
                        assert_within(result, expected, limit)
                    guard.check()
                except AssertionError as error:
                    raise AssertionError(f"{context}: {error}") from None


@every_case
@every_direction
def test_random_data_is_within_the_bound(case: Case, direction: str, isa: str) -> None:
    for dtype in DTYPES:
        data = make(case, dtype)
        expected = rounded(case, direction, dtype)
        for algorithm in willing(case, direction, dtype):
            result = run(arrays, case, direction, data, algorithm=algorithm)
            assert result.dtype == dtype
            context = f"{case!r} {direction} {algorithm} {dtype.__name__} {isa}"
            try:
                assert_within(result, expected, bound(case, direction, dtype, algorithm))
            except AssertionError as error:
                raise AssertionError(f"{context}: {error}") from None


@every_case
def test_the_gradient_of_the_bias_is_exact(case: Case, isa: str) -> None:
    for dtype in DTYPES:
        g = make(case, dtype, integers=True).g
        pixels = tuple(range(g.ndim - case.rank, g.ndim))
        summed = g.sum(axis=pixels)
        result = getattr(arrays, f"{case.op}_bias")(g)
        assert result.dtype == dtype
        assert_same(result, summed if g.ndim == case.rank + 1 else summed.sum(axis=0))


@every_case
def test_the_algorithm_of_choice_agrees_with_torch(case: Case) -> None:
    data = make(case, np.float32, integers=True)
    expected = by_torch(case, data)
    for direction in DIRECTIONS:
        assert_same(run(arrays, case, direction, data), expected[direction])


@every_direction
def test_no_algorithm_and_no_case_is_left_out(direction: str, isa: str) -> None:
    """Each algorithm runs at least ten cases, each case at least two algorithms."""
    for dtype in DTYPES:
        runs: Counter[str] = Counter()
        for case in CASES:
            names = willing(case, direction, dtype)
            runs.update(names)
            empty = 0 in result_shape(case, direction) or 0 in case.output
            assert len(names) >= 2 or empty, f"{case!r}: only {names}"
        pairs = dtype is np.float32 and isa in PAIR_ISAS
        for name in pyconv.config.algorithms(direction):
            least = 10 if pairs or not name.startswith("bf16") else 0
            assert runs[name] >= least, f"{name} {direction} ran only {runs[name]} cases"


@every_direction
def test_a_forced_algorithm_that_refuses_says_why(direction: str) -> None:
    refused = 0
    for case in cases.conv("smoke"):
        data = make(case, np.float32)
        for name in pyconv.config.algorithms(direction):
            reason = refusal(case, direction, np.float32, name)
            if reason is None:
                continue
            refused += 1
            with pytest.raises(ValueError, match=name):
                run(arrays, case, direction, data, algorithm=name)
            assert name in reason
    assert refused


@every_case
def test_nan_and_infinity_spread_as_in_the_reference(case: Case, isa: str) -> None:
    """What is not finite reaches exactly the outputs that see it."""
    data = make(case, np.float32, integers=True)
    if 0 in case.output or 0 in case.input:
        pytest.skip("nothing to spread")
    x = data.x.copy()
    # Zeros in the weight would make NaN of infinity, but what a padded tap gives is left open.
    weight = np.where(data.w == 0, 1, data.w).astype(np.float32)
    spoiled = data._replace(x=x, w=weight)
    for value in (np.nan, np.inf):
        x.flat[x.size // 2] = value
        expected = run(pyconv.reference, case, "forward", spoiled)
        for algorithm in willing(case, "forward", np.float32):
            result = run(arrays, case, "forward", spoiled, algorithm=algorithm)
            if is_exact("forward", algorithm):
                assert_same(result, expected)
            else:
                assert_same(
                    np.where(np.isfinite(result), 0, result),
                    np.where(np.isfinite(expected), 0, expected),
                )
