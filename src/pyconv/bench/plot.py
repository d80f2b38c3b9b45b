"""The result of a run as pictures: bars of the ratio to the best peer, and the roofline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyconv.bench.means import geometric
from pyconv.bench.result import Result, Row
from pyconv.bench.roofline import draw_roofline
from pyconv.bench.text import job_name, ratio_text, short_direction, threads_text
from pyconv.bench.tools import TOOLS

FASTER, SLOWER, AXIS = "#2a7f9e", "#c8553d", "#444444"

#: Peers keep their colours from picture to picture.
COLOURS = {
    "torch": "#ee7733",
    "torch-cl": "#aa3377",
    "onnxruntime": "#228833",
    "openvino": "#0033aa",
    "jax": "#ccaa00",
}

#: Ratios beyond these lie at the border: a peer 40 times slower says no more than one 8 times.
LEAST, MOST = 0.25, 8.0
TICKS = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8)


def write_plots(result: Result, path: Path) -> list[Path]:
    """Draw one picture of bars for each suite and, if the floors are known, the roofline.

    Returns
    -------
    list
        The files written: ``path`` itself, or one with the name of each suite if there are more.
    """
    if not any(row.best() for row in result.rows):
        raise ValueError("--plot: there is no peer to compare with")
    groups = result.by_suite()
    written = []
    for name, rows in groups.items():
        rated = [row for row in rows if row.best()]
        if rated:
            file = path if len(groups) == 1 else path.with_stem(f"{path.stem}-{name}")
            draw_bars(result, name, rated).savefig(file, dpi=130)
            written.append(file)
    if result.machine:
        file = path.with_stem(f"{path.stem}-roofline")
        draw_roofline(result).savefig(file, dpi=130)
        written.append(file)
    return written


def draw_bars(result: Result, name: str, rows: list[Row]) -> Any:
    """Return the figure of one suite: a bar for each job, a dot for each peer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 0.27 * len(rows) + 1.9), layout="constrained")
    panel = figure.subplots()
    seen: set[str] = set()
    for position, row in enumerate(rows):
        draw_bar(panel, position, row)
        for peer in row.rivals():
            ratio = row.ratio(peer)
            if ratio and peer in COLOURS:
                place = min(max(ratio, LEAST), MOST)
                label = None if peer in seen else peer
                seen.add(peer)
                panel.scatter(
                    place, position, s=20, color=COLOURS[peer], label=label, zorder=3,
                    edgecolors="white", linewidths=0.5, clip_on=False,
                )  # fmt: skip
    several = len({(row.job.direction, row.job.dtype) for row in rows}) > 1
    labels = [
        f"{job_name(row.job)}  [{short_direction(row.job)}]" if several else job_name(row.job)
        for row in rows
    ]
    finish(panel, labels)
    ratios = [best.ratio for row in rows if (best := row.best())]
    won = sum(ratio >= 1 for ratio in ratios)
    figure.suptitle(
        f"{name}: pyconv is faster than the best peer on {won} of {len(rows)}, "
        f"geometric mean {ratio_text(geometric(ratios))}x",
        fontsize=12,
    )
    kinds = " and ".join(sorted({row.job.dtype for row in rows}))
    panel.set_xlabel(
        f"time of the best peer by pyconv's: right of 1 pyconv is faster   (dots: all peers; "
        f"{kinds}, {threads_text(result.threads)}, median of {result.rounds})",
        fontsize=9,
    )
    if seen:
        figure.legend(loc="outside lower center", ncols=len(seen), fontsize=8, frameon=False)
    return figure


def draw_bar(panel: Any, position: int, row: Row) -> None:
    """Draw a bar from 1 to the ratio to the best peer, and write that ratio and the peer."""
    best = row.best()
    assert best is not None
    end = min(max(best.ratio, LEAST), MOST)
    faster = best.ratio >= 1
    panel.barh(position, end - 1, left=1, color=FASTER if faster else SLOWER, height=0.72)
    # Figures stand in a column of their own beside the axes, clear of bars and dots.
    panel.annotate(
        f"{ratio_text(best.ratio)}  {TOOLS[best.name].label}",
        (1.01, position),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=8,
        color=AXIS if faster else SLOWER,
        fontweight="normal" if faster else "bold",
    )


def finish(panel: Any, labels: list[str]) -> None:
    """Set up the axes: logarithmic, 1 marked."""
    panel.set_yticks(range(len(labels)), labels, fontsize=8)
    panel.set_ylim(len(labels) - 0.4, -0.6)
    panel.set_xscale("log")
    panel.set_xlim(LEAST, MOST)
    panel.set_xticks(TICKS, [f"{tick:g}x" for tick in TICKS], fontsize=8)
    panel.set_xticks([], minor=True)
    panel.axvline(1, color=AXIS, linewidth=1.6, zorder=2)
    panel.grid(axis="x", color="#e4e4e4", linewidth=0.7)
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)
