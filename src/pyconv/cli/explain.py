"""``pyconv explain``: the plan for a convolution or linear layer given by its shapes."""

from __future__ import annotations

import argparse

HELP = "show the plan for a layer: algorithm, workspace, flops, and why others refused"


def sizes(text: str) -> tuple[int, ...]:
    """Read ``1,64,56,56`` (or ``1x64x56x56``) as a tuple of ints."""
    try:
        return tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected integers joined by commas, such as 1,64,56,56; got {text!r}"
        ) from None


def one_or_more(text: str) -> int | tuple[int, ...]:
    """Read ``2`` as an int and ``2,1`` as a tuple."""
    values = sizes(text)
    return values[0] if len(values) == 1 else values


def padding(text: str) -> int | str | tuple[int, ...] | tuple[tuple[int, int], ...]:
    """Read ``1``, ``1,2``, ``same``, ``valid``, ``full`` or pairs such as ``0:1,2:2``."""
    if text in ("same", "valid", "full"):
        return text
    if ":" not in text:
        return one_or_more(text)
    try:
        pairs = [tuple(int(side) for side in pair.split(":")) for pair in text.split(",")]
        return tuple((low, high) for low, high in pairs)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected low:high pairs joined by commas, such as 0:1,2:2; got {text!r}"
        ) from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's arguments."""
    parser.add_argument("input", type=sizes, help="input shape, such as 1,64,56,56 or 32,784")
    parser.add_argument(
        "weight", type=sizes, help="weight shape, such as 64,64,3,3; two sizes: a linear layer"
    )
    parser.add_argument("--stride", type=one_or_more, default=1, help="such as 2 or 2,1")
    parser.add_argument(
        "--padding",
        type=padding,
        default=0,
        help="such as 1, or 1,2, or same, valid, full, or low:high pairs 0:1,2:2",
    )
    parser.add_argument("--dilation", type=one_or_more, default=1, help="such as 2 or 2,1")
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument(
        "--direction",
        choices=("forward", "input", "weight"),
        default="forward",
        help="forward, or the gradient for the input or for the weight",
    )
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--algorithm", help="force one by name; says why if it refuses")


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    import pyconv

    print(
        pyconv.explain(
            args.input,
            args.weight,
            args.stride,
            args.padding,
            args.dilation,
            args.groups,
            direction=args.direction,
            dtype=args.dtype,
            algorithm=args.algorithm,
        )
    )
    return 0
