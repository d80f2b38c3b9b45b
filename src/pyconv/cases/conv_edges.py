"""Small convolutions at the borders of what kernels handle."""

from __future__ import annotations

from typing import Any

from .case import Case, conv_case
from .winograd_edges import WINOGRAD

#: Channel counts around the lane widths 4, 8, 16 and the tile sizes 6, 8, 14, 32, 48.
_AROUND = (3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 31, 32, 33, 47, 48, 49)


def _smoke(name: str, shape: tuple[int, ...], weight: tuple[int, ...], **arguments: Any) -> Case:
    return conv_case("smoke", name, shape, weight, **arguments)


def _edge(name: str, shape: tuple[int, ...], weight: tuple[int, ...], **arguments: Any) -> Case:
    return conv_case("edge", name, shape, weight, **arguments)


SMOKE = (
    _smoke("3x3", (2, 5, 9, 11), (7, 5, 3, 3), padding=1),
    _smoke("3x3.stride", (1, 6, 12, 10), (8, 6, 3, 3), stride=2, padding=1),
    _smoke("5x5.valid", (1, 3, 14, 14), (6, 3, 5, 5)),
    _smoke("1x1", (1, 24, 7, 9), (20, 24, 1, 1)),
    _smoke("1x1.stride", (1, 10, 9, 9), (12, 10, 1, 1), stride=2),
    _smoke("7x7.stem", (1, 3, 23, 23), (16, 3, 7, 7), stride=2, padding=3),
    _smoke("depthwise", (2, 12, 10, 13), (12, 1, 3, 3), padding=1, groups=12),
    _smoke("depthwise.stride", (1, 9, 13, 12), (9, 1, 3, 3), stride=2, padding=1, groups=9),
    _smoke("groups", (1, 12, 8, 8), (18, 4, 3, 3), padding=1, groups=3),
    _smoke("dilation", (1, 4, 13, 13), (5, 4, 3, 3), padding=2, dilation=2),
    _smoke("unbatched", (4, 8, 8), (6, 4, 3, 3), padding=1),
    _smoke("conv1d", (2, 5, 31), (6, 5, 4), stride=2, padding=1),
    _smoke("conv3d", (1, 3, 6, 7, 8), (4, 3, 3, 3, 3), padding=1),
)

