"""JAX on the CPU: compiled functions on NHWC arrays; forward passes hold a constant weight.

That is its fastest form: in NCHW the compiler transposes around every convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax

from pyconv.bench.jobs import Job
from pyconv.bench.tools import Array, NotOfferedError, Operands, Prepared

Function = Callable[..., Any]

_config: Any = jax.config
_config.update("jax_enable_x64", True)
_config.update("jax_platforms", "cpu")


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed."""
    case = job.case
    x, grad = (inward(array) for array in (operands.input, operands.grad_output))
    if operands.weight is None:
        function = jax.nn.relu if case.op == "relu" else pooling(job)
        if job.direction == "forward":
            return compiled(function, [x])
        return compiled(lambda a, g: jax.vjp(function, a)[1](g)[0], [x, grad])
    convolve = convolution(job)
    weight = jax.device_put(np.moveaxis(operands.weight, (0, 1), (-1, -2)).copy())
    if job.direction == "forward":
        return compiled(lambda a: convolve(a, weight), [x])
    if job.direction == "input":
        return compiled(
            lambda b, g: jax.linear_transpose(lambda a: convolve(a, b), x)(g)[0], [weight, grad]
        )
    return compiled(
        lambda a, g: jax.linear_transpose(lambda b: convolve(a, b), weight)(g)[0],
        [x, grad],
        weight_outward,
    )


def compiled(
    function: Function, arguments: Sequence[Any], array: Callable[[Any], Array] | None = None
) -> Prepared:
    """Return a call that ends when the result is there."""
    call = jax.jit(function).lower(*arguments).compile()
    return Prepared(lambda: call(*arguments).block_until_ready(), array or outward)


def convolution(job: Job) -> Function:
    """Return a convolution of x and weight, channels last."""
    conv, first = job.case.conv_problem, 3 - job.case.rank
    spatial = "DHW"[first:]
    layout = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    padding = list(zip(conv.pad_lo[first:], conv.pad_hi[first:], strict=True))

    def convolve(x: Any, weight: Any) -> Any:
        return lax.conv_general_dilated(
            x, weight, conv.stride[first:], padding, None, conv.dilation[first:], layout,
            feature_group_count=conv.groups,
        )  # fmt: skip

    return convolve


def pooling(job: Job) -> Function:
    """Return a pooling of x as a windowed reduction, channels last."""
    pool, arguments = job.case.pool_problem, job.case.arguments
    if arguments.get("ceil_mode") or arguments.get("divisor_override") is not None:
        raise NotOfferedError("no ceil_mode, no divisor_override")
    window, step, spread = ((1, *pair, 1) for pair in (pool.kernel, pool.stride, pool.dilation))
    padding = [(0, 0), *zip(pool.pad_lo, pool.pad_hi, strict=True), (0, 0)]

    def reduce(x: Any, start: float, operation: Function) -> Any:
        return lax.reduce_window(
            x, np.asarray(start, x.dtype)[()], operation, window, step, padding, None, spread
        )

    if job.case.op == "max_pool2d":
        return lambda x: reduce(x, -np.inf, lax.max)
    if arguments.get("count_include_pad", True):
        return lambda x: reduce(x, 0, lax.add) / np.asarray(pool.window, x.dtype)
    return lambda x: reduce(x, 0, lax.add) / reduce(jax.numpy.ones_like(x), 0, lax.add)


def inward(array: Array) -> Any:
    """Return an NCHW array as JAX's, channels last; one of other ranks likewise."""
    last = np.moveaxis(array, 1, -1) if array.ndim > 2 else array
    return jax.device_put(np.ascontiguousarray(last))


def outward(result: Any) -> Array:
    """Return a result as an NCHW array."""
    return np.moveaxis(np.asarray(result), -1, 1)


def weight_outward(result: Any) -> Array:
    """Return the gradient of a weight with filters and channels first."""
    return np.moveaxis(np.asarray(result), (-1, -2), (0, 1))


def set_threads(threads: int) -> None:
    """Do nothing: the variables that the process is started with say how many."""
