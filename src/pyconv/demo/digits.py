"""The handwritten digits of scikit-learn, as the images that LeNet-5 takes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SIDE = 32
MARGIN = 2
HELD_OUT = 0.2

#: Training images are moved by up to so many of the 32 pixels in each direction.
LARGEST_SHIFT = 2


class Digits(NamedTuple):
    """Images (N, 1, 32, 32) of mean 0 and deviation 1, and labels (N,)."""

    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array


def load(seed: int) -> Digits:
    """Return the 1797 digits, split by ``seed`` with a fifth of each class held out."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = enlarge(digits.images.astype(np.float32) / 16)[:, np.newaxis]
    train, test, train_labels, test_labels = train_test_split(
        images, digits.target, test_size=HELD_OUT, stratify=digits.target, random_state=seed
    )
    mean, deviation = train.mean(), train.std()
    return Digits((train - mean) / deviation, train_labels, (test - mean) / deviation, test_labels)


def enlarge(images: Array) -> Array:
    """Return square images (N, H, H) as (N, 32, 32): bilinear, with a margin of zeros.

    The digits fill their 8x8 pixels from edge to edge; the margin gives filters and shifts room.
    """
    side, inner = images.shape[-1], SIDE - 2 * MARGIN
    position = np.clip((np.arange(inner) + 0.5) * side / inner - 0.5, 0, side - 1)
    low = np.minimum(position.astype(int), side - 2)
    share = (position - low).astype(images.dtype)
    matrix = np.zeros((SIDE, side), images.dtype)
    matrix[MARGIN + np.arange(inner), low] = 1 - share
    matrix[MARGIN + np.arange(inner), low + 1] = share
    enlarged: Array = matrix @ images @ matrix.T
    return enlarged


def shifted(images: Array, rng: np.random.Generator) -> Array:
    """Return each image moved by a random number of pixels; what moves in is background."""
    reach = LARGEST_SHIFT
    background = images[0, 0, 0, 0]
    pad = [(0, 0), (0, 0), (reach, reach), (reach, reach)]
    padded = np.pad(images, pad, constant_values=background)
    corners = rng.integers(0, 2 * reach + 1, size=(len(images), 2))
    moved = np.empty_like(images)
    for target, source, (top, left) in zip(moved, padded, corners, strict=True):
        target[:] = source[:, top : top + SIDE, left : left + SIDE]
    return moved