_GEOMETRY = (
    _edge("one_of_all", (1, 1, 1, 1), (1, 1, 1, 1)),
    _edge("one_pixel.3x3", (1, 3, 1, 1), (5, 3, 3, 3), padding=1),
    _edge("one_pixel.full", (1, 2, 1, 1), (3, 2, 3, 3), padding="full"),
    _edge("one_output", (1, 4, 5, 5), (6, 4, 5, 5)),
    _edge("one_output.fc", (1, 16, 5, 5), (30, 16, 5, 5)),
    _edge("chains.two", (2, 6, 9, 38), (9, 6, 5, 5), padding=2),
    _edge("chains.two_bands", (1, 12, 8, 40), (3, 12, 5, 5)),
    _edge("one_row", (1, 3, 1, 40), (4, 3, 1, 5), padding=(0, 2)),
    _edge("one_column", (1, 3, 40, 1), (4, 3, 5, 1), padding=(2, 0)),
    _edge("pad_over_kernel", (1, 2, 4, 5), (3, 2, 3, 3), padding=5),
    _edge("pad_over_input", (1, 2, 2, 3), (3, 2, 1, 1), padding=4, stride=3),
    _edge("stride_over_kernel", (1, 3, 11, 13), (4, 3, 2, 2), stride=(3, 5)),
    _edge("stride_over_input", (1, 3, 4, 4), (4, 3, 3, 3), stride=7, padding=1),
    _edge("1x1.stride3.pad", (2, 3, 10, 11), (4, 3, 1, 1), stride=3, padding=1),
    _edge("dilation.wide", (1, 2, 12, 17), (3, 2, 3, 3), dilation=(5, 7), padding=(1, 2)),
    _edge("dilation.stride", (1, 3, 15, 16), (4, 3, 3, 2), stride=2, dilation=(2, 3), padding=2),
    _edge("dilation.over_input", (1, 2, 3, 3), (2, 2, 3, 3), dilation=4, padding=4),
    _edge("dilation2.odd", (2, 3, 13, 17), (5, 3, 3, 3), padding=2, dilation=2),
    _edge("dilation3.odd", (1, 2, 19, 23), (3, 2, 3, 3), padding=3, dilation=3),
    _edge("dilation2.pad_over_kernel", (1, 3, 7, 9), (4, 3, 3, 3), padding=7, dilation=2),
    _edge("dilation.pair", (1, 3, 18, 15), (4, 3, 3, 3), padding=((1, 3), (4, 0)), dilation=(3, 1)),
    _edge("dilation.pair.valid", (2, 2, 11, 41), (3, 2, 3, 3), dilation=(1, 4)),
    _edge("dilation.of_input", (1, 2, 5, 6), (3, 2, 3, 3), padding=(5, 6), dilation=(5, 6)),
    _edge("kernel.even", (2, 3, 8, 9), (4, 3, 2, 4), padding=1),
    _edge("kernel.over_input", (1, 2, 3, 4), (3, 2, 7, 6), padding=4),
    _edge("kernel.1x7", (1, 3, 6, 19), (4, 3, 1, 7), padding=(0, 3)),
    _edge("kernel.7x1", (1, 3, 19, 6), (4, 3, 7, 1), padding=(3, 0)),
    _edge("kernel.11x11", (1, 2, 24, 26), (3, 2, 11, 11), stride=4, padding=2),
    _edge("asymmetric", (1, 3, 7, 8), (4, 3, 3, 3), padding=((0, 2), (3, 1))),
    _edge("asymmetric.stride", (2, 3, 8, 7), (4, 3, 3, 4), stride=2, padding=((2, 0), (0, 3))),
    _edge("same.even", (1, 2, 7, 8), (3, 2, 4, 2), padding="same"),
    _edge("same.stride", (1, 3, 10, 9), (4, 3, 3, 5), padding="same", stride=(2, 3)),
    _edge("same.stride_over_kernel", (1, 2, 11, 7), (3, 2, 2, 1), padding="same", stride=4),
    _edge("same.dilation", (1, 2, 9, 9), (3, 2, 3, 3), padding="same", dilation=2),
    _edge("valid", (1, 2, 9, 8), (3, 2, 3, 3), padding="valid"),
    _edge("full", (1, 3, 6, 5), (4, 3, 3, 4), padding="full"),
    _edge("full.stride.dilation", (1, 2, 6, 7), (3, 2, 3, 2), padding="full", stride=2, dilation=2),
    _edge("rest_of_stride", (1, 3, 10, 12), (4, 3, 3, 3), stride=(3, 4)),
    _edge("stride.pair", (2, 4, 9, 14), (5, 4, 3, 3), stride=(1, 3), padding=(1, 0)),
    _edge("1x1.stride2.odd", (2, 5, 9, 35), (6, 5, 1, 1), stride=2),
    _edge("1x1.stride2.even", (1, 5, 8, 66), (6, 5, 1, 1), stride=2),
    _edge("1x1.stride.pair", (1, 5, 10, 40), (6, 5, 1, 1), stride=(3, 2)),
    _edge("first.s1", (1, 3, 17, 113), (9, 3, 3, 3), padding=1),
    _edge("first.s2", (1, 3, 37, 201), (9, 3, 7, 7), stride=2, padding=3),
    _edge("first.s3", (2, 2, 31, 301), (17, 2, 5, 5), stride=3, padding=(1, 2)),
    _edge("first.dilation", (1, 3, 20, 130), (4, 3, 3, 3), stride=(1, 2), dilation=(2, 3)),
    _edge("batch5", (5, 3, 6, 6), (4, 3, 3, 3), padding=1),
    # Images that share a task: blocks of 5 and 4 of 49 pixels, of 16 and 15, of 150 of one.
    _edge("batch9.7x7", (9, 6, 7, 7), (17, 6, 3, 3), padding=1),
    _edge("batch31.4x4.groups", (31, 30, 4, 4), (26, 15, 3, 3), padding=1, groups=2),
    _edge("batch300.one_output", (300, 3, 3, 3), (13, 3, 3, 3)),
    _edge("batch7.stride", (7, 5, 9, 8), (14, 5, 3, 3), padding=1, stride=2),
    _edge("wide_image", (1, 1, 3, 131), (2, 1, 3, 3), padding=1),
    _edge("deep_reduction", (1, 67, 5, 6), (9, 67, 3, 3), padding=1),
    _edge("small_input_many_filters", (1, 3, 4, 4), (129, 3, 3, 3), padding=1),
    _edge("unbatched.stride", (3, 9, 8), (5, 3, 3, 3), stride=2),
)

