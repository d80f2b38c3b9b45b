"""Times a job by several tools in interleaved rounds, one process a tool, and replays the samples.

pytest-benchmark runs all rounds of one benchmark before the next begins, and all in one process.
For ratios both are wrong: the clock of the machine drifts between the two, and the idle threads of
one tool's pool steal time from the other.  So the first benchmark of a job lets the harness behind
``pyconv bench`` measure every tool, and each benchmark of that job hands the samples of its own
tool to pytest-benchmark, through a clock that moves only by them.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from pyconv import config
from pyconv.bench import Job, importable_peers, runner
from pyconv.bench.result import Figure, Result, Row

#: Time for each tool in each round: short, so that the tools change places often.
ROUND_SECONDS = 0.05

#: max|d| / max|y| against float64, beyond which a result is wrong rather than rounded. Sums of
#: 50,000 float32 products (weight gradients of large images) come to 1e-5.
LARGEST_ERROR = 1e-4

#: A median this many times the fastest round shows that something else held a core meanwhile.
UNSTEADY = 1.5

#: The reference takes seconds for more than this; ResNet-50's 3x3 layers are below.
REFERENCE_FLOPS = 3e8


class ReplayClock:
    """A timer for pytest-benchmark that stands still except when a sample is replayed."""

    __name__ = "clock of the worker process"

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += seconds


#: For ``pytest.mark.benchmark(timer=CLOCK)`` on every benchmark that replays.
CLOCK = ReplayClock()


def replay(benchmark: Any, samples: Sequence[float]) -> None:
    """Hand measured seconds to pytest-benchmark, one round for each."""
    remaining = iter(samples)
    benchmark.pedantic(lambda: CLOCK.advance(next(remaining)), rounds=len(samples))


class Arena:
    """The tools' processes, started when first needed, and what they have measured.

    Parameters
    ----------
    rounds
        Rounds for each job; 0 calls each tool once and times nothing worth reading.
    """

    def __init__(self, rounds: int) -> None:
        self.threads = config.get_num_threads()
        self.rounds = rounds
        self.stack = ExitStack()
        self.team = runner.Team(self.stack, self.threads)
        self.rows: dict[Job, Row] = {}

    def run(self, benchmark: Any, job: Job, tool: str, rivals: Iterable[str]) -> None:
        """Check and time one tool on a job: all rivals with it if this is the job's first."""
        if job not in self.rows:
            self.measure(job, dict.fromkeys(["pyconv", tool, *rivals]))
        row = self.rows[job]
        figure = row.figures[tool]
        if figure.failed:
            pytest.fail(f"{tool}: {figure.note}")
        if figure.seconds is None or figure.error is None:
            pytest.skip(f"{tool}: {figure.note}")
        assert figure.error < LARGEST_ERROR, f"{tool} differs from float64: {figure.error:.2g}"
        benchmark.group = f"{job.case.name} [{job.direction}]"
        benchmark.extra_info.update(
            tool=tool,
            version=self.team.versions[tool],
            threads=self.threads,
            error=figure.error,
            times_pyconv=row.ratio(tool),
            steady=steady(figure),
        )
        if job.flops:
            benchmark.extra_info["gflops"] = job.flops / figure.seconds / 1e9
        replay(benchmark, figure.samples)

    def measure(self, job: Job, tools: Collection[str]) -> None:
        """Let the harness check and time these tools."""
        for tool in tools:
            if tool not in self.team.workers:
                self.team.start(tool)
        pace = runner.Pace(max(self.rounds, 1), ROUND_SECONDS if self.rounds else 0.0)
        self.rows[job] = runner.time_job(job, self.team, pace, tools)

    def disturbed(self) -> list[str]:
        """Return the figures not to be trusted, as tool and job."""
        return [
            f"{tool} on {job.case.name} [{job.direction}]"
            for job, row in self.rows.items()
            for tool, figure in row.figures.items()
            if not steady(figure)
        ]

    def result(self) -> Result:
        """Return all that was measured, for the report of the harness."""
        about = runner.environment(config.config())
        rows, rounds = list(self.rows.values()), f"{self.rounds} rounds"
        return Result(
            rows, self.team.versions, self.team.broken, self.team.judge(), self.threads, rounds,
            about,
        )  # fmt: skip

    def close(self) -> None:
        """End the processes."""
        self.stack.close()


def steady(figure: Figure) -> bool:
    """Return whether the median of the rounds is near the fastest of them."""
    return statistics.median(figure.samples or [0]) <= UNSTEADY * min(figure.samples or [0])


def tools_for(job: Job) -> list[str]:
    """Return who is timed on a job: pyconv, torch if installed, the reference where it is small."""
    tools = ["pyconv"]
    if "torch" in importable_peers():
        tools.append("torch")
    if job.direction == "forward" and job.flops < REFERENCE_FLOPS:
        tools.append("reference")
    return tools


def parameters(jobs: Iterable[Job], smoke: Sequence[str]) -> Any:
    """Return the parametrisation of a benchmark with arguments ``job`` and ``tool``.

    Jobs of the cases named in ``smoke`` get that mark.
    """
    return pytest.mark.parametrize(
        ("job", "tool"),
        [
            pytest.param(
                job,
                tool,
                id=f"{job.case.name}-{job.direction}-{tool}",
                marks=[pytest.mark.smoke] if job.case.name in smoke else [],
            )
            for job in jobs
            for tool in tools_for(job)
        ],
    )
