"""Winograd's sums of pixels may overflow where no result does."""

import numpy as np
import pytest

from pyconv import arrays, config

HUGE = {np.float32: np.float32(3e38), np.float64: np.float64(1.7e308)}


@pytest.mark.parametrize("dtype", HUGE)
@pytest.mark.parametrize(
    ("algorithm", "side"), [("winograd_2x2", 3), ("winograd_4x4", 3), ("winograd_parts", 5)]
)
def test_values_near_the_largest_give_what_the_definition_gives(dtype, algorithm, side, isa):
    padding = side // 2
    x = np.ones((2, 1, 9, 11), dtype)
    x[1] = HUGE[dtype]
    w = np.zeros((3, 1, side, side), dtype)
    w[:, :, padding, padding] = 1
    y = arrays.conv2d(x, w, padding=padding, algorithm=algorithm)
    assert (y[1] == HUGE[dtype]).all()
    assert np.allclose(y[0], 1, rtol=0, atol=1e-4)
    back = arrays.conv2d_input(x.shape, w[:1], x, padding=padding, algorithm=algorithm)
    assert (back[1] == HUGE[dtype]).all()
    if algorithm not in config.algorithms("weight"):
        return
    g = np.zeros_like(x)
    g[:, :, 4, 5] = 1
    dw = arrays.conv2d_weight(x[1:], (1, 1, side, side), g[1:], padding=padding, algorithm=algorithm)
    assert (dw == HUGE[dtype]).all()
