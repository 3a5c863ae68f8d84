"""Gradients of the linear convolutions: of their input, their filter and their bias.

Of a sum of products each gradient is one as well. That of `conv2d`'s input is a transposed
convolution of `dy`, that of `conv_transpose2d`'s input a convolution; those of both filters are
products of `gradient.pyx` or `winograd_gradient.pyx`, in which the transposed one's `x` and `dy`
have exchanged places. An activation is not a part of them: multiply `dy` by its derivative first.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import planning, threads, transposed
from ._native import gradient, winograd_gradient
from ._native.packing import Filter
from .algorithms import ALGORITHMS, Winograd, plan_arguments
from .arrays import ArrayLike, FloatArray, destination, empty, take, usable
from .functional import bind, bind_transposed, take_filter
from .levels import running
from .problem import (
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


def _shape(value: Any, name: str, axes: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that a caller gives, of one of so many axes."""
    if not isinstance(value, tuple | list):
        raise TypeError(f"{name} must be a tuple of ints; got {name}={value!r}")
    if len(value) not in axes:
        many = " or ".join(map(str, axes))
        raise ValueError(f"{name} must have {many} axes; got {name}={value!r}")
    return tuple(integer(size, f"{name}[{i}]", 0) for i, size in enumerate(value))


def _kernel(shape: tuple[int, ...]) -> Any:
    """The `kernel_size` of a filter's shape."""
    return shape[0] if len(shape) == 3 else shape[:2]


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if shape != wanted:
        raise ValueError(f"kernel_shape must be {wanted}; got kernel_shape={shape}")


_Inputs = tuple[tuple[str, FloatArray], ...]

# Those whose transforms have a filter's gradient.
_LEARNING = tuple(a for a in ALGORITHMS if isinstance(a, Winograd) and a.learns)


def _check_algorithm(spec: ConvSpec, algorithm: str) -> None:
    """Refuse an `algorithm` by which the gradient of this filter is not computed."""
    if isinstance(algorithm, str) and algorithm == "auto":
        return
    names = ["auto", "direct", *(a.name for a in _LEARNING if a.supports(spec))]
    if not (isinstance(algorithm, str) and algorithm in names):
        raise ValueError(
            f"algorithm must be one of {', '.join(names)} for the gradient of a filter of kernel "
            f"{spec.kernel}, stride {spec.stride}; got algorithm={algorithm!r}"
        )


@lru_cache(256)
def _plan(
    problem: ConvProblem, algorithm: str, level: str, biased: bool
) -> gradient.Plan | winograd_gradient.Plan:
    """What computes the filter's gradient: the named algorithm, or for "auto" the cheapest.

    Plans hold no arrays, so those last used are kept. If `biased`, one that can finds the gradient
    of a bias as well.
    """
    spec = problem.spec
    plans: list[gradient.Plan | winograd_gradient.Plan] = [
        winograd_gradient.Plan(*a.planned(problem, a.filter(spec, level), upright=False))
        for a in _LEARNING
        if algorithm in ("auto", a.name) and a.supports(spec)
    ]
    if algorithm in ("auto", "direct"):
        shape = (*spec.kernel, spec.in_channels // spec.groups, spec.out_channels)
        whole = Filter(shape, spec.groups, "dense", spec.dtype.itemsize, level)
        direct = gradient.Plan(whole, *plan_arguments(problem, upright=False), biased)
        plans.append(direct)
    return min(plans, key=lambda plan: plan.cycles)


def memory(
    out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], inputs: _Inputs, biased: bool = False
) -> tuple[FloatArray, FloatArray]:
    """A filter's gradient, and what is written of it: (taps * inputs, outputs), and a bias' row.

    Both are the same memory, unless a caller's `out` has gaps or no room for the bias.
    """
    result = None if out is None else destination(out, shape, dtype, inputs)
    if result is not None and result.flags.c_contiguous and not biased:
        return result, result.reshape(-1, shape[-1])
    rows = math.prod(shape[:-1])
    matrix = empty((rows + biased, shape[-1]), dtype)
    return (matrix[:rows].reshape(shape) if result is None else result), matrix


