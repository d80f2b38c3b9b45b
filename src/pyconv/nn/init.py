"""Initial values, under torch.nn.init's names, drawn from ``pyconv.manual_seed``'s generator."""

from __future__ import annotations

import math

from pyconv import rng
from pyconv.inplace import writable
from pyconv.shapes import value_error
from pyconv.tensor import Tensor

__all__ = ["fan_in", "kaiming_uniform_", "uniform_"]


def fan_in(shape: tuple[int, ...]) -> int:
    """Number of inputs that feed one output of a weight (K, C/groups, *kernel) or (out, in)."""
    if len(shape) < 2:
        raise value_error("fan_in", "shape", "at least two dimensions", shape)
    return math.prod(shape[1:])


def uniform_(tensor: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Fill `tensor` in place with numbers drawn evenly from [low, high); returns it."""
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise value_error("uniform_", "high", "finite numbers, low <= high", f"{low} and {high}")
    values = rng.default_generator().uniform(low, high, tensor.shape)
    writable(tensor)[...] = values.astype(tensor.dtype)
    return tensor


def kaiming_uniform_(tensor: Tensor, a: float = 0.0) -> Tensor:
    """Fill a weight in place evenly within +-sqrt(6 / ((1 + a**2) * fan_in)); returns it.

    The bound keeps the variance through a leaky ReLU of negative slope `a` (He et al., 2015,
    "Delving deep into rectifiers"). Layers use a = sqrt(5), as torch's do: +-1 / sqrt(fan_in).
    """
    inputs = fan_in(tensor.shape)
    if inputs == 0:
        return tensor
    bound = math.sqrt(6.0 / ((1.0 + a * a) * inputs))
    return uniform_(tensor, -bound, bound)


def reset_layer(weight: Tensor, bias: Tensor | None) -> None:
    """The initial values of torch's convolution and linear layers."""
    kaiming_uniform_(weight, a=math.sqrt(5.0))
    if bias is not None:
        inputs = fan_in(weight.shape)
        bound = 1.0 / math.sqrt(inputs) if inputs else 0.0
        uniform_(bias, -bound, bound)
