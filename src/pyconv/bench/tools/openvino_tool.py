"""OpenVINO on the CPU in float32: weights are a constant, packed when the model is compiled."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from typing import Any, cast

import numpy as np

from pyconv.bench.jobs import Job
from pyconv.bench.tools import Array, NotOfferedError, Operands, Prepared, float32_only

# On import, OpenVINO's converter reports to its makers from a forked process, which keeps the pipe
# of this worker open and waits for the network. It does without the package that does this.
cast(dict[str, Any], sys.modules).setdefault("openvino_telemetry", None)
openvino: Any = importlib.import_module("openvino")
opset13: Any = importlib.import_module("openvino.opset13")

_threads = 1
_core = openvino.Core()


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed, computing in float32."""
    return prepare_in("f32", job, operands)


def prepare_in(precision: str, job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed, computing in a precision of OpenVINO's."""
    float32_only(job)
    if job.direction != "forward":
        raise NotOfferedError("no gradients")
    if precision.upper() not in ("F32", *_core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")):
        raise NotOfferedError(f"no {precision} on this processor")
    parameter = opset13.parameter(operands.input.shape, np.float32)
    model = openvino.Model([node(job, parameter, operands)], [parameter])
    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": _threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = _core.compile_model(model, "CPU", options).create_infer_request()
    tensor = openvino.Tensor(operands.input, shared_memory=True)
    request.set_input_tensor(tensor)

    def array(_: object) -> Array:
        # The request shares the tensor's memory but does not keep it: this does.
        assert tensor.size == operands.input.size
        return np.array(request.get_output_tensor(0).data)

    return Prepared(partial(request.infer, share_outputs=True), array)


def node(job: Job, x: Any, operands: Operands) -> Any:
    """Return the operator of a job in OpenVINO's words."""
    case = job.case
    if case.op == "relu":
        return opset13.relu(x)
    if operands.weight is not None:
        return convolution(job, x, operands.weight)
    if case.op not in ("max_pool2d", "avg_pool2d"):
        raise NotOfferedError(f"no {case.op}")
    pool = case.pool_problem
    rounding = "ceil" if case.arguments.get("ceil_mode", False) else "floor"
    if case.op == "max_pool2d":
        spread = (pool.stride, pool.dilation, pool.pad_lo, pool.pad_hi, pool.kernel)
        return opset13.max_pool(x, *map(list, spread), rounding).output(0)
    if case.arguments.get("divisor_override") is not None:
        raise NotOfferedError("no divisor_override")
    sizes = (pool.stride, pool.pad_lo, pool.pad_hi, pool.kernel)
    exclude = not case.arguments.get("count_include_pad", True)
    return opset13.avg_pool(x, *map(list, sizes), exclude, rounding)


def convolution(job: Job, x: Any, weight: Any) -> Any:
    """Return a convolution; OpenVINO has an operator of its own for groups."""
    conv, first = job.case.conv_problem, 3 - job.case.rank
    sizes = (conv.stride, conv.pad_lo, conv.pad_hi, conv.dilation)
    words = [list(size[first:]) for size in sizes]
    if conv.groups == 1:
        return opset13.convolution(x, opset13.constant(weight), *words)
    split = weight.reshape(conv.groups, conv.k // conv.groups, *weight.shape[1:])
    return opset13.group_convolution(x, opset13.constant(split), *words)


def set_threads(threads: int) -> None:
    """Use so many threads in models compiled from now on."""
    global _threads
    _threads = threads