def _put(result: FloatArray, matrix: FloatArray) -> None:
    """Complete `result` of `memory`."""
    if not np.may_share_memory(result, matrix):
        result[...] = matrix.ravel()[: result.size].reshape(result.shape)


def _filter_gradient(
    problem: ConvProblem,
    x: FloatArray,
    dy: FloatArray,
    algorithm: str,
    out: FloatArray,
    num_threads: int | None,
    biased: bool = False,
) -> None:
    """Fill a contiguous `out`, (taps * inputs, outputs), from NHWC views.

    If `biased`, one more row is the gradient of a bias.
    """
    dw = out[: len(out) - biased]
    if 0 in dy.shape:
        out[...] = 0
        return
    in_one = False  # whether the bias is found with it
    if 0 in x.shape and not problem.spec.pad_value:
        dw[...] = 0
    else:
        plan = _plan(problem, algorithm, running(), biased)
        in_one = isinstance(plan, gradient.Plan)
        dy = usable(dy)
        if not in_one and dy.strides[-1] != dy.itemsize:
            dy = np.ascontiguousarray(dy)
        number = threads.team(num_threads, plan.worthwhile_threads)
        plan.run(usable(x), dy, (out if in_one else dw)[None, None], number)
    if biased and not in_one:
        _sum_pixels(dy, out[-1:], num_threads)


def _fold(padded: FloatArray, problem: ConvProblem) -> FloatArray:
    """The gradient of an input from that of the padded input, NHWC, which it overwrites.

    What a pixel shows in the padding is added to it, rows first, from the outermost side on.
    """
    for axis, source, (before, _) in zip(
        (1, 2),
        problem.index_maps(),
        (problem.padding[:2], problem.padding[2:]),
        strict=True,
    ):
        assert source is not None
        size = problem.input_shape[axis]
        rows = np.moveaxis(padded, axis, 0)
        inner = rows[before : before + size]
        for i in (*range(before), *range(before + size, len(rows))):
            inner[source[i]] += rows[i]
        padded = np.moveaxis(inner, 0, axis)
    return padded


@lru_cache(256)
def _way_back(problem: ConvProblem) -> TransposedProblem:
    """The transposed convolution from outputs to inputs; with pad modes, to padded inputs. NHWC."""
    spec = problem.spec
    folds = problem.index_maps()[0] is not None
    top, bottom, left, right = problem.padding
    _, h, w, _ = problem.input_shape
    back = TransposedSpec(
        dims=2,
        kernel=spec.kernel,
        in_channels=spec.out_channels,
        out_channels=spec.in_channels,
        dtype=spec.dtype,
        stride=spec.stride,
        dilation=spec.dilation,
        groups=spec.groups,
        activation=None,
        channels_first=False,
        padding=(0, 0, 0, 0) if folds else problem.padding,
        output_padding=(0, 0),
    )
    size = (top + h + bottom, left + w + right) if folds else (h, w)
    return TransposedProblem.build(back, problem.output_shape, size)


def of_input(
    problem: ConvProblem | TransposedProblem,
    dy: FloatArray,
    weight: FloatArray,
    dx: FloatArray,
    algorithm: str,
    num_threads: int | None,
) -> None:
    """Fill `dx` with the gradient of a problem's input; checked arrays in the caller's layout."""
    if not dx.size:
        return
    given, result = problem.view(dy), problem.view(dx)
    w = problem.spec.weight_view(usable(weight))
    if isinstance(problem, TransposedProblem):
        back, read = _of_transposed(problem)
        call = bind(back, w, None, algorithm, num_threads)
        call.run(given[:, *read], result, None, num_threads)
        return
    if not dy.size:
        dx[...] = 0
        return
    whole = _way_back(problem)
    folds = whole.output_shape != problem.input_shape
    padded = empty(whole.output_shape, problem.spec.dtype) if folds else result
    bind_transposed(whole, w, None, algorithm, num_threads).run(given, padded, None, num_threads)
    if folds:
        result[...] = _fold(padded, problem)


