"""The gradient calls that :mod:`pyconv.arrays` and :mod:`pyconv.reference` share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

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
