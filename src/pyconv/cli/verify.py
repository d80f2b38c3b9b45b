"""Calls whose right answer the reference knows, and whether a kernel gives that answer.

The operands are float32 values in both dtypes, so that one answer in float64 serves both; for
arrays of 16 bits they are coarser ones, which float16 and bfloat16 hold alike.  Where
a result is a selection (maxima, ReLU) it must be equal; a sum may be off by the bound of its
rounding errors, ``terms * eps * sum(abs(products))`` (Higham, Accuracy and Stability of Numerical
Algorithms, section 3.1), which the reference gives when it is run on the absolute operands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyconv import arrays, cases, reference
from pyconv.dtypes import computed_as
from pyconv.rounding import half_ulp, largest_sum, rounding

Array = npt.NDArray[Any]
Values = Callable[[Array | None], Array]

# Roundings besides those of the products and sums: bias, division, joining partial sums.
EXTRA_ROUNDINGS = 4

#: What products of numbers split into bfloat16 leave out, relative to each product: two roundings
#: to 8 bits; two to 16 and the product of the second terms; products of second and third terms.
LEFT_OUT = {"bf16x1": 2.0**-7 + 2.0**-16, "bf16x3": 2.0**-15 + 2.0**-22, "bf16x6": 2.0**-23}

#: rows, in_features, out_features: one of each, and sizes around lanes and tiles.
LINEAR_SIZES = ((1, 1, 1), (3, 17, 5), (1, 300, 33), (33, 48, 65), (64, 400, 120))
RELU_SIZES = (1, 7, 16, 33, 1000, 4099)


class Probe(NamedTuple):
    """One call with its right answer.

    Attributes
    ----------
    operation
        Its row in the table.
    case
        What was called, for messages.
    call
        Takes the operands in the dtype under test, and ``algorithm``.
    operands
        float64 arrays that hold float32 values, or coarser ones.
    expected
        The right answer in float64.
    magnitude
        The answer for the absolute operands, or None if the result must be equal.
    terms
        Most products summed for one element.
    direction
        The list of algorithms that the call chooses from, or "" if there is no choice.
    largest
        What stands for the magnitude where an algorithm mixes pixels.
    explain
        Keyword arguments by which :func:`pyconv.explain` finds the plan of the call.
    """

    operation: str
    case: str
    call: Callable[..., Array]
    operands: Sequence[Array]
    expected: Array
    magnitude: Array | None
    terms: int
    direction: str = ""
    largest: float = 0.0
    explain: Mapping[str, Any] = MappingProxyType({})

    def refuses(self, algorithm: str, dtype: npt.DTypeLike) -> bool:
        """Return whether an algorithm declines this call."""
        from pyconv import config

        try:
            config.explain(
                **self.explain, direction=self.direction, dtype=dtype, algorithm=algorithm
            )
        except ValueError:
            return True
        return False

    def share_of_bound(self, dtype: npt.DTypeLike, algorithm: str | None) -> float:
        """Call, and return the largest error as a share of its bound: above 1 is wrong.

        Raises
        ------
        AssertionError
            If shape or dtype of the result are wrong.
        """
        operands = [array.astype(dtype) for array in self.operands]
        extra = {"algorithm": algorithm} if algorithm else {}
        result = self.call(*operands, **extra)
        if result.shape != self.expected.shape or result.dtype != dtype:
            raise AssertionError(
                f"gave {result.dtype} {result.shape}, "
                f"expected {np.dtype(dtype)} {self.expected.shape}"
            )
        if self.magnitude is None:
            return 0.0 if np.array_equal(result, self.expected, equal_nan=True) else math.inf
        info = np.finfo(computed_as(result.dtype))
        # The reference's own rounding counts as well; it shows when the dtype is float64.
        eps = float(info.eps) + float(np.finfo(np.float64).eps)
        gain, magnitude = 1.0, np.abs(self.magnitude)
        if algorithm:
            promise = rounding(self.direction, algorithm)
            gain = promise.gain
            if promise.normwise:
                magnitude = magnitude + self.largest
        relative = gain * (self.terms + EXTRA_ROUNDINGS) * eps
        if result.dtype.name != "bfloat16" or algorithm != "bf16x1":  # of bfloat16 nothing is left
            relative += LEFT_OUT.get(algorithm or "", 0.0)
        bound = relative * magnitude + float(info.tiny)
        bound = bound + half_ulp(np.abs(self.expected) + bound, result.dtype)
        error = np.abs(result.astype(np.float64) - self.expected)
        return float(np.max(np.where(np.isnan(error), math.inf, error / bound), initial=0.0))


def probes(tags: Sequence[str], coarse: bool = False) -> Iterator[Probe]:
    """Yield every call for the cases with one of these tags, on numbers for 16 bits if `coarse`."""
    values = coarse_values if coarse else doubles
    for case in cases.conv(*tags):
        yield from conv_probes(case, values)
    for case in cases.pool(*tags):
        yield from pool_probes(case, values)
    yield from linear_probes(values)
    yield from relu_probes(values)


def doubles(array: Array | None) -> Array:
    """Return an operand of a case in float64."""
    if array is None:
        raise ValueError("the case has no such operand")
    return array.astype(np.float64)


def coarse_values(array: Array | None) -> Array:
    """Return an operand in float64, rounded to what eight bits hold from 1/128 on."""
    values = doubles(array)
    fraction, exponent = np.frexp(np.rint(values * 128) / 128)
    return np.asarray(np.ldexp(np.rint(fraction * 256) / 256, exponent))


def conv_probes(case: cases.Case, values: Values) -> Iterator[Probe]:
    """Yield the passes of a convolution: forward plain and with ReLU, and three gradients."""
    x, w, b = map(values, case.operands(np.float32))
    g = values(case.grad_output(np.float32))
    problem = case.conv_problem
    taps, pixels = math.prod(problem.kernel), math.prod(problem.output)
    text = repr(case)
    passes: tuple[tuple[str, str, Callable[..., Any], tuple[Array, ...], int], ...] = (
        ("forward", case.op, lambda *xwb: xwb, (x, w, b), problem.reduction),
        (
            "input",
            f"{case.op}_input",
            lambda w, g: (case.input, w, g),
            (w, g),
            problem.k // problem.groups * taps,
        ),
        (
            "weight",
            f"{case.op}_weight",
            lambda x, g: (x, case.weight, g),
            (x, g),
            problem.n * pixels,
        ),
    )
    for direction, name, order, operands, terms in passes:
        largest = largest_sum(direction, x, w, g, problem.groups, case.rank)
        yield from conv_pass(case, direction, name, order, operands, terms, largest)
    if len(case.input) == case.rank + 2:
        yield summed("conv bias", text, f"{case.op}_bias", (g,), problem.n * pixels)


def conv_pass(
    case: cases.Case,
    direction: str,
    name: str,
    order: Callable[..., Any],
    operands: tuple[Array, ...],
    terms: int,
    largest: float,
) -> Iterator[Probe]:
    """Yield one pass; ``order`` makes the positional arguments of the function from operands."""

    def answer(module: Any, operands: Sequence[Array], **options: Any) -> Array:
        result: Array = getattr(module, name)(*order(*operands), **case.arguments, **options)
        return result

    plain = Probe(
        f"conv {direction}",
        repr(case),
        lambda *operands, **options: answer(arrays, operands, **options),
        operands,
        answer(reference, operands),
        answer(reference, [np.abs(operand) for operand in operands]),
        terms,
        direction,
        largest,
        {"input": case.input, "weight": case.weight, **case.arguments},
    )
    yield plain
    if direction == "forward":
        yield plain._replace(
            operation="conv forward, ReLU",
            call=lambda *operands, **options: plain.call(*operands, **options, relu=True),
            expected=np.maximum(plain.expected, 0),
        )


def summed(operation: str, text: str, name: str, operands: Sequence[Array], terms: int) -> Probe:
    """Return the probe of a function without further arguments whose result is a sum."""
    kernel, right = getattr(arrays, name), getattr(reference, name)
    absolute = [np.abs(operand) for operand in operands]
    return Probe(operation, text, kernel, operands, right(*operands), right(*absolute), terms)


def pool_probes(case: cases.Case, values: Values) -> Iterator[Probe]:
    """Yield a pooling, for maxima their positions, and the gradient."""
    x = values(case.operands(np.float32).input)
    g = values(case.grad_output(np.float32))
    options, text, window = case.arguments, repr(case), case.pool_problem.window
    if case.op == "avg_pool2d":
        yield Probe(
            "avg pool forward",
            text,
            lambda x: arrays.avg_pool2d(x, **options),
            (x,),
            reference.avg_pool2d(x, **options),
            reference.avg_pool2d(np.abs(x), **options),
            window,
        )
        yield Probe(
            "avg pool input",
            text,
            lambda g: arrays.avg_pool2d_backward(g, case.input, **options),
            (g,),
            reference.avg_pool2d_backward(g, case.input, **options),
            reference.avg_pool2d_backward(np.abs(g), case.input, **options),
            window,
        )
        return
    largest, offsets = reference.max_pool2d_with_offsets(x, **options)
    # Positions are compared as values: the call turns them into the dtype under test.
    yield Probe(
        "max pool forward", text, lambda x: arrays.max_pool2d(x, **options), (x,), largest, None, 1
    )
    yield Probe(
        "max pool offsets",
        text,
        lambda x: arrays.max_pool2d_with_offsets(x, **options)[1].astype(x.dtype),
        (x,),
        offsets.astype(np.float64),
        None,
        1,
    )
    yield Probe(
        "max pool input",
        text,
        lambda g: arrays.max_pool2d_backward(g, offsets, case.input, **options),
        (g,),
        reference.max_pool2d_backward(g, offsets, case.input, **options),
        reference.max_pool2d_backward(np.abs(g), offsets, case.input, **options),
        window,
    )


def linear_probes(values: Values) -> Iterator[Probe]:
    """Yield linear layers and their gradients."""
    for rows, features, outputs in LINEAR_SIZES:
        text = f"linear: input ({rows}, {features}), weight ({outputs}, {features})"
        rng = np.random.default_rng(rows)
        x, w, b, g = (
            values(rng.standard_normal(shape).astype(np.float32))
            for shape in ((rows, features), (outputs, features), (outputs,), (rows, outputs))
        )
        yield summed("linear forward", text, "linear", (x, w, b), features)
        yield summed("linear input", text, "linear_input", (w, g), outputs)
        yield summed("linear weight", text, "linear_weight", (x, g), rows)
        yield summed("linear bias", text, "linear_bias", (g,), rows)


def relu_probes(values: Values) -> Iterator[Probe]:
    """Yield ReLU and its gradient, with infinities and NaN among the values."""
    for size in RELU_SIZES:
        rng = np.random.default_rng(size)
        x, g = values(rng.standard_normal((2, size)).astype(np.float32))
        specials = (np.nan, np.inf, -np.inf, 0.0)
        x[: min(size, len(specials))] = specials[:size]
        text = f"relu: {size} values"
        y = reference.relu(x)
        yield Probe("ReLU forward", text, arrays.relu, (x,), y, None, 1)
        right = reference.relu_backward(g, y)
        yield Probe("ReLU input", text, arrays.relu_backward, (g, y), right, None, 1)
