"""Convolution, ReLU and maximum pooling in one call: the bits of the separate calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pyconv.config
from pyconv import PackedWeight, Tensor, arrays, functional, nn, no_grad
from pyconv.arrays import fused
from tolerances import assert_same

#: Batch, channels, side, filters and kernel; then the convolution's and the pooling's arguments.
#: Few enough images at a time that the last block is a smaller one.
SHAPES: tuple[tuple[tuple[int, ...], dict[str, Any], dict[str, Any]], ...] = (
    ((7, 1, 32, 6, 5), {}, {}),
    ((5, 6, 14, 16, 5), {"padding": 1}, {"kernel_size": 3, "pool_stride": 1}),
    ((5, 8, 13, 24, 3), {"padding": 1, "groups": 2}, {"pool_padding": 1}),
    ((3, 16, 28, 32, 3), {"padding": 1}, {"kernel_size": (3, 2), "pool_stride": 2}),
    ((4, 3, 23, 8, 7), {"stride": 2, "padding": 3}, {"kernel_size": 3, "ceil_mode": True}),
    ((3, 8, 12, 8, 3), {"padding": 2, "groups": 8, "dilation": 2}, {}),
    ((4, 12, 9, 20, 1), {}, {"kernel_size": 4, "pool_stride": 3}),
)


def _operands(sizes: tuple[int, ...], groups: int, dtype: npt.DTypeLike) -> list[Any]:
    n, c, side, k, kernel = sizes
    rng = np.random.default_rng(side)
    shapes = ((n, c, side, side + 3), (k, c // groups, kernel, kernel), (k,))
    x, weight, bias = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    x[0, 0, 1, 2] = np.nan
    return [x, weight, bias]


def _separate(operands: list[Any], conv: dict[str, Any], pool: dict[str, Any]) -> Any:
    names = {"pool_stride": "stride", "pool_padding": "padding"}
    windows = {"kernel_size": 2, **{names.get(key, key): pool[key] for key in pool}}
    return functional.max_pool2d(functional.conv2d(*operands, **conv, relu=True), **windows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("sizes", "conv", "pool"), SHAPES)
@pytest.mark.parametrize("images", [0, 2])
def test_it_is_the_separate_calls(
    isa: str, monkeypatch: pytest.MonkeyPatch, images: int, sizes: tuple[int, ...],
    conv: dict[str, Any], pool: dict[str, Any], dtype: npt.DTypeLike,
) -> None:  # fmt: skip
    """`images` at a time, 0 being the two calls, from raw and from packed weights."""
    monkeypatch.setattr(
        fused, "_images_at_a_time", lambda call, whole, n: images if n > images else 0
    )
    x, weight, bias = _operands(sizes, conv.get("groups", 1), dtype)
    for w in (weight, PackedWeight(weight)):
        for b in (bias, None):
            expected = _separate([x, w, b], conv, pool)
            assert_same(arrays.conv2d_relu_max_pool2d(x, w, b, **conv, **pool), expected)
            one = arrays.conv2d_relu_max_pool2d(x[1], w, b, **conv, **pool)
            assert_same(one, expected[1])
    out = np.empty_like(expected)
    assert arrays.conv2d_relu_max_pool2d(x, weight, **conv, **pool, out=out) is out
    assert_same(out, expected)


def test_threads_do_not_show() -> None:
    x, weight, bias = _operands((40, 3, 64, 16, 3), 1, np.float32)
    expected = _separate([x, weight, bias], {}, {})
    before = pyconv.config.get_num_threads()
    try:
        for threads in (1, 2, 3, 30):
            pyconv.config.set_num_threads(threads)
            assert_same(arrays.conv2d_relu_max_pool2d(x, weight, bias), expected)
    finally:
        pyconv.config.set_num_threads(before)


def test_no_images_give_none() -> None:
    x, weight = np.zeros((0, 3, 8, 8)), np.zeros((4, 3, 3, 3))
    assert arrays.conv2d_relu_max_pool2d(x, weight).shape == (0, 4, 3, 3)


def test_a_gradient_is_that_of_the_separate_calls() -> None:
    operands = _operands((2, 3, 8, 4, 3), 1, np.float64)
    operands[0][0, 0, 1, 2] = 0
    gradients = []
    for function in (
        functional.conv2d_relu_max_pool2d,
        lambda *given: _separate(list(given), {}, {}),
    ):
        tensors = [Tensor(operand, requires_grad=True) for operand in operands]
        (function(*tensors) ** 2).sum().backward()
        gradients.append([tensor.grad for tensor in tensors])
    for mine, theirs in zip(*gradients, strict=True):
        assert_same(mine, theirs)
    frozen = [Tensor(operand) for operand in operands]
    result = functional.conv2d_relu_max_pool2d(*frozen)
    assert isinstance(result, Tensor)
    assert not result.requires_grad
    with pytest.raises(TypeError, match="out"):
        functional.conv2d_relu_max_pool2d(*frozen, out=np.empty(result.shape))


@pytest.mark.parametrize("packed", [False, True])
def test_a_sequence_fuses_and_does_not_show_it(
    packed: bool, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 6, 3), nn.ReLU(), nn.MaxPool2d(2, dilation=2),
        nn.Conv2d(6, 5, 1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.Conv2d(5, 4, 1), nn.ReLU(),
    )  # fmt: skip
    x = rng.standard_normal((4, 3, 24, 24)).astype(np.float32)
    expected = net(x).numpy()
    if packed:
        net.pack()
    calls = []
    real = functional.conv2d_relu_max_pool2d

    def counted(*operands: Any, **options: Any) -> Any:
        calls.append(options)
        return real(*operands, **options)

    monkeypatch.setattr(functional, "conv2d_relu_max_pool2d", counted)
    with no_grad():
        result = net(x)
    assert isinstance(result, Tensor)
    if not packed:  # a packed weight may choose another algorithm
        assert_same(result.numpy(), expected)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert len(calls) == 2
    net(x)
    assert len(calls) == 2


def test_sixteen_bits_round_as_the_separate_calls_do() -> None:
    operands = [a.astype(np.float16) for a in _operands((40, 3, 64, 8, 3), 1, np.float32)]
    expected = _separate(operands, {"padding": 1}, {})
    assert_same(arrays.conv2d_relu_max_pool2d(*operands, padding=1), expected)