_CHANNELS = (
    *(_edge(f"in{c}", (1, c, 5, 6), (5, c, 3, 3), padding=1) for c in _AROUND),
    *(_edge(f"out{k}", (1, 4, 6, 5), (k, 4, 3, 3), padding=1) for k in _AROUND),
    *(_edge(f"1x1.in{c}.out{c}", (1, c, 3, 7), (c, c, 1, 1)) for c in (1, 7, 17, 33, 65)),
    *(_edge(f"width{w}", (1, 2, 3, w), (3, 2, 3, 3), padding=1) for w in _AROUND),
    *(_edge(f"1x1.pixels{p}", (1, 5, 1, p), (6, 5, 1, 1)) for p in (1, 2, 15, 31, 47, 49, 97)),
    *(_edge(f"1x1.tail{p}", (1, 5, 1, p), (6, 5, 1, 1)) for p in (10, 18, 35, 52)),
)

_GROUPS = (
    _edge("groups2", (2, 6, 7, 7), (4, 3, 3, 3), padding=1, groups=2),
    _edge("groups.one_out_each", (1, 12, 6, 7), (3, 4, 3, 3), padding=1, groups=3),
    _edge("groups.strided", (1, 8, 9, 9), (12, 2, 3, 3), stride=2, padding=1, groups=4),
    _edge("groups.1x1", (1, 20, 5, 7), (30, 4, 1, 1), groups=5),
    _edge("groups.1x1.stride", (2, 6, 7, 8), (9, 2, 1, 1), stride=2, groups=3),
    _edge("groups.wide", (1, 34, 5, 5), (36, 17, 3, 3), padding=1, groups=2),
    _edge("groups.unbatched", (6, 7, 7), (6, 3, 3, 3), groups=2),
    _edge("groups.narrow", (3, 16, 9, 14), (16, 4, 3, 3), padding=1, groups=4),
    _edge("groups.two_lines", (17, 6, 3, 33), (6, 3, 3, 3), padding=1, stride=(2, 1), groups=2),
    # Sixteen groups and more on small maps: all lines of a plane are one.
    _edge("groups16", (1, 64, 7, 7), (48, 4, 3, 3), padding=1, groups=16),
    _edge("groups16.deep", (1, 320, 4, 6), (144, 20, 3, 3), padding=1, groups=16),
    _edge("groups16.dilation", (1, 32, 9, 16), (32, 2, 3, 3), dilation=(2, 3), groups=16),
    _edge("groups16.uneven", (2, 32, 3, 15), (16, 2, 2, 4), padding=((0, 1), (3, 1)), groups=16),
    _edge("groups16.tall", (1, 16, 70, 2), (32, 1, 5, 5), padding=2, groups=16),
    _edge("images17", (17, 3, 6, 9), (5, 3, 3, 3), padding=1),
    _edge("groups.1x1.tail", (1, 22, 7, 7), (26, 11, 1, 1), groups=2),
    _edge("depthwise.multiplier2.5x5", (2, 3, 11, 23), (6, 1, 5, 5), padding=2, groups=3),
    _edge("depthwise.one", (1, 1, 6, 7), (1, 1, 3, 3), padding=1, groups=1),
    _edge("depthwise.multiplier2", (2, 5, 8, 9), (10, 1, 3, 3), padding=1, groups=5),
    _edge("depthwise.multiplier3.s2", (1, 4, 9, 9), (12, 1, 3, 3), stride=2, padding=1, groups=4),
    _edge("depthwise.5x5", (1, 7, 11, 19), (7, 1, 5, 5), padding=2, groups=7),
    _edge("depthwise.5x5.s2", (1, 6, 13, 18), (6, 1, 5, 5), stride=2, padding=2, groups=6),
    _edge("depthwise.7x7", (1, 3, 12, 33), (3, 1, 7, 7), padding=3, groups=3),
    _edge("depthwise.2x3", (1, 4, 7, 8), (4, 1, 2, 3), groups=4),
    _edge("depthwise.1x1", (1, 6, 5, 7), (6, 1, 1, 1), groups=6),
    _edge("depthwise.dilation", (1, 5, 13, 14), (5, 1, 3, 3), padding=2, dilation=2, groups=5),
    _edge("depthwise.stride3", (1, 4, 13, 17), (4, 1, 3, 3), stride=3, groups=4),
    _edge("depthwise.asymmetric", (1, 4, 8, 9), (4, 1, 3, 3), padding=((0, 1), (2, 0)), groups=4),
    _edge("depthwise.pad_over_kernel", (1, 3, 4, 4), (3, 1, 3, 3), padding=4, groups=3),
    _edge("depthwise.one_pixel", (2, 17, 1, 1), (17, 1, 3, 3), padding=1, groups=17),
    _edge("depthwise.7rows.s2", (1, 2, 31, 67), (2, 1, 3, 3), stride=2, padding=1, groups=2),
    _edge("depthwise.s2.unpadded", (2, 2, 7, 66), (2, 1, 3, 3), stride=2, groups=2),
    _edge("depthwise.s2.pad_even", (1, 2, 37, 65), (4, 1, 3, 3), stride=2, padding=2, groups=2),
    _edge("depthwise.s2.mixed", (1, 3, 8, 98), (3, 1, 3, 3), stride=2, padding=(0, 1), groups=3),
    _edge("depthwise.7rows.dilation3", (1, 2, 26, 35), (2, 1, 3, 3), dilation=3, groups=2),
    _edge("depthwise.wide", (1, 2, 3, 530), (2, 1, 3, 3), padding=1, groups=2),
    _edge("depthwise.5x3.s2", (1, 3, 19, 35), (3, 1, 5, 3), stride=2, padding=(2, 1), groups=3),
    _edge("depthwise.3x5", (1, 3, 15, 21), (3, 1, 3, 5), padding=(1, 2), groups=3),
    _edge("depthwise.3x3.s1x2", (1, 3, 9, 20), (3, 1, 3, 3), stride=(1, 2), padding=1, groups=3),
    _edge("depthwise.3x3.s2x1", (1, 3, 16, 20), (3, 1, 3, 3), stride=(2, 1), padding=1, groups=3),
    _edge("depthwise.7x7.s2", (1, 2, 16, 38), (2, 1, 7, 7), stride=2, padding=3, groups=2),
    _edge("depthwise.dilation.s2", (1, 2, 17, 37), (2, 1, 3, 3), stride=2, dilation=3, groups=2),
    _edge("depthwise.2x2.s2", (2, 3, 9, 34), (3, 1, 2, 2), stride=2, groups=3),
    _edge("depthwise.6x4", (1, 2, 15, 18), (2, 1, 6, 4), padding=2, groups=2),
    _edge("depthwise.9x9", (1, 2, 13, 18), (2, 1, 9, 9), padding=4, groups=2),
    *(
        _edge(f"depthwise.width{w}", (1, 2, 4, w), (2, 1, 3, 3), padding=1, groups=2)
        for w in (2, 7, 8, 9, 15, 16, 17, 31, 33, 47)
    ),
    *(
        _edge(f"depthwise.s2.width{w}", (1, 2, 5, w), (2, 1, 3, 3), stride=2, padding=1, groups=2)
        for w in (2, 7, 8, 16, 31, 33, 66)
    ),
    # Two rows of results in a vector: at most 8, 4, 2 columns, and blocks of 8 rows.
    *(
        _edge(
            f"depthwise.two_rows.{h}x{w}.s{s}.{k}x{k}",
            (2, 3, h, w),
            (3, 1, k, k),
            stride=s,
            padding=k // 2,
            groups=3,
        )
        for s, sizes in (
            (1, ((7, 7), (16, 8), (9, 4), (23, 2))),
            (2, ((14, 14), (15, 16), (31, 8), (13, 3))),
        )
        for h, w in sizes
        for k in (3, 5)
    ),
    _edge("depthwise.two_rows.unpadded", (1, 2, 9, 9), (2, 1, 3, 3), groups=2),
    _edge("depthwise.two_rows.apart", (1, 2, 9, 10), (4, 1, 3, 3), dilation=(1, 2), groups=2),
    _edge("depthwise.two_rows.multiplier3", (1, 2, 7, 6), (6, 1, 3, 3), padding=1, groups=2),
    # Data gradients at stride 2 with rows of at most a vector, more rows than a block has.
    _edge("depthwise.quads.tall", (2, 3, 35, 12), (3, 1, 3, 3), stride=2, padding=1, groups=3),
    _edge("depthwise.quads.16", (1, 2, 16, 16), (2, 1, 3, 3), stride=2, padding=1, groups=2),
    _edge("depthwise.quads.5x5.wide", (1, 2, 41, 98), (4, 1, 5, 5), stride=2, padding=2, groups=2),
    _edge("depthwise.quads.5x5.odd", (2, 3, 70, 37), (3, 1, 5, 5), stride=2, padding=1, groups=3),
    _edge(
        "depthwise.quads.5x5.mixed", (1, 2, 9, 40), (2, 1, 5, 5), stride=2, padding=(0, 4), groups=2
    ),
    _edge("depthwise.quads.5x5.one", (2, 5, 1, 2), (5, 1, 5, 5), stride=2, padding=3, groups=5),
    _edge("depthwise.quads.valid", (1, 2, 17, 15), (2, 1, 3, 3), stride=2, groups=2),
    _edge("depthwise.quads.pad2", (1, 2, 19, 14), (4, 1, 3, 3), stride=2, padding=2, groups=2),
    _edge("depthwise.quads.pad3x5", (1, 2, 6, 8), (2, 1, 3, 3), stride=2, padding=(3, 5), groups=2),
)

