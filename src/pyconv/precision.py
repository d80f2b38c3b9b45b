"""What float32 convolutions and products may lose to speed: a policy with torch's names.

=========  ==========================================================================
highest    no less accurate than a chain of float32 fused multiply-adds; the default
high       about 4e-6 of the largest result: Winograd F(4x4, 3x3), two bfloat16 a float32
medium     about 4e-3 of the largest result: bfloat16 products
=========  ==========================================================================

Sums are float32 at every level. float64 is never touched by the policy. Arrays of float16 and
bfloat16 are computed as float32 and rounded once, on the way out; products of bfloat16 are exact,
so that hardware that multiplies bfloat16 does so at every level.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias

from pyconv.environment import report

__all__ = [
    "Precision",
    "float32_precision",
    "get_float32_precision",
    "precision_code",
    "set_float32_precision",
]

Precision: TypeAlias = Literal["highest", "high", "medium"]
_LEVELS: tuple[Precision, ...] = ("highest", "high", "medium")
_CODES: dict[str, int] = {level: code for code, level in enumerate(_LEVELS)}
VARIABLE = "PYCONV_FLOAT32_PRECISION"


def _code(name: str, argument: str, value: object) -> int:
    if not isinstance(value, str):
        raise TypeError(f"{name}(): argument '{argument}': expected a str, got {value!r}")
    if value not in _CODES:
        raise ValueError(
            f"{name}(): argument '{argument}': expected 'highest', 'high' or 'medium', "
            f"got {value!r}"
        )
    return _CODES[value]


def _from_environment() -> int:
    value = os.environ.get(VARIABLE, "highest")
    if value not in _CODES:
        report(f"{VARIABLE}: expected highest, high or medium, got {value!r}; using highest")
    return _CODES.get(value, 0)


_process = _from_environment()
_context: ContextVar[int | None] = ContextVar("pyconv_float32_precision", default=None)


def precision_code(name: str, precision: str | None) -> int:
    """Return 0, 1 or 2 for a level; None stands for the policy in effect."""
    if precision is None:
        code = _context.get()
        return _process if code is None else code
    return _code(name, "precision", precision)


def set_float32_precision(precision: Precision) -> None:
    """Set what float32 operators of this process may lose to speed.

    Parameters
    ----------
    precision
        "highest" (the default), "high" or "medium".

    Raises
    ------
    TypeError, ValueError
        For anything else.
    """
    global _process
    _process = _code("set_float32_precision", "precision", precision)


def get_float32_precision() -> Precision:
    """Return the level in effect here: of the innermost context, else of the process."""
    return _LEVELS[precision_code("get_float32_precision", None)]


@contextmanager
def float32_precision(precision: Precision) -> Iterator[None]:
    """Run the body at a level of precision; other threads keep theirs.

    Raises
    ------
    TypeError, ValueError
        For anything but "highest", "high" or "medium".
    """
    token = _context.set(_code("float32_precision", "precision", precision))
    try:
        yield
    finally:
        _context.reset(token)
