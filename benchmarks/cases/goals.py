"""The layers on which fastconv sets itself targets, the quick selection, and that of gradients.

Most of them belong to networks of the other tables and are only named here.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.cases.case import Case
from benchmarks.cases.layer import conv1d, conv2d, depthwise2d

OF_NETWORKS = (
    "3x3 64>64 @224",
    "3x3 128>128 @112",
    "3x3 256>256 @56",
    "3x3 512>512 @28",
    "3x3 512>512 @14",
    "3x3 64>64 @56",
    "3x3 128>128 @28",
    "3x3 256>256 @14",
    "3x3 512>512 @7",
    "7x7 s2 3>64 @224",
    "3x3 3>64 @224",
    "1x1 64>256 @56",
    "1x1 512>128 @28",
    "1x1 2048>512 @7",
    "1x1 24>144 @56",
    "1x1 s2 256>512 @56",
    "3x3 s2 128>128 @56",
    "dw 3x3 144 @56",
    "dw 3x3 s2 96 @112",
    "dw 3x3 960 @7",
    "dw 5x5 240 @28",
    "dw 5x5 480 @14",
    "dw 7x7 96 @56",
    "3x3 g32 128>128 @56",
    "5x5 48>64 @35",
    "1x7 128>128 @17",
    "7x1 128>128 @17",
    "3x3 d12 2048>256 @33",
    "4x4 s4 3>96 @224",
    "16x16 s16 3>768 @224",
    "3x3 64>3 @256",
    "1-D k3 80>384 x3000",
    "1-D k3 s2 384>384 x3000",
    "1-D k7 32>1 x25600",
    "1-D k10 s5 1>512 x16000",
    "1-D k7 d5 128>128 x6400",
    "1-D k11 d3 128>128 x6400",
    "1-D k2 d16 520>100 x400",
    "1-D dw k31 256 x1000",
    "transposed 1-D k16 s8 512>256 x100",
    "transposed 1-D k16 s8 256>128 x800",
    "transposed 1-D k4 s2 128>64 x6400",
    "transposed 1-D k4 s2 64>32 x12800",
    "transposed 2x2 s2 512>256 @32",
)

QUICK = (
    "3x3 64>64 @56",
    "3x3 512>512 @7",
    "1x1 64>256 @56",
    "7x7 s2 3>64 @224",
    "4x4 s4 3>96 @224",
    "3x3 64>3 @256",
    "dw 3x3 144 @56",
    "3x3 g32 128>128 @56",
    "3x3 d2 256>256 @28",
    "1x7 128>128 @17",
    "1-D k3 80>384 x3000",
    "1-D dw k31 256 x1000",
    "transposed 1-D k16 s8 512>256 x100",
    "transposed 2x2 s2 512>256 @32",
)

TRAINING = (
    "3x3 64>64 @56",
    "3x3 128>128 @28",
    "3x3 256>256 @14",
    "3x3 512>512 @7",
    "3x3 128>128 @112",
    "3x3 512>512 @28",
    "3x3 512>512 @14",
    "3x3 s2 128>128 @56",
    "3x3 s2 512>512 @14",
    "1x1 64>256 @56",
    "1x1 256>64 @56",
    "1x1 512>128 @28",
    "1x1 1024>256 @14",
    "1x1 2048>512 @7",
    "dw 3x3 144 @56",
    "dw 3x3 s2 96 @112",
    "dw 3x3 960 @7",
    "3x3 g32 128>128 @56",
    "3x3 g32 512>512 @14",
    "1-D k3 256>256 x800",
    "1-D k7 d3 128>128 x6400",
    "1-D k11 d5 64>64 x12800",
    "transposed 1-D k16 s8 512>256 x100",
    "transposed 1-D k4 s2 128>64 x6400",
)

SOURCE = "chosen for this benchmark"


def others() -> Iterator[Case]:
    """The layers that no network of the other tables has."""
    yield conv2d(28, 3, 192, 192, groups=8)  # 24 channels per group, as in RegNetX-1.6GF
    yield conv2d(28, 3, 256, 256, dilation=2)
    yield conv2d(33, 3, 2048, 256, dilation=24)  # mostly padding
    yield depthwise2d(512, 3, 3)  # an image blurred,
    yield depthwise2d(512, 11, 3)  # as SSIM does (Wang et al. 2004),
    yield depthwise2d(512, 5, 3, stride=2)  # and as a pyramid does (Burt and Adelson 1983)
    yield conv1d(2048, 3, 128, 128)
    yield conv1d(16_000, 128, 8, 8, padding=0)  # long filters for few channels
    yield conv1d(16_000, 1024, 2, 2, padding=0)
    yield conv1d(120, 20, 512, 256, stride=10, padding=5, transposed=True)
    yield conv1d(750, 10, 256, 128, stride=5, padding=2, transposed=True, output_padding=1)
    yield conv2d(32, 4, 256, 128, stride=2, padding=1, transposed=True)
    yield conv2d(64, 3, 64, 32, stride=2, padding=1, transposed=True, output_padding=1)
