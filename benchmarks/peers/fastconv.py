"""This library: its layers, with the algorithm that they choose."""

from __future__ import annotations

from itertools import chain

import fastconv

from ..cases.case import Case, FloatArray
from . import Runner, Unsupported
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
    if case.transposed:
        raise Unsupported("transposed convolution is not yet a part of fastconv")
    one = case.dims == 1
    kernel, stride, dilation = (
        sizes[0] if one else sizes for sizes in (case.kernel, case.stride, case.dilation)
    )
    layer = (fastconv.Conv1D if one else fastconv.Conv2d)(
        kernel,
        case.in_channels,
        case.out_channels,
        x.dtype,
        stride,
        tuple(chain(*case.padding)),
        dilation,
        case.groups,
        has_bias=True,
    )
    layer.filter = weight
    layer.bias = bias
    return Call(lambda: layer(x, num_threads=threads))
