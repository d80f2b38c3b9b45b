"""The roofline: what every layer reaches, under what the machine can do."""

from __future__ import annotations

from typing import Any

from pyconv.bench.result import Result, Row
from pyconv.bench.text import percent, threads_text

OURS, BEST, ROOF = "#2a7f9e", "#9a9a9a", "#444444"

#: Layers named in the picture: those furthest below the roof.
NAMED = 8

MARKS = {"forward": "o", "input": "^", "weight": "s"}


def draw_roofline(result: Result) -> Any:
    """Return the figure: effective GFLOP/s against flops by byte, for every float32 convolution."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    machine = result.machine
    assert machine is not None
    rows = [row for row in result.rows if visible(row)]
    figure = Figure(figsize=(9, 6), layout="constrained")
    panel = figure.subplots()
    peak = machine.flops["float32"] / 1e9
    sizes = sorted(machine.bandwidth)
    places = [row.job.flops / row.job.bytes for row in rows] or [1.0, 100.0]
    left, right = min(places) / 2, max(places) * 2
    for size, style in ((sizes[0], "-"), (sizes[-1], "--")):
        rate = machine.bandwidth[size] / 1e9
        knee = peak / rate
        panel.plot(
            [left, knee, right], [left * rate, peak, peak], style, color=ROOF, linewidth=1.2,
            label=f"{peak:.0f} GFLOP/s, {rate:.0f} GB/s (copies of {size >> 20} MB)",
        )  # fmt: skip
    heights = [rate_of(row, row.fastest()) for row in rows]
    rivals = [rate_of(row, rival_time(row)) for row in rows]
    for place, ours, theirs in zip(places, heights, rivals, strict=False):
        if theirs:
            panel.plot([place, place], [ours, theirs], color="#d5d5d5", linewidth=1, zorder=1)
    known = [(place, theirs) for place, theirs in zip(places, rivals, strict=False) if theirs]
    if known:
        along, up = zip(*known, strict=True)
        panel.scatter(
            along, up, s=26, facecolors="none", edgecolors=BEST, label="best peer", zorder=2
        )
    for direction, mark in MARKS.items():
        chosen = [index for index, row in enumerate(rows) if row.job.direction == direction]
        if chosen:
            x, y = [places[index] for index in chosen], [heights[index] for index in chosen]
            label = f"pyconv, {direction}"
            panel.scatter(x, y, s=26, color=OURS, marker=mark, label=label, zorder=3)
    name_lowest(panel, result, rows)
    panel.set_xscale("log")
    panel.set_yscale("log")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FormatStrFormatter("%g"))
        axis.set_minor_formatter(NullFormatter())
    panel.set_xlim(left, right)
    panel.set_ylim(max(min(heights, default=1.0), 1.0) / 2, peak * 1.6)
    panel.set_xlabel("flops of the direct method by byte of input, weight and output")
    panel.set_ylabel("effective GFLOP/s")
    panel.grid(which="major", color="#e8e8e8", linewidth=0.7)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(loc="lower right", fontsize=8, frameon=False)
    panel.set_title(
        f"What each convolution reaches of what this machine can do "
        f"({machine.isa}, {threads_text(machine.threads)}, float32)",
        fontsize=11,
    )
    return figure


def name_lowest(panel: Any, result: Result, rows: list[Row]) -> None:
    """Write the names of the layers furthest below their roof, as far as there is room."""
    shares = sorted((result.share(row) or 0.0, index) for index, row in enumerate(rows))
    taken: list[tuple[float, float]] = []
    for share, index in shares[:NAMED]:
        row = rows[index]
        along, up = row.job.flops / row.job.bytes, rate_of(row, row.fastest())
        if any(up / y < 1.12 and y / up < 1.12 and max(along / x, x / along) < 4 for x, y in taken):
            continue
        taken.append((along, up))
        pass_ = "" if row.job.direction == "forward" else f", {row.job.direction}"
        panel.annotate(
            f"{row.job.case.name}{pass_}: {percent(share)} of its roof",
            (along, up),
            xytext=(6, -8),
            textcoords="offset points",
            fontsize=7,
            color=ROOF,
            zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5},
        )


def visible(row: Row) -> bool:
    """Return whether a row has its place in the picture: layers, not calls that cost themselves."""
    tiny = "tiny" in row.job.case.tags
    return (
        row.job.flops > 0 and row.job.dtype == "float32" and not tiny and row.fastest() is not None
    )


def rival_time(row: Row) -> float | None:
    """Return the time of the best peer."""
    best = row.best()
    return row.seconds(best.name) if best else None


def rate_of(row: Row, seconds: float | None) -> float:
    """Return GFLOP/s."""
    return row.job.flops / seconds / 1e9 if seconds else 0.0
