"""The register tile of the matrix product on one core, beside the measured peak of that core."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import peak
import pytest
from arena import CLOCK, replay

from pyconv import _core

Key = tuple[str, str]


@pytest.fixture(scope="module")
def rates(
    rounds: Callable[[float], int], table: Callable[[str, str], None]
) -> Iterator[Callable[[str, str], peak.Rates]]:
    """Return a function that measures each instruction set and type once, at all depths."""
    known: dict[Key, peak.Rates] = {}
    # One sample of the peak and one at each depth make a round.
    count = rounds(peak.SAMPLE_SECONDS * (1 + len(peak.DEPTHS)))

    def measured(isa: str, dtype: str) -> peak.Rates:
        if (isa, dtype) not in known:
            known[isa, dtype] = peak.measure(isa, dtype, peak.DEPTHS, max(count, 1))
        return known[isa, dtype]

    yield measured
    if known and count:
        table("register tile, GFLOP/s of one core", peak.format_rates(list(known.values())))


def check_tile(isa: str, dtype: str, depth: int) -> None:
    """Assert that a full tile is right, on integers, whose sums are exact."""
    rows, columns = _core.tile_shape(isa, peak.DTYPES[dtype])
    rng = np.random.default_rng(depth)
    a = rng.integers(-3, 4, (rows, depth)).astype(dtype)
    b = rng.integers(-3, 4, (depth, columns)).astype(dtype)
    c = np.empty((rows, columns), dtype)
    _core.tile_product(isa, a, b, c)
    np.testing.assert_array_equal(c, a @ b)


@pytest.mark.smoke
@pytest.mark.benchmark(timer=CLOCK)
@pytest.mark.parametrize("depth", peak.DEPTHS)
@pytest.mark.parametrize("dtype", peak.DTYPES)
@pytest.mark.parametrize("isa", _core.usable_isas())
def bench_tile(
    benchmark: Any, rates: Callable[[str, str], peak.Rates], isa: str, dtype: str, depth: int
) -> None:
    """One tile of a given depth; its rate and the peak are in ``extra_info``."""
    check_tile(isa, dtype, depth)
    found = rates(isa, dtype)
    rows, columns = _core.tile_shape(isa, peak.DTYPES[dtype])
    flops = 2 * rows * columns * depth
    benchmark.group = f"tile, {isa} {dtype}"
    benchmark.extra_info.update(
        isa=isa,
        dtype=dtype,
        depth=depth,
        tile=f"{rows}x{columns}",
        gflops=found.tile_median(depth) / 1e9,
        peak_gflops=found.peak_median() / 1e9,
        ratio=found.ratio(depth),
    )
    replay(benchmark, [flops / rate for rate in found.tile[depth]])
