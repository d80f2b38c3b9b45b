"""Layers of known networks: those that speed is judged on, and a few more."""

from __future__ import annotations

from typing import Any

from .case import Case

Sizes = tuple[int, int, int, int]


def _layer(tags: tuple[str, ...], name: str, sizes: Sizes, kernel: int, **arguments: Any) -> Case:
    """Make a square layer; `sizes` are batch, input channels, image side and filters."""
    n, c, side, k = sizes
    weight = (k, c // arguments.get("groups", 1), kernel, kernel)
    return Case(name, "conv2d", (n, c, side, side), weight, arguments, frozenset(tags))


def _perf(name: str, sizes: Sizes, kernel: int, **arguments: Any) -> Case:
    return _layer(("perf", "net"), name, sizes, kernel, **arguments)


def _net(name: str, sizes: Sizes, kernel: int, **arguments: Any) -> Case:
    return _layer(("net",), name, sizes, kernel, **arguments)


CONV_PERF = (
    _perf("lenet.c1", (64, 1, 32, 6), 5),
    _perf("lenet.c3", (64, 6, 14, 16), 5),
    _perf("alex.c1", (1, 3, 227, 96), 11, stride=4),
    _perf("alex.c2", (1, 96, 27, 256), 5, padding=2, groups=2),
    _perf("vgg.1_1", (1, 3, 224, 64), 3, padding=1),
    _perf("vgg.1_2", (1, 64, 224, 64), 3, padding=1),
    _perf("vgg.3_2", (1, 256, 56, 256), 3, padding=1),
    _perf("vgg.5_1", (1, 512, 14, 512), 3, padding=1),
    _perf("r50.conv1", (1, 3, 224, 64), 7, stride=2, padding=3),
    _perf("r50.2.3x3", (1, 64, 56, 64), 3, padding=1),
    _perf("r50.3.3x3", (1, 128, 28, 128), 3, padding=1),
    _perf("r50.4.3x3", (1, 256, 14, 256), 3, padding=1),
    _perf("r50.5.3x3", (1, 512, 7, 512), 3, padding=1),
    _perf("r50.2.1x1", (1, 64, 56, 256), 1),
    _perf("r50.4.1x1", (1, 1024, 14, 256), 1),
    _perf("r50.3.1x1s2", (1, 256, 56, 512), 1, stride=2),
    _perf("mbv2.dw3s1", (1, 144, 56, 144), 3, padding=1, groups=144),
    _perf("mbv2.dw3s2", (1, 96, 112, 96), 3, stride=2, padding=1, groups=96),
    _perf("mbv1.dw3.14", (1, 512, 14, 512), 3, padding=1, groups=512),
    _perf("mbv2.dw3.7", (1, 960, 7, 960), 3, padding=1, groups=960),
    _perf("mbv2.dw3s2.14", (1, 576, 14, 576), 3, stride=2, padding=1, groups=576),
    _perf("mbv3.dw5s1", (1, 120, 28, 120), 5, padding=2, groups=120),
    _perf("mbv3.dw5s2", (1, 72, 56, 72), 5, stride=2, padding=2, groups=72),
    _perf("mbv3.dw5.7", (1, 960, 7, 960), 5, padding=2, groups=960),
    _perf("convnext.dw7", (1, 96, 56, 96), 7, padding=3, groups=96),
    _perf("deeplab.dw3d2", (1, 144, 56, 144), 3, padding=2, dilation=2, groups=144),
    _perf("xception.dw3x2", (1, 64, 56, 128), 3, padding=1, groups=64),
    _perf("resnext.g32", (1, 128, 56, 128), 3, padding=1, groups=32),
    _perf("deeplab.d2", (1, 256, 33, 256), 3, padding=2, dilation=2),
)

CONV_NET = (
    _net("lenet.c5", (1, 16, 5, 120), 5),
    _net("alex.c3", (1, 256, 13, 384), 3, padding=1),
    _net("r18.4.down", (1, 128, 28, 256), 3, stride=2, padding=1),
    _net("r50.5.1x1", (1, 512, 7, 2048), 1),
    _net("mbv1.stem", (1, 3, 224, 32), 3, stride=2, padding=1),
    _net("inception.5x5", (1, 16, 28, 32), 5, padding=2),
    _net("densenet.1x1", (1, 352, 14, 128), 1),
    _net("squeezenet.expand", (1, 64, 13, 256), 3, padding=1),
)


def _pool(name: str, op: str, shape: tuple[int, ...], **arguments: Any) -> Case:
    return Case(name, op, shape, (), arguments, frozenset(["perf", "net"]))


POOL_PERF = (
    _pool("max pool 3 s2 p1, 1x64x112x112", "max_pool2d", (1, 64, 112, 112),
          kernel_size=3, stride=2, padding=1),
    _pool("max pool 2 s2, 1x64x224x224", "max_pool2d", (1, 64, 224, 224), kernel_size=2),
    _pool("max pool 3 s1 p1, 1x256x28x28", "max_pool2d", (1, 256, 28, 28),
          kernel_size=3, stride=1, padding=1),
    _pool("avg pool 3 s1 p1, 1x256x35x35", "avg_pool2d", (1, 256, 35, 35),
          kernel_size=3, stride=1, padding=1),
    _pool("avg pool 2 s2, 1x64x112x112", "avg_pool2d", (1, 64, 112, 112), kernel_size=2),
    _pool("avg pool 2 s2, 1x512x14x14", "avg_pool2d", (1, 512, 14, 14), kernel_size=2),
    _pool("global avg pool, 1x2048x7x7", "avg_pool2d", (1, 2048, 7, 7), kernel_size=7),
)  # fmt: skip

RELU_PERF = (
    Case("ReLU, 1x64x224x224", "relu", (1, 64, 224, 224), tags=frozenset(["perf", "net"])),
    Case("ReLU, 1x64x56x56", "relu", (1, 64, 56, 56), tags=frozenset(["perf", "net"])),
)
