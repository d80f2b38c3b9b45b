"""The same bits for any number of threads and in any batch; threads and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pyconv
from passes import DIRECTIONS, DTYPES, Data, make, run, willing
from pyconv import arrays
from pyconv.cases import Case

Array = npt.NDArray[Any]

# More than one task each, and more work than one core does in 30 microseconds.
CONVS = (
    Case("threads-dense", "conv2d", (3, 24, 21, 23), (40, 24, 3, 3), {"padding": 1}),
    Case("threads-stride", "conv2d", (3, 17, 40, 41), (33, 17, 3, 3), {"padding": 1, "stride": 2}),
    Case("threads-few", "conv2d", (2, 48, 28, 28), (6, 48, 3, 3), {"padding": 1}),
    Case("threads-pointwise", "conv2d", (2, 160, 28, 30), (130, 160, 1, 1)),
    Case("threads-one", "conv2d", (1, 64, 28, 28), (72, 64, 3, 3), {"padding": 1}),
    Case("threads-phases", "conv2d", (1, 3, 96, 90), (64, 3, 7, 7), {"stride": 2, "padding": 3}),
    Case("threads-parts", "conv2d", (1, 48, 27, 27), (70, 48, 5, 5), {"padding": 2}),
    Case("threads-groups", "conv2d", (2, 32, 20, 20), (32, 8, 3, 3), {"padding": 1, "groups": 4}),
    Case("threads-depthwise", "conv2d", (3, 48, 33, 35), (48, 1, 3, 3), {"groups": 48}),
    Case("threads-line", "conv1d", (3, 24, 700), (20, 24, 5), {"padding": 2}),
    Case("threads-volume", "conv3d", (2, 6, 9, 10, 11), (8, 6, 3, 3, 3), {"padding": 1}),
)
every_conv = pytest.mark.parametrize("case", CONVS, ids=lambda case: case.name)
every_direction = pytest.mark.parametrize("direction", DIRECTIONS)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = pyconv.get_num_threads()
    yield
    pyconv.set_num_threads(before)


def _normal(*shape: int, dtype: npt.DTypeLike = np.float32) -> Array:
    return np.random.default_rng(5).standard_normal(shape).astype(dtype)


def _same_for_any_number(compute: Callable[[], Array]) -> None:
    """Assert that few threads and many, more than there are tasks, give the same bytes."""
    results = []
    for count in (1, 2, 3, 5, 2, 24):
        pyconv.set_num_threads(count)
        assert pyconv.get_num_threads() == count
        results.append(compute().tobytes())
    assert len(set(results)) == 1


def _plan(case: Case, direction: str, name: str | None) -> pyconv.Explanation:
    return pyconv.explain(
        case.input, case.weight, **case.arguments, direction=direction, algorithm=name
    )


@every_conv
@every_direction
def test_convolution_does_not_see_the_number_of_threads(case: Case, direction: str) -> None:
    for dtype in DTYPES:
        data = make(case, dtype)
        for name in willing(case, direction, dtype):
            assert _plan(case, direction, name).tasks > 1
            _same_for_any_number(partial(run, arrays, case, direction, data, algorithm=name))


@pytest.mark.parametrize("direction", ["forward", "input"])
def test_many_threads_are_given_more_tasks(direction: str) -> None:
    """One image of ResNet's second stage is four tasks for two threads."""
    case = Case("", "conv2d", (1, 64, 56, 56), (64, 64, 3, 3), {"padding": 1})
    for name in (None, "winograd_2x2", "channel_vector", "wide_rows"):
        tasks = []
        for count in (2, 16):
            pyconv.set_num_threads(count)
            tasks.append(_plan(case, direction, name).tasks)
        assert tasks[1] >= max(14, tasks[0])


