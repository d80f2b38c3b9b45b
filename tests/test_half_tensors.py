"""Tensors, layers, losses and optimisers on float16 and bfloat16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyconv
from pyconv import functional, nn, optim
from pyconv.tensor import Tensor

ml_dtypes = pytest.importorskip("ml_dtypes")
HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
each_half = pytest.mark.parametrize("dtype", HALVES, ids=str)


def small_net() -> nn.Module:
    pyconv.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(16, 3),
    )  # fmt: skip


@each_half
@pytest.mark.parametrize("maker", [optim.SGD, optim.Adam])
def test_a_network_learns(dtype: np.dtype[Any], maker: Any) -> None:
    net = small_net().to(dtype)
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 24)
    x = (rng.standard_normal((24, 1, 8, 8)) + 2 * target[:, None, None, None]).astype(dtype)
    optimizer = maker(net.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(x), target)
        assert loss.dtype == dtype
        loss.backward()
        assert all(p.grad is not None and p.grad.dtype == dtype for p in net.parameters())
        optimizer.step()
        losses.append(float(loss))
    assert all(p.dtype == dtype for p in net.parameters())
    assert losses[-1] < 0.6 * losses[0]
    for held in optimizer.state.values():
        assert all(v.dtype == np.float32 for v in held.values() if isinstance(v, np.ndarray))


@each_half
def test_gradients_are_those_of_float32_rounded(dtype: np.dtype[Any]) -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(-3, 4, (2, 3, 6, 6)).astype(dtype)
    weights = rng.integers(-3, 4, (4, 3, 3, 3)).astype(dtype)
    grads = []
    for kind in (dtype, np.dtype(np.float32)):
        x, w = Tensor(values.astype(kind), True), Tensor(weights.astype(kind), True)
        y = functional.max_pool2d(functional.relu(functional.conv2d(x, w, padding=1)), 2)
        y.sum().backward()
        assert x.grad is not None
        assert w.grad is not None
        assert x.grad.dtype == w.grad.dtype == kind
        grads.append((x.grad, w.grad))
    for half, wide in zip(*grads, strict=True):
        np.testing.assert_array_equal(half.astype(np.float32), wide.astype(dtype).astype("f4"))


@each_half
def test_sums_products_and_softmax_are_float32_inside(dtype: np.dtype[Any]) -> None:
    ones = Tensor(np.ones((1, 4000), dtype), requires_grad=True)
    assert float(ones.sum()) == float(np.float32(4000).astype(dtype))
    assert float(ones.mean()) == 1.0
    product = ones @ Tensor(np.ones((4000, 1), dtype))
    assert product.dtype == dtype
    assert float(product) == float(np.float32(4000).astype(dtype))
    (product.sum() + ones.mean()).backward()
    assert ones.grad is not None
    assert ones.grad.dtype == dtype
    x = np.random.default_rng(2).standard_normal((5, 7)).astype(dtype)
    for function in (functional.softmax, functional.log_softmax):
        got = function(x, 1)
        assert got.dtype == dtype
        wide = function(x.astype(np.float32), 1).astype(dtype)
        np.testing.assert_array_equal(got.astype("f4"), wide.astype("f4"))
    loss = functional.mse_loss(Tensor(x), Tensor(x + x))
    assert loss.dtype == dtype
    wide = functional.nll_loss(x.astype("f4"), np.zeros(5, int)).astype(dtype)
    assert functional.nll_loss(x, np.zeros(5, int)) == wide


@each_half
def test_modules_are_converted(dtype: np.dtype[Any], tmp_path: Path) -> None:
    net = small_net()
    before = net.state_dict()
    name = "bfloat16" if dtype.name == "bfloat16" else "half"
    assert getattr(net, name)() is net
    x = np.ones((1, 1, 8, 8), dtype)
    assert net(x).dtype == dtype
    with pytest.raises(TypeError, match="as the other operand has"):
        net(x.astype(np.float32))
    assert net.eval().pack()(x).dtype == dtype
    pyconv.save(net.state_dict(), tmp_path / "net.npz")
    other = small_net().to(dtype)
    other.load_state_dict(pyconv.load(tmp_path / "net.npz"))
    for key, value in other.state_dict().items():
        np.testing.assert_array_equal(value.astype("f4"), before[key].astype(dtype).astype("f4"))
    assert net.float()(x.astype(np.float32)).dtype == np.float32
    assert net.double()(x.astype(np.float64)).dtype == np.float64
    with pytest.raises(TypeError, match="'dtype'"):
        net.to(np.int32)


@each_half
def test_layers_are_made_in_a_dtype(dtype: np.dtype[Any]) -> None:
    layer = nn.Conv2d(2, 3, 3, dtype=dtype)
    assert layer.weight.dtype == dtype
    assert layer(np.ones((2, 5, 5), dtype)).dtype == dtype
    assert nn.Linear(4, 2, dtype=dtype)(np.ones((3, 4), dtype)).dtype == dtype
    dropped = functional.dropout(np.ones(100, dtype), 0.5)
    assert dropped.dtype == dtype
