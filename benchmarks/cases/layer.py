"""Short ways to write a layer down; its name follows from its numbers.

A name says kernel, stride (s), dilation (d), groups (g) or depthwise (dw), output padding (op),
channels and input pixels; what is 1 or 0 is left out, and so is padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.cases.case import Case

Size = int | tuple[int, ...]


def conv2d(
    size: Size,
    kernel: Size,
    in_channels: int,
    out_channels: int,
    *,
    stride: int = 1,
    padding: Size | None = None,
    dilation: int = 1,
    groups: int = 1,
    transposed: bool = False,
    output_padding: int = 0,
) -> Case:
    """A 2-D layer; an int holds for both axes, and padding None keeps the size at stride 1."""
    pixels, taps = _axes(size), _axes(kernel)
    if padding is None:
        padding = tuple(dilation * (k - 1) // 2 for k in taps)
    return _layer(
        "x".join(map(str, taps)),
        f"@{pixels[0]}" if pixels[0] == pixels[1] else f"@{pixels[0]}x{pixels[1]}",
        Case(
            name="",
            size=pixels,
            kernel=taps,
            in_channels=in_channels,
            out_channels=out_channels,
            stride=_axes(stride),
            padding=tuple((p, p) for p in _axes(padding)),
            dilation=_axes(dilation),
            output_padding=_axes(output_padding),
            groups=groups,
            transposed=transposed,
        ),
    )


def depthwise2d(size: Size, kernel: Size, channels: int, *, stride: int = 1) -> Case:
    """A 2-D layer with one input channel and one output channel per group."""
    return conv2d(size, kernel, channels, channels, stride=stride, groups=channels)


def conv1d(
    length: int,
    kernel: int,
    in_channels: int,
    out_channels: int,
    *,
    stride: int = 1,
    padding: int | tuple[int, int] | None = None,
    dilation: int = 1,
    groups: int = 1,
    transposed: bool = False,
    output_padding: int = 0,
) -> Case:
    """A 1-D layer; padding is one number or (left, right), None keeps the length at stride 1."""
    if padding is None:
        padding = dilation * (kernel - 1) // 2
    return _layer(
        f"k{kernel}",
        f"x{length}",
        Case(
            name="",
            size=(length,),
            kernel=(kernel,),
            in_channels=in_channels,
            out_channels=out_channels,
            stride=(stride,),
            padding=((padding, padding) if isinstance(padding, int) else padding,),
            dilation=(dilation,),
            output_padding=(output_padding,),
            groups=groups,
            transposed=transposed,
        ),
    )


def _axes(value: Size) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else value


def _layer(kernel: str, size: str, case: Case) -> Case:
    depthwise = 1 < case.groups == case.in_channels == case.out_channels
    channels = f"{case.in_channels}>{case.out_channels}"
    words: Sequence[str] = (
        "transposed" if case.transposed else "",
        "1-D" if case.dims == 1 else "",
        "dw" if depthwise else "",
        kernel,
        f"s{case.stride[0]}" if case.stride[0] > 1 else "",
        f"d{case.dilation[0]}" if case.dilation[0] > 1 else "",
        f"g{case.groups}" if case.groups > 1 and not depthwise else "",
        f"op{case.output_padding[0]}" if case.output_padding[0] else "",
        str(case.in_channels) if depthwise else channels,
        size,
    )
    return replace(case, name=" ".join(word for word in words if word))
