"""The distinct convolution layers of vision networks, at the input sizes of their papers.

Each function walks one network from its input to its output, as the stage table of the paper has
it; a layer that occurs again is yielded again. Fully connected layers are left out, and so are
squeeze-and-excitation and image pooling, which work on a single pixel. Of YOLOv3 this is the
backbone, of ViT the patch embedding, of RegNet and ShuffleNet the grouped layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks.cases.case import Case
from benchmarks.cases.layer import conv2d, depthwise2d


def vgg16() -> Iterator[Case]:
    size, channels = 224, 3
    for width, depth in (64, 2), (128, 2), (256, 3), (512, 3), (512, 3):
        for _ in range(depth):
            yield conv2d(size, 3, channels, width)
            channels = width
        size //= 2


def resnet50() -> Iterator[Case]:
    yield conv2d(224, 7, 3, 64, stride=2)
    yield from _bottlenecks(56, width=64)


def resnext50() -> Iterator[Case]:
    yield conv2d(224, 7, 3, 64, stride=2)
    yield from _bottlenecks(56, width=128, groups=32)


def _bottlenecks(size: int, width: int, groups: int = 1, dilated: bool = False) -> Iterator[Case]:
    """The four stages of ResNet-50; `dilated`: the last one keeps its size (output stride 16).

    The stride is in the 3x3 layer, and the first block of the dilated stage has the dilation of
    the stage before, as in torchvision.
    """
    channels = 64
    for stage, depth in enumerate((3, 4, 6, 3)):
        inner, out = width << stage, 256 << stage
        dilate = dilated and stage == 3
        for block in range(depth):
            stride = 2 if block == 0 and stage > 0 and not dilate else 1
            yield conv2d(size, 1, channels, inner)
            dilation = 2 if dilate and block > 0 else 1
            yield conv2d(size, 3, inner, inner, stride=stride, dilation=dilation, groups=groups)
            if block == 0:
                yield conv2d(size, 1, channels, out, stride=stride)
            size = -(-size // stride)
            yield conv2d(size, 1, inner, out)
            channels = out


def deeplabv3() -> Iterator[Case]:
    yield conv2d(513, 7, 3, 64, stride=2)
    yield from _bottlenecks(129, width=64, dilated=True)
    yield conv2d(33, 1, 2048, 256)
    for rate in 6, 12, 18:
        yield conv2d(33, 3, 2048, 256, dilation=rate)
    yield conv2d(33, 1, 5 * 256, 256)
    yield conv2d(33, 3, 256, 256)
    yield conv2d(33, 1, 256, 21)


def mobilenetv2() -> Iterator[Case]:
    yield conv2d(224, 3, 3, 32, stride=2)
    stages = (
        (1, 3, 16, 1, 1),
        (6, 3, 24, 2, 2),
        (6, 3, 32, 3, 2),
        (6, 3, 64, 4, 2),
        (6, 3, 96, 3, 1),
        (6, 3, 160, 3, 2),
        (6, 3, 320, 1, 1),
    )
    yield from _inverted_residuals(stages)
    yield conv2d(7, 1, 320, 1280)


def efficientnetb0() -> Iterator[Case]:
    yield conv2d(224, 3, 3, 32, stride=2)
    stages = (
        (1, 3, 16, 1, 1),
        (6, 3, 24, 2, 2),
        (6, 5, 40, 2, 2),
        (6, 3, 80, 3, 2),
        (6, 5, 112, 3, 1),
        (6, 5, 192, 4, 2),
        (6, 3, 320, 1, 1),
    )
    yield from _inverted_residuals(stages)
    yield conv2d(7, 1, 320, 1280)


def _inverted_residuals(stages: Iterable[tuple[int, int, int, int, int]]) -> Iterator[Case]:
    """Stages of (expansion, kernel, channels, depth, stride of the first block) on 32 @112."""
    size, channels = 112, 32
    for expansion, kernel, out, depth, stage_stride in stages:
        for block in range(depth):
            stride = stage_stride if block == 0 else 1
            inner = expansion * channels
            if expansion > 1:
                yield conv2d(size, 1, channels, inner)
            yield depthwise2d(size, kernel, inner, stride=stride)
            size //= stride
            yield conv2d(size, 1, inner, out)
            channels = out


def inceptionv3() -> Iterator[Case]:
    yield conv2d(299, 3, 3, 32, stride=2, padding=0)
    yield conv2d(149, 3, 32, 32, padding=0)
    yield conv2d(147, 3, 32, 64)
    yield conv2d(73, 1, 64, 80)
    yield conv2d(73, 3, 80, 192, padding=0)
    for channels, pooled in (192, 32), (256, 64), (288, 64):  # figure 5
        for out in 64, 48, pooled:
            yield conv2d(35, 1, channels, out)
        yield conv2d(35, 5, 48, 64)
        yield conv2d(35, 3, 64, 96)
        yield conv2d(35, 3, 96, 96)
    for channels, out in (288, 384), (96, 96):  # figure 10
        yield conv2d(35, 3, channels, out, stride=2, padding=0)
    for width in 128, 160, 192:  # figure 6, n = 7
        for out in 192, width:
            yield conv2d(17, 1, 768, out)
            yield conv2d(17, (1, 7), width, out)
            yield conv2d(17, (7, 1), width, out)
    for out in 320, 192:
        yield conv2d(17, 3, 192, out, stride=2, padding=0)
    for channels in 1280, 2048:  # figure 7
        for out in 320, 384, 448, 192:
            yield conv2d(8, 1, channels, out)
        yield conv2d(8, 3, 448, 384)
        yield conv2d(8, (1, 3), 384, 384)
        yield conv2d(8, (3, 1), 384, 384)


def convnextt() -> Iterator[Case]:
    yield conv2d(224, 4, 3, 96, stride=4, padding=0)
    for stage in range(4):
        size, channels = 56 >> stage, 96 << stage
        yield depthwise2d(size, 7, channels)
        yield conv2d(size, 1, channels, 4 * channels)
        yield conv2d(size, 1, 4 * channels, channels)
        if stage < 3:
            yield conv2d(size, 2, channels, 2 * channels, stride=2, padding=0)


def vitb16() -> Iterator[Case]:
    yield conv2d(224, 16, 3, 768, stride=16, padding=0)


def yolov3() -> Iterator[Case]:
    yield conv2d(416, 3, 3, 32)
    for stage in range(5):
        size, channels = 416 >> stage, 32 << stage
        yield conv2d(size, 3, channels, 2 * channels, stride=2)
        yield conv2d(size // 2, 1, 2 * channels, channels)
        yield conv2d(size // 2, 3, channels, 2 * channels)


def unet() -> Iterator[Case]:
    channels = 1
    for level in range(5):
        size, width = 256 >> level, 64 << level
        yield conv2d(size, 3, channels, width)
        yield conv2d(size, 3, width, width)
        channels = width
    for level in range(3, -1, -1):
        size, width = 256 >> level, 64 << level
        yield conv2d(size // 2, 2, 2 * width, width, stride=2, padding=0, transposed=True)
        yield conv2d(size, 3, 2 * width, width)
    yield conv2d(256, 1, 64, 2)


def edsr() -> Iterator[Case]:
    yield conv2d(128, 3, 3, 64)
    yield conv2d(128, 3, 64, 64)
    yield conv2d(128, 3, 64, 4 * 64)
    yield conv2d(256, 3, 64, 3)


def regnet() -> Iterator[Case]:
    size, group_width = 112, 24
    for width in 72, 168, 408, 912:
        yield conv2d(size, 3, width, width, stride=2, groups=width // group_width)
        size //= 2
        yield conv2d(size, 3, width, width, groups=width // group_width)


def shufflenet() -> Iterator[Case]:
    for size, width in (28, 240), (14, 480), (7, 960):
        yield conv2d(size, 1, width, width // 4, groups=3)
        yield conv2d(size, 1, width // 4, width, groups=3)


NETWORKS = {
    "vgg16": (vgg16, "Simonyan & Zisserman 2015, arXiv:1409.1556, table 1, D"),
    "resnet50": (resnet50, "He et al. 2016, arXiv:1512.03385, table 1"),
    "resnext50": (resnext50, "Xie et al. 2017, arXiv:1611.05431, table 1, 32x4d"),
    "mobilenetv2": (mobilenetv2, "Sandler et al. 2018, arXiv:1801.04381, table 2"),
    "efficientnetb0": (efficientnetb0, "Tan & Le 2019, arXiv:1905.11946, table 1"),
    "inceptionv3": (
        inceptionv3,
        "Szegedy et al. 2016, arXiv:1512.00567, figures 5-7 and 10, as torchvision",
    ),
    "convnextt": (convnextt, "Liu et al. 2022, arXiv:2201.03545, table 9"),
    "vitb16": (vitb16, "Dosovitskiy et al. 2021, arXiv:2010.11929, table 1, its patches"),
    "deeplabv3": (
        deeplabv3,
        "Chen et al. 2017, arXiv:1706.05587, section 3, ResNet-50, output stride 16, 513x513",
    ),
    "yolov3": (yolov3, "Redmon & Farhadi 2018, arXiv:1804.02767, table 1: Darknet-53, at 416"),
    "unet": (unet, "Ronneberger et al. 2015, arXiv:1505.04597, figure 1, padded, at 256"),
    "edsr": (edsr, "Lim et al. 2017, arXiv:1707.02921, table 1, baseline x2, at 128"),
    "regnet": (regnet, "Radosavovic et al. 2020, arXiv:2003.13678, RegNetX-1.6GF, grouped 3x3"),
    "shufflenet": (shufflenet, "Zhang et al. 2018, arXiv:1707.01083, g = 3, grouped 1x1"),
}
