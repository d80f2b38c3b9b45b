"""Why pyconv carries out a layer as it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyconv import _core, shapes
from pyconv.arrays.plans import linear_plan_for, plan_for
from pyconv.dtypes import NAMES, is_float
from pyconv.packed import PackedWeight
from pyconv.precision import Precision, precision_code

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """How one convolution or linear layer is carried out.

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
        Scratch memory for the call besides: packed operands, partial sums, arrays of 16 bits as
        float32.
    tasks
        Independent pieces of work; more threads than this do not help.
    flops
        2 * multiply-adds of the definition.
    refusals
        The algorithms asked before, each with its reason.
    """

    direction: str
    dtype: str
    precision: str
    problem: shapes.ConvProblem | shapes.LinearProblem
    algorithm: str
    isa: str
    workspace_bytes: int
    shared_bytes: int
    tasks: int
    flops: int
    refusals: tuple[tuple[str, str], ...]

    @classmethod
    def of(
        cls,
        direction: str,
        dtype: str,
        problem: shapes.ConvProblem | shapes.LinearProblem,
        plan: _core.ConvPlan | _core.LinearPlan,
    ) -> Explanation:
        """Return what a plan tells."""
        return cls(
            direction=direction,
            dtype=dtype,
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

    def __str__(self) -> str:
        lines = [
            *_sizes(f"{self.direction}, {self.dtype}", self.problem),
            f"  algorithm  {self.algorithm} on {self.isa}, precision {self.precision}",
            f"  work       {self.flops / 1e6:.2f} Mflop in {self.tasks} tasks",
            f"  workspace  {self.workspace_bytes / 1024:.0f} KiB a thread, "
            f"{self.shared_bytes / 1024:.0f} KiB shared",
        ]
        lines += [f"  not {name}: {reason}" for name, reason in self.refusals]
        return "\n".join(lines)


def _sizes(what: str, p: shapes.ConvProblem | shapes.LinearProblem) -> list[str]:
    if isinstance(p, shapes.LinearProblem):
        sizes = f"rows={p.rows} in_features={p.in_features} out_features={p.out_features}"
        return [f"linear {what}: {sizes}"]
    return [
        f"conv {what}: n={p.n} c={p.c} k={p.k} groups={p.groups}",
        f"  input {p.input}  kernel {p.kernel}  output {p.output}",
        f"  stride {p.stride}  dilation {p.dilation}  padding {p.pad_lo} before, {p.pad_hi} after",
    ]


def _shape(value: Any) -> tuple[int, ...]:
    if isinstance(value, (np.ndarray, PackedWeight)):
        return value.shape
    return tuple(value)


def _problem(
    shape: tuple[int, ...], weight: tuple[int, ...], hyper: tuple[Any, Any, Any, Any]
) -> shapes.ConvProblem | shapes.LinearProblem:
    """Return the problem; a weight of two dimensions is that of a linear layer."""
    rank = len(weight) - 2
    if rank == 0:
        if hyper != (1, 0, 1, 1):
            raise ValueError(
                f"explain(): a linear layer, as the weight's shape {weight} says, has no stride, "
                "padding, dilation or groups"
            )
        return shapes.linear_problem("explain", shape, weight)
    if not 1 <= rank <= 3:
        expected = "a weight of 2 (a linear layer), 3, 4 or 5 dimensions"
        raise shapes.value_error("explain", "weight", expected, f"shape {weight}")
    return shapes.conv_problem("explain", rank, shape, weight, *hyper)[0]


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
    """Return how a convolution or linear layer of these arrays or shapes would be carried out.

    Parameters
    ----------
    input, weight
        Arrays or shapes: ([N,] C, spatial...) and (K, C / groups, kernel...), or (...,
        in_features) and (out_features, in_features) for a linear layer. A weight may be a
        :class:`PackedWeight`, for which the choice may be another.
    stride, padding, dilation, groups
        As in :func:`pyconv.arrays.conv2d`; a linear layer has none.
    algorithm, precision
        As in :func:`pyconv.arrays.conv2d` and :func:`pyconv.arrays.linear`.
    direction
        "forward", "input" (gradient for the input) or "weight" (gradient for the weight).
    dtype
        float32, float64, float16 or bfloat16; by default that of `input`, or float32 for a shape.

    Raises
    ------
    TypeError, ValueError
        As the operator itself does.
    """
    if dtype is None:
        dtype = input.dtype if isinstance(input, np.ndarray) else np.float32
    element = np.dtype(dtype)
    if not is_float(element):
        raise TypeError(f"explain(): argument 'dtype': expected {NAMES}, got {element}")
    hyper = (stride, padding, dilation, groups)
    problem = _problem(_shape(input), _shape(weight), hyper)
    code = precision_code("explain", precision)
    plan: _core.ConvPlan | _core.LinearPlan
    if isinstance(problem, shapes.LinearProblem):
        plan = linear_plan_for("explain", direction, problem, element, algorithm, code)
    else:
        packed = isinstance(weight, PackedWeight)
        plan = plan_for("explain", direction, problem, element, algorithm, code, packed)
    return Explanation.of(direction, element.name, problem, plan)
