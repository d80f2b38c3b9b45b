"""Part 2: classical 3x3 filters on a photograph, as one labelled sheet."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyconv import functional
from pyconv.demo import pictures

Array = npt.NDArray[Any]


class Filter(NamedTuple):
    """A kernel and how its result is made visible: ``"strength"`` or ``"image"``."""

    name: str
    kernel: tuple[tuple[float, float, float], ...]
    shown: str


NINTH = 1 / 9

# Kernels that sum to 1 give an image again; those that sum to 0 give 0 on even ground, and their
# sign only tells on which side of a line it is lighter.
FILTERS = (
    Filter("blur", ((NINTH,) * 3,) * 3, "image"),
    Filter("horizontal lines", ((-1, -1, -1), (2, 2, 2), (-1, -1, -1)), "strength"),
    Filter("vertical lines", ((-1, 2, -1), (-1, 2, -1), (-1, 2, -1)), "strength"),
    Filter("lines at 45°", ((-1, -1, 2), (-1, 2, -1), (2, -1, -1)), "strength"),
    Filter("lines at 135°", ((2, -1, -1), (-1, 2, -1), (-1, -1, 2)), "strength"),
    Filter("edges", ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)), "strength"),
    Filter("sharpen", ((0, -1, 0), (-1, 5, -1), (0, -1, 0)), "image"),
    Filter("edge enhance", ((-1, 0, -1), (0, 5, 0), (-1, 0, -1)), "image"),
    Filter("emboss", ((-2, -1, 0), (-1, 1, 1), (0, 1, 2)), "image"),
)

# Part of the photograph: the camera on its tripod, with lines in all directions.
ROWS, COLUMNS = slice(60, 380), slice(110, 430)


def photograph() -> Array:
    """Return a grey photograph, values 0 to 1, that ships with scikit-image."""
    data: Any = import_module("skimage.data")
    return np.asarray(data.camera(), np.float32) / 255


def apply(image: Array) -> Array:
    """Return the nine filtered images of a grey (H, W) image, each (H, W).

    All nine are the channels of one convolution.  The border repeats the outermost pixels, so that
    it does not count as an edge.
    """
    kernels = np.array([entry.kernel for entry in FILTERS], image.dtype)[:, np.newaxis]
    padded = np.pad(image, 1, mode="edge")
    return functional.conv2d(padded[np.newaxis], kernels)


def visible(response: Array, shown: str) -> Array:
    """Return a filtered image as grey values, 0 black to 1 white."""
    if shown == "image":
        return np.clip(response, 0, 1)
    strength = np.abs(response)
    # The few strongest pixels would leave the rest dark.
    return np.clip(strength / max(float(np.percentile(strength, 99)), 1e-6), 0, 1)


def run(folder: Path) -> None:
    """Filter the photograph and write the sheet."""
    image = photograph()
    begin = time.perf_counter()
    responses = apply(image)
    taken = time.perf_counter() - begin
    height, width = image.shape
    print(f"photograph {width}x{height}, nine 3x3 filters in one conv2d: {taken * 1e3:.2f} ms")
    panels = [
        pictures.Panel(
            entry.name,
            visible(response, entry.shown)[ROWS, COLUMNS],
            kernel_text(entry),
            "strength |y|" if entry.shown == "strength" else "y, cut to 0…1",
        )
        for entry, response in zip(FILTERS, responses, strict=True)
    ]
    original = pictures.Panel("photograph", image[ROWS, COLUMNS], "", "as it is")
    path = folder / "1_filters.png"
    pictures.filter_sheet(path, [original, *panels])
    print(f"wrote {path}")


def kernel_text(entry: Filter) -> str:
    """Return a kernel as three aligned rows."""
    if entry.name == "blur":
        return "1/9 1/9 1/9\n" * 2 + "1/9 1/9 1/9"
    return "\n".join(" ".join(f"{value:2g}" for value in row) for row in entry.kernel)
