"""How far from the oracle a result of the Fourier method may lie.

A transform of N points errs by at most log2(N) eta in the 2-norm, relatively, with eta = u +
gamma_4 (sqrt(2) + u) (Higham, Accuracy and Stability, 2nd ed., theorem 24.2; the roots of unity are
correctly rounded). A block's inputs are transformed, multiplied by the filter's spectrum, which is
rounded once, summed over channels, and transformed back. So the outputs of a block err in the
2-norm by at most

    sum over c channels of  max |filter's spectrum|  ||inputs||  (2 log2(N) eta + gamma_(2 c + 6))

They err alike: none by more than `reference.LAMBDA` times the root mean square.
"""

import math

import numpy as np
import reference

from fastconv.fourier import block_length

FEW = 4  # roundings after the transforms: bias, residual, slope and its product


def _row(dtype, length, x, weight):
    """The bound on rows (n, h, w, c) that are padded, for (k, c, f)."""
    unit = np.finfo(dtype).eps / 2
    taps, depth, filters = weight.shape
    step = length - taps + 1
    outputs = x.shape[2] - taps + 1
    eta = unit + reference.gamma(4, unit) * (math.sqrt(2) + unit)
    relative = 2 * math.log2(length) * eta + reference.gamma(2 * depth + 6, unit)
    peak = abs(np.fft.rfft(weight, length, axis=0)).max(axis=0)
    bound = np.empty((*x.shape[:2], outputs, filters))
    tiny = float(np.finfo(dtype).smallest_subnormal)
    for start in range(0, outputs, step):
        norm = np.linalg.norm(x[:, :, start : start + length], axis=2) + length * tiny
        error = reference.LAMBDA * relative / math.sqrt(length) * (norm @ peak)
        bound[:, :, start : start + step] = error[:, :, None] + length * tiny
    return bound


def tolerance(dtype, x, weight, bias=None, *, residual=None, **parameters):
    """As reference.tolerance."""
    if weight.ndim == 3:
        x, weight = x[:, None], weight[None]
        residual = None if residual is None else residual[:, None]
        for name in ("stride", "dilation"):
            parameters[name] = (1, *parameters.get(name, (1,)))
        parameters["padding"] = ((0, 0), *parameters.get("padding", ((0, 0),)))
        return tolerance(dtype, x, weight, bias, residual=residual, **parameters)[:, 0]
    oracles = reference.tolerance(np.float64, x, weight, bias, residual=residual, **parameters)
    groups = parameters.get("groups", 1)
    padded = reference.pad(
        x.astype(np.float64),
        parameters.get("padding", ((0, 0), (0, 0))),
        parameters.get("pad_mode", "constant"),
        np.float64(x.dtype.type(parameters.get("pad_value", 0.0))),
    )
    upright = weight.shape[0] > 1
    taps = weight.astype(np.float64)[:, 0] if upright else weight.astype(np.float64)[0]
    length = block_length(len(taps), x.shape[3])
    rows = padded.swapaxes(1, 2) if upright else padded
    both = zip(np.split(rows, groups, axis=3), np.split(taps, groups, axis=2), strict=True)
    error = np.concatenate([_row(dtype, length, *group) for group in both], axis=3)
    error = error.swapaxes(1, 2) if upright else error
    for added in (bias, residual):
        if added is not None:
            error = error + reference.gamma(FEW, np.finfo(dtype).eps / 2) * abs(
                added.astype(np.float64)
            )
    slope = max(1.0, abs(parameters.get("slope", 1.0)))
    return slope * (1 + reference.gamma(FEW, np.finfo(dtype).eps / 2)) * error + oracles
