"""Arrays of 16 bits: float16 and bfloat16, rounded once on the way out."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pyconv
from passes import DIRECTIONS, PAIR_ISAS, Data, bound, is_exact, make, refusal, rounded, run
from pyconv import arrays, cases, reference
from pyconv.cases import Case
from pyconv.rounding import half_ulp
from tolerances import assert_same, assert_within, sum_bound

Array = npt.NDArray[Any]

ml_dtypes = pytest.importorskip("ml_dtypes")
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
HALVES = (np.dtype(np.float16), BFLOAT16)
CONV = cases.conv("smoke", "edge")
POOL = cases.pool("smoke", "edge")

each_half = pytest.mark.parametrize("dtype", HALVES, ids=str)
every_direction = pytest.mark.parametrize("direction", DIRECTIONS)


def every(table: tuple[Case, ...]) -> Any:
    """Parametrise over cases."""
    return pytest.mark.parametrize("case", table, ids=lambda case: case.name)


def numbers(dtype: np.dtype[Any]) -> Array:
    """Return every number of a format, infinities and NaN among them."""
    return np.arange(1 << 16, dtype=np.uint16).view(dtype)


def is_nan(values: Array) -> Array:
    """Return where values are NaN, whatever their dtype."""
    result: Array = np.isnan(values.astype(np.float32))
    return result


@each_half
def test_numbers_survive_the_way_in_and_out(isa: str, dtype: np.dtype[Any]) -> None:
    every_number = numbers(dtype)
    out = arrays.max_pool2d(every_number.reshape(1, 16, 4096), 1).reshape(-1)
    nan = is_nan(every_number)
    assert_same(out[~nan].view(np.uint16), every_number[~nan].view(np.uint16))
    assert is_nan(out[nan]).all()


@each_half
def test_results_are_rounded_once_to_nearest_even(isa: str, dtype: np.dtype[Any]) -> None:
    """A product of two numbers is exact in float32 (if not tiny): one rounding is what is left."""
    x = numbers(dtype).reshape(1, 1, 256, 256)
    for factor in (1.0, 1.0078125, -0.3330078125, 1.5, 3.0, 2.0**-9, 1.25 * 2.0**7):
        w = np.full((1, 1, 1, 1), factor, dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            expected = reference.conv2d(x, w)
            exact = np.abs(x.astype(np.float64) * w.astype(np.float64))
        got = arrays.conv2d(x, w)
        assert got.dtype == dtype
        # float32 may flush or round what is below its normal numbers.
        normal = ~(exact < 2.0**-126)
        assert_same(got[normal].astype(np.float64), expected[normal].astype(np.float64))


@every(CONV)
@every_direction
def test_integers_are_rounded_sums(case: Case, direction: str, isa: str) -> None:
    """float32 holds sums of small integers exactly, so that only the last rounding is left."""
    for dtype in HALVES:
        data = make(case, dtype, integers=True)
        expected = run(reference, case, direction, data).astype(np.float32)
        plan = pyconv.explain(
            case.input, case.weight, **case.arguments, direction=direction, dtype=dtype
        )
        names: list[str | None] = [None] if is_exact(direction, plan.algorithm) else []
        if dtype == BFLOAT16 and refusal(case, direction, dtype, "bf16x1") is None:
            names.append("bf16x1")
        for algorithm in names:
            result = run(arrays, case, direction, data, algorithm=algorithm)
            assert result.dtype == dtype
            assert_same(result.astype(np.float32), expected)
        if direction == "forward" and None in names:
            result = run(arrays, case, direction, data, relu=True)
            assert_same(result.astype(np.float32), np.maximum(expected, 0))


@every(CONV)
@every_direction
def test_random_data_is_within_the_bound(case: Case, direction: str, isa: str) -> None:
    for dtype in HALVES:
        data = make(case, dtype)
        expected = rounded(case, direction, dtype)
        plan = pyconv.explain(
            case.input, case.weight, **case.arguments, direction=direction, dtype=dtype
        )
        limit = bound(case, direction, dtype, plan.algorithm, computed=np.float32)
        result = run(arrays, case, direction, data)
        assert_within(result, expected, limit + half_ulp(np.abs(expected) + limit, dtype))


SLICED = (
    Case("slices", "conv2d", (2, 150, 40, 41), (150, 1, 3, 3), {"padding": 1, "groups": 150}),
    Case("multiplied", "conv2d", (1, 33, 60, 50), (66, 1, 5, 5), {"stride": 2, "groups": 33}),
    Case("few", "conv2d", (2, 28, 56, 56), (28, 4, 3, 3), {"padding": 1, "groups": 7}),
    Case("images", "conv2d", (7, 6, 150, 151), (10, 6, 3, 3), {"padding": 1}),
    Case("large images", "conv2d", (2, 17, 251, 250), (18, 17, 1, 1)),
)


@every(SLICED)
@every_direction
def test_large_arrays_a_part_at_a_time(case: Case, direction: str, isa: str) -> None:
    for dtype in HALVES:
        data = make(case, dtype, integers=True)
        expected = run(reference, case, direction, data).astype(np.float32)
        options = {"relu": True} if direction == "forward" else {}
        expected = np.maximum(expected, 0) if options else expected
        got = run(arrays, case, direction, data, **options)
        assert_same(got.astype(np.float32), expected)
        if direction != "weight":
            packed: Any = data._replace(w=pyconv.PackedWeight(data.w))
            got = run(arrays, case, direction, packed, **options)
            assert_same(got.astype(np.float32), expected)


@every(CONV)
def test_the_gradient_of_the_bias(case: Case, isa: str) -> None:
    for dtype in HALVES:
        g = make(case, dtype, integers=True).g
        result = getattr(arrays, f"{case.op}_bias")(g)
        expected = getattr(reference, f"{case.op}_bias")(g)
        assert result.dtype == dtype
        assert_same(result.astype(np.float32), expected.astype(np.float32))


def sprinkled(case: Case, kind: str, dtype: np.dtype[Any]) -> Array:
    """Return an image with many ties and, by `kind`, with what needs care."""
    rng = np.random.default_rng(zlib.crc32((case.name + kind).encode()))
    x = rng.integers(-3, 4, case.input).astype(np.float32)
    x[rng.random(case.input) < 0.15] = {"integers": 2, "nan": np.nan, "-inf": -np.inf}[kind]
    return x.astype(dtype)


@pytest.mark.parametrize("kind", ["integers", "nan", "-inf"])
@each_half
@every(tuple(case for case in POOL if case.op == "max_pool2d"))
def test_maxima_are_exact(isa: str, case: Case, dtype: np.dtype[Any], kind: str) -> None:
    x = sprinkled(case, kind, dtype)
    expected, offsets = reference.max_pool2d_with_offsets(x, **case.arguments)
    got, got_offsets = arrays.max_pool2d_with_offsets(x, **case.arguments)
    assert got.dtype == dtype
    assert_same(got.astype(np.float32), expected.astype(np.float32))
    np.testing.assert_array_equal(got_offsets, offsets)
    plain = arrays.max_pool2d(x, **case.arguments)
    assert_same(plain.astype(np.float32), expected.astype(np.float32))
    grad = case.grad_output(dtype, integers=True)
    got = arrays.max_pool2d_backward(grad, offsets, case.input, **case.arguments)
    expected = reference.max_pool2d_backward(grad, offsets, case.input, **case.arguments)
    assert_same(got.astype(np.float32), expected.astype(np.float32))


@each_half
@every(tuple(case for case in POOL if case.op == "avg_pool2d"))
def test_means_are_within_the_bound(isa: str, case: Case, dtype: np.dtype[Any]) -> None:
    p = case.pool_problem
    terms = min(p.window, p.input[0] * p.input[1])
    x, grad = case.operands(dtype).input, case.grad_output(dtype)
    pairs = (
        (lambda m, a: m.avg_pool2d(a, **case.arguments), x),
        (lambda m, a: m.avg_pool2d_backward(a, case.input, **case.arguments), grad),
    )
    for call, operand in pairs:
        wide = operand.astype(np.float64)
        expected = call(reference, wide)
        limit = sum_bound(terms, np.float32, np.abs(call(reference, np.abs(wide))))
        got = call(arrays, operand)
        assert got.dtype == dtype
        assert_within(got, expected, limit + half_ulp(np.abs(expected) + limit, dtype))


@each_half
@pytest.mark.parametrize("shape", [(1, 3, 300, 301), (2, 1, 1000, 7), (3, 2, 9, 9000)])
def test_planes_larger_than_a_band(isa: str, dtype: np.dtype[Any], shape: Any) -> None:
    x = np.random.default_rng(1).integers(-9, 9, shape).astype(dtype)
    for options in ({"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": (5, 2)},
                    {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True}):  # fmt: skip
        got, offsets = arrays.max_pool2d_with_offsets(x, **options)
        wide, wide_offsets = arrays.max_pool2d_with_offsets(x.astype(np.float32), **options)
        assert_same(got.astype(np.float32), wide)
        np.testing.assert_array_equal(offsets, wide_offsets)
        mean = arrays.avg_pool2d(x, **options, count_include_pad=False, divisor_override=1)
        wide = arrays.avg_pool2d(x.astype(np.float32), **options, divisor_override=1)
        assert_same(mean.astype(np.float32), wide)


@each_half
def test_relu_keeps_nan_and_what_is_positive(isa: str, dtype: np.dtype[Any]) -> None:
    x = numbers(dtype)
    x = np.where(is_nan(x), np.nan, x).astype(dtype)  # casts warn of signalling ones
    expected = reference.relu(x).astype(np.float32)
    assert_same(arrays.relu(x).astype(np.float32), expected)
    in_place = x.copy()
    assert arrays.relu(in_place, out=in_place) is in_place
    assert_same(in_place.astype(np.float32), expected)
    grad = np.random.default_rng(0).standard_normal(x.shape).astype(dtype)
    got = arrays.relu_backward(grad, x)
    assert_same(got.astype(np.float32), reference.relu_backward(grad, x).astype(np.float32))


@each_half
@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 17, 5), (1, 300, 49), (70, 260, 100), (0, 3, 2)])
def test_linear_is_a_rounded_sum(isa: str, dtype: np.dtype[Any], sizes: Any) -> None:
    rows, features, outputs = sizes
    rng = np.random.default_rng(3)
    x, w, b, g = (
        rng.integers(-3, 4, shape).astype(dtype)
        for shape in ((rows, features), (outputs, features), (outputs,), (rows, outputs))
    )
    calls = (
        lambda m: m.linear(x, w, b),
        lambda m: m.linear(x, w, relu=True),
        lambda m: m.linear_input(w, g),
        lambda m: m.linear_weight(x, g),
        lambda m: m.linear_bias(g),
    )
    for call in calls:
        result = call(arrays)
        assert result.dtype == dtype
        assert_same(result.astype(np.float32), call(reference).astype(np.float32))


@each_half
def test_a_packed_weight_is_of_its_dtype(isa: str, dtype: np.dtype[Any]) -> None:
    case = cases.find("vgg.5_1")
    x, w, b = case.operands(dtype, integers=True)
    assert w is not None
    packed = pyconv.PackedWeight(w)
    assert packed.dtype == dtype
    assert packed.array.dtype == dtype
    assert not packed.array.flags.writeable
    for _ in range(2):
        got = arrays.conv2d(x, packed, b, **case.arguments)
        assert_same(got.astype(np.float32), arrays.conv2d(x, w, b, **case.arguments).astype("f4"))
    with pytest.raises(TypeError, match="convert one of them"):
        arrays.conv2d(x.astype(np.float32), packed, None, **case.arguments)


@each_half
def test_dtypes_do_not_mix(dtype: np.dtype[Any]) -> None:
    x, w = np.ones((1, 2, 5, 5), dtype), np.ones((3, 2, 3, 3), dtype)
    others = [d for d in (*HALVES, np.dtype(np.float32)) if d != dtype]
    for other in others:
        with pytest.raises(TypeError, match=f"expected dtype {dtype} as the other operand has"):
            arrays.conv2d(x, w.astype(other))
        with pytest.raises(TypeError, match=f"expected dtype {dtype}"):
            arrays.conv2d(x, w, np.ones(3, other))
        with pytest.raises(TypeError, match=f"expected dtype {dtype}"):
            arrays.conv2d(x, w, out=np.empty((1, 3, 3, 3), other))


def test_other_types_of_16_bits_are_refused() -> None:
    x, w = np.ones((1, 2, 5, 5), np.float16), np.ones((3, 2, 3, 3), np.float16)
    for dtype in (np.int16, np.uint16, np.dtype("V2")):
        with pytest.raises(TypeError, match=r"expected float32.*astype"):
            arrays.conv2d(x.view(dtype), w)
    for dtype in (np.dtype(">f2"), BFLOAT16.newbyteorder(">")):
        with pytest.raises(TypeError, match="native byte order"):
            arrays.conv2d(x.view(dtype), w)


@each_half
def test_results_do_not_depend_on_batch_or_threads(dtype: np.dtype[Any]) -> None:
    case = cases.find("r50.3.3x3")
    x, w, b = case.operands(dtype)
    batch = np.concatenate([x, x[:, ::-1], x])
    alone = arrays.conv2d(x, w, b, **case.arguments)
    threads = pyconv.get_num_threads()
    try:
        for count in (1, 2, 3):
            pyconv.set_num_threads(count)
            together = arrays.conv2d(batch, w, b, **case.arguments)
            assert_same(together[:1].view(np.uint16), alone.view(np.uint16))
            assert_same(together[2:].view(np.uint16), alone.view(np.uint16))
    finally:
        pyconv.set_num_threads(threads)


def test_bfloat16_takes_pairs_at_every_precision(isa: str) -> None:
    if isa not in PAIR_ISAS:
        pytest.skip("no products of pairs")
    case = cases.find("alex.c2")
    for precision in ("highest", "high", "medium"):
        for direction in DIRECTIONS:
            plan = pyconv.explain(case.input, case.weight, **case.arguments, dtype=BFLOAT16,
                                  direction=direction, precision=precision)  # fmt: skip
            assert plan.algorithm == "bf16x1"


def test_what_high_loses_is_less_than_bfloat16_rounds(isa: str) -> None:
    """Winograd's F(4x4) is chosen for bfloat16 where it is fastest; float16 follows the level."""
    case = Case("wide", "conv2d", (1, 32, 56, 56), (32, 32, 3, 3), {"padding": 1})
    for dtype in HALVES:
        plan = pyconv.explain(case.input, case.weight, **case.arguments, dtype=dtype)
        assert plan.algorithm != "winograd_4x4" or dtype == BFLOAT16
        limit = bound(case, "forward", dtype, plan.algorithm, computed=np.float32)
        expected = rounded(case, "forward", dtype)
        got = run(arrays, case, "forward", make(case, dtype))
        assert_within(got, expected, limit + half_ulp(np.abs(expected) + limit, dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e-39])
@every_direction
def test_pairs_leave_out_what_they_cannot_multiply(isa: str, value: float, direction: str) -> None:
    """Numbers that the hardware flushes, and what is not finite, as in float32 arithmetic."""
    case = Case("wild", "conv2d", (2, 5, 20, 20), (7, 5, 3, 3), {"padding": 1})
    if refusal(case, direction, BFLOAT16, "bf16x1") is not None:
        pytest.skip("no products of pairs")
    data = make(case, BFLOAT16, integers=True)
    for which in range(3):
        spoiled = [data.x.copy(), np.where(data.w == 0, 1, data.w).astype(BFLOAT16), data.g.copy()]
        spoiled[which].flat[7] = value
        given = Data(spoiled[0], spoiled[1], None, spoiled[2])
        got = run(arrays, case, direction, given, algorithm="bf16x1")
        expected = run(arrays, case, direction, given, algorithm="implicit_gemm")
        assert_same(got.astype(np.float32), expected.astype(np.float32))
