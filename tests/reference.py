"""The oracle: convolution in float64, written to be read, and how far from it a result may lie.

x is (n, h, w, c), weight is (kh, kw, c / groups, o); output pixel (p, q) of filter f is

    sum over i, j, c of  padded[n, p * stride + i * dilation, q * stride + j * dilation, c]
                         * weight[i, j, c, f]   + bias[f] + residual[n, p, q, f]

with c running over the channels of f's group, and `padded` made by np.pad with the same mode.
"""

import math

import numpy as np

LAMBDA = 4.0

# name -> (slope below zero, upper limit)
ACTIVATIONS = {None: (1.0, math.inf), "relu": (0.0, math.inf), "relu6": (0.0, 6.0)}


def extent(kernel, dilation):
    """How many positions a kernel reaches over."""
    return (kernel - 1) * dilation + 1


def sides(padding, size, kernel, stride, dilation):
    """The padding of every axis as ((before, after), ...), from any form that fastconv takes."""
    axes = len(size)
    if padding == "valid":
        return ((0, 0),) * axes
    if padding == "causal":
        return tuple((extent(k, d) - 1, 0) for k, d in zip(kernel, dilation, strict=True))
    if padding == "same":  # ONNX SAME_UPPER: ceil(size / stride) outputs, the odd one at the end
        totals = [
            max((math.ceil(n / s) - 1) * s + extent(k, d) - n, 0)
            for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
        ]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, int):
        return ((padding, padding),) * axes
    if axes == 2 and len(padding) == 2:
        return tuple((p, p) for p in padding)
    return tuple(zip(padding[::2], padding[1::2], strict=True))


def pad(x, padding, pad_mode="constant", pad_value=0.0):
    """x with its height and width padded; `padding` as from `sides`."""
    widths = ((0, 0), *padding, (0, 0))
    if pad_mode == "constant":
        return np.pad(x, widths, constant_values=pad_value)
    return np.pad(x, widths, mode=pad_mode)


def activate(y, slope, upper):
    """y where it is not negative, else slope * y (slope 0 gives 0), at most upper; NaN stays."""
    below = slope * y if slope else np.zeros_like(y)
    return np.where(np.isnan(y), y, np.minimum(np.where(y >= 0, y, below), upper))


def conv2d(
    x,
    weight,
    bias=None,
    *,
    stride=(1, 1),
    padding=((0, 0), (0, 0)),
    dilation=(1, 1),
    groups=1,
    pad_mode="constant",
    pad_value=0.0,
    residual=None,
    slope=1.0,
    upper=math.inf,
):
    """The convolution, summed filter tap by filter tap. Slope 1 and no limit: no activation."""
    pad_value = x.dtype.type(pad_value)  # fastconv's pad value has the dtype of x
    weight = weight.astype(np.float64)
    padded = pad(x.astype(np.float64), padding, pad_mode, np.float64(pad_value))
    kh, kw, _, filters = weight.shape
    oh = (padded.shape[1] - extent(kh, dilation[0])) // stride[0] + 1
    ow = (padded.shape[2] - extent(kw, dilation[1])) // stride[1] + 1
    y = np.zeros((x.shape[0], oh, ow, filters))
    x_groups = np.split(padded, groups, axis=3)
    weight_groups = np.split(weight, groups, axis=3)
    y_groups = np.split(y, groups, axis=3)  # views
    for xg, wg, yg in zip(x_groups, weight_groups, y_groups, strict=True):
        for i in range(kh):
            for j in range(kw):
                top, left = i * dilation[0], j * dilation[1]
                rows = slice(top, top + (oh - 1) * stride[0] + 1, stride[0])
                columns = slice(left, left + (ow - 1) * stride[1] + 1, stride[1])
                with np.errstate(invalid="ignore"):  # BLAS multiplies infinities by its zeros
                    yg += np.tensordot(xg[:, rows, columns], wg[i, j], axes=1)
    if bias is not None:
        y += bias
    if residual is not None:
        y += residual
    return activate(y, slope, upper)


