"""SciPy: ``correlate2d`` summed over channels, its fastest way to a layer; the pooling filters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage, signal

from pyconv.bench.jobs import Job
from pyconv.bench.tools import Array, NotOfferedError, Operands, Prepared
from pyconv.bench.tools.calls import as_image

# SciPy computes every stride-1 position with the dilated kernel: above these sizes a call takes
# seconds.  Measured on two cores: 0.5 s for 64 channels to 64, 3x3, 56x56 (0.23 Gflop).
MOST_FLOPS = 5e8
MOST_PLANE_PAIRS = 20_000


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed."""
    if job.direction != "forward":
        raise NotOfferedError("no gradients")
    op = job.case.op
    if op == "conv1d":
        flat = prepare(*as_image(job, operands))
        return Prepared(flat.call, lambda array: np.asarray(array).squeeze(2))
    if op == "conv2d" and operands.weight is not None:
        return Prepared(convolution(job, operands.input, operands.weight), np.asarray)
    if op in ("max_pool2d", "avg_pool2d"):
        return Prepared(pooling(job, operands.input), np.asarray)
    raise NotOfferedError(f"no {op}")


def convolution(job: Job, x: Array, weight: Array) -> Callable[[], Array]:
    """Return a layer as sums of 2-D correlations of planes."""
    problem = job.case.conv_problem
    _, step_h, step_w = problem.stride
    _, dilation_h, dilation_w = problem.dilation
    filters, depth, kernel_h, kernel_w = weight.shape
    spread = np.zeros(
        (filters, depth, (kernel_h - 1) * dilation_h + 1, (kernel_w - 1) * dilation_w + 1),
        weight.dtype,
    )
    spread[:, :, ::dilation_h, ::dilation_w] = weight
    pad = [(0, 0), (0, 0), *zip(problem.pad_lo[1:], problem.pad_hi[1:], strict=True)]
    pairs = len(x) * filters * depth
    flops = 2 * pairs * spread[0, 0].size * x[0, 0].size
    if flops > MOST_FLOPS or pairs > MOST_PLANE_PAIRS:
        raise NotOfferedError(f"too slow: {pairs} plane correlations, {flops / 1e9:.2g} Gflop")
    per_group = filters // problem.groups

    def call() -> Array:
        padded = np.pad(x, pad)
        result = np.zeros(job.case.output, x.dtype)
        for image, planes in zip(padded, result, strict=True):
            for k in range(filters):
                first = k // per_group * depth
                for c in range(depth):
                    full = signal.correlate2d(image[first + c], spread[k, c], mode="valid")
                    planes[k] += full[::step_h, ::step_w]
        return result

    return call


def pooling(job: Job, x: Array) -> Callable[[], Array]:
    """Return a pooling as a running filter of which every stride-th value is kept."""
    problem = job.case.pool_problem
    if problem.dilation != (1, 1):
        raise NotOfferedError("no dilated windows")
    size = (1, 1, *problem.kernel)
    # SciPy's window starts kernel // 2 before its centre; ours starts at the padding.
    keep = tuple(
        slice(kernel // 2 - low, None, step)
        for kernel, low, step in zip(problem.kernel, problem.pad_lo, problem.stride, strict=True)
    )
    rows, columns = problem.output

    def call() -> Array:
        if job.case.op == "max_pool2d":
            full = ndimage.maximum_filter(x, size, mode="constant", cval=-np.inf)
        else:
            full = ndimage.uniform_filter(x, size, mode="constant")
        kept: Array = full[:, :, keep[0], keep[1]][:, :, :rows, :columns]
        return kept

    return call


def set_threads(threads: int) -> None:
    """Do nothing: these functions run on one thread."""
