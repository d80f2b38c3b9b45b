"""The operators in plain NumPy: what the kernels are checked against.

The functions have the names and the arguments of :mod:`pyconv.arrays`, less ``out`` and
``algorithm``. They are written to be read: float64 inside whatever the dtype of the arrays, one
formula each, no BLAS, nothing optimised, and no code shared with the kernels. The result has the
dtype of the first array, float64 if that holds integers.

Convolutions come in two formulations: windows and ``einsum`` here, and one loop over all products
in :mod:`pyconv.reference.loops`, for tiny shapes.
"""

from __future__ import annotations

from . import loops
from .conv import (
    conv1d,
    conv1d_bias,
    conv1d_input,
    conv1d_weight,
    conv2d,
    conv2d_bias,
    conv2d_input,
    conv2d_weight,
    conv3d,
    conv3d_bias,
    conv3d_input,
    conv3d_weight,
)
from .elementwise import (
    cross_entropy,
    cross_entropy_input,
    log_softmax,
    relu,
    relu_backward,
    relu_bias_backward,
    relu_bits_backward,
    relu_with_bits,
    softmax,
)
from .fused import conv2d_relu_max_pool2d
from .linear import linear, linear_bias, linear_input, linear_weight
from .pool import (
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    max_pool2d_with_offsets,
)

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "conv1d",
    "conv1d_bias",
    "conv1d_input",
    "conv1d_weight",
    "conv2d",
    "conv2d_bias",
    "conv2d_input",
    "conv2d_relu_max_pool2d",
    "conv2d_weight",
    "conv3d",
    "conv3d_bias",
    "conv3d_input",
    "conv3d_weight",
    "cross_entropy",
    "cross_entropy_input",
    "linear",
    "linear_bias",
    "linear_input",
    "linear_weight",
    "log_softmax",
    "loops",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool2d_with_offsets",
    "relu",
    "relu_backward",
    "relu_bias_backward",
    "relu_bits_backward",
    "relu_with_bits",
    "softmax",
]
