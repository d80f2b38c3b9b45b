"""Times a job by several tools in interleaved rounds, one process a tool, and replays the samples.

pytest-benchmark runs all rounds of one benchmark before the next begins, and all in one process.
For ratios both are wrong: the clock of the machine drifts between the two, and the idle threads of
one tool's pool steal time from the other.  So the first benchmark of a job lets the harness behind
``pyconv bench`` measure every tool, and each benchmark of that job hands the samples of its own
tool to pytest-benchmark, through a clock that moves only by them.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from pyconv import config
from pyconv.bench import Job, importable_peers, runner
from pyconv.bench.process import Process

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


class Recorder(Process):
    """A worker process that keeps the seconds it reported since the last :meth:`taken`."""

    def __init__(self, name: str, threads: int) -> None:
        super().__init__(name, threads)
        self.samples: list[float] = []

    def ask(self, request: str, *arguments: Any) -> Any:
        """Pass a request on and note the answer if it is a time."""
        answer = super().ask(request, *arguments)
        if request == "time":
            self.samples.append(answer)
        return answer

    def taken(self) -> list[float]:
        """Return the samples and forget them."""
        samples, self.samples = self.samples, []
        return samples


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
        self.workers: dict[str, Recorder] = {}
        self.versions: dict[str, str] = {}
        self.judge: Process | None = None
        self.rows: dict[Job, runner.Row] = {}
        self.samples: dict[tuple[Job, str], list[float]] = {}

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
            version=self.versions[tool],
            threads=self.threads,
            error=figure.error,
            times_pyconv=row.ratio(tool),
            steady=self.steady(job, tool),
        )
        if job.flops:
            benchmark.extra_info["gflops"] = job.flops / figure.seconds / 1e9
        replay(benchmark, self.samples[job, tool])

    def measure(self, job: Job, tools: Iterable[str]) -> None:
        """Let the harness check and time these tools."""
        workers: dict[str, Process] = {tool: self.worker(tool) for tool in tools}
        if self.judge is None:
            self.judge = runner.choose_judge(workers, self.stack)
        seconds = ROUND_SECONDS if self.rounds else 0.0
        row = runner.time_job(job, workers, self.judge, max(self.rounds, 1), seconds)
        for tool, figure in row.figures.items():
            if figure.seconds is not None:
                samples = self.workers[tool].taken()
                # A slow tool is not timed again: its first call is its only sample.
                self.samples[job, tool] = samples or [figure.seconds]
                figure.seconds = statistics.median(self.samples[job, tool])
        self.rows[job] = row

    def worker(self, tool: str) -> Recorder:
        """Return the process of a tool."""
        if tool not in self.workers:
            worker = self.stack.enter_context(Recorder(tool, self.threads))
            self.versions[tool] = worker.ask("version")
            self.workers[tool] = worker
        return self.workers[tool]

    def steady(self, job: Job, tool: str) -> bool:
        """Return whether the median of the rounds is near the fastest of them."""
        samples = self.samples[job, tool]
        return statistics.median(samples) <= UNSTEADY * min(samples)

    def disturbed(self) -> list[str]:
        """Return the figures not to be trusted, as tool and job."""
        return [
            f"{tool} on {job.case.name} [{job.direction}]"
            for job, tool in self.samples
            if not self.steady(job, tool)
        ]

    def result(self) -> runner.Result:
        """Return all that was measured, for the report of the harness."""
        judge = f"{self.judge.name if self.judge else 'nothing'} in float64"
        about = runner.environment(config.config())
        return runner.Result(
            list(self.rows.values()), self.versions, {}, judge, self.threads, self.rounds, about
        )

    def close(self) -> None:
        """End the processes."""
        self.stack.close()


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