def of_filter(
    problem: ConvProblem | TransposedProblem,
    x: FloatArray,
    dy: FloatArray,
    out: FloatArray,
    algorithm: str,
    num_threads: int | None,
    biased: bool = False,
) -> None:
    """Fill `out` as `_filter_gradient` does, from checked arrays in the caller's layout.

    A transposed convolution's has no row for a bias.
    """
    image, given = problem.view(x), problem.view(dy)
    if isinstance(problem, TransposedProblem):
        problem, read = _of_transposed(problem)
        image, given = given[:, *read], image
    _filter_gradient(problem, image, given, algorithm, out, num_threads, biased)


def _conv_input_grad(
    dims: int,
    dy: ArrayLike,
    weight: ArrayLike,
    input_shape: Sequence[int],
    algorithm: str,
    out: Any,
    num_threads: int | None,
    **parameters: Any,
) -> FloatArray:
    w = take_filter(dims, weight, "in_channels / groups, out_channels")
    shape = _shape(input_shape, "input_shape", (dims + 1, dims + 2))
    spec = ConvSpec.build(
        dims,
        kernel_size=_kernel(w.shape),
        in_channels=nhwc(shape, dims, channels_first=False)[-1],
        out_channels=w.shape[-1],
        dtype=np.dtype(w.dtype.type),
        pad_value=0.0,
        activation=None,
        **parameters,
    )
    w = take(w, "weight", spec.dtype, spec.weight_shape)
    problem = ConvProblem.build(spec, shape)
    given = take(dy, "dy", spec.dtype, problem.result_shape)
    transposed.check(_way_back(problem).spec, algorithm)
    result = destination(out, shape, spec.dtype, (("dy", given), ("weight", w)))
    threads.check(num_threads)
    of_input(problem, given, w, result, algorithm, num_threads)
    return result if out is None else out


def _conv_weight_grad(
    dims: int,
    x: ArrayLike,
    dy: ArrayLike,
    kernel_shape: Sequence[int],
    algorithm: str,
    out: Any,
    bias_out: Any,
    num_threads: int | None,
    **parameters: Any,
) -> FloatArray:
    image = take(x, "x")
    shape = _shape(kernel_shape, "kernel_shape", (dims + 2,))
    spec = ConvSpec.build(
        dims,
        kernel_size=_kernel(shape),
        in_channels=nhwc(image.shape, dims, channels_first=False)[-1],
        out_channels=shape[-1],
        dtype=np.dtype(image.dtype.type),
        activation=None,
        **parameters,
    )
    _fits(shape, spec.weight_shape)
    _check_algorithm(spec, algorithm)
    problem = ConvProblem.build(spec, image.shape)
    given = take(dy, "dy", spec.dtype, problem.result_shape)
    biased = bias_out is not None
    inputs: _Inputs = (("x", image), ("dy", given))
    result, matrix = memory(out, shape, spec.dtype, inputs, biased)
    if biased:
        bias = destination(bias_out, shape[-1:], spec.dtype, (*inputs, ("out", result)), "bias_out")
    threads.check(num_threads)
    of_filter(problem, image, given, matrix, algorithm, num_threads, biased)
    if biased:
        bias[...] = matrix[-1]
    _put(result, matrix)
    return result if out is None else out


@lru_cache(256)
def _of_transposed(problem: TransposedProblem) -> tuple[ConvProblem, tuple[slice, slice]]:
    """The convolution that leads back from outputs to inputs, and the outputs that it reads.

    `output_padding` makes outputs that padding leaves out, or, beyond those, that nothing reaches.
    """
    spec = problem.spec
    padding: list[int] = []
    read: list[slice] = []
    for axis in (0, 1):
        before, after = spec.padding[2 * axis : 2 * axis + 2]
        after -= spec.output_padding[axis]
        size = problem.output_shape[1 + axis] + min(after, 0)
        padding += [before + min(size, 0), max(after, 0)]
        read.append(slice(max(size, 0)))
    back = ConvSpec(
        dims=2,
        kernel=spec.kernel,
        in_channels=spec.out_channels,
        out_channels=spec.in_channels,
        dtype=spec.dtype,
        stride=spec.stride,
        dilation=spec.dilation,
        groups=spec.groups,
        activation=None,
        channels_first=False,
        padding=(padding[0], padding[1], padding[2], padding[3]),
        pad_mode="constant",
        pad_value=0.0,
    )
    n, oh, ow, o = problem.output_shape
    shape = (n, len(range(oh)[read[0]]), len(range(ow)[read[1]]), o)
    return ConvProblem.build(back, shape), (read[0], read[1])


