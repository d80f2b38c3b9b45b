"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pyconv.config

Array = npt.NDArray[Any]

#: As floating point numbers these bytes are NaN: what is read from them shows in the result.
_CANARY = 0xFF
_MARGIN = 1024
_ALIGNMENT = 64


class Guard:
    """Places arrays between canaries and tells whether anybody wrote there."""

    def __init__(self) -> None:
        self._buffers: list[tuple[npt.NDArray[np.uint8], int, int]] = []

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike, offset: int = 0) -> Array:
        """Return an array of NaN that starts `offset` bytes after a 64-byte border."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        buffer = np.full(size + 2 * _MARGIN + _ALIGNMENT, _CANARY, dtype=np.uint8)
        start = _MARGIN + offset + -(buffer.ctypes.data + _MARGIN) % _ALIGNMENT
        self._buffers.append((buffer, start, start + size))
        return buffer[start : start + size].view(dtype).reshape(shape)

    def place(self, array: Array, offset: int = 0) -> Array:
        """Return a read-only copy of `array` between canaries."""
        copy = self.empty(array.shape, array.dtype, offset)
        copy[...] = array
        copy.flags.writeable = False
        return copy

    def check(self) -> None:
        """Assert that all canaries live."""
        for buffer, start, end in self._buffers:
            assert (buffer[:start] == _CANARY).all(), "something wrote before an array"
            assert (buffer[end:] == _CANARY).all(), "something wrote behind an array"


@pytest.fixture
def guard() -> Iterator[Guard]:
    """Guarded memory, checked at the end of the test as well."""
    guarded = Guard()
    yield guarded
    guarded.check()


@pytest.fixture(params=pyconv.config.isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set of this machine in turn, forced."""
    with pyconv.config.use_isa(request.param):
        assert pyconv.config.isa() == request.param
        yield request.param


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that starts the same in every test."""
    return np.random.default_rng(20240229)
