"""Sequential."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, overload

from pyconv import functional
from pyconv.autograd import is_grad_enabled
from pyconv.nn.activation import ReLU
from pyconv.nn.conv import Conv2d
from pyconv.nn.module import Module
from pyconv.nn.pooling import MaxPool2d
from pyconv.tensor import Tensor

__all__ = ["Sequential"]


class Sequential(Module):
    """Modules one after another.

    Where no gradient is recorded, a ``Conv2d`` that a ``ReLU`` and a ``MaxPool2d`` follow runs with
    them as one call, ``functional.conv2d_relu_max_pool2d``: the result is the same.

    Parameters
    ----------
    *modules : Module, or one mapping of str to Module
        Children are named "0", "1", ..., or by the keys of the mapping.

    Raises
    ------
    TypeError
        If something given is not a Module.
    ValueError
        If a key of the mapping cannot be a name.

    Examples
    --------
    >>> from pyconv import nn
    >>> nn.Sequential(nn.Linear(4, 2), nn.ReLU())
    Sequential(
      (0): Linear(in_features=4, out_features=2, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            for child in modules:
                self.append(child)

    def append(self, module: Any) -> Sequential:
        """Add a module at the end, named by its position; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def forward(self, input: Any) -> Any:
        modules = list(self)
        at = 0
        while at < len(modules):
            if not is_grad_enabled() and _fuses(*modules[at : at + 3]):
                input = _fused(modules[at], modules[at + 2], input)
                at += 3
            else:
                input = modules[at](input)
                at += 1
        return input

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Sequential: ...

    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return type(self)(dict(list(self.named_children())[index]))
        return list(self.children())[index]


def _fuses(*modules: Module) -> bool:
    """Whether these are a convolution, a ReLU and a maximum pooling that can be one call."""
    # Exactly these classes: what a subclass computes is its own affair.
    if [type(module) for module in modules] != [Conv2d, ReLU, MaxPool2d]:
        return False
    pool: Any = modules[2]
    return pool.dilation in (1, (1, 1)) and not pool.return_indices


def _fused(conv: Any, pool: Any, input: Any) -> Tensor:
    result = functional.conv2d_relu_max_pool2d(
        input, conv._usable_weight(), conv.bias, conv.stride, conv.padding, conv.dilation,
        conv.groups, kernel_size=pool.kernel_size, pool_stride=pool.stride,
        pool_padding=pool.padding, ceil_mode=pool.ceil_mode,
    )  # fmt: skip
    return result if isinstance(result, Tensor) else Tensor(result)
