"""ONNX Runtime: a network of one node, whose weight is a constant and so packed once."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import onnxruntime

from pyconv.bench.jobs import Job
from pyconv.bench.tools import NotOfferedError, Operands, Prepared, float32_only
from pyconv.bench.tools.onnx_model import one_node_model

_threads = 1


def prepare(job: Job, operands: Operands) -> Prepared:
    """Return the call that is timed."""
    float32_only(job)
    if job.direction != "forward":
        raise NotOfferedError("no gradients")
    name, attributes = node(job)
    model = one_node_model(name, attributes, operands.input.shape, job.case.output, operands.weight)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return Prepared(
        partial(session.run, None, {"x": operands.input}), lambda result: np.asarray(result[0])
    )


def node(job: Job) -> tuple[str, dict[str, Any]]:
    """Return the operator of a job and its attributes in ONNX's words."""
    case = job.case
    if case.op == "relu":
        return "Relu", {}
    if case.weight:
        conv, first = case.conv_problem, 3 - case.rank
        return "Conv", {
            "kernel_shape": conv.kernel[first:],
            "strides": conv.stride[first:],
            "dilations": conv.dilation[first:],
            "pads": (*conv.pad_lo[first:], *conv.pad_hi[first:]),
            "group": conv.groups,
        }
    if case.op not in ("max_pool2d", "avg_pool2d"):
        raise NotOfferedError(f"no {case.op}")
    pool = case.pool_problem
    attributes: dict[str, Any] = {
        "kernel_shape": pool.kernel,
        "strides": pool.stride,
        "pads": (*pool.pad_lo, *pool.pad_hi),
        "ceil_mode": int(case.arguments.get("ceil_mode", False)),
    }
    if case.op == "max_pool2d":
        return "MaxPool", attributes | {"dilations": pool.dilation}
    if case.arguments.get("divisor_override") is not None:
        raise NotOfferedError("no divisor_override")
    include = int(case.arguments.get("count_include_pad", True))
    return "AveragePool", attributes | {"count_include_pad": include}


def set_threads(threads: int) -> None:
    """Use so many threads in sessions made from now on."""
    global _threads
    _threads = threads
