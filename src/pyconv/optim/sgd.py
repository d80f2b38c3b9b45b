"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pyconv.autograd import Array
from pyconv.inplace import writable
from pyconv.optim.optimizer import Optimizer, check_number, in_blocks, uphill
from pyconv.shapes import value_error
from pyconv.tensor import Tensor

__all__ = ["SGD"]


class SGD(Optimizer):
    """p -= lr * v, where v is the gradient, or with momentum v = momentum * v + gradient.

    Parameters
    ----------
    params : iterable of Tensor, or of dicts with "params" and options
    lr : float
        Learning rate.
    momentum : float
        Share of the last step that is kept. The first step takes the whole gradient.
    dampening : float
        With momentum, the gradient counts 1 - dampening from the second step on.
    weight_decay : float
        weight_decay * p is added to the gradient.
    nesterov : bool
        Take the gradient one step ahead; needs momentum and no dampening.
    maximize : bool
        Climb instead of descending.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit; NaN, infinities and negative numbers do not.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def check_options(self, options: Mapping[str, Any]) -> None:
        for argument in ("lr", "momentum", "dampening", "weight_decay"):
            check_number("SGD", argument, options[argument])
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            given = f"momentum {options['momentum']} and dampening {options['dampening']}"
            raise value_error("SGD", "nesterov", "momentum above 0 and no dampening", given)

    def update(self, tensor: Tensor, gradient: Array, options: Mapping[str, Any]) -> None:
        arrays = [writable(tensor), gradient]
        first = False
        if options["momentum"]:
            held = self.state.setdefault(tensor, {})
            first = held.get("momentum_buffer") is None
            if first:
                held["momentum_buffer"] = np.zeros_like(gradient)
            arrays.append(held["momentum_buffer"])
        for part in in_blocks(*arrays):
            _update(*part, options=options, first=first)


def _update(
    data: Array,
    gradient: Array,
    buffer: Array | None = None,
    *,
    options: Mapping[str, Any],
    first: bool,
) -> None:
    gradient = uphill(data, gradient, options)
    if buffer is not None:
        momentum = options["momentum"]
        if first:
            buffer[...] = gradient
        else:
            buffer *= momentum
            buffer += (1.0 - options["dampening"]) * gradient
        gradient = gradient + momentum * buffer if options["nesterov"] else buffer
    data -= options["lr"] * gradient
