"""Bad input: the right exception, a message that helps, and arrays left as they were."""

from __future__ import annotations

import contextlib
import re
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from guarded import Guard
from pyconv import arrays

Array = npt.NDArray[Any]
NAN, INFINITY = float("nan"), float("inf")


class Bad(NamedTuple):
    """A call that must fail: what differs from a good one, and which argument is to blame."""

    changes: dict[str, Any]
    error: type[Exception] | tuple[type[Exception], ...]
    argument: str


def _zeros(*shape: int, dtype: Any = np.float32) -> Array:
    return np.zeros(shape, dtype)


#: A good call of every function.
GOOD: dict[str, dict[str, Any]] = {
    "conv2d": {
        "input": _zeros(2, 4, 6, 7), "weight": _zeros(6, 2, 3, 3), "bias": _zeros(6),
        "padding": 1, "groups": 2,
    },
    "conv2d_relu_max_pool2d": {
        "input": _zeros(2, 4, 6, 7), "weight": _zeros(6, 2, 3, 3), "bias": _zeros(6),
        "padding": 1, "groups": 2, "kernel_size": 3, "pool_padding": 1,
    },
    "conv2d_input": {
        "input_size": (2, 4, 6, 7), "weight": _zeros(6, 2, 3, 3),
        "grad_output": _zeros(2, 6, 6, 7), "padding": 1, "groups": 2,
    },
    "conv2d_weight": {
        "input": _zeros(2, 4, 6, 7), "weight_size": (6, 2, 3, 3),
        "grad_output": _zeros(2, 6, 6, 7), "padding": 1, "groups": 2,
    },
    "conv2d_bias": {"grad_output": _zeros(2, 6, 6, 7)},
    "conv1d": {"input": _zeros(2, 4, 7), "weight": _zeros(6, 4, 3)},
    "conv3d": {"input": _zeros(2, 4, 5, 6, 7), "weight": _zeros(6, 4, 3, 3, 3)},
    "max_pool2d": {"input": _zeros(2, 3, 8, 8), "kernel_size": 3, "padding": 1},
    "max_pool2d_with_offsets": {"input": _zeros(2, 3, 8, 8), "kernel_size": 3, "padding": 1},
    "max_pool2d_backward": {
        "grad_output": _zeros(2, 3, 4, 4), "offsets": _zeros(2, 3, 4, 4, dtype=np.uint8),
        "input_size": (2, 3, 8, 8), "kernel_size": 2,
    },
    "avg_pool2d": {"input": _zeros(2, 3, 8, 8), "kernel_size": 3, "padding": 1},
    "avg_pool2d_backward": {
        "grad_output": _zeros(2, 3, 4, 4), "input_size": (2, 3, 8, 8), "kernel_size": 2,
    },
    "relu": {"input": _zeros(2, 3, 5)},
    "relu_backward": {"grad_output": _zeros(2, 3, 5), "output": _zeros(2, 3, 5)},
    "relu_with_bits": {"input": _zeros(2, 3, 5)},
    "relu_bias_backward": {"grad_output": _zeros(2, 3, 5), "output": _zeros(2, 3, 5)},
    "relu_bits_backward": {
        "grad_output": _zeros(2, 3, 5), "bits": _zeros(4, dtype=np.uint8),
    },
    "linear": {"input": _zeros(4, 5), "weight": _zeros(3, 5), "bias": _zeros(3)},
    "linear_input": {"weight": _zeros(3, 5), "grad_output": _zeros(4, 3)},
    "linear_weight": {"input": _zeros(4, 5), "grad_output": _zeros(4, 3)},
    "linear_bias": {"grad_output": _zeros(4, 3)},
}  # fmt: skip

