"""Compares the register tile of the matrix product with the peak of one core.

``python benchmarks/peak.py`` prints a table for every instruction set of this machine and both
element types.  The peak is measured, not computed from a clock that changes under load: twelve
independent chains of multiply-adds in registers.  The tile multiplies panels that lie in cache.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pyconv import _core
from pyconv.cli.table import format_table

#: Products in one chain: those of a first layer, and the most of any (depth_limit in plan.hpp).
DEPTHS = (27, 64, 128)
DTYPES = {"float32": 4, "float64": 8}

#: Long enough for the clock, shorter than the time slice of a scheduler: on a busy machine most
#: samples are whole, and the median is that of a machine at rest.
SAMPLE_SECONDS = 0.001

#: Steps of the chains from whose time the length of a sample is found.
TRIAL_STEPS = 200_000


@dataclass
class Rates:
    """Flops a second of one instruction set and type, one sample for each round."""

    isa: str
    dtype: str
    peak: list[float]
    tile: dict[int, list[float]]

    def peak_median(self) -> float:
        """Return the measured peak."""
        return statistics.median(self.peak)

    def tile_median(self, depth: int) -> float:
        """Return the rate of the tile."""
        return statistics.median(self.tile[depth])

    def ratio(self, depth: int) -> float:
        """Return the tile's part of the peak: the median of the ratios within each round."""
        pairs = zip(self.tile[depth], self.peak, strict=True)
        return statistics.median(tile / peak for tile, peak in pairs)


def measure(isa: str, dtype: str, depths: Sequence[int], rounds: int) -> Rates:
    """Time peak and tile in turn; the first round is warm-up and not kept."""
    size = DTYPES[dtype]
    rows, columns = _core.tile_shape(isa, size)
    begin = time.perf_counter()
    _core.peak_rate(isa, size, TRIAL_STEPS)
    steps = max(1, int(TRIAL_STEPS * SAMPLE_SECONDS / (time.perf_counter() - begin)))
    # The tile does not outrun the peak: as many as would fit at peak rate take a sample's time.
    rate = _core.peak_rate(isa, size, steps)
    flops = {depth: 2 * rows * columns * depth for depth in depths}
    repeats = {depth: max(1, int(SAMPLE_SECONDS * rate / flops[depth])) for depth in depths}
    rates = Rates(isa, dtype, [], {depth: [] for depth in depths})
    for kept in [False] + [True] * rounds:
        peak = _core.peak_rate(isa, size, steps)
        tiles = {
            depth: flops[depth] * repeats[depth] / _core.time_tile(isa, size, depth, repeats[depth])
            for depth in depths
        }
        if kept:
            rates.peak.append(peak)
            for depth in depths:
                rates.tile[depth].append(tiles[depth])
    return rates


def format_rates(results: Sequence[Rates]) -> str:
    """Return the table: rates in GFLOP/s, the tile's part of the peak in percent."""
    depths = list(results[0].tile) if results else []
    header = ["ISA", "type", "tile", "FMA peak"]
    for depth in depths:
        header += [f"depth {depth}", "percent"]
    rows = []
    for rates in results:
        shape = "x".join(map(str, _core.tile_shape(rates.isa, DTYPES[rates.dtype])))
        row = [rates.isa, rates.dtype, shape, f"{rates.peak_median() / 1e9:.1f}"]
        for depth in depths:
            row += [f"{rates.tile_median(depth) / 1e9:.1f}", f"{rates.ratio(depth):.1%}"]
        rows.append(row)
    return format_table(header, rows, left=2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="register tile against measured FMA peak")
    parser.add_argument("--rounds", type=int, default=300, help="default: 300")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error("--rounds: expected at least 1")
    results = [
        measure(isa, dtype, DEPTHS, rounds) for isa in _core.usable_isas() for dtype in DTYPES
    ]
    print(format_rates(results))
    print(f"\nGFLOP/s of one core, medians of {rounds} interleaved rounds;")
    print("percent: median of tile / peak within a round.")


if __name__ == "__main__":
    main()
