"""What several tools share: gradients in the words of :mod:`pyconv.arrays`, rows as images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from pyconv import cases
from pyconv.bench.jobs import Job
from pyconv.bench.tools import Operands


def gradient_call(module: ModuleType, job: Job, operands: Operands) -> Callable[[], Any]:
    """Return the call for the gradient of a job, by a module with the functions of ``arrays``."""
    case = job.case
    op, x, weight, grad = case.op, operands.input, operands.weight, operands.grad_output
    if op == "relu":
        return partial(module.relu_backward, grad, module.relu(x))
    if op == "max_pool2d":
        offsets = module.max_pool2d_with_offsets(x, **case.arguments)[1]
        return partial(module.max_pool2d_backward, grad, offsets, x.shape, **case.arguments)
    if op == "avg_pool2d":
        return partial(module.avg_pool2d_backward, grad, x.shape, **case.arguments)
    if job.direction == "input":
        return partial(getattr(module, f"{op}_input"), x.shape, weight, grad, **case.arguments)
    return partial(getattr(module, f"{op}_weight"), x, case.weight, grad, **case.arguments)


def as_image(job: Job, operands: Operands) -> tuple[Job, Operands]:
    """Return a 1-D convolution as the same one on an image of a single row."""
    case = job.case
    problem = case.conv_problem
    arguments = {
        "stride": problem.stride[1:],
        "padding": (0, problem.pad_lo[2]),
        "dilation": problem.dilation[1:],
        "groups": problem.groups,
    }
    input_shape, weight_shape = ((*shape[:2], 1, shape[2]) for shape in (case.input, case.weight))
    image = cases.Case(case.name, "conv2d", input_shape, weight_shape, arguments, case.tags)
    grad_shape = (*operands.grad_output.shape[:2], 1, -1)
    weight = None if operands.weight is None else operands.weight.reshape(weight_shape)
    flat = Operands(
        operands.input.reshape(input_shape), weight, operands.grad_output.reshape(grad_shape)
    )
    return job._replace(case=image), flat
