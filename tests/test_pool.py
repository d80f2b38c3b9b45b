"""Pooling against the reference, torch and itself: every instruction set, dtype and case."""

from __future__ import annotations

import zlib
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pyconv.config
from pyconv import arrays, cases, reference
from pyconv.cases import Case
from tolerances import assert_same, assert_within, sum_bound

Array = npt.NDArray[Any]

DTYPES = (np.float32, np.float64)
SMALL = cases.pool("smoke", "edge")
MAX = tuple(case for case in SMALL if case.op == "max_pool2d")
AVG = tuple(case for case in SMALL if case.op == "avg_pool2d")
WIDE = (
    Case("wide.max", "max_pool2d", (2, 3, 5, 6), (), {"kernel_size": (9, 3000), "stride": 1,
                                                     "padding": (4, 1500)}),
    Case("wide.avg", "avg_pool2d", (2, 3, 5, 6), (), {"kernel_size": (9, 3000), "stride": 1,
                                                     "padding": (4, 1500)}),
)  # fmt: skip


def by_name(table: tuple[Case, ...]) -> Any:
    """Parametrise over cases."""
    return pytest.mark.parametrize("case", table, ids=lambda case: case.name)


def data(case: Case, kind: str, dtype: npt.DTypeLike) -> Array:
    """Return input with many ties and, by `kind`, sprinkled with what needs care."""
    rng = np.random.default_rng(zlib.crc32((case.name + kind).encode()))
    x = rng.integers(-3, 4, case.input).astype(dtype)
    if kind == "nan":
        x[rng.random(case.input) < 0.15] = np.nan
    elif kind == "-inf":
        x[rng.random(case.input) < 0.9] = -np.inf
    elif kind == "inf":
        x[rng.random(case.input) < 0.1] = np.inf
    return x


def max_backward(module: ModuleType, case: Case, grad: Array, offsets: Array) -> Array:
    """Run the gradient of max pooling in `module`."""
    result: Array = module.max_pool2d_backward(grad, offsets, case.input, **case.arguments)
    return result


@pytest.mark.parametrize("kind", ["integers", "nan", "-inf", "inf"])
@pytest.mark.parametrize("dtype", DTYPES)
@by_name((*MAX, WIDE[0]))
def test_max_is_exact(isa: str, case: Case, dtype: npt.DTypeLike, kind: str) -> None:
    x = data(case, kind, dtype)
    expected, indices = reference.max_pool2d(x, **case.arguments, return_indices=True)
    _, offsets = reference.max_pool2d_with_offsets(x, **case.arguments)
    assert_same(arrays.max_pool2d(x, **case.arguments), expected)
    got, got_indices = arrays.max_pool2d(x, **case.arguments, return_indices=True)
    assert_same(got, expected)
    assert got_indices.dtype == np.int64
    np.testing.assert_array_equal(got_indices, indices)
    got, got_offsets = arrays.max_pool2d_with_offsets(x, **case.arguments)
    assert_same(got, expected)
    assert got_offsets.dtype == (np.uint8 if case.pool_problem.window <= 256 else np.int32)
    np.testing.assert_array_equal(got_offsets, offsets)
    grad = case.grad_output(dtype, integers=True)
    assert_same(
        max_backward(arrays, case, grad, got_offsets), max_backward(reference, case, grad, offsets)
    )


@pytest.mark.parametrize("kind", ["integers", "nan", "-inf"])
@by_name((*MAX, WIDE[0]))
def test_max_agrees_with_torch(case: Case, kind: str) -> None:
    torch = pytest.importorskip("torch")
    if 0 in case.input:
        pytest.skip("torch refuses empty arrays")
    x = data(case, kind, np.float64)
    grad = case.grad_output(np.float64, integers=True)
    t = torch.from_numpy(x).requires_grad_()
    expected, indices = torch.nn.functional.max_pool2d(t, **case.arguments, return_indices=True)
    expected.backward(torch.from_numpy(grad))
    got, got_indices = arrays.max_pool2d(x, **case.arguments, return_indices=True)
    assert_same(got, expected.detach().numpy())
    np.testing.assert_array_equal(got_indices, indices.numpy())
    _, offsets = arrays.max_pool2d_with_offsets(x, **case.arguments)
    assert_same(max_backward(arrays, case, grad, offsets), t.grad.numpy())


