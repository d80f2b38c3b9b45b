"""A network of one node as ONNX bytes, written directly in protocol buffer's wire format.

ONNX Runtime reads models but has no way to make one; the few messages that one node needs do not
justify a further package.  Field numbers are those of ``onnx.proto3`` in the ONNX specification;
the wire format is described at https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyconv.bench.tools import Array

FLOAT = 1  # TensorProto.DataType
INT, INTS = 2, 7  # AttributeProto.AttributeType
IR_VERSION, OPSET = 8, 17


def varint(value: int) -> bytes:
    """Encode a non-negative integer, seven bits to a byte, lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def field(number: int, value: int | str | bytes) -> bytes:
    """Encode one field: an integer, or text, bytes or an encoded message with its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def attribute(name: str, value: int | Iterable[int]) -> bytes:
    """Encode an AttributeProto that holds an integer or a list of them."""
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, INT)
    return field(1, name) + b"".join(field(8, item) for item in value) + field(20, INTS)


def value_info(name: str, shape: Sequence[int]) -> bytes:
    """Encode a ValueInfoProto: a float32 tensor of known shape."""
    dimensions = b"".join(field(1, field(1, size)) for size in shape)
    tensor = field(1, FLOAT) + field(2, dimensions)
    return field(1, name) + field(2, field(1, tensor))


def initializer(name: str, array: Array) -> bytes:
    """Encode a TensorProto with float32 data."""
    sizes = b"".join(field(1, size) for size in array.shape)
    data = array.astype("<f4", copy=False).tobytes()
    return sizes + field(2, FLOAT) + field(8, name) + field(9, data)


def one_node_model(
    operator: str,
    attributes: Mapping[str, Any],
    input_shape: Sequence[int],
    output_shape: Sequence[int],
    weight: Array | None,
) -> bytes:
    """Return a ModelProto that computes ``y = operator(x[, w])`` with ``w`` a constant."""
    names = ["x"] if weight is None else ["x", "w"]
    node = b"".join(field(1, name) for name in names) + field(2, "y") + field(4, operator)
    node += b"".join(field(5, attribute(key, value)) for key, value in attributes.items())
    graph = field(1, node) + field(2, operator)
    if weight is not None:
        graph += field(5, initializer("w", weight))
    graph += field(11, value_info("x", input_shape)) + field(12, value_info("y", output_shape))
    opset = field(1, "") + field(2, OPSET)
    return field(1, IR_VERSION) + field(7, graph) + field(8, opset)
