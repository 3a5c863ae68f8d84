"""SciPy: `scipy.signal.correlate` for each pair of channels, so small layers only."""

from __future__ import annotations

import numpy as np
import scipy
from scipy import signal

from ..cases.case import Case, FloatArray
from . import Runner, Unsupported
from .common import Call

MOST_MULTIPLICATIONS = 100_000_000
MOST_PAIRS = 4096


def version() -> str:
    """The library's version."""
    return scipy.__version__


def setup(threads: int) -> None:
    """Nothing: it has one thread."""


def forms(case: Case) -> tuple[str, ...]:
    """One."""
    return ("contiguous",)


def build(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str, threads: int
) -> Runner:
    """A loop over pairs of channels, by the method that SciPy expects to be the fastest."""
    if case.transposed:
        raise Unsupported("no transposed convolution")
    inputs, outputs = weight.shape[-2], weight.shape[-1]
    if case.multiplications > MOST_MULTIPLICATIONS:
        raise Unsupported(
            f"one pair of channels at a time: above {MOST_MULTIPLICATIONS:.0e} products"
        )
    if case.batch * inputs * outputs > MOST_PAIRS:
        raise Unsupported(f"one pair of channels at a time: above {MOST_PAIRS} of them")
    images = np.ascontiguousarray(np.moveaxis(x, -1, 0))  # (c, n, *size)
    reach = (d * (k - 1) + 1 for k, d in zip(case.kernel, case.dilation, strict=True))
    kernels = np.zeros((outputs, inputs, *reach), weight.dtype)
    taps = (slice(None, None, d) for d in case.dilation)
    kernels[:, :, *taps] = np.moveaxis(weight, (-1, -2), (0, 1))
    around = ((0, 0), (0, 0), *case.padding)
    steps = tuple(slice(None, None, s) for s in case.stride)
    padded = np.pad(images, around)[0, 0]
    method = signal.choose_conv_method(padded, kernels[0, 0], mode="valid")

    def compute() -> FloatArray:
        padded = np.pad(images, around)
        y = np.empty((outputs, case.batch, *case.output_size), x.dtype)
        for output, image in np.ndindex(y.shape[:2]):
            first = output * case.groups // outputs * inputs
            total = bias[output]
            for plane, kernel in zip(
                padded[first : first + inputs, image], kernels[output], strict=True
            ):
                total = total + signal.correlate(plane, kernel, "valid", method)[steps]
            y[output, image] = total
        return y

    return Call(compute, lambda y: np.moveaxis(y, 0, -1))
