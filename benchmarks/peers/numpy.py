"""NumPy: the windows of the input copied into a matrix, multiplied by the filter."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..cases.case import Case, FloatArray
from . import Runner, Unsupported
from .common import Call


def version() -> str:
    """The library's version."""
    return np.__version__


def setup(threads: int) -> None:
    """Nothing: the environment says how many threads the BLAS has."""


def forms(case: Case) -> tuple[str, ...]:
    """One."""
    return ("channels_last",)


def build(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str, threads: int
) -> Runner:
    """What a user without a library for it would write."""
    if case.transposed:
        raise Unsupported("transposed convolution is not written down here")
    axes = tuple(range(1, 1 + case.dims))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(case.kernel, case.dilation, strict=True))
    steps = [*(slice(None, None, s) for s in case.stride), slice(None)]
    taps = [slice(None, None, d) for d in case.dilation]
    terms = math.prod(weight.shape[:-1])
    matrices = np.moveaxis(weight, -2, 0).reshape(terms, case.groups, -1).transpose(1, 0, 2)
    matrices = np.ascontiguousarray(matrices)

    def compute() -> FloatArray:
        padded = np.pad(x, ((0, 0), *case.padding, (0, 0)))
        windows = sliding_window_view(padded, reach, axes)[:, *steps, *taps]
        columns = windows.reshape(-1, case.groups, terms)  # a copy: windows is (n, *out, in, *k)
        y = columns.transpose(1, 0, 2) @ matrices
        return y.transpose(1, 0, 2).reshape(case.output_shape) + bias

    return Call(compute)
