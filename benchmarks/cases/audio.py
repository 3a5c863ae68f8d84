"""The distinct convolution layers of networks for sound and sequences.

Each function walks one network from its input to its output. Causal layers are padded on the left
with zeros, also where the published network reflects the signal; transposed layers give all of
their output, also where the published network cuts it afterwards. Of Whisper these are the first
layers of the encoders tiny, base and small, of the Conformer its convolution module.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from benchmarks.cases.case import Case
from benchmarks.cases.layer import conv1d


def whisper() -> Iterator[Case]:
    for width in 384, 512, 768:  # tiny, base, small; 30 seconds
        yield conv1d(3000, 3, 80, width)
        yield conv1d(3000, 3, width, width, stride=2)


def wav2vec2() -> Iterator[Case]:
    length, channels = 16_000, 1  # a second
    for kernel, stride in (10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2):
        layer = conv1d(length, kernel, channels, 512, stride=stride, padding=0)
        yield layer
        (length,), channels = layer.output_size, 512
    yield conv1d(length, 128, 768, 768, padding=64, groups=16)  # position embedding


def tcn() -> Iterator[Case]:
    channels = 100  # the embedding, and the length 400, as in the authors' code
    for level, width in enumerate((520, 520, 520, 520, 100)):
        d = 1 << level
        yield conv1d(400, 2, channels, width, dilation=d, padding=(d, 0))
        yield conv1d(400, 2, width, width, dilation=d, padding=(d, 0))
        if width != channels:
            yield conv1d(400, 1, channels, width)
        channels = width


def conformer() -> Iterator[Case]:
    yield conv1d(1000, 1, 256, 512)
    yield conv1d(1000, 31, 256, 256, groups=256)
    yield conv1d(1000, 1, 256, 256)


def hifigan() -> Iterator[Case]:
    length = yield from _upsampling(((16, 8), (16, 8), (4, 2), (4, 2)))
    yield conv1d(length, 7, 32, 1)


def istftnet() -> Iterator[Case]:
    length = yield from _upsampling(((16, 8), (16, 8)))
    yield conv1d(length + 1, 7, 128, 16 + 2)  # one more by reflection; size 16 of the FFT


def _upsampling(stages: tuple[tuple[int, int], ...]) -> Generator[Case, None, int]:
    """HiFi-GAN V1 up to its last layer, for 100 frames of 80 mel bands; gives the length."""
    length, channels = 100, 512
    yield conv1d(length, 7, 80, channels)
    for kernel, stride in stages:
        half, padding = channels // 2, (kernel - stride) // 2
        yield conv1d(
            length, kernel, channels, half, stride=stride, padding=padding, transposed=True
        )
        length, channels = length * stride, half
        for taps in 3, 7, 11:
            for dilation in 1, 3, 5:
                yield conv1d(length, taps, channels, channels, dilation=dilation)
    return length


def encodec() -> Iterator[Case]:
    length, channels = 24_000, 32  # a second
    yield conv1d(length, 7, 1, channels, padding=(6, 0))
    for stride in 2, 4, 5, 8:
        yield from _residual(length, channels)
        layer = conv1d(
            length, 2 * stride, channels, 2 * channels, stride=stride, padding=(stride, 0)
        )
        yield layer
        (length,), channels = layer.output_size, 2 * channels
    yield conv1d(length, 7, channels, 128, padding=(6, 0))
    yield conv1d(length, 7, 128, channels, padding=(6, 0))
    for stride in 8, 5, 4, 2:
        half = channels // 2
        yield conv1d(length, 2 * stride, channels, half, stride=stride, padding=0, transposed=True)
        length, channels = length * stride, half
        yield from _residual(length, channels)
    yield conv1d(length, 7, channels, 1, padding=(6, 0))


def _residual(length: int, channels: int) -> Iterator[Case]:
    yield conv1d(length, 3, channels, channels // 2, padding=(2, 0))
    yield conv1d(length, 1, channels // 2, channels)
    yield conv1d(length, 1, channels, channels)


NETWORKS = {
    "whisper": (whisper, "Radford et al. 2022, arXiv:2212.04356, section 2.2, table 1"),
    "wav2vec2": (wav2vec2, "Baevski et al. 2020, arXiv:2006.11477, section 4.2, base"),
    "tcn": (tcn, "Bai et al. 2018, arXiv:1803.01271, text8: k = 2, 5 levels, 520 units"),
    "conformer": (conformer, "Gulati et al. 2020, arXiv:2005.08100, figure 2; width 256, k = 31"),
    "hifigan": (hifigan, "Kong et al. 2020, arXiv:2010.05646, appendix A, V1, 100 frames"),
    "istftnet": (istftnet, "Kaneko et al. 2022, arXiv:2203.02395, C8C8I of V1, 100 frames"),
    "encodec": (encodec, "Defossez et al. 2022, arXiv:2210.13438, section 3.1, 24 kHz"),
}
