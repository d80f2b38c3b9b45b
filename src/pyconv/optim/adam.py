"""Adam."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pyconv.autograd import Array
from pyconv.inplace import writable
from pyconv.optim.optimizer import Optimizer, check_number, in_blocks, uphill
from pyconv.shapes import type_error
from pyconv.shapes.checks import described
from pyconv.tensor import Tensor

__all__ = ["Adam"]


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square.

    Kingma and Ba, "Adam: a method for stochastic optimization" (2015); amsgrad from Reddi, Kale and
    Kumar, "On the convergence of Adam and beyond" (2018).

    Parameters
    ----------
    params : iterable of Tensor, or of dicts with "params" and options
    lr : float
        Learning rate.
    betas : (float, float)
        Decay of the mean of the gradient and of its square, each in [0, 1).
    eps : float
        Added to the denominator.
    weight_decay : float
        weight_decay * p is added to the gradient.
    amsgrad : bool
        Divide by the largest mean square so far, not by the present one.
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
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )

    def check_options(self, options: Mapping[str, Any]) -> None:
        for argument in ("lr", "eps", "weight_decay"):
            check_number("Adam", argument, options[argument])
        betas = options["betas"]
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise type_error("Adam", "betas", "two numbers", described(betas))
        for position, beta in enumerate(betas):
            check_number("Adam", f"betas[{position}]", beta, below=1.0)

    def update(self, tensor: Tensor, gradient: Array, options: Mapping[str, Any]) -> None:
        held = self.state.get(tensor)
        if held is None:
            held = self.state[tensor] = {
                "step": 0,
                "exp_avg": np.zeros_like(gradient),
                "exp_avg_sq": np.zeros_like(gradient),
            }
        held["step"] += 1
        arrays = [writable(tensor), gradient, held["exp_avg"], held["exp_avg_sq"]]
        if options["amsgrad"]:
            arrays.append(held.setdefault("max_exp_avg_sq", np.zeros_like(gradient)))
        for part in in_blocks(*arrays):
            _update(*part, options=options, step=held["step"])


def _update(
    data: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    largest: Array | None = None,
    *,
    options: Mapping[str, Any],
    step: int,
) -> None:
    first, second = options["betas"]
    gradient = uphill(data, gradient, options)
    mean += (1.0 - first) * (gradient - mean)
    square *= second
    square += (1.0 - second) * (gradient * gradient)
    if largest is not None:
        square = np.maximum(largest, square, out=largest)
    denominator = np.sqrt(square)
    denominator /= math.sqrt(1.0 - second**step)
    denominator += options["eps"]
    rate = options["lr"] / (1.0 - first**step)
    data -= rate * (mean / denominator)
