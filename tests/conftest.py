"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import pyconv.config
from guarded import Guard


@pytest.fixture
def guard() -> Iterator[Guard]:
    """Guarded memory, checked at the end of the test as well."""
    guarded = Guard()
    yield guarded
    guarded.check()


@pytest.fixture(params=pyconv.config.isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set of this machine in turn, forced."""
    with pyconv.config.use_isa(request.param):
        assert pyconv.config.isa() == request.param
        yield request.param


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that starts the same in every test."""
    return np.random.default_rng(20240229)
