"""Convolutions at the borders of what Winograd's filtering handles: tiles, parts, lines."""

from __future__ import annotations

from typing import Any

from .case import Case, conv_case


def _edge(name: str, shape: tuple[int, ...], weight: tuple[int, ...], **arguments: Any) -> Case:
    return conv_case("edge", name, shape, weight, **arguments)


#: Filters as sums of parts of 3x3.
_PARTS = (
    _edge("parts.5x5", (2, 5, 9, 11), (7, 5, 5, 5), padding=2),
    _edge("parts.5x3", (1, 6, 13, 8), (9, 6, 5, 3), padding=(2, 1)),
    _edge("parts.4x5", (2, 3, 11, 14), (5, 3, 4, 5), padding=((3, 0), (1, 2))),
    _edge("parts.6x2", (1, 4, 12, 17), (6, 4, 6, 2)),
    _edge("parts.2x2", (1, 3, 7, 15), (4, 3, 2, 2), padding=1),
    _edge("parts.7x7", (1, 5, 15, 17), (6, 5, 7, 7), padding=3),
    _edge("parts.8x9", (1, 2, 9, 33), (3, 2, 8, 9), padding=4),
    _edge("parts.one_output", (2, 7, 5, 5), (4, 7, 5, 5)),
    _edge("parts.one_pixel", (1, 3, 1, 1), (4, 3, 5, 5), padding=2),
    _edge("parts.pad_over_kernel", (1, 3, 4, 6), (4, 3, 5, 5), padding=9),
    _edge("parts.groups", (2, 15, 10, 9), (21, 5, 5, 5), padding=2, groups=3),
    *(_edge(f"parts.in{c}", (1, c, 7, 6), (5, c, 5, 5), padding=2) for c in (8, 15, 16, 17, 33)),
    *(_edge(f"parts.out{k}", (1, 3, 6, 7), (k, 3, 5, 5), padding=2) for k in (8, 15, 16, 17, 33)),
    *(_edge(f"parts.width{w}", (1, 2, 8, w), (3, 2, 5, 4), padding=2) for w in (2, 30, 63, 65)),
    _edge("parts.7x7s2", (2, 3, 17, 22), (5, 3, 7, 7), stride=2, padding=3),
    _edge("parts.11x11s4", (1, 2, 27, 23), (6, 2, 11, 11), stride=4, padding=(2, 3)),
    _edge("parts.single_taps", (2, 4, 13, 15), (5, 4, 3, 3), stride=2, padding=1),
    _edge("parts.single_and_pairs", (1, 3, 19, 14), (4, 3, 4, 5), stride=(3, 4), padding=2),
    _edge("parts.stride_over_kernel", (1, 3, 16, 21), (4, 3, 2, 3), stride=(3, 5), padding=1),
    _edge("parts.strides_differ", (1, 3, 14, 70), (4, 3, 6, 5), stride=(1, 2), padding=2),
    _edge("parts.stride_8", (1, 2, 41, 37), (3, 2, 9, 12), stride=8, padding=4),
    _edge("parts.blocks_s2", (1, 33, 61, 59), (35, 33, 5, 5), stride=2, padding=2),
    _edge("parts.blocks", (1, 66, 31, 29), (70, 66, 5, 5), padding=2),
    _edge("parts.blocks.bands", (2, 17, 9, 131), (33, 17, 5, 7), padding=3),
    _edge("parts.channels0", (1, 0, 6, 7), (4, 0, 5, 5)),
    _edge("parts.batch0", (0, 3, 6, 7), (4, 3, 5, 5)),
)

#: Tiles enough for tasks that make their own.
_OWN_TILES = (
    _edge("own_tiles.odd", (1, 33, 29, 31), (35, 33, 3, 3), padding=1),
    _edge("own_tiles.chains", (1, 141, 28, 33), (49, 141, 3, 3), padding=((0, 2), (1, 0))),
    _edge("own_tiles.4x4", (1, 33, 61, 66), (40, 33, 3, 3), padding=1),
    _edge("own_tiles.batch", (5, 33, 15, 13), (33, 33, 3, 3), padding=1),
    _edge("own_tiles.groups", (2, 66, 29, 30), (70, 33, 3, 3), padding=1, groups=2),
    _edge("own_tiles.dilation", (4, 33, 23, 26), (34, 33, 3, 3), padding=2, dilation=2),
    _edge("own_tiles.stride", (1, 33, 59, 57), (35, 33, 3, 3), stride=2, padding=1),
    _edge("own_tiles.line", (1, 33, 1601), (40, 33, 3), padding=1),
    _edge("own_tiles.line.dilation", (5, 33, 203), (40, 33, 3), padding=3, dilation=3),
    _edge("own_tiles.1x3", (1, 33, 13, 70), (34, 33, 1, 3), padding=(0, 1)),
    _edge("own_tiles.3x1", (1, 33, 70, 13), (34, 33, 3, 1), padding=(1, 0)),
)

