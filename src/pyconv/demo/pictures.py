"""The pictures of the demo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

Array = npt.NDArray[Any]

BLUE, RED, GREY = "#2a7f9e", "#c8553d", "#666666"
MONO = "DejaVu Sans Mono"


class Panel(NamedTuple):
    """One image of a sheet: title, grey values 0 to 1, a kernel and a note for below it."""

    title: str
    image: Array
    kernel: str
    note: str


def bare(axes: Any) -> None:
    """Leave only the image: no ticks, a thin frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#bbbbbb")


def filter_sheet(path: Path, panels: Sequence[Panel]) -> None:
    """Write the sheet of filtered images, five in a row."""
    columns = 5
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(2.9 * columns, 3.7 * rows + 0.6))
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.08)
    figure.suptitle("Nine 3x3 filters on one photograph, by pyconv.functional.conv2d", fontsize=15)
    for axes, panel in zip(figure.subplots(rows, columns).flat, panels, strict=True):
        axes.imshow(panel.image, cmap="gray", vmin=0, vmax=1, interpolation="lanczos")
        bare(axes)
        axes.set_title(panel.title, fontsize=13, fontweight="bold")
        axes.text(
            0.0, -0.03, panel.kernel or "\n\n", transform=axes.transAxes, va="top",
            family=MONO, fontsize=9.5,
        )  # fmt: skip
        axes.text(
            1.0, -0.03, f"shown:\n{panel.note}", transform=axes.transAxes, va="top", ha="right",
            fontsize=9.5, color=GREY,
        )  # fmt: skip
    figure.savefig(path, dpi=110)


def learned_filters(path: Path, filters: Array) -> None:
    """Write the first layer's filters, (K, H, W), with one colour scale for all."""
    largest = float(np.abs(filters).max())
    figure = Figure(figsize=(2.1 * len(filters) + 1, 3.1), layout="constrained")
    figure.suptitle("What the first layer of LeNet-5 has learnt: six 5x5 filters", fontsize=14)
    panels = figure.subplots(1, len(filters))
    for number, (axes, kernel) in enumerate(zip(panels, filters, strict=True), 1):
        shown = axes.imshow(kernel, cmap="RdBu_r", vmin=-largest, vmax=largest)
        bare(axes)
        axes.set_title(f"filter {number}", fontsize=11)
    bar = figure.colorbar(shown, ax=panels, shrink=0.75, pad=0.01)
    bar.set_label("weight: red looks for ink,\nblue for its absence", fontsize=9)
    figure.savefig(path, dpi=120)


def feature_maps(
    path: Path, image: Array, label: int, filters: Array, first: Array, second: Array
) -> None:
    """Write one digit and what the two convolutions make of it, filters above their maps."""
    figure = Figure(figsize=(14.5, 8.4), layout="constrained")
    figure.suptitle(f"One held-out digit, a {label}, on its way through LeNet-5", fontsize=15)
    halves: Any = figure.subfigures(1, 2, width_ratios=(1, 4))
    left, right = halves
    axes = left.subplots()
    axes.imshow(image, cmap="gray_r")
    bare(axes)
    axes.set_title("the digit, 32x32", fontsize=12)
    axes.set_xlabel(
        "filters: red positive,\nblue negative\n\nmaps: black is 0,\nbright a strong answer",
        fontsize=11,
        labelpad=12,
        color=GREY,
    )
    top, bottom = right.subfigures(2, 1, height_ratios=(4.1, 3.2))
    top.suptitle("First layer: six filters, and below each its map after ReLU, 28x28", fontsize=12)
    bottom.suptitle("Second layer: sixteen maps of the pooled first, 10x10", fontsize=12)
    largest = float(np.abs(filters).max())
    for column, (upper, lower) in enumerate(top.subplots(2, len(filters)).T):
        upper.imshow(filters[column], cmap="RdBu_r", vmin=-largest, vmax=largest)
        lower.imshow(first[column], cmap="magma", vmin=0, vmax=float(first.max()))
        bare(upper)
        bare(lower)
    for axes, values in zip(bottom.subplots(2, 8).flat, second, strict=True):
        axes.imshow(values, cmap="magma", vmin=0, vmax=float(second.max()))
        bare(axes)
    figure.savefig(path, dpi=100)


def training_curve(path: Path, losses: Sequence[float], accuracies: Sequence[float]) -> None:
    """Write training loss and held-out accuracy by epoch, side by side."""
    epochs = np.arange(1, len(losses) + 1)
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    figure.suptitle("LeNet-5 on handwritten digits", fontsize=14)
    left, right = figure.subplots(1, 2)
    left.semilogy(epochs, losses, color=BLUE, marker="o", markersize=4)
    left.set_title("mean loss on the training images")
    left.set_ylabel("cross entropy (logarithmic)")
    percent = 100 * np.asarray(accuracies)
    right.plot(epochs, percent, color=BLUE, marker="o", markersize=4)
    right.axhline(98, color=RED, linestyle="--", linewidth=1)
    right.annotate("98 % required", (epochs[-1], 98), xytext=(0, -5), textcoords="offset points",
                   color=RED, fontsize=10, ha="right", va="top")  # fmt: skip
    right.set_title(f"accuracy on the held-out images: {percent[-1]:.2f} % at the end")
    right.set_ylabel("%")
    right.set_ylim(max(0, min(90, percent.min() - 1)), 100.5)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(path, dpi=120)


def held_out(path: Path, images: Array, labels: Array, chances: Array) -> None:
    """Write held-out digits with the network's answers: every error first, then others."""
    rows, columns = 5, 10
    guesses = chances.argmax(axis=1)
    wrong = np.flatnonzero(guesses != labels)
    right = np.flatnonzero(guesses == labels)
    chosen = [*wrong, *right][: rows * columns]
    figure = Figure(figsize=(1.35 * columns, 1.68 * rows + 0.9), layout="constrained")
    share = 1 - len(wrong) / len(labels)
    figure.suptitle(
        f"Held-out digits: {len(wrong)} of {len(labels)} read wrongly (red, first); "
        f"accuracy {share:.2%}\n"
        "above each: the network's answer and the probability that it gives it",
        fontsize=13,
    )
    for axes, index in zip(figure.subplots(rows, columns).flat, chosen, strict=False):
        good = guesses[index] == labels[index]
        axes.imshow(images[index], cmap="gray_r")
        bare(axes)
        text = f"{guesses[index]}" if good else f"{guesses[index]}, is {labels[index]}"
        axes.set_title(
            f"{text}  ({chances[index].max():.0%})", fontsize=10, color="black" if good else RED,
            fontweight="normal" if good else "bold",
        )  # fmt: skip
        if not good:
            for spine in axes.spines.values():
                spine.set(color=RED, linewidth=2.5)
    figure.savefig(path, dpi=100)