def _transposed(
    dims: int,
    shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    dtype: np.dtype[Any],
    groups: int,
    parameters: dict[str, Any],
) -> TransposedProblem:
    """The transposed convolution whose gradient is asked for, of an input of `shape`."""
    spec = TransposedSpec.build(
        dims,
        kernel_size=_kernel(weight_shape),
        in_channels=nhwc(shape, dims, channels_first=False)[-1],
        out_channels=weight_shape[-2] * integer(groups, "groups", 1),
        dtype=dtype,
        groups=groups,
        activation=None,
        **parameters,
    )
    return TransposedProblem.build(spec, shape)


def _conv_transpose_input_grad(
    dims: int,
    dy: ArrayLike,
    weight: ArrayLike,
    input_shape: Sequence[int],
    groups: int,
    algorithm: str,
    out: Any,
    num_threads: int | None,
    **parameters: Any,
) -> FloatArray:
    w = take_filter(dims, weight, "out_channels / groups, in_channels")
    shape = _shape(input_shape, "input_shape", (dims + 1, dims + 2))
    problem = _transposed(dims, shape, w.shape, np.dtype(w.dtype.type), groups, parameters)
    spec = problem.spec
    w = take(w, "weight", spec.dtype, spec.weight_shape)
    given = take(dy, "dy", spec.dtype, problem.result_shape)
    planning.check(_of_transposed(problem)[0].spec, algorithm)
    result = destination(out, shape, spec.dtype, (("dy", given), ("weight", w)))
    threads.check(num_threads)
    of_input(problem, given, w, result, algorithm, num_threads)
    return result if out is None else out


def _conv_transpose_weight_grad(
    dims: int,
    x: ArrayLike,
    dy: ArrayLike,
    kernel_shape: Sequence[int],
    groups: int,
    algorithm: str,
    out: Any,
    num_threads: int | None,
    **parameters: Any,
) -> FloatArray:
    image = take(x, "x")
    shape = _shape(kernel_shape, "kernel_shape", (dims + 2,))
    dtype = np.dtype(image.dtype.type)
    problem = _transposed(dims, image.shape, shape, dtype, groups, parameters)
    _fits(shape, problem.spec.weight_shape)
    given = take(dy, "dy", dtype, problem.result_shape)
    _check_algorithm(_of_transposed(problem)[0].spec, algorithm)
    result, matrix = memory(out, shape, dtype, (("x", image), ("dy", given)))
    threads.check(num_threads)
    of_filter(problem, image, given, matrix, algorithm, num_threads)
    _put(result, matrix)
    return result if out is None else out


@lru_cache(256)
def _of_bias(shape: tuple[int, ...], dtype: np.dtype[Any]) -> ConvProblem:
    """The convolution whose filter has the gradient of a bias: 1 x 1, reads a channel of ones."""
    spec = ConvSpec.build(
        2,
        kernel_size=1,
        in_channels=1,
        out_channels=shape[-1],
        dtype=dtype,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        pad_mode="constant",
        pad_value=0.0,
        activation=None,
    )
    return ConvProblem.build(spec, (*shape[:3], 1))


def _sum_pixels(dy: FloatArray, out: FloatArray, num_threads: int | None) -> None:
    """Fill a contiguous `out`, (1, o), with the sum over an NHWC view's pixels."""
    problem = _of_bias(dy.shape, out.dtype)
    ones: NDArray[Any] = np.ndarray(problem.shape, out.dtype, np.ones(1, out.dtype), 0, (0,) * 4)
    _filter_gradient(problem, ones, dy, "direct", out, num_threads)


