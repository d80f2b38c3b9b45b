"""The least time that each layer of the table can take on this machine, and why.

``python benchmarks/floors.py`` prints for every convolution of the table its flops, the bytes of
its operands and two floors: flops by the measured peak of all threads, and bytes by the measured
bandwidth of memory.  No direct method beats the first; data that still lies in cache from the call
before, as in a benchmark, beats the second.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from pyconv import _core, cases, config
from pyconv.cli.table import format_table

#: Several times the last-level cache of most machines, for each thread.
COPY_BYTES = 2**28
ROUNDS = 7
PEAK_STEPS = 2_000_000


def copy(pair: Sequence[npt.NDArray[Any]]) -> None:
    """Copy an array; NumPy lets go of the interpreter's lock meanwhile."""
    np.copyto(pair[0], pair[1])


def measure(threads: int) -> tuple[float, float]:
    """Return flops a second and bytes a second of so many threads at once, medians of rounds."""
    isa = config.isa()
    pairs = [(np.ones(COPY_BYTES // 8), np.ones(COPY_BYTES // 8)) for _ in range(threads)]
    flops, rates = [], []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(ROUNDS):
            peaks = pool.map(lambda _: _core.peak_rate(isa, 4, PEAK_STEPS), range(threads))
            flops.append(sum(peaks))
            begin = time.perf_counter()
            list(pool.map(copy, pairs))
            # Each byte is read once and written once.
            rates.append(2 * COPY_BYTES * threads / (time.perf_counter() - begin))
    return statistics.median(flops), statistics.median(rates)


def operand_bytes(case: cases.Case) -> int:
    """Return the bytes of input, weight and output in float32: each moved once."""
    shapes = (case.input, case.weight, case.output)
    return sum(4 * int(np.prod(shape)) for shape in shapes if shape)


def main() -> None:
    """Measure and print."""
    threads = config.get_num_threads()
    peak, bandwidth = measure(threads)
    rows = []
    for case in (*cases.conv("perf"), *cases.pool("perf"), *cases.relu("perf")):
        moved = operand_bytes(case)
        arithmetic, memory = case.flops / peak * 1e3, moved / bandwidth * 1e3
        rows.append(
            [
                case.name,
                f"{case.flops / 1e6:.0f}" if case.flops else "-",
                f"{moved / 1e6:.2f}",
                f"{case.flops / moved:.0f}" if case.flops else "-",
                f"{arithmetic:.3f}" if case.flops else "-",
                f"{memory:.3f}",
                "arithmetic" if arithmetic > memory else "memory",
            ]
        )
    header = [
        "layer",
        "Mflop",
        "MB",
        "flops/byte",
        "flops/peak, ms",
        "bytes/bandwidth, ms",
        "bound",
    ]
    print(format_table(header, rows))
    print(
        f"\n{threads} threads, {config.isa()}, float32: {peak / 1e9:.0f} GFLOP/s, "
        f"{bandwidth / 1e9:.1f} GB/s, medians of {ROUNDS} rounds"
    )


if __name__ == "__main__":
    main()
