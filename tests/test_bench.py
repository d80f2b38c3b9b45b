"""The timing harness: jobs, tools, worker processes, rows, table, JSON, picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyconv
from pyconv import bench, cases
from pyconv.bench import jobs, record, report, runner, tools
from pyconv.bench.process import Process, ToolError
from pyconv.bench.result import Result
from pyconv.bench.tools import NotOfferedError
from pyconv.bench.tools.onnx_model import field, one_node_model, varint
from pyconv.cli import main

SMALL = (
    cases.Case("a.conv", "conv2d", (2, 4, 9, 8), (6, 2, 3, 3), {"stride": 2, "padding": 1,
                                                               "groups": 2}),
    cases.Case("a.dilated", "conv2d", (1, 3, 9, 9), (4, 3, 3, 3), {"padding": 2, "dilation": 2}),
    cases.Case("a.max", "max_pool2d", (1, 3, 9, 9), (), {"kernel_size": 3, "stride": 2,
                                                         "padding": 1}),
    cases.Case("a.avg", "avg_pool2d", (1, 3, 8, 8), (), {"kernel_size": 2}),
    cases.Case("a.relu", "relu", (2, 3, 4, 5)),
    cases.Case("a.line", "conv1d", (2, 4, 19), (6, 2, 3), {"stride": 2, "padding": 1,
                                                          "groups": 2}),
)  # fmt: skip
JOBS = [
    jobs.Job(case, direction)
    for direction in jobs.DIRECTIONS
    for case in SMALL
    if case.weight or direction != "weight"
]


def job_id(job: jobs.Job) -> str:
    return f"{job.case.name}-{job.direction}"


def test_choose_by_name_and_direction() -> None:
    found = bench.choose(["layers"], ["r50.2", "MBV2"], ["forward", "weight"])["layers"]
    assert {job.case.name for job in found} == {
        "r50.2.3x3", "r50.2.1x1", "mbv2.dw3s1", "mbv2.dw3s2",
    }  # fmt: skip
    assert len(found) == 8


def test_choose_leaves_out_weights_of_pooling() -> None:
    found = bench.unique(bench.choose(layers=["max pool"], directions=jobs.DIRECTIONS))
    assert {job.direction for job in found} == {"forward", "input"}


def test_the_default_suite_has_every_perf_case() -> None:
    names = {job.case.name for job in bench.unique(bench.choose())}
    perf = (*cases.conv("perf"), *cases.pool("perf"), *cases.relu("perf"))
    assert names >= {case.name for case in perf}


def test_every_suite_has_jobs_and_all_holds_each_once() -> None:
    chosen = bench.choose(["all"])
    assert list(chosen) == list(bench.SUITES)
    assert all(chosen.values())
    found = bench.unique(chosen)
    assert len(set(found)) == len(found) < sum(map(len, chosen.values()))
    assert {job.dtype for job in chosen["float64"]} == {"float64"}
    assert {job.case.op for job in chosen["ecg-1d"]} == {"conv1d"}


@pytest.mark.parametrize(
    ("suites", "layers", "directions", "word"),
    [
        (["layers"], ["nowhere"], [], "nowhere"),
        (["layers"], [], ["up"], "up"),
        (["sweets"], [], [], "sweets"),
    ],
)
def test_choose_rejects_the_unknown(
    suites: list[str], layers: list[str], directions: list[str], word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        bench.choose(suites, layers, directions)


@pytest.mark.parametrize("job", JOBS, ids=job_id)
@pytest.mark.parametrize("name", [name for name in tools.TOOLS if name != "reference"])
def test_every_tool_computes_the_same(name: str, job: jobs.Job) -> None:
    if name not in tools.importable():
        pytest.skip(f"{name} is not here")
    tool = tools.load(name)
    tool.set_threads(1)
    exact = tools.load("reference").prepare(job, tools.operands(job, np.float64))
    try:
        prepared = tool.prepare(job, tools.operands(job))
    except NotOfferedError as reason:
        assert name != "pyconv"
        pytest.skip(str(reason))
    limit = {"fp32": 2e-6, "high": 2e-4, "bf16": 2e-2}[tools.TOOLS[name].accuracy]
    for _ in range(2):
        result = prepared.array(prepared.call())
        assert runner.relative_error(result, exact.array(exact.call())) < limit


@pytest.mark.parametrize("name", ["pyconv", "pyconv-packed", "torch", "torch-cl", "jax"])
def test_float64_is_float64(name: str) -> None:
    if name not in tools.importable():
        pytest.skip(f"{name} is not here")
    job = JOBS[0]._replace(dtype="float64")
    exact = tools.load("reference").prepare(job, tools.operands(job))
    prepared = tools.load(name).prepare(job, tools.operands(job))
    result = prepared.array(prepared.call())
    assert result.dtype == np.float64
    assert runner.relative_error(result, exact.array(exact.call())) < 1e-14


def test_scipy_declines_what_takes_too_long() -> None:
    pytest.importorskip("scipy")
    tool = tools.load("scipy")
    for name in ("vgg.1_2", "r50.5.3x3"):
        job = jobs.Job(cases.find(name))
        with pytest.raises(NotOfferedError, match="too slow"):
            tool.prepare(job, tools.operands(job))


def test_worker_answers_prepares_times_and_judges() -> None:
    job = JOBS[0]
    with Process("reference", 1) as worker:
        assert worker.ask("version") == pyconv.__version__
        result, first = worker.ask("prepare", job)
        assert result.dtype == np.float32
        assert first > 0
        exact = worker.ask("judge", job)
        assert exact.dtype == np.float64
        assert runner.relative_error(result, exact) < 1e-6
        assert 0 < worker.ask("time", 0.001) < 1
    assert worker.child.poll() is not None


def test_worker_reports_errors_and_its_end() -> None:
    with Process("reference", 1) as worker:
        with pytest.raises(ToolError, match="AttributeError"):
            worker.ask("no_such_request")
        worker.child.kill()
        worker.child.wait()
        with pytest.raises(ToolError, match="ended"):
            worker.ask("version")


@pytest.fixture(scope="module")
def result() -> Result:
    """A short run of the small cases."""
    return bench.run(JOBS, ["pyconv-packed", "reference"], threads=1, rounds=1, slice=0.002)


def test_run_fills_every_row(result: Result) -> None:
    assert [row.job for row in result.rows] == JOBS
    for row in result.rows:
        for name in ("pyconv", "reference"):
            figure = row.figures[name]
            assert figure.seconds is not None
            assert figure.seconds > 0
            assert figure.error is not None
            assert figure.error < 2e-6
        assert row.ratio("reference") == pytest.approx(
            row.figures["reference"].seconds / row.figures["pyconv"].seconds  # type: ignore[operator]
        )
    assert result.judge == "reference in float64"
    assert result.tools["pyconv"] == pyconv.__version__


def test_a_peer_that_cannot_start_is_left_out() -> None:
    result = bench.run(JOBS[:1], ["no-such-tool"], threads=1, rounds=1, slice=0.001)
    assert "no-such-tool" in result.broken
    assert "no-such-tool left out" in report.format_result(result)


def test_relative_error() -> None:
    exact = np.array([1.0, -4.0])
    assert runner.relative_error(np.array([1.0, -4.0]), exact) == 0
    assert runner.relative_error(np.array([1.5, -4.0]), exact) == 0.125
    assert runner.relative_error(np.zeros(3), exact) == float("inf")
    assert runner.relative_error(np.zeros(0), np.zeros(0)) == 0


def test_json(result: Result, tmp_path: Path) -> None:
    record.write_json(result, tmp_path / "result.json")
    read = json.loads((tmp_path / "result.json").read_text())
    assert len(read["rows"]) == len(JOBS)
    assert read["rows"][0]["tools"]["pyconv"]["seconds"] > 0
    assert read["rows"][0]["best"]["name"] == "reference"
    assert read["config"]["isa"] == pyconv.config.isa()


def test_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    command = ["bench", "--layers", "tiny max", "--tools", "reference", "--rounds", "1"]
    assert main([*command, "--threads", "1", "--json", str(path)]) == 0
    assert "tiny max pool 2" in capsys.readouterr().out
    assert path.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tools", "abacus"],
        ["--suite", "sweets"],
        ["--isa", "mmx"],
        ["--seconds", "0"],
        ["--layers", "nowhere"],
        ["--directions", "up"],
        ["--rounds", "0"],
        ["--threads", "0"],
    ],
)
def test_command_rejects(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 2
    assert "pyconv bench: error:" in capsys.readouterr().err


def test_command_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--list"]) == 0
    listed = capsys.readouterr().out
    assert not [name for name in (*bench.SUITES, *tools.TOOLS) if name not in listed]


def test_wire_format_of_protocol_buffers() -> None:
    # The examples of the encoding guide.
    assert varint(150) == bytes([0x96, 0x01])
    assert field(1, 150) == bytes([0x08, 0x96, 0x01])
    assert field(2, "testing") == bytes([0x12, 0x07]) + b"testing"


def test_model_is_valid_onnx() -> None:
    onnx: Any = pytest.importorskip("onnx")
    weight = np.ones((4, 3, 3, 3), np.float32)
    attributes = {"kernel_shape": (3, 3), "group": 1}
    model = onnx.load_from_string(
        one_node_model("Conv", attributes, (1, 3, 8, 8), (1, 4, 6, 6), weight)
    )
    onnx.checker.check_model(model, full_check=True)
