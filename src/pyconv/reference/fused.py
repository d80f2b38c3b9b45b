"""Convolution, ReLU and maximum pooling, one after the other."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from .common import Array
from .conv import conv2d
from .elementwise import relu
from .pool import max_pool2d


def conv2d_relu_max_pool2d(
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    kernel_size: Any = 2,
    pool_stride: Any = None,
    pool_padding: Any = 0,
    ceil_mode: bool = False,
) -> Array:
    """Return ``max_pool2d(relu(conv2d(...)))``."""
    made = relu(conv2d(input, weight, bias, stride, padding, dilation, groups))
    pooled: Array = max_pool2d(made, kernel_size, pool_stride, pool_padding, 1, ceil_mode)
    return pooled
