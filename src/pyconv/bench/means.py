"""Geometric means of the ratios, by suite and by peer."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pyconv.bench.result import Result, Row
from pyconv.bench.text import percent, ratio_text
from pyconv.bench.tools import TOOLS
from pyconv.cli.table import format_table


def geometric(values: Iterable[float]) -> float | None:
    """Return the geometric mean, None of nothing."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else None


def mean_ratio(rows: Iterable[Row], peer: str) -> float | None:
    """Return the geometric mean of a peer's ratios."""
    return geometric(ratio for row in rows if (ratio := row.ratio(peer)))


def best_ratios(rows: Iterable[Row]) -> list[float]:
    """Return the ratios to the best peer of equal accuracy."""
    return [best.ratio for row in rows if (best := row.best())]


def format_means(result: Result) -> str:
    """Return the table of means: a line for each suite and one for all rows."""
    peers = result.peers()
    if not peers:
        return ""
    groups = result.by_suite()
    if len(groups) > 1:
        groups["all"] = result.rows
    header = ["geometric means", "won", "vs best", "worst"]
    header += ["roof"] if result.machine else []
    lines = []
    for name, rows in groups.items():
        ratios = best_ratios(rows)
        line = [
            name,
            f"{sum(ratio >= 1 for ratio in ratios)}/{len(ratios)}",
            ratio_text(geometric(ratios)),
            ratio_text(min(ratios, default=None)),
        ]
        if result.machine:
            shares = [share for row in rows if (share := result.share(row))]
            line.append(percent(geometric(shares)))
        lines.append([*line, *(ratio_text(mean_ratio(rows, peer)) for peer in peers)])
    return format_table([*header, *(TOOLS[peer].label for peer in peers)], lines)
