"""``pyconv bench``: time suites of layers against other tools, errors beside the figures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "time suites of layers against NumPy, torch, ONNX Runtime and others, with errors"


def words(text: str) -> list[str]:
    """Read ``a,b`` as a list."""
    return [word.strip() for word in text.split(",") if word.strip()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's arguments."""
    parser.add_argument("--list", action="store_true", help="list suites and tools, time nothing")
    parser.add_argument(
        "--suite",
        type=words,
        default=["layers"],
        metavar="NAMES",
        help="joined by commas, or all; default: layers",
    )
    parser.add_argument(
        "--layers", type=words, default=[], help="only cases whose name contains one of these"
    )
    parser.add_argument(
        "--directions",
        type=words,
        default=[],
        help="of forward, input, weight (the gradients), instead of the suites' own",
    )
    parser.add_argument(
        "--tools",
        type=words,
        metavar="NAMES",
        help="to time beside pyconv, joined by commas, or none; default: all that are here",
    )
    parser.add_argument("--threads", type=int, help="of every tool; default: all that pyconv uses")
    parser.add_argument("--isa", help="best instruction set of the tools that can be told")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--rounds", type=int, default=5, help="default: 5; figures are medians")
    length.add_argument(
        "--seconds", type=float, help="for the whole run, instead of a number of rounds"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE.png",
        help="draw the ratios to the best peer, a picture a suite, and FILE-roofline.png",
    )


def list_all() -> None:
    """Print the suites and the tools."""
    from pyconv import bench
    from pyconv.cli.table import format_table

    suites = [(name, str(len(s.jobs())), s.about) for name, s in bench.SUITES.items()]
    print(format_table(["suite", "jobs", "about"], suites, left=3))
    here = bench.importable()
    tools = [
        (name, entry.accuracy, "packed" if entry.packed else "plain",
         "yes" if name in here else "no")
        for name, entry in bench.TOOLS.items()
    ]  # fmt: skip
    print()
    print(format_table(["tool", "accuracy", "weights", "here"], tools, left=4))


def choose_tools(wanted: list[str] | None, isa: str | None) -> list[str]:
    """Return the tools to time beside pyconv; an unknown one is a ValueError."""
    from pyconv import bench

    here = bench.importable()
    if wanted is None:
        return [name for name in here if isa is None or bench.TOOLS[name].caps]
    if wanted == ["none"]:
        return []
    for name in wanted:
        if name not in bench.TOOLS:
            raise ValueError(f"--tools: got {name!r}, expected one of {', '.join(bench.TOOLS)}")
        if name not in here:
            raise ValueError(f"--tools: {name} is not here")
    return list(dict.fromkeys(wanted))


def show_progress(text: str) -> None:
    """Write over the last line of a terminal; write nothing elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def check(args: argparse.Namespace) -> None:
    """Raise ValueError for arguments out of range, and find missing packages before the run."""
    from pyconv import config

    if (args.threads is not None and args.threads < 1) or args.rounds < 1:
        raise ValueError("--threads, --rounds: expected at least 1")
    if args.seconds is not None and not args.seconds > 0:
        raise ValueError(f"--seconds: got {args.seconds}, expected more than 0")
    if args.isa is not None and args.isa not in config.isas():
        raise ValueError(f"--isa: got {args.isa!r}, expected one of {', '.join(config.isas())}")
    if args.plot is not None:
        import matplotlib  # noqa: F401


def run(args: argparse.Namespace) -> int:
    """Time, print, write."""
    from pyconv import bench, config
    from pyconv.bench import record, report

    if args.list:
        list_all()
        return 0
    tools = choose_tools(args.tools, args.isa)
    suites = bench.choose(args.suite, args.layers, args.directions)
    check(args)
    result = bench.run(
        bench.unique(suites),
        tools,
        args.threads or config.get_num_threads(),
        args.rounds,
        seconds=args.seconds,
        isa=args.isa,
        floors=True,
        progress=show_progress,
    )
    result.suites = suites
    show_progress("")
    print(report.format_result(result))
    if args.json is not None:
        record.write_json(result, args.json)
    if args.plot is not None:
        from pyconv.bench.plot import write_plots

        for path in write_plots(result, args.plot):
            print(f"wrote {path}")
    return 0
