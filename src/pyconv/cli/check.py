"""``pyconv check``: every kernel of this machine against the reference."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyconv.cli.verify import Probe

HELP = "compare every kernel of this machine with the NumPy reference"

DTYPES = ("float32", "float64")

#: By the algorithm that takes bfloat16 as it lies; the others are those of float32.
HALF_ALGORITHMS = ("bf16x1",)

#: The algorithm that users get when they name none, and the one that must take every problem.
CHOSEN = "(chosen)"
NEVER_REFUSES = (CHOSEN, "naive", "")

MOST_FAILURES_SHOWN = 10

Row = tuple[str, str, str]
Algorithms = Callable[[str], tuple[str, ...]]


@dataclass
class Tally:
    """What became of the calls of one row of the table on one instruction set."""

    passed: int = 0
    refused: int = 0
    failed: int = 0
    worst: float = 0.0

    def __str__(self) -> str:
        if self.failed:
            return f"{self.failed} of {self.passed + self.failed} FAIL"
        return f"{self.passed} ok" if self.passed else "-"


@dataclass
class Findings:
    """All tallies by row and instruction set, and a text for each failure."""

    tallies: dict[Row, dict[str, Tally]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    calls: int = 0

    def tally(self, row: Row, isa: str) -> Tally:
        """Return the tally of a row on an instruction set."""
        return self.tallies.setdefault(row, {}).setdefault(isa, Tally())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's arguments."""
    parser.add_argument(
        "--quick", action="store_true", help="only a dozen small shapes for each kernel"
    )


def run(args: argparse.Namespace) -> int:
    """Check, print the table, and return 1 if any call was wrong."""
    from pyconv import config
    from pyconv.cli import verify

    begin = time.perf_counter()
    findings = Findings()
    isas = config.isas()
    progress = Progress()

    def check(probe: Probe, dtypes: tuple[str, ...], algorithms: Algorithms) -> None:
        progress.show(f"{probe.operation}: {findings.calls} calls")
        for isa in isas:
            with config.use_isa(isa):
                check_probe(probe, isa, dtypes, algorithms, findings)

    for probe in verify.probes(("smoke",) if args.quick else ("smoke", "edge")):
        check(probe, DTYPES, config.algorithms)
    for probe in verify.probes(("smoke",), coarse=True):
        check(probe, half_dtypes(), lambda direction: HALF_ALGORITHMS)
    progress.show("")
    print(table(findings, isas))
    print()
    for text in findings.failures[:MOST_FAILURES_SHOWN]:
        print(text)
    if len(findings.failures) > MOST_FAILURES_SHOWN:
        print(f"... and {len(findings.failures) - MOST_FAILURES_SHOWN} more")
    taken = time.perf_counter() - begin
    wrong = len(findings.failures)
    verdict = f"FAILED: {wrong} of {findings.calls}" if wrong else f"All {findings.calls}"
    print(
        f"{verdict} calls {'differ from' if wrong else 'agree with'} the NumPy reference "
        f"({', '.join(isas)}; {taken:.0f} s)."
    )
    return 1 if wrong else 0


def half_dtypes() -> tuple[str, ...]:
    """Return the dtypes of 16 bits: bfloat16 where there is the package that has it."""
    try:
        importlib.import_module("ml_dtypes")
    except ImportError:
        return ("float16",)
    return ("float16", "bfloat16")


def check_probe(
    probe: Probe, isa: str, dtypes: tuple[str, ...], algorithms: Algorithms, findings: Findings
) -> None:
    """Run one call on the instruction set in force, in each dtype and by each algorithm."""
    names = (CHOSEN, *algorithms(probe.direction)) if probe.direction else ("",)
    for dtype in dtypes:
        for name in names:
            tally = findings.tally((probe.operation, name, dtype), isa)
            if name not in NEVER_REFUSES and probe.refuses(name, dtype):
                tally.refused += 1
                continue
            findings.calls += 1
            fault, share = outcome(probe, dtype, None if name in (CHOSEN, "") else name)
            tally.worst = max(tally.worst, share)
            if fault:
                tally.failed += 1
                what = " ".join(part for part in (probe.operation, name, dtype, isa) if part)
                findings.failures.append(f"{what}: {fault}\n    {probe.case}")
            else:
                tally.passed += 1


def outcome(probe: Probe, dtype: str, algorithm: str | None) -> tuple[str, float]:
    """Return what is wrong with a call, or nothing, and its error as a share of the bound."""
    try:
        share = probe.share_of_bound(dtype, algorithm)
    except Exception as error:
        # Whatever a kernel raises here is its fault: the case is valid.
        return f"{type(error).__name__}: {error}", 0.0
    if share <= 1:
        return "", share
    return "differs" if probe.magnitude is None else f"error {share:.3g} times its bound", share


def table(findings: Findings, isas: tuple[str, ...]) -> str:
    """Return one line for each operation, algorithm and dtype, one column for each ISA."""
    from pyconv.cli.table import format_table

    rows = []
    for row, tallies in sorted(findings.tallies.items(), key=order_of(findings)):
        refused = max(tally.refused for tally in tallies.values())
        worst = max(tally.worst for tally in tallies.values())
        cells = [str(tallies.get(isa, "-")) for isa in isas]
        rows.append([*row, *cells, str(refused or "-"), f"{worst:.2f}" if worst else "exact"])
    header = ["operation", "algorithm", "dtype", *isas, "refused", "error / bound"]
    return format_table(header, rows, left=3)


def order_of(findings: Findings) -> Callable[[tuple[Row, Any]], tuple[int, int]]:
    """Return a key that keeps operations together, each in the order of first appearance."""
    rows = list(findings.tallies)
    operations = list(dict.fromkeys(row[0] for row in rows))
    return lambda entry: (operations.index(entry[0][0]), rows.index(entry[0]))


class Progress:
    """Shows what is in hand on a terminal, and nothing in a log."""

    def __init__(self) -> None:
        self.next = 0.0

    def show(self, text: str) -> None:
        """Write over the last line, at most ten times a second; nothing clears it."""
        now = time.perf_counter()
        if sys.stderr.isatty() and (not text or now >= self.next):
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
            self.next = now + 0.1
