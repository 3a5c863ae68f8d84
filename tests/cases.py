"""One convolution to test, as data; how to make its arrays, run it, and judge the result."""

import math
from dataclasses import MISSING, dataclass, fields
from functools import cached_property

import fourier_bound
import numpy as np
import reference
import winograd_bound

import fastconv
from fastconv.algorithms import ALGORITHMS, Fourier, Winograd, candidates
from fastconv.problem import ConvSpec

CANARY = -987.25  # exact in every dtype, and no result of these tests
# On small integers; of Winograd's, only the points 0, 1 and -1 make a filter of whole quarters.
EXACT = (
    "direct",
    "depthwise",
    "grouped",
    "winograd_2x2_3x3",
    "winograd_3x3_2x2",
    "winograd_3x3_3x3_stride2",
)


@dataclass(frozen=True)
class Case:
    """A call of conv2d (two sizes) or conv1d (one), with arrays made from `seed`.

    "integers" are so small that every sum is exact in float32, so the result of an algorithm in
    `EXACT` must be equal to the oracle's, not close: no forgotten or doubled product hides in a
    tolerance.
    """

    size: tuple[int, ...]
    channels: int
    filters: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...] | int = 1
    padding: tuple[int, ...] | int | str = 0
    dilation: tuple[int, ...] | int = 1
    groups: int = 1
    pad_mode: str = "constant"
    pad_value: float = 0.0
    batch: int = 1
    bias: bool = False
    residual: bool = False
    activation: str | tuple[str, float] | None = None
    algorithm: str = "auto"
    num_threads: int | None = None
    x_layout: str = "contiguous"
    weight_layout: str = "contiguous"
    residual_layout: str = "contiguous"
    out_layout: str | None = None
    permute: bool = False
    data: str = "integers"
    seed: int = 0

    def __str__(self):
        """Short, for test ids: sizes, channels > filters, kernel, then whatever is no default."""
        shape = "x".join(map(str, self.size))
        kernel = "x".join(map(str, self.kernel))
        rest = [
            f"{f.name}={getattr(self, f.name)}"
            for f in fields(self)
            if f.default is not MISSING and getattr(self, f.name) != f.default
        ]
        return " ".join([f"{shape} {self.channels}>{self.filters} k{kernel}", *rest])

    def per_axis(self, value):
        return (value,) * len(self.size) if isinstance(value, int) else value

    @property
    def sides(self):
        return reference.sides(
            self.padding,
            self.size,
            self.kernel,
            self.per_axis(self.stride),
            self.per_axis(self.dilation),
        )

    @property
    def out_size(self):
        strides, dilations = self.per_axis(self.stride), self.per_axis(self.dilation)
        return tuple(
            (n + sum(p) - reference.extent(k, d)) // s + 1
            for n, p, k, d, s in zip(
                self.size, self.sides, self.kernel, dilations, strides, strict=True
            )
        )

    @property
    def slope_and_upper(self):
        if isinstance(self.activation, tuple):
            return self.activation[1], math.inf
        return reference.ACTIVATIONS[self.activation]

    @cached_property
    def per_group(self):
        return self.channels // self.groups

    def spec(self, dtype):
        """The convolution as fastconv describes it."""
        return ConvSpec.build(
            len(self.size),
            kernel_size=self.kernel if len(self.size) == 2 else self.kernel[0],
            in_channels=self.channels,
            out_channels=self.filters,
            dtype=dtype,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            pad_mode=self.pad_mode,
            pad_value=self.pad_value,
            activation=self.activation,
            channels_first=self.permute,
        )

    def algorithms(self, dtype=np.float32):
        """The names of all algorithms that support it."""
        spec = self.spec(dtype)
        return [a.name for a in ALGORITHMS if a.supports(spec)]

    def tolerances(self, x, weight, bias=None, residual=None, **changed):
        """How far from the oracle a result may lie, for each algorithm that may have made it."""
        operands = {"residual": residual, **self.oracle_parameters(), **changed}
        for algorithm in candidates(self.spec(x.dtype), self.algorithm):
            if isinstance(algorithm, Winograd):
                transform = (algorithm.tile, algorithm.r, algorithm.stride)
                yield winograd_bound.tolerance(x.dtype, transform, x, weight, bias, **operands)
            elif isinstance(algorithm, Fourier):
                yield fourier_bound.tolerance(x.dtype, x, weight, bias, **operands)
            else:
                yield reference.tolerance(x.dtype, x, weight, bias, **operands)

    def arrays(self, dtype):
        """x, weight, bias, residual; the last two may be None. Channels last, C order."""
        rng = np.random.default_rng(self.seed)

        def draw(*shape):
            if self.data == "integers":
                return rng.integers(-4, 5, shape).astype(dtype)
            if self.data == "positive":
                return rng.random(shape).astype(dtype)
            return rng.standard_normal(shape).astype(dtype)

        return (
            draw(self.batch, *self.size, self.channels),
            draw(*self.kernel, self.per_group, self.filters),
            draw(self.filters) if self.bias else None,
            draw(self.batch, *self.out_size, self.filters) if self.residual else None,
        )

    def parameters(self):
        """Keyword arguments of fastconv.conv1d and conv2d that a layer is given as well."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "pad_mode": self.pad_mode,
            "pad_value": self.pad_value,
            "activation": self.activation,
            "algorithm": self.algorithm,
        }

    def oracle_parameters(self):
        slope, upper = self.slope_and_upper
        return {
            "stride": self.per_axis(self.stride),
            "padding": self.sides,
            "dilation": self.per_axis(self.dilation),
            "groups": self.groups,
            "pad_mode": self.pad_mode,
            "pad_value": self.pad_value,
            "slope": slope,
            "upper": upper,
        }

    def run(self, x, weight, bias=None, residual=None, **changed):
        """The functional call on these arrays."""
        convolve = fastconv.conv2d if len(self.size) == 2 else fastconv.conv1d
        keywords = {**self.parameters(), "groups": self.groups, "num_threads": self.num_threads}
        return convolve(x, weight, bias, residual=residual, **{**keywords, **changed})

    def layer(self, weight, bias=None):
        """The layer with this filter (given channels last); channel first if `permute`."""
        make = fastconv.Conv2d if len(self.size) == 2 else fastconv.Conv1D
        layer = make(
            self.kernel if len(self.size) == 2 else self.kernel[0],
            self.channels,
            self.filters,
            weight.dtype,
            num_groups=self.groups,
            has_bias=bias is not None,
            permute=self.permute,
            **self.parameters(),
        )
        layer.filter = filter_channels_first(weight) if self.permute else weight
        if bias is not None:
            layer.bias = bias
        return layer


def channels_first(a):
    """(n, ..., c) as a contiguous (n, c, ...)."""
    return np.ascontiguousarray(np.moveaxis(a, -1, 1))


def transposed(a):
    """The last axis with the longest stride."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, -1, 0)), 0, -1)


