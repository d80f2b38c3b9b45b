"""Who is timed. Each tool is one module with a function ``prepare(job, operands) -> Prepared``.

``prepare`` brings the operands into the tool's own form (its tensors, its memory layout, its
packed weights) and returns the bare call that is timed.  For a job that the tool cannot do or is
too slow for it raises :class:`NotOfferedError` with the reason.
"""

from __future__ import annotations

import importlib
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
    weight: Array | None
    grad_output: Array


class Prepared(NamedTuple):
    """The call that is timed, and how its result becomes a plain NCHW array."""

    call: Callable[[], Any]
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
    """Where a tool lives: its module here, and the package that it needs."""

    module: str
    package: str


TOOLS = {
    "pyconv": Entry("pyconv_tool", "pyconv"),
    "torch": Entry("torch_tool", "torch"),
    "torch-cl": Entry("torch_channels_last", "torch"),
    "onnxruntime": Entry("onnxruntime_tool", "onnxruntime"),
    "scipy": Entry("scipy_tool", "scipy"),
    "reference": Entry("reference_tool", "pyconv"),
}
PEERS = tuple(name for name in TOOLS if name != "pyconv")


def importable_peers() -> tuple[str, ...]:
    """Return the tools other than pyconv whose package is installed."""
    return tuple(name for name in PEERS if importlib.util.find_spec(TOOLS[name].package))


def load(name: str) -> Tool:
    """Import the module of a tool."""
    return cast(Tool, importlib.import_module(f"{__name__}.{TOOLS[name].module}"))


def version(name: str) -> str:
    """Return the version of a tool's package."""
    package = importlib.import_module(TOOLS[name].package)
    return str(getattr(package, "__version__", "unknown"))


def operands(job: Job, dtype: npt.DTypeLike = np.float32) -> Operands:
    """Return the arrays of a job: the float32 values of the case, held in ``dtype``."""
    drawn = job.case.operands(np.float32)
    weight = None if drawn.weight is None else drawn.weight.astype(dtype)
    grad_output = job.case.grad_output(np.float32).astype(dtype)
    return Operands(drawn.input.astype(dtype), weight, grad_output)
