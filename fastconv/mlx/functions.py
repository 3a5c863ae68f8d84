"""`conv1d`, `conv2d`, `conv_transpose1d`, `conv_transpose2d` and `conv_general`, as MLX has them.

All are `conv_general`: one convolution or, where the input is dilated, one transposed convolution.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functional
from ..arrays import ArrayLike, FloatArray, take
from ..problem import Pair, integer

_LEAST = 1 - 2**31  # of padding: MLX takes a negative one as pixels to leave out


def _array(value: Any, name: str) -> FloatArray:
    """MLX refuses integers by ValueError, and what is no array by TypeError."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biu":
        raise ValueError(f"{name} must be of floating point; got {name}.dtype={value.dtype}")
    return take(value, name)


def _sizes(value: Any, name: str, dims: int, least: int) -> Pair:
    """An int, or a sequence of one or `dims`; what it says of the rows of 1-D does nothing."""
    values = value if isinstance(value, tuple | list) else (value,)
    if len(values) not in (1, dims):
        raise ValueError(f"{name} must be an int or {dims} ints; got {name}={value!r}")
    numbers = [integer(item, name, least) for item in values]
    return (max(least, 0) if dims == 1 else numbers[0], numbers[-1])


def exact(value: Any, name: str, dims: int) -> None:
    """What is not general takes one int, for 2-D two as well; all else is no such type."""
    long = isinstance(value, tuple | list) and (dims == 1 or len(value) != dims)
    if long or isinstance(value, str):
        ints = "an int" if dims == 1 else "an int or 2 ints"
        raise TypeError(f"{name} must be {ints}; got {name}={value!r}")


def _crop(size: int, low: int, high: int) -> slice:
    """The pixels that negative padding leaves."""
    first = max(-low, 0)
    return slice(first, max(size - max(-high, 0), first))


def _convolve(
    x: FloatArray,
    w: FloatArray,
    stride: Pair,
    low: Pair,
    high: Pair,
    dilation: Pair,
    groups: int,
) -> FloatArray:
    """The convolution of NHWC by OHWI, with padding that may be negative."""
    rows, columns = map(_crop, x.shape[1:3], low, high)
    top, left, bottom, right = (max(side, 0) for side in (*low, *high))
    return functional.conv2d(
        x[:, rows, columns],
        w.transpose(1, 2, 3, 0),
        stride=stride,
        padding=(top, bottom, left, right),
        dilation=dilation,
        groups=groups,
    )