_NO_NUMBERS: tuple[Any, ...] = (1.5, NAN, INFINITY, "2", True, 1j, [1.0, 1.0], np.float32(1))
_COUNTS = (
    *(({"stride": v}, ValueError, "stride") for v in (0, -1, (1, 0), (1, 1, 1), (), 2**31, 2**70)),
    *(({"stride": v}, TypeError, "stride") for v in (*_NO_NUMBERS, (1, NAN), (1, None))),
)
_DILATIONS = (
    *(({"dilation": v}, ValueError, "dilation") for v in (0, -2, (0, 1), (1,), 2**31, 2**70)),
    *(({"dilation": v}, TypeError, "dilation") for v in (*_NO_NUMBERS, None)),
)
_CONV_PADDINGS: tuple[Any, ...] = (
    -1, (0, -1), ((0, -1), (0, 0)), (1, 1, 1), ((1, 1, 1), (0, 0)), (), "sames", "", 2**31, 2**70,
)  # fmt: skip
_CONV = (
    *_COUNTS,
    ({"stride": None}, TypeError, "stride"),
    *_DILATIONS,
    *(({"padding": v}, ValueError, "padding") for v in _CONV_PADDINGS),
    *(({"padding": v}, TypeError, "padding") for v in (1.5, NAN, None, True, ((0, NAN), (0, 0)))),
    *(({"groups": v}, ValueError, "groups") for v in (0, -1, 3, 4, 5, 2**70)),
    *(({"groups": v}, TypeError, "groups") for v in (2.0, NAN, "2", None, True, (2,))),
    ({"groups": 1}, ValueError, "input(_size)?"),
    ({"padding": 0, "dilation": 3}, ValueError, "input(_size)?"),
)
_GRADS = tuple(
    ({"grad_output": _zeros(*shape)}, ValueError, "grad_output")
    for shape in ((2, 6, 6, 8), (2, 6, 6), (1, 6, 6, 7), (2, 5, 6, 7), (6, 6, 7), ())
)
_CONV_INPUTS = tuple(
    ({"input": _zeros(*shape)}, ValueError, "input")
    for shape in ((6, 7), (1, 2, 4, 6, 7), (), (2, 5, 6, 7), (2, 4, 0, 7), (4, 6, 0))
)
_WEIGHTS = tuple(
    ({"weight": _zeros(*shape)}, ValueError, argument)
    for shape, argument in (
        ((6, 2, 3), "weight"), ((6, 2, 3, 3, 1), "weight"), ((), "weight"),
        ((6, 2, 0, 3), "weight"), ((6, 3, 3, 3), "input(_size)?"), ((5, 2, 3, 3), "groups"),
    )
)  # fmt: skip
_POOL = (
    *_COUNTS,
    *(({"kernel_size": v}, ValueError, "kernel_size") for v in (0, -1, (2, 0), (2, 2, 2), 2**31)),
    *(({"kernel_size": v}, TypeError, "kernel_size") for v in (*_NO_NUMBERS, None)),
    *(({"padding": v}, ValueError, "padding") for v in (-1, 2, (0, 2), (1, 1, 1), 2**31)),
    *(({"padding": v}, TypeError, "padding") for v in (NAN, 0.5, "same", None, ((0, 0), (0, 0)))),
    *(({"ceil_mode": v}, TypeError, "ceil_mode") for v in (NAN, "yes", None)),
    ({"kernel_size": 11, "padding": 1}, ValueError, "input"),
    *(
        ({"input": _zeros(*s)}, ValueError, "input")
        for s in ((8, 8), (1, 1, 1, 8, 8), (1, 3, 0, 8))
    ),
)
_POOL_SIZES: tuple[Any, ...] = ((8, 8), (2, 3, 8, 0), (2, 3, -8, 8), (1, 3, 2**31, 2**31))
_POOL_BACK = (
    *(({"input_size": v}, ValueError, "input_size|input") for v in _POOL_SIZES),
    *(({"input_size": v}, TypeError, "input_size|input") for v in (None, 8, (2, 3, 8.0, 8))),
    *(
        ({"grad_output": _zeros(*s)}, ValueError, "grad_output")
        for s in ((2, 3, 4, 5), (3, 4, 4), (2, 3, 4), ())
    ),
)
_AVERAGE = (
    *(({"count_include_pad": v}, TypeError, "count_include_pad") for v in (NAN, "no", None)),
    ({"divisor_override": 0}, ValueError, "divisor_override"),
    *(({"divisor_override": v}, TypeError, "divisor_override") for v in (NAN, 2.0, "4", True)),
)
_BACK_OFFSETS = (
    ({"offsets": _zeros(2, 3, 4, 5, dtype=np.uint8)}, ValueError, "offsets"),
    ({"offsets": _zeros(2, 3, 4, 4)}, TypeError, "offsets"),
)
_SIZES: tuple[Any, ...] = ((4, 6), (2, 5, 6, 7), (2, 4, -6, 7), (2, 4, 0, 7), (1, 4, 2**31, 2**31))
BAD: dict[str, tuple[Any, ...]] = {
    "conv2d": (
        *_CONV, *_CONV_INPUTS, *_WEIGHTS,
        *(({"bias": _zeros(*s)}, ValueError, "bias") for s in ((5,), (1,), (6, 1), ())),
        ({"padding": 2**31 - 1}, ValueError, "padding|output"),
    ),
    "conv2d_relu_max_pool2d": (
        *_CONV, *_CONV_INPUTS, *_WEIGHTS,
        *(({"bias": _zeros(*s)}, ValueError, "bias") for s in ((5,), (1,), (6, 1), ())),
        ({"pool_padding": 2}, ValueError, "padding"),
        ({"kernel_size": 0}, ValueError, "kernel_size"),
        ({"pool_stride": 1.5}, TypeError, "stride"),
        ({"ceil_mode": 1}, TypeError, "ceil_mode"),
    ),
    "conv2d_input": (
        *_CONV, *_WEIGHTS, *_GRADS,
        *(({"input_size": v}, ValueError, "input_size") for v in _SIZES),
        *(({"input_size": v}, TypeError, "input_size") for v in (None, 7, (2, 4, 6.0, 7), "2467")),
    ),
    "conv2d_weight": (
        *_CONV, *_CONV_INPUTS, *_GRADS,
        ({"weight_size": (6, 2, 3)}, ValueError, "weight_size"),
        ({"weight_size": (6, 2, 0, 3)}, ValueError, "weight_size"),
        ({"weight_size": (6, 2, -3, 3)}, ValueError, "weight_size"),
        ({"weight_size": (6, 3, 3, 3)}, ValueError, "input"),
        *(({"weight_size": v}, TypeError, "weight_size") for v in (None, 3, (6, 2, NAN, 3))),
    ),
    "conv2d_bias": tuple(
        ({"grad_output": _zeros(*s)}, ValueError, "grad_output")
        for s in ((), (3,), (1, 1, 1, 1, 1))
    ),
    "conv1d": (
        ({"input": _zeros(2, 4, 7, 7)}, ValueError, "input"),
        ({"weight": _zeros(6, 4, 3, 3)}, ValueError, "weight"),
        ({"stride": (1, 1)}, ValueError, "stride"),
    ),
    "conv3d": (
        ({"input": _zeros(4, 6, 7)}, ValueError, "input"),
        ({"padding": (1, 1)}, ValueError, "padding"),
    ),
    "max_pool2d": (*_POOL, *_DILATIONS, ({"return_indices": NAN}, TypeError, "return_indices")),
    "max_pool2d_with_offsets": (*_POOL, *_DILATIONS),
    "max_pool2d_backward": (*_POOL_BACK, *_BACK_OFFSETS),
    "avg_pool2d": (*_POOL, *_AVERAGE),
    "avg_pool2d_backward": (*_POOL_BACK, *_AVERAGE),
    "relu_backward": (({"output": _zeros(2, 3, 6)}, ValueError, "output"),),
    "relu_bias_backward": (
        ({"output": _zeros(2, 3, 6)}, ValueError, "output"),
        ({"grad_output": _zeros(5), "output": _zeros(5)}, ValueError, "grad_output"),
    ),
    "relu_bits_backward": (({"bits": _zeros(5, dtype=np.uint8)}, ValueError, "bits"),),
    "linear": (
        *(({"input": _zeros(*s)}, ValueError, "input") for s in ((4, 6), (5, 4), ())),
        *(({"weight": _zeros(*s)}, ValueError, "weight") for s in ((5,), (1, 3, 5), ())),
        *(({"bias": _zeros(*s)}, ValueError, "bias") for s in ((4,), (1, 3), ())),
    ),
    "linear_input": (({"grad_output": _zeros(4, 5)}, ValueError, "grad_output"),),
    "linear_weight": (({"grad_output": _zeros(5, 3)}, ValueError, "grad_output"),),
}  # fmt: skip


