"""Subnormal numbers, and the floating-point state of whoever calls."""

import ctypes
import ctypes.util
import os
import platform
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

import pyconv
from pyconv import _core, arrays, reference

X86 = platform.machine() in ("x86_64", "AMD64")
TINY = {np.float32: 1e-40, np.float64: 1e-310}
SMALL, LARGE = (1, 2, 5, 5), (2, 16, 64, 64)  # one thread; several


@pytest.fixture(autouse=True)
def _restored():
    yield
    pyconv.set_flush_denormal(False)


needs_flushing = pytest.mark.skipif(
    not _core.can_flush_denormal(), reason="this processor cannot flush subnormal numbers"
)


def _subnormal(shape, dtype):
    x = np.full(shape, TINY[dtype], dtype)
    w = np.ones((4, shape[1], 3, 3), dtype)
    return x, w


@pytest.mark.parametrize("shape", [SMALL, LARGE])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_subnormals_are_kept_at_the_start(shape, dtype):
    assert not pyconv.get_flush_denormal()
    x, w = _subnormal(shape, dtype)
    y = arrays.conv2d(x, w, algorithm="implicit_gemm")
    np.testing.assert_allclose(y, reference.conv2d(x, w), rtol=1e-3, atol=0)
    assert y.min() > 0


@needs_flushing
@pytest.mark.parametrize("shape", [SMALL, LARGE])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flushing_inside_and_only_there(shape, dtype):
    assert pyconv.set_flush_denormal(True)
    assert pyconv.get_flush_denormal()
    x, w = _subnormal(shape, dtype)
    y = arrays.conv2d(x, w, algorithm="implicit_gemm")
    assert np.array_equal(y, np.zeros_like(y))
    assert np.all(x * dtype(1) == dtype(TINY[dtype])), "NumPy's own arithmetic has changed"
    pyconv.set_flush_denormal(False)
    assert arrays.conv2d(x, w, algorithm="implicit_gemm").min() > 0


@needs_flushing
def test_normal_results_do_not_depend_on_it(rng):
    x, w = rng.standard_normal(LARGE, np.float32), rng.standard_normal((8, 16, 3, 3), np.float32)
    kept = arrays.conv2d(x, w, padding=1)
    pyconv.set_flush_denormal(True)
    assert np.array_equal(kept, arrays.conv2d(x, w, padding=1))


@pytest.mark.parametrize("value", [1, "on", None])
def test_only_a_bool(value):
    with pytest.raises(TypeError, match=r"set_flush_denormal\(\): argument 'mode'"):
        pyconv.set_flush_denormal(value)


@needs_flushing
@pytest.mark.parametrize(("value", "expected"), [("1", "True"), ("0", "False"), ("yes", "False")])
def test_environment(value, expected):
    code = "import pyconv; print(pyconv.get_flush_denormal())"
    environment = {**os.environ, "PYCONV_FLUSH_DENORMAL": value}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
    assert ("PYCONV_FLUSH_DENORMAL" in done.stderr) == (value == "yes")


@contextmanager
def _rounding(libm, mode):
    before = libm.fegetround()
    assert libm.fesetround(mode) == 0
    try:
        yield
    finally:
        libm.fesetround(before)


@pytest.fixture
def libm():
    name = ctypes.util.find_library("m")
    if name is None or not X86:
        pytest.skip("the constants of this C library are not known here")
    return ctypes.CDLL(name)


UPWARD, OVERFLOW = 0x800, 0x08  # <fenv.h> on x86


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_the_callers_rounding_changes_nothing(libm, rng, shape):
    x = rng.standard_normal(shape, np.float32)
    w = rng.standard_normal((4, shape[1], 3, 3), np.float32)
    expected = arrays.conv2d(x, w, padding=1)
    with _rounding(libm, UPWARD):
        found = arrays.conv2d(x, w, padding=1)
        assert libm.fegetround() == UPWARD
    assert np.array_equal(found, expected)


def test_the_callers_status_flags_stay(libm):
    libm.feclearexcept(0x3D)
    big = np.full((1, 1, 4, 4), 3e38, np.float32)
    y = arrays.conv2d(big, np.full((1, 1, 1, 1), 4, np.float32), algorithm="implicit_gemm")
    raised = libm.fetestexcept(OVERFLOW)
    assert np.isinf(y).all()
    assert raised == 0
