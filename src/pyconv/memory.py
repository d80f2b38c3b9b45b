"""What pyconv keeps of the memory of results that were dropped, to use it for later results."""

from __future__ import annotations

import operator
import os

from pyconv import _core
from pyconv.environment import report

__all__ = ["cached_bytes", "empty_cache", "get_cache_limit", "set_cache_limit"]

VARIABLE = "PYCONV_CACHE_MB"
#: More is no use, and bytes must fit a size_t.
_MAX_MB = 1 << 30


def cached_bytes() -> int:
    """Return how many bytes are kept now: memory of no array, ready for the next one."""
    return _core.cached_bytes()


def empty_cache() -> None:
    """Give what is kept back to the system; arrays are not touched."""
    limit = _core.cache_limit()
    _core.set_cache_limit(0)
    _core.set_cache_limit(limit)


def get_cache_limit() -> int:
    """Return how many bytes may be kept."""
    return _core.cache_limit()


def set_cache_limit(n: int) -> None:
    """Keep at most `n` bytes of the memory of dropped results, of 64 KiB and more each.

    At the start 256 MiB, a sixteenth of the machine's memory if that is less, or
    ``PYCONV_CACHE_MB``; 0 keeps nothing. Memory fresh from the system comes page by page, each
    zeroed at the first write: in a training step of a small network that can take as long as all
    of its arithmetic. Results are ordinary arrays that own their memory.

    Raises
    ------
    TypeError, ValueError
        If `n` is not an int of at least 0.
    """
    try:
        count = operator.index(n) if not isinstance(n, bool) else None
    except TypeError:
        count = None
    if count is None:
        raise TypeError(f"set_cache_limit(): argument 'n': expected an int, got {n!r}")
    if not 0 <= count <= _MAX_MB << 20:
        raise ValueError(
            f"set_cache_limit(): argument 'n': expected 0 to {_MAX_MB << 20} bytes, got {count}"
        )
    _core.set_cache_limit(count)


def _obey_environment() -> None:
    value = os.environ.get(VARIABLE, "")
    if not value:
        return
    # Python refuses to read numbers of thousands of digits.
    if value.isascii() and value.isdigit() and len(value) <= 20 and int(value) <= _MAX_MB:
        _core.set_cache_limit(int(value) << 20)
    else:
        report(f"{VARIABLE}: expected a whole number of MiB, got {value!r}; using the default")


_obey_environment()
