"""``pyconv info``: the version, the CPU, the instruction sets and the threads in use."""

from __future__ import annotations

import argparse

HELP = "show the version, CPU features, instruction sets and threads in use"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def run(args: argparse.Namespace) -> int:
    """Print the configuration."""
    from pyconv import config

    if args.json:
        import json

        print(json.dumps(config.config(), indent=2, default=str))
    else:
        config.show_config()
    return 0
