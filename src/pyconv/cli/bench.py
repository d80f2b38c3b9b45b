"""``pyconv bench``: time the shape table against other tools, errors beside the figures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "time the shape table against NumPy, SciPy, torch and ONNX Runtime, with errors"


def words(text: str) -> list[str]:
    """Read ``a,b`` as a list."""
    return [word.strip() for word in text.split(",") if word.strip()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's arguments."""
    parser.add_argument(
        "--layers", type=words, default=[], help="only cases whose name contains one of these"
    )
    parser.add_argument(
        "--directions",
        type=words,
        default=["forward"],
        help="of forward, input, weight (the gradients), joined by commas; default: forward",
    )
    parser.add_argument(
        "--against",
        type=words,
        metavar="TOOLS",
        help="of torch, torch-cl (channels_last), onnxruntime, scipy, reference, or none; "
        "default: all that are importable",
    )
    parser.add_argument("--threads", type=int, help="of every tool; default: all that pyconv uses")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5; figures are medians")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the ratios")


def choose_peers(wanted: list[str] | None) -> list[str]:
    """Return the tools to compare with; an unknown one is a ValueError."""
    from pyconv import bench

    if wanted is None:
        return list(bench.importable_peers())
    if wanted == ["none"]:
        return []
    for name in wanted:
        if name not in bench.PEERS:
            raise ValueError(f"--against: got {name!r}, expected one of {', '.join(bench.PEERS)}")
        if name not in bench.importable_peers():
            raise ValueError(f"--against: {name} is not installed")
    return list(dict.fromkeys(wanted))


def show_progress(text: str) -> None:
    """Write over the last line of a terminal; write nothing elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def run(args: argparse.Namespace) -> int:
    """Time, print, write."""
    import pyconv
    from pyconv import bench
    from pyconv.bench import report

    peers = choose_peers(args.against)
    jobs = bench.select(args.layers, args.directions)
    threads = args.threads if args.threads is not None else pyconv.get_num_threads()
    if threads < 1 or args.rounds < 1:
        raise ValueError("--threads, --rounds: expected at least 1")
    if args.plot is not None:
        import matplotlib  # noqa: F401  found missing before the run, not after it
    result = bench.run(jobs, peers, threads, args.rounds, progress=show_progress)
    show_progress("")
    print(report.format_result(result))
    if args.json is not None:
        report.write_json(result, args.json)
    if args.plot is not None:
        from pyconv.bench.plot import write_plot

        write_plot(result, args.plot)
    return 0
