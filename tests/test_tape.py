"""The life of a graph: accumulation, freeing, depth, threads, grad mode."""

import gc
import threading
import weakref

import numpy as np
import pytest

import pyconv
from pyconv import Tensor
from pyconv.autograd import Node
from pyconv.tensor import Primitive


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
    weight = Tensor(np.full((4, 3), 0.5), requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            out = pyconv.functional.linear(np.ones((5, 3)), weight, relu=True)
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


def test_destruction_of_a_very_deep_graph():
    result = []

    def build_and_drop():
        x = Tensor(np.ones(1), requires_grad=True)
        y = x
        for _ in range(100_000):
            y = y * 1.0
        last = weakref.ref(y._node)
        del y
        result.append(last() is None)

    before = threading.stack_size(256 * 1024)  # small, so that recursion in C would show
    try:
        thread = threading.Thread(target=build_and_drop)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert result == [True]


def test_the_end_of_one_result_leaves_the_shared_graph_alone():
    x = Tensor(np.ones(2), requires_grad=True)
    trunk = x * 2
    head, other = trunk * 3, trunk * 5
    last = weakref.ref(head._node)
    del head, trunk
    assert last() is None
    other.sum().backward()
    np.testing.assert_array_equal(x.grad, [10.0, 10.0])


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
