"""The parent's end of a worker process, which stands still except while it is asked something."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from types import TracebackType
from typing import IO, Any, cast

from pyconv.bench.tools import NotOfferedError

# Every thread pool that a tool may bring along reads one of these when it is loaded.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYCONV_NUM_THREADS",
)


class ToolError(RuntimeError):
    """A worker raised an error or ended; the message holds its traceback."""


class Process:
    """A worker process.

    Between two requests it is stopped by a signal where the system has such signals: the threads
    of most pools go on spinning for a while after a call and would steal time from the next tool.
    """

    can_stop = hasattr(signal, "SIGSTOP")

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
        self.child = subprocess.Popen(
            [sys.executable, "-m", "pyconv.bench.worker", name, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def ask(self, request: str, *arguments: Any) -> Any:
        """Let the worker run for one request and return its answer.

        Raises
        ------
        NotOfferedError
            If the tool does not do this job.
        ToolError
            If it raised any other error, or its process has ended.
        """
        self._signal("SIGCONT")
        try:
            pickle.dump((request, *arguments), cast("IO[bytes]", self.child.stdin))
            cast("IO[bytes]", self.child.stdin).flush()
            kind, value = pickle.load(cast("IO[bytes]", self.child.stdout))
        except (EOFError, OSError) as error:
            raise ToolError(f"{self.name}: the process ended ({error!r})") from None
        self._signal("SIGSTOP")
        if kind == "no":
            raise NotOfferedError(value)
        if kind == "error":
            raise ToolError(f"{self.name}: {value}")
        return value

    def close(self) -> None:
        """End the process."""
        self._signal("SIGCONT")
        self.child.kill()
        self.child.communicate()

    def _signal(self, name: str) -> None:
        if self.can_stop and self.child.poll() is None:
            self.child.send_signal(getattr(signal, name))

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
