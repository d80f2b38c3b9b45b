"""What pyconv runs on, how many threads it uses, and why it chose an algorithm."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyconv import _core, shapes
from pyconv.arrays.plans import clear, plan_for
from pyconv.denormals import get_flush_denormal
from pyconv.dtypes import NAMES, is_float
from pyconv.environment import ignored, isa_problem, report
from pyconv.memory import get_cache_limit
from pyconv.packed import PackedWeight
from pyconv.precision import Precision, get_float32_precision, precision_code

__all__ = [
    "Explanation",
    "algorithms",
    "config",
    "explain",
    "get_num_threads",
    "isa",
    "isas",
    "set_num_threads",
    "show_config",
    "use_isa",
]

ENVIRONMENT = (
    "PYCONV_ISA",
    "PYCONV_FLOAT32_PRECISION",
    "PYCONV_FLUSH_DENORMAL",
    "PYCONV_CACHE_MB",
    "PYCONV_NUM_THREADS",
    "OMP_NUM_THREADS",
)


def _check_environment() -> None:
    value = os.environ.get("PYCONV_ISA", "")
    problem = isa_problem(value, _core.build_info()["built_isas"], _core.usable_isas())
    if problem is not None:
        report(problem)


_check_environment()


def get_num_threads() -> int:
    """Return the number of threads that a call may use."""
    return _core.thread_count()


def set_num_threads(n: int) -> None:
    """Set the number of threads that a call may use; no result depends on it.

    Raises
    ------
    TypeError, ValueError
        If `n` is not an int between 1 and 4096.
    """
    if isinstance(n, (bool, np.bool_)):
        raise TypeError(f"set_num_threads(): argument 'n': expected an int, got {n!r}")
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(f"set_num_threads(): argument 'n': expected an int, got {n!r}") from None
    if not 1 <= count <= 4096:
        raise ValueError(f"set_num_threads(): argument 'n': expected 1 to 4096, got {count}")
    _core.set_thread_count(count)


def isas() -> tuple[str, ...]:
    """Return the instruction sets usable here, best first (``PYCONV_ISA`` caps them)."""
    return tuple(_core.usable_isas())


def isa() -> str:
    """Return the instruction set in use."""
    return _core.current_isa()


@contextmanager
def use_isa(name: str) -> Iterator[None]:
    """Run the body on another instruction set; process-wide, so not for concurrent use.

    Raises
    ------
    ValueError
        If `name` is not among :func:`isas`.
    """
    before = _core.current_isa()
    _core.set_isa(name)
    clear()
    try:
        yield
    finally:
        _core.set_isa(before)
        clear()


def algorithms(direction: str = "forward") -> tuple[str, ...]:
    """Return the names of the algorithms for "forward", "input" or "weight", in order of choice."""
    return tuple(_core.conv_algorithms(direction))


@dataclass(frozen=True)
class Explanation:
    """How one convolution is carried out.

    Attributes
    ----------
    precision
        The policy that admitted it.
    direction
        "forward", or the gradient computed: "input" or "weight".
    algorithm, isa
        What was chosen.
    workspace_bytes
        Scratch memory for each thread.
    shared_bytes
        Scratch memory for the call besides; zero or the size of packed weights or partial sums.
    tasks
        Independent pieces of work; more threads than this do not help.
    flops
        2 * multiply-adds of the direct convolution.
    refusals
        The algorithms asked before, each with its reason.
    """

    direction: str
    dtype: str
    precision: str
    problem: shapes.ConvProblem
    algorithm: str
    isa: str
    workspace_bytes: int
    shared_bytes: int
    tasks: int
    flops: int
    refusals: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        p = self.problem
        lines = [
            f"conv {self.direction}, {self.dtype}: n={p.n} c={p.c} k={p.k} groups={p.groups}",
            f"  input {p.input}  kernel {p.kernel}  output {p.output}",
            f"  stride {p.stride}  dilation {p.dilation}  padding {p.pad_lo} before, "
            f"{p.pad_hi} after",
            f"  algorithm  {self.algorithm} on {self.isa}, precision {self.precision}",
            f"  work       {self.flops / 1e6:.2f} Mflop in {self.tasks} tasks",
            f"  workspace  {self.workspace_bytes / 1024:.0f} KiB a thread, "
            f"{self.shared_bytes / 1024:.0f} KiB shared",
        ]
        lines += [f"  not {name}: {reason}" for name, reason in self.refusals]
        return "\n".join(lines)


def _shape(value: Any) -> tuple[int, ...]:
    if isinstance(value, (np.ndarray, PackedWeight)):
        return value.shape
    return tuple(value)


def explain(
    input: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    direction: str = "forward",
    dtype: npt.DTypeLike | None = None,
    algorithm: str | None = None,
    precision: Precision | None = None,
) -> Explanation:
    """Return how a convolution of these arrays or shapes would be carried out.

    Parameters
    ----------
    input, weight
        Arrays or shapes: ([N,] C, spatial...) and (K, C / groups, kernel...), or a
        :class:`PackedWeight`, for which the choice may be another.
    stride, padding, dilation, groups, algorithm, precision
        As in :func:`pyconv.arrays.conv2d`.
    direction
        "forward", "input" (gradient for the input) or "weight" (gradient for the weight).
    dtype
        float32, float64, float16 or bfloat16; by default that of `input`, or float32 for a shape.

    Raises
    ------
    TypeError, ValueError
        As the convolution itself does.
    """
    if dtype is None:
        dtype = input.dtype if isinstance(input, np.ndarray) else np.float32
    element = np.dtype(dtype)
    if not is_float(element):
        raise TypeError(f"explain(): argument 'dtype': expected {NAMES}, got {element}")
    weight_shape = _shape(weight)
    rank = len(weight_shape) - 2
    if not 1 <= rank <= 3:
        expected = "a weight of 3, 4 or 5 dimensions"
        raise shapes.value_error("explain", "weight", expected, f"shape {weight_shape}")
    problem, _ = shapes.conv_problem(
        "explain", rank, _shape(input), weight_shape, stride, padding, dilation, groups
    )
    code, packed = precision_code("explain", precision), isinstance(weight, PackedWeight)
    plan = plan_for("explain", direction, problem, element, algorithm, code, packed)
    return Explanation(
        direction=direction,
        dtype=element.name,
        precision=("highest", "high", "medium")[plan.precision],
        problem=problem,
        algorithm=plan.algorithm,
        isa=plan.isa,
        workspace_bytes=plan.task_bytes,
        shared_bytes=plan.shared_bytes,
        tasks=plan.tasks,
        flops=problem.flops,
        refusals=tuple(plan.refusals),
    )


def config() -> dict[str, Any]:
    """Return the version, the processor, the instruction sets and the threads as a dict."""
    info = dict(_core.build_info())
    info.update(
        isa=isa(),
        isas=isas(),
        threads=get_num_threads(),
        float32_precision=get_float32_precision(),
        flush_denormal=get_flush_denormal(),
        cache_limit=get_cache_limit(),
        numpy=np.__version__,
        environment={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        ignored=ignored(),
    )
    return info


def show_config() -> None:
    """Print what :func:`config` returns."""
    for name, value in config().items():
        listed = isinstance(value, (list, tuple))
        text = (", ".join(map(str, value)) or "none") if listed else value
        print(f"{name:17} {text}")
