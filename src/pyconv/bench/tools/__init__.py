"""Who is timed. Each tool is one module with a function ``prepare(job, operands) -> Prepared``.

``prepare`` brings the operands into the tool's own form (its tensors, its memory layout, its
packed weights) and returns the bare call that is timed.  For a job that the tool cannot do or is
too slow for it raises :class:`NotOfferedError` with the reason.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt

from pyconv.bench.jobs import Job

Array = npt.NDArray[Any]


class Operands(NamedTuple):
    """The plain arrays of a job."""

    input: Array
    weight: Any  # An array, None, or pyconv's PackedWeight.
    grad_output: Array


class Prepared(NamedTuple):
    """The call that is timed, and how its result becomes a plain NCHW array."""

    call: Callable[..., Any]
    array: Callable[[Any], Array]


class NotOfferedError(Exception):
    """A tool does not do a job; the message says why."""


class Tool(Protocol):
    """What the module of a tool defines."""

    def prepare(self, job: Job, operands: Operands) -> Prepared:
        """Return the call that is timed."""

    def set_threads(self, threads: int) -> None:
        """Use so many threads from now on."""


class Entry(NamedTuple):
    """Where a tool lives, and what its figures may be compared with.

    Attributes
    ----------
    module, package
        The module here, and the package that it needs.
    label
        Its name as the head of a column.
    accuracy
        ``"fp32"``: products of float32; ``"bf16"``: of bfloat16; ``"high"``: between the two.
    packed
        Whether it holds weights in a form of its own, made before the clock starts.
    caps
        Whether it can be told to use no better instruction set than a given one.
    """

    module: str
    package: str
    label: str
    accuracy: str = "fp32"
    packed: bool = False
    caps: bool = False


#: From the most accurate to the least.
ACCURACIES = ("fp32", "high", "bf16")

TOOLS = {
    "pyconv": Entry("pyconv_tool", "pyconv", "pyconv", caps=True),
    "pyconv-packed": Entry("pyconv_packed", "pyconv", "packed", packed=True, caps=True),
    "pyconv-high": Entry("pyconv_high", "pyconv", "high", "high", packed=True, caps=True),
    "pyconv-medium": Entry("pyconv_medium", "pyconv", "medium", "bf16", packed=True, caps=True),
    "pyconv-bf16": Entry("pyconv_bf16", "pyconv", "bf16", "bf16", caps=True),
    "torch": Entry("torch_tool", "torch", "torch", caps=True),
    "torch-cl": Entry("torch_channels_last", "torch", "t-cl", caps=True),
    "onnxruntime": Entry("onnxruntime_tool", "onnxruntime", "ort", packed=True),
    "openvino": Entry("openvino_tool", "openvino", "ovino", packed=True),
    "jax": Entry("jax_tool", "jax", "jax", packed=True, caps=True),
    "scipy": Entry("scipy_tool", "scipy", "scipy", caps=True),
    "reference": Entry("reference_tool", "pyconv", "numpy", caps=True),
    "torch-bf16": Entry("torch_bf16", "torch", "t-bf16", "bf16", caps=True),
    "torch-cl-bf16": Entry("torch_channels_last_bf16", "torch", "tcl-bf16", "bf16", caps=True),
    "openvino-bf16": Entry("openvino_bf16", "openvino", "ov-bf16", "bf16", packed=True),
}

#: pyconv's own forms; the first is always timed.
OWN = tuple(
    name for name, entry in TOOLS.items() if entry.package == "pyconv" and name != "reference"
)
PEERS = tuple(name for name in TOOLS if name not in OWN)


def importable() -> tuple[str, ...]:
    """Return the tools whose package is installed, pyconv's own forms among them."""
    return tuple(name for name, entry in TOOLS.items() if importlib.util.find_spec(entry.package))


def importable_peers() -> tuple[str, ...]:
    """Return the tools other than pyconv whose package is installed."""
    return tuple(name for name in importable() if name in PEERS)


def load(name: str) -> Tool:
    """Import the module of a tool."""
    return cast(Tool, importlib.import_module(f"{__name__}.{TOOLS[name].module}"))


def version(name: str) -> str:
    """Return the version of a tool's package."""
    package = TOOLS[name].package
    try:
        return str(importlib.import_module(package).__version__).split("-")[0]
    except AttributeError:
        return importlib.metadata.version(package)


def operands(job: Job, dtype: npt.DTypeLike | None = None) -> Operands:
    """Return the arrays of a job, in its own type or holding the same values in another one."""
    drawn = job.case.operands(job.dtype)
    grad_output = job.case.grad_output(job.dtype)
    if dtype is None or np.dtype(dtype) == np.dtype(job.dtype):
        return Operands(drawn.input, drawn.weight, grad_output)
    weight = None if drawn.weight is None else drawn.weight.astype(dtype)
    return Operands(drawn.input.astype(dtype), weight, grad_output.astype(dtype))


def float32_only(job: Job) -> None:
    """Raise NotOfferedError for a job in float64."""
    if job.dtype != "float32":
        raise NotOfferedError(f"no {job.dtype}")
