"""How a convolution can be computed: the algorithms, each with what it supports and costs.

To add one: write a class like `Direct`, put it into `ALGORITHMS` before those that it should beat
when their costs are equal.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from . import fourier, threads
from ._native import direct, dot, lanewise, winograd
from ._native.packing import Filter
from ._native.plan import Plan
from .arrays import FloatArray, usable
from .problem import ConvProblem, ConvSpec

# Of float32, over direct's: what may be chosen without being asked for by name.
MOST_ERROR = 2.5
# Mean square of the roundings of Winograd's transforms, over that of one addition of products.
TRANSFORM_ROUNDINGS = 6


class Call(NamedTuple):
    """A problem and the plan that solves it, to be run again and again, from several threads.

    `packed` is the filter that the plan reads, as `algorithm` packs it. `upright`: the plan works
    on the image with rows and columns exchanged.
    """

    algorithm: "Algorithm"
    problem: ConvProblem
    packed: "Packed"
    plan: Plan | fourier.Plan
    upright: bool = False

    def run(
        self, x: FloatArray, out: FloatArray, residual: FloatArray | None, num_threads: int | None
    ) -> None:
        """Convolve checked arrays in the caller's layout."""
        if residual is not None:
            residual = self._view(usable(residual))
            if residual.strides[-1] != residual.itemsize:  # native code loads whole vectors of it
                residual = np.ascontiguousarray(residual)
        number = threads.team(num_threads, self.plan.worthwhile_threads)
        self.plan.run(self._view(usable(x)), self._view(out), residual, number)

    def profile(
        self, x: FloatArray, out: FloatArray, num_threads: int, times: NDArray[np.float64]
    ) -> None:
        """`run`, adding the seconds of each thread in each phase to `times`, as the plan does."""
        self.plan.profile(self._view(usable(x)), self._view(out), None, num_threads, times)

    def _view(self, array: FloatArray) -> FloatArray:
        view = self.problem.view(array)
        return view.swapaxes(1, 2) if self.upright else view


class Packed(Protocol):
    """A filter in the order in which its algorithm reads it, and its bias."""

    @property
    def nbytes(self) -> int:
        """Of the filter."""

    @property
    def level(self) -> str:
        """The instruction-set level that it is for."""

    @property
    def packed(self) -> bool:
        """Whether it has been filled."""


class Algorithm(Protocol):
    """How a convolution is computed. Filters are given to the algorithm that made them."""

    @property
    def name(self) -> str:
        """What `algorithm=` calls it."""

    @property
    def supported(self) -> str:
        """What it can run, in words."""

    def __hash__(self) -> int:
        """What is made for it is kept."""

    @property
    def pack_cycles(self) -> tuple[float, float]:
        """Cycles of packing a filter: to begin with, and for each element of the packed form."""

    def supports(self, spec: ConvSpec) -> bool:
        """Whether it can run `spec`."""

    def error(self, spec: ConvSpec) -> float:
        """Its rms error relative to direct's, about."""

    def multiplications(self, problem: ConvProblem) -> int:
        """Those of an output that is not empty; transforms and unused lanes are not counted."""

    def filter(self, spec: ConvSpec, level: str) -> Packed:
        """The packed form that it gives a filter, still empty."""

    def pack(
        self,
        packed: Any,
        spec: ConvSpec,
        weight: FloatArray,
        bias: FloatArray | None,
        num_threads: int | None,
    ) -> None:
        """Fill what `filter` made from a filter in the caller's layout."""

    def bind(self, problem: ConvProblem, packed: Any) -> Call:
        """A call that solves `problem` with a filter that `filter` made, once it is packed."""