def _others(dtype: npt.DTypeLike) -> dict[str, Callable[[Array], Array]]:
    """Return functions of a batch of images, 24 x 56 x 56 each, whose rows are independent."""
    weight = _normal(96, 24 * 56, dtype=dtype)

    def pooled(x: Array) -> tuple[Array, Array]:
        return arrays.max_pool2d_with_offsets(x, 3, 2, 1)

    return {
        "max_pool2d": lambda x: arrays.max_pool2d(x, 3, 2, 1),
        "max_pool2d positions": lambda x: pooled(x)[1],
        "max_pool2d_backward": lambda x: arrays.max_pool2d_backward(
            pooled(x)[0], pooled(x)[1], x.shape, 3, 2, 1
        ),
        "avg_pool2d": lambda x: arrays.avg_pool2d(x, 3, 2, 1),
        "avg_pool2d whole planes": lambda x: arrays.avg_pool2d(x, 56),
        "avg_pool2d_backward": lambda x: arrays.avg_pool2d_backward(
            arrays.avg_pool2d(x, 3, 2, 1), x.shape, 3, 2, 1
        ),
        "relu": arrays.relu,
        "relu_backward": lambda x: arrays.relu_backward(x, x),
        "linear": lambda x: arrays.linear(x.reshape(len(x), 56, -1), weight),
        "linear_input": lambda x: arrays.linear_input(weight, x.reshape(len(x), -1, 96)),
    }


@pytest.mark.parametrize("name", _others(np.float32))
def test_other_operators_do_not_see_the_number_of_threads(name: str) -> None:
    for dtype in DTYPES:
        x = _normal(4, 24, 56, 56, dtype=dtype)
        _same_for_any_number(lambda x=x, dtype=dtype: _others(dtype)[name](x))


def test_sums_over_the_batch_do_not_see_the_number_of_threads() -> None:
    for dtype in DTYPES:
        x, g = _normal(3, 90, 301, dtype=dtype), _normal(3, 90, 77, dtype=dtype)
        image = _normal(4, 24, 56, 56, dtype=dtype)
        _same_for_any_number(lambda x=x, g=g: arrays.linear_weight(x, g))
        _same_for_any_number(lambda g=g: arrays.linear_bias(g))
        _same_for_any_number(lambda image=image: arrays.conv2d_bias(image))


# The batch.


def _alone_and_in_batches(compute: Callable[[Array], Array], batch: Array) -> None:
    whole = compute(batch)
    for first, last in ((0, 1), (2, 3), (len(batch) - 1, len(batch)), (1, 4)):
        part = compute(np.ascontiguousarray(batch[first:last]))
        assert part.tobytes() == np.ascontiguousarray(whole[first:last]).tobytes(), (first, last)


def _on_images(case: Case, direction: str, data: Data, name: str | None, images: Array) -> Array:
    """Run a pass of `case` on another batch: inputs, or gradients of outputs."""
    if direction == "forward":
        function = getattr(arrays, case.op)
        result = function(images, data.w, data.bias, **case.arguments, algorithm=name)
    else:
        function, size = getattr(arrays, f"{case.op}_input"), (len(images), *case.input[1:])
        result = function(size, data.w, images, **case.arguments, algorithm=name)
    assert isinstance(result, np.ndarray)
    return result


@every_conv
@pytest.mark.parametrize("direction", ["forward", "input"])
def test_an_image_has_the_same_bits_in_any_batch(case: Case, direction: str, isa: str) -> None:
    for dtype in DTYPES:
        data = make(case, dtype)
        shape = case.input if direction == "forward" else case.output
        batch = _normal(7, *shape[1:], dtype=dtype)
        for name in (None, *willing(case, direction, dtype)):
            if name != "naive":
                _alone_and_in_batches(partial(_on_images, case, direction, data, name), batch)


@pytest.mark.parametrize("name", _others(np.float32))
def test_other_operators_give_the_same_bits_in_any_batch(name: str, isa: str) -> None:
    for dtype in DTYPES:
        _alone_and_in_batches(_others(dtype)[name], _normal(5, 24, 56, 56, dtype=dtype))


def test_a_row_of_linear_has_the_same_bits_in_any_batch(isa: str) -> None:
    for dtype in DTYPES:
        weight, bias = _normal(77, 500, dtype=dtype), _normal(77, dtype=dtype)
        rows = _normal(501, 500, dtype=dtype)
        _alone_and_in_batches(lambda x, w=weight, b=bias: arrays.linear(x, w, b), rows)
        rows = _normal(501, 77, dtype=dtype)
        _alone_and_in_batches(lambda g, w=weight: arrays.linear_input(w, g), rows)


# Python threads.


