"""``Module.pack()``: packed weights are used for inference and are never out of date."""

import copy
import pickle

import numpy as np
import pytest

import pyconv
from pyconv import Tensor, nn, optim

X = np.random.default_rng(0).standard_normal((1, 16, 4, 4)).astype(np.float32)


def network(bias=True):
    pyconv.manual_seed(1)
    return nn.Sequential(nn.Conv2d(16, 32, 3, bias=bias), nn.Flatten(), nn.Linear(128, 4))


def inferred(net):
    with pyconv.no_grad():
        return net(X)


def check(net, packed):
    """What the network gives is what its present values give, whether packed or not."""
    assert (net[0].weight.packed is not None) is packed
    fresh = network(net[0].bias is not None)
    fresh.load_state_dict(net.state_dict())
    np.testing.assert_allclose(inferred(net).data, inferred(fresh).data, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("layer", "rank"), [(nn.Conv1d, 1), (nn.Conv2d, 2), (nn.Conv3d, 3)])
def test_the_packed_weight_is_what_runs(layer, rank, bias, monkeypatch):
    net = layer(4, 32, 3, bias=bias)
    x = np.ones((1, 4) + (5,) * rank, np.float32)
    plain = net(x).data
    seen = []
    function = layer.function
    spy = staticmethod(lambda *a: seen.append(type(a[1]).__name__) or function(*a))
    monkeypatch.setattr(layer, "function", spy)
    assert net.pack() is net
    assert not net.training
    for input in (x, Tensor(x)):
        with pyconv.no_grad():
            result = net(input)
        assert type(result) is Tensor
        assert not result.requires_grad
        np.testing.assert_allclose(result.data, plain, rtol=1e-5, atol=1e-5)
    assert net(x).requires_grad  # a gradient of the weight is recorded: the tensor itself
    net.requires_grad_(False)
    assert not net(x).requires_grad
    input = Tensor(x, requires_grad=True)
    net(input).sum().backward()
    assert input.grad.shape == x.shape
    assert seen == ["PackedWeight"] * 2 + ["Parameter"] + ["PackedWeight"] * 2


def test_training_ends_it():
    net = network().pack()
    check(net, packed=True)
    assert net.eval()[0].weight.packed is not None
    net.train()
    check(net, packed=False)
    net[0].weight.data += 1
    check(net, packed=False)
    check(net.pack(), packed=True)


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam])
def test_a_step_is_never_missed(make):
    net = network()
    optimizer = make(net.parameters(), lr=0.1)
    net.pack()
    before = inferred(net).data
    net(X).sum().backward()
    optimizer.step()
    check(net, packed=False)
    assert (inferred(net).data != before).any()
    check(net.pack(), packed=True)


def test_new_values_are_never_missed():
    net = network().pack()
    other = network()
    other[0].reset_parameters()
    net.load_state_dict(other.state_dict())
    check(net, packed=False)
    net.pack()[0].reset_parameters()
    check(net, packed=False)
    weight = net.pack()[0].weight
    weight.data = weight.data * 2
    check(net, packed=False)
    net.pack()[0].weight = nn.Parameter(np.ones_like(weight.data))
    check(net, packed=False)


def test_writes_are_refused_or_apart():
    net = network()
    weight, kept = net[0].weight, net[0].weight.data
    net.pack()
    with pytest.raises(ValueError, match="read-only"):
        weight.data[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        weight.data += 1
    with pytest.raises(ValueError):
        weight.data.flags.writeable = True
    kept[...] = 0  # no longer the parameter's
    assert weight.data.any()
    check(net, packed=True)


def test_packing_twice_keeps_what_is_there():
    net = network().pack()
    packed = net[0].weight.packed
    assert net.pack()[0].weight.packed is packed
    check(net, packed=True)


def test_a_shared_weight_is_packed_once():
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    net[1].weight = net[0].weight
    net.pack()
    assert net[0].weight.packed is net[1].weight.packed is not None


@pytest.mark.parametrize("packed", [False, True])
def test_state_copies_and_text_are_those_of_an_unpacked_module(packed, tmp_path):
    plain, net = network(), network()
    if packed:
        net.pack()
        inferred(net)
    assert repr(net) == repr(plain)
    assert list(net.state_dict()) == list(plain.state_dict())
    assert all(array.flags.writeable for array in net.state_dict().values())
    twins = [copy.deepcopy(net)]
    protocols = range(2, pickle.HIGHEST_PROTOCOL + 1)
    twins += [pickle.loads(pickle.dumps(net, protocol)) for protocol in protocols]
    for twin in twins:
        check(twin, packed=False)
        twin[0].weight.data += 1
        check(twin, packed=False)
    check(net, packed=packed)
    sizes = [len(pickle.dumps(module)) for module in (plain, net)]
    assert abs(sizes[0] - sizes[1]) < 100
    pyconv.save(net.state_dict(), tmp_path / "net.npz")
    plain.load_state_dict(pyconv.load(tmp_path / "net.npz"))
    np.testing.assert_array_equal(plain[0].weight.data, net[0].weight.data)


@pytest.mark.parametrize("size", [(1, 1), (9, 1), (2, 13), (14, 11)])
def test_one_pack_for_every_padding_of_a_strided_gradient(size):
    rng = np.random.default_rng(2)
    w = rng.integers(-3, 4, (5, 6, 4, 5)).astype(np.float32)
    packed = pyconv.PackedWeight(w)
    for padding in ((2, 2), (3, 2), (2, 3), (4, 4), (3, 5)):
        how = {"stride": (2, 3), "padding": padding}
        shape = (2, 6, *size)
        y = pyconv.arrays.conv2d(np.zeros(shape, np.float32), w, **how)
        g = rng.integers(-3, 4, y.shape).astype(np.float32)
        wanted = pyconv.arrays.conv2d_input(shape, w, g, algorithm="naive", **how)
        dx = pyconv.arrays.conv2d_input(shape, packed, g, algorithm="winograd_parts", **how)
        assert np.array_equal(dx, wanted)
