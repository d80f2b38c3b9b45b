"""Children made by os.fork(), in fresh processes: what a test has loaded may not bear forks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_POOL = """
import multiprocessing, sys, warnings
import numpy as np
import pyconv
from pyconv import arrays
warnings.simplefilter("ignore")
x = np.arange(2 * 5 * 40 * 40, dtype=np.float32).reshape(2, 5, 40, 40) % 7
w = np.arange(9 * 5 * 9, dtype=np.float32).reshape(9, 5, 3, 3) % 3
def convolve(scale):
    return scale * arrays.conv2d(x, w)
pyconv.set_num_threads(2)
expected = convolve(1)
with multiprocessing.get_context("fork").Pool(2) as pool:
    results = pool.map_async(convolve, (3, 3, 3)).get(60)
if any((result != 3 * expected).any() for result in results): sys.exit("a child differs")
if not (convolve(1) == expected).all(): sys.exit("the parent differs")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_children_of_a_process_with_threads_convolve() -> None:
    done = subprocess.run([sys.executable, "-c", _POOL], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr


_FORK = """
import os, sys, warnings
import numpy as np
from pyconv import arrays, set_num_threads
warnings.simplefilter("ignore")
set_num_threads(2)
x = np.arange(24 * 40 * 40, dtype=np.float32).reshape(1, 24, 40, 40) % 5
w = np.arange(32 * 24 * 9, dtype=np.float32).reshape(32, 24, 3, 3) % 3
before = arrays.conv2d(x, w) if {threads_first} else None
def child(depth):
    pid = os.fork()
    if pid == 0:
        first = arrays.conv2d(x, w)
        good = before is None or (first == before).all()
        good = good and (arrays.conv2d(x, w, algorithm="naive") == first).all()
        good = good and (depth == 0 or child(depth - 1))
        os._exit(0 if good else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
good = child(1) and child(0)
after = arrays.conv2d(x, w)
sys.exit(0 if good and (before is None or (after == before).all()) else 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("threads_first", [True, False])
def test_a_child_and_its_child_convolve_after_fork(threads_first: bool) -> None:
    script = _FORK.format(threads_first=threads_first)
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


_FORK_WHILE_PACKING = """
import os, signal, sys, threading, time, warnings
import numpy as np
from pyconv import PackedWeight, arrays
warnings.simplefilter("ignore")
x, w = np.ones((1, 1024, 5, 5), np.float32), np.ones((1024, 1024, 3, 3), np.float32)
def convolve(weight):
    start = time.perf_counter()
    assert (arrays.conv2d(x, weight, algorithm={algorithm!r}) == 9216).all()
    return time.perf_counter() - start
first = convolve(PackedWeight(w))
for part in range(8):
    weight = PackedWeight(w)
    other = threading.Thread(target=convolve, args=(weight,))
    other.start()
    time.sleep(first * part / 8)
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        convolve(weight)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    other.join()
    if status: sys.exit("a child hangs: it was forked " + str(part) + "/8 through the packing")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("algorithm", ["channel_vector", "implicit_gemm"])
def test_a_child_forked_while_a_weight_is_packed_convolves(algorithm: str) -> None:
    """What another thread had locked stays locked in the child: no lock may be held that long."""
    script = _FORK_WHILE_PACKING.format(algorithm=algorithm)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
