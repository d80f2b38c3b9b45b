"""What a run may compare with what, and how it is shown; with made-up figures and tools."""

from __future__ import annotations

import importlib.util
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from pyconv import cases
from pyconv.bench import machine, means, report, runner, tools
from pyconv.bench.jobs import Job
from pyconv.bench.machine import Machine
from pyconv.bench.process import EndedError, Process, ToolError, environment
from pyconv.bench.result import Figure, Result, Row
from pyconv.bench.tools import NotOfferedError

JOB = Job(cases.find("r50.2.3x3"))
MACHINE = Machine(2, "avx512", {"float32": 4e11, "float64": 2e11}, {2**20: 1e11, 2**26: 2e10})


def row(**seconds: float) -> Row:
    """Return a row of right results; underscores stand for hyphens."""
    return Row(JOB, {name.replace("_", "-"): Figure(t, 1e-7) for name, t in seconds.items()})


def result_of(*rows: Row, **more: Any) -> Result:
    """Return a result whose tools are those of the first row."""
    versions = dict.fromkeys(rows[0].figures, "1.0")
    return Result(list(rows), versions, {}, "torch in float64", 2, "5 rounds", {}, **more)


def test_peers_meet_the_form_with_weights_like_theirs() -> None:
    found = row(pyconv=2.0, pyconv_packed=1.0, torch=3.0, onnxruntime=3.0)
    assert found.ratio("torch") == 1.5
    assert found.ratio("onnxruntime") == 3.0
    assert found.ratio("pyconv-packed") == 2.0
    assert found.best() == ("torch", 1.5)


def test_ratios_are_those_within_a_round() -> None:
    """A machine that slows down between two tools' turns is not a slower tool."""
    found = row(pyconv=2.0, torch=1.5)
    found.figures["pyconv"].samples = [2.0, 2.2, 1.0, 1.0]
    found.figures["torch"].samples = [3.0, 1.1, 1.5, 1.5]
    assert found.ratio("torch") == 1.5
    found.figures["torch"].samples = [3.0]  # its only, slow call
    assert found.ratio("torch") == 0.75


def test_a_packed_form_that_is_slower_does_not_count() -> None:
    assert row(pyconv=1.0, pyconv_packed=2.0, openvino=3.0).ratio("openvino") == 3.0


def test_lower_accuracies_are_apart() -> None:
    found = row(pyconv=2.0, pyconv_high=1.5, pyconv_medium=1.0, torch=3.0, torch_bf16=0.5)
    assert found.best() == ("torch", 1.5)
    assert found.ratio("torch-bf16") == 0.5
    assert found.best_at("pyconv-high") == ("torch", 2.0)
    assert found.best_at("pyconv-medium") == ("torch-bf16", 0.5)
    assert row(pyconv=2.0, torch_bf16=0.5).best() is None


def test_a_wrong_result_is_no_result() -> None:
    found = row(pyconv=2.0, torch=1.0, scipy=3.0)
    found.figures["torch"].error = 0.5
    assert found.ratio("torch") is None
    assert found.best() == ("scipy", 1.5)
    assert "torch failed on r50.2.3x3, forward: wrong result" in report.format_result(
        result_of(found)
    )


def test_floors_and_shares() -> None:
    assert MACHINE.bytes_a_second(2**19) == MACHINE.bytes_a_second(2**21) == 1e11
    assert MACHINE.bytes_a_second(2**30) == 2e10
    relu = Job(cases.find("ReLU, 1x64x224x224"))
    assert relu.bytes == 2 * 4 * 64 * 224 * 224
    assert MACHINE.floor(relu) == relu.bytes / 1e11
    assert MACHINE.floor(JOB) == JOB.flops / 4e11
    assert MACHINE.arithmetic(JOB._replace(dtype="float64")) == JOB.flops / 2e11
    found = row(pyconv=2 * MACHINE.floor(JOB))
    assert result_of(found, machine=MACHINE).share(found) == pytest.approx(0.5)
    tiny = Row(Job(cases.find("tiny ReLU, 1x1x8x8")), {"pyconv": Figure(1e-6, 0.0)})
    assert result_of(tiny, machine=MACHINE).share(tiny) is None


def test_the_faster_of_two_measurements_counts() -> None:
    first = Machine(2, "avx2", {"float32": 8.0, "float64": 3.0}, {1024: 5.0, 4096: 2.0})
    again = Machine(2, "avx2", {"float32": 4.0, "float64": 4.0}, {1024: 6.0, 4096: 1.0})
    best = Machine(2, "avx2", {"float32": 8.0, "float64": 4.0}, {1024: 6.0, 4096: 2.0})
    assert first.or_faster(again) == best


