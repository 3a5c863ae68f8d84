"""Convolution as functions: nothing is kept between calls, so the filter is packed in each.

Call a layer (such as `fastconv.Conv2d`) to convolve with one filter again and again.
"""

from typing import Any

import numpy as np

from . import planning, transposed
from .algorithms import Algorithm, Call
from .arrays import ArrayLike, FloatArray, take, usable
from .levels import running
from .problem import (
    Activation,
    ConvProblem,
    ConvSpec,
    Padding,
    PadMode,
    Sizes,
    TransposedProblem,
    TransposedSpec,
    integer,
    nhwc,
)


def _conv(
    dims: int,
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    residual: ArrayLike | None,
    algorithm: str,
    out: Any,
    num_threads: int | None,
    **parameters: Any,
) -> FloatArray:
    w = take_filter(dims, weight, "in_channels / groups, out_channels")
    image = take(x, "x", np.dtype(w.dtype.type))
    spec = ConvSpec.build(
        dims,
        kernel_size=w.shape[:2] if dims == 2 else w.shape[0],
        in_channels=nhwc(image.shape, dims, channels_first=False)[-1],
        out_channels=w.shape[-1],
        dtype=image.dtype,
        **parameters,
    )
    w = take(w, "weight", spec.dtype, spec.weight_shape)
    b = None if bias is None else take(bias, "bias", spec.dtype, (spec.out_channels,))
    problem = ConvProblem.build(spec, image.shape)
    planning.check(spec, algorithm)

    def prepare() -> Call:
        packed_bias = None if b is None else np.ascontiguousarray(usable(b))
        return bind(problem, usable(w), packed_bias, algorithm, num_threads)

    constants = (("weight", w), ("bias", b))
    return planning.execute(problem, image, residual, out, num_threads, constants, prepare)


def take_filter(dims: int, weight: ArrayLike, channels: str) -> FloatArray:
    """A filter as an array of so many axes; `channels` says what its last two are."""
    w = take(weight, "weight")
    if w.ndim != dims + 2:
        kernel = "kh, kw" if dims == 2 else "k"
        raise ValueError(
            f"weight must have shape ({kernel}, {channels}); got weight.shape={w.shape}"
        )
    return w


def bind(
    problem: ConvProblem,
    weight: FloatArray,
    bias: FloatArray | None,
    algorithm: str,
    num_threads: int | None,
) -> Call:
    """A call that solves `problem` with a filter that is packed for it alone."""
    level = running()

    def make(chosen: Algorithm) -> Call:
        packed = chosen.filter(problem.spec, level)
        chosen.pack(packed, problem.spec, weight, bias, num_threads)
        return chosen.bind(problem, packed)

    return planning.prepare(problem, algorithm, level, make, reused=False, num_threads=num_threads)


def bind_transposed(
    problem: TransposedProblem,
    weight: FloatArray,
    bias: FloatArray | None,
    algorithm: str,
    num_threads: int | None,
) -> transposed.TransposedCall:
    """A call that solves `problem` with filters that are packed for it alone."""

    def make(part: transposed.Part, name: str) -> Call:
        return bind(part.problem, part.filter(weight), part.bias(bias), name, num_threads)

    return transposed.prepare(problem, algorithm, make)