def conv_bias_grad(
    dy: ArrayLike, *, out: FloatArray | None = None, num_threads: int | None = None
) -> FloatArray:
    """The gradient of a bias: `dy` summed over all axes but channels.

    Parameters
    ----------
    dy : array-like, shape (n, h, w, o), (h, w, o), (n, l, o) or (l, o)
        float32 or float64.
    out, num_threads
        As in `conv2d`.

    Returns
    -------
    ndarray, shape (o,)
        `out` if that is given. The same bits for any number of threads.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.

    Examples
    --------
    >>> conv_bias_grad(np.arange(6.0).reshape(3, 2))
    array([6., 9.])
    """
    given = take(dy, "dy")
    if not 2 <= given.ndim <= 4 or not given.shape[-1]:
        raise ValueError(
            "dy must have shape (n, h, w, o), (h, w, o), (n, l, o) or (l, o) with o at least 1; "
            f"got dy.shape={given.shape}"
        )
    dtype = np.dtype(given.dtype.type)
    inputs: _Inputs = (("dy", given),)
    result, matrix = memory(out, given.shape[-1:], dtype, inputs)
    threads.check(num_threads)
    _sum_pixels(given.reshape(1, 1, *given.shape)[(0,) * (given.ndim - 2)], matrix, num_threads)
    _put(result, matrix)
    return result if out is None else out


def conv2d_input_grad(
    dy: ArrayLike,
    weight: ArrayLike,
    input_shape: Sequence[int],
    *,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    pad_mode: PadMode = "constant",
    algorithm: str = "auto",
    out: FloatArray | None = None,
    num_threads: int | None = None,
) -> FloatArray:
    """The gradient of `conv2d`'s input.

    With padding other than constant, what a pixel shows in the padding is added to its gradient;
    that of the padded input is allocated for it. What constant padding would get is left out.

    Parameters
    ----------
    dy : array-like, shape (n, oh, ow, o) or (oh, ow, o)
        The gradient of `conv2d`'s result, before any activation.
    weight : array-like, shape (kh, kw, c / groups, o)
        float32 or float64; all other arrays must have its dtype.
    input_shape : tuple of int
        Of the input, (n, h, w, c) or (h, w, c).
    stride, padding, dilation, groups, pad_mode
        As they were given to `conv2d`.
    algorithm : {"auto", "measure"} or str
        Of the convolutions of stride 1 that make the gradient.
    out, num_threads
        As in `conv2d`.

    Returns
    -------
    ndarray, shape `input_shape`
        `out` if that is given.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.
    """
    return _conv_input_grad(
        2,
        dy,
        weight,
        input_shape,
        algorithm,
        out,
        num_threads,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        pad_mode=pad_mode,
    )


def conv2d_weight_grad(
    x: ArrayLike,
    dy: ArrayLike,
    kernel_shape: Sequence[int],
    *,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    pad_mode: PadMode = "constant",
    pad_value: float = 0.0,
    algorithm: str = "auto",
    out: FloatArray | None = None,
    bias_out: FloatArray | None = None,
    num_threads: int | None = None,
) -> FloatArray:
    """The gradient of `conv2d`'s filter: for each of its elements a sum over all output pixels.

    Sums are made in blocks, so their errors grow slowly with the number of pixels, and in the same
    order for any number of threads.

    Parameters
    ----------
    x : array-like, shape (n, h, w, c) or (h, w, c)
        What `conv2d` was given. float32 or float64; all other arrays must have its dtype.
    dy : array-like, shape (n, oh, ow, o) or (oh, ow, o)
        The gradient of its result, before any activation.
    kernel_shape : tuple of int
        Of the filter, (kh, kw, c / groups, o).
    stride, padding, dilation, groups, pad_mode, pad_value
        As they were given to `conv2d`.
    algorithm : {"auto", "direct"} or str
        "winograd_4x4_3x3" and "winograd_2x2_5x5" are for such kernels and stride 1. Sums of theirs
        are of transformed pixels: a NaN or infinity reaches all taps of its channel.
    out, num_threads
        As in `conv2d`.
    bias_out : ndarray, shape (o,), optional
        Filled with the gradient of a bias: `conv_bias_grad`, with most filters in the same pass
        over `dy`.

    Returns
    -------
    ndarray, shape `kernel_shape`
        `out` if that is given.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.

    Examples
    --------
    >>> x, dy = np.ones((1, 4, 4, 1)), np.ones((1, 4, 4, 1))
    >>> conv2d_weight_grad(x, dy, (3, 3, 1, 1), padding=1)[..., 0, 0]
    array([[ 9., 12.,  9.],
           [12., 16., 12.],
           [ 9., 12.,  9.]])
    """
    return _conv_weight_grad(
        2,
        x,
        dy,
        kernel_shape,
        algorithm,
        out,
        bias_out,
        num_threads,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        pad_mode=pad_mode,
        pad_value=pad_value,
    )