#: Strides of which a data gradient merges 2, 3, 4, 6 and 8 columns by turns, or none.
_STRIDED = (
    _edge("strided.rows", (1, 9, 13, 40), (5, 9, 3, 3), stride=(2, 1), padding=1),
    _edge("strided.columns", (1, 17, 6, 45), (6, 17, 3, 4), stride=(1, 2), padding=1),
    _edge("strided.s3", (2, 8, 10, 19), (5, 8, 5, 5), stride=3, padding=2),
    _edge("strided.s4", (1, 7, 70, 67), (9, 7, 8, 8), stride=4, padding=2),
    _edge("strided.s6", (1, 3, 9, 103), (4, 3, 7, 7), stride=(2, 6), padding=3),
    _edge("strided.s8", (1, 1, 17, 140), (4, 1, 9, 9), stride=8, padding=4),
    _edge("strided.flat", (1, 40, 16, 16), (150, 40, 4, 4), stride=2, padding=1),
    _edge("strided.flat.batch", (17, 9, 7, 9), (6, 9, 3, 3), stride=2, padding=1),
    _edge("strided.bands", (1, 10, 33, 130), (200, 10, 3, 3), stride=2, padding=1),
    _edge("strided.bands.no_tap", (1, 10, 20, 200), (320, 10, 1, 2), stride=(2, 3)),
    _edge("strided.signal", (1, 17, 1000), (70, 17, 9), stride=2, padding=4),
    _edge("strided.signal.bands", (2, 5, 900), (330, 5, 17), stride=4, padding=8),
    _edge("strided.signal.dilation", (1, 8, 301), (9, 8, 5), stride=3, dilation=2, padding=4),
    _edge("strided.over_width", (1, 9, 3, 2), (3, 9, 2, 2), stride=(4, 5)),
    _edge("strided.one_pixel", (2, 8, 1, 1), (5, 8, 5, 5), stride=3, padding=2),
    _edge("strided.groups", (3, 18, 12, 20), (21, 6, 5, 5), stride=2, padding=2, groups=3),
)

