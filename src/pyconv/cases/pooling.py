"""Small poolings: smoke cases and borders."""

from __future__ import annotations

from typing import Any

from .case import Case


def _pool(tag: str, op: str, name: str, shape: tuple[int, ...], **arguments: Any) -> Case:
    return Case(f"{tag}.{op}.{name}", op, shape, (), arguments, frozenset([tag]))


def _max(name: str, shape: tuple[int, ...], **arguments: Any) -> Case:
    return _pool("edge", "max_pool2d", name, shape, **arguments)


def _avg(name: str, shape: tuple[int, ...], **arguments: Any) -> Case:
    return _pool("edge", "avg_pool2d", name, shape, **arguments)


POOL_SMOKE = (
    _pool("smoke", "max_pool2d", "2x2", (2, 5, 8, 10), kernel_size=2),
    _pool("smoke", "max_pool2d", "3s2p1", (1, 4, 11, 12), kernel_size=3, stride=2, padding=1),
    _pool("smoke", "max_pool2d", "dilation", (1, 3, 9, 9), kernel_size=3, stride=1, dilation=2),
    _pool("smoke", "avg_pool2d", "2x2", (2, 5, 8, 10), kernel_size=2),
    _pool("smoke", "avg_pool2d", "3s1p1", (1, 4, 9, 9), kernel_size=3, stride=1, padding=1),
    _pool("smoke", "avg_pool2d", "global", (2, 6, 7, 7), kernel_size=7),
)

