"""conv2d, relu and max_pool2d in one call, on arrays and tensors."""

from __future__ import annotations

from typing import Any

from pyconv import arrays
from pyconv.autograd import Array, is_grad_enabled
from pyconv.functional.checks import reject_out
from pyconv.functional.conv import Padding, Size, conv2d
from pyconv.functional.pooling import Pair, max_pool2d
from pyconv.precision import Precision
from pyconv.tensor import Tensor

__all__ = ["conv2d_relu_max_pool2d"]


def conv2d_relu_max_pool2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    kernel_size: Pair = 2,
    pool_stride: Pair | None = None,
    pool_padding: Pair = 0,
    ceil_mode: bool = False,
    out: Array | None = None,
    precision: Precision | None = None,
) -> Any:
    """``max_pool2d(conv2d(..., relu=True))``: the same bits, with less memory for a batch.

    Parameters
    ----------
    input, weight, bias, stride, padding, dilation, groups, precision
        As in ``conv2d``.
    kernel_size, pool_stride, pool_padding, ceil_mode
        As `kernel_size`, `stride`, `padding` and `ceil_mode` in ``max_pool2d``.
    out : ndarray, optional
        Where to write the result. Plain arrays only.

    Returns
    -------
    ([N,] K, OH, OW), a Tensor if any operand is one. Where a gradient is recorded this is the two
    calls, because the backward pass needs what lies between them.

    Raises
    ------
    TypeError, ValueError
        As the two functions do.
    """
    operands = (input, weight, bias)
    geometry: dict[str, Any] = {
        "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
        "precision": precision,
    }  # fmt: skip
    windows: dict[str, Any] = {
        "kernel_size": kernel_size, "pool_stride": pool_stride, "pool_padding": pool_padding,
        "ceil_mode": ceil_mode,
    }  # fmt: skip
    tensors = [operand for operand in operands if isinstance(operand, Tensor)]
    if not tensors:
        return arrays.conv2d_relu_max_pool2d(input, weight, bias, **geometry, **windows, out=out)
    reject_out("conv2d_relu_max_pool2d", out)
    if is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        made = conv2d(input, weight, bias, **geometry, relu=True)
        return max_pool2d(made, kernel_size, pool_stride, pool_padding, 1, ceil_mode)
    x, w, b = (operand.data if isinstance(operand, Tensor) else operand for operand in operands)
    return Tensor(arrays.conv2d_relu_max_pool2d(x, w, b, **geometry, **windows))
