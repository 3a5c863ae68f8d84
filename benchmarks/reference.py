"""The float64 result of a case, and how far a result is from it."""

from __future__ import annotations

import math

import numpy as np

from .cases.case import Case, FloatArray


def reference(case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray) -> FloatArray:
    """The result in float64: for each tap of the kernel one product of matrices per group.

    Parameters
    ----------
    case : Case
    x, weight, bias : ndarray
        As `Case.arrays` gives them.

    Returns
    -------
    ndarray, shape `case.output_shape`
    """
    compute = _transposed if case.transposed else _convolution
    y = compute(case, _by_group(x.astype(np.float64), case), weight.astype(np.float64))
    return np.moveaxis(y, 0, -2).reshape(case.output_shape) + bias


def errors(result: FloatArray, expected: FloatArray) -> tuple[float, float]:
    """The greatest and the root-mean-square error, both over the rms of `expected`.

    Infinite where the shape is another one or a value is not finite.
    """
    if result.shape != expected.shape or not np.isfinite(result).all():
        return math.inf, math.inf
    difference = result - expected
    return float(abs(difference).max() / _rms(expected)), _rms(difference) / _rms(expected)


def right_within(case: Case, dtype: str) -> tuple[float, float]:
    """The greatest and the root-mean-square error that a right result may have.

    Winograd is right and inaccurate: in float32, F(6x6, 3x3) errs by some 1e-5, MNN's larger tiles
    by 4e-3 at most and 1.4e-4 rms. Arithmetic on bfloat16 operands errs by 1.1e-3 rms or more, a
    missing tap by about 1 / sqrt(taps). The bounds, 3e-2 and 4.9e-4 in float32, lie between.
    A pointwise kernel leaves no room for such transforms: there the first bound allows rounding
    alone, one epsilon * sqrt(terms) with room for the worst of many outputs.
    """
    epsilon = float(np.finfo(dtype).eps)
    greatest = 2**18 * epsilon
    if math.prod(case.kernel) == 1:
        greatest = 64 * epsilon * math.sqrt(case.in_channels // case.groups)
    return greatest, 2**12 * epsilon


def _rms(values: FloatArray) -> float:
    return math.sqrt(np.vdot(values, values) / values.size)


def _by_group(x: FloatArray, case: Case) -> FloatArray:
    """(n, *size, c) to (groups, n, *size, c / groups)."""
    return np.moveaxis(x.reshape(*x.shape[:-1], case.groups, -1), -2, 0)


def _tap(tap: tuple[int, ...], pixels: tuple[int, ...], case: Case) -> tuple[slice, ...]:
    """Where one tap of the kernel lies for each of the `pixels`."""
    axes = zip(tap, pixels, case.stride, case.dilation, strict=True)
    return (..., *(slice(t * d, t * d + (n - 1) * s + 1, s) for t, n, s, d in axes), slice(None))


def _convolution(case: Case, x: FloatArray, weight: FloatArray) -> FloatArray:
    x = np.pad(x, ((0, 0), (0, 0), *case.padding, (0, 0)))
    weight = np.moveaxis(weight.reshape(*weight.shape[:-1], case.groups, -1), -2, 0)
    outputs = weight.shape[-1]
    y = np.zeros((case.groups, case.batch, *case.output_size, outputs))
    for tap in np.ndindex(case.kernel):
        seen = x[_tap(tap, case.output_size, case)]
        flat = seen.reshape(case.groups, -1, seen.shape[-1])
        y += (flat @ weight[:, *tap]).reshape(y.shape)
    return y


def _transposed(case: Case, x: FloatArray, weight: FloatArray) -> FloatArray:
    weight = np.moveaxis(weight.reshape(*weight.shape[:-1], case.groups, -1), -2, 0)
    outputs = weight.shape[-2]
    uncut = (n + sum(p) for n, p in zip(case.output_size, case.padding, strict=True))
    y = np.zeros((case.groups, case.batch, *uncut, outputs))
    flat = x.reshape(case.groups, -1, x.shape[-1])
    for tap in np.ndindex(case.kernel):
        product = flat @ weight[:, *tap].swapaxes(-1, -2)
        y[_tap(tap, case.size, case)] += product.reshape(*x.shape[:-1], outputs)
    cut = zip(case.output_size, case.padding, strict=True)
    return y[:, :, *(slice(before, before + n) for n, (before, _) in cut)]