def _conv_transpose(
    dims: int,
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    residual: ArrayLike | None,
    algorithm: str,
    out: Any,
    num_threads: int | None,
    **parameters: Any,
) -> FloatArray:
    w = take_filter(dims, weight, "out_channels / groups, in_channels")
    image = take(x, "x", np.dtype(w.dtype.type))
    groups = integer(parameters["groups"], "groups", 1)
    spec = TransposedSpec.build(
        dims,
        kernel_size=w.shape[:2] if dims == 2 else w.shape[0],
        in_channels=nhwc(image.shape, dims, channels_first=False)[-1],
        out_channels=w.shape[-2] * groups,
        dtype=image.dtype,
        **parameters,
    )
    w = take(w, "weight", spec.dtype, spec.weight_shape)
    b = None if bias is None else take(bias, "bias", spec.dtype, (spec.out_channels,))
    problem = TransposedProblem.build(spec, image.shape)
    transposed.check(spec, algorithm)

    def prepare() -> transposed.TransposedCall:
        packed_bias = None if b is None else np.ascontiguousarray(usable(b))
        return bind_transposed(problem, usable(w), packed_bias, algorithm, num_threads)

    constants = (("weight", w), ("bias", b))
    return planning.execute(problem, image, residual, out, num_threads, constants, prepare)


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    pad_mode: PadMode = "constant",
    pad_value: float = 0.0,
    activation: Activation = None,
    residual: ArrayLike | None = None,
    algorithm: str = "auto",
    out: FloatArray | None = None,
    num_threads: int | None = None,
) -> FloatArray:
    """2-D convolution (cross-correlation, as neural networks have it) of channels-last arrays.

    ``y[n, i, j, o] = act(sum(x[n, i*stride + a*dilation, j*stride + b*dilation, c] *
    weight[a, b, c, o]) + bias[o] + residual[n, i, j, o])``, with `x` padded.

    Parameters
    ----------
    x : array-like, shape (n, h, w, c) or (h, w, c)
        An ndarray, or an object with ``__dlpack__`` or ``__array_interface__`` in CPU memory. Any
        strides are read in place; an unaligned or byte-swapped array is copied first.
    weight : array-like, shape (kh, kw, c / groups, o)
        float32 or float64; all other arrays must have its dtype.
    bias : array-like, shape (o,), optional
    stride, dilation : int or (h, w)
    padding : int, (h, w), (top, bottom, left, right), "same" or "valid"
        "same" gives ``ceil(size / stride)`` outputs, with an odd padding at the end (ONNX's
        SAME_UPPER).
    groups : int
        Channels are split into this many groups, each convolved by itself.
    pad_mode : {"constant", "edge", "reflect", "symmetric", "wrap"}
        As in `numpy.pad`.
    pad_value : float
        What "constant" pads with.
    activation : {None, "relu", "relu6", "leaky_relu"} or ("leaky_relu", slope)
        Applied last. The slope is 0.01 by default.
    residual : array-like, shape of the result, optional
        Added before the activation. Copied first unless its channels are neighbours in memory.
    algorithm : {"auto", "measure"} or str
        "auto" takes the cheapest by estimate, the filter's packing included. "measure" times the
        candidates in the first call for each problem and remembers the fastest (`save_wisdom`). A
        named one, such as "direct", runs or raises; `explain` shows them all.
    out : ndarray, optional
        Where to put the result: of its shape and dtype, any strides, no memory shared with another
        argument. Nothing is written if anything is wrong.
    num_threads : int, optional
        At most this many threads; by default as many as gain and the process may use. A forked
        child always uses 1.

    Returns
    -------
    ndarray, shape (n, oh, ow, o) or (oh, ow, o)
        `out` if that is given.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.

    Examples
    --------
    >>> x = np.ones((1, 4, 4, 1), np.float32)
    >>> conv2d(x, np.ones((3, 3, 1, 1), np.float32))[0, :, :, 0]
    array([[9., 9.],
           [9., 9.]], dtype=float32)
    """
    return _conv(
        2,
        x,
        weight,
        bias,
        residual,
        algorithm,
        out,
        num_threads,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        pad_mode=pad_mode,
        pad_value=pad_value,
        activation=activation,
    )


def conv1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int = 1,
    padding: Padding = 0,
    dilation: int = 1,
    groups: int = 1,
    pad_mode: PadMode = "constant",
    pad_value: float = 0.0,
    activation: Activation = None,
    residual: ArrayLike | None = None,
    algorithm: str = "auto",
    out: FloatArray | None = None,
    num_threads: int | None = None,
) -> FloatArray:
    """1-D convolution (cross-correlation, as neural networks have it) of channels-last arrays.

    Parameters
    ----------
    x : array-like, shape (n, l, c) or (l, c)
    weight : array-like, shape (k, c / groups, o)
        float32 or float64; all other arrays must have its dtype.
    bias : array-like, shape (o,), optional
    stride, dilation : int
    padding : int, (left, right), "same", "valid" or "causal"
        "causal" puts ``dilation * (k - 1)`` on the left, so that no output sees a later input.
    groups, pad_mode, pad_value, activation, residual, algorithm, out, num_threads
        As in `conv2d`.

    Returns
    -------
    ndarray, shape (n, ol, o) or (ol, o)
        `out` if that is given.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.

    Examples
    --------
    >>> conv1d(np.arange(4.0)[:, None], np.ones((2, 1, 1)), padding="causal")[:, 0]
    array([0., 1., 3., 5.])
    """
    return _conv(
        1,
        x,
        weight,
        bias,
        residual,
        algorithm,
        out,
        num_threads,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        pad_mode=pad_mode,
        pad_value=pad_value,
        activation=activation,
    )