def conv_transpose2d_input_grad(
    dy: ArrayLike,
    weight: ArrayLike,
    input_shape: Sequence[int],
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    algorithm: str = "auto",
    out: FloatArray | None = None,
    num_threads: int | None = None,
) -> FloatArray:
    """The gradient of `conv_transpose2d`'s input: a convolution of `dy`.

    Parameters
    ----------
    dy : array-like, shape (n, oh, ow, o) or (oh, ow, o)
        The gradient of `conv_transpose2d`'s result, before any activation.
    weight : array-like, shape (kh, kw, o / groups, c)
        float32 or float64; all other arrays must have its dtype.
    input_shape : tuple of int
        Of the input, (n, h, w, c) or (h, w, c).
    stride, padding, output_padding, dilation, groups
        As they were given to `conv_transpose2d`.
    algorithm, out, num_threads
        As in `conv2d`.

    Returns
    -------
    ndarray, shape `input_shape`
        `out` if that is given.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.
    """
    return _conv_transpose_input_grad(
        2,
        dy,
        weight,
        input_shape,
        groups,
        algorithm,
        out,
        num_threads,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
    )


def conv_transpose2d_weight_grad(
    x: ArrayLike,
    dy: ArrayLike,
    kernel_shape: Sequence[int],
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    algorithm: str = "auto",
    out: FloatArray | None = None,
    num_threads: int | None = None,
) -> FloatArray:
    """The gradient of `conv_transpose2d`'s filter.

    Parameters
    ----------
    x : array-like, shape (n, h, w, c) or (h, w, c)
        What `conv_transpose2d` was given. float32 or float64; all other arrays must have its dtype.
    dy : array-like, shape (n, oh, ow, o) or (oh, ow, o)
        The gradient of its result, before any activation.
    kernel_shape : tuple of int
        Of the filter, (kh, kw, o / groups, c).
    stride, padding, output_padding, dilation, groups
        As they were given to `conv_transpose2d`.
    algorithm : {"auto", "direct"} or str
        "winograd_4x4_3x3" and "winograd_2x2_5x5" are for such kernels and stride 1. Sums of theirs
        are of transformed pixels: a NaN or infinity reaches all taps of its channel.
    out, num_threads
        As in `conv2d`.

    Returns
    -------
    ndarray, shape `kernel_shape`
        `out` if that is given.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.
    """
    return _conv_transpose_weight_grad(
        2,
        x,
        dy,
        kernel_shape,
        groups,
        algorithm,
        out,
        num_threads,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
    )


def conv1d_input_grad(
    dy: ArrayLike,
    weight: ArrayLike,
    input_shape: Sequence[int],
    *,
    stride: int = 1,
    padding: Padding = 0,
    dilation: int = 1,
    groups: int = 1,
    pad_mode: PadMode = "constant",
    algorithm: str = "auto",
    out: FloatArray | None = None,
    num_threads: int | None = None,
) -> FloatArray:
    """The gradient of `conv1d`'s input.

    With padding other than constant, what a pixel shows in the padding is added to its gradient;
    that of the padded input is allocated for it. What constant padding would get is left out.

    Parameters
    ----------
    dy : array-like, shape (n, ol, o) or (ol, o)
        The gradient of `conv1d`'s result, before any activation.
    weight : array-like, shape (k, c / groups, o)
        float32 or float64; all other arrays must have its dtype.
    input_shape : tuple of int
        Of the input, (n, l, c) or (l, c).
    stride, padding, dilation, groups, pad_mode
        As they were given to `conv1d`.
    algorithm : {"auto", "measure"} or str
        Of the convolutions of stride 1 that make the gradient.
    out, num_threads
        As in `conv1d`.

    Returns
    -------
    ndarray, shape `input_shape`
        `out` if that is given.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.
    """
    return _conv_input_grad(
        1,
        dy,
        weight,
        input_shape,
        algorithm,
        out,
        num_threads,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        pad_mode=pad_mode,
    )


