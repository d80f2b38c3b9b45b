"""Errors of every algorithm at every level of precision against float64, beside torch's own.

``python benchmarks/accuracy.py`` prints two tables for layers of the shape table, on normal data
and on uniform positive data, where nothing cancels and rounding errors add up:

normwise
    max|d| / max|y|: what is lost of the largest result.
componentwise
    max of |d| / conv(|x|, |w|), element by element: what is lost of the terms of each sum.

torch computes on the same arrays; without torch its columns are missing and the NumPy reference is
the judge, which takes longer.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import pyconv
from pyconv import arrays, cases, config
from pyconv.bench import Job, tools
from pyconv.bench.jobs import DIRECTIONS
from pyconv.bench.text import error_text
from pyconv.bench.tools import Operands, reference_tool
from pyconv.bench.tools.calls import gradient_call
from pyconv.cli.table import format_table
from pyconv.precision import Precision

Array = npt.NDArray[Any]

TORCH = bool(importlib.util.find_spec("torch"))
LEVELS: tuple[Precision, ...] = ("highest", "high", "medium")
DATA = ("normal", "positive")

#: One of each kind: few channels, large kernel, deep sums, 1x1, strided, depthwise, grouped,
#: dilated, 1-D.
LAYERS = (
    "lenet.c3", "alex.c1", "alex.c2", "vgg.3_2", "r50.conv1", "r50.2.3x3", "r50.4.3x3",
    "r50.5.3x3", "r50.4.1x1", "r50.3.1x1s2", "mbv2.dw3s1", "resnext.g32", "deeplab.d2",
    "ecg.block2",
)  # fmt: skip


class Error(NamedTuple):
    """How far a result is from the exact one."""

    norm: float
    component: float


def draw(case: cases.Case, data: str) -> Operands:
    """Return float32 operands of a case: normal, or uniform between 0 and 1."""
    if data == "normal":
        return tools.operands(Job(case))
    rng = np.random.default_rng(7)
    shapes = (case.input, case.weight, case.output)
    return Operands(*(rng.random(shape, dtype=np.float32) for shape in shapes))


def widened(operands: Operands, change: Callable[[Array], Array] = np.asarray) -> Operands:
    """Return the operands in float64, each passed through a function."""
    return Operands(*(change(array.astype(np.float64)) for array in operands))


def compute(tool: Any, job: Job, operands: Operands) -> Array:
    """Return a tool's result."""
    prepared = tool.prepare(job, operands)
    result: Array = prepared.array(prepared.call())
    return result


def forced(job: Job, operands: Operands, algorithm: str | None) -> Array | None:
    """Return the result of one of pyconv's algorithms or of its choice, None where it refuses."""
    arguments = {**job.case.arguments, "algorithm": algorithm}
    case = cases.Case(job.case.name, job.case.op, job.case.input, job.case.weight, arguments)
    try:
        if job.direction == "forward":
            function = getattr(arrays, case.op)
            return np.asarray(function(operands.input, operands.weight, **arguments))
        return np.asarray(gradient_call(arrays, job._replace(case=case), operands)())
    except ValueError:
        return None


def compared(result: Array, exact: Array, magnitude: Array) -> Error:
    """Return both errors of a result."""
    difference = np.abs(result - exact)
    terms = np.where(magnitude > 0, magnitude, 1)
    return Error(float(difference.max() / np.abs(exact).max()), float((difference / terms).max()))


def results(job: Job, operands: Operands) -> Iterator[tuple[str, Array]]:
    """Yield the name and the result of every way to compute a job in float32.

    "chosen" is what a call without ``algorithm`` does. A lower level is left out where it does the
    same as a higher one.
    """
    known: dict[str, list[Array]] = {}
    for level in LEVELS:
        for algorithm in (None, *config.algorithms(job.direction)):
            with pyconv.float32_precision(level):
                result = forced(job, operands, algorithm)
            name = algorithm or "chosen"
            before = known.setdefault(name, [])
            if result is not None and not any(np.array_equal(result, old) for old in before):
                before.append(result)
                yield name if level == "highest" else f"{name} {level}", result
    if TORCH:
        for name in ("torch", "torch-cl"):
            yield name, compute(tools.load(name), job, operands)


def measure(job: Job, data: str) -> dict[str, Error]:
    """Return the errors on a job by the name of what made them."""
    judge = tools.load("torch") if TORCH else reference_tool
    operands = draw(job.case, data)
    exact = compute(judge, job, widened(operands))
    magnitude = compute(judge, job, widened(operands, np.abs))
    return {name: compared(result, exact, magnitude) for name, result in results(job, operands)}


def print_tables(found: dict[tuple[str, str], dict[str, Error]]) -> None:
    """Print a table for each kind of error, with the median ratio to torch's at its foot."""
    names = list(dict.fromkeys(name for errors in found.values() for name in errors))
    for kind, title in enumerate(("max|d| / max|y|", "max |d| / conv(|x|, |w|)")):
        rows = [
            [*key, *(error_text(errors[name][kind] if name in errors else None) for name in names)]
            for key, errors in found.items()
        ]
        if TORCH:
            feet = [median_ratio(found.values(), name, kind) for name in names]
            rows.append(["median of its error by torch's", "", *feet])
        print(format_table([title, "data", *names], rows, left=2), end="\n\n")


def median_ratio(found: Any, name: str, kind: int) -> str:
    """Return the median of an algorithm's error by that of torch on the same layer."""
    ratios = [
        errors[name][kind] / errors["torch"][kind]
        for errors in found
        if name in errors and errors["torch"][kind]
    ]
    return f"{statistics.median(ratios):.2f}" if ratios else "-"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="errors of every algorithm against float64")
    parser.add_argument("--direction", choices=DIRECTIONS, default="forward")
    parser.add_argument("--layers", default=",".join(LAYERS), help="names, joined by commas")
    args = parser.parse_args(argv)
    jobs = [Job(cases.find(name), args.direction) for name in args.layers.split(",")]
    print_tables({(job.case.name, data): measure(job, data) for job in jobs for data in DATA})
    print(f"{args.direction}, float32 on {config.isa()}, against float64")


if __name__ == "__main__":
    main()
