"""What is told about a layer: the plan that runs, and why it was chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyconv
from passes import DIRECTIONS, make
from pyconv import config
from pyconv.cases import Case

LAYER = Case("layer", "conv2d", (1, 64, 56, 56), (64, 64, 3, 3), {"padding": 1})
every_direction = pytest.mark.parametrize("direction", DIRECTIONS)


def _explain(case: Case, **extra: Any) -> pyconv.Explanation:
    return pyconv.explain(case.input, case.weight, **case.arguments, **extra)


@every_direction
def test_explain_tells_the_facts(direction: str) -> None:
    told = _explain(LAYER, direction=direction, dtype=np.float64)
    assert told.direction == direction
    assert told.dtype == "float64"
    assert told.flops == LAYER.flops == 2 * 64 * 64 * 9 * 56 * 56
    assert told.problem == LAYER.conv_problem
    assert told.algorithm in config.algorithms(direction)
    assert told.tasks > 1
    # No im2col buffer: that would be 576 x 3136 elements.
    assert 0 <= told.workspace_bytes < 2_000_000
    assert told.shared_bytes >= 0
    text = str(told)
    assert text.startswith(f"conv {direction}, float64: n=1 c=64 k=64 groups=1")
    assert f"{told.algorithm} on {told.isa}" in text
    assert "231.21 Mflop" in text
    assert all(f"not {name}: {reason}" in text for name, reason in told.refusals)


def test_explain_takes_arrays_shapes_and_packed_weights() -> None:
    data = make(LAYER, np.float64)
    by_arrays = pyconv.explain(data.x, data.w, padding=1)
    assert by_arrays == _explain(LAYER, dtype="float64")
    packed = pyconv.explain(data.x, pyconv.PackedWeight(data.w), padding=1)
    assert (packed.problem, packed.algorithm) == (by_arrays.problem, by_arrays.algorithm)
    assert _explain(LAYER).dtype == "float32"
    with pytest.raises(TypeError, match=r"'dtype'.*int16"):
        _explain(LAYER, dtype=np.int16)
    with pytest.raises(ValueError, match="'weight'"):
        pyconv.explain((1, 4), (3,))
    with pytest.raises(ValueError, match=r"explain\(\).*3 channels.*got 4"):
        pyconv.explain((1, 4, 5, 5), (3, 3, 3, 3))


def test_arrays_of_16_bits_take_memory_as_float32_a_part_at_a_time() -> None:
    elements = 2 * 64 * 56 * 56
    alone = _explain(LAYER, dtype=np.float16).shared_bytes - _explain(LAYER).shared_bytes
    assert 4 * elements < alone < 5 * elements
    batch = pyconv.explain((500, 64, 56, 56), LAYER.weight, dtype=np.float16, padding=1)
    assert batch.shared_bytes < 32 * elements
    assert batch.tasks > 1
    grouped = pyconv.explain((1, 150, 40, 40), (150, 1, 3, 3), dtype=np.float16, groups=150)
    assert (grouped.shared_bytes, grouped.workspace_bytes > 1 << 16) == (0, True)


@every_direction
def test_explain_tells_of_linear_layers(direction: str) -> None:
    x, w = (3, 5, 300), (70, 300)
    told = pyconv.explain(x, w, direction=direction)
    assert told.problem == pyconv.shapes.LinearProblem(15, 300, 70)
    assert told.flops == 2 * 15 * 300 * 70
    assert told.tasks >= 1
    assert 0 < told.workspace_bytes < 2_000_000
    text = str(told)
    assert text.startswith(f"linear {direction}, float32: rows=15 in_features=300 out_features=70")
    assert f"{told.algorithm} on {told.isa}, precision highest" in text
    assert all(f"not {name}: {reason}" in text for name, reason in told.refusals)
    names = [name for name, _ in told.refusals] + [told.algorithm]
    assert names == ["bf16x1", "bf16x3", "bf16x6", "gemm"][: len(names)]
    arrays_told = pyconv.explain(np.zeros(x), pyconv.PackedWeight(np.zeros(w)), direction=direction)
    assert (arrays_told.dtype, arrays_told.algorithm) == ("float64", "gemm")
    assert pyconv.explain(x, w, dtype=np.float64, precision="medium").precision == "highest"
    wide = pyconv.explain(x, w, dtype=np.float16, direction=direction)
    assert wide.shared_bytes > told.shared_bytes == 0
    assert pyconv.explain(x, w, direction=direction, algorithm="gemm").refusals == ()


def test_explain_of_linear_layers_refuses_what_they_lack() -> None:
    with pytest.raises(ValueError, match="no stride"):
        pyconv.explain((2, 5), (3, 5), stride=2)
    with pytest.raises(ValueError, match=r"explain\(\).*'input'.*last dimension of 5"):
        pyconv.explain((2, 4), (3, 5))
    with pytest.raises(ValueError, match=r"explain\(\).*'direction'"):
        pyconv.explain((2, 5), (3, 5), direction="back")
    with pytest.raises(ValueError, match=r"explain\(\).*'algorithm': expected one of bf16x1"):
        pyconv.explain((2, 5), (3, 5), algorithm="fast")
    with pytest.raises(TypeError, match=r"explain\(\).*'algorithm'"):
        pyconv.explain((2, 5), (3, 5), algorithm=5)  # type: ignore[arg-type]
