"""Modules: registration, state, initial values, reprs, copies, files, and that a net learns."""

import copy
import math
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import pyconv
from pyconv import Tensor, nn, optim


class Block(nn.Module):
    """At module level, so that it can be pickled."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(np.ones(2, np.float32))
        self.body = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.note = "not a parameter"

    def forward(self, x):
        return self.drop(self.body(x)) * self.scale


def lenet(dtype=np.float32):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, dtype=dtype),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, (3, 2), stride=(1, 2), groups=2, bias=False, dtype=dtype),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(6, 3, dtype=dtype),
    )


def test_registration():
    net = Block()
    names = [name for name, _ in net.named_parameters()]
    assert names == ["scale", "body.0.weight", "body.0.bias"]
    assert [p.shape for p in net.parameters()] == [(2,), (2, 2), (2,)]
    assert [name for name, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "drop"]
    assert [name for name, _ in net.named_children()] == ["body", "drop"]
    assert len(list(net.modules())) == 5
    assert len(list(net.children())) == 2
    net.scale = None
    assert "scale" not in dict(net.named_parameters())
    del net.body
    assert list(net.parameters()) == []


def test_a_shared_layer_counts_once_but_is_saved_under_both_names():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.ReLU(), layer)
    assert len(net) == 3
    assert len(list(net.parameters())) == 2
    assert len(list(net.modules())) == 3
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    twin = copy.deepcopy(net)
    assert twin[0] is twin[2]
    assert twin[0] is not layer


def test_replacing_a_parameter_by_something_else_is_an_error():
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match="argument 'weight': expected Parameter or None"):
        layer.weight = np.ones((2, 2))
    with pytest.raises(TypeError, match="argument 'weight'"):
        layer.weight = Tensor(np.ones((2, 2)))
    net = nn.Sequential(layer)
    with pytest.raises(TypeError, match="expected Module or None"):
        setattr(net, "0", "text")
    layer.weight = nn.Parameter(np.ones((2, 2), np.float32))


def test_sequential():
    layers = [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)]
    net = nn.Sequential(*layers)
    assert list(net) == layers
    assert net[0] is layers[0]
    assert net[-1] is layers[2]
    assert list(net[1:]) == layers[1:]
    assert net.append(nn.ReLU()) is net
    assert len(net) == 4
    named = nn.Sequential(OrderedDict(first=layers[0], second=layers[1]))
    assert list(named.state_dict()) == ["first.weight", "first.bias"]
    assert named.first is layers[0]
    with pytest.raises(IndexError):
        net[9]
    with pytest.raises(TypeError, match="expected a Module"):
        nn.Sequential(np.ones(2))
    with pytest.raises(ValueError, match="without dots"):
        nn.Sequential({"a.b": nn.ReLU()})
    with pytest.raises(ValueError, match="no other attribute"):
        nn.Sequential({"forward": nn.ReLU()})


def test_reprs_are_torchs():
    torch = pytest.importorskip("torch")

    def build(nn):
        return nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.Conv1d(2, 4, 3, stride=2, dilation=2, groups=2, bias=False, padding="same"),
            nn.Conv3d(1, 1, (1, 2, 3), padding="valid"),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.AvgPool2d((2, 3), padding=1),
            nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1, bias=False)),
            nn.Flatten(),
            nn.ReLU(),
            nn.CrossEntropyLoss(),
            nn.Sequential(),
        )

    class TorchLike:
        """torch refuses a stride with padding "same"; its repr does not mind."""

        def __getattr__(self, name):
            return getattr(torch.nn, name)

        @staticmethod
        def Conv1d(*args, stride, **kwargs):  # noqa: N802
            layer = torch.nn.Conv1d(*args, **kwargs)
            layer.stride = (stride,)
            return layer

    assert repr(build(nn)) == repr(build(TorchLike()))
    assert repr(nn.Dropout(0.2)) == "Dropout(p=0.2)"
    assert "padding=((1, 2), (0, 0))" in repr(nn.Conv2d(1, 1, 3, padding=((1, 2), (0, 0))))


@pytest.mark.parametrize("make", [lambda: nn.Conv2d(6, 50, 5, groups=2), lambda: nn.Linear(75, 80)])
def test_initial_values(make):
    pyconv.manual_seed(0)
    layer = make()
    bound = 1 / math.sqrt(75)
    for parameter in layer.parameters():
        assert np.abs(parameter.data).max() <= bound
        assert np.abs(parameter.data).max() > 0.9 * bound
        assert abs(parameter.data.mean()) < 0.2 * bound
    assert layer.weight.data.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    pyconv.manual_seed(0)
    np.testing.assert_array_equal(make().weight.data, layer.weight.data)
    assert (make().weight.data != layer.weight.data).any()


def test_initial_values_are_spread_as_torchs():
    torch = pytest.importorskip("torch")
    pyconv.manual_seed(1)
    torch.manual_seed(1)
    mine, theirs = nn.Conv2d(16, 64, 3), torch.nn.Conv2d(16, 64, 3)
    spread = theirs.weight.detach().numpy().std()
    assert mine.weight.data.std() == pytest.approx(spread, rel=0.03)
    assert np.abs(mine.bias.data).max() == pytest.approx(1 / 12, rel=0.1)


def test_dtypes():
    for dtype in (np.float32, np.float64, "float64", float):
        for layer in (nn.Conv2d(1, 2, 3, dtype=dtype), nn.Linear(2, 2, dtype=dtype)):
            assert {p.dtype for p in layer.parameters()} == {np.dtype(dtype)}
    net = lenet(np.float64)
    assert net(np.ones((1, 1, 10, 10))).dtype == np.float64
    with pytest.raises(TypeError, match="conv2d"):
        net(np.ones((1, 1, 10, 10), np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_state_from_torch_gives_torchs_outputs_and_gradients(dtype):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(4, 6, (3, 2), stride=(1, 2), groups=2, bias=False),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(6, 3),
    ).to(torch.float32 if dtype == np.float32 else torch.float64)
    mine = lenet(dtype)
    loaded = mine.load_state_dict(theirs.state_dict())
    assert loaded == ([], [])
    x = np.random.default_rng(0).standard_normal((5, 1, 10, 8)).astype(dtype)
    target = np.array([0, 1, 2, 1, 0])
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)(mine(Tensor(x)), target)
    loss.backward()
    expected = torch.nn.CrossEntropyLoss(label_smoothing=0.1)(
        theirs(torch.tensor(x)), torch.tensor(target)
    )
    expected.backward()
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(loss.item(), expected.item(), rtol=tolerance)
    for (name, one), two in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(
            one.grad, two.grad.numpy(), rtol=tolerance, atol=tolerance, err_msg=name
        )
    back = {name: torch.tensor(array) for name, array in mine.state_dict().items()}
    theirs.load_state_dict(back)


def test_state_is_a_copy():
    net = nn.Linear(2, 2)
    state = net.state_dict()
    net.weight.data += 1
    assert (state["weight"] != net.weight.data).all()
    held = net.weight.data
    net.load_state_dict(state)
    assert net.weight.data is held
    np.testing.assert_array_equal(held, state["weight"])
    assert held is not state["weight"]


def test_state_that_does_not_fit_changes_nothing():
    net = nn.Linear(2, 3)
    before = net.state_dict()
    wrong = {"weight": np.zeros((2, 3)), "other": np.ones(1)}
    with pytest.raises(ValueError, match="does not fit Linear") as caught:
        net.load_state_dict(wrong)
    message = str(caught.value)
    for part in (
        "missing keys: bias",
        "unexpected keys: other",
        "expected shape (3, 2), got (2, 3)",
    ):
        assert part in message
    with pytest.raises(ValueError, match="shape"):
        net.load_state_dict(wrong, strict=False)
    with pytest.raises(TypeError, match="real numbers"):
        net.load_state_dict({"weight": "text"}, strict=False)
    with pytest.raises(TypeError, match="a mapping"):
        net.load_state_dict([1])
    np.testing.assert_array_equal(net.weight.data, before["weight"])
    loaded = net.load_state_dict({"bias": [1, 2, 3], "x": 0}, strict=False)
    assert loaded.missing_keys == ["weight"]
    assert loaded.unexpected_keys == ["x"]
    np.testing.assert_array_equal(net.bias.data, np.array([1, 2, 3], np.float32))


def test_train_and_eval():
    net = Block()
    net.body[0].bias.data[...] = 3  # keeps the ReLU from answering 0
    x = np.ones((64, 2), np.float32)
    assert net.training
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    np.testing.assert_array_equal(net(x).data, net(x).data)
    net.train()
    assert net.drop.training
    assert (net(x).data != net(x).data).any()
    with pytest.raises(TypeError, match="'mode'"):
        net.train(1)


def test_zero_grad_and_freezing():
    net = Block()
    net(np.ones((2, 2), np.float32)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.body.requires_grad_(False)
    net(np.ones((2, 2), np.float32)).sum().backward()
    assert [p.grad is None for p in net.parameters()] == [False, True, True]


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_equal_and_apart(clone):
    net = Block().eval()
    x = np.ones((2, 2), np.float32)
    twin = clone(net)
    np.testing.assert_array_equal(net(x).data, twin(x).data)
    assert not twin.training
    assert isinstance(twin.scale, nn.Parameter)
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in net.named_parameters()]
    twin.scale.data += 1
    assert (net(x).data != twin(x).data).any() or (net.scale.data != twin.scale.data).all()


def test_files(tmp_path):
    net = lenet()
    path = tmp_path / "net.npz"
    pyconv.save(net.state_dict(), path)
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]
    state = pyconv.load(path)
    assert list(state) == list(net.state_dict())
    other = lenet()
    other.load_state_dict(state)
    x = np.ones((1, 1, 10, 10), np.float32)
    np.testing.assert_array_equal(net(x).data, other(x).data)
    with np.load(path) as archive:
        np.testing.assert_array_equal(archive["0.weight"], net[0].weight.data)
    odd = {"file": np.arange(3), "a/b": Tensor([1.0]), "": np.array(True), "n": 2.5}
    pyconv.save(odd, str(path))
    for key, value in pyconv.load(str(path)).items():
        np.testing.assert_array_equal(value, np.asarray(odd[key]))


def test_files_that_are_refused(tmp_path):
    path = tmp_path / "net.npz"
    with pytest.raises(FileNotFoundError):
        pyconv.load(path)
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"'path': expected an \.npz file"):
        pyconv.load(path)
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        pyconv.load(path)
    odd = ({"a": {"b": object()}}, {"a": {2.5: 1}}, {"a": {"b": np.array("text")}})
    for state in ({"a": "text"}, {"a": [{"b": "c"}]}, {1: np.ones(1)}, [1], *odd):
        with pytest.raises(TypeError, match="'state_dict'"):
            pyconv.save(state, tmp_path / "other.npz")
    with pytest.raises(ValueError, match="another key"):
        pyconv.save({"pyconv.tree": 1}, tmp_path / "other.npz")
    assert not (tmp_path / "other.npz").exists()


def test_what_a_layer_returns():
    x = np.ones((1, 1, 6, 6), np.float32)
    conv = nn.Conv2d(1, 1, 3)
    assert conv(x).requires_grad
    with pyconv.no_grad():
        assert type(conv(x)) is Tensor
        assert not conv(x).requires_grad
    for layer in (nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Flatten(), nn.Dropout().eval()):
        assert type(layer(x)) is np.ndarray
        assert type(layer(Tensor(x))) is Tensor
    values, indices = nn.MaxPool2d(2, return_indices=True)(x)
    assert values.shape == indices.shape == (1, 1, 3, 3)
    assert nn.MSELoss(reduction="sum")(x, x + 1) == 36
    assert nn.Conv1d(1, 2, 3)(x[0, :, 0]).shape == (2, 4)
    assert nn.Conv3d(1, 2, 3, padding="same")(x[None]).shape == (1, 2, 1, 6, 6)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Conv2d(0, 1, 3), ValueError, "Conv2d.*'in_channels'"),
        (lambda: nn.Conv2d(1, 1.5, 3), TypeError, "Conv2d.*'out_channels'"),
        (lambda: nn.Conv2d(1, 1, 0), ValueError, "Conv2d.*'kernel_size'"),
        (lambda: nn.Conv2d(1, 1, (3, 3, 3)), ValueError, "Conv2d.*'kernel_size'"),
        (lambda: nn.Conv2d(1, 1, 3, stride=0), ValueError, "Conv2d.*'stride'"),
        (lambda: nn.Conv2d(1, 1, 3, padding=-1), ValueError, "Conv2d.*'padding'"),
        (lambda: nn.Conv2d(1, 1, 3, padding="some"), ValueError, "Conv2d.*'padding'"),
        (lambda: nn.Conv2d(1, 1, 3, dilation=0), ValueError, "Conv2d.*'dilation'"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "'in_channels': expected a multiple"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "'out_channels': expected a multiple"),
        (lambda: nn.Conv2d(1, 1, 3, bias="no"), TypeError, "Conv2d.*'bias'"),
        (lambda: nn.Conv1d(1, 1, 3, dtype=np.int16), TypeError, "Conv1d.*'dtype'"),
        (lambda: nn.Linear(2, 2, dtype="nonsense"), TypeError, "Linear.*'dtype'"),
        (lambda: nn.Linear(2, 0), ValueError, "Linear.*'out_features'"),
        (lambda: nn.Dropout(math.nan), ValueError, "Dropout.*'p'.*nan"),
        (lambda: nn.Dropout(-0.1), ValueError, "Dropout.*'p'"),
        (lambda: nn.MaxPool2d(2, ceil_mode=2), TypeError, "MaxPool2d.*'ceil_mode'"),
        (lambda: nn.CrossEntropyLoss(reduction="x"), ValueError, "CrossEntropyLoss.*'reduction'"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=9), ValueError, "'label_smoothing'"),
        (lambda: nn.MSELoss(reduction="x"), ValueError, "MSELoss.*'reduction'"),
        (lambda: nn.Parameter(np.ones(2, int)), TypeError, "'data': expected float32, float64"),
        (lambda: nn.Module()(1), NotImplementedError, r"Module has no method forward\(\)"),
        (lambda: nn.init.uniform_(Tensor([1.0]), 1, 0), ValueError, "'high'"),
        (lambda: nn.init.kaiming_uniform_(Tensor([1.0])), ValueError, "fan_in"),
    ],
)
def test_errors_name_the_argument(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_small_net_learns(name):
    """Two kinds of 8x8 pictures, horizontal and vertical bars in noise."""
    pyconv.manual_seed(3)
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 64)
    places = np.eye(8)[rng.integers(0, 8, 64)]
    bars = np.where(labels[:, None, None], places[:, :, None], places[:, None, :])[:, None]
    images = np.broadcast_to(bars, (64, 1, 8, 8)) + 0.1 * rng.standard_normal((64, 1, 8, 8))
    images = images.astype(np.float32)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(24, 2)
    )
    options = {"lr": 0.1, "momentum": 0.9} if name == "SGD" else {"lr": 0.02}
    optimizer = getattr(optim, name)(net.parameters(), **options)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(net(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    with pyconv.no_grad():
        assert (net.eval()(images).numpy().argmax(axis=1) == labels).mean() == 1.0
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float32)}
