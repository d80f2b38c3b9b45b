"""Products of numbers split into bfloat16: their errors, and the values that cannot be split."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pyconv
from passes import DIRECTIONS, PAIR_ISAS
from pyconv import arrays, config, reference
from tolerances import split_bound

Array = npt.NDArray[Any]

NAMES = ("bf16x1", "bf16x3", "bf16x6")
ADMITTED = {"bf16x1": "medium", "bf16x3": "high", "bf16x6": "highest"}
LAYER = {"stride": 2, "padding": (1, 2)}
SHAPE, FILTERS = (2, 37, 13, 18), (21, 37, 3, 3)
every_name = pytest.mark.parametrize("name", NAMES)
every_direction = pytest.mark.parametrize("direction", DIRECTIONS)
image_direction = pytest.mark.parametrize("direction", ["forward", "input"])


@pytest.fixture(autouse=True, params=[name for name in config.isas() if name in PAIR_ISAS] or [""])
def _on_pairs(request: pytest.FixtureRequest):
    if not request.param:
        pytest.skip("no products of bfloat16 here")
    with config.use_isa(request.param):
        yield


def _data(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    x = rng.standard_normal(SHAPE).astype(np.float32)
    w = rng.standard_normal(FILTERS).astype(np.float32)
    g = rng.standard_normal(arrays.conv2d(x, w, **LAYER).shape).astype(np.float32)
    return x, w, g


def _run(direction: str, x: Array, w: Any, g: Array, name: str, module: Any = arrays) -> Array:
    extra = {"algorithm": name} if name else {}
    if direction == "forward":
        return module.conv2d(x, w, **LAYER, **extra)
    if direction == "weight":
        return module.conv2d_weight(x, FILTERS, g, **LAYER, **extra)
    return module.conv2d_input((len(g), *SHAPE[1:]), w, g, **LAYER, **extra)


@every_name
@every_direction
def test_errors_are_those_of_the_level(name: str, direction: str, rng: np.random.Generator) -> None:
    """Of each product at most what is left out, of the largest result what the policy says."""
    x, w, g = _data(rng)
    expected = _run(direction, *(a.astype(np.float64) for a in (x, w, g)), "", reference)
    magnitude = _run(direction, *(abs(a).astype(np.float64) for a in (x, w, g)), "", reference)
    error = abs(_run(direction, x, w, g, name) - expected)
    assert (error <= split_bound(name, magnitude) + 2e-7 * magnitude).all()
    largest = {"bf16x1": 5e-3, "bf16x3": 1e-5, "bf16x6": 6e-7}[name]
    assert error.max() <= largest * abs(expected).max()


@every_direction
def test_six_products_are_no_less_accurate_than_float32(
    direction: str, rng: np.random.Generator
) -> None:
    x, w, g = _data(rng)
    expected = _run(direction, *(a.astype(np.float64) for a in (x, w, g)), "", reference)

    def error(name: str) -> float:
        return float(np.sqrt(np.mean((_run(direction, x, w, g, name) - expected) ** 2)))

    assert error("bf16x6") <= 1.1 * error("implicit_gemm")


def _places() -> list[tuple[str, float]]:
    tiny, largest = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
    values = (
        np.inf,
        -np.inf,
        np.nan,
        1e-45,
        -tiny / 4,
        tiny,
        1e-36,
        3e-32,
        1e38,
        largest,
        -largest,
    )
    return [(where, value) for where in ("source", "weight") for value in values]


@every_name
@every_direction
@pytest.mark.parametrize(("where", "value"), _places())
def test_what_cannot_be_split_is_done_in_float32(
    name: str, direction: str, where: str, value: float, rng: np.random.Generator
) -> None:
    """Bit for bit, and only for the image that holds the value."""
    x, w, g = _data(rng)
    source, other = {"forward": (x, w), "input": (g, w), "weight": (x, g)}[direction]
    before = _run(direction, x, w, g, name)
    target = other if where == "weight" else source[1]
    target.flat[target.size // 2] = value
    after = _run(direction, x, w, g, name)
    exact = _run(direction, x, w, g, "implicit_gemm")
    if direction == "weight":
        assert np.array_equal(after, exact, equal_nan=True)
        return
    assert np.array_equal(after[1], exact[1], equal_nan=True)
    expected = exact[0] if where == "weight" else before[0]
    assert np.array_equal(after[0], expected, equal_nan=True)


@every_name
@every_direction
def test_powers_of_two_only_move_the_exponent(
    name: str, direction: str, rng: np.random.Generator
) -> None:
    """Nothing is flushed nor overflows in the range that is split."""
    x, w, g = _data(rng)
    least = min(float(abs(a[a != 0]).min()) for a in (x, w, g))
    expected = _run(direction, x, w, g, name)
    for source, weight in ((2.0**70, 2.0**20), (2.0**-70, 2.0**90), (2.0**-20, 2.0**-40)):
        assert least * min(source, weight) > 2.0**-103
        factors = np.float32([source, weight, weight if direction == "weight" else source])
        scaled = _run(direction, x * factors[0], w * factors[1], g * factors[2], name)
        # The results may be larger than what float32 undoes in one step.
        assert np.array_equal(scaled.astype(np.float64) / source / weight, expected)


@every_name
@image_direction
def test_an_image_has_the_same_bits_in_any_batch(
    name: str, direction: str, rng: np.random.Generator
) -> None:
    x, w, g = _data(rng)
    both = _run(direction, x, w, g, name)
    alone = [_run(direction, x[i : i + 1], w, g[i : i + 1], name) for i in range(2)]
    assert np.array_equal(np.concatenate(alone), both)


@every_name
@every_direction
def test_threads_do_not_change_a_bit(name: str, direction: str, rng: np.random.Generator) -> None:
    x, w, g = _data(rng)
    before = config.get_num_threads()
    results = []
    for threads in (1, 2, 5):
        config.set_num_threads(threads)
        results.append(_run(direction, x, w, g, name))
    config.set_num_threads(before)
    assert all(np.array_equal(results[0], other) for other in results[1:])


@image_direction
def test_a_packed_weight_has_a_pack_for_each_way_of_use(
    direction: str, rng: np.random.Generator
) -> None:
    x, w, g = _data(rng)
    packed = pyconv.PackedWeight(w)
    for name in (*NAMES, *NAMES):
        expected = _run(direction, x, w, g, name)
        assert np.array_equal(_run(direction, x, packed, g, name), expected)
    for stride, dilation, padding in ((1, 1, 0), (1, 2, 1), (3, 1, 2), (1, 1, 1)):
        extra = {"stride": stride, "dilation": dilation, "padding": padding, "algorithm": "bf16x3"}
        y = arrays.conv2d(x, w, **extra)
        assert np.array_equal(arrays.conv2d(x, packed, **extra), y)
        grad = arrays.conv2d_input(SHAPE, w, y, **extra)
        assert np.array_equal(arrays.conv2d_input(SHAPE, packed, y, **extra), grad)


@every_name
@every_direction
def test_the_policy_admits_by_the_number_of_products(name: str, direction: str) -> None:
    levels = ("highest", "high", "medium")
    for level in levels:
        layer = ((1, 64, 40, 40), (64, 64, 5, 5))  # no F(4x4)
        told = pyconv.explain(*layer, padding=2, direction=direction, precision=level)
        reasons = dict(told.refusals)
        admitted = levels.index(level) >= levels.index(ADMITTED[name])
        if not admitted:
            assert told.algorithm != name
            assert "rounding" in reasons.get(name, "rounding")
        else:
            assert "rounding" not in reasons.get(name, "")
        if level == "medium":
            assert told.algorithm == "bf16x1"


@every_name
def test_float64_and_other_instruction_sets_refuse(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}.*float32 only"):
        pyconv.explain((1, 4, 9, 9), (4, 4, 3, 3), dtype=np.float64, algorithm=name)
    with config.use_isa("generic"), pytest.raises(ValueError, match=f"{name}.*no products"):
        pyconv.explain((1, 4, 9, 9), (4, 4, 3, 3), algorithm=name)


def test_info_says_what_becomes_of_amx() -> None:
    status = config.config()["amx"]
    refused = "amx" not in config.isas() and status.startswith("not used: ")
    assert status == "usable" or refused
