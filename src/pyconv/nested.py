"""Nested state as named arrays and a text that tells how they hang together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pyconv.autograd import Array
from pyconv.shapes import type_error
from pyconv.shapes.checks import described
from pyconv.tensor import Tensor

__all__ = ["TREE", "from_arrays", "to_arrays"]

#: Name of the entry that holds the text.
TREE = "pyconv.tree"


def to_arrays(state: Mapping[Any, Any]) -> dict[str, Array]:
    """Return the arrays of `state` under dotted names, and the JSON text of the rest as TREE.

    Mappings have strings and ints as keys; beside arrays there may be lists, tuples, strings,
    Python numbers, bools and None.
    """
    arrays: dict[str, Array] = {}

    def node(path: str, value: Any) -> dict[str, Any]:
        if isinstance(value, Mapping):
            return {"dict": [[_key(key), node(f"{path}.{key}", value[key])] for key in value]}
        if isinstance(value, (list, tuple)):
            kind = "list" if isinstance(value, list) else "tuple"
            return {kind: [node(f"{path}.{i}", entry) for i, entry in enumerate(value)]}
        if value is None or isinstance(value, (bool, int, float, str)):
            return {"value": value.item() if isinstance(value, np.generic) else value}
        array: Array = value.data if isinstance(value, Tensor) else np.asarray(value)
        if array.dtype.name == "bfloat16":  # no NumPy file holds it, float32 holds its numbers
            array = array.astype(np.float32)
        if array.dtype.kind not in "biufc":
            given = f"{type(value).__name__} under {path[1:]!r}"
            raise type_error("save", "state_dict", "arrays, numbers and texts", given)
        name = path[1:]
        while name in arrays or name == TREE:  # "a.b" beside {"a": {"b": ...}}
            name += "_"
        arrays[name] = array
        return {"array": name}

    text = json.dumps(node("", state))
    return {**arrays, TREE: np.array(text)}


def _key(key: Any) -> str | int:
    if type(key) is not str and type(key) is not int:
        raise type_error("save", "state_dict", "strings or ints as keys", described(key))
    return key


def from_arrays(arrays: Mapping[str, Array]) -> dict[Any, Any]:
    """Return what :func:`to_arrays` was given; anything may be raised for what it did not make."""

    def value(node: dict[str, Any]) -> Any:
        [(kind, held)] = node.items()
        if kind == "dict":
            return {key: value(entry) for key, entry in held}
        if kind in ("list", "tuple"):
            entries = [value(entry) for entry in held]
            return entries if kind == "list" else tuple(entries)
        if kind == "array":
            return arrays[held]
        if kind == "value":
            return held
        raise ValueError(kind)

    state: dict[Any, Any] = value(json.loads(str(arrays[TREE])))
    return state