def _call(function: str, changes: dict[str, Any]) -> Any:
    return getattr(arrays, function)(**{**GOOD[function], **changes})


def _refused(function: str, bad: Bad) -> str:
    """Make the call, and return the message of the exception after the checks that all need."""
    given = {**GOOD[function], **bad.changes}
    held = {key: value.copy() for key, value in given.items() if isinstance(value, np.ndarray)}
    with pytest.raises(bad.error) as caught:
        _call(function, bad.changes)
    message = str(caught.value)
    assert re.search(rf"\b{function}\b", message), message
    assert re.search(rf"\b({bad.argument})\b", message), message
    assert re.search(r"\bexpected\b", message), message
    assert re.search(r"\bgot\b", message), message
    for key, value in held.items():
        np.testing.assert_array_equal(given[key], value)
    return message


def _named(function: str, bad: Bad) -> str:
    shown = ",".join(
        f"{key}={value.shape if isinstance(value, np.ndarray) else value}"
        for key, value in bad.changes.items()
    )
    return f"{function}({shown})"


_CALLS = [(function, Bad(*bad)) for function, several in BAD.items() for bad in several]


@pytest.mark.parametrize("function", GOOD)
def test_the_good_calls_are_good(function: str) -> None:
    _call(function, {})


@pytest.mark.parametrize(
    ("function", "bad"), _CALLS, ids=[_named(function, bad) for function, bad in _CALLS]
)
def test_bad_shapes_and_values(function: str, bad: Bad) -> None:
    _refused(function, bad)


