"""PyTorch on NCHW tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from pyconv.bench.jobs import Job
from pyconv.bench.tools import Array, NotOfferedError, Operands, Prepared, float32_only
from pyconv.bench.tools.calls import as_image

aten = torch.ops.aten


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed, on contiguous tensors."""
    return prepare_in(torch.contiguous_format, job, operands)


def prepare_in(
    layout: torch.memory_format, job: Job, operands: Operands, dtype: torch.dtype | None = None
) -> Prepared:
    """Return the call that is timed, on tensors of the given memory layout and type."""
    if dtype is not None:
        float32_only(job)
        if job.case.op == "max_pool2d" and job.direction != "forward":
            raise NotOfferedError("rounded to bfloat16, other elements are the largest")
    if job.case.rank == 1 and layout is torch.channels_last:
        # Three dimensions have no such layout: an image of one row has, and computes the same.
        flat = prepare_in(layout, *as_image(job, operands), dtype)
        return Prepared(flat.call, lambda tensor: flat.array(tensor).squeeze(2))
    x, grad = (tensor_in(array, layout, dtype) for array in (operands.input, operands.grad_output))
    if operands.weight is not None:
        weight = tensor_in(operands.weight, layout, dtype)
        return Prepared(convolution(job, x, weight, grad), to_array)
    if job.case.op == "relu":
        if job.direction == "forward":
            return Prepared(partial(torch.relu, x), to_array)
        return Prepared(partial(aten.threshold_backward, grad, torch.relu(x), 0), to_array)
    return Prepared(pooling(job, x, grad), to_array)


def tensor_in(array: Array, layout: torch.memory_format, dtype: torch.dtype | None) -> torch.Tensor:
    """Return a tensor of the given memory layout and type."""
    return torch.from_numpy(array).to(dtype=dtype).contiguous(memory_format=layout)


def convolution(
    job: Job, x: torch.Tensor, weight: torch.Tensor, grad: torch.Tensor
) -> Callable[[], Any]:
    """Return one of the three passes of a convolution."""
    problem = job.case.conv_problem
    if problem.pad_lo != problem.pad_hi:
        raise NotOfferedError("no asymmetric padding")
    rank = job.case.rank
    stride, padding, dilation = (
        list(sizes[-rank:]) for sizes in (problem.stride, problem.pad_lo, problem.dilation)
    )
    if job.direction == "forward":
        forward = getattr(functional, job.case.op)
        return partial(forward, x, weight, None, stride, padding, dilation, problem.groups)
    wanted = [job.direction == "input", job.direction == "weight", False]
    backward = partial(
        aten.convolution_backward,
        *(grad, x, weight, None, stride, padding, dilation),
        *(False, [0] * rank, problem.groups, wanted),
    )
    index = wanted.index(True)
    return lambda: backward()[index]


def pooling(job: Job, x: torch.Tensor, grad: torch.Tensor) -> Callable[[], Any]:
    """Return a pooling or its gradient."""
    arguments = dict(job.case.arguments)
    if job.direction == "forward":
        return partial(getattr(functional, job.case.op), x, **arguments)
    kernel = arguments["kernel_size"]
    common = (kernel, arguments.get("stride") or kernel, arguments.get("padding", 0))
    ceil_mode = arguments.get("ceil_mode", False)
    if job.case.op == "max_pool2d":
        indices = functional.max_pool2d(x, **arguments, return_indices=True)[1]
        return partial(
            aten.max_pool2d_with_indices_backward,
            *(grad, x, *map(pair, common), pair(arguments.get("dilation", 1))),
            *(ceil_mode, indices),
        )
    return partial(
        aten.avg_pool2d_backward,
        *(grad, x, *map(pair, common), ceil_mode),
        *(arguments.get("count_include_pad", True), arguments.get("divisor_override")),
    )


def pair(value: int | tuple[int, ...]) -> list[int]:
    """Return a size for both dimensions."""
    return [value, value] if isinstance(value, int) else list(value)


def to_array(tensor: torch.Tensor) -> Array:
    """Return a tensor of any layout as an NCHW array."""
    narrow = tensor.dtype == torch.bfloat16
    array: Array = (tensor.float() if narrow else tensor).contiguous().numpy()
    return array


def set_threads(threads: int) -> None:
    """Use so many threads from now on."""
    torch.set_num_threads(threads)
