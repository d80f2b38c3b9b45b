"""The precision policy: who sets it, who obeys it, and what it admits."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import pyconv
from pyconv import arrays
from pyconv import functional as F

LEVELS = ("highest", "high", "medium")
X, W = (1, 32, 20, 20), (32, 32, 3, 3)


@pytest.fixture(autouse=True)
def _restored():
    before = pyconv.get_float32_precision()
    yield
    pyconv.set_float32_precision(before)


def test_default_is_the_strictest():
    assert pyconv.get_float32_precision() == "highest"
    assert pyconv.explain(X, W).precision == "highest"


@pytest.mark.parametrize("level", LEVELS)
def test_process_context_and_call(level):
    pyconv.set_float32_precision(level)
    assert pyconv.explain(X, W).precision == level
    with pyconv.float32_precision("high"):
        assert pyconv.get_float32_precision() == "high"
        with pyconv.float32_precision("medium"):
            assert pyconv.explain(X, W).precision == "medium"
            assert pyconv.explain(X, W, precision=level).precision == level
        assert pyconv.explain(X, W).precision == "high"
    assert pyconv.get_float32_precision() == level


def test_a_context_belongs_to_its_thread():
    seen = []
    with pyconv.float32_precision("medium"):
        thread = threading.Thread(target=lambda: seen.append(pyconv.get_float32_precision()))
        thread.start()
        thread.join()
    assert seen == ["highest"]


def test_context_ends_with_an_exception():
    with pytest.raises(RuntimeError, match="stop"), pyconv.float32_precision("high"):
        raise RuntimeError("stop")
    assert pyconv.get_float32_precision() == "highest"


@pytest.mark.parametrize("level", LEVELS)
def test_float64_is_never_touched(level):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(X), rng.standard_normal(W)
    assert pyconv.explain(X, W, dtype=np.float64, precision=level).precision == "highest"
    strict = arrays.conv2d(x, w, padding=1, precision="highest")
    assert np.array_equal(arrays.conv2d(x, w, padding=1, precision=level), strict)


@pytest.mark.parametrize("bad", ["fast", "HIGH", ""])
def test_unknown_level(bad):
    x, w = np.ones((1, 1, 4, 4), np.float32), np.ones((1, 1, 3, 3), np.float32)
    with pytest.raises(ValueError, match=r"set_float32_precision\(\): argument 'precision'"):
        pyconv.set_float32_precision(bad)
    with pytest.raises(ValueError, match="expected 'highest', 'high' or 'medium'"):
        F.conv2d(x, w, precision=bad)


def test_wrong_kind_of_level():
    with pytest.raises(TypeError, match="argument 'precision': expected a str, got 1"):
        pyconv.set_float32_precision(1)
    x, w = np.ones((1, 1, 4, 4), np.float32), np.ones((1, 1, 3, 3), np.float32)
    with pytest.raises(TypeError, match=r"conv2d\(\): argument 'precision'"):
        F.conv2d(x, w, precision=0)


def test_gradients_keep_the_level_of_the_forward_pass(monkeypatch):
    # The rule binds its gradients when the module loads: look at what the plans were made with.
    plans = []
    monkeypatch.setattr("pyconv.arrays.conv.precision_code", lambda n, p: plans.append((n, p)) or 0)
    x = pyconv.Tensor(np.ones((1, 2, 5, 5), np.float32), requires_grad=True)
    w = pyconv.Tensor(np.ones((2, 2, 3, 3), np.float32), requires_grad=True)
    with pyconv.float32_precision("high"):
        y = F.conv2d(x, w)
    y.sum().backward()
    gradients = {name: level for name, level in plans if name != "conv2d"}
    assert gradients == {"conv2d_input": "high", "conv2d_weight": "high"}


def _child(value: str, *flags: str) -> subprocess.CompletedProcess[str]:
    code = "import pyconv; print(pyconv.get_float32_precision())"
    environment = {**os.environ, "PYCONV_FLOAT32_PRECISION": value}
    return subprocess.run(
        [sys.executable, *flags, "-c", code], env=environment, capture_output=True, text=True
    )


def test_environment_variable():
    assert _child("medium").stdout.strip() == "medium"
    wrong = _child("fast")
    assert wrong.stdout.strip() == "highest"
    assert "PYCONV_FLOAT32_PRECISION" in wrong.stderr
