"""Times jobs: every tool in its own process, in interleaved rounds, one running at a time."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyconv.bench.jobs import Job
from pyconv.bench.process import EndedError, Process, ToolError
from pyconv.bench.result import Figure, Result, Row
from pyconv.bench.tools import NotOfferedError

# A tool slower than this is timed in one round only, and its first call counts.
SLOW_CALL = 0.5

#: Rounds where a time for the whole run is given: no fewer, as a median of two is none; no more,
#: as the medians of short calls stand after that many.
FEWEST, MOST = 3, 25


class Pace(NamedTuple):
    """How long to time a job.

    Attributes
    ----------
    rounds
        The figure of a tool is the median over the rounds.
    slice
        Seconds for each tool in each round.
    seconds
        For all rounds of the job together; if given, ``rounds`` only says how many are the least.
    """

    rounds: int = 5
    slice: float = 0.05
    seconds: float | None = None

    def goes_on(self, done: int, begin: float) -> bool:
        """Return whether there is another round."""
        if done < self.rounds or self.seconds is None:
            return done < self.rounds
        elapsed = time.perf_counter() - begin
        # The next round takes as long as the ones before.
        return done < MOST and elapsed * (done + 1) / done <= self.seconds


class Team:
    """The processes of the tools that work, and why the others do not."""

    def __init__(self, stack: ExitStack, threads: int, isa: str | None = None) -> None:
        self.stack, self.threads, self.isa = stack, threads, isa
        self.workers: dict[str, Process] = {}
        self.versions: dict[str, str] = {}
        self.broken: dict[str, str] = {}
        self.spare: Process | None = None

    def start(self, name: str) -> None:
        """Start a tool; one other than pyconv that does not start is noted as broken."""
        worker = self.stack.enter_context(Process(name, self.threads, self.isa))
        try:
            self.versions[name] = worker.ask("version")
            self.workers[name] = worker
        except ToolError as error:
            if name == "pyconv":
                raise
            self.broken[name] = last_line(error)

    def lose(self, name: str, reason: ToolError) -> Figure:
        """Note that the process of a tool has ended; it is asked nothing more."""
        if name == "pyconv":
            raise reason
        del self.workers[name]
        self.broken[name] = last_line(reason)
        return Figure(note=last_line(reason), failed=True)

    def judge(self) -> str:
        """Return what errors are measured against."""
        return f"{'torch' if 'torch' in self.workers else 'reference'} in float64"

    def exact(self, job: Job) -> Any:
        """Return the float64 result that errors are measured against.

        That is torch's where it is being timed, for its speed on large layers, else that of the
        reference; always that of the reference where float64 itself is timed.
        """
        if "torch" in self.workers and job.dtype == "float32":
            try:
                return self.workers["torch"].ask("judge", job)
            except EndedError as error:
                self.lose("torch", error)
            except (NotOfferedError, ToolError):
                pass
        if self.spare is None:
            self.spare = self.stack.enter_context(Process("reference", 1))
        return self.spare.ask("judge", job)


def run(
    jobs: Sequence[Job],
    tools: Sequence[str],
    threads: int,
    rounds: int = 5,
    slice: float = 0.05,
    *,
    seconds: float | None = None,
    isa: str | None = None,
    floors: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Result:
    """Time pyconv and other tools on every job.

    Parameters
    ----------
    jobs
        What to time, see :func:`pyconv.bench.choose`.
    tools
        Peers and further forms of pyconv, of :data:`pyconv.bench.TOOLS`.
    threads
        Threads of every tool.
    rounds
        The figure of a tool is the median over the rounds.
    slice
        Seconds for each tool in each round.
    seconds
        For the whole run: as many rounds as fit, at least three.
    isa
        Best instruction set that tools may use, those that can be told.
    floors
        Whether to measure the floors of this machine, before and after; the faster rates count.
    progress
        Called with the name of the job in hand.
    """
    from pyconv import config

    begin = time.perf_counter()
    with ExitStack() as stack:
        team = Team(stack, threads, isa)
        for name in dict.fromkeys(("pyconv", *tools)):
            progress(f"starting {name}")
            team.start(name)
        machine = team.workers["pyconv"].ask("machine", threads) if floors else None
        rows = []
        for number, job in enumerate(jobs):
            progress(f"{number + 1}/{len(jobs)} {job}")
            pace = Pace(rounds, slice)
            if seconds is not None:
                left = begin + seconds - time.perf_counter()
                pace = paced(max(left, 0.0) / (len(jobs) - number), len(team.workers), slice)
            rows.append(time_job(job, team, pace))
        if machine is not None:
            machine = machine.or_faster(team.workers["pyconv"].ask("machine", threads))
        about = environment(config.config())
    told = f"{rounds} rounds" if seconds is None else f"{FEWEST} to {MOST} rounds"
    return Result(rows, team.versions, team.broken, team.judge(), threads, told, about, machine)


def paced(seconds: float, tools: int, longest: float) -> Pace:
    """Return the pace for a job that has so many seconds: five rounds, if slices allow it."""
    slice = min(max(seconds / (5 * tools), longest / 5), longest)
    return Pace(FEWEST, slice, seconds)


def time_job(job: Job, team: Team, pace: Pace, names: Collection[str] = ()) -> Row:
    """Check every tool's result on one job, then time the tools, or those named, in turn."""
    begin = time.perf_counter()
    exact = team.exact(job)
    row = Row(job)
    for name, worker in list(team.workers.items()):
        if names and name not in names:
            continue
        row.figures[name] = checked(team, name, worker, job, exact)
    quick = [name for name, figure in row.figures.items() if quick_enough(figure)]
    done = 0
    while quick and pace.goes_on(done, begin):
        for name in list(quick):
            try:
                row.figures[name].samples.append(team.workers[name].ask("time", pace.slice))
            except EndedError as error:
                row.figures[name] = team.lose(name, error)
                quick.remove(name)
        done += 1
    for name, figure in row.figures.items():
        if figure.samples:
            figure.seconds = statistics.median(figure.samples)
        if name in quick:
            figure.cores = team.workers[name].ask("cores")
    return row


def checked(team: Team, name: str, worker: Process, job: Job, exact: npt.NDArray[Any]) -> Figure:
    """Let a tool make ready for a job; a slow one's first call is its only sample."""
    try:
        result, first = worker.ask("prepare", job)
    except EndedError as reason:
        return team.lose(name, reason)
    except (NotOfferedError, ToolError) as reason:
        if name == "pyconv":
            raise
        return Figure(note=last_line(reason), failed=isinstance(reason, ToolError))
    samples = [first] if first > SLOW_CALL else []
    return Figure(error=relative_error(result, exact), samples=samples)


def quick_enough(figure: Figure) -> bool:
    """Return whether a tool is to be timed in rounds."""
    return figure.error is not None and not figure.samples


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
