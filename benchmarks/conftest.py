"""What the benchmarks share: the arena, the machine in the JSON file, the closing tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pyconv import config

if TYPE_CHECKING:
    from arena import Arena

    from pyconv.bench import Job

#: Tables printed after the run, title and text.
TABLES = pytest.StashKey[list[tuple[str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the tables."""
    config.stash[TABLES] = []


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Add the processor, instruction set, threads and compiler to the JSON file."""
    machine_info["pyconv"] = config.config()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the tables of ratios, which pytest-benchmark has no columns for."""
    for title, text in config.stash[TABLES]:
        terminalreporter.section(title)
        terminalreporter.write_line(text)


@pytest.fixture(scope="session")
def rounds(pytestconfig: pytest.Config) -> Callable[[float], int]:
    """Return how many rounds of so many seconds pytest-benchmark's options ask for.

    That is as many as fit into ``--benchmark-max-time``, and at least ``--benchmark-min-rounds``;
    none with ``--benchmark-disable``.
    """

    def count(seconds: float) -> int:
        if pytestconfig.getoption("benchmark_disable"):
            return 0
        fitting = int(float(pytestconfig.getoption("benchmark_max_time")) / seconds)
        return max(fitting, pytestconfig.getoption("benchmark_min_rounds"))

    return count


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Return a function that takes the title and the text of a table to print at the end."""
    tables = pytestconfig.stash[TABLES]
    return lambda title, text: tables.append((title, text))


@pytest.fixture(scope="session")
def arena(rounds: Callable[[float], int], table: Callable[[str, str], None]) -> Iterator[Arena]:
    """The tools' processes, for the whole session."""
    from arena import ROUND_SECONDS, Arena

    from pyconv.bench import report

    arena = Arena(rounds(ROUND_SECONDS))
    try:
        yield arena
        if arena.rows and arena.rounds:
            table("layers", report.format_result(arena.result()))
            if arena.disturbed():
                table(
                    "disturbed: median far from the fastest round, time these again",
                    "\n".join(arena.disturbed()),
                )
    finally:
        arena.close()


@pytest.fixture
def race(request: pytest.FixtureRequest, benchmark: Any, arena: Arena) -> Callable[..., None]:
    """Return a function that checks and times a tool on a job beside the others selected."""

    def run(job: Job, tool: str) -> None:
        selected = [getattr(item, "callspec", None) for item in request.session.items]
        rivals = [
            spec.params["tool"] for spec in selected if spec and spec.params.get("job") == job
        ]
        arena.run(benchmark, job, tool, rivals)

    return run
