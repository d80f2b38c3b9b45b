"""The result of a run as a picture: one panel for each peer, one bar for each job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyconv.bench.report import peers_of, ratio_text
from pyconv.bench.runner import Result

FASTER, SLOWER, AXIS = "#2a7f9e", "#c8553d", "#444444"

#: Marks on the axes of ratios, by their range.
NARROW, WIDE = (0.25, 0.5, 1, 2, 4, 10, 20, 40), (0.01, 0.1, 1, 10, 100, 1000, 10000)


def write_plot(result: Result, path: Path) -> None:
    """Draw how many times as fast as each peer pyconv is, on logarithmic axes."""
    from matplotlib.figure import Figure

    peers = [peer for peer in peers_of(result) if any(row.ratio(peer) for row in result.rows)]
    if not peers:
        raise ValueError("plot: there is no peer to compare with")
    directions = {row.job.direction for row in result.rows}
    labels = [
        row.job.case.name if len(directions) == 1 else f"{row.job.case.name}  [{row.job.direction}]"
        for row in result.rows
    ]
    pairs = zip(result.rows, result.rows[1:], strict=False)
    borders = [
        position + 0.5
        for position, (above, below) in enumerate(pairs)
        if above.job.direction != below.job.direction
    ]
    height = 0.25 * len(labels) + 1.9
    figure = Figure(figsize=(3.2 + 2.7 * len(peers), height), layout="constrained")
    panels = figure.subplots(1, len(peers), sharey=True, squeeze=False)[0]
    for panel, peer in zip(panels, peers, strict=True):
        draw_panel(panel, peer, [row.ratio(peer) for row in result.rows])
        for position in borders:
            panel.axhline(position, color="#bbbbbb", linewidth=0.8)
    panels[0].set_yticks(range(len(labels)), labels, fontsize=8)
    panels[0].set_ylim(len(labels) - 0.4, -0.6)
    shown = "" if len(directions) > 1 else f", {next(iter(directions))}"
    figure.suptitle(
        f"How many times as fast is pyconv?  float32, {result.threads} threads{shown}",
        fontsize=12,
    )
    figure.supxlabel(
        f"the peer's time by pyconv's, median of {result.rounds} rounds; "
        "blue: pyconv is faster, red: it is slower",
        fontsize=9,
    )
    figure.savefig(path, dpi=130)


def draw_panel(panel: Any, peer: str, ratios: list[float | None]) -> None:
    """Draw bars that begin at 1 and end at the ratio, each with its figure."""
    known = [ratio for ratio in ratios if ratio]
    low, high = min([*known, 0.8]), max([*known, 1.25])
    for position, ratio in enumerate(ratios):
        if ratio is None:
            panel.text(1.03, position, "not offered", va="center", fontsize=6.5, color="#999999")
            continue
        panel.barh(position, ratio - 1, left=1, color=FASTER if ratio >= 1 else SLOWER, height=0.7)
        panel.annotate(
            ratio_text(ratio),
            (ratio, position),
            xytext=(3 if ratio >= 1 else -3, 0),
            textcoords="offset points",
            va="center",
            ha="left" if ratio >= 1 else "right",
            fontsize=7,
        )
    panel.set_xscale("log")
    # Room for the figures beyond the longest bars.
    room = (high / low) ** 0.28
    panel.set_xlim(low / room, high * room)
    panel.axvline(1, color=AXIS, linewidth=1)
    panel.set_title(f"against {peer}", fontsize=10)
    steps = NARROW if high / low < 60 else WIDE
    ticks = [tick for tick in steps if low <= tick <= high]
    panel.set_xticks(ticks, [f"{tick:g}x" for tick in ticks], fontsize=7)
    panel.set_xticks([], minor=True)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)
