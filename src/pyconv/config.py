"""What pyconv runs on and how many threads it uses."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pyconv import _core
from pyconv.arrays.plans import clear
from pyconv.denormals import get_flush_denormal
from pyconv.environment import ignored, isa_problem, report
from pyconv.explanation import Explanation, explain
from pyconv.memory import get_cache_limit
from pyconv.precision import get_float32_precision

__all__ = [
    "Explanation",
    "algorithms",
    "config",
    "explain",
    "get_num_threads",
    "isa",
    "isas",
    "set_num_threads",
    "show_config",
    "use_isa",
]

ENVIRONMENT = (
    "PYCONV_ISA",
    "PYCONV_FLOAT32_PRECISION",
    "PYCONV_FLUSH_DENORMAL",
    "PYCONV_CACHE_MB",
    "PYCONV_NUM_THREADS",
    "OMP_NUM_THREADS",
)


def _check_environment() -> None:
    value = os.environ.get("PYCONV_ISA", "")
    problem = isa_problem(value, _core.build_info()["built_isas"], _core.usable_isas())
    if problem is not None:
        report(problem)


_check_environment()


def get_num_threads() -> int:
    """Return the number of threads that a call may use."""
    return _core.thread_count()


def set_num_threads(n: int) -> None:
    """Set the number of threads that a call may use; no result depends on it.

    Raises
    ------
    TypeError, ValueError
        If `n` is not an int between 1 and 4096.
    """
    if isinstance(n, (bool, np.bool_)):
        raise TypeError(f"set_num_threads(): argument 'n': expected an int, got {n!r}")
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(f"set_num_threads(): argument 'n': expected an int, got {n!r}") from None
    if not 1 <= count <= 4096:
        raise ValueError(f"set_num_threads(): argument 'n': expected 1 to 4096, got {count}")
    if count != _core.thread_count():
        _core.set_thread_count(count)
        clear()


def isas() -> tuple[str, ...]:
    """Return the instruction sets usable here, best first (``PYCONV_ISA`` caps them)."""
    return tuple(_core.usable_isas())


def isa() -> str:
    """Return the instruction set in use."""
    return _core.current_isa()


@contextmanager
def use_isa(name: str) -> Iterator[None]:
    """Run the body on another instruction set; process-wide, so not for concurrent use.

    Raises
    ------
    ValueError
        If `name` is not among :func:`isas`.
    """
    before = _core.current_isa()
    _core.set_isa(name)
    clear()
    try:
        yield
    finally:
        _core.set_isa(before)
        clear()


def algorithms(direction: str = "forward") -> tuple[str, ...]:
    """Return the names of convolution's algorithms for "forward", "input" or "weight", in order."""
    return tuple(_core.conv_algorithms(direction))


def config() -> dict[str, Any]:
    """Return the version, the processor, the instruction sets and the threads as a dict."""
    info = dict(_core.build_info())
    info.update(
        isa=isa(),
        isas=isas(),
        threads=get_num_threads(),
        float32_precision=get_float32_precision(),
        flush_denormal=get_flush_denormal(),
        cache_limit=get_cache_limit(),
        numpy=np.__version__,
        environment={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        ignored=ignored(),
    )
    return info


def show_config() -> None:
    """Print what :func:`config` returns."""
    for name, value in config().items():
        listed = isinstance(value, (list, tuple))
        text = (", ".join(map(str, value)) or "none") if listed else value
        print(f"{name:17} {text}")