@pytest.mark.parametrize("exponent", [20, 29])
@pytest.mark.parametrize(
    ("function", "argument"),
    [("conv2d", "input"), ("max_pool2d", "input"), ("avg_pool2d", "input"), ("relu", "input"),
     ("conv2d_bias", "grad_output"), ("conv2d_weight", "input")],
)  # fmt: skip
def test_views_that_no_memory_can_hold(function: str, argument: str, exponent: int) -> None:
    """One number seen as 2**42 or 2**60: refused before a copy is begun."""
    huge = np.broadcast_to(np.float32(0), (1, 4, 2**exponent, 2**exponent))
    expected = rf"{function}\(\): argument '{argument}': expected .*fits in memory.* bytes$"
    with pytest.raises(ValueError, match=expected):
        _call(function, {argument: huge})


_DTYPES: tuple[Any, ...] = (
    np.int32, np.int64, np.uint8, np.bool_, np.longdouble, np.complex64, np.complex128, object,
    np.dtype("f4").newbyteorder(), np.dtype("f8").newbyteorder(), "U3", "datetime64[s]",
)  # fmt: skip
_OPERANDS = [
    (function, argument)
    for function, good in GOOD.items()
    for argument, value in good.items()
    if isinstance(value, np.ndarray) and argument not in ("offsets", "bits")
]


@pytest.mark.parametrize(("function", "argument"), _OPERANDS)
@pytest.mark.parametrize("dtype", _DTYPES, ids=str)
def test_dtypes_that_are_not_taken(function: str, argument: str, dtype: Any) -> None:
    wrong = GOOD[function][argument].astype(dtype)
    message = _refused(function, Bad({argument: wrong}, TypeError, argument))
    assert re.search("float32|float64", message)
    assert (".real" if np.dtype(dtype).kind == "c" else "astype") in message


@pytest.mark.parametrize(("function", "argument"), _OPERANDS)
def test_float32_and_float64_do_not_mix(function: str, argument: str) -> None:
    good = GOOD[function]
    if sum(isinstance(value, np.ndarray) for value in good.values()) == 1:
        pytest.skip("one array cannot be mixed")
    if function in ("max_pool2d_backward", "relu_bits_backward"):
        pytest.skip("offsets and bits have no floating dtype")
    wrong = good[argument].astype(np.float64)
    message = _refused(function, Bad({argument: wrong}, TypeError, r"\w+"))
    assert "float32" in message
    assert "float64" in message


