"""Writing into tensors in place."""

from __future__ import annotations

from pyconv.autograd import Array
from pyconv.tensor import Tensor

__all__ = ["writable"]


def writable(tensor: Tensor) -> Array:
    """Return the tensor's array for a write into it.

    A read-only array, such as that of a packed parameter, is first replaced by a copy: the write
    is seen by all who use the tensor, and its packed form is dropped.
    """
    if not tensor.data.flags.writeable:
        tensor.data = tensor.data.copy()
    return tensor.data