def conv1d(x, weight, bias=None, *, residual=None, **parameters):
    """conv2d with one row: x (n, l, c), weight (k, c / groups, o), parameters 1-tuples."""
    for name in ("stride", "dilation"):
        parameters[name] = (1, *parameters.get(name, (1,)))
    parameters["padding"] = ((0, 0), *parameters.get("padding", ((0, 0),)))
    residual = None if residual is None else residual[:, None]
    return conv2d(x[:, None], weight[None], bias, residual=residual, **parameters)[:, 0]


def gamma(n, unit_roundoff):
    """Bound on |error| / sum |terms| of a sum of n products, in any order, fused or not.

    Every term passes through at most n roundings, so its factor lies within (1 + u)^(+-n):
    gamma_n = n u / (1 - n u) (Higham, Accuracy and Stability, 2nd ed., section 3.1). For long
    sums that would let a forgotten term pass, and roundings do not all have one sign: with
    probability at least 1 - 2 exp(-LAMBDA^2 / 2) a term, far more in practice because partial
    sums are smaller than sum |terms|, exp(LAMBDA sqrt(n) u + n u^2 / (1 - u)) - 1 holds
    (Higham and Mary, SIAM J. Sci. Comput. 41, 2019). The smaller of the two.
    """
    u = unit_roundoff
    worst = n * u / (1 - n * u)
    likely = math.expm1(LAMBDA * math.sqrt(n) * u + n * u * u / (1 - u))
    return min(worst, likely)


def tolerance(dtype, x, weight, bias=None, *, slope=1.0, upper=math.inf, residual=None, **rest):
    """How far from the oracle each output may be, for finite operands of this dtype.

    The terms are the products of the reduction, the bias, the residual; two roundings more for
    the slope and its product. `upper` is exact and no activation stretches a difference by more
    than max(1, |slope|). The oracle itself rounds as well, in float64; a product may underflow.
    """
    del upper
    convolve = conv2d if weight.ndim == 4 else conv1d
    magnitude = convolve(
        abs(x),
        abs(weight),
        None if bias is None else abs(bias),
        residual=None if residual is None else abs(residual),
        **{**rest, "pad_value": abs(rest.get("pad_value", 0.0))},
    )
    terms = math.prod(weight.shape[:-1]) + 4
    relative = sum(gamma(terms, np.finfo(d).eps / 2) for d in (dtype, np.float64))
    return max(1.0, abs(slope)) * relative * magnitude + terms * np.finfo(dtype).smallest_subnormal


def conv_transpose2d(
    x,
    weight,
    bias=None,
    *,
    stride=(1, 1),
    padding=((0, 0), (0, 0)),
    output_padding=(0, 0),
    dilation=(1, 1),
    groups=1,
    residual=None,
    slope=1.0,
    upper=math.inf,
):
    """The transposed convolution: every input added to the outputs that it reaches, tap by tap.

    x is (n, h, w, c), weight (kh, kw, o / groups, c). The whole output, of which padding leaves
    some out, has (size - 1) * stride + dilation * (kernel - 1) + output_padding + 1 pixels.
    """
    n, h, w, _ = x.shape
    kh, kw, _, _ = weight.shape
    x_groups = np.split(x.astype(np.float64), groups, axis=3)
    weight_groups = np.split(weight.astype(np.float64), groups, axis=3)
    whole = [
        (size - 1) * s + extent(k, d) + more
        for size, s, k, d, more in zip(
            (h, w), stride, (kh, kw), dilation, output_padding, strict=True
        )
    ]
    y = np.zeros((n, *whole, weight.shape[2] * groups))
    y_groups = np.split(y, groups, axis=3)  # views
    for xg, wg, yg in zip(x_groups, weight_groups, y_groups, strict=True):
        for i in range(kh):
            for j in range(kw):
                top, left = i * dilation[0], j * dilation[1]
                rows = slice(top, top + (h - 1) * stride[0] + 1, stride[0])
                columns = slice(left, left + (w - 1) * stride[1] + 1, stride[1])
                with np.errstate(invalid="ignore"):  # BLAS multiplies infinities by its zeros
                    yg[:, rows, columns] += np.tensordot(xg, wg[i, j], axes=(3, 1))
    (top, bottom), (left, right) = padding
    y = y[:, top : whole[0] - bottom, left : whole[1] - right]
    if bias is not None:
        y = y + bias
    if residual is not None:
        y = y + residual
    return activate(y, slope, upper)