def _transposed(
    x: FloatArray,
    w: FloatArray,
    stride: Pair,
    low: Pair,
    high: Pair,
    dilation: Pair,
    input_dilation: Pair,
    groups: int,
) -> FloatArray:
    """The same with a dilated input and the filter flipped.

    Without padding each axis has ``dilation * (k - 1)`` outputs fewer at either end than the
    transposed convolution, which leaves out that much; more padding than that adds zeros.
    """
    o, kh, kw, c = w.shape
    ends = [d * (k - 1) for d, k in zip(dilation, (kh, kw), strict=True)]
    sides = [(end - a, end - b) for end, a, b in zip(ends, low, high, strict=True)]
    for i, size in enumerate(x.shape[1:3]):
        padded = (size - 1) * input_dilation[i] + 1 + low[i] + high[i]
        if padded <= ends[i]:
            raise ValueError(
                "kernel larger than the padded input; "
                f"got dilated kernel {ends[i] + 1}, padded input {padded}"
            )
    grouped = w.reshape(groups, o // groups, kh, kw, c).transpose(2, 3, 1, 0, 4)
    # where zeros are added nothing is left out before: it may be all that is not among them
    inner = [side if min(side) >= 0 else (0, 0) for side in sides]
    y = functional.conv_transpose2d(
        x,
        grouped.reshape(kh, kw, o // groups, groups * c),
        stride=input_dilation,
        padding=inner[0] + inner[1],
        dilation=dilation,
        groups=groups,
    )
    if inner != sides:
        outer = [side if side != done else (0, 0) for side, done in zip(sides, inner, strict=True)]
        y = np.pad(y, ((0, 0), *((max(-a, 0), max(-b, 0)) for a, b in outer), (0, 0)))
        rows, columns = (
            _crop(size, -a, -b) for size, (a, b) in zip(y.shape[1:3], outer, strict=True)
        )
        y = y[:, rows, columns]
    return y[:, :: stride[0], :: stride[1]]


def _general(
    input: Any,
    weight: Any,
    stride: Any,
    low: Any,
    high: Any,
    kernel_dilation: Any,
    input_dilation: Any,
    groups: Any,
    flip: Any,
    stream: Any,
    dims: int | None = None,
) -> FloatArray:
    """`conv_general` with padding before and after apart, for as many axes as `input` has."""
    if stream is not None:
        raise TypeError(f"stream must be None, as fastconv has none; got stream={stream!r}")
    x, w = _array(input, "input"), _array(weight, "weight")
    if dims is None:
        dims = x.ndim - 2
        if dims not in (1, 2):
            raise ValueError(f"input must have 1 or 2 axes of pixels; got input.shape={x.shape}")
    pixels, kernel = ("l", "k") if dims == 1 else ("h, w", "kh, kw")
    for array, name, axes in (
        (x, "input", f"(n, {pixels}, in_channels)"),
        (w, "weight", f"(out_channels, {kernel}, in_channels / groups)"),
    ):
        if array.ndim != dims + 2:
            raise ValueError(f"{name} must have shape {axes}; got {name}.shape={array.shape}")
    groups = integer(groups, "groups", 1)
    if x.shape[-1] != w.shape[-1] * groups or w.shape[0] % groups:
        raise ValueError(
            "weight must have in_channels / groups channels, and filters divisible by groups; "
            f"got input.shape={x.shape}, weight.shape={w.shape}, groups={groups}"
        )
    strides = _sizes(stride, "stride", dims, 1)
    dilation = _sizes(kernel_dilation, "kernel_dilation", dims, 1)
    spread = _sizes(input_dilation, "input_dilation", dims, 1)
    before, after = (_sizes(pad, "padding", dims, _LEAST) for pad in (low, high))
    if dims == 1:
        x, w = x[:, None], w[:, None]
    if bool(flip) != (spread != (1, 1)):  # a transposed convolution flips it
        w = w[:, ::-1, ::-1]
    if spread == (1, 1):
        y = _convolve(x, w, strides, before, after, dilation, groups)
    else:
        y = _transposed(x, w, strides, before, after, dilation, spread, groups)
    return y[:, 0] if dims == 1 else y


def conv_general(
    input: ArrayLike,
    weight: ArrayLike,
    /,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | tuple[Sequence[int], Sequence[int]] = 0,
    kernel_dilation: int | Sequence[int] = 1,
    input_dilation: int | Sequence[int] = 1,
    groups: int = 1,
    flip: bool = False,
    *,
    stream: None = None,
) -> FloatArray:
    """1-D or 2-D convolution of a padded and dilated input.

    Parameters
    ----------
    input : array-like, shape (n, l, c) or (n, h, w, c)
    weight : array-like, shape (o, k, c / groups) or (o, kh, kw, c / groups)
    stride, kernel_dilation : int or sequence of int
        One for all axes, or one for each.
    padding : int, sequence of int or pair of such
        Zeros on either side; a pair is before and after. Negative: pixels left out.
    input_dilation : int or sequence of int
        Distance of neighbouring inputs, with zeros between them. With this above 1, a `stride`
        above 1 costs as much as stride 1.
    groups : int
    flip : bool
        Whether to flip the filter: convolution in the sense of signal processing.
    stream : None

    Returns
    -------
    ndarray, shape (n, ol, o) or (n, oh, ow, o)

    Raises
    ------
    TypeError
        If an argument has a type or a dtype that fastconv does not take.
    ValueError
        If it has the wrong value or shape, or integers.

    Examples
    --------
    >>> x = np.arange(1.0, 4.0).reshape(1, 3, 1)
    >>> conv_general(x, np.ones((1, 2, 1)), padding=([1], [0]), input_dilation=2)[0, :, 0]
    array([1., 1., 2., 2., 3.])
    """
    pair = isinstance(padding, tuple | list) and any(isinstance(p, tuple | list) for p in padding)
    if pair and len(padding) != 2:  # type: ignore[arg-type]  # a sequence, as was seen
        raise ValueError(f"padding must be a pair if it holds sequences; got padding={padding!r}")
    low, high = padding if pair else (padding, padding)  # type: ignore[misc]
    return _general(
        input, weight, stride, low, high, kernel_dilation, input_dilation, groups, flip, stream
    )


def _conv(
    dims: int,
    input: ArrayLike,
    weight: ArrayLike,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    stream: Any,
) -> FloatArray:
    for name, value in (("stride", stride), ("padding", padding), ("dilation", dilation)):
        exact(value, name, dims)
    return _general(
        input, weight, stride, padding, padding, dilation, 1, groups, False, stream, dims
    )


def _conv_transpose(
    dims: int,
    input: ArrayLike,
    weight: ArrayLike,
    stride: Any,
    padding: Any,
    dilation: Any,
    output_padding: Any,
    groups: Any,
    stream: Any,
) -> FloatArray:
    """A dilated input, padded by what leaves `padding` outputs out on either side."""
    for name, value in (
        *(("stride", stride), ("padding", padding)),
        *(("dilation", dilation), ("output_padding", output_padding)),
    ):
        exact(value, name, dims)
    kernel = _array(weight, "weight").shape[1:-1][-dims:]
    spread = _sizes(dilation, "dilation", dims, 1)[-dims:]
    left_out = _sizes(padding, "padding", dims, _LEAST)[-dims:]
    more = _sizes(output_padding, "output_padding", dims, _LEAST)[-dims:]
    low = [d * (k - 1) - p for d, k, p in zip(spread, kernel, left_out, strict=False)]
    high = [side + m for side, m in zip(low, more, strict=False)]
    return _general(input, weight, 1, low, high, dilation, stride, groups, True, stream, dims)


def conv1d(
    input: ArrayLike,
    weight: ArrayLike,
    /,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    *,
    stream: None = None,
) -> FloatArray:
    """1-D convolution of ``(n, l, c)`` with a filter ``(o, k, c / groups)``.

    Errors are those of `conv_general`; a sequence is no int, so a TypeError.
    """
    return _conv(1, input, weight, stride, padding, dilation, groups, stream)


def conv2d(
    input: ArrayLike,
    weight: ArrayLike,
    /,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    stream: None = None,
) -> FloatArray:
    """2-D convolution of ``(n, h, w, c)`` with a filter ``(o, kh, kw, c / groups)``.

    Errors are those of `conv_general`; a sequence of another length than 2 is a TypeError.
    """
    return _conv(2, input, weight, stride, padding, dilation, groups, stream)


def conv_transpose1d(
    input: ArrayLike,
    weight: ArrayLike,
    /,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    output_padding: int = 0,
    groups: int = 1,
    *,
    stream: None = None,
) -> FloatArray:
    """1-D transposed convolution of ``(n, l, c)`` with a filter ``(o, k, c / groups)``.

    Errors are those of `conv1d`.
    """
    return _conv_transpose(
        1, input, weight, stride, padding, dilation, output_padding, groups, stream
    )


def conv_transpose2d(
    input: ArrayLike,
    weight: ArrayLike,
    /,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    output_padding: int | tuple[int, int] = 0,
    groups: int = 1,
    *,
    stream: None = None,
) -> FloatArray:
    """2-D transposed convolution of ``(n, h, w, c)`` with a filter ``(o, kh, kw, c / groups)``.

    Errors are those of `conv2d`.
    """
    return _conv_transpose(
        2, input, weight, stride, padding, dilation, output_padding, groups, stream
    )
