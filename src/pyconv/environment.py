"""Environment variables that could not be obeyed: said once as a warning, and kept for `info`."""

from __future__ import annotations

import warnings

__all__ = ["ignored", "isa_problem", "report"]

_ignored: list[str] = []


def report(text: str) -> None:
    """Warn that a variable is not obeyed; :func:`ignored` has the text from then on."""
    _ignored.append(text)
    warnings.warn(text, RuntimeWarning, stacklevel=3)


def ignored() -> tuple[str, ...]:
    """Return what was reported in this process."""
    return tuple(_ignored)


def isa_problem(value: str, built: list[str], usable: list[str]) -> str | None:
    """Return why the kernels do not obey PYCONV_ISA=`value`, or None; empty is not set."""
    if not value or value in usable:
        return None
    if value in built:
        return f"PYCONV_ISA: this machine cannot run {value!r}; using {usable[0]}"
    return f"PYCONV_ISA: expected {', '.join(built)}, got {value!r}; using {usable[0]}"