def transposed_tolerance(
    dtype, x, weight, bias=None, *, slope=1.0, upper=math.inf, residual=None, **rest
):
    """As `tolerance`, of sums in which every tap of the filter may be a term."""
    del upper
    magnitude = conv_transpose2d(
        abs(x),
        abs(weight),
        None if bias is None else abs(bias),
        residual=None if residual is None else abs(residual),
        **rest,
    )
    terms = weight.shape[0] * weight.shape[1] * (weight.shape[3] // rest.get("groups", 1)) + 4
    relative = sum(gamma(terms, np.finfo(d).eps / 2) for d in (dtype, np.float64))
    return max(1.0, abs(slope)) * relative * magnitude + terms * np.finfo(dtype).smallest_subnormal


def conv2d_weight_grad(
    x, dy, kernel_shape, *, stride, padding, dilation, groups, pad_mode="constant", pad_value=0.0
):
    """The gradient of conv2d's filter: for each tap and pair of channels a sum over all pixels."""
    padded = pad(x.astype(np.float64), padding, pad_mode, np.float64(x.dtype.type(pad_value)))
    kh, kw = kernel_shape[:2]
    oh, ow = dy.shape[1:3]
    dw = np.zeros(kernel_shape)
    x_groups = np.split(padded, groups, axis=3)
    dy_groups = np.split(dy.astype(np.float64), groups, axis=3)
    dw_groups = np.split(dw, groups, axis=3)  # views
    for xg, dyg, dwg in zip(x_groups, dy_groups, dw_groups, strict=True):
        for i in range(kh):
            for j in range(kw):
                top, left = i * dilation[0], j * dilation[1]
                rows = slice(top, top + (oh - 1) * stride[0] + 1, stride[0])
                columns = slice(left, left + (ow - 1) * stride[1] + 1, stride[1])
                dwg[i, j] = np.tensordot(xg[:, rows, columns], dyg, axes=([0, 1, 2],) * 2)
    return dw


def conv2d_input_grad(
    dy, weight, input_shape, *, stride, padding, dilation, groups, pad_mode="constant"
):
    """The gradient of conv2d's input: each output's is added to all that it was made from."""
    n, h, w, c = input_shape
    (top, bottom), (left, right) = padding
    dx = np.zeros((n, top + h + bottom, left + w + right, c))
    oh, ow = dy.shape[1:3]
    dy_groups = np.split(dy.astype(np.float64), groups, axis=3)
    weight_groups = np.split(weight.astype(np.float64), groups, axis=3)
    dx_groups = np.split(dx, groups, axis=3)  # views
    for dyg, wg, dxg in zip(dy_groups, weight_groups, dx_groups, strict=True):
        for i, j in np.ndindex(weight.shape[:2]):
            rows = slice(i * dilation[0], i * dilation[0] + (oh - 1) * stride[0] + 1, stride[0])
            columns = slice(j * dilation[1], j * dilation[1] + (ow - 1) * stride[1] + 1, stride[1])
            dxg[:, rows, columns] += np.tensordot(dyg, wg[i, j], axes=(3, 1))
    if pad_mode == "constant":
        return dx[:, top : top + h, left : left + w]
    folded = np.zeros((n, h, w, c))
    sources = [np.pad(np.arange(s), p, mode=pad_mode) for s, p in zip((h, w), padding, strict=True)]
    np.add.at(folded, (slice(None), *np.ix_(*sources)), dx)
    return folded