#: Three taps in one line: Winograd's filtering in one dimension.
_LINES = (
    *(_edge(f"line.{n}", (1, 3, n), (18, 3, 3), padding=1) for n in (1, 2, 3, 5, 32, 33, 63, 65)),
    *(_edge(f"line.few.{n}", (2, 5, n), (4, 5, 3), padding=1) for n in (1, 4, 97, 257)),
    _edge("line.parts", (2, 19, 311), (37, 19, 3), padding=1),
    _edge("line.chains", (1, 141, 50), (49, 141, 3), padding=1),
    _edge("line.asymmetric", (1, 7, 61), (33, 7, 3), padding=((0, 2),)),
    _edge("line.pad_over_kernel", (1, 2, 7), (17, 2, 3), padding=6),
    _edge("line.groups", (2, 51, 70), (54, 17, 3), padding=1, groups=3),
    _edge("line.dilation", (1, 6, 143), (20, 6, 3), padding=5, dilation=5),
    _edge("line.dilation.wide", (1, 6, 21), (20, 6, 3), padding=12, dilation=12),
    _edge("line.channels0", (1, 0, 40), (20, 0, 3)),
    _edge("line.batch0", (0, 3, 40), (20, 3, 3)),
    _edge("line.1x3", (2, 5, 7, 23), (34, 5, 1, 3), padding=(0, 1)),
    _edge("line.1x3.few", (1, 5, 9, 70), (7, 5, 1, 3), padding=(2, 1)),
    _edge("line.1x3.dilation", (1, 3, 6, 18), (20, 3, 1, 3), padding=(1, 2), dilation=(3, 2)),
    _edge("line.3x1", (2, 5, 23, 7), (34, 5, 3, 1), padding=(1, 0)),
    _edge("line.3x1.few", (1, 5, 13, 66), (7, 5, 3, 1), padding=(1, 2)),
    _edge("line.3x1.dilation", (1, 3, 18, 6), (20, 3, 3, 1), padding=(2, 1), dilation=(2, 9)),
    _edge("line.3x1.one_row", (1, 4, 1, 37), (18, 4, 3, 1), padding=(1, 0)),
)

#: 3x3 filters at stride 2, enough of them for Winograd's tiles of 2x2 results.
_STRIDE_2 = (
    _edge("stride2.odd", (2, 19, 13, 17), (33, 19, 3, 3), stride=2, padding=1),
    _edge("stride2.even", (1, 33, 14, 10), (20, 33, 3, 3), stride=2, padding=1),
    _edge("stride2.valid", (1, 17, 15, 16), (18, 17, 3, 3), stride=2),
    _edge("stride2.pad3", (1, 18, 6, 5), (17, 18, 3, 3), stride=2, padding=3),
    _edge("stride2.pads", (1, 18, 9, 12), (34, 18, 3, 3), stride=2, padding=((1, 0), (3, 2))),
    _edge("stride2.groups", (3, 36, 8, 9), (40, 18, 3, 3), stride=2, padding=1, groups=2),
    _edge("stride2.one_pixel", (1, 17, 1, 1), (17, 17, 3, 3), stride=2, padding=1),
    _edge("stride2.batch", (9, 20, 7, 8), (21, 20, 3, 3), stride=2, padding=1),
    _edge("stride2.parts", (1, 141, 31, 29), (49, 141, 3, 3), stride=2, padding=1),
    _edge("stride2.channels0", (1, 0, 8, 8), (20, 0, 3, 3), stride=2, padding=1),
)

#: Lines of taps as sums of parts of 3.
_PART_LINES = (
    *(_edge(f"part_line.{k}", (2, 5, 131), (7, 5, k), padding=k // 2) for k in (2, 4, 5, 6, 17)),
    *(_edge(f"part_line.samples{n}", (1, 3, n), (9, 3, 5), padding=2) for n in (1, 2, 95, 97, 770)),
    *(_edge(f"part_line.out{k}", (1, 3, 40), (k, 3, 7)) for k in (8, 15, 16, 17, 33)),
    _edge("part_line.s2", (2, 6, 203), (10, 6, 7), stride=2, padding=3),
    _edge("part_line.s4", (2, 9, 515), (11, 9, 17), stride=4, padding=8),
    _edge("part_line.s8", (1, 3, 300), (4, 3, 33), stride=8, padding=(9,)),
    _edge("part_line.s3.single_and_pairs", (1, 3, 77), (4, 3, 5), stride=3, padding=2),
    _edge("part_line.single_taps", (1, 4, 63), (5, 4, 3), stride=2, padding=1),
    _edge("part_line.stride_over_kernel", (1, 4, 63), (5, 4, 2), stride=5, padding=1),
    _edge("part_line.pads", (1, 4, 30), (5, 4, 9), padding=((17, 2),)),
    _edge("part_line.groups", (2, 15, 70), (21, 5, 7), padding=3, groups=3),
    _edge("part_line.blocks", (1, 141, 203), (70, 141, 6), padding=2),
    _edge("part_line.blocks_s2", (1, 141, 403), (70, 141, 9), stride=2, padding=4),
    _edge("part_line.channels0", (1, 0, 40), (20, 0, 5)),
    _edge("part_line.batch0", (0, 3, 40), (20, 3, 5)),
    _edge("part_line.1x7", (2, 5, 17, 17), (9, 5, 1, 7), padding=(0, 3)),
    _edge("part_line.1x5s2", (1, 5, 9, 140), (9, 5, 1, 5), stride=(1, 2), padding=(1, 2)),
    _edge("part_line.1x5s2x1", (1, 5, 9, 40), (9, 5, 1, 5), stride=(2, 1), padding=(0, 2)),
    _edge("part_line.7x1", (2, 5, 17, 17), (9, 5, 7, 1), padding=(3, 0)),
    _edge("part_line.5x1s2", (1, 5, 31, 66), (9, 5, 5, 1), stride=2, padding=(2, 1)),
    _edge("part_line.5x1s4x3", (1, 5, 31, 21), (9, 5, 5, 1), stride=(4, 3), padding=(2, 0)),
    _edge("part_line.4x1.one_row", (1, 4, 1, 37), (18, 4, 4, 1), padding=(2, 0)),
    _edge("part_line.wide.one_row", (1, 4, 1, 537), (18, 4, 1, 5), padding=(0, 2)),
)

WINOGRAD = (*_PARTS, *_PART_LINES, *_OWN_TILES, *_LINES, *_STRIDE_2)