def filter_channels_first(weight):
    """(..., in / groups, out) as (out, in / groups, ...)."""
    return np.ascontiguousarray(np.moveaxis(weight, (-1, -2), (0, 1)))


def reversed_(a):
    """Negative strides on every axis."""
    flip = (slice(None, None, -1),) * a.ndim
    return np.ascontiguousarray(a[flip])[flip]


def strided(a):
    """Every other element of an array twice as large on every axis; the others are NaN."""
    wide = np.full([2 * n for n in a.shape], np.nan, a.dtype)
    view = wide[(slice(1, None, 2),) * a.ndim]
    view[...] = a
    return view


def cropped(a):
    """A window of a larger array, as a crop of an image is; NaN around it."""
    large = np.full([n + 3 for n in a.shape], np.nan, a.dtype)
    view = large[tuple(slice(1, 1 + n) for n in a.shape)]
    view[...] = a
    return view


def unaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


# name -> the same values, laid out differently
LAYOUTS = {
    "contiguous": lambda a: a,
    "fortran": np.asfortranarray,
    "transposed": transposed,
    "reversed": reversed_,
    "strided": strided,
    "cropped": cropped,
    "unaligned": unaligned,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": read_only,
}
NATIVE_LAYOUTS = ("contiguous", "fortran", "transposed", "reversed", "strided", "cropped")


