"""This library: its layers, with the algorithm that they choose."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

import fastconv

from ..cases.case import Case, FloatArray
from . import Runner
from .common import Call, in_a_row


def version() -> str:
    """The library's version."""
    return fastconv.__version__


def setup(threads: int) -> None:
    """Nothing: each call says how many threads it may use."""


def forms(case: Case) -> tuple[str, ...]:
    """One, but functions beside a layer for gradients."""
    return ("layer", "functions") if case.gradients else ("channels_last",)


def build(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str, threads: int
) -> Runner:
    """A layer."""
    layer = _layer(case, x, weight, bias)
    return Call(lambda: layer(x, num_threads=threads))


def gradients(
    case: Case,
    x: FloatArray,
    weight: FloatArray,
    bias: FloatArray,
    dy: FloatArray,
    form: str,
    threads: int,
) -> Runner:
    """A layer in train mode, or the functions for each gradient."""
    if form == "layer":
        return _training(case, x, weight, bias, dy, threads)
    name = f"{'conv_transpose' if case.transposed else 'conv'}{case.dims}d"
    convolve, of_input, of_weight = (
        getattr(fastconv, name + what) for what in ("", "_input_grad", "_weight_grad")
    )
    options = {name: value for name, value in _sizes(case).items() if name != "kernel_size"}
    options |= {"groups": case.groups, "num_threads": threads}

    def compute() -> tuple[FloatArray, ...]:
        y = convolve(x, weight, bias, **options)
        dx = of_input(dy, weight, x.shape, **options)
        if case.transposed:
            dw = of_weight(x, dy, weight.shape, **options)
            return y, dx, dw, fastconv.conv_bias_grad(dy, num_threads=threads)
        db = np.empty_like(bias)
        dw = of_weight(x, dy, weight.shape, bias_out=db, **options)
        return y, dx, dw, db

    return Call(compute, lambda parts: in_a_row(*parts))


def _training(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, dy: FloatArray, threads: int
) -> Runner:
    layer = _layer(case, x, weight, bias)
    layer.set_train_mode()

    def compute() -> tuple[FloatArray, ...]:
        y = layer(x, num_threads=threads)
        layer.zero_grad()
        return y, layer.backward(dy, num_threads=threads)

    def convert(parts: tuple[FloatArray, ...]) -> FloatArray:
        return in_a_row(*parts, *(p.grad for p in layer.parameters().values()))

    return Call(compute, convert)


def _sizes(case: Case) -> dict[str, Any]:
    """The parameters of a layer's pixels and taps."""
    sizes = {"kernel_size": case.kernel, "stride": case.stride, "dilation": case.dilation}
    if case.transposed:
        sizes["output_padding"] = case.output_padding
    found = {name: size[0] if case.dims == 1 else size for name, size in sizes.items()}
    return {**found, "padding": tuple(chain(*case.padding))}


def _layer(case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray) -> Any:
    one = case.dims == 1
    shared = {
        **_sizes(case),
        "in_channels": case.in_channels,
        "out_channels": case.out_channels,
        "dtype": x.dtype,
        "num_groups": case.groups,
        "has_bias": True,
    }
    if case.transposed:
        if one:
            shared["length"] = shared.pop("kernel_size")
        layer = (fastconv.ConvTranspose1d if one else fastconv.ConvTranspose2d)(**shared)
        layer.weight = weight
    else:
        layer = (fastconv.Conv1D if one else fastconv.Conv2d)(**shared)
        layer.filter = weight
    layer.bias = bias
    return layer
