"""Part 3: LeNet-5 learns handwritten digits."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

import pyconv
from pyconv import functional, nn, optim
from pyconv.demo import digits, pictures

Array = npt.NDArray[Any]

EPOCHS = 25
BATCH = 16
PEAK_RATE = 2e-3


class Epoch(NamedTuple):
    """Mean training loss and held-out accuracy after one pass over the training images."""

    loss: float
    accuracy: float


class Progress(Protocol):
    """What the training tells whoever watches."""

    def step(self) -> None:
        """One batch is done."""

    def epoch(self, number: int, state: Epoch) -> None:
        """One pass is done."""


def lenet5() -> nn.Sequential:
    """Return LeNet-5 for 32x32 images: with ReLU, maximum pooling and some dropout."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def train(data: digits.Digits, seed: int, progress: Progress) -> tuple[nn.Sequential, list[Epoch]]:
    """Return the trained network and its history.

    Adam with a learning rate that falls to zero along a cosine; training images are moved a little
    at random each time.
    """
    pyconv.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = lenet5()
    loss_of = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=PEAK_RATE)
    count = len(data.train_images)
    total = EPOCHS * math.ceil(count / BATCH)
    history: list[Epoch] = []
    step = 0
    for number in range(1, EPOCHS + 1):
        model.train()
        losses = 0.0
        order = rng.permutation(count)
        for start in range(0, count, BATCH):
            batch = order[start : start + BATCH]
            images = digits.shifted(data.train_images[batch], rng)
            for group in optimizer.param_groups:
                group["lr"] = PEAK_RATE * 0.5 * (1 + math.cos(math.pi * step / total))
            optimizer.zero_grad()
            loss = loss_of(model(pyconv.Tensor(images)), data.train_labels[batch])
            loss.backward()
            optimizer.step()
            losses += float(loss.item()) * len(batch)
            step += 1
            progress.step()
        guesses = probabilities(model, data.test_images).argmax(axis=1)
        history.append(Epoch(losses / count, float(np.mean(guesses == data.test_labels))))
        progress.epoch(number, history[-1])
    return model, history


def probabilities(model: nn.Sequential, images: Array) -> Array:
    """Return the network's probability of each digit, (N, 10)."""
    model.eval()
    with pyconv.no_grad():
        result: Array = functional.softmax(model(pyconv.Tensor(images)), dim=1).numpy()
    return result


class TextProgress:
    """One line every few epochs: for logs, and where tqdm is not installed."""

    def step(self) -> None:
        """Say nothing: there is one batch every few milliseconds."""

    def epoch(self, number: int, state: Epoch) -> None:
        """Print the state of the first epoch and of every fifth."""
        if number == 1 or number % 5 == 0:
            print(
                f"epoch {number:2d} of {EPOCHS}: loss {state.loss:.4f}, "
                f"held-out accuracy {state.accuracy:.2%}",
                flush=True,
            )


class BarProgress:
    """A tqdm bar over all batches."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def step(self) -> None:
        """Move the bar."""
        self.bar.update()

    def epoch(self, number: int, state: Epoch) -> None:
        """Show the state beside the bar."""
        self.bar.set_description(f"epoch {number}/{EPOCHS}", refresh=False)
        self.bar.set_postfix_str(
            f"loss {state.loss:.4f}, held-out accuracy {state.accuracy:.2%}", refresh=False
        )


@contextmanager
def watch(batches: int) -> Iterator[Progress]:
    """Yield a bar on a terminal that has tqdm, lines of text elsewhere."""
    try:
        from tqdm import tqdm
    except ImportError:
        tqdm = None
    if tqdm is None or not sys.stderr.isatty():
        yield TextProgress()
        return
    with tqdm(total=batches, unit="batch", desc=f"epoch 0/{EPOCHS}") as bar:
        yield BarProgress(bar)


def run(folder: Path, seed: int) -> float:
    """Train, test, write the pictures, and return the accuracy on the held-out digits."""
    data = digits.load(seed)
    print(
        f"{len(data.train_images)} digits to learn from, {len(data.test_images)} held out; "
        f"{EPOCHS} epochs",
        flush=True,
    )
    begin = time.perf_counter()
    with watch(EPOCHS * math.ceil(len(data.train_images) / BATCH)) as progress:
        model, history = train(data, seed, progress)
    taken = time.perf_counter() - begin
    chances = probabilities(model, data.test_images)
    wrong = int(np.sum(chances.argmax(axis=1) != data.test_labels))
    accuracy = 1 - wrong / len(data.test_labels)
    print(
        f"trained in {taken:.1f} s; reads {len(data.test_labels) - wrong} of "
        f"{len(data.test_labels)} held-out digits: {accuracy:.2%}"
    )
    write_pictures(folder, model, history, data, chances)
    return accuracy


def write_pictures(
    folder: Path, model: nn.Sequential, history: list[Epoch], data: digits.Digits, chances: Array
) -> None:
    """Write what the network has learnt."""
    first = feature_maps(model, data.test_images[:1], 2)
    second = feature_maps(model, data.test_images[:1], 5)
    filters = model.state_dict()["0.weight"][:, 0]
    label = int(data.test_labels[0])
    losses = [state.loss for state in history]
    accuracies = [state.accuracy for state in history]
    paths = [
        folder / f"{name}.png"
        for name in ("2_learned_filters", "3_feature_maps", "4_training_curve", "5_held_out_digits")
    ]
    pictures.learned_filters(paths[0], filters)
    pictures.feature_maps(paths[1], data.test_images[0, 0], label, filters, first, second)
    pictures.training_curve(paths[2], losses, accuracies)
    pictures.held_out(paths[3], data.test_images[:, 0], data.test_labels, chances)
    for path in paths:
        print(f"wrote {path}")


def feature_maps(model: nn.Sequential, images: Array, layers: int) -> Array:
    """Return what one image has become after so many layers, (channels, H, W)."""
    with pyconv.no_grad():
        values = pyconv.Tensor(images)
        for index in range(layers):
            values = model[index](values)
    maps: Array = values.numpy()[0]
    return maps
