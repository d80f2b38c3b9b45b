"""ReLU, and the checks of operands that all functions on arrays share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pyconv.config
from pyconv import arrays, reference
from tolerances import assert_same

DTYPES = (np.float32, np.float64)
COUNTS = (0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", COUNTS)
def test_relu_and_its_gradient(guard: Any, isa: str, count: int, dtype: npt.DTypeLike) -> None:
    rng = np.random.default_rng(count)
    values = rng.integers(-2, 3, count).astype(dtype)
    values[rng.random(count) < 0.2] = np.nan
    values[rng.random(count) < 0.1] = -np.inf
    x, out = guard.place(values, 8), guard.empty((count,), dtype, 8)
    assert arrays.relu(x, out=out) is out
    assert_same(out, reference.relu(x))
    grad = guard.place(rng.standard_normal(count).astype(dtype), 8)
    back = guard.empty((count,), dtype, 8)
    assert arrays.relu_backward(grad, out, out=back) is back
    assert_same(back, reference.relu_backward(grad, out))
    assert_same(arrays.relu_with_bits(x)[0], out)
    also = x.copy()
    result, bits = arrays.relu_with_bits(also, out=also)
    assert result is also
    assert_same(also, out)
    passes = ~(out <= 0)
    assert_same(bits, np.packbits(passes, bitorder="little"))
    again = guard.empty((count,), dtype, 8)
    assert arrays.relu_bits_backward(grad, guard.place(bits, 1), out=again) is again
    assert_same(again, back)
    grad = grad.copy()
    assert arrays.relu_bits_backward(grad, bits, out=grad) is grad
    assert_same(grad, back)


def test_relu_agrees_with_torch() -> None:
    torch = pytest.importorskip("torch")
    x = np.array([-1, 0, -0.0, 2, np.nan, np.inf, -np.inf])
    t = torch.from_numpy(x).requires_grad_()
    y = torch.relu(t)
    y.backward(torch.full((7,), 3.0, dtype=torch.float64))
    got = arrays.relu(x)
    assert_same(got, y.detach().numpy())
    assert_same(arrays.relu_backward(np.full(7, 3.0), got), t.grad.numpy())


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_do_not_show(isa: str, dtype: npt.DTypeLike, rng: np.random.Generator) -> None:
    x = rng.standard_normal(1_000_003).astype(dtype)
    before = pyconv.config.get_num_threads()
    try:
        for threads in (1, 2, 3):
            pyconv.config.set_num_threads(threads)
            assert_same(arrays.relu(x), np.maximum(x, 0))
            assert_same(arrays.relu_backward(x, x), np.where(x > 0, x, 0))
            y, bits = arrays.relu_with_bits(x)
            assert_same(y, np.maximum(x, 0))
            assert_same(bits, np.packbits(x > 0, bitorder="little"))
            assert_same(arrays.relu_bits_backward(x, bits), np.maximum(x, 0))
    finally:
        pyconv.config.set_num_threads(before)


def test_in_place_is_allowed_exactly() -> None:
    x = np.array([-1.0, 2.0, np.nan, -3.0], np.float32)
    assert arrays.relu(x, out=x) is x
    assert_same(x, np.array([0, 2, np.nan, 0], np.float32))
    grad = np.ones(4, np.float32)
    assert arrays.relu_backward(grad, x, out=grad) is grad
    assert_same(grad, np.array([0, 1, 1, 0], np.float32))
    buffer = np.zeros(5, np.float32)
    with pytest.raises(ValueError, match=r"out.*overlap"):
        arrays.relu(buffer[:4], out=buffer[1:])


@pytest.mark.parametrize(
    "value",
    [
        np.float32(1.5),
        [1.0, 2.0],
        None,
        np.zeros(3, int),
        np.zeros(3, np.int16),
        np.zeros(3, complex),
        np.zeros(3, object),
        np.zeros(3, bool),
        np.zeros(3, ">f4"),
        np.zeros(3, ">f8"),
        np.ma.zeros(3, np.float32),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}",
)
def test_other_kinds_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"relu\(\): argument 'input': expected .*got"):
        arrays.relu(value)


def test_messages_say_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"\.astype\(numpy\.float32\).*dtype int64"):
        arrays.relu(np.zeros(3, np.int64))
    with pytest.raises(TypeError, match=r"native byte order.*numpy\.float64"):
        arrays.relu(np.zeros(3, ">f8"))
    with pytest.raises(TypeError, match=r"dtype float32 as the other operand has.*float64"):
        arrays.relu_backward(np.zeros(3, np.float32), np.zeros(3))
    with pytest.raises(ValueError, match=r"'output'.*\(3,\).*\(4,\)"):
        arrays.relu_backward(np.zeros(3), np.zeros(4))


def test_bits_that_do_not_fit_are_refused() -> None:
    grad = np.zeros((3, 3), np.float32)
    for wrong in (np.zeros(1, np.uint8), np.zeros((2, 1), np.uint8), np.zeros(9, np.uint8)):
        with pytest.raises(ValueError, match=r"relu_bits_backward\(\): argument 'bits'"):
            arrays.relu_bits_backward(grad, wrong)
    for other in (np.zeros(2, np.int8), [0, 0], None):
        with pytest.raises(TypeError, match=r"'bits': expected an array of uint8"):
            arrays.relu_bits_backward(grad, other)  # type: ignore[arg-type]
    strided = np.array([255, 0, 1, 0], np.uint8)[::2]
    assert_same(arrays.relu_bits_backward(grad + 1, strided), grad + 1)


class Subclass(np.ndarray[Any, Any]):
    """Stands for np.matrix, memory maps and the like."""


def test_subclasses_and_views_become_plain_arrays() -> None:
    got = arrays.relu(np.array([[-1.0, 2.0], [3.0, -4.0]]).view(Subclass))
    assert type(got) is np.ndarray
    assert_same(got, np.array([[0.0, 2.0], [3.0, 0.0]]))
    x = np.arange(-6.0, 6.0).reshape(3, 4)
    for view in (x[::-1], x.T, x[:, ::2], np.broadcast_to(x[:1], (5, 4)), x[0, 0]):
        if isinstance(view, np.ndarray):
            assert_same(arrays.relu(view), np.maximum(view, 0))
    assert arrays.relu(np.array(-2.0)).shape == ()


@pytest.mark.parametrize(
    ("out", "error"),
    [
        ([0.0, 0.0], TypeError),
        (np.zeros(2, np.float32), TypeError),
        (np.zeros(2, ">f8"), TypeError),
        (np.zeros(3), ValueError),
        (np.zeros(4)[::2], ValueError),
        (np.broadcast_to(np.zeros(1), 2), ValueError),
        (np.zeros(17, np.uint8)[1:].view(np.float64), ValueError),
    ],
    ids=["list", "dtype", "byteorder", "shape", "strided", "readonly", "unaligned"],
)
def test_bad_out_is_refused(out: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"relu\(\): argument 'out'"):
        arrays.relu(np.zeros(2), out=out)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3), (1, 1, 1), (3, 5, 7, 9), (2, 4, 300), (0, 3, 4), (2, 0)])
def test_mask_and_bias_gradient_together(isa, rng, shape, dtype):
    """The bits of the two calls, and of the reference on integers."""
    grad = rng.integers(-3, 4, shape).astype(dtype)
    y = np.maximum(rng.integers(-3, 4, shape), 0).astype(dtype)
    masked, sums = arrays.relu_bias_backward(grad, y)
    expected = reference.relu_bias_backward(grad, y)
    assert_same(masked, expected[0])
    assert_same(sums, expected[1])
    noise = rng.standard_normal(shape).astype(dtype)
    masked, sums = arrays.relu_bias_backward(noise, y)
    assert_same(masked, arrays.relu_backward(noise, y))
    planes = masked.reshape(*shape[:2], -1) if masked.size else masked.reshape(*shape[:2], 0)
    assert_same(sums, arrays.conv1d_bias(planes))


@pytest.mark.parametrize("count", [*COUNTS, 70001])
def test_bits_of_sixteen_bits(isa, rng, count):
    x = rng.integers(-2, 3, count).astype(np.float16)
    x[::7] = np.nan
    y, bits = arrays.relu_with_bits(x)
    expected, packed = reference.relu_with_bits(x)
    assert_same(y, expected)
    assert_same(bits, packed)
    grad = rng.standard_normal(count).astype(np.float16)
    assert_same(arrays.relu_bits_backward(grad, bits), arrays.relu_backward(grad, y))
