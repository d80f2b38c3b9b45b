"""Shapes of convolutions and of their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .checks import Shape, check_bytes, integer, integers, size, value_error
from .problems import ConvProblem, Pair, Triple

PADDING_WORDS = ("same", "valid", "full")
_SPATIAL = {1: "width", 2: "height, width", 3: "depth, height, width"}


def padding_pairs(
    name: str, padding: Any, spatial: Shape, kernel: Shape, stride: Shape, dilation: Shape
) -> tuple[Pair, ...]:
    """Return the (low, high) padding of each spatial dimension.

    `padding` is an int, a tuple of ints, a tuple of (low, high) pairs, ``"valid"`` (none),
    ``"full"`` (``dilation * (kernel - 1)`` on each side) or ``"same"``: as much as makes the output
    ``ceil(input / stride)`` long, the odd element at the end.
    """
    rank = len(spatial)
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * rank
        if padding == "full":
            return tuple((r, r) for r in reach)
        if padding == "same":
            needed = [
                max((-(-i // s) - 1) * s + r + 1 - i, 0)
                for i, s, r in zip(spatial, stride, reach, strict=True)
            ]
            return tuple((total // 2, total - total // 2) for total in needed)
        words = ", ".join(repr(word) for word in PADDING_WORDS)
        raise value_error(name, "padding", f"one of {words} or numbers", repr(padding))
    if isinstance(padding, (tuple, list)):
        if len(padding) != rank:
            raise value_error(name, "padding", _padding_expected(rank), repr(padding))
        return tuple(_padding_pair(name, entry, rank, padding) for entry in padding)
    both = integer(name, "padding", padding, 0, _padding_expected(rank))
    return ((both, both),) * rank


def _padding_expected(rank: int) -> str:
    words = ", ".join(repr(word) for word in PADDING_WORDS)
    return f"an int of at least 0, a tuple of {rank} ints or (low, high) pairs, or one of {words}"


def _padding_pair(name: str, entry: Any, rank: int, padding: Any) -> Pair:
    if isinstance(entry, (tuple, list)):
        if len(entry) != 2:
            raise value_error(name, "padding", _padding_expected(rank), repr(padding))
        low, high = (integer(name, "padding", value, 0) for value in entry)
        return low, high
    both = integer(name, "padding", entry, 0, _padding_expected(rank))
    return both, both


def _triple(values: Sequence[int], fill: int) -> Triple:
    a, b, c = (fill,) * (3 - len(values)) + tuple(values)
    return a, b, c


def _check_channels(
    name: str, channels: int, weight: Shape, groups: int, arguments: tuple[str, str]
) -> None:
    input_name, weight_name = arguments
    if weight[0] % groups:
        expected = f"a divisor of the {weight[0]} output channels of {weight_name} {weight}"
        raise value_error(name, "groups", expected, groups)
    if channels % groups:
        expected = f"a divisor of the {channels} channels of {input_name}"
        raise value_error(name, "groups", expected, groups)
    if weight[1] * groups != channels:
        per_group = "" if groups == 1 else f" = {weight[1]} for each of groups={groups}"
        expected = f"{weight[1] * groups} channels{per_group}, as in {weight_name} {weight}"
        raise value_error(name, input_name, expected, channels)


def _conv(
    name: str,
    rank: int,
    shapes: tuple[Any, Any],
    hyper: tuple[Any, Any, Any, Any],
    arguments: tuple[str, str],
) -> tuple[ConvProblem, bool]:
    """Check all of one convolution; `arguments` are the names by which the caller gave `shapes`."""
    input_name, weight_name = arguments
    names = _SPATIAL[rank]
    meaning = f"(N, C, {names}) or (C, {names})"
    shape = size(name, input_name, shapes[0], (rank + 1, rank + 2), meaning)
    meaning = f"(K, C / groups, kernel {names})"
    weight = size(name, weight_name, shapes[1], (rank + 2,), meaning)
    stride = integers(name, "stride", hyper[0], rank, 1)
    dilation = integers(name, "dilation", hyper[2], rank, 1)
    groups = integer(name, "groups", hyper[3], 1)
    unbatched = len(shape) == rank + 1
    n, c = (1, shape[0]) if unbatched else shape[:2]
    _check_channels(name, c, weight, groups, arguments)
    spatial, kernel = shape[-rank:], weight[2:]
    if min(kernel) < 1:
        raise value_error(name, weight_name, "kernel sizes of at least 1", f"shape {weight}")
    if min(spatial) < 1:
        raise value_error(name, input_name, "spatial sizes of at least 1", f"shape {shape}")
    pads = padding_pairs(name, hyper[1], spatial, kernel, stride, dilation)
    low, high = [p[0] for p in pads], [p[1] for p in pads]
    output = []
    for axis in range(rank):
        padded = spatial[axis] + low[axis] + high[axis]
        extent = dilation[axis] * (kernel[axis] - 1) + 1
        if extent > padded:
            raise value_error(
                name,
                input_name,
                f"at least {extent} elements along spatial axis {axis}, the reach of the kernel",
                f"{spatial[axis]} with padding {pads[axis]}: the output would be empty",
            )
        output.append((padded - extent) // stride[axis] + 1)
    check_bytes(name, "padding", (n, c, *(sum(t) for t in zip(spatial, low, high, strict=True))))
    check_bytes(name, "output", (n, weight[0], *output))
    problem = ConvProblem(
        n, c, weight[0], groups,
        _triple(spatial, 1), _triple(kernel, 1), _triple(stride, 1), _triple(dilation, 1),
        _triple(low, 0), _triple(high, 0), _triple(output, 1),
    )  # fmt: skip
    return problem, unbatched


def conv_problem(
    name: str,
    rank: int,
    input_shape: Any,
    weight_shape: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: Any = 1,
) -> tuple[ConvProblem, bool]:
    """Return the problem of a forward convolution and whether the input came unbatched.

    Parameters
    ----------
    name
        The function to name in messages.
    rank
        Number of spatial dimensions: 1, 2 or 3.
    input_shape
        (N, C, spatial...) or, unbatched, (C, spatial...).
    weight_shape
        (K, C / groups, kernel...).
    stride, padding, dilation, groups
        As in :func:`pyconv.arrays.conv2d`.

    Raises
    ------
    TypeError
        For hyper-parameters that are no integers.
    ValueError
        For ranks, channels, groups and sizes that do not fit, an empty spatial output, or sizes
        whose product passes 2**63 - 1 bytes.
    """
    hyper = (stride, padding, dilation, groups)
    return _conv(name, rank, (input_shape, weight_shape), hyper, ("input", "weight"))


def conv_input_problem(
    name: str,
    rank: int,
    input_size: Any,
    weight_shape: Any,
    grad_output_shape: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: Any = 1,
) -> tuple[ConvProblem, bool]:
    """Return the problem whose gradient with respect to the input is asked for.

    Raises as :func:`conv_problem` does, and ValueError if `grad_output_shape` is not the shape that
    the forward pass gives.
    """
    hyper = (stride, padding, dilation, groups)
    shapes = (input_size, weight_shape)
    problem, unbatched = _conv(name, rank, shapes, hyper, ("input_size", "weight"))
    _check_grad(name, grad_output_shape, out_shape(problem, unbatched, rank))
    return problem, unbatched


def conv_weight_problem(
    name: str,
    rank: int,
    input_shape: Any,
    weight_size: Any,
    grad_output_shape: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: Any = 1,
) -> tuple[ConvProblem, bool]:
    """Return the problem whose gradient with respect to the weight is asked for.

    Raises as :func:`conv_input_problem` does.
    """
    hyper = (stride, padding, dilation, groups)
    shapes = (input_shape, weight_size)
    problem, unbatched = _conv(name, rank, shapes, hyper, ("input", "weight_size"))
    _check_grad(name, grad_output_shape, out_shape(problem, unbatched, rank))
    return problem, unbatched


def out_shape(problem: ConvProblem, unbatched: bool, rank: int) -> Shape:
    """Return the shape of the output of a forward convolution."""
    tail = (problem.k, *problem.output[3 - rank :])
    return tail if unbatched else (problem.n, *tail)


def check_bias(name: str, bias_shape: Shape, output_channels: int) -> None:
    """Raise ValueError unless the bias has one element for each output channel."""
    if bias_shape != (output_channels,):
        expected = f"shape ({output_channels},), one element for each output channel"
        raise value_error(name, "bias", expected, f"shape {bias_shape}")


def check_output_rank(name: str, rank: int, grad_shape: Shape) -> None:
    """Raise ValueError unless a gradient is (N, K, spatial...) or (K, spatial...)."""
    if len(grad_shape) not in (rank + 1, rank + 2):
        expected = f"(N, K, {_SPATIAL[rank]}) or (K, {_SPATIAL[rank]})"
        raise value_error(name, "grad_output", expected, f"shape {grad_shape}")


def _check_grad(name: str, given: Shape, expected: Shape) -> None:
    if tuple(given) != expected:
        wanted = f"shape {expected}, that of the forward output"
        raise value_error(name, "grad_output", wanted, f"shape {tuple(given)}")
