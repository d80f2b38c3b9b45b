"""``pyconv demo``: filters on a photograph, LeNet-5 on digits, timings; all of it as pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "filter a photograph, train LeNet-5 on handwritten digits, time a few layers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's arguments."""
    parser.add_argument(
        "--out", type=Path, default=Path("pyconv-demo"), help="folder for the pictures"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seeds the split, the weights and the training"
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo."""
    from pyconv import demo

    missing = demo.missing_extras()
    if missing:
        print(
            f"pyconv demo: needs {', '.join(missing)}; install with: "
            "pip install 'pyconv-kernels[demo]'",
            file=sys.stderr,
        )
        return 1
    return demo.run(args.out, args.seed)
