"""Further layers that the benchmark's suites time; tests read their shapes only."""

from __future__ import annotations

from typing import Any

from .case import Case

_NET = frozenset(["net"])


def _square(name: str, sizes: tuple[int, int, int, int], kernel: int, **arguments: Any) -> Case:
    """Make a layer with square image and kernel; `sizes` as in :mod:`.networks`."""
    n, c, side, k = sizes
    weight = (k, c // arguments.get("groups", 1), kernel, kernel)
    return Case(name, "conv2d", (n, c, side, side), weight, arguments, _NET)


def _line(name: str, sizes: tuple[int, int, int, int], kernel: int, **arguments: Any) -> Case:
    """Make a 1-D layer; `sizes` are batch, input channels, samples and filters."""
    n, c, length, k = sizes
    weight = (k, c // arguments.get("groups", 1), kernel)
    return Case(name, "conv1d", (n, c, length), weight, arguments, _NET)


def _pool(name: str, op: str, shape: tuple[int, ...], **arguments: Any) -> Case:
    return Case(name, op, shape, (), arguments, _NET)


_CLASSIC = (
    _square("alex.c4", (1, 384, 13, 384), 3, padding=1, groups=2),
    _square("alex.c5", (1, 384, 13, 256), 3, padding=1, groups=2),
    _square("vgg.2_1", (1, 64, 112, 128), 3, padding=1),
    _square("vgg.2_2", (1, 128, 112, 128), 3, padding=1),
    _square("vgg.3_1", (1, 128, 56, 256), 3, padding=1),
    _square("vgg.4_1", (1, 256, 28, 512), 3, padding=1),
    _square("vgg.4_2", (1, 512, 28, 512), 3, padding=1),
)

#: With those of networks.py, every distinct convolution of ResNet-50; "in" and "reduce" come
#: before a block's 3x3, "out" after it, "down" is the shortcut of a stage's first block.
_RESNET50 = (
    _square("r50.2.in", (1, 64, 56, 64), 1),
    _square("r50.2.reduce", (1, 256, 56, 64), 1),
    _square("r50.3.in", (1, 256, 56, 128), 1),
    _square("r50.3.3x3s2", (1, 128, 56, 128), 3, stride=2, padding=1),
    _square("r50.3.reduce", (1, 512, 28, 128), 1),
    _square("r50.3.out", (1, 128, 28, 512), 1),
    _square("r50.4.in", (1, 512, 28, 256), 1),
    _square("r50.4.3x3s2", (1, 256, 28, 256), 3, stride=2, padding=1),
    _square("r50.4.out", (1, 256, 14, 1024), 1),
    _square("r50.4.down", (1, 512, 28, 1024), 1, stride=2),
    _square("r50.5.in", (1, 1024, 14, 512), 1),
    _square("r50.5.3x3s2", (1, 512, 14, 512), 3, stride=2, padding=1),
    _square("r50.5.reduce", (1, 2048, 7, 512), 1),
    _square("r50.5.down", (1, 1024, 14, 2048), 1, stride=2),
)

_MOBILENET = (
    _square("mbv1.pw112", (1, 32, 112, 64), 1),
    _square("mbv1.dw14", (1, 512, 14, 512), 3, padding=1, groups=512),
    _square("mbv1.pw14", (1, 512, 14, 512), 1),
    _square("mbv2.expand56", (1, 24, 56, 144), 1),
    _square("mbv2.project56", (1, 144, 56, 24), 1),
    _square("mbv2.dw14s2", (1, 576, 14, 576), 3, stride=2, padding=1, groups=576),
    _square("mbv2.head", (1, 320, 7, 1280), 1),
    _square("mbv3.dw5.14", (1, 672, 14, 672), 5, padding=2, groups=672),
)

_DEEPBENCH = (
    # Speech: spectrograms of 161 bands and 700 frames, batch 4.
    Case("deepbench.speech1", "conv2d", (4, 1, 161, 700), (32, 1, 5, 20), {"stride": 2}, _NET),
    Case("deepbench.speech2", "conv2d", (4, 32, 79, 341), (32, 32, 5, 10), {"stride": 2}, _NET),
    # Handwritten lines of 48x480 pixels.
    Case("deepbench.ocr1", "conv2d", (4, 1, 48, 480), (16, 1, 3, 3), {"padding": 1}, _NET),
    Case("deepbench.ocr2", "conv2d", (4, 16, 24, 240), (32, 16, 3, 3), {"padding": 1}, _NET),
    Case("deepbench.ocr3", "conv2d", (4, 32, 12, 120), (64, 32, 3, 3), {"padding": 1}, _NET),
    Case("deepbench.ocr4", "conv2d", (4, 64, 6, 60), (128, 64, 3, 3), {"padding": 1}, _NET),
    # Faces.
    _square("deepbench.face1", (2, 3, 108, 64), 3, stride=2, padding=1),
    _square("deepbench.face2", (2, 64, 54, 64), 3, padding=1),
    _square("deepbench.face3", (2, 128, 27, 128), 3, padding=1),
    _square("deepbench.face4", (2, 128, 14, 256), 3, padding=1),
    _square("deepbench.face5", (2, 256, 7, 512), 3, padding=1),
    # Vision: layers of VGG and GoogLeNet with a batch.
    _square("deepbench.vgg56", (2, 128, 56, 256), 3, padding=1),
    _square("deepbench.vgg28", (2, 256, 28, 512), 3, padding=1),
    _square("deepbench.vgg7", (2, 512, 7, 512), 3, padding=1),
    _square("deepbench.goog.conv1", (2, 3, 224, 64), 7, stride=2, padding=3),
    _square("deepbench.goog3.5x5", (2, 192, 28, 32), 5, padding=2),
    _square("deepbench.goog3.1x1", (2, 192, 28, 64), 1),
    _square("deepbench.goog4.5x5", (2, 512, 14, 48), 5, padding=2),
    _square("deepbench.goog4.1x1", (2, 512, 14, 192), 1),
    _square("deepbench.goog5.1x1", (2, 832, 7, 256), 1),
    _square("deepbench.goog5.5x5", (2, 832, 7, 128), 5, padding=2),
)

#: Electrocardiograms: residual networks on 12 leads of 4096 samples, single beats of 187 samples,
#: dilated and depthwise variants.
_ECG = (
    _line("ecg.stem", (8, 12, 4096, 64), 17, padding=8),
    _line("ecg.block1", (8, 64, 4096, 128), 17, stride=4, padding=8),
    _line("ecg.block2", (8, 128, 1024, 196), 17, stride=4, padding=8),
    _line("ecg.block3", (8, 196, 256, 256), 17, stride=4, padding=8),
    _line("ecg.block4", (8, 256, 64, 320), 17, padding=8),
    _line("ecg.beat1", (64, 1, 187, 32), 5, padding=2),
    _line("ecg.beat2", (64, 32, 187, 32), 5, padding=2),
    _line("ecg.dilated", (8, 64, 1024, 64), 3, padding=8, dilation=8),
    _line("ecg.depthwise", (8, 64, 1024, 64), 15, padding=7, groups=64),
    _line("ecg.pointwise", (8, 64, 1024, 128), 1),
    _line("ecg.live", (1, 12, 5000, 32), 7, stride=2, padding=3),
)

CONV_SUITES = (*_CLASSIC, *_RESNET50, *_MOBILENET, *_DEEPBENCH, *_ECG)

POOL_SUITES = (
    _pool("vgg.pool5", "max_pool2d", (1, 512, 14, 14), kernel_size=2),
    _pool("mbv1.pool", "avg_pool2d", (1, 1024, 7, 7), kernel_size=7),
    _pool("inception.pool17", "max_pool2d", (1, 768, 17, 17), kernel_size=3, stride=2),
    _pool("mbv2.pool8", "avg_pool2d", (1, 1280, 8, 8), kernel_size=8),
    _pool("densenet.pool28", "avg_pool2d", (1, 256, 28, 28), kernel_size=2),
    _pool("max pool 3 s2 p1, 32x64x56x56", "max_pool2d", (32, 64, 56, 56),
          kernel_size=3, stride=2, padding=1),
)  # fmt: skip

_TINY = frozenset(["tiny"])

#: Calls whose arithmetic is nothing: what they take is the cost of a call itself.
CONV_TINY = (
    Case("tiny conv 3x3, 1x1x8x8", "conv2d", (1, 1, 8, 8), (1, 1, 3, 3), {}, _TINY),
    Case("tiny conv 3x3 p1, 1x8x8x8", "conv2d", (1, 8, 8, 8), (8, 8, 3, 3), {"padding": 1}, _TINY),
    Case("tiny conv 1x1, 1x16x8x8", "conv2d", (1, 16, 8, 8), (16, 16, 1, 1), {}, _TINY),
    Case("tiny depthwise 3x3, 1x8x8x8", "conv2d", (1, 8, 8, 8), (8, 1, 3, 3), {"groups": 8}, _TINY),
    Case("tiny conv1d 3, 1x4x32", "conv1d", (1, 4, 32), (4, 4, 3), {}, _TINY),
)
POOL_TINY = (
    Case("tiny max pool 2, 1x1x8x8", "max_pool2d", (1, 1, 8, 8), (), {"kernel_size": 2}, _TINY),
    Case("tiny avg pool 2, 1x1x8x8", "avg_pool2d", (1, 1, 8, 8), (), {"kernel_size": 2}, _TINY),
)
RELU_TINY = (Case("tiny ReLU, 1x1x8x8", "relu", (1, 1, 8, 8), tags=_TINY),)
