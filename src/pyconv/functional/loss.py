"""Losses on arrays and tensors: nll_loss, cross_entropy, mse_loss.

Both classification losses have one form. Every target (a class, with or without smoothing and
class weights, or a row of probabilities) becomes a row of coefficients q, and the loss of an
element is -sum_c q_c * logp_c. Its gradient is -q for log-probabilities, and
softmax * sum_c(q_c) - q for logits.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from pyconv.autograd import Array, Vjp
from pyconv.dtypes import is_float, is_half
from pyconv.functional.activation import log_softmax_array
from pyconv.functional.checks import check_float, check_fraction, check_reduction
from pyconv.shapes import type_error, value_error
from pyconv.tensor import Primitive, Tensor

__all__ = ["cross_entropy", "mse_loss", "nll_loss"]

T = TypeVar("T", Array, Tensor)


class _Targets(NamedTuple):
    coefficients: Array  # of the input's shape
    divisor: float  # of the mean
    axis: int  # the classes


def _plain(name: str, argument: str, value: Any) -> Array:
    if isinstance(value, Tensor):
        if value.requires_grad:
            raise type_error(name, argument, "a constant", "a Tensor that requires a gradient")
        return value.data
    return np.asarray(value)


def _class_weights(name: str, weight: Any, classes: int, dtype: np.dtype[Any]) -> Array | None:
    if weight is None:
        return None
    array = _plain(name, "weight", weight)
    if array.dtype.kind not in "iuf":
        raise type_error(name, "weight", "real numbers", f"dtype {array.dtype}")
    if array.shape != (classes,):
        raise value_error(name, "weight", f"shape ({classes},)", f"shape {array.shape}")
    return array.astype(dtype, copy=False)


def _check_classes(name: str, target: Array, input: Any, axis: int, ignore_index: int) -> Array:
    """Which targets count; errors name what does not fit."""
    expected = input.shape[:axis] + input.shape[axis + 1 :]
    if target.dtype.kind not in "iu":
        given = f"dtype {target.dtype} and shape {target.shape}"
        raise type_error(name, "target", f"integer classes of shape {expected}", given)
    if target.shape != expected:
        wanted = f"shape {expected} for input of shape {input.shape}"
        raise value_error(name, "target", wanted, f"shape {target.shape}")
    counted: Array = target != ignore_index
    classes = input.shape[axis]
    wrong = counted & ((target < 0) | (target >= classes))
    if wrong.any():
        wanted = f"classes from 0 to {classes - 1} (or ignore_index, {ignore_index})"
        raise value_error(name, "target", wanted, target[wrong].flat[0])
    return counted


def _class_targets(
    name: str, input: Any, target: Array, weight: Array | None, ignore_index: int, smoothing: float
) -> _Targets:
    axis = 1 if input.ndim > 1 else 0
    counted = _check_classes(name, target, input, axis, ignore_index)
    classes = input.shape[axis]
    index = np.where(counted, target, 0).astype(np.int64)
    share = counted.astype(input.dtype) if weight is None else weight[index] * counted
    q = np.zeros(input.shape, input.dtype)
    np.put_along_axis(
        q, np.expand_dims(index, axis), np.expand_dims(share * (1.0 - smoothing), axis), axis
    )
    if smoothing:
        spread = np.full(classes, smoothing / classes, input.dtype)
        if weight is not None:
            spread *= weight
        columns = spread.reshape((classes,) + (1,) * (input.ndim - axis - 1))
        q += columns * np.expand_dims(counted, axis)
    return _Targets(q, float(share.sum()), axis)


def _probability_targets(
    input: Any, target: Array, weight: Array | None, smoothing: float
) -> _Targets:
    axis = 1 if input.ndim > 1 else 0
    classes = input.shape[axis]
    q = target.astype(input.dtype)
    if smoothing:
        q = q * (1.0 - smoothing) + smoothing / classes
    if weight is not None:
        q = q * weight.reshape((classes,) + (1,) * (input.ndim - axis - 1))
    return _Targets(q, input.size / classes if classes else 0.0, axis)


def _reduce(loss: Array, divisor: float, reduction: str) -> Any:
    if reduction == "none":
        return loss
    total = loss.sum()
    if reduction == "sum":
        return total
    with np.errstate(divide="ignore", invalid="ignore"):  # the mean of nothing is NaN, as in torch
        return np.divide(total, divisor, dtype=loss.dtype)


def _spread(g: Array, targets: _Targets, reduction: str) -> Array:
    """The gradient of the reduced loss, spread over the elements, with an axis for the classes."""
    if reduction == "none":
        return np.expand_dims(g, targets.axis)
    if reduction == "sum":
        return g
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(g, targets.divisor, dtype=g.dtype))


def _weighted_sum(logp: Array, targets: _Targets) -> Array:
    q, _, axis = targets
    products = np.zeros_like(logp)
    # Where q is 0 the log-probability may be -inf; such a class does not count.
    np.multiply(q, logp, out=products, where=q != 0)
    return np.asarray(-products.sum(axis=axis))


def _nll(logp: Array, targets: _Targets, reduction: str) -> Any:
    return _reduce(_weighted_sum(logp, targets), targets.divisor, reduction)


def _nll_rule(
    needs: tuple[bool, ...], answer: Array, logp: Array, targets: _Targets, reduction: str
) -> Vjp:
    return lambda g: (-targets.coefficients * _spread(g, targets, reduction), None, None)


def _cross_entropy_traced(logits: Array, targets: _Targets, reduction: str) -> tuple[Any, Array]:
    logp = log_softmax_array(logits, targets.axis)
    return _nll(logp, targets, reduction), logp


def _cross_entropy(logits: Array, targets: _Targets, reduction: str) -> Any:
    return _cross_entropy_traced(logits, targets, reduction)[0]


def _cross_entropy_rule(
    needs: tuple[bool, ...], logp: Array, logits: Array, targets: _Targets, reduction: str
) -> Vjp:
    def vjp(g: Array) -> tuple[Array | None, ...]:
        q = targets.coefficients
        slope = np.exp(logp) * q.sum(axis=targets.axis, keepdims=True) - q
        return slope * _spread(g, targets, reduction), None, None

    return vjp


_nll_primitive = Primitive("nll_loss", _nll, _nll_rule)
_cross_entropy_primitive = Primitive(
    "cross_entropy", _cross_entropy, _cross_entropy_rule, traced=_cross_entropy_traced
)


def nll_loss(
    input: T,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> T:
    """Negative log-likelihood of classes, from log-probabilities.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, ...) or (C,)
        Log-probabilities, floats of 16, 32 or 64 bits.
    target : array_like of int, (N, ...) or ()
        Classes, 0 to C - 1.
    weight : array_like, (C,), optional
        Weight of each class.
    ignore_index : int
        Targets of this value do not count.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the summed weights of the targets that count.

    Returns
    -------
    ndarray, NumPy scalar or Tensor
        Of the target's shape for "none", else of shape ().

    Raises
    ------
    TypeError
        For another kind or dtype of an operand.
    ValueError
        For shapes that do not fit, and for classes out of range.
    """
    name = "nll_loss"
    check_float(name, "input", input)
    if is_half(input.dtype):  # sums of 16 bits are float32
        options: dict[str, Any] = {"ignore_index": ignore_index, "reduction": reduction}
        loss: Any = nll_loss(input.astype(np.float32), target, weight, **options)
        return cast("T", loss.astype(input.dtype))
    check_reduction(name, reduction)
    if input.ndim == 0:
        raise value_error(name, "input", "shape (N, C, ...) or (C,)", "shape ()")
    classes = input.shape[1 if input.ndim > 1 else 0]
    weights = _class_weights(name, weight, classes, input.dtype)
    targets = _class_targets(
        name, input, _plain(name, "target", target), weights, ignore_index, 0.0
    )
    result: T = _nll_primitive(input, targets, reduction)
    return result


def cross_entropy(
    input: T,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> T:
    """Cross entropy between logits and targets: ``nll_loss(log_softmax(input), target)``.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, ...) or (C,)
        Logits, floats of 16, 32 or 64 bits.
    target : array_like
        Integer classes, (N, ...) or (), or probabilities of the input's shape.
    weight : array_like, (C,), of each class, optional
    ignore_index : int
        Integer targets of this value do not count.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the summed weights of the classes that count; for probabilities by the
        number of rows.
    label_smoothing : float
        From 0 to 1: the share of each target that is spread evenly over all classes.

    Returns
    -------
    ndarray, NumPy scalar or Tensor
        One number for each row of logits for "none", else of shape ().

    Raises
    ------
    TypeError
        For another kind or dtype of an operand, and for a target that requires a gradient.
    ValueError
        For shapes that do not fit, classes out of range and other values of `reduction`.
    """
    name = "cross_entropy"
    check_float(name, "input", input)
    if is_half(input.dtype):
        wide: Any = input.astype(np.float32)
        rest: Any = {"reduction": reduction, "label_smoothing": label_smoothing}
        loss = cross_entropy(wide, target, weight, ignore_index=ignore_index, **rest)
        return cast("T", loss.astype(input.dtype))
    check_reduction(name, reduction)
    check_fraction(name, "label_smoothing", label_smoothing)
    if input.ndim == 0:
        raise value_error(name, "input", "shape (N, C, ...) or (C,)", "shape ()")
    classes = input.shape[1 if input.ndim > 1 else 0]
    weights = _class_weights(name, weight, classes, input.dtype)
    labels = _plain(name, "target", target)
    smoothing = float(label_smoothing)
    if is_float(labels.dtype) and labels.shape == input.shape:
        targets = _probability_targets(input, labels, weights, smoothing)
    else:
        targets = _class_targets(name, input, labels, weights, ignore_index, smoothing)
    result: T = _cross_entropy_primitive(input, targets, reduction)
    return result


def _mse(input: Array, target: Array, *, reduction: str) -> Any:
    difference = input - target
    return _reduce(difference * difference, difference.size, reduction)


def _mse_rule(
    needs: tuple[bool, ...], answer: Array, input: Array, target: Array, *, reduction: str
) -> Vjp:
    def vjp(g: Array) -> tuple[Array | None, ...]:
        slope = 2.0 * (input - target)
        if reduction == "mean":
            slope /= max(slope.size, 1)
        gradient = np.asarray(slope * g, dtype=input.dtype)
        return gradient if needs[0] else None, -gradient if needs[1] else None

    return vjp


_mse_primitive = Primitive("mse_loss", _mse, _mse_rule)


def mse_loss(input: T, target: Array | Tensor, *, reduction: str = "mean") -> T:
    """Squared difference of two arrays or tensors of one shape and dtype.

    Parameters
    ----------
    input, target : ndarray or Tensor
        Floats of 16, 32 or 64 bits. They do not broadcast: (N, 1) against (N,) is nearly always a
        mistake.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    ndarray, NumPy scalar or Tensor
        Of the input's shape for "none", else of shape ().

    Raises
    ------
    TypeError
        For another kind or dtype of an operand.
    ValueError
        If the shapes differ, and for other values of `reduction`.
    """
    check_float("mse_loss", "input", input)
    check_float("mse_loss", "target", target)
    check_reduction("mse_loss", reduction)
    if input.shape != target.shape:
        expected = f"shape {input.shape}, that of the input"
        raise value_error("mse_loss", "target", expected, f"shape {target.shape}")
    if input.dtype != target.dtype:
        expected = f"dtype {input.dtype}, that of the input"
        raise type_error("mse_loss", "target", expected, f"dtype {target.dtype}")
    if is_half(input.dtype):
        wide: Any = mse_loss(
            input.astype(np.float32), target.astype(np.float32), reduction=reduction
        )
        return cast("T", wide.astype(input.dtype))
    result: T = _mse_primitive(input, target, reduction=reduction)
    return result
