"""Times jobs: every tool in its own process, in interleaved rounds, one running at a time."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pyconv.bench.jobs import Job
from pyconv.bench.process import Process, ToolError
from pyconv.bench.tools import NotOfferedError

# A tool slower than this is timed in one round only, and its first call counts.
SLOW_CALL = 0.5


@dataclass
class Figure:
    """What one tool did on one job; without seconds, ``note`` says why.

    ``failed`` tells an error of the tool from a job that it does not offer.
    """

    seconds: float | None = None
    error: float | None = None
    note: str = ""
    failed: bool = False


@dataclass
class Row:
    """One job: a figure for each tool by name, pyconv among them."""

    job: Job
    figures: dict[str, Figure] = field(default_factory=dict)

    def ratio(self, peer: str) -> float | None:
        """Return the peer's time by pyconv's: above 1 where pyconv is faster."""
        theirs = self.figures.get(peer, Figure()).seconds
        ours = self.figures["pyconv"].seconds
        return theirs / ours if theirs and ours else None


@dataclass
class Result:
    """All rows, and what they were measured with: the versions of tools, and why one is broken."""

    rows: list[Row]
    tools: dict[str, str]
    broken: dict[str, str]
    judge: str
    threads: int
    rounds: int
    config: dict[str, Any]


def run(
    jobs: Sequence[Job],
    peers: Sequence[str],
    threads: int,
    rounds: int = 5,
    seconds: float = 0.05,
    progress: Callable[[str], None] = lambda text: None,
) -> Result:
    """Time pyconv and its peers on every job.

    Parameters
    ----------
    jobs
        What to time, see :func:`pyconv.bench.select`.
    peers
        Tools to compare with, of :data:`pyconv.bench.PEERS`.
    threads
        Threads of every tool.
    rounds
        The figure of a tool is the median over the rounds.
    seconds
        Time for each tool in each round.
    progress
        Called with the name of the job in hand.
    """
    from pyconv import config

    with ExitStack() as stack:
        workers: dict[str, Process] = {}
        versions: dict[str, str] = {}
        broken: dict[str, str] = {}
        for name in ("pyconv", *peers):
            worker = stack.enter_context(Process(name, threads))
            try:
                versions[name] = worker.ask("version")
                workers[name] = worker
            except ToolError as error:
                if name == "pyconv":
                    raise
                broken[name] = last_line(error)
        judge = choose_judge(workers, stack)
        rows = []
        for number, job in enumerate(jobs, 1):
            progress(f"{number}/{len(jobs)} {job.case.name} ({job.direction})")
            rows.append(time_job(job, workers, judge, rounds, seconds))
    about = environment(config.config())
    return Result(rows, versions, broken, f"{judge.name} in float64", threads, rounds, about)


def choose_judge(workers: dict[str, Process], stack: ExitStack) -> Process:
    """Return the process that computes the float64 results errors are measured against.

    That is torch where it is being timed, for its speed on large layers; else the reference.
    """
    for name in ("torch", "reference"):
        if name in workers:
            return workers[name]
    return stack.enter_context(Process("reference", 1))


def time_job(
    job: Job, workers: dict[str, Process], judge: Process, rounds: int, seconds: float
) -> Row:
    """Check every tool's result on one job, then time the tools in turn."""
    exact = judge.ask("judge", job)
    row = Row(job)
    samples: dict[str, list[float]] = {}
    for name, worker in workers.items():
        try:
            result, first = worker.ask("prepare", job)
        except (NotOfferedError, ToolError) as reason:
            if name == "pyconv":
                raise
            failed = isinstance(reason, ToolError)
            row.figures[name] = Figure(note=last_line(reason), failed=failed)
            continue
        row.figures[name] = Figure(error=relative_error(result, exact))
        samples[name] = [first] if first > SLOW_CALL else []
    quick = [name for name, taken in samples.items() if not taken]
    for _ in range(rounds):
        for name in quick:
            samples[name].append(workers[name].ask("time", seconds))
    for name, taken in samples.items():
        row.figures[name].seconds = statistics.median(taken)
    return row


def relative_error(result: npt.NDArray[Any], exact: npt.NDArray[Any]) -> float:
    """Return max|result - exact| / max|exact|; infinite if the shapes differ."""
    if result.shape != exact.shape:
        return float("inf")
    if not exact.size:
        return 0.0
    scale = float(np.abs(exact).max()) or 1.0
    return float(np.abs(result - exact).max()) / scale


def last_line(error: Exception) -> str:
    """Return the last line of an error's text: of a traceback, the error itself."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def environment(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of pyconv and of the machine, for the JSON file."""
    return {**config, "python": platform.python_version(), "platform": platform.platform()}
