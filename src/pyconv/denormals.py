"""Whether arithmetic inside kernels may replace subnormal numbers by zero."""

from __future__ import annotations

import os

import numpy as np

from pyconv import _core
from pyconv.environment import report

__all__ = ["get_flush_denormal", "set_flush_denormal"]

VARIABLE = "PYCONV_FLUSH_DENORMAL"
if os.environ.get(VARIABLE, "0") not in ("0", "1"):
    report(f"{VARIABLE}: expected 0 or 1, got {os.environ[VARIABLE]!r}; using 0")


def set_flush_denormal(mode: bool) -> bool:
    """Let kernels of this process take subnormal operands and results for zero, or not.

    Off at the start, as in torch, unless ``PYCONV_FLUSH_DENORMAL=1``. Activations that decay
    toward zero are subnormal below 1.2e-38 (float32) or 2.2e-308 (float64), and many processors
    multiply them a hundred times slower. Only pyconv's own arithmetic is concerned: kernels run in
    a floating-point state of their own, rounding to nearest and without traps, and put the
    caller's back, so that NumPy is never changed by this, nor pyconv by the state of its caller.

    Returns
    -------
    bool
        Whether this processor can; if not, nothing has changed.

    Raises
    ------
    TypeError
        If `mode` is not a bool.
    """
    if not isinstance(mode, (bool, np.bool_)):
        raise TypeError(f"set_flush_denormal(): argument 'mode': expected a bool, got {mode!r}")
    if not _core.can_flush_denormal():
        return False
    _core.set_flush_denormal(bool(mode))
    return True


def get_flush_denormal() -> bool:
    """Return whether kernels take subnormal numbers for zero."""
    return _core.flush_denormal()
