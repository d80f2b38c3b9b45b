"""Results in memory that earlier results gave back."""

import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import pyconv
from pyconv import _core, arrays

FLOAT32 = np.dtype(np.float32)
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")
keeps = pytest.mark.skipif(SANITIZED, reason="sanitizer builds keep nothing")
MIB = 1 << 20


@pytest.fixture(autouse=True)
def _fresh_cache():
    limit = pyconv.get_cache_limit()
    gc.collect()
    pyconv.empty_cache()
    yield
    pyconv.set_cache_limit(limit)


def relu_of(elements):
    return arrays.relu(np.ones(elements, np.float32))


@keeps
def test_a_dropped_result_is_used_for_the_next():
    first = relu_of(MIB)
    address = first.ctypes.data
    del first
    assert pyconv.cached_bytes() >= 4 * MIB
    second = relu_of(MIB)
    assert second.ctypes.data == address
    assert pyconv.cached_bytes() == 0
    third = relu_of(MIB)
    assert not np.may_share_memory(second, third)
    np.testing.assert_array_equal(second, 1)


def test_results_are_ordinary_arrays_that_own_their_memory():
    for elements in (1, 1000, 1 << 18):
        result = relu_of(elements)
        assert type(result) is np.ndarray
        assert result.flags.owndata
        assert result.flags.writeable
        assert result.flags.c_contiguous
        assert result.base is None
    view = result[5:]
    del result
    gc.collect()
    relu_of(1 << 18)
    np.testing.assert_array_equal(view, 1)


@pytest.mark.parametrize("elements", [1 << 18, 100_003])
def test_results_can_be_resized(elements):
    result = relu_of(elements)
    result.resize(3 * elements, refcheck=False)
    np.testing.assert_array_equal(result[:elements], 1)
    np.testing.assert_array_equal(result[elements:], 0)
    result.resize(7, refcheck=False)
    np.testing.assert_array_equal(result, 1)


def test_large_results_are_aligned_to_cache_lines():
    for elements in range(1 << 15, (1 << 15) + 40, 7):
        assert relu_of(elements).ctypes.data % 64 == 0


@keeps
def test_the_limit_holds_and_the_oldest_go_first():
    pyconv.set_cache_limit(5 * MIB)
    kept = [relu_of(MIB // 2), relu_of(MIB), relu_of(2 * MIB)]
    del kept[0]
    assert pyconv.cached_bytes() == 2 * MIB
    del kept[0]
    assert pyconv.cached_bytes() == 4 * MIB
    del kept[0]  # 8 MiB: more than may be kept at all
    assert pyconv.cached_bytes() == 4 * MIB
    pyconv.set_cache_limit(3 * MIB)
    assert pyconv.cached_bytes() == 0
    pyconv.set_cache_limit(0)
    relu_of(MIB)
    assert pyconv.cached_bytes() == 0


@keeps
def test_empty_cache_keeps_the_limit():
    relu_of(MIB)
    assert pyconv.cached_bytes() == 4 * MIB
    pyconv.empty_cache()
    assert pyconv.cached_bytes() == 0
    assert pyconv.get_cache_limit() > 0


@pytest.mark.parametrize("value", [True, 1.5, None, "1"])
def test_a_limit_of_a_wrong_type_is_refused(value):
    with pytest.raises(TypeError, match=r"set_cache_limit\(\): argument 'n'"):
        pyconv.set_cache_limit(value)


@pytest.mark.parametrize("value", [-1, 1 << 80])
def test_a_limit_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match=r"set_cache_limit\(\): argument 'n'"):
        pyconv.set_cache_limit(value)


def test_empty_is_numpys():
    for shape in ((), (0,), (3, 0, 5), (2, 3), (1,) * 32, (300, 300)):
        for dtype in (FLOAT32, np.dtype(np.int64)):
            array = _core.empty(shape, dtype)
            assert array.shape == shape
            assert array.dtype is dtype
    for arguments in (([1], FLOAT32), ((1,), np.float32), ((1,),), ((1.5,), FLOAT32)):
        with pytest.raises(TypeError):
            _core.empty(*arguments)
    with pytest.raises(ValueError, match="negative"):
        _core.empty((-1, 3), FLOAT32)
    with pytest.raises(OverflowError):
        _core.empty((1 << 70,), FLOAT32)
    with pytest.raises((MemoryError, ValueError)):
        _core.empty((1 << 61, 1 << 61), FLOAT32)
    with pytest.raises(MemoryError):
        _core.empty((1 << 55,), FLOAT32)


def test_numpys_own_arrays_keep_numpys_memory():
    name = "numpy.core.multiarray" if np.__version__.startswith("1.") else "numpy._core.multiarray"
    handler = __import__(name, fromlist=["get_handler_name"]).get_handler_name
    before = handler()
    assert handler(relu_of(MIB)) == "pyconv"
    assert handler() == before
    assert handler(np.empty(MIB)) == before


def test_threads_share_the_cache():
    failures = []

    def work(value):
        for i in range(60):
            elements = (1 << 14) + 5000 * (i % 7)
            result = arrays.relu(np.full(elements, value, np.float32))
            if not (result == value).all():
                failures.append(i)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# In a process of its own: a library that another test has loaded may not bear forks.
_FORK = """
import os, sys, warnings
import numpy as np
import pyconv
from pyconv import arrays
warnings.simplefilter("ignore")
elements = 1 << 20
def result():
    return arrays.relu(np.ones(elements, np.float32))
first = result()
dropped = result().ctypes.data
kept = pyconv.cached_bytes()
pid = os.fork()
if pid == 0:
    second = result()
    good = (second == 1).all() and (first == 1).all() and second.ctypes.data != first.ctypes.data
    del second
    pyconv.empty_cache()
    os._exit(0 if good and pyconv.cached_bytes() == 0 else 1)
if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]): sys.exit("the child's result is wrong")
if pyconv.cached_bytes() != kept: sys.exit("the child emptied its parent's cache")
third = result()
if kept and third.ctypes.data != dropped: sys.exit("the parent's cache is lost")
if not (third == 1).all() or not (first == 1).all(): sys.exit("the parent's result is wrong")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_has_a_cache_of_its_own():
    command = [sys.executable, "-c", _FORK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("value", "limit"),
    [("", None), ("0", 0), ("7", 7 * MIB), ("x", None), ("-1", None), ("9" * 5000, None)],
)
def test_the_environment_sets_the_limit(value, limit):
    code = "import pyconv; print(pyconv.get_cache_limit(), len(pyconv.config.ignored()))"
    environment = {**os.environ, "PYCONV_CACHE_MB": value, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    got, ignored = map(int, done.stdout.split())
    machine = os.sysconf("SC_PHYS_PAGES") // 16 * os.sysconf("SC_PAGESIZE")
    default = 0 if SANITIZED else min(256 * MIB, machine)
    assert got == (default if limit is None else limit)
    assert ignored == (value in ("x", "-1", "9" * 5000))
