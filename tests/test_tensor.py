"""Tensor: gradients of the operators, the array side, errors."""

import copy
import pickle

import numpy as np
import pytest

from gradcheck import check
from pyconv import Tensor


def random(*shape, seed=1, positive=False):
    values = np.random.default_rng(seed).standard_normal(shape)
    return np.abs(values) + 0.5 if positive else values


BROADCASTS = [
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((4,), (3, 4)),
    ((3, 1), (1, 4)),
    ((2, 3, 4), (3, 1)),
    ((3, 4), ()),
    ((), (2, 1)),
    ((1, 1), (5,)),
]
BINARY = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
}


@pytest.mark.parametrize("shapes", BROADCASTS, ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_gradient_of_binary_operators(name, shapes):
    check(BINARY[name], random(*shapes[0]), random(*shapes[1], seed=2, positive=True))


UNARY = {
    "negative": lambda x: -x,
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "sqrt": lambda x: x**0.5,
    "reciprocal": lambda x: x**-1,
    "power 1": lambda x: x**1,
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "sum": lambda x: x.sum(),
    "sum axis": lambda x: x.sum(axis=1),
    "sum axes keepdims": lambda x: x.sum(axis=(0, -1), keepdims=True),
    "mean": lambda x: x.mean(),
    "mean axis": lambda x: x.mean(-1, keepdims=True),
    "mean axes": lambda x: x.mean(axis=(2, 0)),
    "reshape": lambda x: x.reshape(4, -1),
    "reshape tuple": lambda x: x.reshape((2, 12)),
    "flatten": lambda x: x.flatten(1),
    "flatten all": lambda x: x.flatten(),
    "transpose": lambda x: x.transpose(1, 2, 0),
    "T": lambda x: x.T * np.arange(2.0),
    "index": lambda x: x[0],
    "slice": lambda x: x[..., 1:4:2],
    "new axis": lambda x: x[:, None, -1],
    "repeated index": lambda x: x[np.array([0, 1, 1, 0, 0])],
    "mask": lambda x: x[np.arange(24).reshape(2, 3, 4) % 3 == 0],
    "scalars": lambda x: 2 - 3 * x / 4 + 1 / x - (x - 1) * 0.5,
    "arrays on both sides": lambda x: np.arange(4.0) * x - x * np.ones((3, 1)) + np.float64(2) / x,
    "used twice": lambda x: x * x + x.exp() * x,
    "iteration": lambda x: next(iter(x)) * 2,
}


@pytest.mark.parametrize("name", UNARY)
def test_gradient_of_unary_operators(name):
    check(UNARY[name], random(2, 3, 4, positive=True))


@pytest.mark.parametrize(
    "shapes",
    [
        ((3,), (3,)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (6, 3, 4)),
        ((3,), (5, 3, 4)),
        ((5, 2, 3), (3,)),
    ],
    ids=str,
)
def test_gradient_of_matmul(shapes):
    check(lambda x, y: x @ y, random(*shapes[0]), random(*shapes[1], seed=2))


def test_matmul_with_arrays_on_either_side():
    a = random(2, 3)
    check(lambda x: a @ x, random(3, 2))
    check(lambda x: x @ a, random(3, 2))


def test_power_zero_has_no_nan_at_zero():
    x = Tensor(np.zeros(3), requires_grad=True)
    (x**0).sum().backward()
    np.testing.assert_array_equal(x.grad, np.zeros(3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_dtype_is_kept(dtype, shape):
    x = Tensor(np.full(shape, 2, dtype), requires_grad=True)
    y = (2 * x + 1.5 - np.float64(0.5)) / 3 + x**2 + x**0.5 + x.exp() - x.log()
    assert y.dtype == dtype
    y.mean().backward()
    assert y.mean().dtype == dtype
    assert x.grad.dtype == dtype


def test_mixed_precision_gradients_come_back_in_each_dtype():
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    y = Tensor(np.ones(3), requires_grad=True)
    z = x * y
    assert z.dtype == np.float64
    z.sum().backward()
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64


def test_only_leaves_that_require_it_get_gradients():
    x, y = Tensor(np.ones(2), requires_grad=True), Tensor(np.ones(2))
    (x * y).sum().backward()
    assert y.grad is None
    frozen = Tensor(np.ones(2), requires_grad=True)
    frozen.requires_grad = False
    assert not (frozen * 2).requires_grad
    assert not x.detach().requires_grad
    assert x.detach().data is x.data


def test_array_side():
    values = np.arange(6.0).reshape(2, 3)
    x = Tensor(values)
    assert x.data is values
    assert x.numpy() is values
    assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((2, 3), 2, 6, np.float64, 2)
    assert x.T.shape == (3, 2)
    assert x.sum().item() == 15.0
    assert float(x.mean()) == 2.5
    assert f"{x.mean():.2f}" == "2.50"
    assert np.asarray(x) is values
    assert np.array(x, dtype=np.float32).dtype == np.float32
    assert np.array(x) is not values
    assert bool(x[0, 1])
    assert [row.shape for row in x] == [(3,), (3,)]
    np.testing.assert_array_equal(x[Tensor(np.array([1]))].data, values[[1]])


def test_repr():
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    assert repr(x) == "Tensor([1., 1.], dtype=float32, requires_grad=True)"
    assert repr(x * 2) == "Tensor([2., 2.], dtype=float32, grad_fn=<multiply>)"


def test_copy_and_pickle():
    x = Tensor(np.ones(2), requires_grad=True)
    x.sum().backward()
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin.requires_grad
        assert twin.data is not x.data
        np.testing.assert_array_equal(twin.grad, x.grad)
    with pytest.raises(RuntimeError, match="detach"):
        copy.deepcopy(x * 2)


@pytest.mark.parametrize("data", ["text", np.ones(2, complex), [None], np.array([object()])])
def test_kinds_that_are_no_numbers(data):
    with pytest.raises(TypeError, match="argument 'data': expected booleans, integers or real"):
        Tensor(data)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, np.int16])
def test_requires_grad_needs_a_float(dtype):
    assert Tensor(np.ones(2, dtype)).dtype == dtype
    with pytest.raises(TypeError, match="expected float32, float64"):
        Tensor(np.ones(2, dtype), requires_grad=True)


def test_errors_name_what_is_wrong():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(ValueError, match=r"'gradient': expected an array of shape \(2, 3\)"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"expected shape \(2, 3\), got shape \(3,\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(TypeError, match=r"backward\(\): argument 'gradient'.*complex128"):
        (x * 2).backward(np.ones((2, 3), complex))
    with pytest.raises(RuntimeError, match="neither this tensor nor its operands"):
        x.detach().sum().backward()
    with pytest.raises(RuntimeError, match="leaves only"):
        (x * 2).requires_grad = False
    with pytest.raises(TypeError, match="'requires_grad': expected True or False, got 1"):
        Tensor(np.ones(2), requires_grad=1)
    with pytest.raises(TypeError, match="'grad': expected an array or None"):
        x.grad = [1.0]
    with pytest.raises(ValueError, match=r"'grad': expected shape \(2, 3\)"):
        x.grad = np.ones(3)
    with pytest.raises(TypeError, match=r"'data': expected float32, float64.*int64"):
        x.data = np.ones((2, 3), np.int64)
    with pytest.raises(RuntimeError, match="history would be lost"):
        np.asarray(x)
    with pytest.raises(TypeError, match="ufunc"):
        np.exp(x)
    with pytest.raises(TypeError, match="unsupported operand"):
        x + "1"
    with pytest.raises(TypeError, match="unsupported operand"):
        x**x
    with pytest.raises(TypeError, match=r"add\(\): argument 'other'.*complex128"):
        x + np.ones(3, complex)
    with pytest.raises(ValueError, match="'start_dim': expected an axis"):
        x.flatten(5)
    with pytest.raises(ValueError, match="'end_dim': expected"):
        x.flatten(1, 0)


def test_data_can_be_replaced_and_written_in_place():
    x = Tensor(np.ones(3), requires_grad=True)
    x.data -= 0.5
    x.data = np.full(3, 2.0)
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, np.full(3, 4.0))


def test_empty_tensors():
    x = Tensor(np.ones((0, 3)), requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad.shape == (0, 3)
    check(lambda x, y: x @ y, np.ones((0, 3)), np.ones((3, 2)))
