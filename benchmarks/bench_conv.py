"""Convolution on the layers of the shape table: forward, and both gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from arena import CLOCK, parameters

from pyconv import cases
from pyconv.bench import Job
from pyconv.bench.jobs import DIRECTIONS

JOBS = [Job(case, direction) for direction in DIRECTIONS for case in cases.conv("perf")]
SMOKE = ("lenet.c3", "r50.5.3x3", "r50.4.1x1", "mbv2.dw3s2")


@pytest.mark.benchmark(timer=CLOCK)
@parameters(JOBS, SMOKE)
def bench_conv(race: Callable[[Job, str], None], job: Job, tool: str) -> None:
    """A layer, by one tool."""
    race(job, tool)
