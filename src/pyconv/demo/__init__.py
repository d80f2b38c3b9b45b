"""The demo: real images through the kernels, in four parts; see :func:`run`.

It needs the extras of ``pip install 'pyconv-kernels[demo]'`` and no network: the photograph ships
with scikit-image and the handwritten digits with scikit-learn.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

EXTRAS = {"skimage": "scikit-image", "sklearn": "scikit-learn", "matplotlib": "matplotlib"}

#: The share of held-out digits that the trained network must read.
REQUIRED_ACCURACY = 0.98


def missing_extras() -> list[str]:
    """Return the names of the packages that the demo needs and that are not installed."""
    return [package for name, package in EXTRAS.items() if not importlib.util.find_spec(name)]


def heading(number: int, text: str) -> None:
    """Print the title of a part."""
    print(f"\n{number}. {text}\n", flush=True)


def run(folder: Path, seed: int = 0) -> int:
    """Run all four parts, write the pictures into ``folder`` and return the exit status.

    1. Print what the machine offers and what is used.
    2. Apply nine 3x3 filters to a photograph.
    3. Train LeNet-5 on handwritten digits and test it on held-out ones.
    4. Time a few layers against the NumPy reference, SciPy and torch.

    The status is 1 if the network reads less than :data:`REQUIRED_ACCURACY` of the held-out digits.
    """
    from pyconv import config
    from pyconv.demo import filters, timing, training

    folder.mkdir(parents=True, exist_ok=True)
    heading(1, "What this runs on")
    config.show_config()
    heading(2, "Nine filters on a photograph")
    filters.run(folder)
    heading(3, "LeNet-5 on handwritten digits")
    accuracy = training.run(folder, seed)
    heading(4, "A few layers, timed")
    timing.run()
    passed = accuracy >= REQUIRED_ACCURACY
    if not passed:
        print(f"\nThe accuracy is {accuracy:.2%}, expected at least {REQUIRED_ACCURACY:.0%}.")
    print(f"\nAll pictures are in {folder.resolve()}")
    return 0 if passed else 1