def test_the_machine_can_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PEAK_STEPS", 1000)
    monkeypatch.setattr(machine, "COPY_SECONDS", 1e-4)
    found = machine.measure(2, rounds=1, sizes=[2**12, 2**14])
    assert found.threads == 2
    assert min(*found.flops.values(), *found.bandwidth.values()) > 1e6


def test_table_shows_wins_losses_and_gaps() -> None:
    figures = {
        "pyconv": Figure(2e-3, 1e-7),
        "torch": Figure(1e-3, 2e-7),
        "scipy": Figure(note="too slow"),
        "reference": Figure(note="MemoryError", failed=True),
    }
    text = report.format_result(result_of(Row(JOB, figures)))
    line = text.splitlines()[2].split()
    assert line == [
        *("r50.2.3x3", "fwd", "2.00", "116", "1.0e-07", "<0.50", "torch", "2.0e-07", "0.50"), *"--",
    ]  # fmt: skip
    assert "torch: faster on 0 of 1" in text
    assert "scipy: does none of these" in text
    assert "reference failed on r50.2.3x3, forward: MemoryError" in text


def test_the_widest_table_fits_a_screen() -> None:
    names = {name.replace("-", "_"): 1.234e-4 for name in tools.TOOLS}
    longest = max(cases.pool("perf"), key=lambda case: len(case.name))
    wide = row(**names)
    wide.job = Job(longest, "weight", "float64")
    text = report.format_result(result_of(row(**names), wide, machine=MACHINE))
    assert max(map(len, text.splitlines())) <= 160


def test_peers_in_bfloat16_meet_pyconv_on_such_arrays() -> None:
    found = row(pyconv=2.0, pyconv_medium=1.0, pyconv_bf16=0.5, torch_bf16=0.75)
    lines = [line.split() for line in report.format_result(result_of(found)).splitlines()]
    levels = next(line for line in lines if line[:2] == ["lower", "accuracy"])
    halves = next(line for line in lines if line[:1] == ["bfloat16"])
    assert levels[2:] == ["pass", "medium", "ms", "error", "vs", "best"]
    assert halves[1:] == ["pass", "bf16", "ms", "error", "vs", "best", "t-bf16", "error"]
    values = lines[lines.index(halves) + 2]
    assert (values[2], values[4], values[5]) == ("500", "1.50", "1.50")


def test_a_reason_is_printed_once() -> None:
    rows = [row(pyconv=1.0), Row(Job(cases.find("lenet.c1")), {"pyconv": Figure(1.0, 0.0)})]
    for each in rows:
        each.figures["torch"] = Figure(note="no such thing", failed=True)
    text = report.format_result(result_of(*rows))
    assert text.count("no such thing") == 1
    assert "and 1 others" in text


def test_a_tool_that_takes_more_cores_is_named() -> None:
    found = row(pyconv=1.0, torch=1.0)
    found.figures["torch"].cores = 3.9
    assert "torch kept 3.9 cores busy with 2 threads" in report.format_result(result_of(found))


def test_means_by_suite() -> None:
    first, second = row(pyconv=1.0, torch=4.0), row(pyconv=1.0, torch=1.0)
    second.job = Job(cases.find("lenet.c1"))
    result = result_of(first, second)
    result.suites = {"resnet50": [first.job], "layers": [first.job, second.job]}
    assert {name: len(rows) for name, rows in result.by_suite().items()} == {
        "resnet50": 1, "layers": 2,
    }  # fmt: skip
    assert means.mean_ratio(result.rows, "torch") == pytest.approx(2.0)
    lines = means.format_means(result).splitlines()
    assert lines[2].split() == ["resnet50", "1/1", "4.00", "4.00", "4.00"]
    assert lines[-1].split() == ["all", "2/2", "2.00", "1.00", "2.00"]
    text = report.format_result(result)
    assert text.count("r50.2.3x3  ") == 1, "a layer of two suites is shown in the first"