def _window(shape, dtype):
    buffer = np.full([n + 2 for n in shape], CANARY, dtype)
    return buffer[(slice(1, -1),) * len(shape)], buffer


def _every_other(shape, dtype):
    buffer = np.full([2 * n + 1 for n in shape], CANARY, dtype)
    return buffer[(slice(1, None, 2),) * len(shape)], buffer


def _flipped(shape, dtype):
    view, buffer = _window(shape, dtype)
    return view[(slice(None, None, -1),) * len(shape)], buffer


def _channels_first(shape, dtype):
    view, buffer = _window((shape[0], shape[-1], *shape[1:-1]), dtype)
    return np.moveaxis(view, 1, -1), buffer


def _flat(shape, dtype):
    """C order, with 64 canaries on either side."""
    count = math.prod(shape)
    buffer = np.full(count + 128, CANARY, dtype)
    return buffer[64 : 64 + count].reshape(shape), buffer


# name -> function of (shape, dtype): a writable view, and the canary-filled buffer it lies in
OUT_LAYOUTS = {
    "flat": _flat,
    "window": _window,
    "every other": _every_other,
    "flipped": _flipped,
    "channels first": _channels_first,
}


def assert_canaries_alive(view, buffer):
    """Nothing of `buffer` outside `view` has been written."""
    view[...] = CANARY
    dead = np.argwhere(buffer != CANARY)
    assert not len(dead), f"written outside of out, first at {dead[0]} of {buffer.shape}"


def judge(case, got, x, weight, bias=None, residual=None):
    """The result `got` (channels last) of `case` on these arrays against the oracle."""
    dtype = x.dtype
    oracle = reference.conv2d if len(case.size) == 2 else reference.conv1d
    operands = {"residual": residual, **case.oracle_parameters()}
    wanted = oracle(x, weight, bias, **operands)
    assert got.dtype == dtype
    assert got.shape == wanted.shape == (case.batch, *case.out_size, case.filters)
    if case.data == "integers" and case.algorithm in EXACT:
        np.testing.assert_array_equal(got, wanted)
        return
    for allowed in case.tolerances(x, weight, bias, residual):
        wrong = ~(abs(got - wanted) <= allowed)
        if not wrong.any():
            break
    else:
        at = tuple(np.argwhere(wrong)[0])
        raise AssertionError(
            f"{wrong.sum()} of {wrong.size} outputs are wrong, first at {at}: "
            f"{got[at]!r}, not {wanted[at]!r} +- {allowed[at]:.3g}"
        )


def check(case, dtype):
    """Runs `case`, functional or (permute) as a layer, and judges result and canaries."""
    x, weight, bias, residual = case.arrays(dtype)
    x_given = LAYOUTS[case.x_layout](x)
    weight_given = LAYOUTS[case.weight_layout](weight)
    residual_given = None if residual is None else LAYOUTS[case.residual_layout](residual)
    if case.permute:
        layer = case.layer(weight_given, bias)
        if residual is not None:
            residual_given = np.moveaxis(residual_given, -1, 1)
        y = layer(
            np.moveaxis(x_given, -1, 1), residual=residual_given, num_threads=case.num_threads
        )
        judge(case, np.moveaxis(y, 1, -1), x, weight, bias, residual)
        return
    if case.out_layout is None:
        y = case.run(x_given, weight_given, bias, residual_given)
        judge(case, y, x, weight, bias, residual)
        return
    shape = (case.batch, *case.out_size, case.filters)
    out, buffer = OUT_LAYOUTS[case.out_layout](shape, dtype)
    y = case.run(x_given, weight_given, bias, residual_given, out=out)
    assert y is out
    judge(case, y, x, weight, bias, residual)
    assert_canaries_alive(out, buffer)
