"""Layers with parameters, under torch.nn's names, defaults, initial values and state-dict keys.

A layer takes arrays or tensors. Parameters are tensors, so a layer that has some gives a Tensor
(under ``pyconv.no_grad()`` one without history); a layer without parameters gives what it is given.
"""

from pyconv.nn import init
from pyconv.nn.activation import Dropout, Flatten, ReLU
from pyconv.nn.container import Sequential
from pyconv.nn.conv import Conv1d, Conv2d, Conv3d
from pyconv.nn.linear import Linear
from pyconv.nn.loss import CrossEntropyLoss, MSELoss
from pyconv.nn.module import LoadedKeys, Module, Parameter
from pyconv.nn.pooling import AvgPool2d, MaxPool2d

__all__ = [
    "AvgPool2d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Linear",
    "LoadedKeys",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "init",
]
