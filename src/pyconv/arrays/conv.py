"""Convolution and its gradients on plain arrays, for one, two and three spatial dimensions."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyconv import _core, shapes
from pyconv.arrays.check import output, prepare
from pyconv.arrays.plans import hyper_key, keep, lookup, plan_for
from pyconv.packed import PackedWeight
from pyconv.precision import Precision, precision_code

__all__ = [
    "conv1d", "conv1d_bias", "conv1d_input", "conv1d_weight",
    "conv2d", "conv2d_bias", "conv2d_input", "conv2d_weight",
    "conv3d", "conv3d_bias", "conv3d_input", "conv3d_weight",
]  # fmt: skip

Array: TypeAlias = "npt.NDArray[Any]"
Weight: TypeAlias = "npt.NDArray[Any] | PackedWeight"
Size: TypeAlias = "int | tuple[int, ...]"
Choice: TypeAlias = "tuple[str | None, Precision | None]"  # algorithm, precision
_Entry: TypeAlias = "tuple[_core.ConvPlan, tuple[int, ...], int]"
Padding: TypeAlias = "str | int | tuple[int, ...] | tuple[tuple[int, int], ...]"


def _weight(name: str, weight: Weight, dtype: np.dtype[Any]) -> tuple[Any, tuple[int, ...]]:
    """Return what the kernels take for the weight, and its shape."""
    if type(weight) is PackedWeight:
        if weight.dtype != dtype:
            raise TypeError(
                f"{name}(): argument 'weight': expected dtype {dtype} as the other operand has, "
                f"got a PackedWeight of {weight.dtype}; convert one of them with .astype()"
            )
        return weight._native, weight.shape
    prepared = prepare(name, "weight", weight, dtype)
    return prepared, prepared.shape


def _overlap(weight: Any) -> tuple[Array, ...]:
    return (weight,) if isinstance(weight, np.ndarray) else ()


def _planned(
    make: Any, name: str, direction: str, dtype: np.dtype[Any], choice: Choice, packed: bool,
    sizes: tuple[Any, ...], hyper: tuple[Any, Any, Any, Any],
) -> _Entry:  # fmt: skip
    """Return the plan, the shape of the forward output and the number of output channels."""
    algorithm, precision = choice
    code = precision_code(name, precision)
    stride, padding, dilation, groups = hyper
    # Of equal numbers not all are welcome: True and 1.0 are not.
    plain = type(groups) is int and (algorithm is None or type(algorithm) is str)
    if plain and type(stride) is int and type(padding) is int and type(dilation) is int:
        parts: tuple[Any, ...] = hyper
    else:
        parts = (hyper_key(stride), hyper_key(padding), hyper_key(dilation), groups)
        if not plain or None in parts:
            return _new_plan(make, name, direction, dtype, algorithm, code, packed, sizes, hyper)
    key = (name, direction, dtype.char, algorithm, code, packed, sizes, parts)
    entry: _Entry | None = lookup(key)
    if entry is None:
        entry = _new_plan(make, name, direction, dtype, algorithm, code, packed, sizes, hyper)
        keep(key, entry)
    return entry


def _new_plan(
    make: Any, name: str, direction: str, dtype: np.dtype[Any], algorithm: str | None,
    code: int, packed: bool, sizes: tuple[Any, ...], hyper: tuple[Any, Any, Any, Any],
) -> _Entry:  # fmt: skip
    rank = int(name[4])
    problem, unbatched = make(name, rank, *sizes, *hyper)
    plan = plan_for(name, direction, problem, dtype, algorithm, code, packed)
    return plan, shapes.out_shape(problem, unbatched, rank), problem.k


def _forward(
    name: str, input: Array, weight: Weight, bias: Array | None, hyper: tuple[Any, Any, Any, Any],
    relu: bool, out: Array | None, choice: Choice,
) -> Array:  # fmt: skip
    x = prepare(name, "input", input)
    w, shape = _weight(name, weight, x.dtype)
    plan, out_shape, k = _planned(
        shapes.conv_problem,
        name,
        "forward",
        x.dtype,
        choice,
        type(weight) is PackedWeight,
        (x.shape, shape),
        hyper,
    )
    if bias is not None:
        bias = prepare(name, "bias", bias, x.dtype)
        if bias.shape != (k,):
            shapes.check_bias(name, bias.shape, k)
    if type(relu) is not bool:
        relu = shapes.flag(name, "relu", relu)
    if out is None:
        result = _core.empty(out_shape, x.dtype)
    else:
        inputs = (x, *_overlap(w)) if bias is None else (x, *_overlap(w), bias)
        result = output(name, out, out_shape, x.dtype, *inputs)
    _core.conv_forward(plan, x, w, bias, result, relu)
    return result


def _input(
    name: str, input_size: Any, weight: Weight, grad_output: Array,
    hyper: tuple[Any, Any, Any, Any], out: Array | None, choice: Choice,
) -> Array:  # fmt: skip
    g = prepare(name, "grad_output", grad_output)
    w, shape = _weight(name, weight, g.dtype)
    rank = int(name[4])
    size = shapes.size(name, "input_size", input_size, (rank + 1, rank + 2), "an input shape")
    plan, _, _ = _planned(
        shapes.conv_input_problem, name, "input", g.dtype, choice,
        type(weight) is PackedWeight, (size, shape, g.shape), hyper,
    )  # fmt: skip
    if out is None:
        result = _core.empty(size, g.dtype)
    else:
        result = output(name, out, size, g.dtype, g, *_overlap(w))
    _core.conv_input(plan, g, w, result)
    return result


def _weight_gradient(
    name: str, input: Array, weight_size: Any, grad_output: Array,
    hyper: tuple[Any, Any, Any, Any], out: Array | None, choice: Choice,
) -> Array:  # fmt: skip
    x = prepare(name, "input", input)
    g = prepare(name, "grad_output", grad_output, x.dtype)
    size = shapes.size(name, "weight_size", weight_size, (int(name[4]) + 2,), "a weight shape")
    plan, _, _ = _planned(
        shapes.conv_weight_problem, name, "weight", x.dtype, choice, False,
        (x.shape, size, g.shape), hyper,
    )  # fmt: skip
    result = _core.empty(size, x.dtype) if out is None else output(name, out, size, x.dtype, x, g)
    _core.conv_weight(plan, x, g, result)
    return result


def _bias(name: str, grad_output: Array) -> Array:
    g = prepare(name, "grad_output", grad_output)
    rank = int(name[4])
    if g.ndim not in (rank + 1, rank + 2):
        expected = f"{rank + 1} or {rank + 2} dimensions: ([N,] K, spatial...)"
        raise shapes.value_error(name, "grad_output", expected, f"shape {g.shape}")
    images = 1 if g.ndim == rank + 1 else g.shape[0]
    channels = g.shape[-rank - 1]
    result = _core.empty((channels,), g.dtype)
    _core.bias_gradient(g, result, images, channels, math.prod(g.shape[-rank:]))
    return result


def conv1d(
    input: Array, weight: Weight, bias: Array | None = None, stride: Size = 1,
    padding: Padding = 0, dilation: Size = 1, groups: int = 1, *, relu: bool = False,
    out: Array | None = None, algorithm: str | None = None,
    precision: Precision | None = None,
) -> Array:  # fmt: skip
    """Correlate ([N,] C, L) with filters (K, C / groups, k); see :func:`conv2d`."""
    hyper = (stride, padding, dilation, groups)
    return _forward("conv1d", input, weight, bias, hyper, relu, out, (algorithm, precision))


def conv1d_input(
    input_size: Any, weight: Weight, grad_output: Array, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: int = 1, *, out: Array | None = None,
    algorithm: str | None = None, precision: Precision | None = None,
) -> Array:  # fmt: skip
    """Return the gradient of :func:`conv1d` for its input; see :func:`conv2d_input`."""
    hyper = (stride, padding, dilation, groups)
    return _input(
        "conv1d_input", input_size, weight, grad_output, hyper, out, (algorithm, precision)
    )


def conv1d_weight(
    input: Array, weight_size: Any, grad_output: Array, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: int = 1, *, out: Array | None = None,
    algorithm: str | None = None, precision: Precision | None = None,
) -> Array:  # fmt: skip
    """Return the gradient of :func:`conv1d` for its weight; see :func:`conv2d_weight`."""
    hyper = (stride, padding, dilation, groups)
    return _weight_gradient(
        "conv1d_weight", input, weight_size, grad_output, hyper, out, (algorithm, precision)
    )


def conv1d_bias(grad_output: Array) -> Array:
    """Return the gradient of :func:`conv1d` for its bias: (K,)."""
    return _bias("conv1d_bias", grad_output)


def conv2d(
    input: Array, weight: Weight, bias: Array | None = None, stride: Size = 1,
    padding: Padding = 0, dilation: Size = 1, groups: int = 1, *, relu: bool = False,
    out: Array | None = None, algorithm: str | None = None,
    precision: Precision | None = None,
) -> Array:  # fmt: skip
    """Correlate images with a bank of filters, as torch.nn.functional.conv2d does.

    Parameters
    ----------
    input
        (N, C, H, W), or unbatched (C, H, W); float32, float64, float16 or bfloat16 (see
        :mod:`pyconv.precision`), any strides.
    weight
        (K, C / groups, kH, kW) of the same dtype, or a :class:`pyconv.PackedWeight`.
    bias
        (K,), or None.
    stride, dilation
        One int, or one for each spatial dimension; in pixels.
    padding
        Zeros around the image: an int, one for each dimension, (low, high) pairs, ``"valid"``
        (none), ``"same"`` (output = ceil(input / stride)) or ``"full"`` (every overlap).
    groups
        Number of groups that channels and filters are cut into.
    relu
        Clamp the result at zero in the same pass; NaN stays NaN.
    out
        Array for the result: its shape and dtype, C-contiguous, sharing no memory with an operand.
    algorithm
        Name of the algorithm to force, whatever its precision; see :func:`pyconv.explain`.
    precision
        "highest", "high" or "medium": what a float32 result may lose to speed, instead of the
        policy of :func:`pyconv.set_float32_precision`.

    Returns
    -------
    (N, K, oH, oW), or (K, oH, oW) for unbatched input; o = (size + padding - dilation * (k - 1)
    - 1) // stride + 1. The same bits for any number of threads and any batch around an image.

    Raises
    ------
    TypeError
        For anything but arrays of floats of one dtype, and hyper-parameters of a wrong
        kind.
    ValueError
        For shapes that do not fit, an empty spatial output, a bad `out`, and an `algorithm` that
        is unknown or refuses.

    Notes
    -----
    Implicit GEMM: Chetlur et al., "cuDNN: Efficient primitives for deep learning" (2014); the
    blocking follows Goto and van de Geijn (2008) and Van Zee and van de Geijn, BLIS (2015).
    """
    hyper = (stride, padding, dilation, groups)
    return _forward("conv2d", input, weight, bias, hyper, relu, out, (algorithm, precision))


def conv2d_input(
    input_size: Any, weight: Weight, grad_output: Array, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: int = 1, *, out: Array | None = None,
    algorithm: str | None = None, precision: Precision | None = None,
) -> Array:  # fmt: skip
    """Return the gradient of :func:`conv2d` for its input; also its transposed convolution.

    Parameters
    ----------
    input_size
        Shape of the input, ([N,] C, H, W).
    weight
        (K, C / groups, kH, kW), or a :class:`pyconv.PackedWeight`.
    grad_output
        Gradient of the output, of exactly the shape that the forward pass gives.
    stride, padding, dilation, groups, out, algorithm, precision
        As in :func:`conv2d`.

    Returns
    -------
    An array of shape `input_size`.

    Raises
    ------
    TypeError, ValueError
        As :func:`conv2d`, and ValueError if the shape of `grad_output` does not follow.
    """
    hyper = (stride, padding, dilation, groups)
    return _input(
        "conv2d_input", input_size, weight, grad_output, hyper, out, (algorithm, precision)
    )


def conv2d_weight(
    input: Array, weight_size: Any, grad_output: Array, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: int = 1, *, out: Array | None = None,
    algorithm: str | None = None, precision: Precision | None = None,
) -> Array:  # fmt: skip
    """Return the gradient of :func:`conv2d` for its weight, summed over the batch.

    Parameters
    ----------
    input
        ([N,] C, H, W), floats of 16, 32 or 64 bits.
    weight_size
        Shape of the weight, (K, C / groups, kH, kW).
    grad_output
        Gradient of the output, of exactly the shape that the forward pass gives.
    stride, padding, dilation, groups, out, algorithm, precision
        As in :func:`conv2d`.

    Returns
    -------
    An array of shape `weight_size`; zeros for an empty batch.

    Raises
    ------
    TypeError, ValueError
        As :func:`conv2d`, and ValueError if the shape of `grad_output` does not follow.
    """
    hyper = (stride, padding, dilation, groups)
    return _weight_gradient(
        "conv2d_weight", input, weight_size, grad_output, hyper, out, (algorithm, precision)
    )


def conv2d_bias(grad_output: Array) -> Array:
    """Return the gradient of :func:`conv2d` for its bias.

    Parameters
    ----------
    grad_output
        Gradient of the output, ([N,] K, oH, oW), floats of 16, 32 or 64 bits.

    Returns
    -------
    (K,): the sum over batch and pixels.

    Raises
    ------
    TypeError, ValueError
        For a wrong dtype or number of dimensions.
    """
    return _bias("conv2d_bias", grad_output)


def conv3d(
    input: Array, weight: Weight, bias: Array | None = None, stride: Size = 1,
    padding: Padding = 0, dilation: Size = 1, groups: int = 1, *, relu: bool = False,
    out: Array | None = None, algorithm: str | None = None,
    precision: Precision | None = None,
) -> Array:  # fmt: skip
    """Correlate ([N,] C, D, H, W) with (K, C / groups, kD, kH, kW); see :func:`conv2d`."""
    hyper = (stride, padding, dilation, groups)
    return _forward("conv3d", input, weight, bias, hyper, relu, out, (algorithm, precision))


def conv3d_input(
    input_size: Any, weight: Weight, grad_output: Array, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: int = 1, *, out: Array | None = None,
    algorithm: str | None = None, precision: Precision | None = None,
) -> Array:  # fmt: skip
    """Return the gradient of :func:`conv3d` for its input; see :func:`conv2d_input`."""
    hyper = (stride, padding, dilation, groups)
    return _input(
        "conv3d_input", input_size, weight, grad_output, hyper, out, (algorithm, precision)
    )


def conv3d_weight(
    input: Array, weight_size: Any, grad_output: Array, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: int = 1, *, out: Array | None = None,
    algorithm: str | None = None, precision: Precision | None = None,
) -> Array:  # fmt: skip
    """Return the gradient of :func:`conv3d` for its weight; see :func:`conv2d_weight`."""
    hyper = (stride, padding, dilation, groups)
    return _weight_gradient(
        "conv3d_weight", input, weight_size, grad_output, hyper, out, (algorithm, precision)
    )


def conv3d_bias(grad_output: Array) -> Array:
    """Return the gradient of :func:`conv3d` for its bias: (K,)."""
    return _bias("conv3d_bias", grad_output)
