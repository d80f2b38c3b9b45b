"""max_pool2d and avg_pool2d on arrays and tensors."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypeVar, overload

from numpy import ndarray

from pyconv import arrays
from pyconv.autograd import Array, Vjp
from pyconv.functional.checks import reject_out
from pyconv.tensor import Primitive, Tensor

__all__ = ["avg_pool2d", "max_pool2d"]

Pair: TypeAlias = "int | tuple[int, int]"
T = TypeVar("T", Array, Tensor)


def _max_pool_rule(needs: tuple[bool, ...], offsets: Array, input: Array, *geometry: Any) -> Vjp:
    size = input.shape
    unused = (None,) * len(geometry)
    return lambda g: (arrays.max_pool2d_backward(g, offsets, size, *geometry), *unused)


def _avg_pool_rule(needs: tuple[bool, ...], output: Array, input: Array, *geometry: Any) -> Vjp:
    size = input.shape
    unused = (None,) * len(geometry)
    return lambda g: (arrays.avg_pool2d_backward(g, size, *geometry), *unused)


_max_pool2d = Primitive(
    "max_pool2d", arrays.max_pool2d, _max_pool_rule, traced=arrays.max_pool2d_with_offsets
)
_avg_pool2d = Primitive("avg_pool2d", arrays.avg_pool2d, _avg_pool_rule)


@overload
def max_pool2d(
    input: T,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: Array | None = None,
) -> T: ...


@overload
def max_pool2d(
    input: T,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: Array | None = None,
) -> tuple[T, T]: ...


def max_pool2d(
    input: Any,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Any:
    """Largest element of each window; NaN wins, and of equal elements the first.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, H, W) or (C, H, W)
        Floats of 16, 32 or 64 bits.
    kernel_size, stride, padding, dilation : int or pair of int
        The stride is the kernel size by default; padding is at most half of the kernel.
    ceil_mode : bool
        Keep a last window that reaches over the edge.
    return_indices : bool
        Also return where each maximum was found: int64, h * W + w in its plane.
    out : ndarray, optional
        Where to write the result. Plain arrays only.

    Returns
    -------
    ndarray or Tensor, (N, C, OH, OW) or (C, OH, OW); with the indices, a pair of them

    Raises
    ------
    TypeError
        For another kind or dtype of input, and for `out` together with a Tensor.
    ValueError
        For shapes or values that do not fit.
    """
    if type(input) is ndarray or not isinstance(input, Tensor):
        return arrays.max_pool2d(
            input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out=out
        )
    reject_out("max_pool2d", out)
    result = _max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)
    if not return_indices:
        return result
    _, indices = arrays.max_pool2d(
        input.data, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True
    )
    return result, Tensor(indices)


def avg_pool2d(
    input: T,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Array | None = None,
) -> T:
    """Mean of each window.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, H, W) or (C, H, W)
        Floats of 16, 32 or 64 bits.
    kernel_size, stride, padding : int or pair of int
        The stride is the kernel size by default; padding is at most half of the kernel.
    ceil_mode : bool
        Keep a last window that reaches over the edge.
    count_include_pad : bool
        Whether the zeros of the padding count as elements of the window.
    divisor_override : int, optional
        Divide the sums by this number.
    out : ndarray, optional
        Where to write the result. Plain arrays only.

    Returns
    -------
    ndarray or Tensor, (N, C, OH, OW) or (C, OH, OW)

    Raises
    ------
    TypeError
        For another kind or dtype of input, and for `out` together with a Tensor.
    ValueError
        For shapes or values that do not fit.
    """
    if type(input) is ndarray or not isinstance(input, Tensor):
        return arrays.avg_pool2d(
            input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override,
            out=out,
        )  # fmt: skip
    reject_out("avg_pool2d", out)
    result: Tensor = _avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    return result
