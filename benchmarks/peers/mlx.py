"""MLX on the CPU, where its arithmetic runs in the threads of its BLAS."""

from __future__ import annotations

from importlib import metadata

import mlx.core as mx
import numpy as np

from ..cases.case import Case, FloatArray
from . import Runner
from .common import Call, as_dilated, flipped, float32_only


def version() -> str:
    """The library's version."""
    return metadata.version("mlx")


def setup(threads: int) -> None:
    """The CPU; the environment says how many threads the BLAS has."""
    mx.set_default_device(mx.cpu)


def forms(case: Case) -> tuple[str, ...]:
    """One."""
    return ("channels_last",)


def build(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str, threads: int
) -> Runner:
    """An evaluated `conv_general`; a transposed one is of a dilated input."""
    float32_only(x)
    if case.transposed:
        padding, weight = as_dilated(case), flipped(case, weight)
        stride, input_dilation = (1,) * case.dims, case.stride
    else:
        padding, stride, input_dilation = case.padding, case.stride, (1,) * case.dims
    befores, afters = zip(*padding, strict=True)
    image, offset = mx.array(x), mx.array(bias)
    kernel = mx.array(np.ascontiguousarray(np.moveaxis(weight, -1, 0)))
    mx.eval(image, offset, kernel)

    def compute() -> mx.array:
        y = mx.conv_general(
            image,
            kernel,
            stride,
            (list(befores), list(afters)),
            case.dilation,
            input_dilation,
            case.groups,
        )
        y = y + offset
        mx.eval(y)
        return y

    return Call(compute)
