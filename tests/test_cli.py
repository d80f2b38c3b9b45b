"""The command line: arguments, output, exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyconv
from pyconv import cases
from pyconv.cli import check, main, verify
from pyconv.cli.explain import padding
from pyconv.cli.table import format_table


def test_module_runs_as_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pyconv", "info"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert pyconv.config.isa() in result.stdout


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from pyconv.cli import build_parser; build_parser();"
        "bad = {'scipy', 'torch', 'matplotlib', 'sklearn', 'skimage', 'pyconv.reference',"
        " 'pyconv.bench', 'pyconv.demo', 'pyconv.nn'} & set(sys.modules);"
        "sys.exit(', '.join(bad) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_info_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["isa"] == pyconv.config.isa()


def test_explain_names_algorithm_and_refusals(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "1,64,56,56", "64x64x3x3", "--padding", "1"]) == 0
    plan = pyconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    text = capsys.readouterr().out
    assert text.strip() == str(plan).strip()
    assert plan.algorithm in text


@pytest.mark.parametrize("direction", ["forward", "input", "weight"])
def test_explain_in_every_direction(direction: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--stride", "2,1", "--dilation", "1,2", "--groups", "2", "--dtype", "float64"]
    command = ["explain", "2,4,9,9", "6,2,3,3", "--padding", "0:1,2:2", *arguments]
    assert main([*command, "--direction", direction, "--algorithm", "naive"]) == 0
    assert "naive" in capsys.readouterr().out


def test_explain_of_a_linear_layer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "32,784", "100,784", "--direction", "weight"]) == 0
    told = pyconv.explain((32, 784), (100, 784), direction="weight")
    assert capsys.readouterr().out.strip() == str(told)


def test_explain_reports_what_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "1,3,8,8", "4,5,3,3"]) == 2
    assert "pyconv explain: error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1,2", (1, 2)), ("same", "same"), ("0:1,2:3", ((0, 1), (2, 3)))],
)
def test_padding_argument(text: str, value: Any) -> None:
    assert padding(text) == value


@pytest.mark.parametrize(
    "command",
    [
        ["explain", "1,a", "1,1,3,3"],
        ["explain", "1,1,8,8", "1,1,3,3", "--padding", "0:x"],
        ["explain", "1,1,8,8", "1,1,3,3", "--direction", "sideways"],
        ["nonsense"],
        [],
    ],
)
def test_wrong_arguments_exit_with_2(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2
    assert "usage: pyconv" in capsys.readouterr().err


def test_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["bench", "--layers", "tiny", "--tools", "none", "--plot", "x.png"]) == 1
    assert "pip install 'pyconv-kernels[demo]'" in capsys.readouterr().err


def test_check_passes_and_covers_every_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--quick"]) == 0
    text = capsys.readouterr().out
    assert "agree with the NumPy reference" in text
    for isa in pyconv.config.isas():
        assert isa in text
    for direction in ("forward", "input", "weight"):
        for algorithm in pyconv.config.algorithms(direction):
            assert algorithm in text
    for operation in ("max pool", "avg pool", "ReLU", "linear", "conv bias"):
        assert operation in text


def test_check_leaves_the_isa_as_it_was() -> None:
    before = pyconv.config.isa()
    main(["check", "--quick"])
    assert pyconv.config.isa() == before


def test_check_fails_on_a_wrong_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = verify.arrays.conv2d

    def wrong(x: Any, *rest: Any, **options: Any) -> Any:
        result = right(x, *rest, **options)
        if result.size:
            result.flat[-1] += 1
        return result

    monkeypatch.setattr(verify.arrays, "conv2d", wrong)
    assert main(["check", "--quick"]) == 1
    text = capsys.readouterr().out
    assert "FAILED" in text
    assert "times its bound" in text
    # The repr of the case stands in the message, to call it again.
    assert "Case(name='smoke." in text


def test_check_fails_on_an_exception(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(verify.arrays, "avg_pool2d", broken)
    assert main(["check", "--quick"]) == 1
    assert "RuntimeError: no such luck" in capsys.readouterr().out


def probe_of(result: Any) -> verify.Probe:
    """Return a probe whose right answer is 1, 2, 3 and whose call gives `result`."""
    expected = np.array([1.0, 2.0, 3.0])
    return verify.Probe("op", "case", lambda x: result(x), (expected,), expected, expected, 4)


def test_probe_measures_in_units_of_the_bound() -> None:
    eps = np.finfo(np.float32).eps
    assert probe_of(lambda x: x).share_of_bound("float32", None) == 0
    off = probe_of(lambda x: (x * (1 + 4 * eps)).astype(x.dtype))
    assert 0.1 < off.share_of_bound("float32", None) < 1
    far = probe_of(lambda x: (x * (1 + 40 * eps)).astype(x.dtype))
    assert far.share_of_bound("float32", None) > 1
    assert probe_of(lambda x: x * np.nan).share_of_bound("float32", None) == np.inf


def test_probe_rejects_wrong_shape_and_dtype() -> None:
    for result in (lambda x: x[:2], lambda x: x.astype("float16")):
        with pytest.raises(AssertionError, match="expected float32"):
            probe_of(result).share_of_bound("float32", None)


def test_probes_cover_every_direction_of_every_case() -> None:
    smoke = cases.conv("smoke")
    operations = [
        probe.operation for case in smoke for probe in verify.conv_probes(case, verify.doubles)
    ]
    for operation in ("conv forward", "conv forward, ReLU", "conv input", "conv weight"):
        assert operations.count(operation) == len(smoke)


def test_quick_tally_text() -> None:
    assert str(check.Tally(passed=3)) == "3 ok"
    assert str(check.Tally(passed=3, failed=2)) == "2 of 5 FAIL"
    assert str(check.Tally(refused=4)) == "-"


def test_table_aligns() -> None:
    text = format_table(["name", "ms"], [["a", "1.5"], ["long", "10"]])
    assert text.splitlines() == ["name   ms", "----  ---", "a     1.5", "long   10"]


def test_demo_names_missing_extras(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("pyconv.demo.missing_extras", lambda: ["scikit-image", "matplotlib"])
    assert main(["demo", "--out", str(tmp_path / "out")]) == 1
    message = capsys.readouterr().err
    assert "scikit-image, matplotlib" in message
    assert "pip install 'pyconv-kernels[demo]'" in message
    assert not (tmp_path / "out").exists()