@pytest.mark.parametrize(("function", "argument"), _OPERANDS)
@pytest.mark.parametrize("value", ["text", 3, {"a": 1}, None], ids=str)
def test_things_that_are_no_arrays(function: str, argument: str, value: Any) -> None:
    if argument == "bias" and value is None:
        pytest.skip("a bias may be left out")
    _refused(function, Bad({argument: value}, TypeError, argument))


@pytest.mark.parametrize("function", ["conv2d", "conv2d_input", "conv2d_weight"])
def test_unknown_algorithms(function: str) -> None:
    with pytest.raises(
        ValueError,
        match=rf"{function}.*argument 'algorithm': expected.*implicit_gemm.*got 'nonsense'",
    ):
        _call(function, {"algorithm": "nonsense"})
    for wrong in (3, b"naive", NAN):
        with pytest.raises(TypeError, match=rf"{function}.*algorithm.*expected.*got"):
            _call(function, {"algorithm": wrong})


_WITHOUT_OUT = ("_bias", "_bias_backward", "_with_offsets", "_with_bits")
_WITH_OUT = [name for name in GOOD if not name.endswith(_WITHOUT_OUT)]
_WITH_OUT = [name for name in _WITH_OUT if not name.startswith("linear_")]


@pytest.mark.parametrize("function", _WITH_OUT)
def test_bad_out(function: str) -> None:
    result = _call(function, {})
    shape = result.shape
    frozen = np.zeros(shape, np.float32)
    frozen.flags.writeable = False
    wide = np.zeros((*shape[:-1], 2 * shape[-1]), np.float32)
    unaligned = np.zeros(result.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(shape)
    refused = [
        (np.zeros((*shape, 1), np.float32), ValueError),
        (np.zeros((*shape[:-1], shape[-1] + 1), np.float32), ValueError),
        (np.zeros(shape[1:], np.float32), ValueError),
        (np.zeros(shape, np.float64), TypeError),
        (np.zeros(shape, np.int32), TypeError),
        (np.zeros(shape, np.dtype("f4").newbyteorder()), TypeError),
        (frozen, ValueError),
        (unaligned, ValueError),
        (wide[..., ::2], ValueError),
        (wide[..., ::-1][..., : shape[-1]], ValueError),
        ("text", TypeError),
        ([0.0], TypeError),
    ]
    for out, error in refused:
        _refused(function, Bad({"out": out}, error, "out"))
    out = np.full(shape, 7, np.float32)
    assert _call(function, {"out": out}) is out
    np.testing.assert_array_equal(out, result)


@pytest.mark.parametrize("function", _WITH_OUT)
def test_out_that_overlaps_an_operand(function: str) -> None:
    """The result may not share memory with what it is computed from."""
    shape = _call(function, {}).shape
    needed = int(np.prod(shape))
    for argument, value in GOOD[function].items():
        if not isinstance(value, np.ndarray) or value.dtype != np.float32:
            continue
        memory = np.zeros(value.size + needed, np.float32)
        operand = memory[: value.size].reshape(value.shape)
        for start in (1, value.size - 1):
            out = memory[start : start + needed].reshape(shape)
            _refused(function, Bad({argument: operand, "out": out}, ValueError, "out"))
        beside = memory[value.size :].reshape(shape)
        assert _call(function, {argument: operand, "out": beside}) is beside


@pytest.mark.parametrize(
    ("kernel", "value"), [(3, 0), (3, 9), (3, 255), (17, -1), (17, 289), (17, 2**31 - 1)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_offsets_that_lie_outside_do_no_harm(
    kernel: int, value: int, dtype: Any, isa: str, guard: Guard
) -> None:
    """Offsets are data: whatever they hold, nothing outside of the result is written."""
    hyper = (kernel, 2, kernel // 2)
    g = guard.place(np.ones((1, 2, 4, 4), dtype))
    offsets = guard.place(np.full(g.shape, value, np.uint8 if kernel == 3 else np.int32))
    out = guard.empty((1, 2, 8, 8), dtype)
    with contextlib.suppress(ValueError):
        arrays.max_pool2d_backward(g, offsets, out.shape, *hyper, out=out)
    guard.check()
