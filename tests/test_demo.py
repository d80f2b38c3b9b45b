"""The demo: filters, digits, a short training, the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("skimage")
pytest.importorskip("sklearn")

from pyconv import demo, reference
from pyconv.cli import main
from pyconv.demo import digits, filters, timing, training

PNG = b"\x89PNG"


def test_filters_sum_to_one_or_zero() -> None:
    for entry in filters.FILTERS:
        expected = 1 if entry.shown == "image" else 0
        assert np.sum(entry.kernel) == pytest.approx(expected), entry.name


def test_filters_agree_with_the_reference() -> None:
    image = filters.photograph()[100:140, 200:230]
    kernels = np.array([entry.kernel for entry in filters.FILTERS], np.float32)[:, np.newaxis]
    padded = np.pad(image, 1, mode="edge")[np.newaxis]
    result = filters.apply(image)
    assert result.shape == (9, 40, 30)
    np.testing.assert_allclose(result, reference.conv2d(padded, kernels), atol=1e-5)


def test_visible_stays_between_black_and_white() -> None:
    response = np.array([[-3.0, 0.0], [0.5, 2.0]], np.float32)
    assert filters.visible(response, "image").tolist() == [[0, 0], [0.5, 1]]
    strength = filters.visible(response, "strength")
    assert strength.max() == 1
    assert strength[0, 1] == 0


def test_filter_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filters.run(tmp_path)
    assert (tmp_path / "1_filters.png").read_bytes().startswith(PNG)
    assert "512x512" in capsys.readouterr().out


def test_digits_are_split_by_seed_without_overlap() -> None:
    data = digits.load(3)
    assert data.train_images.shape == (1437, 1, 32, 32)
    assert data.test_images.shape == (360, 1, 32, 32)
    assert data.train_images.dtype == np.float32
    assert abs(float(data.train_images.mean())) < 1e-3
    assert np.bincount(data.test_labels).min() >= 34
    again = digits.load(3)
    np.testing.assert_array_equal(data.test_images, again.test_images)
    assert not np.array_equal(data.test_labels, digits.load(4).test_labels)


def test_shifted_moves_but_does_not_change() -> None:
    images = np.zeros((4, 1, 32, 32), np.float32)
    images[:, 0, 15:17, 15:17] = 1
    moved = digits.shifted(images, np.random.default_rng(0))
    np.testing.assert_array_equal(moved.sum(axis=(1, 2, 3)), 4)
    assert not np.array_equal(moved, images)


class Silence:
    """Progress that counts."""

    def __init__(self) -> None:
        self.steps = 0
        self.epochs = 0

    def step(self) -> None:
        self.steps += 1

    def epoch(self, number: int, state: training.Epoch) -> None:
        self.epochs = number


def test_training_learns_and_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EPOCHS", 2)
    progress = Silence()
    data = digits.load(0)
    _, history = training.train(data, 0, progress)
    assert progress.steps == 2 * 90
    assert progress.epochs == 2
    assert history[-1].loss < history[0].loss < 2.3
    assert history[-1].accuracy > 0.8
    assert training.train(data, 0, Silence())[1] == history


def test_probabilities_sum_to_one() -> None:
    chances = training.probabilities(training.lenet5(), digits.load(0).test_images[:3])
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)


def test_whole_demo_fails_below_the_required_accuracy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "EPOCHS", 1)
    monkeypatch.setattr(timing, "LAYERS", ("tiny conv",))
    monkeypatch.setattr(timing, "PEERS", ("reference",))
    folder = tmp_path / "pictures"
    assert main(["demo", "--out", str(folder)]) == 1
    text = capsys.readouterr().out
    assert "expected at least 98%" in text
    assert text.rstrip().endswith(str(folder.resolve()))
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "1_filters.png",
        "2_learned_filters.png",
        "3_feature_maps.png",
        "4_training_curve.png",
        "5_held_out_digits.png",
    ]
    assert all((folder / name).read_bytes().startswith(PNG) for name in names)


def test_missing_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    assert demo.missing_extras() == []
    monkeypatch.setitem(demo.EXTRAS, "no_such_module", "no-such-package")
    assert demo.missing_extras() == ["no-such-package"]
