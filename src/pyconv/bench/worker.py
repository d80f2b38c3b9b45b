"""One tool in a process of its own: requests come in on stdin, answers go out on stdout.

A request is a pickled tuple of a name and its arguments; an answer is ``("ok", value)``,
``("no", reason)`` where the tool does not offer a job, or ``("error", text)``.

Run as ``python -m pyconv.bench.worker TOOL THREADS``.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import statistics
import sys
import time
import traceback
from typing import Any

import numpy as np

from pyconv.bench import machine, tools
from pyconv.bench.jobs import Job
from pyconv.bench.machine import Machine

# Reading the clock takes some 50 ns: of a longer call that is under one part in 400.
SHORTEST_CALL = 2e-5


class Worker:
    """Holds one tool and the job that it is ready to run."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self.tool = tools.load(name)
        self.tool.set_threads(threads)
        # Kept whole: what its functions refer to may be the memory that the call reads.
        self.prepared = tools.Prepared(lambda: None, np.asarray)
        self.estimate = 0.0
        self.used = self.spent = 0.0

    def version(self) -> str:
        """Return the version of the tool."""
        return tools.version(self.name)

    def prepare(self, job: Job) -> tuple[tools.Array, float]:
        """Make ready for a job; return its result and the seconds of the first warm call."""
        prepared = self.tool.prepare(job, tools.operands(job))
        begin = time.perf_counter()
        result = prepared.array(prepared.call())
        self.estimate = time.perf_counter() - begin
        self.prepared = prepared
        self.used = self.spent = 0.0
        # A second call unless it would take long: the first also builds plans and touches memory.
        if self.estimate < 0.5:
            self.estimate = self.stretch(1)
        return result, self.estimate

    def judge(self, job: Job) -> tools.Array:
        """Return the result of a job computed in float64."""
        prepared = self.tool.prepare(job, tools.operands(job, np.float64))
        return prepared.array(prepared.call())

    def time(self, seconds: float) -> float:
        """Call as often as fits into about so many seconds; return the seconds of one call.

        That is the median over the calls, which a few interruptions do not move; for calls too
        short for the clock, the mean of a stretch of them.
        """
        repeats = max(1, int(seconds / max(self.estimate, 1e-7)))
        used, begin = time.process_time(), time.perf_counter()
        if self.estimate > SHORTEST_CALL:
            taken = statistics.median(self.stretch(1) for _ in range(repeats))
        else:
            taken = self.stretch(repeats)
        self.used += time.process_time() - used
        self.spent += time.perf_counter() - begin
        self.estimate = taken
        return taken

    def cores(self) -> float:
        """Return the processor time by time of all calls of this job that were timed."""
        return self.used / self.spent if self.spent else 0.0

    def machine(self, threads: int) -> Machine:
        """Return the floors of this machine."""
        return machine.measure(threads)

    def stretch(self, repeats: int) -> float:
        """Return the mean seconds of so many calls in a row."""
        call = self.prepared.call
        begin = time.perf_counter()
        for _ in range(repeats):
            call()
        return (time.perf_counter() - begin) / repeats


def follow_parent() -> None:
    """Let the system end this process with its parent: one that is stopped sees no end of stdin."""
    if sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG of linux/prctl.h
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def serve(name: str, threads: int) -> None:
    """Answer requests until stdin ends."""
    follow_parent()
    # Ctrl-C reaches every process of the terminal; the parent sees to its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = sys.stdin.buffer
    # Answers keep stdout for themselves: what a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    worker: Worker | None = None
    while True:
        try:
            request, *arguments = pickle.load(requests)
        except EOFError:
            return
        answer: tuple[str, Any]
        try:
            if worker is None:
                worker = Worker(name, threads)
            answer = ("ok", getattr(worker, request)(*arguments))
        except tools.NotOfferedError as reason:
            answer = ("no", str(reason))
        except Exception:
            answer = ("error", traceback.format_exc())
        pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
