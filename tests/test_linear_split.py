"""Linear layers from products of bfloat16: which, how accurate, and what cannot be split."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pyconv
from passes import DIRECTIONS, PAIR_ISAS
from pyconv import arrays, config, reference
from pyconv import functional as F
from tolerances import split_bound

Array = npt.NDArray[Any]

NAMES = ("bf16x1", "bf16x3", "bf16x6")
#: rows, in and out: one of each, odd ones, and sizes around words, steps, panels and blocks.
SIZES = (
    (1, 1, 1), (3, 17, 5), (1, 300, 33), (7, 0, 3), (0, 5, 4), (17, 31, 49), (33, 48, 65),
    (64, 400, 120), (300, 33, 100), (5, 1000, 7), (2, 513, 97), (18, 64, 230),
)  # fmt: skip
every_name = pytest.mark.parametrize("name", NAMES)
every_direction = pytest.mark.parametrize("direction", DIRECTIONS)


@pytest.fixture(autouse=True, params=[name for name in config.isas() if name in PAIR_ISAS] or [""])
def _on_pairs(request: pytest.FixtureRequest):
    if not request.param:
        pytest.skip("no products of bfloat16 here")
    with config.use_isa(request.param):
        yield


def _run(
    direction: str, x: Array, w: Array, g: Array, module: Any = arrays, **choice: Any
) -> Array:
    if direction == "forward":
        return module.linear(x, w, **choice)
    if direction == "input":
        return module.linear_input(w, g, **choice)
    return module.linear_weight(x, g, **choice)


def _normal(rng: np.random.Generator, rows: int, inner: int, outer: int) -> list[Array]:
    shapes = ((rows, inner), (outer, inner), (rows, outer))
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


@every_name
@pytest.mark.parametrize("sizes", SIZES)
def test_small_integers_are_exact(
    name: str, sizes: tuple[int, int, int], rng: np.random.Generator
) -> None:
    rows, inner, outer = sizes
    shapes = ((rows, inner), (outer, inner), (rows, outer), (outer,))
    x, w, g, bias = (rng.integers(-3, 4, shape).astype(np.float32) for shape in shapes)
    for direction in DIRECTIONS:
        expected = _run(direction, x, w, g, reference)
        assert np.array_equal(_run(direction, x, w, g, algorithm=name), expected)
    y = arrays.linear(x, w, bias, relu=True, algorithm=name)
    assert np.array_equal(y, reference.linear(x, w, bias, relu=True))


@every_name
@every_direction
def test_errors_are_those_of_the_level(name: str, direction: str, rng: np.random.Generator) -> None:
    x, w, g = _normal(rng, 70, 300, 90)
    expected = _run(direction, *(a.astype(np.float64) for a in (x, w, g)), reference)
    magnitude = _run(direction, *(abs(a).astype(np.float64) for a in (x, w, g)), reference)
    error = abs(_run(direction, x, w, g, algorithm=name) - expected)
    assert (error <= split_bound(name, magnitude) + 2e-7 * magnitude).all()
    largest = {"bf16x1": 5e-3, "bf16x3": 1e-5, "bf16x6": 6e-7}[name]
    assert error.max() <= largest * abs(expected).max()
    if name == "bf16x6":
        plain = abs(_run(direction, x, w, g, algorithm="gemm") - expected)
        assert np.sqrt(np.mean(error**2)) <= 1.1 * np.sqrt(np.mean(plain**2))


@every_name
def test_a_row_has_the_same_bits_alone_and_in_any_batch(
    name: str, rng: np.random.Generator
) -> None:
    x, w, _ = _normal(rng, 270, 100, 50)
    y = arrays.linear(x, w, algorithm=name)
    for row in (0, 7, 15, 33, 269):
        assert np.array_equal(arrays.linear(x[row], w, algorithm=name), y[row])


@every_name
@every_direction
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e-45, 1e-36, 1e38, 3e38])
def test_what_cannot_be_split_is_done_in_float32(
    name: str, direction: str, value: float, rng: np.random.Generator
) -> None:
    """Bit for bit: a row that holds the value, or all if it is in the other operand."""
    operands = dict(zip("xwg", _normal(rng, 20, 70, 30), strict=True))
    before = _run(direction, *operands.values(), algorithm=name)
    left, right = {"forward": "xw", "input": "gw", "weight": "gx"}[direction]
    for operand in (left, right):
        changed = {key: array.copy() for key, array in operands.items()}
        changed[operand][3, 5] = value
        after = _run(direction, *changed.values(), algorithm=name)
        plain = _run(direction, *changed.values(), algorithm="gemm")
        expected = plain
        if operand == left:
            row = 5 if direction == "weight" else 3  # rows of dw are columns of the gradient
            expected = before.copy()
            expected[row] = plain[row]
        assert np.array_equal(after, expected, equal_nan=True)


@every_name
@every_direction
def test_threads_do_not_change_a_bit(name: str, direction: str, rng: np.random.Generator) -> None:
    x, w, g = _normal(rng, 300, 260, 270)
    before = config.get_num_threads()
    results = []
    for threads in (1, 2, 5):
        config.set_num_threads(threads)
        results.append(_run(direction, x, w, g, algorithm=name))
    config.set_num_threads(before)
    assert all(np.array_equal(results[0], other) for other in results[1:])


@every_direction
def test_the_policy_chooses(direction: str, rng: np.random.Generator) -> None:
    tiles = config.isa().startswith("amx")
    for sizes in ((64, 64, 64), (64, 63, 64), (64, 64, 63), (1, 64, 64)):
        operands = _normal(rng, *sizes)
        pays = min(sizes[1:]) >= 64 and (direction == "forward" or sizes[0] >= 32)
        gradient = "bf16x6" if direction != "forward" else "gemm"
        wanted = {"medium": "bf16x1", "high": "bf16x3" if tiles else "gemm"}
        wanted["highest"] = gradient if tiles else "gemm"
        for level, name in wanted.items():
            told = pyconv.explain(*operands[:2], direction=direction, precision=level)
            assert told.algorithm == (name if pays else "gemm")
            expected = _run(direction, *operands, algorithm=name if pays else "gemm")
            assert np.array_equal(_run(direction, *operands, precision=level), expected)
            with pyconv.float32_precision(level):  # type: ignore[arg-type]
                assert np.array_equal(_run(direction, *operands), expected)


def test_gradients_keep_the_level_of_the_forward_pass(rng: np.random.Generator) -> None:
    x, w, _ = _normal(rng, 64, 80, 96)
    tensors = [pyconv.Tensor(a, requires_grad=True) for a in (x, w)]
    y = F.linear(*tensors, precision="medium")
    y.backward(np.ones(y.shape, np.float32))
    g = np.ones((64, 96), np.float32)
    assert np.array_equal(y.numpy(), arrays.linear(x, w, algorithm="bf16x1"))
    for tensor, direction in zip(tensors, ("input", "weight"), strict=True):
        assert tensor.grad is not None
        expected = _run(direction, x, w, g, algorithm="bf16x1")
        assert np.array_equal(np.asarray(tensor.grad), expected)


@every_direction
def test_what_is_refused(direction: str, rng: np.random.Generator) -> None:
    operands = _normal(rng, 4, 5, 6)
    with pytest.raises(ValueError, match=r"algorithm.*expected one of bf16x1.*'fast'"):
        _run(direction, *operands, algorithm="fast")
    with pytest.raises(ValueError, match=r"precision.*expected 'highest'"):
        _run(direction, *operands, precision="fast")
    with pytest.raises(ValueError, match=r"'bf16x1' refuses.*float32 only"):
        _run(direction, *(a.astype(np.float64) for a in operands), algorithm="bf16x1")
    with (
        config.use_isa("generic"),
        pytest.raises(ValueError, match=r"'bf16x3' refuses.*no products"),
    ):
        _run(direction, *operands, algorithm="bf16x3")
