"""JAX: a jitted `conv_general_dilated`, channels-last."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import jax
import numpy as np

from ..cases.case import Case, FloatArray
from . import Runner
from .common import Call, as_dilated, flipped, in_a_row

LAYOUTS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}


def version() -> str:
    """The library's version."""
    return jax.__version__


def setup(threads: int) -> None:
    """Threads of the client that the first computation makes, float64 allowed, nothing rounded."""
    os.environ["PJRT_NPROC"] = str(threads)
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")


def forms(case: Case) -> tuple[str, ...]:
    """One: XLA for CPUs turns the others into it."""
    return ("channels_last",)


def build(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str, threads: int
) -> Runner:
    """A compiled function."""
    layer, kernel = _layer(case, weight)
    compute, arrays = jax.jit(layer), _on_device(x, kernel, bias)
    return Call(lambda: compute(*arrays).block_until_ready())


def gradients(
    case: Case,
    x: FloatArray,
    weight: FloatArray,
    bias: FloatArray,
    dy: FloatArray,
    form: str,
    threads: int,
) -> Runner:
    """A compiled function of the output and what `jax.vjp` makes of its gradient."""
    layer, kernel = _layer(case, weight)

    @jax.jit
    def compute(dy: jax.Array, *arrays: jax.Array) -> tuple[jax.Array, ...]:
        y, back = jax.vjp(layer, *arrays)
        return y, *back(dy)

    def convert(found: tuple[jax.Array, ...]) -> FloatArray:
        y, dx, dw, db = map(np.asarray, found)
        if case.transposed:
            exchanged = replace(case, in_channels=case.out_channels, out_channels=case.in_channels)
            dw = flipped(exchanged, dw)
        return in_a_row(y, dx, dw, db)

    arrays = _on_device(dy, x, kernel, bias)
    return Call(lambda: jax.block_until_ready(compute(*arrays)), convert)


def _on_device(*arrays: FloatArray) -> list[jax.Array]:
    return [jax.device_put(np.ascontiguousarray(a)) for a in arrays]


def _layer(case: Case, weight: FloatArray) -> tuple[Callable[..., jax.Array], FloatArray]:
    """A function of image, kernel and bias, and the kernel in its layout.

    A transposed convolution is one of a dilated input.
    """
    if case.transposed:
        padding, weight = as_dilated(case), flipped(case, weight)
        stride, input_dilation = (1,) * case.dims, case.stride
    else:
        padding, stride, input_dilation = case.padding, case.stride, (1,) * case.dims

    def layer(image: jax.Array, kernel: jax.Array, offset: jax.Array) -> jax.Array:
        y = jax.lax.conv_general_dilated(
            image,
            kernel,
            stride,
            padding,
            input_dilation,
            case.dilation,
            LAYOUTS[case.dims],
            case.groups,
        )
        return y + offset

    return layer, weight
