"""Products of bfloat16 pairs on small maps: filters as the vector, weights packed in a task."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pyconv
from passes import PAIR_ISAS
from pyconv import arrays, config, reference

Array = npt.NDArray[Any]

# Channels, filters, height, width, kernel, other arguments: steps that are full and not, panels of
# one to three vectors, several chunks, flat and padded maps, lines of one tile and of several.
LAYERS = (
    (64, 48, 7, 7, (3, 3), {"padding": 1}),
    (58, 71, 9, 14, (3, 3), {"padding": (2, 0)}),
    (290, 33, 5, 6, (3, 2), {"padding": 1}),
    (300, 130, 4, 9, (1, 1), {}),
    (64, 24, 13, 7, (1, 1), {"padding": 1}),
    (64, 100, 1, 1, (1, 1), {}),
    (60, 50, 16, 15, (3, 3), {"padding": 1, "stride": 2}),
    (64, 40, 14, 13, (1, 1), {"stride": (2, 3)}),
    (31, 30, 11, 12, (3, 3), {"padding": 2, "dilation": (2, 1)}),
    (128, 96, 6, 6, (3, 3), {"padding": 1, "groups": 2}),
    (32, 32, 20, 20, (5, 5), {"padding": 2}),
    (64, 64, 3, 3, (3, 3), {}),
)
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=str)
every_direction = pytest.mark.parametrize("direction", ["forward", "input"])


@pytest.fixture(autouse=True, params=[name for name in config.isas() if name in PAIR_ISAS] or [""])
def _on_pairs(request: pytest.FixtureRequest):
    if not request.param:
        pytest.skip("no products of bfloat16 here")
    with config.use_isa(request.param):
        yield


def _operands(layer: Any, batch: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    c, k, height, width, kernel, arguments = layer
    x = rng.integers(-4, 5, (batch, c, height, width)).astype(np.float32)
    w = rng.integers(-4, 5, (k, c // arguments.get("groups", 1), *kernel)).astype(np.float32)
    shape = reference.conv2d(x[:1], w, **arguments).shape
    return x, w, rng.integers(-4, 5, (batch, *shape[1:])).astype(np.float32)


def _run(direction: str, layer: Any, x: Array, w: Any, g: Array, **extra: Any) -> Array:
    module = arrays if extra else reference
    if direction == "forward":
        return module.conv2d(x, w, **layer[-1], **extra)
    return module.conv2d_input((len(g), *x.shape[1:]), w, g, **layer[-1], **extra)


@every_layer
@every_direction
def test_integers_are_exact(layer: Any, direction: str, rng: np.random.Generator) -> None:
    for batch in (1, 3):
        x, w, g = _operands(layer, batch, rng)
        expected = _run(direction, layer, x, w, g)
        for weight in (w, pyconv.PackedWeight(w)):
            result = _run(direction, layer, x, weight, g, algorithm="bf16x1")
            assert np.array_equal(result, expected)


@every_layer
@every_direction
def test_integers_of_bfloat16_are_rounded_sums(
    layer: Any, direction: str, rng: np.random.Generator
) -> None:
    half = pytest.importorskip("ml_dtypes").bfloat16
    for batch in (1, 2):
        x, w, g = _operands(layer, batch, rng)
        expected = _run(direction, layer, x, w, g).astype(half)
        x, w, g = (array.astype(half) for array in (x, w, g))
        for weight in (w, pyconv.PackedWeight(w)):
            result = _run(direction, layer, x, weight, g, algorithm="bf16x1")
            assert np.array_equal(result, expected)


def test_bias_and_relu(rng: np.random.Generator) -> None:
    for layer in LAYERS:
        x, w, _ = _operands(layer, 2, rng)
        bias = rng.integers(-40, 41, len(w)).astype(np.float32)
        expected = np.maximum(reference.conv2d(x, w, bias, **layer[-1]), 0)
        result = arrays.conv2d(x, w, bias, **layer[-1], relu=True, algorithm="bf16x1")
        assert np.array_equal(result, expected)


@every_direction
@pytest.mark.parametrize("value", [np.inf, np.nan, 1e-45, 3e-32, 3e38])
@pytest.mark.parametrize("where", ["source", "weight"])
def test_what_cannot_be_split_is_done_in_float32(
    value: float, where: str, direction: str, rng: np.random.Generator
) -> None:
    """Bit for bit as the gathered product, for an image alone and in a batch, packed or not."""
    layer = LAYERS[2]
    x, w, g = (array + np.float32(0.1) for array in _operands(layer, 2, rng))
    before = _run(direction, layer, x, w, g, algorithm="bf16x1")
    target = w if where == "weight" else (x if direction == "forward" else g)[1]
    target.flat[target.size // 2] = value
    exact = _run(direction, layer, x, w, g, algorithm="implicit_gemm")
    expected = np.stack([exact[0] if where == "weight" else before[0], exact[1]])
    for weight in (w, pyconv.PackedWeight(w)):
        result = _run(direction, layer, x, weight, g, algorithm="bf16x1")
        assert np.array_equal(result, expected, equal_nan=True)
        for i in range(2):
            alone = _run(direction, layer, x[i : i + 1], weight, g[i : i + 1], algorithm="bf16x1")
            assert np.array_equal(alone[0], expected[i], equal_nan=True)