@pytest.mark.parametrize("dtype", DTYPES)
@by_name((*AVG, WIDE[1]))
def test_average_is_within_the_bound(isa: str, case: Case, dtype: npt.DTypeLike) -> None:
    p = case.pool_problem
    terms = min(p.window, p.input[0] * p.input[1])
    x = case.operands(dtype).input.astype(np.float64)
    got = arrays.avg_pool2d(x.astype(dtype), **case.arguments)
    bound = sum_bound(terms, dtype, np.abs(reference.avg_pool2d(np.abs(x), **case.arguments)))
    assert got.dtype == dtype
    assert_within(got, reference.avg_pool2d(x, **case.arguments), bound)
    grad = case.grad_output(dtype).astype(np.float64)

    def backward(module: ModuleType, g: Array) -> Array:
        result: Array = module.avg_pool2d_backward(g, case.input, **case.arguments)
        return result

    bound = sum_bound(terms, dtype, np.abs(backward(reference, np.abs(grad))))
    assert_within(backward(arrays, grad.astype(dtype)), backward(reference, grad), bound)


@pytest.mark.parametrize("dtype", DTYPES)
@by_name(AVG)
def test_sums_of_integers_are_exact(isa: str, case: Case, dtype: npt.DTypeLike) -> None:
    # A divisor of 1 leaves the plain sum.
    arguments = {**case.arguments, "divisor_override": 1}
    x = case.operands(dtype, integers=True).input
    grad = case.grad_output(dtype, integers=True)
    assert_same(arrays.avg_pool2d(x, **arguments), reference.avg_pool2d(x, **arguments))
    got = arrays.avg_pool2d_backward(grad, case.input, **arguments)
    assert_same(got, reference.avg_pool2d_backward(grad, case.input, **arguments))


@by_name(AVG)
def test_average_agrees_with_torch(case: Case) -> None:
    torch = pytest.importorskip("torch")
    if 0 in case.input:
        pytest.skip("torch refuses empty arrays")
    x, grad = case.operands(np.float64).input, case.grad_output(np.float64)
    t = torch.from_numpy(x).requires_grad_()
    expected = torch.nn.functional.avg_pool2d(t, **case.arguments)
    expected.backward(torch.from_numpy(grad))
    got = arrays.avg_pool2d(x, **case.arguments)
    np.testing.assert_allclose(got, expected.detach().numpy(), rtol=1e-13, atol=1e-14)
    got = arrays.avg_pool2d_backward(grad, case.input, **case.arguments)
    np.testing.assert_allclose(got, t.grad.numpy(), rtol=1e-13, atol=1e-14)


@by_name(SMALL)
def test_gradients_are_adjoint(case: Case) -> None:
    x = case.operands(np.float64, integers=True).input
    grad = case.grad_output(np.float64, integers=True)
    if case.op == "max_pool2d":
        # For these positions the maximum is linear in the input.
        y, offsets = arrays.max_pool2d_with_offsets(x, **case.arguments)
        back = max_backward(arrays, case, grad, offsets)
    else:
        arguments = {**case.arguments, "divisor_override": 4}
        y = arrays.avg_pool2d(x, **arguments)
        back = arrays.avg_pool2d_backward(grad, case.input, **arguments)
    assert (y * grad).sum() == (x * back).sum()


@by_name(SMALL)
def test_nothing_is_written_outside(guard: Any, isa: str, case: Case) -> None:
    x = guard.place(case.operands(np.float32).input, offset=4)
    out = guard.empty(case.output, np.float32, offset=4)
    function = getattr(arrays, case.op)
    assert function(x, **case.arguments, out=out) is out
    assert not np.isnan(out).any()
    grad = guard.place(case.grad_output(np.float32), offset=4)
    back = guard.empty(case.input, np.float32, offset=4)
    if case.op == "max_pool2d":
        _, offsets = arrays.max_pool2d_with_offsets(x, **case.arguments)
        arrays.max_pool2d_backward(
            grad, guard.place(offsets, 1), case.input, **case.arguments, out=back
        )
    else:
        arrays.avg_pool2d_backward(grad, case.input, **case.arguments, out=back)
    assert not np.isnan(back).any()


