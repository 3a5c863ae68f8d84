"""Modular MAX: a compiled graph of one operation."""

from __future__ import annotations

import os
from importlib import metadata
from itertools import chain

import numpy as np
from max.driver import CPU, Buffer
from max.dtype import DType
from max.engine import InferenceSession
from max.graph import DeviceRef, Graph, TensorType, ops

from ..cases.case import Case, FloatArray
from . import Runner, Unsupported
from .common import Call, as_image


def version() -> str:
    """The library's version."""
    return metadata.version("max")


def setup(threads: int) -> None:
    """As many cores as threads: MAX makes one thread for each core that it may use."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def forms(case: Case) -> tuple[str, ...]:
    """One."""
    return ("channels_last",)


def build(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str, threads: int
) -> Runner:
    """A model compiled for the shape; a 1-D case is an image of width 1 (height 1 goes wrong)."""
    if case.transposed:
        raise Unsupported("conv2d_transpose gives its result a wrong shape and takes no bias")
    seen, x, weight = as_image(case, x, weight, upright=True)
    device = DeviceRef.CPU()
    dtype = DType.from_numpy(x.dtype)
    with Graph("layer", input_types=[TensorType(dtype, x.shape, device)]) as graph:
        (image,) = graph.inputs
        y = ops.conv2d(
            image.tensor,
            ops.constant(np.ascontiguousarray(weight), dtype, device),
            seen.stride,
            seen.dilation,
            tuple(chain(*seen.padding)),
            seen.groups,
            ops.constant(bias, dtype, device),
        )
        graph.output(y)
    model = InferenceSession(devices=[CPU()]).load(graph)
    buffer = Buffer.from_numpy(np.ascontiguousarray(x))

    def convert(outputs: list[Buffer]) -> FloatArray:
        return outputs[0].to_numpy().reshape(case.output_shape)

    return Call(lambda: model.execute(buffer), convert)
