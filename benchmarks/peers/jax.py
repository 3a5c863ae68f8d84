"""JAX: a jitted `conv_general_dilated`, channels-last."""

from __future__ import annotations

import os

import jax
import numpy as np

from ..cases.case import Case, FloatArray
from . import Runner
from .common import Call, as_dilated, flipped

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
    """A compiled function; a transposed convolution is one of a dilated input."""
    if case.transposed:
        padding, weight = as_dilated(case), flipped(case, weight)
        stride, input_dilation = (1,) * case.dims, case.stride
    else:
        padding, stride, input_dilation = case.padding, case.stride, (1,) * case.dims

    @jax.jit
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

    arrays = [jax.device_put(np.ascontiguousarray(a)) for a in (x, weight, bias)]
    return Call(lambda: layer(*arrays).block_until_ready())