def test_many_python_threads_at_once() -> None:
    """Calls of all sizes from 8 threads give what one thread gives."""
    jobs = [(case, d, make(case, t)) for case in CONVS for d in DIRECTIONS for t in DTYPES]
    expected = [run(arrays, *job).tobytes() for job in jobs]
    packed = pyconv.PackedWeight(make(CONVS[0], np.float32).w)
    x = make(CONVS[0], np.float32).x
    through_pack = arrays.conv2d(x, packed.array, padding=1).tobytes()

    def work(seed: int) -> bool:
        order = np.random.default_rng(seed).permutation(len(jobs))
        same = all(run(arrays, *jobs[i]).tobytes() == expected[i] for i in order)
        return same and arrays.conv2d(x, packed, padding=1).tobytes() == through_pack

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_other_python_threads_run_during_a_call() -> None:
    """A thread that only counts gets on while another convolves: the lock is released."""
    x, w = _normal(1, 16, 160, 160), _normal(16, 16, 3, 3)
    pyconv.set_num_threads(1)
    spans: list[tuple[float, float]] = []
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    counter = threading.Thread(target=tick)
    counter.start()
    try:
        for _ in range(3):
            start = time.perf_counter()
            arrays.conv2d(x, w, algorithm="naive")
            spans.append((start, time.perf_counter()))
    finally:
        done.set()
        counter.join()
    for start, end in spans:
        # Ends are left out: the lock changes hands there anyway.
        middle = start + (end - start) / 4, end - (end - start) / 4
        assert sum(middle[0] <= tick <= middle[1] for tick in ticks) >= 3


# Other processes.


def _threads_in(before: str = "", **environment: str) -> int:
    """Return the number of threads in a fresh process."""
    clean = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", f"{before}\nimport pyconv; print(pyconv.get_num_threads())"]
    done = subprocess.run(
        command, env={**clean, **environment}, check=True, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    return int(done.stdout)


def test_the_environment_sets_the_number_of_threads() -> None:
    assert _threads_in(PYCONV_NUM_THREADS="3") == 3
    assert _threads_in(OMP_NUM_THREADS="5") == 5
    assert _threads_in(OMP_NUM_THREADS="4,2") == 4
    assert _threads_in(OMP_NUM_THREADS="5", PYCONV_NUM_THREADS="7") == 7


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity mask here")
def test_the_affinity_mask_is_honoured() -> None:
    allowed = len(os.sched_getaffinity(0))
    one = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])"
    assert _threads_in() == allowed
    assert _threads_in(one) == 1
    for value in ("0", "-2", "many", ""):
        assert _threads_in(PYCONV_NUM_THREADS=value) == allowed


_TEAM = """
import os
import numpy as np
from pyconv import arrays, set_num_threads
def team(size, width):
    before = len(os.listdir("/proc/self/task"))
    set_num_threads(size)
    arrays.conv2d(np.zeros((4, 8, width, width), np.float32), np.zeros((8, 8, 3, 3), np.float32))
    return len(os.listdir("/proc/self/task")) - before
small, alone, grown = team(3, 4), team(1, 99), team(3, 99)
pid = os.fork()
if pid == 0:
    os._exit(team(3, 99))
print(small, alone, grown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="no /proc here")
@pytest.mark.skipif(not pyconv.config.config()["openmp"], reason="built without OpenMP")
def test_threads_start_for_large_work_only_and_not_in_a_child() -> None:
    command = [sys.executable, "-W", "ignore", "-c", _TEAM]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["0", "0", "2", "0"]


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc here")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="freed memory is kept")
def test_memory_does_not_grow() -> None:
    x, w = _normal(1, 1, 8, 8), _normal(1, 1, 3, 3)
    large, kernel = _normal(2, 32, 112, 112), _normal(32, 32, 3, 3)
    y = arrays.conv2d(large, kernel)

    def small(count: int) -> None:
        for _ in range(count):
            arrays.max_pool2d(arrays.relu(arrays.conv2d(x, w)), 2)

    def big(count: int) -> None:
        for _ in range(count):
            arrays.conv2d(large, pyconv.PackedWeight(kernel))
            arrays.conv2d_input(large.shape, kernel, y)
            arrays.conv2d_weight(large, kernel.shape, y)

    small(1000)
    big(5)
    before = _resident()
    small(20000)
    big(20)
    # A leak of 100 bytes a small call, or of one large result in twenty, would be over this.
    assert _resident() - before < 2_000_000
