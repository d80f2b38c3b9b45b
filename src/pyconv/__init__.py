"""Fast convolution, pooling and ReLU for NumPy arrays, forward and backward.

``pyconv.functional`` has the operators under torch.nn.functional's names; ``pyconv.nn`` and
``pyconv.optim`` build and train networks on a small reverse-mode tape, ``pyconv.Tensor``;
``pyconv.arrays`` has the operators and their explicit gradients on plain arrays;
``pyconv.reference`` is the readable NumPy reference that judges them all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pyconv import arrays, config, grad
from pyconv.config import (
    Explanation,
    explain,
    get_num_threads,
    set_num_threads,
    show_config,
)
from pyconv.denormals import get_flush_denormal, set_flush_denormal
from pyconv.memory import cached_bytes, empty_cache, get_cache_limit, set_cache_limit
from pyconv.packed import PackedWeight
from pyconv.precision import float32_precision, get_float32_precision, set_float32_precision

if TYPE_CHECKING:
    from pyconv import functional, nn, optim, reference
    from pyconv.autograd import is_grad_enabled, no_grad
    from pyconv.rng import manual_seed
    from pyconv.serialization import load, save
    from pyconv.tensor import Tensor

# Loaded on first use: a user of the array functions pays for nothing else at import.
_LAZY = {
    "Tensor": "pyconv.tensor",
    "is_grad_enabled": "pyconv.autograd",
    "load": "pyconv.serialization",
    "manual_seed": "pyconv.rng",
    "no_grad": "pyconv.autograd",
    "save": "pyconv.serialization",
}
_LAZY_MODULES = frozenset({"functional", "nn", "optim", "reference", "cases", "cli"})

__all__ = [
    "Explanation",
    "PackedWeight",
    "Tensor",
    "arrays",
    "cached_bytes",
    "config",
    "empty_cache",
    "explain",
    "float32_precision",
    "functional",
    "get_cache_limit",
    "get_float32_precision",
    "get_flush_denormal",
    "get_num_threads",
    "grad",
    "is_grad_enabled",
    "load",
    "manual_seed",
    "nn",
    "no_grad",
    "optim",
    "reference",
    "save",
    "set_cache_limit",
    "set_float32_precision",
    "set_flush_denormal",
    "set_num_threads",
    "show_config",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY_MODULES:
        return import_module(f"pyconv.{name}")
    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    if name == "__version__":
        from pyconv import _core

        return _core.build_info()["version"]
    raise AttributeError(f"module 'pyconv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
