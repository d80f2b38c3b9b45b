"""Any view of an array is taken, gives the same bits as its copy, and is left as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from passes import every_dtype
from pyconv import arrays

Array = npt.NDArray[Any]
View = Callable[[Array], Array]


def _unused(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return memory that spoils whatever is computed from it."""
    return np.full(shape, np.nan if dtype.kind == "f" else 255, dtype)


def _strided(a: Array) -> Array:
    """Every second element of a wider array."""
    wide = _unused((*a.shape[:-1], 2 * a.shape[-1] + 1), a.dtype)
    wide[..., : 2 * a.shape[-1] : 2] = a
    return wide[..., : 2 * a.shape[-1] : 2]


def _rows_apart(a: Array) -> Array:
    """Rows with a gap behind each, as in a crop of an image."""
    wide = _unused((*a.shape[:-1], a.shape[-1] + 3), a.dtype)
    wide[..., 1 : a.shape[-1] + 1] = a
    return wide[..., 1 : a.shape[-1] + 1]


def _reversed(a: Array) -> Array:
    """Negative strides along all dimensions."""
    backwards = (slice(None, None, -1),) * a.ndim
    return a[backwards].copy()[backwards]


def _fortran(a: Array) -> Array:
    return np.asfortranarray(a)


def _channels_last(a: Array) -> Array:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 0, -1)), -1, 0)


def _read_only(a: Array) -> Array:
    copy = a.copy()
    copy.flags.writeable = False
    return copy


def _unaligned(a: Array) -> Array:
    """One byte off."""
    memory = np.zeros(a.nbytes + 1, np.uint8)
    view = memory[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def _in_a_record(a: Array) -> Array:
    """A field of a packed record: strides that are no multiple of the element's size."""
    records = np.zeros(a.shape, np.dtype([("flag", "u1"), ("value", a.dtype)]))
    records["value"] = a
    return records["value"]


def _broadcast(a: Array) -> Array:
    """Zero strides: the first row and the first image, again and again."""
    return np.broadcast_to(a[:1] if a.ndim == 1 else a[:1, ..., :1], a.shape)


VIEWS: tuple[View, ...] = (
    _strided, _rows_apart, _reversed, _fortran, _channels_last, _read_only, _unaligned,
    _in_a_record, _broadcast,
)  # fmt: skip


def _draw(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape)


_RNG = np.random.default_rng(3)
_X, _W, _G = _draw(_RNG, 2, 4, 7, 9), _draw(_RNG, 6, 2, 3, 3), _draw(_RNG, 2, 6, 4, 5)
_HYPER = {"stride": 2, "padding": 1, "groups": 2}
_POOLED = {"kernel_size": 3, "stride": 2, "padding": 1}
_POOL_G = _draw(_RNG, 2, 4, 4, 5)
_OFFSETS = np.full(_POOL_G.shape, 4, np.uint8)

#: Function, its array arguments, and the rest.
CALLS: tuple[tuple[str, dict[str, Array], dict[str, Any]], ...] = (
    ("conv2d", {"input": _X, "weight": _W, "bias": _draw(_RNG, 6)}, _HYPER),
    ("conv2d", {"input": _X, "weight": _draw(_RNG, 5, 4, 1, 1)}, {}),
    ("conv2d", {"input": _X, "weight": _draw(_RNG, 4, 1, 3, 3)}, {"groups": 4, "padding": 1}),
    ("conv2d_input", {"weight": _W, "grad_output": _G}, {"input_size": _X.shape, **_HYPER}),
    ("conv2d_weight", {"input": _X, "grad_output": _G}, {"weight_size": _W.shape, **_HYPER}),
    ("conv2d_bias", {"grad_output": _G}, {}),
    ("conv1d", {"input": _draw(_RNG, 2, 3, 20), "weight": _draw(_RNG, 4, 3, 5)}, {}),
    ("conv3d", {"input": _draw(_RNG, 1, 2, 4, 5, 6), "weight": _draw(_RNG, 3, 2, 2, 3, 3)}, {}),
    ("max_pool2d", {"input": _X}, _POOLED),
    ("max_pool2d", {"input": _X}, {"kernel_size": 2}),
    ("max_pool2d_backward", {"grad_output": _POOL_G, "offsets": _OFFSETS},
     {"input_size": _X.shape, **_POOLED}),
    ("avg_pool2d", {"input": _X}, _POOLED),
    ("avg_pool2d_backward", {"grad_output": _POOL_G}, {"input_size": _X.shape, **_POOLED}),
    ("relu", {"input": _X}, {}),
    ("relu_backward", {"grad_output": _X, "output": _X[::-1].copy()}, {}),
    ("linear", {"input": _draw(_RNG, 5, 7), "weight": _draw(_RNG, 6, 7), "bias": _draw(_RNG, 6)},
     {}),
    ("linear_input", {"weight": _draw(_RNG, 6, 7), "grad_output": _draw(_RNG, 5, 6)}, {}),
    ("linear_weight", {"input": _draw(_RNG, 5, 7), "grad_output": _draw(_RNG, 5, 6)}, {}),
    ("linear_bias", {"grad_output": _draw(_RNG, 5, 6)}, {}),
)  # fmt: skip


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__.strip("_"))
@pytest.mark.parametrize(
    ("function", "operands", "others"), CALLS, ids=[f"{n}-{c[0]}" for n, c in enumerate(CALLS)]
)
def test_views(view: View, function: str, operands: dict[str, Array], others: Any) -> None:
    call = getattr(arrays, function)
    for dtype in every_dtype():
        typed = {
            key: value.astype(dtype) if value.dtype == np.float64 else value
            for key, value in operands.items()
        }
        views = {key: view(value) for key, value in typed.items()}
        copies = {key: np.ascontiguousarray(value).copy() for key, value in views.items()}
        expected = call(**copies, **others)
        result = call(**views, **others)
        assert result.dtype == dtype
        assert result.flags.c_contiguous
        np.testing.assert_array_equal(result, expected)
        for key, value in copies.items():
            np.testing.assert_array_equal(views[key], value)


def test_operands_may_be_the_same_array() -> None:
    x = np.random.default_rng(0).standard_normal((3, 3, 3, 3)).astype(np.float32)
    np.testing.assert_array_equal(arrays.conv2d(x, x), arrays.conv2d(x, x.copy()))


def test_results_are_new_arrays() -> None:
    """Even where nothing changes, the result is not a view of the input."""
    x = np.ones((1, 1, 4, 4), np.float32)
    for result in (arrays.relu(x), arrays.max_pool2d(x, 1), arrays.avg_pool2d(x, 1)):
        assert not np.shares_memory(result, x)


def test_relu_in_place() -> None:
    """Element by element, an operand may be the output."""
    x = np.array([[-1.0, 2.0], [3.0, -4.0]], np.float32)
    assert arrays.relu(x, out=x) is x
    assert x.tolist() == [[0, 2], [3, 0]]
    g = np.full_like(x, 5.0)
    assert arrays.relu_backward(g, x, out=g) is g
    assert g.tolist() == [[0, 5], [5, 0]]
