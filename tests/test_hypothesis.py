"""Random shapes and arguments against the reference, on integers that leave no rounding."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import pyconv.config
from passes import DIRECTIONS, Data, is_exact, run, willing
from pyconv import arrays, reference, shapes
from pyconv.cases import Case
from tolerances import assert_same

Array = npt.NDArray[Any]
DTYPES = st.sampled_from([np.float32, np.float64])
ISAS = st.sampled_from(pyconv.config.isas())
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def _paddings(draw: st.DrawFn, rank: int) -> Any:
    small = st.integers(0, 4)
    return draw(
        st.one_of(
            small,
            st.tuples(*[small] * rank),
            st.tuples(*[st.tuples(small, small)] * rank),
            st.sampled_from(shapes.PADDING_WORDS),
        )
    )


@st.composite
def convolutions(draw: st.DrawFn) -> Case:
    """Return a convolution of any rank that is not refused."""
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    longest = {1: 70, 2: 20, 3: 6}[rank]
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 5]))
    c, k = groups * draw(st.integers(0, 6)), groups * draw(st.integers(1, 9))
    wide = draw(st.integers(0, 3))
    if wide == 1:
        c, k, groups = draw(st.integers(1, 70)), draw(st.integers(1, 70)), 1
    elif wide == 2:
        groups = draw(st.integers(1, 20))
        c, k = groups, groups * draw(st.integers(1, 3))
    spatial = tuple(draw(st.integers(1, longest)) for _ in range(rank))
    kernel = tuple(draw(st.integers(1, 5)) for _ in range(rank))
    if draw(st.integers(0, 3)) == 0:  # long rows, which kernels cut into bands; usual kernels
        spatial = (*spatial[:-1], draw(st.integers(1, 450)))
        kernel = (draw(st.sampled_from([1, 3, 5])),) * rank
    few = st.integers(1, 3)
    arguments = {
        "stride": draw(st.one_of(few, st.tuples(*[few] * rank))),
        "padding": draw(_paddings(rank)),
        "dilation": draw(st.one_of(st.just(1), few, st.tuples(*[few] * rank))),
        "groups": groups,
    }
    head = draw(st.sampled_from([(1,), (2,), (3,), (), (0,)]))
    weight = (k, c // groups, *kernel)
    case = Case("random", f"conv{rank}d", (*head, c, *spatial), weight, arguments)
    try:
        flops = case.flops
    except ValueError:
        assume(False)
    assume(flops < 20_000_000)
    return case


def _integers(seed: int, shape: tuple[int, ...], dtype: Any) -> Array:
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(dtype)


@quick
@given(case=convolutions(), dtype=DTYPES, isa=ISAS, seed=st.integers(0, 99), data=st.data())
def test_convolutions(case: Case, dtype: Any, isa: str, seed: int, data: st.DataObject) -> None:
    operands = Data(
        _integers(seed, case.input, dtype),
        _integers(seed + 1, case.weight, dtype),
        _integers(seed + 2, case.weight[:1], dtype),
        _integers(seed + 3, case.output, dtype),
    )
    with pyconv.config.use_isa(isa):
        for direction in DIRECTIONS:
            names = willing(case, direction, dtype)
            algorithm = data.draw(st.sampled_from([None, *names]), label=f"{direction} algorithm")
            result = run(arrays, case, direction, operands, algorithm=algorithm)
            expected = run(reference, case, direction, operands)
            if algorithm is None or is_exact(direction, algorithm):
                assert_same(result, expected)
            else:
                limit = 1e-3 if dtype == np.float32 else 1e-12
                assert result.shape == expected.shape
                assert np.allclose(result, expected, rtol=0, atol=limit)


@st.composite
def poolings(draw: st.DrawFn) -> SimpleNamespace:
    """Return the shape and the arguments of a pooling that is not refused."""
    few = st.integers(1, 4)
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    hyper = {
        "kernel_size": kernel,
        "stride": draw(st.one_of(st.none(), few, st.tuples(few, few))),
        "padding": tuple(draw(st.integers(0, k // 2)) for k in kernel),
        "ceil_mode": draw(st.booleans()),
    }
    spatial = draw(st.tuples(st.integers(1, 20), st.integers(1, 40)))
    shape = (*draw(st.sampled_from([(), (1,), (2,), (0,)])), draw(st.integers(0, 4)), *spatial)
    dilation = draw(st.one_of(st.just(1), st.tuples(few, few)))
    try:
        dilated, _ = shapes.max_pool_problem("f", shape, **hyper, dilation=dilation)
        dense, _ = shapes.avg_pool_problem("f", shape, **hyper)
    except ValueError:
        assume(False)
    return SimpleNamespace(
        shape=shape,
        hyper=hyper,
        dilation=dilation,
        max_output=shapes.pool_out_shape(shape, dilated),
        avg_output=shapes.pool_out_shape(shape, dense),
    )


@quick
@given(case=poolings(), dtype=DTYPES, isa=ISAS, seed=st.integers(0, 99), special=st.booleans())
def test_max_pooling(case: Any, dtype: Any, isa: str, seed: int, special: bool) -> None:
    x = _integers(seed, case.shape, dtype)
    if special and x.size:
        rng = np.random.default_rng(seed)
        where = rng.integers(0, x.size, 1 + x.size // 4)
        x.flat[where] = rng.choice([np.nan, -np.inf, np.inf], where.size)
    hyper = {**case.hyper, "dilation": case.dilation}
    g = _integers(seed + 1, case.max_output, dtype)
    with pyconv.config.use_isa(isa):
        y, indices = arrays.max_pool2d(x, **hyper, return_indices=True)
        also_y, offsets = arrays.max_pool2d_with_offsets(x, **hyper)
        plain = arrays.max_pool2d(x, **hyper)
        back = arrays.max_pool2d_backward(g, offsets, x.shape, **hyper)
    expected, expected_indices = reference.max_pool2d(x, **hyper, return_indices=True)
    _, expected_offsets = reference.max_pool2d_with_offsets(x, **hyper)
    for result in (y, also_y, plain):
        assert_same(result, expected)
    assert_same(indices, expected_indices)
    assert offsets.dtype == expected_offsets.dtype
    assert_same(offsets, expected_offsets)
    assert_same(back, reference.max_pool2d_backward(g, expected_offsets, x.shape, **hyper))


@quick
@given(
    case=poolings(),
    dtype=DTYPES,
    isa=ISAS,
    seed=st.integers(0, 99),
    count_include_pad=st.booleans(),
    divisor=st.sampled_from([None, None, 1, 7, -2]),
)
def test_average_pooling(
    case: Any, dtype: Any, isa: str, seed: int, count_include_pad: bool, divisor: int | None
) -> None:
    x, g = _integers(seed, case.shape, dtype), _integers(seed + 1, case.avg_output, dtype)
    hyper = {
        **case.hyper,
        "count_include_pad": count_include_pad,
        "divisor_override": divisor,
    }
    with pyconv.config.use_isa(isa):
        y = arrays.avg_pool2d(x, **hyper)
        back = arrays.avg_pool2d_backward(g, x.shape, **hyper)
    # A sum of at most 25 integers is exact; what is left is the division, or a factor 1 / n.
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(y, reference.avg_pool2d(x, **hyper), rtol=2 * eps)
    # Each element sums up to 25 quotients of integers up to 3.
    expected = reference.avg_pool2d_backward(g, x.shape, **hyper)
    np.testing.assert_allclose(back, expected, rtol=0, atol=25 * 3 * 28 * eps)


@quick
@given(
    leading=st.lists(st.integers(0, 6), max_size=2),
    features=st.tuples(st.integers(0, 90), st.integers(1, 90)),
    dtype=DTYPES,
    isa=ISAS,
    seed=st.integers(0, 99),
)
def test_linear(
    leading: list[int], features: tuple[int, int], dtype: Any, isa: str, seed: int
) -> None:
    inner, outer = features
    x = _integers(seed, (*leading, inner), dtype)
    w, b = _integers(seed + 1, (outer, inner), dtype), _integers(seed + 2, (outer,), dtype)
    g = _integers(seed + 3, (*leading, outer), dtype)
    with pyconv.config.use_isa(isa):
        results = [
            arrays.linear(x, w, b),
            arrays.linear(x, w, relu=True),
            arrays.linear_input(w, g),
            arrays.linear_weight(x, g),
            arrays.linear_bias(g),
        ]
    expected = [
        reference.linear(x, w, b),
        reference.linear(x, w, relu=True),
        reference.linear_input(w, g),
        reference.linear_weight(x, g),
        reference.linear_bias(g),
    ]
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == dtype
        assert_same(result, wanted)
