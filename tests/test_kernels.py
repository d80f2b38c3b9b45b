"""The register tile of every instruction set, reached directly, and the measures of its speed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from guarded import Guard
from passes import DTYPES
from pyconv import _core, config
from tolerances import assert_same

Array = npt.NDArray[Any]

every_isa = pytest.mark.parametrize("name", config.isas())
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def _shape(name: str, dtype: npt.DTypeLike) -> tuple[int, int]:
    return _core.tile_shape(name, np.dtype(dtype).itemsize)


def _tall(name: str, dtype: npt.DTypeLike) -> tuple[int, int]:
    return _core.tall_tile_shape(name, np.dtype(dtype).itemsize)


def _integers(rng: np.random.Generator, *shape: int) -> npt.NDArray[np.int64]:
    return rng.integers(-9, 9, shape, endpoint=True)


@every_isa
@every_dtype
def test_every_tile_is_exact_on_integers(
    name: str, dtype: type, rng: np.random.Generator, guard: Guard
) -> None:
    """All row counts and all column counts, so that all tails as well; rows of tall tiles too."""
    most_rows, most_columns = _shape(name, dtype)
    tall_rows, lanes = _tall(name, dtype)
    for rows in range(1, max(most_rows, tall_rows) + 1):
        for columns in range(1, (lanes if rows > most_rows else most_columns) + 1):
            depth = (rows * 7 + columns) % 40
            a, b = _integers(rng, rows, depth), _integers(rng, depth, columns)
            c = guard.empty((rows, columns), dtype)
            _core.tile_product(name, guard.place(a.astype(dtype)), guard.place(b.astype(dtype)), c)
            assert_same(c, (a @ b).astype(dtype))


@every_isa
@every_dtype
@pytest.mark.parametrize("depth", [0, 1, 2, 255, 256, 1000])
def test_full_tiles_of_all_depths(
    name: str, dtype: type, depth: int, rng: np.random.Generator
) -> None:
    rows, columns = _shape(name, dtype)
    a, b = _integers(rng, rows, depth), _integers(rng, depth, columns)
    c = np.full((rows, columns), np.nan, dtype)
    _core.tile_product(name, a.astype(dtype), b.astype(dtype), c)
    assert_same(c, (a @ b).astype(dtype))


@every_isa
@every_dtype
def test_nan_and_infinity_stay_in_their_row_and_column(name: str, dtype: type) -> None:
    rows, columns = _shape(name, dtype)
    a, b = np.ones((rows, 5), dtype), np.ones((5, columns), dtype)
    a[rows - 1, 2], b[4, 0] = np.nan, -np.inf
    expected = np.full((rows, columns), 5, dtype)
    expected[:, 0] = -np.inf
    expected[rows - 1] = np.nan
    c = np.empty((rows, columns), dtype)
    _core.tile_product(name, a, b, c)
    assert_same(c, expected)


@every_isa
@every_dtype
def test_matrices_that_are_no_tile_are_refused(name: str, dtype: type) -> None:
    rows, columns = _shape(name, dtype)

    def product(m: int, k: int, n: int, out: tuple[int, int], k2: int | None = None) -> None:
        a, b = np.ones((m, k), dtype), np.ones((k if k2 is None else k2, n), dtype)
        _core.tile_product(name, a, b, np.empty(out, dtype))

    tall_rows, lanes = _tall(name, dtype)
    for m, n in ((tall_rows + 1, 1), (rows + 1, lanes + 1), (1, columns + 1), (0, 1), (1, 0)):
        with pytest.raises(ValueError, match="a, b"):
            product(m, 3, n, (m, n))
    with pytest.raises(ValueError, match="multiplied"):
        product(1, 3, 1, (1, 1), 4)
    with pytest.raises(ValueError, match="c"):
        product(1, 3, 1, (1, 2))


def test_an_unknown_instruction_set_has_no_tile() -> None:
    with pytest.raises(ValueError, match="'sse9'"):
        _core.tile_shape("sse9", 4)
    with pytest.raises(ValueError, match="'sse9'"):
        _core.time_tile("sse9", 4, 10, 10)


@every_isa
@pytest.mark.parametrize("itemsize", [4, 8])
def test_the_measures_of_speed_are_positive(name: str, itemsize: int) -> None:
    rows, columns = _core.tile_shape(name, itemsize)
    depth, repeats = 256, 200
    seconds = min(_core.time_tile(name, itemsize, depth, repeats) for _ in range(3))
    peak = max(_core.peak_rate(name, itemsize, 20_000) for _ in range(3))
    assert seconds > 0
    assert peak > 1e8
    # The bound is loose, for busy machines; the tile cannot pass the peak by more than noise.
    assert 2 * rows * columns * depth * repeats / seconds < 3 * peak


@every_isa
def test_the_measures_of_speed_check_their_arguments(name: str) -> None:
    with pytest.raises(ValueError, match="depth"):
        _core.time_tile(name, 4, 0, 1)
    with pytest.raises(ValueError, match="repeats"):
        _core.time_tile(name, 4, 1, 0)
    with pytest.raises(ValueError, match="steps"):
        _core.peak_rate(name, 4, 0)
