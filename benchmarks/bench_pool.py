"""Pooling and ReLU of the shape table, and fully connected layers, with their gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from arena import CLOCK, LARGEST_ERROR, parameters

from pyconv import arrays, cases, reference
from pyconv.bench import Job
from pyconv.bench.runner import relative_error

JOBS = [
    Job(case, direction)
    for direction in ("forward", "input")
    for case in (*cases.pool("perf"), *cases.relu("perf"))
]
SMOKE = ("max pool 3 s1 p1, 1x256x28x28", "global avg pool, 1x2048x7x7", "ReLU, 1x64x56x56")


@pytest.mark.benchmark(timer=CLOCK)
@parameters(JOBS, SMOKE)
def bench_pool(race: Callable[[Job, str], None], job: Job, tool: str) -> None:
    """A pooling or a ReLU, by one tool."""
    race(job, tool)


class Layer(NamedTuple):
    """A fully connected layer."""

    name: str
    rows: int
    inputs: int
    outputs: int


LAYERS = (
    Layer("lenet.f6", 64, 120, 84),
    Layer("r50.fc", 1, 2048, 1000),
    Layer("alex.fc7", 1, 4096, 4096),
    Layer("alex.fc7.batch32", 32, 4096, 4096),
)


def linear_calls(layer: Layer, direction: str) -> dict[str, Callable[[], Any]]:
    """Return the same product by pyconv, by NumPy's BLAS and by the float64 reference."""
    rng = np.random.default_rng(11)
    x, weight, grad = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in (
            (layer.rows, layer.inputs),
            (layer.outputs, layer.inputs),
            (layer.rows, layer.outputs),
        )
    )
    name, first, second, blas = {
        "forward": ("linear", x, weight, partial(np.matmul, x, weight.T)),
        "input": ("linear_input", weight, grad, partial(np.matmul, grad, weight)),
        "weight": ("linear_weight", x, grad, partial(np.matmul, grad.T, x)),
    }[direction]
    wide = [operand.astype(np.float64) for operand in (first, second)]
    return {
        "pyconv": partial(getattr(arrays, name), first, second),
        "numpy": blas,
        "reference": partial(getattr(reference, name), *wide),
    }


@pytest.mark.parametrize("tool", ["pyconv", "numpy"])
@pytest.mark.parametrize("direction", ["forward", "input", "weight"])
@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(layer, id=layer.name, marks=pytest.mark.smoke if i < 2 else ())
        for i, layer in enumerate(LAYERS)
    ],
)
def bench_linear(benchmark: Any, layer: Layer, direction: str, tool: str) -> None:
    """A fully connected layer by one tool, in this process: NumPy's BLAS lives in every one."""
    calls = linear_calls(layer, direction)
    error = relative_error(calls[tool](), calls["reference"]())
    assert error < LARGEST_ERROR
    benchmark.group = f"{layer.name} linear [{direction}]"
    flops = 2 * layer.rows * layer.inputs * layer.outputs
    benchmark.extra_info.update(tool=tool, error=error, flops=flops)
    benchmark(calls[tool])
