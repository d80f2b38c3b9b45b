"""What the optimisers share: parameter groups, state, and the checks of both."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pyconv.autograd import Array
from pyconv.tensor import Tensor

__all__ = ["Optimizer", "check_number"]


def check_number(
    name: str, argument: str, value: Any, low: float = 0.0, below: float = math.inf
) -> None:
    """Raise unless `value` is a number in [low, below); NaN and infinity never are."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name}: {argument} is {value!r}, expected a number")
    if not (math.isfinite(value) and low <= value < below):
        upper = "" if math.isinf(below) else f" and below {below:g}"
        raise ValueError(
            f"{name}: {argument} is {value}, expected a finite number of at least {low:g}{upper}"
        )


class Optimizer:
    """Base class: parameters in groups, each group with its own options.

    Parameters
    ----------
    params : iterable of Tensor, or of mappings with "params" and options
        The parameters, such as ``model.parameters()``.
    defaults : mapping
        Options of groups that do not set their own.

    Attributes
    ----------
    param_groups : list of dict
        "params" and the options; a changed option counts from the next step on, so a learning-rate
        schedule writes ``group["lr"]``.
    state : dict
        What the optimiser keeps for each parameter.

    Raises
    ------
    TypeError
        If something given is not a Tensor or cannot carry a gradient.
    ValueError
        If there are no parameters, one comes twice, one is no leaf, or an option is out of range.
    """

    def __init__(self, params: Iterable[Any], defaults: Mapping[str, Any]) -> None:
        name = type(self).__name__
        if isinstance(params, (Tensor, np.ndarray, Mapping)) or not isinstance(params, Iterable):
            raise TypeError(
                f"{name}: params is {type(params).__name__}, expected an iterable of parameters "
                "or of dicts"
            )
        self.defaults = dict(defaults)
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self.check_options(self.defaults)
        entries = list(params)
        if not entries:
            raise ValueError(f"{name}: params is empty, expected at least one parameter")
        groups = entries if isinstance(entries[0], Mapping) else [{"params": entries}]
        for group in groups:
            self.add_param_group(group)

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Raise if an option is out of range; subclasses say which options there are."""
        raise NotImplementedError

    def update(self, tensor: Tensor, gradient: Array, options: Mapping[str, Any]) -> None:
        """Update one parameter in place."""
        raise NotImplementedError

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own: ``{"params": [...], "lr": 0.01}``."""
        name = type(self).__name__
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(f"{name}: param group is {group!r}, expected a dict with 'params'")
        unknown = [key for key in group if key not in self.defaults and key != "params"]
        if unknown:
            raise ValueError(
                f"{name}: param group has unknown options {unknown}, expected some of "
                f"{sorted(self.defaults)}"
            )
        members = group["params"]
        tensors = [members] if isinstance(members, Tensor) else list(members)
        taken = {id(tensor) for other in self.param_groups for tensor in other["params"]}
        for position, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor) or tensor.dtype not in (np.float32, np.float64):
                raise TypeError(
                    f"{name}: parameter {position} is {_kind(tensor)}, expected a Tensor of "
                    "float32 or float64"
                )
            if not tensor.is_leaf:
                raise ValueError(f"{name}: parameter {position} is the result of an operation")
            if id(tensor) in taken:
                raise ValueError(f"{name}: parameter {position} of shape {tensor.shape} is twice")
            taken.add(id(tensor))
        full = {**self.defaults, **group, "params": tensors}
        self.check_options(full)
        self.param_groups.append(full)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for group in self.param_groups:
            for tensor in group["params"]:
                tensor.zero_grad()

    def step(self) -> None:
        """Update every parameter that has a gradient, in place."""
        for group in self.param_groups:
            for tensor in group["params"]:
                gradient = tensor.grad
                if gradient is not None:
                    self.update(tensor, gradient, group)

    def _tensors(self) -> list[Tensor]:
        return [tensor for group in self.param_groups for tensor in group["params"]]

    def state_dict(self) -> dict[str, Any]:
        """Options and state in torch's form: parameters are numbered through the groups.

        Arrays are copies.
        """
        numbers = {id(tensor): number for number, tensor in enumerate(self._tensors())}
        groups = [
            {**group, "params": [numbers[id(tensor)] for tensor in group["params"]]}
            for group in self.param_groups
        ]
        state = {numbers[id(tensor)]: copy.deepcopy(held) for tensor, held in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take options and state from ``state_dict()`` of an optimiser over like parameters.

        Arrays are copied and converted to the parameters' dtypes. On an error nothing has changed.

        Raises
        ------
        ValueError
            If groups, numbers of parameters, shapes or options do not fit.
        """
        name = type(self).__name__
        groups = list(state_dict["param_groups"])
        sizes = [len(group["params"]) for group in groups]
        own = [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            raise ValueError(
                f"{name}.load_state_dict: groups of {sizes} parameters, expected {own}"
            )
        options = [{key: group[key] for key in self.defaults if key in group} for group in groups]
        for group, new in zip(self.param_groups, options, strict=True):
            self.check_options({**group, **new})
        order = [number for group in groups for number in group["params"]]
        by_number = dict(zip(order, self._tensors(), strict=True))
        state: dict[Tensor, dict[str, Any]] = {}
        for number, held in state_dict["state"].items():
            if number not in by_number:
                raise ValueError(f"{name}.load_state_dict: state of unknown parameter {number}")
            tensor = by_number[number]
            state[tensor] = {key: _like(name, tensor, key, value) for key, value in held.items()}
        for group, new in zip(self.param_groups, options, strict=True):
            group.update(new)
        self.state = state

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {group[key]}" for key in sorted(self.defaults)]
        return "\n".join([*lines, ")"])


def _kind(value: Any) -> str:
    return f"Tensor of {value.dtype}" if isinstance(value, Tensor) else type(value).__name__


def _like(name: str, tensor: Tensor, key: str, value: Any) -> Any:
    """A copy of one entry of the state, in the parameter's dtype if it is one of its arrays."""
    if value is None or isinstance(value, (int, float)):
        return value
    array = np.asarray(value)
    if array.ndim == 0:  # a step count that another library keeps in an array
        return array.item()
    if array.shape != tensor.shape:
        raise ValueError(
            f"{name}.load_state_dict: {key} has shape {array.shape}, expected {tensor.shape}"
        )
    return array.astype(tensor.dtype)