def conv_transpose2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    activation: Activation = None,
    residual: ArrayLike | None = None,
    algorithm: str = "auto",
    out: FloatArray | None = None,
    num_threads: int | None = None,
) -> FloatArray:
    """2-D transposed convolution of channels-last arrays: the gradient of `conv2d`'s input.

    Each input adds its multiples of the filter to the output, `stride` from where its neighbour
    does: ``x[n, i, j, c] * weight[a, b, o, c]`` is a term of ``y[n, i*stride + a*dilation - top,
    j*stride + b*dilation - left, o]``; bias, residual and activation follow. It is computed as
    convolutions of stride 1: zeros between the inputs are neither stored nor multiplied.

    Parameters
    ----------
    x : array-like, shape (n, h, w, c) or (h, w, c)
        As in `conv2d`.
    weight : array-like, shape (kh, kw, o / groups, c)
        float32 or float64; all other arrays must have its dtype. The weight of the `conv2d` of
        which it is the gradient.
    bias : array-like, shape (o,), optional
    stride, dilation : int or (h, w)
    padding : int, (h, w) or (top, bottom, left, right)
        Outputs that are left out at the sides.
    output_padding : int or (h, w)
        Outputs more at the bottom and on the right; less than stride or dilation. The output has
        ``(h - 1) * stride - top - bottom + dilation * (kh - 1) + output_padding + 1`` rows.
    groups : int
        Channels are split into this many groups, each by itself.
    activation, residual, algorithm, out, num_threads
        As in `conv2d`. A residual whose last two axes are not contiguous may be copied first. An
        algorithm is that of each of the convolutions.

    Returns
    -------
    ndarray, shape (n, oh, ow, o) or (oh, ow, o)
        `out` if that is given.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.

    Notes
    -----
    ONNX's ConvTranspose gives an `output_shape`, or asks for ``size * stride`` outputs with an
    `auto_pad`. With ``total = (size - 1) * stride + dilation * (kernel - 1) + output_padding + 1 -
    output`` for an axis, the padding before it is ``total // 2`` for SAME_UPPER, else ``total -
    total // 2``, and that after it is the rest; where `total` is negative, there is no padding and
    so much more `output_padding` (https://onnx.ai/onnx/operators/onnx__ConvTranspose.html).

    Examples
    --------
    >>> x = np.array([[1.0, 2.0]])[..., None]
    >>> conv_transpose2d(x, np.ones((1, 3, 1, 1)), stride=2)[..., 0]
    array([[1., 1., 3., 2., 2.]])
    """
    return _conv_transpose(
        2,
        x,
        weight,
        bias,
        residual,
        algorithm,
        out,
        num_threads,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
        groups=groups,
        activation=activation,
    )


def conv_transpose1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    activation: Activation = None,
    residual: ArrayLike | None = None,
    algorithm: str = "auto",
    out: FloatArray | None = None,
    num_threads: int | None = None,
) -> FloatArray:
    """1-D transposed convolution of channels-last arrays: the gradient of `conv1d`'s input.

    Parameters
    ----------
    x : array-like, shape (n, l, c) or (l, c)
    weight : array-like, shape (k, o / groups, c)
        float32 or float64; all other arrays must have its dtype.
    bias : array-like, shape (o,), optional
    stride, dilation : int or (1, int)
    padding : int, (left, right) or (0, 0, left, right)
        Outputs that are left out at the sides.
    output_padding : int or (0, int)
        Outputs more on the right; less than stride or dilation. The output has ``(l - 1) * stride -
        left - right + dilation * (k - 1) + output_padding + 1`` samples.
    groups, activation, residual, algorithm, out, num_threads
        As in `conv_transpose2d`.

    Returns
    -------
    ndarray, shape (n, ol, o) or (ol, o)
        `out` if that is given.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.

    Examples
    --------
    >>> conv_transpose1d(np.arange(1.0, 4.0)[:, None], np.ones((2, 1, 1)), stride=2)[:, 0]
    array([1., 1., 2., 2., 3., 3.])
    """
    return _conv_transpose(
        1,
        x,
        weight,
        bias,
        residual,
        algorithm,
        out,
        num_threads,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
        groups=groups,
        activation=activation,
    )