#: One filter a channel on signals.
_SIGNALS = (
    *(_edge(f"signal.{n}", (2, 3, n), (3, 1, 15), padding=7, groups=3) for n in (1, 9, 33, 150)),
    *(_edge(f"signal.taps{k}", (1, 2, 210), (2, 1, k), groups=2) for k in (1, 2, 16, 17, 35)),
    _edge("signal.dilation", (2, 3, 170), (3, 1, 5), padding=6, dilation=3, groups=3),
    _edge("signal.asymmetric", (1, 3, 75), (3, 1, 4), padding=((0, 9),), groups=3),
    _edge("signal.pad_over_kernel", (1, 2, 5), (2, 1, 3), padding=40, groups=2),
    _edge("signal.multiplier2", (2, 3, 131), (6, 1, 9), padding=4, groups=3),
    _edge("signal.stride2", (2, 3, 131), (3, 1, 9), padding=4, stride=2, groups=3),
)

_RANKS = (
    _edge("conv1d.one", (1, 1, 1), (1, 1, 1)),
    _edge("conv1d.dilation", (2, 3, 40), (4, 3, 5), dilation=3, padding=6),
    _edge("conv1d.depthwise", (1, 8, 37), (8, 1, 3), padding=1, groups=8),
    _edge("conv1d.asymmetric", (1, 2, 17), (3, 2, 4), padding=((3, 0),), stride=3),
    _edge("conv1d.unbatched", (3, 20), (4, 3, 3), padding="same"),
    _edge("conv1d.pointwise", (2, 9, 21), (7, 9, 1)),
    # Around the columns of a task, of one tile and of several.
    _edge("conv1d.signal96", (1, 20, 96), (10, 20, 3), padding=1),
    _edge("conv1d.signal97", (2, 20, 97), (10, 20, 3), padding=1),
    _edge("conv1d.signal386", (1, 43, 386), (9, 43, 3), padding=((2, 1),)),
    _edge("conv1d.signal.stride", (1, 7, 401), (19, 7, 5), stride=2, padding=2, dilation=3),
    _edge("conv1d.signal.groups", (1, 12, 200), (20, 6, 7), padding=3, groups=2),
    _edge("conv2d.line", (1, 12, 1, 193), (12, 12, 3, 3), padding=1),
    _edge("conv1d.audio", (1, 1, 400), (8, 1, 80), stride=4, padding=38),
    _edge("conv3d.one", (1, 1, 1, 1, 1), (1, 1, 1, 1, 1)),
    _edge("conv3d.stride", (1, 2, 7, 8, 9), (3, 2, 3, 2, 3), stride=(2, 1, 3), padding=(1, 0, 2)),
    _edge("conv3d.dilation", (1, 2, 7, 6, 8), (3, 2, 2, 2, 2), dilation=(3, 2, 1)),
    _edge("conv3d.groups", (2, 4, 4, 5, 6), (6, 2, 3, 3, 3), padding=1, groups=2),
    _edge("conv3d.depthwise", (1, 5, 4, 6, 7), (5, 1, 3, 3, 3), padding=1, groups=5),
    _edge("conv3d.pointwise", (1, 6, 3, 4, 5), (8, 6, 1, 1, 1)),
    _edge("conv3d.pointwise.stride", (1, 6, 5, 7, 9), (8, 6, 1, 1, 1), stride=(2, 3, 2)),
    _edge("conv3d.2d_kernel", (1, 3, 4, 7, 7), (4, 3, 1, 3, 3), padding=(0, 1, 1)),
    _edge(
        "conv3d.asymmetric.same", (1, 2, 5, 6, 7), (3, 2, 2, 3, 4), padding="same", stride=(1, 2, 3)
    ),
    _edge("conv3d.unbatched", (2, 4, 5, 6), (3, 2, 3, 3, 3), padding="full"),
)

