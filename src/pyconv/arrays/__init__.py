"""Every operator and its explicit gradients on plain NumPy arrays.

No tensors and no tape: adapters and other projects build on this module.
"""

from pyconv.arrays.conv import (
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
from pyconv.arrays.elementwise import (
    relu,
    relu_backward,
    relu_bias_backward,
    relu_bits_backward,
    relu_with_bits,
)
from pyconv.arrays.fused import conv2d_relu_max_pool2d
from pyconv.arrays.linear import linear, linear_bias, linear_input, linear_weight
from pyconv.arrays.pool import (
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
    "linear",
    "linear_bias",
    "linear_input",
    "linear_weight",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool2d_with_offsets",
    "relu",
    "relu_backward",
    "relu_bias_backward",
    "relu_bits_backward",
    "relu_with_bits",
]
