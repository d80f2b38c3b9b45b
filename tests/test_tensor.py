"""The tape: gradients of the operators, graph life, grad mode, errors."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from gradcheck import check

import pyconv
from pyconv import Tensor
from pyconv.autograd import Node
from pyconv.tensor import Primitive


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


def test_leaves_accumulate_and_results_keep_no_gradient():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.sum().backward()
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [5.0, 7.0])
    assert y.grad is None
    x.zero_grad()
    assert x.grad is None


def test_gradients_do_not_share_memory():
    x = Tensor(np.ones(3), requires_grad=True)
    y = Tensor(np.ones(3), requires_grad=True)
    seed = np.ones(3)
    (x + y).backward(seed)
    x.grad *= 5
    np.testing.assert_array_equal(y.grad, np.ones(3))
    np.testing.assert_array_equal(seed, np.ones(3))
    z = Tensor(np.ones((2, 2)), requires_grad=True)
    z.sum().backward()
    z.grad += 1  # a broadcast view would refuse, or change all at once
    z.backward(np.ones((2, 2)))
    np.testing.assert_array_equal(z.grad, np.full((2, 2), 3.0))


def test_sum_over_many_uses_does_not_write_into_shared_gradients():
    x = Tensor(np.ones(3), requires_grad=True)
    y = Tensor(np.ones(3), requires_grad=True)
    z = x + y  # both get one array ...
    (z + z + x + x + z).sum().backward()  # ... and more is added to x later
    np.testing.assert_array_equal(x.grad, np.full(3, 5.0))
    np.testing.assert_array_equal(y.grad, np.full(3, 3.0))


def test_diamond_runs_every_rule_once():
    calls = []

    def rule(needs, answer, x):
        def vjp(g):
            calls.append(1)
            return (g,)

        return vjp

    identity = Primitive("identity", lambda x: x.copy(), rule)
    x = Tensor(np.ones(2), requires_grad=True)
    y = identity(x)
    for _ in range(5):
        y = y + y
    y.sum().backward()
    assert calls == [1]
    np.testing.assert_array_equal(x.grad, [32.0, 32.0])
    assert identity(np.ones(2)).__class__ is np.ndarray
    assert repr(identity) == "<primitive identity>"


def test_a_rule_that_leaves_out_an_operand_is_reported():
    wrong = Primitive("wrong", np.copy, lambda needs, answer, x: lambda g: (None,))
    x = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(RuntimeError, match="wrong"):
        wrong(x).sum().backward()
    assert x.grad is None


def test_second_backward_raises_and_changes_nothing():
    x = Tensor(np.ones(2), requires_grad=True)
    y = x * 2
    total = y.sum()
    total.backward()
    with pytest.raises(RuntimeError, match="walked before"):
        total.backward()
    with pytest.raises(RuntimeError, match="'multiply'"):
        (x + y).sum().backward()
    np.testing.assert_array_equal(x.grad, [2.0, 2.0])


def test_retain_graph():
    x = Tensor(np.ones(2), requires_grad=True)
    total = (x * x).sum()
    total.backward(retain_graph=True)
    total.backward()
    np.testing.assert_array_equal(x.grad, [4.0, 4.0])


def test_buffers_are_freed_by_backward_and_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        buffer = np.ones(1000)
        kept = weakref.ref(buffer)
        x = Tensor(np.ones(1000), requires_grad=True)
        y = (x * buffer).sum()
        del buffer
        assert kept() is not None
        y.backward()
        assert kept() is None

        tensor = x * 2
        result, node = weakref.ref(tensor), weakref.ref(tensor._node)
        total = tensor.exp().sum()
        del tensor
        assert result() is None  # the graph holds nodes, not tensors
        assert node() is not None
        del total
        assert node() is None
        leaf = weakref.ref(x)
        del x, y
        assert leaf() is None
    finally:
        gc.enable()


def test_a_network_step_leaves_no_cycles():
    weight = Tensor(random(4, 3), requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            out = pyconv.functional.linear(random(5, 3), weight, relu=True)
            pyconv.functional.cross_entropy(out, np.zeros(5, int)).backward()
            del out
        assert not any(isinstance(o, (Tensor, Node)) for o in _found_by_collector())
    finally:
        gc.enable()


def _found_by_collector():
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def test_deep_graph():
    x = Tensor(np.ones(1), requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y + x
    y.backward()
    assert x.grad[0] == 20_001


@pytest.mark.parametrize("walked", [False, True])
def test_destruction_of_a_very_deep_graph(walked):
    result = []

    def build_and_drop():
        x = Tensor(np.ones(1), requires_grad=True)
        y = x
        for _ in range(100_000):
            y = y * 1.0
        if walked:
            y.backward()
        last = weakref.ref(y._node)
        del y
        result.append((last() is None, x.grad))

    before = threading.stack_size(256 * 1024)  # small, so that recursion in C would show
    try:
        thread = threading.Thread(target=build_and_drop)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    ((gone, grad),) = result
    assert gone
    assert (grad is not None) == walked


def test_no_grad():
    x = Tensor(np.ones(2), requires_grad=True)
    assert pyconv.is_grad_enabled()
    block = pyconv.no_grad()
    with block, block:
        assert not pyconv.is_grad_enabled()
        y = x * 2
    assert pyconv.is_grad_enabled()
    assert not y.requires_grad
    assert y.is_leaf

    @pyconv.no_grad()
    def double(value, depth=3):
        """Doubled."""
        return double(value, depth - 1) if depth else value * 2

    assert not double(x).requires_grad
    assert double.__name__ == "double"
    with pytest.raises(KeyError), pyconv.no_grad():
        raise KeyError
    assert pyconv.is_grad_enabled()


def test_grad_mode_belongs_to_the_thread():
    seen = []
    with pyconv.no_grad():
        thread = threading.Thread(target=lambda: seen.append(pyconv.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_threads_with_a_shared_leaf_lose_no_gradient():
    x = Tensor(np.zeros(50), requires_grad=True)

    def work():
        for _ in range(200):
            (x * 1.0).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(x.grad, np.full(50, 800.0))


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
    with pytest.raises(TypeError, match="Tensor: got dtype"):
        Tensor(data)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, np.float16])
def test_requires_grad_needs_a_float(dtype):
    assert Tensor(np.ones(2, dtype)).dtype == dtype
    with pytest.raises(TypeError, match="expected float32 or float64"):
        Tensor(np.ones(2, dtype), requires_grad=True)


def test_errors_name_what_is_wrong():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(ValueError, match=r"gradient is missing for a result of shape \(2, 3\)"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"shape \(3,\), expected \(2, 3\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(TypeError, match="backward: got dtype complex128"):
        (x * 2).backward(np.ones((2, 3), complex))
    with pytest.raises(RuntimeError, match="neither this tensor nor its operands"):
        x.detach().sum().backward()
    with pytest.raises(RuntimeError, match="leaves only"):
        (x * 2).requires_grad = False
    with pytest.raises(TypeError, match="requires_grad is 1"):
        Tensor(np.ones(2), requires_grad=1)
    with pytest.raises(TypeError, match=r"Tensor\.grad: got list"):
        x.grad = [1.0]
    with pytest.raises(ValueError, match=r"Tensor\.grad: got shape \(3,\)"):
        x.grad = np.ones(3)
    with pytest.raises(TypeError, match=r"Tensor\.data: requires_grad=True with dtype int64"):
        x.data = np.ones((2, 3), np.int64)
    with pytest.raises(RuntimeError, match="history would be lost"):
        np.asarray(x)
    with pytest.raises(TypeError, match="ufunc"):
        np.exp(x)
    with pytest.raises(TypeError, match="unsupported operand"):
        x + "1"
    with pytest.raises(TypeError, match="unsupported operand"):
        x**x
    with pytest.raises(TypeError, match="add: got dtype complex128"):
        x + np.ones(3, complex)
    with pytest.raises(ValueError, match="start_dim is 5"):
        x.flatten(5)
    with pytest.raises(ValueError, match="comes after"):
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