@pytest.mark.parametrize("shape", [(3, 40, 300, 310), (1, 1, 700, 800)], ids=["planes", "strips"])
def test_threads_do_not_show(isa: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x = rng.standard_normal(shape).astype(np.float32)
    hyper = {"kernel_size": 3, "stride": 2, "padding": 1}
    grad = rng.standard_normal(arrays.max_pool2d(x, **hyper).shape).astype(np.float32)

    def everything() -> list[Array]:
        y, offsets = arrays.max_pool2d_with_offsets(x, **hyper)
        return [
            y,
            offsets,
            arrays.max_pool2d(x, **hyper, return_indices=True)[1],
            arrays.max_pool2d_backward(grad, offsets, shape, **hyper),
            arrays.avg_pool2d(x, **hyper),
            arrays.avg_pool2d_backward(grad, shape, **hyper),
            arrays.avg_pool2d(x, shape[2:]),
        ]

    before = pyconv.config.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            pyconv.config.set_num_threads(threads)
            results.append(everything())
    finally:
        pyconv.config.set_num_threads(before)
    for other in results[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(results[0], other, strict=True))


def test_an_image_has_the_same_bits_in_any_batch(isa: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((5, 7, 9, 11)).astype(np.float32)
    for hyper in ({"kernel_size": 3, "padding": 1}, {"kernel_size": (9, 11)}):
        batch = arrays.avg_pool2d(x, **hyper)
        for image, expected in zip(x, batch, strict=True):
            assert arrays.avg_pool2d(image, **hyper).tobytes() == expected.tobytes()


@pytest.mark.parametrize("width", [7, 14, 40])
@pytest.mark.parametrize("hyper", [(2, 2, 0), (3, 1, 1), (3, 2, 1)], ids=str)
def test_the_first_of_two_zeros_wins(
    isa: str, hyper: tuple[int, int, int], width: int, rng: np.random.Generator
) -> None:
    x = rng.choice(np.array([0.0, -0.0, -1.0], np.float32), (3, 9, width), p=[0.2, 0.2, 0.6])
    assert arrays.max_pool2d(x, *hyper).tobytes() == reference.max_pool2d(x, *hyper).tobytes()


def test_views_and_subclasses_are_taken(rng: np.random.Generator) -> None:
    base = rng.integers(-9, 9, (2, 3, 12, 14)).astype(np.float32)
    views = [base[..., ::-1], base[::2], base.transpose(0, 1, 3, 2), base[:, :, 1::3, ::2],
             np.broadcast_to(base[:1, :1], base.shape)]  # fmt: skip
    unaligned = np.frombuffer(b"\0" + base.tobytes(), np.uint8)[1:].view(np.float32)
    views.append(unaligned.reshape(base.shape))
    for view in views:
        got = arrays.max_pool2d(view, 2)
        assert type(got) is np.ndarray
        assert_same(got, reference.max_pool2d(np.ascontiguousarray(view), 2))


def test_wrong_offsets_stay_inside(guard: Any) -> None:
    # Positions are the caller's: whatever they say, nothing outside the result may be written.
    grad = np.ones((2, 3, 4, 4), np.float32)
    out = guard.empty((2, 3, 8, 8), np.float32)
    offsets = np.full(grad.shape, 255, np.uint8)
    arrays.max_pool2d_backward(grad, offsets, out.shape, 3, 2, 1, out=out)
    wide = guard.empty((1, 1, 20, 20), np.float32)
    offsets = np.full((1, 1, 4, 4), -1234567, np.int32)
    arrays.max_pool2d_backward(grad[:1, :1], offsets, wide.shape, 17, 1, out=wide)
    assert not wide.any()


def test_bad_arguments_are_named() -> None:
    x = np.zeros((1, 2, 6, 6), np.float32)
    y, offsets = arrays.max_pool2d_with_offsets(x, 2)
    with pytest.raises(TypeError, match=r"kernel_size"):
        arrays.max_pool2d(x, 2.0)  # type: ignore[arg-type]
    arrays.max_pool2d(x, (2, 2), padding=1)
    with pytest.raises(TypeError, match=r"kernel_size"):
        arrays.max_pool2d(x, (2.0, 2))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"padding"):
        arrays.max_pool2d(x, 2, padding=True)
    with pytest.raises(ValueError, match=r"divisor_override"):
        arrays.avg_pool2d(x, 2, divisor_override=0)
    with pytest.raises(ValueError, match=r"max_pool2d_backward.*grad_output.*\(1, 2, 3, 3\)"):
        arrays.max_pool2d_backward(x, offsets, x.shape, 2)
    with pytest.raises(TypeError, match=r"offsets.*uint8"):
        arrays.max_pool2d_backward(y, offsets.astype(np.int64), x.shape, 2)
    with pytest.raises(ValueError, match=r"offsets"):
        arrays.max_pool2d_backward(y, offsets[:, :1], x.shape, 2)
    with pytest.raises(ValueError, match=r"out.*overlap"):
        arrays.max_pool2d(x, 1, out=x)
    with pytest.raises(ValueError, match=r"out.*shape"):
        arrays.avg_pool2d(x, 2, out=x)
    with pytest.raises(TypeError, match=r"dtype float64"):
        arrays.max_pool2d(x, 2, out=y.astype(np.float64))