_EMPTY = (
    _edge("batch0", (0, 3, 5, 6), (4, 3, 3, 3), padding=1),
    _edge("batch0.1x1", (0, 3, 5, 6), (4, 3, 1, 1)),
    _edge("batch0.depthwise", (0, 3, 5, 6), (3, 1, 3, 3), groups=3),
    _edge("channels0", (2, 0, 5, 6), (4, 0, 3, 3), padding=1),
    _edge("channels0.1x1.groups", (1, 0, 5, 6), (4, 0, 1, 1), groups=2),
    _edge("channels0.unbatched", (0, 5, 6), (4, 0, 3, 3)),
    _edge("filters0", (2, 3, 5, 6), (0, 3, 3, 3), padding=1),
)

#: Large enough that every loop over blocks (of filters, pixels, products) goes round again.
_BLOCKS = (
    _edge("blocks.3x3", (1, 115, 17, 19), (100, 115, 3, 3), padding=1),
    _edge("blocks.bands", (1, 2, 5, 290), (3, 2, 3, 3), padding=1),
    _edge("blocks.pixels", (2, 3, 57, 71), (5, 3, 3, 3), padding=1),
    _edge("blocks.filters", (1, 2, 5, 7), (1100, 2, 3, 3)),
    _edge("blocks.products", (1, 1300, 2, 3), (18, 1300, 1, 2)),
    _edge("blocks.1x1", (1, 600, 19, 21), (70, 600, 1, 1)),
    _edge("blocks.1x1.tail", (2, 300, 14, 14), (70, 300, 1, 1)),
    _edge("blocks.1x1.pixels", (2, 6, 61, 67), (7, 6, 1, 1)),
    # Weight gradients: shares of the pixels with either image turned, and many columns.
    _edge("blocks.1x1.turn_input", (1, 40, 23, 37), (90, 40, 1, 1)),
    _edge("blocks.1x1.turn_grad", (3, 90, 19, 21), (24, 90, 1, 1)),
    _edge("blocks.1x1.small_map", (3, 420, 3, 3), (70, 420, 1, 1)),
    _edge("blocks.1x1.groups", (2, 130, 7, 7), (190, 65, 1, 1), groups=2),
    _edge("blocks.1x1.stride", (2, 70, 27, 30), (130, 70, 1, 1), stride=2),
    _edge("blocks.1x1.stride.tail", (1, 150, 13, 14), (270, 150, 1, 1), stride=2),
    _edge("blocks.1x1.turned", (1, 1024, 14, 15), (131, 1024, 1, 1)),
    _edge("blocks.1x1.turned.groups", (1, 46, 54, 55), (262, 23, 1, 1), stride=2, groups=2),
    _edge("blocks.1x1.stride.wide", (1, 20, 5, 230), (9, 20, 1, 1), stride=2),
    _edge("blocks.groups", (1, 96, 11, 13), (80, 48, 3, 3), stride=2, padding=1, groups=2),
    _edge("blocks.long_rows", (1, 3, 3, 2300), (4, 3, 3, 3), padding=1),
    _edge("blocks.long_rows.s2", (2, 3, 4100), (5, 3, 4), stride=2, padding=3),
    _edge("blocks.stride2", (1, 70, 33, 35), (40, 70, 3, 3), stride=2, padding=1),
    _edge("blocks.dilation", (1, 110, 29, 27), (40, 110, 3, 3), padding=2, dilation=2),
    _edge("blocks.small_map", (1, 300, 9, 10), (70, 300, 3, 3), padding=1),
    _edge("blocks.small_map.groups", (2, 280, 6, 7), (140, 140, 3, 3), padding=1, groups=2),
    _edge("blocks.few_tiles.batch", (24, 6, 7, 7), (70, 6, 3, 3), padding=1),
    _edge("blocks.few_tiles.panels", (2, 70, 4, 5), (200, 70, 3, 3), padding=1),
    _edge("blocks.few_tiles.one", (1, 65, 2, 2), (65, 65, 3, 3), padding=1),
    _edge("blocks.few_tiles.padding", (1, 68, 5, 6), (66, 68, 3, 3), padding=((0, 3), (4, 1))),
    _edge(
        "blocks.few_tiles.dilation",
        (2, 66, 9, 11),
        (72, 66, 3, 3),
        padding=(2, 3),
        dilation=(2, 3),
    ),
    _edge("blocks.narrow_band", (1, 110, 9, 386), (17, 110, 3, 3), padding=1),
    _edge("blocks.depthwise", (2, 70, 37, 41), (70, 1, 3, 3), padding=1, groups=70),
)

EDGE = (
    *_GEOMETRY,
    *_CHANNELS,
    *_GROUPS,
    *WINOGRAD,
    *_STRIDED,
    *_SIGNALS,
    *_RANKS,
    *_EMPTY,
    *_BLOCKS,
)
