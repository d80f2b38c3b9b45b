"""Nested state in files: optimisers, whole checkpoints, and trees that nobody wrote."""

import json

import numpy as np
import pytest

import pyconv
from pyconv import Tensor, nn, optim
from pyconv.nested import TREE, from_arrays, to_arrays


def trained(make, steps):
    pyconv.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(12, 2))
    optimizer = make([{"params": list(model[0].parameters()), "lr": 0.01}, *groups(model)])
    walk(model, optimizer, steps)
    return model, optimizer


def groups(model):
    return [{"params": list(model[2].parameters())}]


def walk(model, optimizer, steps):
    x = np.random.default_rng(1).standard_normal((2, 1, 4, 4)).astype(np.float32)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(x) * model(x)).sum().backward()
        optimizer.step()


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()
    else:
        assert a == b or a != a


MAKERS = {
    "sgd": optim.SGD,
    "momentum": lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
    "adam": lambda params: optim.Adam(params, betas=(0.5, 0.99)),
    "amsgrad": lambda params: optim.Adam(params, amsgrad=True),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_training_goes_on_from_a_file(make, tmp_path):
    model, optimizer = trained(make, 3)
    pyconv.save(optimizer.state_dict(), tmp_path / "optimizer.npz")
    pyconv.save(model.state_dict(), tmp_path / "model.npz")
    same(pyconv.load(tmp_path / "optimizer.npz"), optimizer.state_dict())
    walk(model, optimizer, 2)

    other, again = trained(make, 0)
    other.load_state_dict(pyconv.load(tmp_path / "model.npz"))
    again.load_state_dict(pyconv.load(tmp_path / "optimizer.npz"))
    walk(other, again, 2)
    same(other.state_dict(), model.state_dict())


def test_a_checkpoint_in_one_file(tmp_path):
    model, optimizer = trained(MAKERS["adam"], 1)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    pyconv.save(state, tmp_path / "all.npz")
    same(pyconv.load(tmp_path / "all.npz"), state)
    with np.load(tmp_path / "all.npz") as archive:
        names = set(archive.files)
    assert {"model.0.weight", "optimizer.state.0.exp_avg", TREE} <= names


def test_every_kind_of_value(tmp_path):
    state = {
        "a": {"b": np.arange(3.0), "": None, 1: True, "1": False, -2: "x\ud800\"'"},
        "a.b": np.arange(2),
        TREE: np.array(5),
        "list": [1, 2**70, 0.1, float("inf"), float("nan"), (), [], {}, (np.zeros((0, 2)),)],
    }
    path = tmp_path / "odd.npz"
    pyconv.save(state, path)
    same(pyconv.load(path), state)
    loaded = from_arrays(to_arrays({"a": {"t": Tensor([1.0]), "s": np.float32(2), "d": np.pi}}))
    same(loaded, {"a": {"t": np.ones(1), "s": np.array(2, np.float32), "d": np.pi}})


def nothing(depth):
    return '{"list":[' * depth + '{"value":1}' + "]}" * depth


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "1", "{", '{"dict":[[1]]}', '{"dict":[[[],{"value":1}]]}', '{"odd":1}',
     '{"array":"missing"}', '{"list":{"a":1}}', '{"dict":3}', nothing(10**5),
     json.dumps({"value": 1, "array": "x"})],
    ids=range(13),
)  # fmt: skip
def test_trees_that_nobody_wrote(text, tmp_path):
    np.savez(tmp_path / "bad.npz", **{TREE: np.array(text)})
    with pytest.raises(ValueError, match=r"load\(\): argument 'path': expected a file whose"):
        pyconv.load(tmp_path / "bad.npz")
