"""The command ``pyconv``: one small file for each subcommand.

A subcommand module defines ``HELP`` (one line), ``add_arguments(parser)`` and
``run(args) -> int`` (the exit status).  At import it loads argparse only, so that ``pyconv --help``
is quick; what it needs to work is imported inside ``run``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pyconv.cli import bench, check, demo, explain, info

COMMANDS = {
    "info": info,
    "explain": explain,
    "check": check,
    "bench": bench,
    "demo": demo,
}


#: Packages that only some subcommands need.
EXTRAS = ("matplotlib", "scipy", "skimage", "sklearn")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    parser = argparse.ArgumentParser(
        prog="pyconv", description="Fast convolution kernels for NumPy arrays."
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        sub = subparsers.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (default: the process's own) and return its exit status.

    0 is success, 1 a failed check, demo or missing extra, 2 a wrong argument, 130 Ctrl-C.
    """
    args = build_parser().parse_args(argv)
    try:
        return int(args.run(args))
    except (TypeError, ValueError) as error:
        print(f"pyconv {args.command}: error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        print(
            f"pyconv {args.command}: needs {error.name}; install with: "
            "pip install 'pyconv-kernels[demo]'",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\npyconv: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone.  Python flushes stdout once more at exit: give it
        # somewhere to go, or it reports the same error again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
