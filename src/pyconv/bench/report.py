"""The result of a run as a table for the screen and as JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pyconv.bench.runner import Figure, Result, Row
from pyconv.cli.table import format_table


def peers_of(result: Result) -> list[str]:
    """Return the tools of a run other than pyconv."""
    return [name for name in result.tools if name != "pyconv"]


def format_result(result: Result) -> str:
    """Return the table, its legend and a summary for each peer."""
    peers = peers_of(result)
    header = ["layer", "direction", "pyconv ms", "GFLOP/s", "error"]
    for peer in peers:
        header += [f"vs {peer}", "error"]
    rows = [
        [
            row.job.case.name,
            row.job.direction,
            milliseconds(row.figures["pyconv"].seconds),
            rate(row),
            error_text(row.figures["pyconv"].error),
            *(cell for peer in peers for cell in peer_cells(row, peer)),
        ]
        for row in result.rows
    ]
    sections = [
        format_table(header, rows, left=2),
        "\n".join([*summaries(result), *faults(result)]),
        legend(result),
    ]
    return "\n\n".join(section for section in sections if section)


def legend(result: Result) -> str:
    """Return what the columns mean and what was measured with."""
    versions = ", ".join(f"{name} {version}" for name, version in result.tools.items())
    return (
        "vs: the peer's time by pyconv's, above 1 where pyconv is faster.  "
        f"error: max|d| / max|y| against {result.judge}.\n"
        "GFLOP/s: flops of the direct method by time.  "
        f"{result.threads} thread{'s' * (result.threads > 1)} each, float32, "
        f"median of {result.rounds} rounds.\n{versions}"
    )


def faults(result: Result) -> list[str]:
    """Return one line for each peer that did not start and each job that one failed on."""
    broken = [f"{name} left out: {reason}" for name, reason in result.broken.items()]
    return broken + [
        f"{name} failed on {row.job.case.name}, {row.job.direction}: {figure.note}"
        for row in result.rows
        for name, figure in row.figures.items()
        if figure.failed
    ]


def peer_cells(row: Row, peer: str) -> tuple[str, str]:
    """Return the ratio and the error of a peer, or dashes."""
    figure = row.figures.get(peer, Figure())
    return ratio_text(row.ratio(peer)), error_text(figure.error)


def summaries(result: Result) -> list[str]:
    """Return one line for each peer: how often pyconv wins and by how much."""
    lines = []
    for peer in peers_of(result):
        rated = [(ratio, row) for row in result.rows if (ratio := row.ratio(peer))]
        if not rated:
            lines.append(f"{peer}: does none of these")
            continue
        ratios = [ratio for ratio, _ in rated]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        worst, row = min(rated, key=lambda entry: entry[0])
        lines.append(
            f"{peer}: faster on {sum(ratio >= 1 for ratio in ratios)} of {len(ratios)}, "
            f"geometric mean {ratio_text(mean)}, "
            f"least {ratio_text(worst)} ({row.job.case.name}, {row.job.direction})"
        )
    return lines


def milliseconds(seconds: float | None) -> str:
    """Return a time in ms with three significant digits."""
    if seconds is None:
        return "-"
    value = seconds * 1e3
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 4
    return f"{value:.{digits}f}"


def rate(row: Row) -> str:
    """Return pyconv's effective GFLOP/s."""
    seconds = row.figures["pyconv"].seconds
    if not seconds or not row.job.flops:
        return "-"
    value = row.job.flops / seconds / 1e9
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def ratio_text(ratio: float | None) -> str:
    """Return a ratio with about three significant digits."""
    if ratio is None:
        return "-"
    digits = 3 if ratio < 0.1 else 2 if ratio < 10 else 1 if ratio < 100 else 0
    return f"{ratio:.{digits}f}"


def error_text(error: float | None) -> str:
    """Return an error with two significant digits."""
    return "-" if error is None else "0" if error == 0 else f"{error:.1e}"


def as_json(result: Result) -> dict[str, Any]:
    """Return the whole result as plain dicts and lists."""
    rows = [
        {
            "name": row.job.case.name,
            "direction": row.job.direction,
            "op": row.job.case.op,
            "input": row.job.case.input,
            "weight": row.job.case.weight,
            "arguments": row.job.case.arguments,
            "flops": row.job.flops,
            "tools": {
                name: {
                    "seconds": figure.seconds,
                    "error": figure.error,
                    "ratio": row.ratio(name),
                    "note": figure.note,
                }
                for name, figure in row.figures.items()
            },
        }
        for row in result.rows
    ]
    return {
        "config": result.config,
        "tools": result.tools,
        "broken": result.broken,
        "judge": result.judge,
        "threads": result.threads,
        "rounds": result.rounds,
        "rows": rows,
    }


def write_json(result: Result, path: Path) -> None:
    """Write the result as a JSON file."""
    path.write_text(json.dumps(as_json(result), indent=1, default=str) + "\n")
