"""The reference against itself (loops and einsum), SciPy and torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from passes import DIRECTIONS, by_torch, exact, make, run
from pyconv import cases, reference
from pyconv.cases import Case
from pyconv.reference import loops

Array = npt.NDArray[Any]
CONV = cases.conv("smoke", "edge")
POOL = cases.pool("smoke", "edge")
TINY = [case for case in CONV if case.flops <= 40_000]


def _loops(case: Case, direction: str) -> Array:
    x, w, bias, g = make(case, integers=True)
    if direction == "forward":
        return loops.conv(x, w, bias, **case.arguments)
    if direction == "input":
        return loops.conv_input(case.input, w, g, **case.arguments)
    return loops.conv_weight(x, case.weight, g, **case.arguments)


@pytest.mark.parametrize("case", TINY, ids=lambda case: case.name)
def test_loops_and_einsum_agree(case: Case) -> None:
    for direction in DIRECTIONS:
        expected = exact(case, direction)
        assert _loops(case, direction).tolist() == expected.tolist(), direction


def test_many_cases_are_tiny() -> None:
    assert len(TINY) >= 100


@pytest.mark.parametrize("case", CONV, ids=lambda case: case.name)
def test_convolution_agrees_with_torch(case: Case) -> None:
    data = make(case, integers=True)
    expected = by_torch(case, data)
    for direction in DIRECTIONS:
        assert (exact(case, direction) == expected[direction]).all()
    assert (getattr(reference, f"{case.op}_bias")(data.g) == expected["bias"]).all()


def test_convolution_agrees_with_scipy(rng: np.random.Generator) -> None:
    signal = pytest.importorskip("scipy.signal")
    x, w = rng.standard_normal((1, 1, 13, 17)), rng.standard_normal((1, 1, 5, 4))
    for mode in ("valid", "full"):
        expected = signal.correlate2d(x[0, 0], w[0, 0], mode)
        actual = reference.conv2d(x, w, padding=mode)[0, 0]
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


def _pool_inputs(case: Case) -> list[Array]:
    """Return integers, then the same with NaN and infinities strewn in."""
    x = case.operands(np.float64, integers=True).input
    spoiled = x.copy()
    rng = np.random.default_rng(1)
    where = rng.random(x.shape) < 0.3
    specials = [np.nan, np.inf, -np.inf, -np.inf] if case.op == "max_pool2d" else [np.nan]
    spoiled[where] = rng.choice(specials, where.sum())
    return [x, spoiled, np.full_like(x, -np.inf)]


@pytest.mark.parametrize("case", POOL, ids=lambda case: case.name)
def test_pooling_agrees_with_torch(case: Case) -> None:
    torch = pytest.importorskip("torch")
    if 0 in case.input[1:]:
        pytest.skip("torch refuses arrays without channels")
    g = case.grad_output(np.float64, integers=True)
    for x in _pool_inputs(case):
        tensor = torch.from_numpy(x.copy()).requires_grad_()
        if case.op == "max_pool2d":
            wanted = {**case.arguments, "return_indices": True}
            expected, expected_indices = torch.nn.functional.max_pool2d(tensor, **wanted)
            y, indices = reference.max_pool2d(x, **wanted)
            assert (indices == expected_indices.numpy()).all()
            _, offsets = reference.max_pool2d_with_offsets(x, **case.arguments)
            back = reference.max_pool2d_backward(g, offsets, x.shape, **case.arguments)
        else:
            expected = torch.nn.functional.avg_pool2d(tensor, **case.arguments)
            y = reference.avg_pool2d(x, **case.arguments)
            back = reference.avg_pool2d_backward(g, x.shape, **case.arguments)
        np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-14)
        expected.backward(torch.from_numpy(g))
        np.testing.assert_allclose(back, tensor.grad.numpy(), rtol=1e-14, atol=1e-14)


def _windows(case: Case, x: Array) -> list[tuple[tuple[int, ...], Array]]:
    """Return for every output element its index and the elements of the input in its window."""
    p = case.pool_problem
    planes = x.reshape(p.planes, *p.input)
    result = []
    for plane, row, column in np.ndindex(p.planes, *p.output):
        rows, columns = (
            [i for i in range(first - low, first - low + d * (k - 1) + 1, d) if 0 <= i < length]
            for first, low, d, k, length in zip(
                (row * p.stride[0], column * p.stride[1]),
                p.pad_lo,
                p.dilation,
                p.kernel,
                p.input,
                strict=True,
            )
        )
        result.append(((plane, row, column), planes[plane][np.ix_(rows, columns)]))
    return result


@pytest.mark.parametrize("case", POOL, ids=lambda case: case.name)
def test_pooling_agrees_with_its_definition(case: Case) -> None:
    x = case.operands(np.float64, integers=True).input
    y = getattr(reference, case.op)(x, **case.arguments)
    p = case.pool_problem
    y = y.reshape(p.planes, *p.output)
    for index, window in _windows(case, x):
        if case.op == "max_pool2d":
            assert y[index] == window.max()
        elif case.arguments.get("count_include_pad", True) is False:
            assert y[index] == pytest.approx(window.mean(), rel=1e-14)
        elif "divisor_override" in case.arguments:
            divisor = case.arguments["divisor_override"]
            assert y[index] == pytest.approx(window.sum() / divisor, rel=1e-14)
        elif not case.arguments.get("ceil_mode"):
            assert y[index] == pytest.approx(window.sum() / p.window, rel=1e-14)


def test_offsets_and_indices_mean_the_same(rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 3, 8, 9)).astype(np.float32)
    y, indices = reference.max_pool2d(x, 2, return_indices=True)
    also_y, offsets = reference.max_pool2d_with_offsets(x, 2)
    assert y.dtype == also_y.dtype == np.float32
    assert indices.dtype == np.int64
    assert offsets.dtype == np.uint8
    assert (
        np.take_along_axis(x.reshape(2, 3, -1), indices.reshape(2, 3, -1), 2) == y.reshape(2, 3, -1)
    ).all()
    assert (also_y == y).all()
    _, wide = reference.max_pool2d_with_offsets(np.zeros((1, 1, 17, 17)), 17)
    assert wide.dtype == np.int32


def test_ties_go_to_the_first() -> None:
    x = np.array([[[1.0, 3.0, 3.0], [3.0, 0.0, 3.0]]])
    _, indices = reference.max_pool2d(x, (2, 3), return_indices=True)
    assert indices.item() == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_results_have_the_dtype_of_the_input(dtype: Any) -> None:
    x, w = np.ones((1, 2, 4, 4), dtype), np.ones((3, 2, 2, 2), dtype)
    wanted = np.float64 if dtype is np.int32 else dtype
    g = np.ones((1, 3, 3, 3), dtype)
    results = [
        reference.conv2d(x, w),
        reference.conv2d_input(x.shape, w, g),
        reference.conv2d_weight(x, w.shape, g),
        reference.conv2d_bias(g),
        reference.max_pool2d(x, 2),
        reference.avg_pool2d(x, 2),
        reference.relu(x),
        reference.linear(x, np.ones((5, 4), dtype)),
        reference.softmax(x),
    ]
    assert {result.dtype for result in results} == {np.dtype(wanted)}


def test_linear_and_losses_agree_with_torch(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    x, w, b = rng.standard_normal((6, 5)), rng.standard_normal((4, 5)), rng.standard_normal(4)
    target = np.array([0, 3, 1, 1, 2, 0])
    tensors = [torch.from_numpy(array).requires_grad_() for array in (x, w, b)]
    scores = torch.nn.functional.linear(*tensors)
    loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(target))
    loss.backward()
    y = reference.linear(x, w, b)
    g = reference.cross_entropy_input(y, target)
    pairs = [
        (y, scores.detach()),
        (reference.cross_entropy(y, target), loss.detach()),
        (reference.softmax(y), torch.softmax(scores, 1).detach()),
        (reference.linear_input(w, g), tensors[0].grad),
        (reference.linear_weight(x, g), tensors[1].grad),
        (reference.linear_bias(g), tensors[2].grad),
    ]
    for actual, expected in pairs:
        np.testing.assert_allclose(actual, expected.numpy(), rtol=1e-12, atol=1e-14)


def test_relu() -> None:
    x = np.array([-1.0, 0.0, 2.0, np.nan, np.inf, -np.inf])
    y = reference.relu(x)
    np.testing.assert_array_equal(y, [0, 0, 2, np.nan, np.inf, 0])
    np.testing.assert_array_equal(reference.relu_backward(np.ones(6), y), [0, 0, 1, 1, 1, 0])


@pytest.mark.parametrize("case", cases.conv("smoke"), ids=lambda case: case.name)
def test_relu_of_a_convolution(case: Case) -> None:
    data = make(case, integers=True)
    expected = np.maximum(exact(case, "forward"), 0)
    assert (run(reference, case, "forward", data, relu=True) == expected).all()
