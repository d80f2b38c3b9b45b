"""Winograd's sums of pixels may overflow where no result does."""

import numpy as np
import pytest

from pyconv import arrays

HUGE = {np.float32: np.float32(3e38), np.float64: np.float64(1.7e308)}


@pytest.mark.parametrize("dtype", HUGE)
@pytest.mark.parametrize(
    ("algorithm", "high", "wide"),
    [
        ("winograd_2x2", 3, 3),
        ("winograd_2x2", 1, 3),
        ("winograd_2x2", 3, 1),
        ("winograd_4x4", 3, 3),
        ("winograd_4x4", 1, 3),
        ("winograd_4x4", 3, 1),
        ("winograd_parts", 5, 5),
        ("winograd_parts", 1, 5),
        ("winograd_parts", 5, 1),
    ],
)
def test_values_near_the_largest_give_what_the_definition_gives(dtype, algorithm, high, wide, isa):
    how = {"padding": (high // 2, wide // 2), "algorithm": algorithm}
    x = np.ones((2, 1, 9, 11), dtype)
    x[1] = HUGE[dtype]
    w = np.zeros((3, 1, high, wide), dtype)
    w[:, :, high // 2, wide // 2] = 1
    y = arrays.conv2d(x, w, **how)
    assert (y[1] == HUGE[dtype]).all()
    assert np.allclose(y[0], 1, rtol=0, atol=1e-4)
    back = arrays.conv2d_input(x.shape, w[:1], x, **how)
    assert (back[1] == HUGE[dtype]).all()
    g = np.zeros_like(x)
    g[:, :, 4, 5] = 1
    dw = arrays.conv2d_weight(x[1:], (1, 1, high, wide), g[1:], **how)
    assert (dw == HUGE[dtype]).all()


@pytest.mark.parametrize("dtype", HUGE)
def test_at_stride_2_sums_may_overflow_as_well(dtype, isa):
    how = {"stride": 2, "padding": 1, "algorithm": "winograd_2x2"}
    x = np.ones((2, 40, 8, 8), dtype)
    x[1, 0] = HUGE[dtype] * np.where(np.arange(8) // 2 % 2, -1, 1)
    w = np.zeros((40, 40, 3, 3), dtype)
    w[np.arange(40), np.arange(40)] = np.eye(3)[0][:, None] * np.eye(3)[1]
    y = arrays.conv2d(x, w, **how)
    assert np.array_equal(y, arrays.conv2d(x, w, stride=2, padding=1, algorithm="naive"))
    assert np.abs(y[1]).max() == HUGE[dtype]
    dy = np.ones((2, 40, 4, 4), dtype)
    dy[1, 0] = HUGE[dtype] * np.where(np.arange(4) % 2, -1, 1)
    dx = arrays.conv2d_input(x.shape, w, dy, **how)
    naive = how | {"algorithm": "naive"}
    assert np.array_equal(dx, arrays.conv2d_input(x.shape, w, dy, **naive))
    assert np.abs(dx[1]).max() == HUGE[dtype]


@pytest.mark.parametrize("dtype", HUGE)
def test_a_strided_gradient_by_parts_overflows_only_where_the_definition_does(dtype, isa):
    how = {"stride": 2, "padding": 1, "algorithm": "winograd_parts"}
    w = np.zeros((4, 4, 4, 4), dtype)
    w[np.arange(4), np.arange(4), 1, 1] = 1
    dy = np.ones((2, 4, 9, 7), dtype)
    dy[1, 0] = HUGE[dtype] * np.where(np.arange(7) % 2, -1, 1)
    dx = arrays.conv2d_input((2, 4, 18, 14), w, dy, **how)
    naive = how | {"algorithm": "naive"}
    assert np.array_equal(dx, arrays.conv2d_input((2, 4, 18, 14), w, dy, **naive))
    assert np.abs(dx[1]).max() == HUGE[dtype]
