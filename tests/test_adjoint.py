"""Gradients are adjoints: with small integers that is an equation, not an approximation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from passes import DTYPES, make, run
from pyconv import arrays, cases
from pyconv.cases import Case

Array = npt.NDArray[Any]


def _dot(a: Array, b: Array) -> float:
    return float(np.sum(a.astype(np.float64) * b.astype(np.float64)))


@pytest.mark.parametrize("case", cases.conv("smoke", "edge"), ids=lambda case: case.name)
def test_convolution(case: Case, isa: str) -> None:
    """<conv(x, w), g> = <x, conv_input(g, w)> = <w, conv_weight(x, g)>."""
    for dtype in DTYPES:
        data = make(case, dtype, integers=True)
        forward = _dot(run(arrays, case, "forward", data._replace(bias=None)), data.g)
        assert forward == _dot(data.x, run(arrays, case, "input", data))
        assert forward == _dot(data.w, run(arrays, case, "weight", data))
        assert data.bias is not None
        with_bias = _dot(run(arrays, case, "forward", data), data.g)
        of_bias = getattr(arrays, f"{case.op}_bias")(data.g)
        assert with_bias - forward == _dot(data.bias, of_bias)


def _hyper(case: Case) -> dict[str, Any]:
    return dict(case.arguments)


@pytest.mark.parametrize(
    "case",
    [case for case in cases.pool("smoke", "edge") if case.op == "max_pool2d"],
    ids=lambda case: case.name,
)
def test_max_pooling(case: Case, isa: str) -> None:
    """<max_pool(x), g> = <x, backward(g)>: each maximum times what goes back to it."""
    for dtype in DTYPES:
        x, g = case.operands(dtype, integers=True).input, case.grad_output(dtype, integers=True)
        result, offsets = arrays.max_pool2d_with_offsets(x, **_hyper(case))
        back = arrays.max_pool2d_backward(g, offsets, x.shape, **_hyper(case))
        assert back.shape == x.shape
        assert _dot(result, g) == _dot(x, back)


@pytest.mark.parametrize(
    "case",
    [case for case in cases.pool("smoke", "edge") if case.op == "avg_pool2d"],
    ids=lambda case: case.name,
)
def test_average_pooling(case: Case, isa: str) -> None:
    """<avg_pool(x), g> = <x, backward(g)>, with a divisor that leaves the numbers exact."""
    hyper = {**_hyper(case), "divisor_override": -4}
    for dtype in DTYPES:
        x, g = case.operands(dtype, integers=True).input, case.grad_output(dtype, integers=True)
        forward = arrays.avg_pool2d(x, **hyper)
        back = arrays.avg_pool2d_backward(g, x.shape, **hyper)
        assert back.shape == x.shape
        assert _dot(forward, g) == _dot(x, back)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 64), (17, 33), (2, 3, 16), (0, 4), (9,)])
@pytest.mark.parametrize("features", [1, 6, 15, 49])
def test_linear(shape: tuple[int, ...], features: int, isa: str) -> None:
    rng = np.random.default_rng(features)
    for dtype in DTYPES:
        x = rng.integers(-3, 4, shape).astype(dtype)
        w = rng.integers(-3, 4, (features, shape[-1])).astype(dtype)
        g = rng.integers(-3, 4, (*shape[:-1], features)).astype(dtype)
        forward = _dot(arrays.linear(x, w), g)
        assert forward == _dot(x, arrays.linear_input(w, g))
        assert forward == _dot(w, arrays.linear_weight(x, g))
        bias = rng.integers(-3, 4, features).astype(dtype)
        with_bias = _dot(arrays.linear(x, w, bias), g)
        assert with_bias - forward == _dot(bias, arrays.linear_bias(g))


def test_relu(isa: str) -> None:
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        x = rng.integers(-3, 4, (3, 5, 7, 11)).astype(dtype)
        g = rng.integers(-3, 4, x.shape).astype(dtype)
        y = arrays.relu(x)
        assert _dot(y, g) == _dot(x, arrays.relu_backward(g, y))
