"""What was asked for is what runs: instruction sets, algorithms, plans and packed weights."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pyconv
from passes import DIRECTIONS, DTYPES, Data, make, run, willing
from pyconv import _core, arrays, cases, config
from pyconv.arrays import plans
from pyconv.cases import Case
from pyconv.environment import isa_problem

SMOKE = cases.conv("smoke")
LAYER = Case("layer", "conv2d", (1, 64, 56, 56), (64, 64, 3, 3), {"padding": 1})
every_case = pytest.mark.parametrize("case", SMOKE, ids=lambda case: case.name)
every_direction = pytest.mark.parametrize("direction", DIRECTIONS)


def _explain(case: Case, **extra: Any) -> pyconv.Explanation:
    return pyconv.explain(case.input, case.weight, **case.arguments, **extra)


# Instruction sets.


def test_the_best_instruction_set_comes_first_and_generic_last() -> None:
    usable, built = config.isas(), _core.build_info()["built_isas"]
    assert usable[-1] == built[-1] == "generic"
    assert [name for name in built if name in usable] == list(usable)


def test_a_forced_instruction_set_is_used(isa: str) -> None:
    assert config.isa() == _core.current_isa() == config.config()["isa"] == isa
    assert _explain(LAYER).isa == isa
    assert f" on {isa}" in str(_explain(LAYER))


def test_plans_of_another_instruction_set_are_not_reused() -> None:
    data = make(LAYER, np.float32)
    alone = {}
    for name in config.isas():
        with config.use_isa(name):
            plans.clear()
            alone[name] = run(arrays, LAYER, "forward", data).tobytes()
    for name in (*config.isas(), *reversed(config.isas())):
        with config.use_isa(name):
            assert run(arrays, LAYER, "forward", data).tobytes() == alone[name]


def test_the_instruction_set_is_restored() -> None:
    before = config.isa()
    for name in config.isas():
        with pytest.raises(ZeroDivisionError), config.use_isa(name):
            1 / 0  # noqa: B018
        assert config.isa() == before
    with pytest.raises(ValueError, match="'sse9' is not usable here"), config.use_isa("sse9"):
        pass
    assert config.isa() == before


def _in_process(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, check=True,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.parametrize("cap", [*_core.build_info()["built_isas"], "sse9", ""])
def test_the_environment_caps_the_instruction_set(cap: str) -> None:
    built = _core.build_info()["built_isas"]
    usable = _in_process("import pyconv; print(*pyconv.config.isas())", PYCONV_ISA="").split()
    allowed = built[built.index(cap) :] if cap in built else built
    expected = [name for name in usable if name in allowed]
    code = (
        "import numpy as np, pyconv\n"
        "x = np.ones((1, 1, 4, 4), np.float32)\n"
        "assert (pyconv.arrays.conv2d(x, x[..., :3, :3]) == 9).all()\n"
        "print(*pyconv.config.isas(), pyconv.explain(x, x).isa, pyconv.config.isa())"
    )
    assert _in_process(code, PYCONV_ISA=cap).split() == [*expected, expected[0], expected[0]]


def test_a_cap_that_is_not_obeyed_is_reported_once() -> None:
    code = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import pyconv, pyconv.functional\n"
        "[warning] = caught\n"
        "assert warning.category is RuntimeWarning\n"
        "assert pyconv.config.config()['ignored'] == (str(warning.message),)\n"
        "print(warning.message)"
    )
    best = config.isas()[0] if "PYCONV_ISA" not in os.environ else ""
    text = _in_process(code, PYCONV_ISA="sse9")
    assert "PYCONV_ISA" in text
    assert "'sse9'" in text
    assert f"using {best}" in text
    for name in ("", "generic"):
        code = "import pyconv; print(pyconv.config.config()['ignored'])"
        assert _in_process(code, PYCONV_ISA=name, PYTHONWARNINGS="error") == "()"


def test_why_a_cap_is_not_obeyed() -> None:
    built, usable = ["avx512", "avx2", "generic"], ["avx2", "generic"]
    assert isa_problem("", built, usable) is None
    assert isa_problem("avx2", built, usable) is None
    above, unknown = isa_problem("avx512", built, usable), isa_problem("mmx", built, usable)
    assert above == "PYCONV_ISA: this machine cannot run 'avx512'; using avx2"
    assert unknown == "PYCONV_ISA: expected avx512, avx2, generic, got 'mmx'; using avx2"


def test_what_lies_above_the_cap_cannot_be_used() -> None:
    code = (
        "import pyconv\n"
        "for name in pyconv.config.config()['built_isas'][:-1]:\n"
        "    try:\n"
        "        with pyconv.config.use_isa(name): print('used', name)\n"
        "    except ValueError: pass"
    )
    assert _in_process(code, PYCONV_ISA="generic") == ""


# Algorithms.


@every_case
@every_direction
def test_a_forced_algorithm_is_used(case: Case, direction: str, isa: str) -> None:
    for name in willing(case, direction, np.float32):
        forced = _explain(case, direction=direction, algorithm=name)
        assert (forced.algorithm, forced.isa, forced.refusals) == (name, isa, ())


@every_case
@every_direction
def test_the_choice_is_the_first_that_neither_refuses_nor_yields(
    case: Case, direction: str
) -> None:
    names = config.algorithms(direction)
    chosen = _explain(case, direction=direction)
    asked = [name for name, _ in chosen.refusals]
    assert (*asked, chosen.algorithm) == names[: len(asked) + 1]
    able = willing(case, direction, np.float32)
    for name, reason in chosen.refusals:
        passed_over = ("a later algorithm is expected to be faster", "its rounding needs precision")
        assert any(text in reason for text in passed_over) == (name in able)


@every_direction
def test_there_is_an_algorithm_that_never_refuses(direction: str) -> None:
    names = config.algorithms(direction)
    assert len(set(names)) == len(names) >= 3
    assert names[-1] == "naive"
    for case in cases.conv("smoke", "edge"):
        if 0 not in case.output:
            assert "naive" in willing(case, direction, np.float32)


def test_refusals_name_the_function_the_algorithm_and_the_reason() -> None:
    x, w = np.ones((1, 4, 6, 6), np.float32), np.ones((8, 4, 3, 3), np.float32)
    y = arrays.conv2d(x, w)
    with pytest.raises(ValueError, match=r"conv2d\(\).*'depthwise' refuses.*one input channel"):
        arrays.conv2d(x, w, algorithm="depthwise")
    with pytest.raises(ValueError, match=r"conv2d_input\(\).*'pointwise' refuses.*kernel"):
        arrays.conv2d_input(x.shape, w, y, algorithm="pointwise")
    with pytest.raises(ValueError, match=r"conv2d_weight\(\).*'depthwise' refuses"):
        arrays.conv2d_weight(x, w.shape, y, algorithm="depthwise")


def test_unknown_names_list_the_known_ones() -> None:
    x, w = np.ones((1, 4, 6, 6), np.float32), np.ones((8, 4, 3, 3), np.float32)
    with pytest.raises(ValueError, match=r"conv2d\(\).*algorithm.*'fft'") as caught:
        arrays.conv2d(x, w, algorithm="fft")
    assert all(name in str(caught.value) for name in config.algorithms("forward"))
    with pytest.raises(TypeError, match=r"conv2d\(\): argument 'algorithm'.*3"):
        arrays.conv2d(x, w, algorithm=3)  # type: ignore[arg-type]
    for call in (lambda: config.algorithms("back"), lambda: _explain(LAYER, direction="back")):
        with pytest.raises(
            ValueError,
            match=r"argument 'direction': expected 'forward', 'input' or 'weight', got 'back'",
        ):
            call()


# The cache of plans.


@pytest.fixture
def _empty_cache() -> Iterator[None]:
    plans.clear()
    yield
    plans.clear()


@pytest.mark.usefixtures("_empty_cache")
def test_a_plan_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = np.ones((1, 2, 9, 9), np.float32), np.ones((3, 2, 3, 3), np.float32)
    made: list[Any] = []
    real = _core.conv_plan

    def counted(*args: Any) -> Any:
        made.append(args)
        return real(*args)

    monkeypatch.setattr(_core, "conv_plan", counted)
    y = arrays.conv2d(x, w, padding=1)
    for _ in range(3):
        arrays.conv2d(x, w, padding=1)
    assert len(made) == 1
    arrays.conv2d(x.copy() + 1, w[..., ::-1], padding=1)
    assert len(made) == 1, "neither values nor strides matter"
    arrays.conv2d(x, w, padding=0)
    arrays.conv2d(x, w, padding=1, algorithm="naive")
    arrays.conv2d(x.astype(np.float64), w.astype(np.float64), padding=1)
    arrays.conv2d_input(x.shape, w, y, padding=1)
    arrays.conv2d_weight(x, w.shape, y, padding=1)
    arrays.conv2d(x[0], w, padding=1)
    assert len(made) == 7
    for _ in range(2):
        arrays.conv2d_input(x.shape, w, y, padding=1)
        arrays.conv2d_weight(x, w.shape, y, padding=1)
    assert len(made) == 7
    made.clear()
    with config.use_isa("generic"):
        arrays.conv2d(x, w, padding=1)
    arrays.conv2d(x, w, padding=1)
    assert len(made) == 2, "a plan belongs to an instruction set"


@pytest.mark.usefixtures("_empty_cache")
def test_errors_are_not_kept_and_the_same_object_comes_back() -> None:
    entry = object()
    assert plans.lookup("key") is None
    plans.keep("key", entry)
    assert plans.lookup("key") is plans.lookup("key") is entry
    x, w = np.ones((1, 2, 9, 9), np.float32), np.ones((3, 2, 3, 3), np.float32)
    for _ in range(2):
        with pytest.raises(ValueError, match="stride"):
            arrays.conv2d(x, w, stride=0)
    arrays.conv2d(x, w, stride=1)
    for value in (1.0, np.float64(1), np.nan):
        with pytest.raises(TypeError, match="stride"):
            arrays.conv2d(x, w, stride=value)  # type: ignore[arg-type]


@pytest.mark.usefixtures("_empty_cache")
def test_the_cache_is_bounded() -> None:
    for i in range(3 * plans._LIMIT):
        plans.keep(("bound", i), object())
        assert len(plans._entries) <= plans._LIMIT
    assert plans._entries


# What is told about it.


def test_the_configuration_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = config.config()
    assert told["version"] == pyconv.__version__
    assert told["isas"] == config.isas()
    assert told["isa"] == config.isa()
    assert told["threads"] == pyconv.get_num_threads()
    assert told["numpy"] == np.__version__
    pyconv.show_config()
    printed = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert set(printed) == set(told)
    assert printed["isa"] == config.isa()
    assert printed["isas"].split(", ") == list(config.isas())
    assert printed["threads"] == str(pyconv.get_num_threads())


# Packed weights.


def _packed(data: Data) -> Data:
    return data._replace(w=pyconv.PackedWeight(data.w))  # type: ignore[arg-type]


@every_case
@pytest.mark.parametrize("direction", ["forward", "input"])
def test_a_packed_weight_gives_the_same_bits(case: Case, direction: str, isa: str) -> None:
    for dtype in DTYPES:
        data = make(case, dtype)
        packed = _packed(data)
        for name in (None, *willing(case, direction, dtype)):
            plain = run(arrays, case, direction, data, algorithm=name).tobytes()
            for _ in range(2):
                assert run(arrays, case, direction, packed, algorithm=name).tobytes() == plain


GEOMETRIES: tuple[dict[str, Any], ...] = (
    {},
    {"groups": 2, "stride": 2, "padding": 1},
    {"groups": 4, "stride": 3, "padding": (2, 0)},
    {"stride": 2, "padding": 2},
    {"stride": (1, 2), "padding": 2},
    {"stride": (2, 1), "padding": 1},
    {"dilation": 2, "padding": 1},
    {"groups": 2},
)


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("direction", ["forward", "input"])
def test_one_packed_weight_serves_many_plans(side: int, direction: str) -> None:
    """One object through geometries, groups, algorithms and instruction sets, in any order."""
    w = np.random.default_rng(3).standard_normal((24, 6, side, side)).astype(np.float32)
    packed = pyconv.PackedWeight(w)
    for isa in (*config.isas(), *config.isas()):
        with config.use_isa(isa):
            for geometry in (*GEOMETRIES, *reversed(GEOMETRIES)):
                x = (2, 6 * geometry.get("groups", 1), 13, 12)
                case = Case("packed-plans", "conv2d", x, w.shape, geometry)
                data = make(case, np.float32)._replace(w=w)
                again = data._replace(w=packed)  # type: ignore[arg-type]
                for name in (None, *willing(case, direction, np.float32)):
                    plain = run(arrays, case, direction, data, algorithm=name)
                    same = run(arrays, case, direction, again, algorithm=name)
                    assert plain.tobytes() == same.tobytes(), (isa, geometry, name)


def test_a_packed_weight_serves_linear(isa: str) -> None:
    rng = np.random.default_rng(4)
    for dtype in DTYPES:
        w, x = rng.standard_normal((33, 70)).astype(dtype), rng.standard_normal((5, 70))
        packed, y = pyconv.PackedWeight(w), arrays.linear(x.astype(dtype), w)
        assert arrays.linear(x.astype(dtype), packed).tobytes() == y.tobytes()
        assert arrays.linear_input(packed, y).tobytes() == arrays.linear_input(w, y).tobytes()


def test_a_packed_weight_is_a_snapshot() -> None:
    data = make(LAYER, np.float32)
    w = data.w.copy()
    packed = pyconv.PackedWeight(w)
    w[...] = 0
    assert (packed.array == data.w).all()
    assert arrays.conv2d(data.x, packed).tobytes() == arrays.conv2d(data.x, data.w).tobytes()
    with pytest.raises(ValueError, match="read-only"):
        packed.array[...] = 1
    assert (packed.shape, packed.ndim, packed.dtype) == (data.w.shape, 4, np.dtype(np.float32))
    assert repr(packed) == "PackedWeight(shape=(64, 64, 3, 3), dtype=float32)"


def test_a_packed_weight_outlives_and_pickles() -> None:
    data = make(LAYER, np.float64)
    packed = pyconv.PackedWeight(data.w.transpose(1, 0, 3, 2))
    view = packed.array
    copy = pickle.loads(pickle.dumps(packed))
    del packed
    assert (view == data.w.transpose(1, 0, 3, 2)).all()
    assert (copy.array == view).all()
    assert (copy.shape, copy.dtype) == (view.shape, view.dtype)


def test_a_packed_weight_of_another_dtype_is_refused() -> None:
    data = make(LAYER, np.float32)
    packed = pyconv.PackedWeight(data.w.astype(np.float64))
    with pytest.raises(TypeError, match=r"conv2d\(\): argument 'weight'.*float32.*float64"):
        arrays.conv2d(data.x, packed)
    with pytest.raises(TypeError, match="PackedWeight"):
        pyconv.PackedWeight(np.ones((2, 2), np.int64))
    with pytest.raises(TypeError, match="PackedWeight"):
        pyconv.PackedWeight([[1.0]])  # type: ignore[arg-type]
