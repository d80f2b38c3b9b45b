"""Sequential."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, overload

from pyconv.nn.module import Module

__all__ = ["Sequential"]


class Sequential(Module):
    """Modules one after another.

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
        for module in self:
            input = module(input)
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
