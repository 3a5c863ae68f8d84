"""The float64 result of a case, and how far a result is from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .cases.case import Case, FloatArray


def reference(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, dy: FloatArray | None = None
) -> FloatArray:
    """The result in float64: for each tap of the kernel one product of matrices per group.

    Parameters
    ----------
    case : Case
    x, weight, bias, dy : ndarray
        As `Case.arrays` gives them.

    Returns
    -------
    ndarray, shape `case.output_shape`
        With gradients a row of all parts, as `Case.ends` says.
    """
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    y = _linear(case, x, weight) + bias
    if dy is None:
        return y
    dy, back = dy.astype(np.float64), _back(case)
    dw = _weight_gradient(back, dy, x) if case.transposed else _weight_gradient(case, x, dy)
    db = dy.reshape(-1, case.out_channels).sum(axis=0)
    return np.concatenate([part.ravel() for part in (y, _linear(back, dy, weight), dw, db)])


def errors(
    result: FloatArray, expected: FloatArray, ends: Sequence[int] = ()
) -> tuple[float, float]:
    """The greatest and the root-mean-square error, both over the rms of `expected`.

    Infinite where the shape is another one or a value is not finite. Of several parts, which end
    there, the worst.
    """
    if result.shape != expected.shape or not np.isfinite(result).all():
        return math.inf, math.inf
    found = []
    for part, wanted in zip(np.split(result, ends), np.split(expected, ends), strict=True):
        difference = part - wanted
        found.append((abs(difference).max() / _rms(wanted), _rms(difference) / _rms(wanted)))
    greatest, rms = map(max, zip(*found, strict=True))
    return float(greatest), float(rms)


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
        terms = case.in_channels // case.groups
        if case.gradients:
            pixels = case.batch * math.prod(case.output_size)
            terms = max(terms, case.out_channels // case.groups, pixels)
        greatest = 64 * epsilon * math.sqrt(terms)
    return greatest, 2**12 * epsilon


def _rms(values: FloatArray) -> float:
    return math.sqrt(np.vdot(values, values) / values.size)


def _back(case: Case) -> Case:
    """The layer with the same weight that takes the gradient of the output to the input's."""
    if case.transposed:
        between: tuple[int, ...] = (0,) * case.dims
    else:
        axes = zip(case.size, case.kernel, case.stride, case.padding, case.dilation, strict=True)
        between = tuple((n + sum(p) - d * (k - 1) - 1) % s for n, k, s, p, d in axes)
    return replace(
        case,
        size=case.output_size,
        in_channels=case.out_channels,
        out_channels=case.in_channels,
        transposed=not case.transposed,
        output_padding=between,
    )


def _linear(case: Case, x: FloatArray, weight: FloatArray) -> FloatArray:
    """The result without a bias."""
    compute = _transposed if case.transposed else _convolution
    y = compute(case, _by_group(x, case), weight)
    return np.moveaxis(y, 0, -2).reshape(case.output_shape)


def _by_group(x: FloatArray, case: Case) -> FloatArray:
    """(n, *size, c) to (groups, n, *size, c / groups)."""
    return np.moveaxis(x.reshape(*x.shape[:-1], case.groups, -1), -2, 0)


def _tap(tap: tuple[int, ...], pixels: tuple[int, ...], case: Case) -> tuple[slice, ...]:
    """Where one tap of the kernel lies for each of the `pixels`."""
    axes = zip(tap, pixels, case.stride, case.dilation, strict=True)
    return (..., *(slice(t * d, t * d + (n - 1) * s + 1, s) for t, n, s, d in axes), slice(None))


def _weight_gradient(case: Case, x: FloatArray, dy: FloatArray) -> FloatArray:
    """Of a convolution that is not transposed."""
    x = np.pad(_by_group(x, case), ((0, 0), (0, 0), *case.padding, (0, 0)))
    flat = _by_group(dy, case).reshape(case.groups, -1, case.out_channels // case.groups)
    dw = np.empty(case.weight_shape)
    for tap in np.ndindex(case.kernel):
        seen = x[_tap(tap, case.output_size, case)].reshape(case.groups, -1, x.shape[-1])
        dw[tap] = np.moveaxis(seen.swapaxes(1, 2) @ flat, 0, 1).reshape(case.weight_shape[-2:])
    return dw


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
