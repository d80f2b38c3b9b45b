"""The two floors of this machine: how fast it multiplies, and how fast it moves bytes.

A job takes at least **flops / peak** (the multiply-adds of the direct method, at the measured peak
of all threads) and at least **bytes / bandwidth** (input, weight and output, once each).  A
benchmark repeats one call, so operands that fit in a cache are still there: the bandwidth is that
of copies of the same size, over and over.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyconv import _core, config
from pyconv.bench.jobs import Job

#: Bytes that a copy reads and writes, by all threads together: from a core's own cache to several
#: times the last-level cache of most machines. Copies of less than 1 MB end before the interpreter
#: can start the next: measured on two threads, 256 KB came out at a third of the rate of 1 MB.
SIZES = tuple(2**power for power in range(20, 29))

#: Samples are short, so that on a busy machine most of them are whole.
PEAK_STEPS = 200_000
COPY_SECONDS = 0.01
ROUNDS = 9


class Machine(NamedTuple):
    """Measured rates of so many threads at once.

    Attributes
    ----------
    flops
        Flops a second by the name of the type.
    bandwidth
        Bytes a second, read and written, of copies of so many bytes.
    """

    threads: int
    isa: str
    flops: dict[str, float]
    bandwidth: dict[int, float]

    def or_faster(self, again: Machine) -> Machine:
        """Return the best of two measurements: what else uses a machine only takes away from it."""
        return self._replace(
            flops={dtype: max(rate, again.flops[dtype]) for dtype, rate in self.flops.items()},
            bandwidth={
                size: max(rate, again.bandwidth[size]) for size, rate in self.bandwidth.items()
            },
        )

    def bytes_a_second(self, size: int) -> float:
        """Return the bandwidth of the largest measured copy that is no larger than this."""
        fitting = [known for known in self.bandwidth if known <= size]
        return self.bandwidth[max(fitting, default=min(self.bandwidth))]

    def floor(self, job: Job) -> float:
        """Return the least seconds of a job."""
        return max(self.arithmetic(job), self.memory(job))

    def arithmetic(self, job: Job) -> float:
        """Return the seconds that the flops take at peak."""
        return job.flops / self.flops[job.dtype]

    def memory(self, job: Job) -> float:
        """Return the seconds that the operands take to move."""
        return job.bytes / self.bytes_a_second(job.bytes)


def measure(threads: int, rounds: int = ROUNDS, sizes: Sequence[int] = SIZES) -> Machine:
    """Measure so many threads at once on the instruction set in use; medians of rounds."""
    isa = config.isa()
    with ThreadPoolExecutor(threads) as pool:

        def together(task: Callable[[int], float]) -> float:
            return statistics.median(sum(pool.map(task, range(threads))) for _ in range(rounds))

        def peak(dtype: str) -> float:
            width = np.dtype(dtype).itemsize
            return together(lambda _: _core.peak_rate(isa, width, PEAK_STEPS))

        def bandwidth(size: int) -> float:
            pairs = [copy_pair(size // threads) for _ in range(threads)]
            return together(lambda index: copy_rate(pairs[index]))

        return Machine(
            threads,
            isa,
            {dtype: peak(dtype) for dtype in ("float32", "float64")},
            {size: bandwidth(size) for size in sizes},
        )


def copy_pair(size: int) -> list[npt.NDArray[Any]]:
    """Return a destination and a source of so many bytes in all."""
    return [np.ones(size // 16), np.ones(size // 16)]


def copy_rate(pair: Sequence[npt.NDArray[Any]]) -> float:
    """Return the bytes a second, read and written, of copying an array for a while.

    NumPy lets go of the interpreter's lock meanwhile, so threads copy at the same time.
    """
    copies, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < COPY_SECONDS or not copies:
        np.copyto(pair[0], pair[1])
        copies += 1
    return 2 * pair[0].nbytes * copies / elapsed
