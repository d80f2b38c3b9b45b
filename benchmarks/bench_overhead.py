"""Calls so small that what they take is the cost of a call through ``pyconv.functional``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from arena import CLOCK, parameters

import pyconv
from pyconv import functional, reference
from pyconv.bench import Job
from pyconv.bench.suites import TINY

JOBS = [Job(case, "forward") for case in TINY]

#: Seconds that these calls may take, stored beside the figures.
LIMITS = {"conv2d": 5e-6, "relu": 1.5e-6}


@pytest.mark.benchmark(timer=CLOCK)
@parameters(JOBS, [case.name for case in TINY])
def bench_tiny(race: Callable[[Job, str], None], benchmark: Any, job: Job, tool: str) -> None:
    """A tiny call on plain arrays, by one tool on its own tensors."""
    if tool == "pyconv" and job.case.op in LIMITS:
        benchmark.extra_info["limit_seconds"] = LIMITS[job.case.op]
    race(job, tool)


def gradients(x: pyconv.Tensor, weight: pyconv.Tensor) -> pyconv.Tensor:
    """Run a convolution forward and backward on the tape."""
    x.grad = weight.grad = None
    result = functional.conv2d(x, weight)
    result.sum().backward()
    return result


def variants() -> dict[str, Callable[[], Any]]:
    """Return other ways to make the same tiny convolution."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((1, 1, 8, 8)).astype(np.float32)
    weight = rng.standard_normal((1, 1, 3, 3)).astype(np.float32)
    out = np.empty((1, 1, 6, 6), np.float32)
    leaf, kernel = (pyconv.Tensor(array, requires_grad=True) for array in (x, weight))
    constant = pyconv.Tensor(x)
    return {
        "arrays": partial(functional.conv2d, x, weight),
        "keywords": partial(functional.conv2d, x, weight, None, stride=1, padding=0, groups=1),
        "out": partial(functional.conv2d, x, weight, out=out),
        "packed weight": partial(functional.conv2d, x, pyconv.PackedWeight(weight)),
        "strided view": partial(functional.conv2d, x.transpose(0, 1, 3, 2), weight.mT),
        "Tensor": partial(functional.conv2d, constant, weight),
        "Tensor, forward and backward": partial(gradients, leaf, kernel),
        "numpy reference": partial(reference.conv2d, x, weight),
    }


VARIANTS = variants()


@pytest.mark.smoke
@pytest.mark.parametrize("variant", VARIANTS)
def bench_variant(benchmark: Any, variant: str) -> None:
    """The tiny convolution called in other ways, in this process."""
    call = VARIANTS[variant]
    result = call()
    result = result.data if isinstance(result, pyconv.Tensor) else result
    expected = VARIANTS["numpy reference"]()
    # The view holds the transposed image and filter, so its result is the transposed one.
    np.testing.assert_allclose(
        result.mT if variant == "strided view" else result, expected, rtol=1e-5, atol=1e-5
    )
    benchmark.group = "tiny conv 3x3, ways to call it"
    benchmark(call)
