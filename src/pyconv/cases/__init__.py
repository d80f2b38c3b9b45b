"""The table of shapes that tests, benchmarks and the command line share.

A :class:`Case` names a function of :mod:`pyconv.arrays` (and of :mod:`pyconv.reference`), the
shapes of its operands and its further arguments. Tags:

``smoke``
    A dozen small shapes that touch every path once.
``edge``
    Small shapes at the borders: one pixel, padding wider than the kernel, strides wider than the
    kernel, dilation, channel counts around lane widths and tile sizes, groups, empty arrays.
``net``
    Layers of known networks.
``perf``
    The layers that speed is judged on, with the names of the table of measured peers.
``tiny``
    Calls that take as long as a call takes.
"""

from __future__ import annotations

from .case import Case
from .conv_edges import EDGE, SMOKE
from .networks import CONV_NET, CONV_PERF, POOL_PERF, RELU_PERF
from .pooling import POOL_EDGE, POOL_NET, POOL_SMOKE
from .suites import CONV_SUITES, CONV_TINY, POOL_SUITES, POOL_TINY, RELU_TINY

__all__ = ["Case", "conv", "find", "pool", "relu"]

_CONV = (*SMOKE, *EDGE, *CONV_NET, *CONV_PERF, *CONV_SUITES, *CONV_TINY)
_POOL = (*POOL_SMOKE, *POOL_EDGE, *POOL_NET, *POOL_PERF, *POOL_SUITES, *POOL_TINY)
_RELU = (*RELU_PERF, *RELU_TINY)


def _select(cases: tuple[Case, ...], tags: tuple[str, ...]) -> tuple[Case, ...]:
    return tuple(case for case in cases if not tags or case.tags.intersection(tags))


def conv(*tags: str) -> tuple[Case, ...]:
    """Return the convolution cases that have any of `tags`, or all of them if none is given."""
    return _select(_CONV, tags)


def pool(*tags: str) -> tuple[Case, ...]:
    """Return the pooling cases that have any of `tags`, or all of them if none is given."""
    return _select(_POOL, tags)


def relu(*tags: str) -> tuple[Case, ...]:
    """Return the ReLU cases that have any of `tags`, or all of them if none is given."""
    return _select(_RELU, tags)


def find(name: str) -> Case:
    """Return the case called `name`.

    Raises
    ------
    ValueError
        If there is none.
    """
    for case in (*_CONV, *_POOL, *_RELU):
        if case.name == name:
            return case
    raise ValueError(f"find(): argument 'name': expected the name of a case, got {name!r}")