#: Geometries that max and average pooling share.
_SHARED: tuple[tuple[str, tuple[int, ...], dict[str, Any]], ...] = (
    ("one_pixel", (1, 1, 1, 1), {"kernel_size": 1}),
    ("one_pixel.ceil", (1, 2, 1, 1), {"kernel_size": 3, "padding": 1, "ceil_mode": True}),
    ("unbatched", (3, 7, 9), {"kernel_size": (2, 3)}),
    ("stride_over_kernel", (1, 3, 11, 13), {"kernel_size": 2, "stride": (3, 5)}),
    ("stride_over_input", (1, 2, 4, 4), {"kernel_size": 3, "stride": 9}),
    ("kernel.whole", (2, 3, 6, 5), {"kernel_size": (6, 5)}),
    ("kernel.1x5", (1, 2, 4, 23), {"kernel_size": (1, 5), "stride": (1, 2), "padding": (0, 2)}),
    ("kernel.17x17", (1, 2, 18, 19), {"kernel_size": 17, "stride": 1, "padding": 8}),
    ("overlap", (1, 3, 10, 12), {"kernel_size": 4, "stride": 1, "padding": 2}),
    ("ceil", (1, 3, 7, 8), {"kernel_size": 2, "ceil_mode": True}),
    ("ceil.padding", (2, 2, 8, 9), {"kernel_size": 3, "stride": 2, "padding": 1,
                                      "ceil_mode": True}),
    ("ceil.dropped_window", (1, 2, 3, 3), {"kernel_size": 2, "stride": 2, "padding": 1,
                                           "ceil_mode": True}),
    ("ceil.stride3", (1, 2, 8, 10), {"kernel_size": 2, "stride": 3, "padding": 1,
                                     "ceil_mode": True}),
    ("ceil.kernel_over_input", (1, 2, 2, 3), {"kernel_size": 5, "stride": 4, "ceil_mode": True}),
    ("batch0", (0, 3, 6, 6), {"kernel_size": 2}),
    ("channels0", (2, 0, 6, 6), {"kernel_size": 2}),
    *(
        (f"2s2.width{w}", (1, 2, 4, w), {"kernel_size": 2})
        for w in (2, 3, 15, 16, 17, 30, 31, 32, 33, 34, 63, 64, 65, 66)
    ),
    *(
        (f"3s2p1.width{w}", (1, 2, 5, w), {"kernel_size": 3, "stride": 2, "padding": 1})
        for w in (1, 2, 14, 15, 16, 17, 31, 32, 33, 63, 65)
    ),
    *(
        (f"3s1p1.width{w}", (1, 2, 4, w), {"kernel_size": 3, "stride": 1, "padding": 1})
        for w in (1, 7, 8, 9, 15, 16, 17, 31, 33, 48)
    ),
    *(
        (f"2s2p1.width{w}", (1, 2, 5, w), {"kernel_size": 2, "padding": 1})
        for w in (1, 2, 15, 16, 30, 31, 32, 33, 64)
    ),
    *(
        (f"3s1p0.width{w}", (1, 2, 6, w), {"kernel_size": 3, "stride": 1})
        for w in (3, 9, 10, 17, 18, 19, 34, 35)
    ),
    *(
        (f"3s2p0.width{w}", (1, 2, 6, w), {"kernel_size": 3, "stride": 2})
        for w in (3, 4, 17, 18, 33, 34, 35, 68)
    ),
    *(
        (f"3s2p1.ceil.width{w}", (1, 2, 6, w), {"kernel_size": 3, "stride": 2, "padding": 1,
                                                "ceil_mode": True})
        for w in (2, 16, 30, 32, 34, 64)
    ),
    *(
        (f"2s2.odd{h}x{w}", (1, 3, h, w), {"kernel_size": 2})
        for h, w in ((7, 7), (5, 13), (3, 31), (9, 33), (2, 35))
    ),
    *(
        (f"short.{k}s{s}p{p}.{c}x{h}x{w}", (1, c, h, w), {"kernel_size": k, "stride": s,
                                                          "padding": p})
        for k, s, p, c, h, w in (
            (2, 2, 0, 5, 14, 14), (2, 2, 1, 3, 5, 6), (3, 2, 0, 3, 7, 7), (3, 2, 0, 2, 15, 16),
            (3, 2, 1, 3, 14, 14), (3, 2, 1, 2, 13, 16), (3, 2, 1, 5, 5, 7), (3, 1, 1, 3, 7, 7),
            (3, 1, 0, 2, 8, 8), (3, 2, 1, 1, 130, 9),
        )
    ),
    *(
        (f"2s2.rows.{c}x{h}x{w}", (1, c, h, w), {"kernel_size": 2})
        for c, h, w in ((1, 2, 20), (3, 2, 5), (3, 5, 18), (2, 7, 23), (4, 3, 29), (1, 420, 500))
    ),
    ("2s2.rows.ceil", (1, 3, 6, 22), {"kernel_size": 2, "ceil_mode": True}),
    ("2s2.sides", (1, 3, 6, 7), {"kernel_size": 2, "padding": (0, 1)}),
    ("3s2.sides", (1, 3, 8, 7), {"kernel_size": 3, "stride": 2, "padding": (0, 1)}),
    ("3s2.ends", (1, 3, 8, 7), {"kernel_size": 3, "stride": 2, "padding": (1, 0)}),
    ("short.ceil", (1, 3, 10, 12), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ("3s2p1.column", (1, 2, 40, 1), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("3s1p1.tall", (1, 1, 1100, 17), {"kernel_size": 3, "stride": 1, "padding": 1}),
)  # fmt: skip

POOL_EDGE = (
    *(_max(name, shape, **arguments) for name, shape, arguments in _SHARED),
    *(_avg(name, shape, **arguments) for name, shape, arguments in _SHARED),
    _max("dilation.wide", (1, 2, 12, 20), kernel_size=3, stride=2, padding=1, dilation=(4, 6)),
    _max("dilation.ceil", (1, 2, 11, 12), kernel_size=2, stride=3, dilation=3, ceil_mode=True),
    _max("dilation.padding", (2, 3, 9, 10), kernel_size=(3, 2), stride=1, padding=1, dilation=2),
    _avg("exclude_pad", (1, 3, 9, 9), kernel_size=3, stride=2, padding=1, count_include_pad=False),
    _avg("exclude_pad.ceil", (2, 2, 8, 9), kernel_size=3, stride=2, padding=1, ceil_mode=True,
         count_include_pad=False),
    _avg("exclude_pad.2s2p1", (2, 2, 9, 11), kernel_size=2, padding=1, count_include_pad=False),
    _avg("exclude_pad.3s1p1", (1, 2, 5, 37), kernel_size=3, stride=1, padding=1,
         count_include_pad=False),
    _avg("ceil.2s2", (1, 2, 9, 15), kernel_size=2, ceil_mode=True, count_include_pad=False),
    *(_avg(f"global.{n}x{s}", (1, n, s, s), kernel_size=s)
      for n, s in ((35, 3), (17, 5), (16, 7), (9, 8), (33, 9), (5, 14))),
    _avg("divisor", (1, 3, 8, 8), kernel_size=2, divisor_override=3),
    _avg("divisor.ceil", (1, 2, 7, 7), kernel_size=3, stride=2, padding=1, ceil_mode=True,
         divisor_override=-5),
)  # fmt: skip

POOL_NET = (
    Case("alex.pool1", "max_pool2d", (1, 96, 55, 55), (), {"kernel_size": 3, "stride": 2},
         frozenset(["net"])),
    Case("lenet.s2", "avg_pool2d", (64, 6, 28, 28), (), {"kernel_size": 2}, frozenset(["net"])),
    Case("googlenet.pool1", "max_pool2d", (1, 64, 112, 112), (),
         {"kernel_size": 3, "stride": 2, "ceil_mode": True}, frozenset(["net"])),
)  # fmt: skip