def test_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from pyconv.bench.plot import write_plots

    first, second = row(pyconv=1e-3, torch=4e-3, jax=1e-4), row(pyconv=1e-3, torch=5e-4)
    second.job = Job(cases.find("lenet.c1"))
    result = result_of(first, second, machine=MACHINE)
    result.suites = {"resnet50": [first.job], "lenet": [second.job]}
    written = write_plots(result, tmp_path / "a.png")
    assert [path.name for path in written] == ["a-resnet50.png", "a-lenet.png", "a-roofline.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    with pytest.raises(ValueError, match="no peer"):
        write_plots(result_of(row(pyconv=1.0)), tmp_path / "b.png")


def test_paces() -> None:
    fixed = runner.Pace(3)
    assert [fixed.goes_on(done, 0.0) for done in (0, 2, 3)] == [True, True, False]
    now = time.perf_counter()
    timed = runner.Pace(3, 0.05, seconds=60.0)
    assert timed.goes_on(2, now - 1000)
    assert timed.goes_on(10, now - 1)
    assert not timed.goes_on(10, now - 59)
    assert not timed.goes_on(runner.MOST, now)
    assert runner.paced(100.0, 10, 0.05).slice == 0.05
    assert runner.paced(1.0, 10, 0.05).slice == pytest.approx(0.02)
    assert runner.paced(0.0, 10, 0.05).slice == pytest.approx(0.01)


def test_every_tool_is_told_its_threads() -> None:
    one = environment(1)
    assert one["OMP_NUM_THREADS"] == one["NPROC"] == "1"
    assert "multi_thread_eigen=false" in one["XLA_FLAGS"]
    capped = environment(2, "avx2")
    assert capped["PYCONV_ISA"] == "avx2"
    assert capped["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert "PYCONV_ISA" not in one


class FakeProcess:
    """Stands in for a worker: answers from a table, where an exception is raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {"prepare": (np.ones(3), 1e-3), "time": 2e-3, "cores": 1.0, **answers}

    def ask(self, request: str, *arguments: Any) -> Any:
        """Answer."""
        answer = self.answers[request]
        if isinstance(answer, Exception):
            raise answer
        return answer


def team_of(monkeypatch: pytest.MonkeyPatch, **workers: FakeProcess) -> runner.Team:
    """Return a team of fakes with an exact result of ones."""
    team = runner.Team(ExitStack(), 1)
    team.workers = cast("dict[str, Process]", dict(workers))
    monkeypatch.setattr(team, "exact", lambda job: np.ones(3))
    return team


def test_tools_that_fail_leave_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    team = team_of(
        monkeypatch,
        pyconv=FakeProcess(),
        torch=FakeProcess(prepare=ToolError("Traceback\nRuntimeError: out of paper")),
        jax=FakeProcess(prepare=NotOfferedError("no gradients")),
        scipy=FakeProcess(time=EndedError("scipy: the process ended with status -11")),
        openvino=FakeProcess(prepare=(np.zeros(2), 1e-3)),
        reference=FakeProcess(prepare=(np.ones(3), 3.0)),
    )
    found = runner.time_job(JOB, team, runner.Pace(2, 0.0))
    assert found.figures["pyconv"].seconds == 2e-3
    assert found.figures["pyconv"].samples == [2e-3, 2e-3]
    assert found.figures["torch"].note == "RuntimeError: out of paper"
    assert found.figures["torch"].failed
    assert not found.figures["jax"].failed
    assert found.figures["openvino"].error == float("inf")
    assert found.seconds("openvino") is None
    assert found.figures["reference"].seconds == 3.0, "a slow tool's first call is its only one"
    assert found.figures["scipy"].seconds is None
    assert "status -11" in team.broken["scipy"]
    assert "scipy" not in team.workers


def test_an_error_of_pyconv_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    team = team_of(monkeypatch, pyconv=FakeProcess(prepare=ToolError("ValueError: odd")))
    with pytest.raises(ToolError, match="odd"):
        runner.time_job(JOB, team, runner.Pace(1, 0.0))


def test_a_tool_without_an_answer_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyconv.bench.process.PATIENCE", 0.05)
    # Starting Python and importing NumPy takes longer than that.
    with Process("reference", 1) as worker, pytest.raises(EndedError, match="status -9"):
        worker.ask("version")


def test_accuracy_prints_both_errors(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).resolve().parent.parent / "benchmarks" / "accuracy.py"
    spec = importlib.util.spec_from_file_location("accuracy", path)
    assert spec
    assert spec.loader
    accuracy = importlib.util.module_from_spec(spec)
    sys.modules["accuracy"] = accuracy
    spec.loader.exec_module(accuracy)
    for direction in ("forward", "weight"):
        accuracy.main(["--layers", "lenet.c5", "--direction", direction])
        printed = capsys.readouterr().out
        assert "implicit_gemm" in printed
        assert printed.count("lenet.c5") == 4, "two kinds of data in two tables"
    job = Job(cases.find("lenet.c5"))
    errors = accuracy.measure(job, "positive")
    assert max(error.norm for error in errors.values()) < 2e-2
    assert max(error.component for error in errors.values()) < 2e-2
