"""Arrays between canaries."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

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
