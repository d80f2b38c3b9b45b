"""What the optimisers share: parameter groups, state, and the checks of both."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pyconv.autograd import Array
from pyconv.dtypes import NAMES, computed_as, is_float
from pyconv.shapes import type_error, value_error
from pyconv.shapes.checks import described
from pyconv.tensor import Tensor

__all__ = ["Optimizer", "check_number", "in_blocks", "uphill"]

_BLOCK = 1 << 16


def check_number(
    name: str, argument: str, value: Any, low: float = 0.0, below: float = math.inf
) -> None:
    """Raise unless `value` is a number in [low, below); NaN and infinity never are."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise type_error(name, argument, "a number", described(value))
    if not (math.isfinite(value) and low <= value < below):
        upper = "" if math.isinf(below) else f" and below {below:g}"
        expected = f"a finite number of at least {low:g}{upper}"
        raise value_error(name, argument, expected, value)


def in_blocks(*arrays: Array) -> Iterator[Sequence[Array]]:
    """Yield the same part of each of some arrays of one shape, over and over, until all is seen.

    Parts are small enough to stay in a cache while an update passes over them several times, which
    makes a step on 16 million numbers twice as fast. Arrays that are not in rows come whole.
    """
    size = arrays[0].size
    if size <= _BLOCK or not all(array.flags.c_contiguous for array in arrays):
        yield arrays
        return
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, size, _BLOCK):
        yield [array[start : start + _BLOCK] for array in flat]


def uphill(data: Array, gradient: Array, options: Mapping[str, Any]) -> Array:
    """Where a step leads away from: the gradient with "maximize" and "weight_decay" applied."""
    if options["maximize"]:
        gradient = np.negative(gradient)
    if options["weight_decay"]:
        gradient = gradient + options["weight_decay"] * data
    return gradient


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
            expected = "an iterable of parameters or of dicts"
            raise type_error(name, "params", expected, type(params).__name__)
        self.defaults = dict(defaults)
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self.check_options(self.defaults)
        entries = list(params)
        if not entries:
            raise value_error(name, "params", "at least one parameter", "none")
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
            raise type_error(name, "params", "a dict with 'params'", described(group))
        unknown = [key for key in group if key not in self.defaults and key != "params"]
        if unknown:
            raise value_error(name, "params", f"options {sorted(self.defaults)}", unknown)
        members = group["params"]
        tensors = [members] if isinstance(members, Tensor) else list(members)
        taken = {id(tensor) for other in self.param_groups for tensor in other["params"]}
        for position, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor) or not is_float(tensor.dtype):
                given = f"{_kind(tensor)} at position {position}"
                raise type_error(name, "params", f"Tensors of {NAMES}", given)
            if not tensor.is_leaf:
                given = f"the result of an operation at position {position}"
                raise value_error(name, "params", "leaves", given)
            if id(tensor) in taken:
                given = f"a second time the one at position {position}, of shape {tensor.shape}"
                raise value_error(name, "params", "each parameter once", given)
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
                    # What is kept of parameters of 16 bits, and what is computed, is float32.
                    wide = gradient.astype(computed_as(gradient.dtype), copy=False)
                    self.update(tensor, wide, group)

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

        Arrays are copied and converted to the dtypes of sums. On an error nothing has changed.

        Raises
        ------
        ValueError
            If groups, numbers of parameters, shapes or options do not fit.
        """
        groups = list(state_dict["param_groups"])
        sizes = [len(group["params"]) for group in groups]
        own = [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            expected = f"groups of {own} parameters"
            raise value_error("load_state_dict", "state_dict", expected, f"groups of {sizes}")
        options = [{key: group[key] for key in self.defaults if key in group} for group in groups]
        for group, new in zip(self.param_groups, options, strict=True):
            self.check_options({**group, **new})
        order = [number for group in groups for number in group["params"]]
        by_number = dict(zip(order, self._tensors(), strict=True))
        state: dict[Tensor, dict[str, Any]] = {}
        for number, held in state_dict["state"].items():
            if number not in by_number:
                expected = f"state of parameters {sorted(by_number)}"
                raise value_error("load_state_dict", "state_dict", expected, number)
            tensor = by_number[number]
            state[tensor] = {key: _like(tensor, key, value) for key, value in held.items()}
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


def _like(tensor: Tensor, key: str, value: Any) -> Any:
    """A copy of one entry of the state: the step count, or an array in the dtype of sums."""
    if key == "step":  # torch keeps it in a tensor
        return int(value)
    if value is None:  # torch's momentum_buffer where there is no momentum
        return None
    array = np.asarray(value).astype(computed_as(tensor.dtype))
    if array.shape != tensor.shape:
        expected = f"{key} of shape {tensor.shape}"
        raise value_error("load_state_dict", "state_dict", expected, f"shape {array.shape}")
    return array
