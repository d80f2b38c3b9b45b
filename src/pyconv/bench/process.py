"""The parent's end of a worker process, which stands still except while it is asked something."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from types import TracebackType
from typing import IO, Any, cast

from pyconv.bench.tools import NotOfferedError

# Every thread pool that a tool may bring along reads one of these when it is loaded; NPROC and
# PJRT_NPROC are JAX's.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYCONV_NUM_THREADS",
    "NPROC",
    "PJRT_NPROC",
)

#: No answer takes so many seconds: the longest, a layer of VGG in NumPy, takes 10.
PATIENCE = 120.0


class ToolError(RuntimeError):
    """A worker raised an error; the message holds its traceback."""


class EndedError(ToolError):
    """The process of a worker has ended, or was ended because it did not answer."""


def environment(threads: int, isa: str | None = None) -> dict[str, str]:
    """Return the variables that give every tool so many threads, and cap the instruction set.

    PyTorch, oneDNN and JAX know caps for AVX2; below that they have none worth comparing with.
    """
    flags = [
        os.environ.get("XLA_FLAGS", ""),
        f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}",
    ]
    found = dict.fromkeys(THREAD_VARIABLES, str(threads))
    # The tools that stand for a lower level set it themselves.
    found["PYCONV_FLOAT32_PRECISION"] = "highest"
    if isa is not None:
        found["PYCONV_ISA"] = isa
    if isa in ("avx2", "generic"):
        found |= {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
        flags.append("--xla_cpu_max_isa=AVX2")
    return found | {"XLA_FLAGS": " ".join(flags).strip()}


class Process:
    """A worker process.

    Between two requests it is stopped by a signal where the system has such signals: the threads
    of most pools go on spinning for a while after a call and would steal time from the next tool.
    """

    can_stop = hasattr(signal, "SIGSTOP")

    def __init__(self, name: str, threads: int, isa: str | None = None) -> None:
        self.name = name
        self.child = subprocess.Popen(
            [sys.executable, "-m", "pyconv.bench.worker", name, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment(threads, isa),
            start_new_session=True,
        )

    def ask(self, request: str, *arguments: Any) -> Any:
        """Let the worker run for one request and return its answer.

        Raises
        ------
        NotOfferedError
            If the tool does not do this job.
        EndedError
            If its process has ended.
        ToolError
            If it raised any other error.
        """
        self._signal("SIGCONT")
        # One that never answers is ended, which closes its end of the pipe.
        alarm = threading.Timer(PATIENCE, self._kill)
        alarm.daemon = True
        alarm.start()
        try:
            pickle.dump((request, *arguments), cast("IO[bytes]", self.child.stdin))
            cast("IO[bytes]", self.child.stdin).flush()
            kind, value = pickle.load(cast("IO[bytes]", self.child.stdout))
        except (EOFError, OSError) as error:
            raise EndedError(f"{self.name}: {self._end()}") from error
        finally:
            alarm.cancel()
        self._signal("SIGSTOP")
        if kind == "no":
            raise NotOfferedError(value)
        if kind == "error":
            raise ToolError(f"{self.name}: {value}")
        return value

    def close(self) -> None:
        """End the process."""
        self._signal("SIGCONT")
        self._kill()
        self.child.communicate()

    def _end(self) -> str:
        """Return how the process has ended."""
        try:
            status = self.child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "the process does not answer"
        return f"the process ended with status {status}"

    def _kill(self) -> None:
        """End the process and what it has started, which would keep the pipes open."""
        if not hasattr(os, "killpg"):
            self.child.kill()
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)

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
