"""Sizes that the shape functions work out; their messages are tested in test_errors.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyconv import cases, shapes


def _conv(x: tuple[int, ...], w: tuple[int, ...], **hyper: Any) -> shapes.ConvProblem:
    return shapes.conv_problem("conv", len(w) - 2, x, w, **hyper)[0]


def test_fields_of_a_problem() -> None:
    problem, unbatched = shapes.conv_problem(
        "conv2d", 2, (2, 4, 9, 8), (6, 2, 3, 2), stride=(2, 1), padding=((1, 0), (2, 3)), groups=2
    )
    assert not unbatched
    assert problem == shapes.ConvProblem(
        n=2, c=4, k=6, groups=2, input=(1, 9, 8), kernel=(1, 3, 2), stride=(1, 2, 1),
        dilation=(1, 1, 1), pad_lo=(0, 1, 2), pad_hi=(0, 0, 3), output=(1, 4, 12),
    )  # fmt: skip
    assert problem.sizes == (
        2, 4, 6, 2, 1, 9, 8, 1, 3, 2, 1, 2, 1, 1, 1, 1, 0, 1, 2, 0, 0, 3, 1, 4, 12
    )  # fmt: skip
    assert problem.reduction == 2 * 3 * 2
    assert problem.flops == 2 * 2 * 6 * 4 * 12 * 12
    assert problem.reads(4) == 4 * (2 * 4 * 9 * 8 + 6 * 2 * 3 * 2)
    assert problem.writes(8) == 8 * 2 * 6 * 4 * 12
    assert shapes.out_shape(problem, False, 2) == (2, 6, 4, 12)


def test_lower_ranks_have_leading_ones() -> None:
    problem, unbatched = shapes.conv_problem("conv1d", 1, (3, 20), (4, 3, 5), 2, 1, 3)
    assert unbatched
    assert problem.input == (1, 1, 20)
    assert problem.kernel == (1, 1, 5)
    assert problem.dilation == (1, 1, 3)
    assert problem.pad_lo == problem.pad_hi == (0, 0, 1)
    assert problem.output == (1, 1, 5)
    assert shapes.out_shape(problem, unbatched, 1) == (4, 5)


@pytest.mark.parametrize("length", range(1, 12))
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3, 7])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_padding(length: int, kernel: int, stride: int, dilation: int) -> None:
    hyper = {"stride": stride, "dilation": dilation, "padding": "same"}
    problem = _conv((1, 1, length), (1, 1, kernel), **hyper)
    low, high = problem.pad_lo[2], problem.pad_hi[2]
    assert problem.output[2] == -(-length // stride)
    assert high - low in (0, 1)
    if low + high:
        reach = dilation * (kernel - 1) + 1
        assert (problem.output[2] - 1) * stride + reach == length + low + high


def test_words_for_padding() -> None:
    x, w = (1, 1, 9, 8), (1, 1, 3, 4)
    assert _conv(x, w, padding="valid") == _conv(x, w)
    full = _conv(x, w, padding="full", dilation=2)
    assert full.pad_lo == full.pad_hi == (0, 4, 6)
    assert full.output == (1, 13, 14)


def test_kinds_of_padding_mean_the_same() -> None:
    x, w = (1, 1, 9, 8), (1, 1, 3, 4)
    wanted = _conv(x, w, padding=2)
    for padding in [(2, 2), [2, 2], ((2, 2), (2, 2)), (2, (2, 2)), np.int64(2), (np.uint8(2), 2)]:
        assert _conv(x, w, padding=padding) == wanted


def test_integers_of_numpy_count() -> None:
    hyper: dict[str, Any] = {"stride": np.int32(2), "dilation": np.array(1), "groups": np.uint8(2)}
    problem = _conv((1, 4, 9, 9), (2, 2, 3, 3), **hyper)
    assert problem.stride == (1, 2, 2)
    assert all(type(value) is int for value in problem.sizes)


def test_the_largest_sizes_stay_exact() -> None:
    problem = _conv((1, 1, 2**59), (1, 1, 3))
    assert problem.output[2] == 2**59 - 2
    assert problem.flops == 6 * (2**59 - 2)
    with pytest.raises(ValueError, match=r"'input'.*elements"):
        _conv((1, 2, 2**59), (1, 2, 3))
    with pytest.raises(ValueError, match=r"'output'.*elements"):
        _conv((1, 1, 2**55), (1000, 1, 3))
    with pytest.raises(ValueError, match=r"'padding'.*elements"):
        _conv((1, 1, 9, 9), (1, 1, 3, 3), padding=2**31 - 1)
    with pytest.raises(ValueError, match=r"'input'.*elements"):
        _conv((0, 1, 2**31, 2**31), (1, 1, 3, 3))


def test_problems_of_gradients_are_those_of_the_forward_pass() -> None:
    x, w, y = (2, 4, 9, 8), (6, 2, 3, 2), (2, 6, 4, 7)
    forward = shapes.conv_problem("f", 2, x, w, 2, ((0, 0), (3, 3)), 1, 2)
    assert shapes.out_shape(*forward, 2) == y
    assert shapes.conv_input_problem("f", 2, x, w, y, 2, ((0, 0), (3, 3)), 1, 2) == forward
    assert shapes.conv_weight_problem("f", 2, x, w, y, 2, ((0, 0), (3, 3)), 1, 2) == forward


def test_pooling() -> None:
    problem, unbatched = shapes.max_pool_problem("f", (2, 3, 8, 9), (2, 3), padding=(1, 0))
    assert not unbatched
    assert problem.sizes == (6, 8, 9, 2, 3, 2, 3, 1, 1, 1, 0, 1, 0, 5, 3)
    assert problem.window == 6
    assert problem.reads(4) == 4 * 6 * 72
    assert problem.writes(8) == 8 * 6 * 15
    assert shapes.pool_out_shape((2, 3, 8, 9), problem) == (2, 3, 5, 3)
    assert shapes.avg_pool_problem("f", (3, 8, 9), 2)[1]


def _torch_length(length: int, hyper: tuple[Any, ...]) -> int | None:
    """Return how many windows torch makes along each side of a square, None if it refuses."""
    torch = pytest.importorskip("torch")
    try:
        pooled = torch.nn.functional.max_pool2d(torch.zeros(1, length, length), *hyper)
    except RuntimeError:
        return None
    return int(pooled.shape[1])


def _own_length(length: int, hyper: tuple[Any, ...]) -> int | None:
    try:
        return shapes.max_pool_problem("f", (1, length, length), *hyper)[0].output[0]
    except ValueError as error:
        # torch gives an index outside of the plane for a window that sees nothing.
        return _torch_length(length, hyper) if "'dilation'" in str(error) else None


@pytest.mark.parametrize("length", range(1, 10))
def test_pooled_lengths_are_those_of_torch(length: int) -> None:
    for kernel, stride, dilation in np.ndindex(4, 4, 3):
        for padding in range((kernel + 1) // 2 + 2):
            for ceil in (False, True):
                hyper = (kernel + 1, stride + 1, padding, dilation + 1, ceil)
                assert _own_length(length, hyper) == _torch_length(length, hyper), hyper


def test_linear() -> None:
    problem = shapes.linear_problem("f", (2, 3, 5), (7, 5))
    assert problem == (6, 5, 7)
    assert problem.flops == 2 * 6 * 5 * 7


def test_the_table_of_cases() -> None:
    everything = (*cases.conv(), *cases.pool(), *cases.relu())
    assert len({case.name for case in everything}) == len(everything)
    for case in everything:
        assert eval(repr(case), {"Case": cases.Case}) == case
        assert min(case.output) >= 0
        assert cases.find(case.name) is case
    assert len(cases.conv("perf")) == 29
    assert set(cases.conv("perf")) < set(cases.conv("net"))
    with pytest.raises(ValueError, match="nonsense"):
        cases.find("nonsense")


def test_operands_of_a_case_are_the_same_on_every_call() -> None:
    case = cases.find("smoke.3x3")
    first, second = case.operands(np.float64), case.operands(np.float64)
    assert first.input.shape == case.input
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    whole = case.operands(np.float32, integers=True).input
    assert whole.dtype == np.float32
    assert set(np.unique(whole)) == set(range(-3, 4))
