"""The three passes of a convolution case, on the kernels or on the reference."""

from __future__ import annotations

from functools import cache, lru_cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

import pyconv
from pyconv import reference
from pyconv.cases import Case
from pyconv.rounding import largest_sum, rounding
from tolerances import split_bound, sum_bound

Array = npt.NDArray[Any]

DTYPES = (np.float32, np.float64)


def every_dtype() -> tuple[Any, ...]:
    """Return the dtypes that arrays may have, bfloat16 where there is the package that has it."""
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        return (*DTYPES, np.float16)
    return (*DTYPES, np.float16, bfloat16)


DIRECTIONS = ("forward", "input", "weight")

#: Instruction sets with products of bfloat16 pairs.
PAIR_ISAS = ("amx", "avx512_bf16", "amx_emulated")


class Data(NamedTuple):
    """Operands of all passes; `bias` is used by the forward pass only."""

    x: Array
    w: Array
    bias: Array | None
    g: Array

    def map(self, function: Any) -> Data:
        """Return the data with `function` applied to every array."""
        return Data(*(None if array is None else function(array) for array in self))

    def astype(self, dtype: npt.DTypeLike) -> Data:
        """Return the data in another dtype."""
        return self.map(lambda array: array.astype(dtype))


def make(case: Case, dtype: npt.DTypeLike = np.float64, integers: bool = False) -> Data:
    """Return the operands of `case`."""
    x, w, bias = case.operands(dtype, integers)
    assert w is not None
    return Data(x, w, bias, case.grad_output(dtype, integers))


def run(module: ModuleType, case: Case, direction: str, data: Data, **extra: Any) -> Array:
    """Run one pass of `case` in `module`."""
    x, w, bias, g = data
    if direction == "forward":
        result = getattr(module, case.op)(x, w, bias, **case.arguments, **extra)
    elif direction == "input":
        function = getattr(module, f"{case.op}_input")
        result = function(case.input, w, g, **case.arguments, **extra)
    else:
        function = getattr(module, f"{case.op}_weight")
        result = function(x, case.weight, g, **case.arguments, **extra)
    assert isinstance(result, np.ndarray)
    return result


def result_shape(case: Case, direction: str) -> tuple[int, ...]:
    """Return the shape of what a pass gives."""
    return {"forward": case.output, "input": case.input, "weight": case.weight}[direction]


def terms(case: Case, direction: str) -> int:
    """Return the largest number of products summed for one element of the result."""
    p = case.conv_problem
    taps = int(np.prod(p.kernel))
    if direction == "forward":
        return p.reduction
    return p.k // p.groups * taps if direction == "input" else p.n * int(np.prod(p.output))


@cache
def exact(case: Case, direction: str, bias: bool = True) -> Array:
    """Return the reference's result on small integers."""
    data = make(case, integers=True)
    result = run(reference, case, direction, data if bias else data._replace(bias=None))
    result.flags.writeable = False
    return result


@lru_cache(maxsize=64)
def rounded(case: Case, direction: str, dtype: npt.DTypeLike) -> Array:
    """Return the reference's result on random data of `dtype`."""
    return run(reference, case, direction, make(case, dtype).astype(np.float64))


@lru_cache(maxsize=64)
def _largest(case: Case, direction: str, dtype: npt.DTypeLike, integers: bool) -> float:
    data = make(case, dtype, integers=integers).astype(np.float64)
    return largest_sum(direction, data.x, data.w, data.g, case.conv_problem.groups, case.rank)


@lru_cache(maxsize=64)
def _magnitude(case: Case, direction: str, dtype: npt.DTypeLike, integers: bool) -> Array:
    data = make(case, dtype, integers=integers).astype(np.float64)
    return run(reference, case, direction, data.map(np.abs))


def bound(
    case: Case,
    direction: str,
    dtype: npt.DTypeLike,
    algorithm: str,
    integers: bool = False,
    computed: npt.DTypeLike = None,
) -> Array:
    """Return how far an algorithm's result on the data of `make` may be from the reference's.

    `computed` is the dtype of its sums, if not that of the data; the last rounding is extra.
    """
    promise = rounding(direction, algorithm)
    magnitude = _magnitude(case, direction, dtype, integers)
    if promise.normwise:
        magnitude = magnitude + _largest(case, direction, dtype, integers)
    of_the_sum = sum_bound(terms(case, direction), computed or dtype, magnitude, promise.gain)
    lossless = algorithm == "bf16x1" and np.dtype(dtype).itemsize == 2
    return of_the_sum if lossless else of_the_sum + split_bound(algorithm, magnitude)


def is_exact(direction: str, algorithm: str) -> bool:
    """Return whether an algorithm keeps small integers exact."""
    return rounding(direction, algorithm).gain == 1


def refusal(case: Case, direction: str, dtype: npt.DTypeLike, algorithm: str) -> str | None:
    """Return why `algorithm` cannot run a pass of `case`, or None if it can."""
    try:
        explanation = pyconv.explain(
            case.input,
            case.weight,
            **case.arguments,
            direction=direction,
            dtype=dtype,
            algorithm=algorithm,
        )
    except ValueError as error:
        return str(error)
    assert (explanation.algorithm, explanation.isa) == (algorithm, pyconv.config.isa())
    return None


def willing(case: Case, direction: str, dtype: npt.DTypeLike) -> tuple[str, ...]:
    """Return the algorithms that do not refuse a pass of `case`."""
    names = pyconv.config.algorithms(direction)
    return tuple(name for name in names if refusal(case, direction, dtype, name) is None)


def by_torch(case: Case, data: Data) -> dict[str, Array]:
    """Return torch's results of all passes, and of the gradient of the bias.

    Skips the test where torch is missing or refuses the case.
    """
    torch = pytest.importorskip("torch")
    if 0 in (*case.input, *case.weight):
        pytest.skip("torch refuses empty arrays")
    p = case.conv_problem
    x, w, bias = (torch.from_numpy(array).requires_grad_() for array in data[:3])
    # torch takes the padding of the last dimension first.
    sides = [side for axis in (2, 1, 0) for side in (p.pad_lo[axis], p.pad_hi[axis])]
    padded = torch.nn.functional.pad(x, sides[: 2 * case.rank])
    others = {key: value for key, value in case.arguments.items() if key != "padding"}
    y = getattr(torch.nn.functional, case.op)(padded, w, bias, **others)
    y.backward(torch.from_numpy(data.g))
    results = {"forward": y.detach(), "input": x.grad, "weight": w.grad, "bias": bias.grad}
    return {key: value.numpy() for key, value in results.items()}
