"""The functions of a convolutional network, under the names and defaults of torch.nn.functional.

NumPy arrays give NumPy arrays; a ``Tensor`` among the operands gives a ``Tensor`` with gradients.
The functions on plain arrays, and their explicit gradients, are in ``pyconv.arrays``.
"""

from pyconv.functional.activation import dropout, log_softmax, relu, softmax
from pyconv.functional.conv import conv1d, conv2d, conv3d
from pyconv.functional.dense import flatten, linear
from pyconv.functional.fused import conv2d_relu_max_pool2d
from pyconv.functional.loss import cross_entropy, mse_loss, nll_loss
from pyconv.functional.pooling import avg_pool2d, max_pool2d

__all__ = [
    "avg_pool2d",
    "conv1d",
    "conv2d",
    "conv2d_relu_max_pool2d",
    "conv3d",
    "cross_entropy",
    "dropout",
    "flatten",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "relu",
    "softmax",
]
