"""The least time that each layer of the table can take on this machine, and why.

``python benchmarks/floors.py`` prints for every convolution of the table its flops, the bytes of
its operands and two floors: flops by the measured peak of all threads, and bytes by the bandwidth
of copies of that size.  ``pyconv bench`` measures the same and prints what part of it is reached.
"""

from __future__ import annotations

from pyconv import config
from pyconv.bench import choose, machine
from pyconv.cli.table import format_table

HEADER = ["layer", "Mflop", "MB", "flops/byte", "flops/peak, ms", "bytes/bandwidth, ms", "bound"]


def main() -> None:
    """Measure and print."""
    found = machine.measure(config.get_num_threads())
    rows = []
    for job in choose()["layers"]:
        arithmetic, memory = (1e3 * floor(job) for floor in (found.arithmetic, found.memory))
        rows.append(
            [
                job.case.name,
                f"{job.flops / 1e6:.0f}" if job.flops else "-",
                f"{job.bytes / 1e6:.2f}",
                f"{job.flops / job.bytes:.0f}" if job.flops else "-",
                f"{arithmetic:.3f}" if job.flops else "-",
                f"{memory:.3f}",
                "arithmetic" if arithmetic > memory else "memory",
            ]
        )
    print(format_table(HEADER, rows))
    rates = ", ".join(
        f"{size >> 20} MB {rate / 1e9:.0f} GB/s" for size, rate in found.bandwidth.items()
    )
    print(f"\n{found.threads} threads, {found.isa}: {found.flops['float32'] / 1e9:.0f} GFLOP/s")
    print(f"in float32; copies of {rates}; medians of {machine.ROUNDS} rounds")


if __name__ == "__main__":
    main()
