"""nll_loss, cross_entropy and mse_loss: gradients, torch's values, errors."""

import numpy as np
import pytest

import pyconv.functional as F
from gradcheck import check
from pyconv import Tensor


def random(*shape, seed=1, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


SHAPES = [(5,), (4, 5), (3, 5, 2), (2, 5, 3, 2)]
OPTIONS = [
    {},
    {"reduction": "sum"},
    {"reduction": "none"},
    {"label_smoothing": 0.1},
    {"weight": np.array([0.5, 2.0, 1.0, 0.0, 3.0])},
    {"weight": np.array([0.5, 2.0, 1.0, 0.2, 3.0]), "label_smoothing": 0.3},
    {"ignore_index": 2},
    {"ignore_index": 1, "label_smoothing": 0.2, "weight": np.arange(1.0, 6.0)},
    {"ignore_index": -1, "reduction": "none"},
]


def class_target(shape, ignore_index=-100):
    target = np.random.default_rng(0).integers(0, 5, shape[:1] * (len(shape) > 1) + shape[2:])
    if target.ndim:
        target.flat[0] = ignore_index
    return target


def probabilities(shape):
    return F.softmax(random(*shape, seed=5), 1 if len(shape) > 1 else 0)


def against_torch(name, x, target, options):
    torch = pytest.importorskip("torch")
    mine = Tensor(x, requires_grad=True)
    loss = getattr(F, name)(mine, target, **options)
    loss.backward(np.ones(loss.shape))
    theirs = torch.tensor(x, requires_grad=True)
    converted = {k: torch.tensor(v) if k == "weight" else v for k, v in options.items()}
    expected = getattr(torch.nn.functional, name)(theirs, torch.tensor(target), **converted)
    expected.backward(torch.ones_like(expected))
    np.testing.assert_allclose(loss.data, expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(mine.grad, theirs.grad.numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy_of_classes(shape, options):
    target = class_target(shape, options.get("ignore_index", -100))
    check(lambda x: F.cross_entropy(x, target, **options), random(*shape))
    against_torch("cross_entropy", random(*shape), target, options)


@pytest.mark.parametrize("options", OPTIONS[:6], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy_of_probabilities(shape, options):
    target = probabilities(shape)
    check(lambda x: F.cross_entropy(x, target, **options), random(*shape))
    against_torch("cross_entropy", random(*shape), target, options)


@pytest.mark.parametrize("options", [o for o in OPTIONS if "label_smoothing" not in o], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nll_loss(shape, options):
    target = class_target(shape, options.get("ignore_index", -100))
    check(lambda x: F.nll_loss(x, target, **options), random(*shape))
    against_torch("nll_loss", random(*shape), target, options)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
def test_mse_loss(shape, reduction):
    check(
        lambda x, y: F.mse_loss(x, y, reduction=reduction), random(*shape), random(*shape, seed=2)
    )
    against_torch("mse_loss", random(*shape), random(*shape, seed=2), {"reduction": reduction})


def test_arrays_and_dtypes():
    x = random(4, 5, dtype=np.float32)
    target = [0, 1, 2, 3]
    for loss in (F.cross_entropy(x, target), F.nll_loss(x, target), F.mse_loss(x, x + 1)):
        assert not isinstance(loss, Tensor)
        assert loss.dtype == np.float32
        assert loss.shape == ()
    tensor = Tensor(x, requires_grad=True)
    loss = F.cross_entropy(tensor, Tensor(np.array(target)), label_smoothing=0.1)
    loss.backward()
    assert loss.dtype == tensor.grad.dtype == np.float32
    assert type(F.mse_loss(x, tensor)) is Tensor


def test_extreme_logits():
    x = np.array([[1e4, -1e4, 0.0]], np.float32)
    assert F.cross_entropy(x, [0]) == 0.0
    assert F.cross_entropy(x, [1]) == 2e4
    masked = Tensor(np.array([[0.0, -np.inf]]), requires_grad=True)
    loss = F.cross_entropy(masked, [0])
    loss.backward()
    assert loss.item() == 0.0
    np.testing.assert_array_equal(masked.grad, [[0.0, 0.0]])


def test_mean_of_nothing_is_nan():
    assert np.isnan(F.cross_entropy(random(2, 5), [-100, -100]))
    assert np.isnan(F.cross_entropy(np.ones((0, 5)), np.ones(0, int)))
    assert np.isnan(F.mse_loss(np.ones(0), np.ones(0)))
    assert F.cross_entropy(random(2, 5), [-100, -100], reduction="sum") == 0.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x: F.cross_entropy(x, [0, 5]),
            ValueError,
            "'target': expected classes from 0 to 4.*got 5",
        ),
        (lambda x: F.cross_entropy(x, [0, -1]), ValueError, "'target'.*got -1"),
        (
            lambda x: F.cross_entropy(x, [0]),
            ValueError,
            r"'target': expected shape \(2,\).*\(1,\)",
        ),
        (lambda x: F.cross_entropy(x, [0.0, 1.0]), TypeError, "'target': .*got dtype float64"),
        (
            lambda x: F.cross_entropy(x, [0, 1], [1.0]),
            ValueError,
            r"'weight': expected shape \(5,\)",
        ),
        (lambda x: F.cross_entropy(x, [0, 1], ["a"] * 5), TypeError, "'weight': .*got dtype"),
        (
            lambda x: F.cross_entropy(x, [0, 1], reduction="avg"),
            ValueError,
            "'reduction': .*got 'avg'",
        ),
        (lambda x: F.cross_entropy(x, [0, 1], label_smoothing=2), ValueError, "label_smoothing"),
        (lambda x: F.cross_entropy(x, x + 0), TypeError, "'target': expected a constant"),
        (lambda x: F.cross_entropy(x[0, 0], 0), ValueError, r"'input': .*got shape \(\)"),
        (lambda x: F.cross_entropy([1.0], 0), TypeError, "cross_entropy.*'input'.*list"),
        (lambda x: F.nll_loss(x, [0, 9]), ValueError, "nll_loss.*'target'.*got 9"),
        (lambda x: F.nll_loss(x[0, 0], 0), ValueError, "nll_loss.*'input'"),
        (
            lambda x: F.mse_loss(x, np.ones((2, 1))),
            ValueError,
            "mse_loss.*'target': expected shape",
        ),
        (
            lambda x: F.mse_loss(x, np.ones((2, 5), "f")),
            TypeError,
            "mse_loss.*'target': expected dtype",
        ),
        (lambda x: F.mse_loss(x, [1.0]), TypeError, "mse_loss.*'target'.*list"),
        (lambda x: F.mse_loss(x, x, reduction=None), ValueError, "mse_loss.*'reduction'.*None"),
    ],
)
def test_errors_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call(Tensor(random(2, 5), requires_grad=True))
