"""This library: its layers, with the algorithm that they choose."""

from __future__ import annotations

from itertools import chain

import fastconv

from ..cases.case import Case, FloatArray
from . import Runner
from .common import Call


def version() -> str:
    """The library's version."""
    return fastconv.__version__


def setup(threads: int) -> None:
    """Nothing: each call says how many threads it may use."""


def forms(case: Case) -> tuple[str, ...]:
    """One."""
    return ("channels_last",)


def build(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str, threads: int
) -> Runner:
    """A layer."""
    one = case.dims == 1
    kernel, stride, dilation, output_padding = (
        sizes[0] if one else sizes
        for sizes in (case.kernel, case.stride, case.dilation, case.output_padding)
    )
    shared = {
        "in_channels": case.in_channels,
        "out_channels": case.out_channels,
        "dtype": x.dtype,
        "stride": stride,
        "padding": tuple(chain(*case.padding)),
        "dilation": dilation,
        "num_groups": case.groups,
        "has_bias": True,
    }
    if case.transposed:
        up = (fastconv.ConvTranspose1d if one else fastconv.ConvTranspose2d)(
            kernel, output_padding=output_padding, **shared
        )
        up.weight = weight
        up.bias = bias
        return Call(lambda: up(x, num_threads=threads))
    layer = (fastconv.Conv1D if one else fastconv.Conv2d)(kernel, **shared)
    layer.filter = weight
    layer.bias = bias
    return Call(lambda: layer(x, num_threads=threads))
