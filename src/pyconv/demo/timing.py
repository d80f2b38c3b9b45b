"""Part 4: a few layers against other tools, with the error beside each figure."""

from __future__ import annotations

import pyconv
from pyconv import bench
from pyconv.bench import report

LAYERS = ("lenet.c3", "r50.2.3x3", "mbv2.dw3s1", "max pool 3 s2")
PEERS = ("torch", "scipy", "reference")


def run() -> None:
    """Time the layers and print the table."""
    peers = [name for name in PEERS if name in bench.importable_peers()]
    jobs = bench.unique(bench.choose(layers=LAYERS))
    print("Each tool runs in a process of its own, one at a time.", flush=True)
    result = bench.run(jobs, peers, pyconv.get_num_threads(), rounds=5)
    print()
    print(report.format_result(result))
