"""The functional face: arrays pass through, tensors get gradients, losses are torch's."""

import numpy as np
import pytest

import pyconv
import pyconv.functional as F
from gradcheck import check
from pyconv import Tensor, arrays
from pyconv.packed import PackedWeight


def random(*shape, seed=1, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def distinct(*shape):
    """No two elements are near each other, so a small step does not change the largest."""
    count = int(np.prod(shape))
    return np.random.default_rng(3).permutation(count).reshape(shape) / 7.0 - count / 15.0


CONVOLUTIONS = {
    "conv1d": (F.conv1d, (2, 3, 9), (4, 3, 3), {}),
    "conv1d unbatched": (F.conv1d, (3, 9), (4, 3, 2), {"stride": 2, "padding": 1}),
    "conv2d": (F.conv2d, (2, 3, 6, 5), (4, 3, 3, 2), {}),
    "conv2d unbatched": (F.conv2d, (3, 6, 5), (4, 3, 3, 3), {"padding": (1, 0)}),
    "conv2d strided": (F.conv2d, (1, 2, 8, 7), (3, 2, 3, 3), {"stride": (2, 3), "padding": 2}),
    "conv2d dilated": (F.conv2d, (1, 2, 9, 9), (3, 2, 3, 3), {"dilation": 2, "padding": 1}),
    "conv2d grouped": (F.conv2d, (2, 4, 5, 5), (6, 2, 3, 3), {"groups": 2, "padding": 1}),
    "conv2d depthwise": (F.conv2d, (1, 3, 6, 6), (6, 1, 3, 3), {"groups": 3}),
    "conv3d": (F.conv3d, (1, 2, 4, 5, 4), (3, 2, 2, 3, 2), {"padding": 1}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_gradient_of_convolutions(name):
    function, input_shape, weight_shape, options = CONVOLUTIONS[name]
    x, w, b = random(*input_shape), random(*weight_shape, seed=2), random(weight_shape[0], seed=3)
    check(lambda *t: function(*t, **options), x, w, b)
    check(lambda t: function(x, t, **options), w)
    check(lambda t: function(t, w, b, **options), x)
    check(lambda t: function(x, w, t, **options), b)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_fused_relu_has_the_gradient_of_two_steps(name):
    function, input_shape, weight_shape, options = CONVOLUTIONS[name]
    x, w, b = random(*input_shape), random(*weight_shape, seed=2), random(weight_shape[0], seed=3)
    results = []
    for fused in (True, False):
        tensors = [Tensor(a, requires_grad=True) for a in (x, w, b)]
        y = function(*tensors, **options, relu=fused)
        y = y if fused else F.relu(y)
        y.backward(random(*y.shape, seed=4))
        results.append([y.data, *(t.grad for t in tensors)])
    assert (results[0][0] == 0).any()
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_gradient_of_convolution_with_string_and_pair_padding():
    x, w = random(1, 2, 7, 6), random(3, 2, 3, 4, seed=2)
    for padding in ("same", "valid", "full", ((1, 2), (0, 3))):
        check(lambda *t, p=padding: F.conv2d(*t, stride=2, padding=p), x, w)


POOLS = {
    "max": lambda x: F.max_pool2d(x, 2),
    "max overlapping": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max dilated": lambda x: F.max_pool2d(x, 2, 1, 0, 2),
    "max ceil": lambda x: F.max_pool2d(x, (3, 2), 2, ceil_mode=True),
    "max with indices": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "avg": lambda x: F.avg_pool2d(x, 2),
    "avg padded": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "avg ceil": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    "avg divisor": lambda x: F.avg_pool2d(x, (2, 3), divisor_override=5),
}


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("shape", [(2, 3, 7, 6), (2, 7, 6)], ids=str)
def test_gradient_of_pooling(name, shape):
    check(POOLS[name], distinct(*shape))


OTHERS = {
    "relu": F.relu,
    "softmax": lambda x: F.softmax(x, 1),
    "softmax axis 0": lambda x: F.softmax(x, 0),
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "flatten": lambda x: F.flatten(x, 1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_gradient_of_other_functions(name):
    check(OTHERS[name], distinct(3, 4, 2))


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("relu", [False, True])
def test_gradient_of_linear(shape, relu):
    check(lambda *t: F.linear(*t, relu=relu), random(*shape), random(5, 4, seed=2), random(5))
    check(lambda x, w: F.linear(x, w, relu=relu), random(*shape), random(5, 4, seed=2))


def test_dropout():
    x = np.ones((200, 50), np.float32)
    for p in (0.0, 0.3, 1.0):
        y = F.dropout(x, p, generator=np.random.default_rng(0))
        assert y.dtype == np.float32
        assert set(np.unique(y)) <= {np.float32(0), np.float32(1 / (1 - p) if p < 1 else 0)}
        assert abs((y == 0).mean() - p) < 0.02
    assert F.dropout(x, 0.5, training=False) is x
    pyconv.manual_seed(7)
    first = F.dropout(x)
    pyconv.manual_seed(7)
    np.testing.assert_array_equal(first, F.dropout(x))
    check(lambda t: F.dropout(t, 0.4, generator=np.random.default_rng(1)), random(5, 6))


def test_arrays_give_arrays_and_tensors_give_tensors():
    x, w, b = random(1, 2, 5, 5), random(3, 2, 3, 3), random(3)
    for function, operands in (
        (F.conv2d, (x, w, b)),
        (F.conv2d, (x, w)),
        (F.conv1d, (random(1, 2, 5), random(3, 2, 3))),
        (F.conv3d, (random(1, 2, 3, 5, 4), random(3, 2, 2, 3, 3))),
        (F.linear, (x, random(4, 5), random(4))),
        (lambda t: F.max_pool2d(t, 2), (x,)),
        (lambda t: F.avg_pool2d(t, 2), (x,)),
        (F.relu, (x,)),
        (F.flatten, (x,)),
        (F.dropout, (x,)),
        (lambda t: F.softmax(t, 1), (x,)),
    ):
        assert type(function(*operands)) is np.ndarray
        for position in range(len(operands)):
            mixed = list(operands)
            mixed[position] = Tensor(mixed[position], requires_grad=True)
            assert function(*mixed).requires_grad
            mixed[position] = Tensor(operands[position])
            assert type(function(*mixed)) is Tensor
            assert not function(*mixed).requires_grad


def test_array_path_is_the_kernel():
    x, w = random(1, 2, 5, 5), random(3, 2, 3, 3)
    out = np.empty((1, 3, 3, 3))
    assert F.conv2d(x, w, out=out) is out
    np.testing.assert_array_equal(out, arrays.conv2d(x, w))
    np.testing.assert_array_equal(
        F.conv2d(Tensor(x), w, relu=True).data, arrays.conv2d(x, w, relu=True)
    )
    y, indices = F.max_pool2d(Tensor(x), 2, return_indices=True)
    expected = arrays.max_pool2d(x, 2, return_indices=True)
    np.testing.assert_array_equal(y.data, expected[0])
    np.testing.assert_array_equal(indices.data, expected[1])
    assert indices.dtype == np.int64


def test_packed_weight_with_a_tensor():
    w = random(3, 2, 3, 3)
    packed = PackedWeight(w)
    check(lambda x, b: F.conv2d(x, packed, b, padding=1), random(1, 2, 5, 5), random(3))
    check(lambda x: F.linear(x, PackedWeight(random(3, 4))), random(2, 4))


def test_no_grad_records_nothing():
    x = Tensor(distinct(1, 1, 4, 4), requires_grad=True)
    with pyconv.no_grad():
        for y in (F.max_pool2d(x, 2), F.relu(x), F.conv2d(x, np.ones((1, 1, 2, 2)))):
            assert y.is_leaf
            assert not y.requires_grad


def test_softmax_is_stable_and_keeps_float32():
    x = np.array([[1e4, 1e4 - 1, -1e4]], np.float32)
    for function in (F.softmax, F.log_softmax):
        y = function(x, 1)
        assert y.dtype == np.float32
        assert np.isfinite(y).all()
    np.testing.assert_allclose(F.softmax(x, 1).sum(), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(F.softmax(np.array([0.0, -np.inf]), 0), [1.0, 0.0])
    assert F.softmax(np.ones((0, 3)), 1).shape == (0, 3)


def _tensor():
    return Tensor(random(1, 2, 5, 5))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: F.conv2d(_tensor(), random(3, 2, 3, 3), out=np.ones(1)),
            TypeError,
            "conv2d.*'out'",
        ),
        (lambda: F.linear(_tensor(), random(3, 5), out=np.ones(1)), TypeError, "linear.*'out'"),
        (lambda: F.relu(_tensor(), out=np.ones(1)), TypeError, "relu.*'out'"),
        (lambda: F.max_pool2d(_tensor(), 2, out=np.ones(1)), TypeError, "max_pool2d.*'out'"),
        (lambda: F.avg_pool2d(_tensor(), 2, out=np.ones(1)), TypeError, "avg_pool2d.*'out'"),
        (
            lambda: F.dropout(_tensor(), float("nan")),
            ValueError,
            "'p': expected a number from 0 to 1, got nan",
        ),
        (lambda: F.dropout(_tensor(), 1.5), ValueError, "dropout.*'p'.*got 1.5"),
        (lambda: F.dropout(_tensor(), "a"), TypeError, "'p': .*got 'a'"),
        (lambda: F.softmax(_tensor(), 4), ValueError, "softmax.*'dim'.*got 4"),
        (lambda: F.softmax(_tensor(), 0.5), TypeError, "softmax.*'dim'.*got 0.5"),
        (lambda: F.softmax([1.0], 0), TypeError, "softmax.*'input'.*list"),
        (lambda: F.log_softmax(np.arange(3), 0), TypeError, "log_softmax.*'input'.*int64"),
        (lambda: F.flatten([1.0]), TypeError, "flatten.*'input'.*list"),
        (lambda: F.flatten(_tensor(), 7), ValueError, "flatten.*'start_dim'.*got 7"),
        (lambda: pyconv.manual_seed(-1), ValueError, "manual_seed.*'seed'.*got -1"),
    ],
)
def test_errors_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_wrong_dtype_next_to_a_tensor_is_named():
    with pytest.raises(TypeError, match="conv2d"):
        F.conv2d(Tensor(random(1, 2, 5, 5)), random(3, 2, 3, 3, dtype=np.float32))