def conv1d_weight_grad(
    x: ArrayLike,
    dy: ArrayLike,
    kernel_shape: Sequence[int],
    *,
    stride: int = 1,
    padding: Padding = 0,
    dilation: int = 1,
    groups: int = 1,
    pad_mode: PadMode = "constant",
    pad_value: float = 0.0,
    algorithm: str = "auto",
    out: FloatArray | None = None,
    bias_out: FloatArray | None = None,
    num_threads: int | None = None,
) -> FloatArray:
    """The gradient of `conv1d`'s filter: for each of its elements a sum over all output pixels.

    Sums are made in blocks, so their errors grow slowly with the number of pixels, and in the same
    order for any number of threads.

    Parameters
    ----------
    x : array-like, shape (n, l, c) or (l, c)
        What `conv1d` was given. float32 or float64; all other arrays must have its dtype.
    dy : array-like, shape (n, ol, o) or (ol, o)
        The gradient of its result, before any activation.
    kernel_shape : tuple of int
        Of the filter, (k, c / groups, o).
    stride, padding, dilation, groups, pad_mode, pad_value
        As they were given to `conv1d`.
    algorithm : {"auto", "direct"}
        One-dimensional filters have no other.
    out, num_threads
        As in `conv1d`.
    bias_out : ndarray, shape (o,), optional
        Filled with the gradient of a bias: `conv_bias_grad`, with most filters in the same pass
        over `dy`.

    Returns
    -------
    ndarray, shape `kernel_shape`
        `out` if that is given.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.
    """
    return _conv_weight_grad(
        1,
        x,
        dy,
        kernel_shape,
        algorithm,
        out,
        bias_out,
        num_threads,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        pad_mode=pad_mode,
        pad_value=pad_value,
    )


def conv_transpose1d_input_grad(
    dy: ArrayLike,
    weight: ArrayLike,
    input_shape: Sequence[int],
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    algorithm: str = "auto",
    out: FloatArray | None = None,
    num_threads: int | None = None,
) -> FloatArray:
    """The gradient of `conv_transpose1d`'s input: a convolution of `dy`.

    Parameters
    ----------
    dy : array-like, shape (n, ol, o) or (ol, o)
        The gradient of `conv_transpose1d`'s result, before any activation.
    weight : array-like, shape (k, o / groups, c)
        float32 or float64; all other arrays must have its dtype.
    input_shape : tuple of int
        Of the input, (n, l, c) or (l, c).
    stride, padding, output_padding, dilation, groups
        As they were given to `conv_transpose1d`.
    algorithm, out, num_threads
        As in `conv1d`.

    Returns
    -------
    ndarray, shape `input_shape`
        `out` if that is given.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.
    """
    return _conv_transpose_input_grad(
        1,
        dy,
        weight,
        input_shape,
        groups,
        algorithm,
        out,
        num_threads,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
    )


def conv_transpose1d_weight_grad(
    x: ArrayLike,
    dy: ArrayLike,
    kernel_shape: Sequence[int],
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    algorithm: str = "auto",
    out: FloatArray | None = None,
    num_threads: int | None = None,
) -> FloatArray:
    """The gradient of `conv_transpose1d`'s filter.

    Parameters
    ----------
    x : array-like, shape (n, l, c) or (l, c)
        What `conv_transpose1d` was given. float32 or float64; all other arrays must have its dtype.
    dy : array-like, shape (n, ol, o) or (ol, o)
        The gradient of its result, before any activation.
    kernel_shape : tuple of int
        Of the filter, (k, o / groups, c).
    stride, padding, output_padding, dilation, groups
        As they were given to `conv_transpose1d`.
    algorithm : {"auto", "direct"}
        One-dimensional filters have no other.
    out, num_threads
        As in `conv1d`.

    Returns
    -------
    ndarray, shape `kernel_shape`
        `out` if that is given.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If an argument has the wrong shape or value.
    """
    return _conv_transpose_weight_grad(
        1,
        x,
        dy,
        kernel_shape,
        groups,
        algorithm,
        out,
        num_threads,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
    )