class Direct:
    """The definition: every output is a sum over the taps under it."""

    name = "direct"
    supported = "every convolution"
    form = "dense"
    pack_cycles = (5000.0, 1.2)  # Intel Xeon, Cascade Lake

    def supports(self, spec: ConvSpec) -> bool:
        return True

    def error(self, spec: ConvSpec) -> float:
        return 1.0

    def multiplications(self, problem: ConvProblem) -> int:
        spec = problem.spec
        per_output = math.prod(spec.kernel) * (spec.in_channels // spec.groups)
        return math.prod(problem.output_shape) * per_output

    def filter(self, spec: ConvSpec, level: str) -> Filter:
        shape = (*spec.kernel, spec.in_channels // spec.groups, spec.out_channels)
        form = "deep" if self.form == "dense" and _is_deep(spec) else self.form
        return Filter(shape, spec.groups, form, spec.dtype.itemsize, level)

    def pack(
        self,
        packed: Filter,
        spec: ConvSpec,
        weight: FloatArray,
        bias: FloatArray | None,
        num_threads: int | None,
    ) -> None:
        packed.pack(spec.weight_view(weight), bias, _packers(packed, num_threads))

    def bind(self, problem: ConvProblem, packed: Filter) -> Call:
        plan = direct.Plan(packed, *plan_arguments(problem, upright=False))
        return Call(self, problem, packed, plan)


class Dot(Direct):
    """`Direct` for few output channels: the lanes of a vector hold inputs of one sum."""

    name = "dot"
    supported = (
        "at most 8 output channels per group; dilation 1 along rows, or input channels in 16s"
    )
    form = "dot"

    def supports(self, spec: ConvSpec) -> bool:
        depth = spec.in_channels // spec.groups
        whole = depth % 16 == 0 or spec.dilation[1] == 1 or spec.kernel[1] == 1
        return spec.out_channels // spec.groups <= 8 and whole

    def bind(self, problem: ConvProblem, packed: Filter) -> Call:
        plan = dot.Plan(packed, *plan_arguments(problem, upright=False))
        return Call(self, problem, packed, plan)


class Grouped(Direct):
    """`Direct` for groups of few channels: a vector holds those of several groups."""

    name = "grouped"
    supported = "2 or more groups of 2 or more input channels"
    form = "lanewise"

    def supports(self, spec: ConvSpec) -> bool:
        return 1 < spec.groups < spec.in_channels

    def bind(self, problem: ConvProblem, packed: Filter) -> Call:
        plan = lanewise.Plan(packed, *plan_arguments(problem, upright=False))
        return Call(self, problem, packed, plan)


class Depthwise(Grouped):
    """`Grouped` for groups of one input channel."""

    name = "depthwise"
    supported = "one input channel per group"

    def supports(self, spec: ConvSpec) -> bool:
        return spec.in_channels == spec.groups


@dataclass(frozen=True)
class Winograd:
    """F(m x n, r x r), or F(m, r) along one axis: fewer multiplications.

    Along each axis, tiles of m outputs from m + r - 1 products each. Where m and n are r, longer
    filters are cut into pieces of r taps. With stride 2, r = 3, tiles have 2 m + 1 products, of
    which those of odd inputs share a filter, and no filter is cut. A NaN or infinity of the input
    reaches all outputs of its tiles.

    Attributes
    ----------
    tile : tuple of int
        Rows and columns of outputs; (1, m) for filters of one row or one column.
    r : int
        Taps along an axis.
    relative_error : float
        rms, of float32, over direct's, with many channels and full pieces (docs/winograd.md).
    stride : int
    """

    tile: tuple[int, int]
    r: int
    relative_error: float
    stride: int = 1
    learns: bool = False  # whether it has a filter's gradient
    pack_cycles: ClassVar[tuple[float, float]] = (10000.0, 3.0)  # Intel Xeon, Cascade Lake

    @property
    def name(self) -> str:
        sizes = ("x".join(map(str, n[-self.dims :])) for n in (self.tile, (self.r, self.r)))
        return "_".join(("winograd", *sizes)) + ("_stride2" if self.stride == 2 else "")

    @property
    def dims(self) -> int:
        """Axes of the filter of more than one tap."""
        return 2 if self.tile[0] > 1 else 1

    @property
    def supported(self) -> str:
        """What it can run, in words."""
        if self.dims == 1:
            taps = f"{self.r} taps{' or more' if self._cuts else ''} along one axis"
        else:
            taps = f"{'at least ' if self._cuts else ''}{self.r} rows and columns"
        rest = "" if self.stride == 1 else " and no dilation"
        return f"stride {self.stride} with a filter of {taps}{rest}"

    @property
    def _cuts(self) -> bool:
        """Whether longer filters are cut into pieces."""
        return self.tile[1] == self.r and self.stride == 1

    def supports(self, spec: ConvSpec) -> bool:
        short, long = sorted(spec.kernel)
        if (short == 1) != (self.dims == 1):
            return False
        for kernel, stride, dilation in zip(spec.kernel, spec.stride, spec.dilation, strict=True):
            if stride != (self.stride if kernel > 1 else 1):
                return False
            if kernel > 1 and dilation > 1 and self.stride > 1:
                return False
        if self._cuts:
            return (long if self.dims == 1 else short) >= self.r
        return long == self.r and short in (1, self.r)

    def error(self, spec: ConvSpec) -> float:
        """Every addition rounds what has been summed so far; the transforms round each term.

        So direct's mean square grows with the square of the reduction's length, and so does that of
        the sums here, over channels and pieces; that of the transforms grows with the length alone,
        and counts where it is short.
        """
        depth, taps = spec.in_channels // spec.groups, math.prod(spec.kernel)
        cut = ([min(self.r, k - first) for first in range(0, k, self.r)] for k in spec.kernel)
        summed = roundings = 0.0  # the taps up to a piece; of additions, for each channel squared
        for piece in map(math.prod, product(*cut)):
            roundings += summed + piece / 2
            summed += piece
        full = self.r**self.dims
        ours = full * (depth * roundings + TRANSFORM_ROUNDINGS * taps)
        return self.relative_error * math.sqrt(2 * ours / (depth * taps + 1) / taps)

    def multiplications(self, problem: ConvProblem) -> int:
        n, h, w, _ = problem.output_shape
        size, dilation = (h, w), problem.spec.dilation
        if self._upright(problem.spec):
            size, dilation = size[::-1], dilation[::-1]
        # of each first pixel of a dilated axis: tiles of outputs, then those that pieces go on to
        grid = (
            d * (_ceil(_ceil(outputs, d), m) + pieces - 1)
            for outputs, d, m, pieces in zip(
                size, dilation, self.tile, self._pieces(problem.spec), strict=True
            )
        )
        _, pieces, depth, filters = self._shape(problem.spec)
        return n * math.prod(grid) * math.prod(self._points) * pieces * depth * filters

    @property
    def _points(self) -> tuple[int, int]:
        """Products of a tile along rows and along columns."""
        high, wide = (self.stride * (m - 1) + self.r for m in self.tile)
        return (high if self.dims == 2 else 1, wide)

    def _pieces(self, spec: ConvSpec) -> tuple[int, int]:
        rows, columns = sorted(spec.kernel) if self.dims == 1 else spec.kernel
        return (_ceil(rows, self.r) if self.dims == 2 else 1, _ceil(columns, self.r))

    def _upright(self, spec: ConvSpec) -> bool:
        return self.dims == 1 and spec.kernel[0] > 1

    def filter(self, spec: ConvSpec, level: str) -> Filter:
        shape = self._shape(spec)
        return Filter(shape, spec.groups, "transformed", spec.dtype.itemsize, level)

    def _shape(self, spec: ConvSpec) -> tuple[int, int, int, int]:
        # with stride 2 those of odd inputs share a filter
        points = self._points if self.stride == 1 else [m + 2 for m in self.tile[-self.dims :]]
        rows, columns = self._pieces(spec)
        depth = spec.in_channels // spec.groups
        return (math.prod(points), rows * columns, depth, spec.out_channels)

    def pack(
        self,
        packed: Filter,
        spec: ConvSpec,
        weight: FloatArray,
        bias: FloatArray | None,
        num_threads: int | None,
    ) -> None:
        number = _packers(packed, num_threads)
        view = spec.weight_view(weight)
        if self._upright(spec):
            view = view.swapaxes(0, 1)
        packed.pack(view, bias, number, self._kind(packed, spec))

    def _kind(self, packed: Filter, spec: ConvSpec) -> int:
        """Where its transform is among those of a level."""
        return _transform(packed.level, spec.dtype.itemsize, (self.tile, self._points))

    def bind(self, problem: ConvProblem, packed: Filter) -> Call:
        upright = self._upright(problem.spec)
        plan = winograd.Plan(*self.planned(problem, packed, upright))
        return Call(self, problem, packed, plan, upright)

    def planned(self, problem: ConvProblem, packed: Filter, upright: bool) -> tuple[Any, ...]:
        """What a plan is told, of the convolution or of its filter's gradient."""
        spec = problem.spec
        kind = self._kind(packed, spec)
        kernel = spec.kernel[::-1] if upright else spec.kernel
        return (packed, *plan_arguments(problem, upright), kind, kernel, self._pieces(spec))


class Fourier:
    """Products of spectra: those of the filter and of blocks of a row (fourier.py).

    Roundings are those of a block's largest values, and a NaN or infinity of the input reaches all
    outputs of its blocks.
    """

    name = "fourier"
    supported = (
        f"stride 1, no dilation, a filter of {fourier.LEAST_TAPS} taps or more along one axis, "
        f"packed at most {fourier.MOST_SPECTRUM} MiB"
    )
    pack_cycles = (400000.0, 40.0)  # Intel Xeon, Cascade Lake

    def supports(self, spec: ConvSpec) -> bool:
        short, long = sorted(spec.kernel)
        if short > 1 or long < fourier.LEAST_TAPS or spec.stride != (1, 1):
            return False
        if any(d > 1 for d, k in zip(spec.dilation, spec.kernel, strict=True) if k > 1):
            return False
        # 4 real numbers for each frequency
        length = fourier.block_length(long, spec.in_channels)
        matrices = spec.in_channels // spec.groups * spec.out_channels
        size = 2 * (length + 2) * matrices * spec.dtype.itemsize
        return size <= fourier.MOST_SPECTRUM << 20

    def error(self, spec: ConvSpec) -> float:
        """That of the transforms hardly grows; the sums are over channels, direct's over taps too.

        Measured, with normal and with positive data; with 127 taps of one channel it is 0.8.
        """
        depth = spec.in_channels // spec.groups
        return math.sqrt((81 + 2 * depth) / (depth * max(spec.kernel)))

    def multiplications(self, problem: ConvProblem) -> int:
        """Of the products of spectra, 4 of real numbers each."""
        spec = problem.spec
        n, *size, _ = problem.output_shape
        if self._upright(spec):
            size.reverse()
        length = fourier.block_length(max(spec.kernel), spec.in_channels)
        blocks = n * size[0] * _ceil(size[1], length - max(spec.kernel) + 1)
        products = spec.in_channels // spec.groups * spec.out_channels
        return 4 * blocks * (length // 2 + 1) * products

    def _upright(self, spec: ConvSpec) -> bool:
        return spec.kernel[0] > 1

    def filter(self, spec: ConvSpec, level: str) -> fourier.Spectrum:
        groups = spec.groups
        channels = (spec.in_channels // groups, spec.out_channels // groups)
        sizes = fourier.Sizes(groups, max(spec.kernel), *channels)
        return fourier.Spectrum(sizes, spec.dtype, level)

    def pack(
        self,
        packed: fourier.Spectrum,
        spec: ConvSpec,
        weight: FloatArray,
        bias: FloatArray | None,
        num_threads: int | None,
    ) -> None:
        view = spec.weight_view(weight)
        taps = view[:, 0] if self._upright(spec) else view[0]
        packed.pack(taps, bias, _packers(packed, num_threads))

    def bind(self, problem: ConvProblem, packed: fourier.Spectrum) -> Call:
        upright = self._upright(problem.spec)
        shape, output, _, before, _, *rest = plan_arguments(problem, upright)
        plan = fourier.Plan(packed, shape, output, before, *rest)
        return Call(self, problem, packed, plan, upright)


@lru_cache(64)
def _transform(level: str, itemsize: int, kind: tuple[tuple[int, int], tuple[int, int]]) -> int:
    """Where the transform of a tile of outputs and so many points is among those of a level."""
    return winograd.transforms(level, itemsize).index(kind)


def _is_deep(spec: ConvSpec) -> bool:
    """Whether many inputs are copied for every tap: pixels apart fall into the same set of L1."""
    apart = spec.stride[1] * spec.in_channels * spec.dtype.itemsize
    return apart % 4096 == 0 and spec.in_channels // spec.groups >= 512 and max(spec.kernel) > 1


def _ceil(a: int, b: int) -> int:
    return -(-a // b)


def _packers(packed: Packed, num_threads: int | None) -> int:
    """How many threads pack a filter."""
    return threads.team(num_threads, 1 + packed.nbytes // 2**18)


def plan_arguments(problem: ConvProblem, upright: bool) -> tuple[Any, ...]:
    """What every plan is told of a problem; `upright` exchanges rows and columns."""
    spec = problem.spec
    n, h, w, c = problem.input_shape
    _, oh, ow, _ = problem.output_shape
    top, _, left, _ = problem.padding
    before, maps = (top, left), problem.index_maps()
    size, output, stride, dilation = (h, w), (oh, ow), spec.stride, spec.dilation
    if upright:
        size, output, stride, dilation = size[::-1], output[::-1], stride[::-1], dilation[::-1]
        before, maps = before[::-1], maps[::-1]
    return (
        (n, *size, c),
        output,
        stride,
        before,
        dilation,
        spec.pad_value,
        *maps,
        spec.slope_and_upper,
    )


ALGORITHMS: tuple[Algorithm, ...] = (
    Depthwise(),
    Grouped(),
    Winograd((4, 4), 3, 1.65, learns=True),
    Winograd((2, 4), 3, 1.0),
    Winograd((2, 2), 3, 0.6),
    Winograd((6, 6), 3, 7.0),
    Winograd((2, 2), 5, 1.1, learns=True),
    Winograd((2, 4), 5, 2.1),
    Winograd((4, 4), 5, 4.0),
    Winograd((4, 4), 4, 2.5),
    Winograd((3, 3), 2, 0.87),
    Winograd((4, 4), 2, 1.45),
    Winograd((4, 4), 3, 0.75, stride=2),
    Winograd((3, 3), 3, 0.5, stride=2),
    Winograd((1, 4), 3, 1.3),
    Winograd((1, 4), 4, 1.6),
    Winograd((1, 5), 2, 1.65),
    Winograd((1, 4), 3, 0.9, stride=2),
    Fourier(),
    Dot(),
    Direct(),
)


@lru_cache(256)
def _able(spec: ConvSpec) -> tuple[Algorithm, ...]:
    """Those that support `spec` and are accurate enough, the same for inputs of any size."""
    exact = spec.dtype.itemsize == 8
    able = (a for a in ALGORITHMS if a.supports(spec))
    return tuple(a for a in able if exact or a.error(spec) <= MOST_ERROR)


def candidates(spec: ConvSpec, algorithm: str) -> Sequence[Algorithm]:
    """The algorithms that may run `spec`.

    For "auto" and "measure" all that support it and are accurate enough; otherwise the one that is
    named.

    Raises
    ------
    ValueError
        If there is none of that name, or it does not support `spec`.
    """
    if isinstance(algorithm, str) and algorithm in ("auto", "measure"):
        return _able(spec)
    named = [a for a in ALGORITHMS if isinstance(algorithm, str) and algorithm == a.name]
    if not named:
        names = ", ".join(a.name for a in ALGORITHMS)
        raise ValueError(
            f"algorithm must be 'auto', 'measure' or one of {names}; got algorithm={algorithm!r}"
        )
    if not named[0].supports(spec):
        raise ValueError(
            f"algorithm={algorithm!r} supports {named[0].supported}; got kernel {spec.kernel}, "
            f"stride {spec.stride}, dilation {spec.dilation}, "
            f"{spec.in_channels} input channels in {spec.groups} groups"
        )
    return named
