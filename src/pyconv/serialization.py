"""``pyconv.save`` and ``pyconv.load``: named arrays in an .npz file, without pickle.

The file is the one that ``numpy.savez`` writes and ``numpy.load`` reads. It is written here entry
by entry because ``numpy.savez`` cannot hold an entry named "file".
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from pyconv.autograd import Array
from pyconv.nested import TREE, from_arrays, to_arrays
from pyconv.shapes import type_error, value_error
from pyconv.shapes.checks import described
from pyconv.tensor import Tensor

__all__ = ["load", "save"]


def save(state_dict: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the state of a model or an optimiser, or a mapping of several, to an .npz file.

    The file appears under its name when it is complete; until then it is `path` with ".part"
    behind it.

    Parameters
    ----------
    state_dict : mapping of str to array_like or Tensor, or to mappings
        Named arrays of numbers or booleans. If any value is a mapping, all may be nested: mappings
        with strings or ints as keys, lists, tuples, strings, Python numbers, bools and None; then
        ``load`` gives back the same nesting. A checkpoint is
        ``{"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}``.
    path : path-like
        Taken as it is; the usual ending is ".npz".

    Raises
    ------
    TypeError
        If a key is not a string or a value is not an array of numbers.
    ValueError
        If a key is "pyconv.tree", which the file keeps for itself.
    """
    if not isinstance(state_dict, Mapping):
        raise type_error("save", "state_dict", "a mapping", described(state_dict))
    if any(isinstance(value, Mapping) for value in state_dict.values()):
        arrays = to_arrays(state_dict)
    else:
        arrays = {
            _checked_key(key): _checked_array(key, value) for key, value in state_dict.items()
        }
    partial = os.fspath(path) + ".part"
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for key, array in arrays.items():
                with archive.open(key + ".npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def _checked_key(key: Any) -> str:
    if not isinstance(key, str):
        raise type_error("save", "state_dict", "strings as keys", described(key))
    if key == TREE:
        raise value_error("save", "state_dict", "another key", repr(key))
    return key


def _checked_array(key: str, value: Any) -> Array:
    array: Array = value.data if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.name == "bfloat16":  # no NumPy file can hold it, but float32 holds its numbers
        array = array.astype(np.float32)
    if array.dtype.kind not in "biufc":
        given = f"{type(value).__name__} of dtype {array.dtype} under {key!r}"
        raise type_error("save", "state_dict", "arrays of numbers", given)
    return array


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read an .npz file into a dictionary of arrays; pickled objects are refused.

    What was saved nested comes back nested.

    Parameters
    ----------
    path : path-like
        A file written by ``pyconv.save`` or ``numpy.savez``.

    Returns
    -------
    dict of str to ndarray, or nested as it was saved
        In the order of the file; ``load_state_dict`` of modules and optimisers takes it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not an .npz file, or holds pickled objects.
    """
    if not zipfile.is_zipfile(path):
        with open(path, "rb"):  # a missing file is a FileNotFoundError, not a bad one
            raise value_error("load", "path", "an .npz file", repr(os.fspath(path)))
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    if TREE not in arrays:
        return arrays
    try:
        return from_arrays(arrays)
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        expected = f"a file whose {TREE} was written by pyconv.save"
        raise value_error("load", "path", expected, repr(os.fspath(path))) from error
