"""Transposed convolution as convolutions of stride 1, each of which makes some of the outputs.

Along an axis, tap ``j`` adds input ``i`` to output ``p = i * stride + j * dilation - before``. So
the outputs of a phase, ``p = q * stride + r``, have the taps with ``j * dilation = r + before (mod
stride)``, which are ``stride / gcd`` apart, and find their inputs ``dilation / gcd`` apart, in the
opposite order: a convolution of stride 1 with a part of the filter (Shi et al., "Is the
deconvolution layer the same as a convolutional layer?", arXiv:1609.07009). Neighbouring phases that
read the same inputs become one convolution with as many times the output channels, which in
channels-last arrays lie together for the phases of a row; rows join where each phase is of whole
register tiles. A phase that no tap reaches is a convolution of padding: bias, residual and
activation alone.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import groupby, product
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from . import planning
from .algorithms import Call
from .arrays import FloatArray, usable
from .problem import ConvProblem, ConvSpec, Pair, TransposedProblem, TransposedSpec

_TILE_BYTES = 128  # of a pixel's outputs in a register tile, at most and at every level a part of


class Phases(NamedTuple):
    """Neighbouring phases along one axis, of as many outputs each, which read the same inputs.

    Attributes
    ----------
    first : int
        The first output of the first phase.
    more : int
        The outputs of each, beyond the number of inputs.
    taps : tuple of range
        Those of each phase, in the order of their inputs; empty if no input reaches it.
    dilation : int
        Inputs between those of neighbouring taps.
    before, after : int
        Padding of the input; where negative, inputs that are not read.
    """

    first: int
    more: int
    taps: tuple[range, ...]
    dilation: int
    before: int
    after: int

    def read(self, size: int) -> slice:
        """Which of `size` inputs are read."""
        if not self.taps[0]:
            return slice(0, 0)
        return slice(max(-self.before, 0), max(size + min(self.after, 0), 0))

    @property
    def padding(self) -> Pair:
        """What is padded before and after those."""
        return max(self.before, 0), max(self.after, 0)


def _taps(residue: int, kernel: int, stride: int, dilation: int) -> range:
    """The taps that lead to outputs ``residue (mod stride)``, the last first."""
    common = math.gcd(stride, dilation)
    if residue % common:
        return range(0)
    step = stride // common
    first = residue // common * pow(dilation // common, -1, step) % step
    return range(first, kernel, step)[::-1]


def _slice(taps: range) -> slice:
    """Those taps, of which the last comes first."""
    return slice(taps[0], taps[-1] - 1 if taps[-1] else None, taps.step)


def _phase(first: int, extra: int, before: int, kernel: int, stride: int, dilation: int) -> Phases:
    """The outputs `first`, `first + stride`, ... of ``size * stride + extra``."""
    more = -((first - extra) // stride)
    inputs, residue = divmod(first + before, stride)
    taps = _taps(residue, kernel, stride, dilation)
    if not taps:
        return Phases(first, more, (taps,), 1, 0, 0)
    step = dilation // math.gcd(stride, dilation)
    # the first output reads by its last tap the input that is `pad` before the first
    pad = (taps[0] * dilation - residue) // stride - inputs
    return Phases(first, more, (taps,), step, pad, more + (len(taps) - 1) * step - pad)


def _phases(
    extra: int, firsts: int, before: int, kernel: int, stride: int, dilation: int, *, joined: bool
) -> list[Phases]:
    """The first phases of an axis, which are all if there are as many as outputs or `stride`.

    Those that read the same inputs are in one if they may be `joined`.
    """
    phases = [_phase(first, extra, before, kernel, stride, dilation) for first in range(firsts)]
    if not joined:
        return phases
    groups = groupby(phases, lambda p: (p.more, len(p.taps[0]), p.dilation, p.before, p.after))
    return [
        first._replace(taps=tuple(p.taps[0] for p in (first, *rest)))
        for first, *rest in (list(group) for _, group in groups)
    ]


@lru_cache(128)
def _pieces(
    spec: TransposedSpec, before: Pair, extra: Pair, firsts: Pair
) -> list[tuple[Phases, Phases, ConvSpec]]:
    """The phases of rows and columns that make a part, and its convolution where it reads inputs.

    They do not depend on the size of the input but through ``extra = output - size * stride``,
    which is the same for all, and through the number of phases that there are, `firsts`.
    """
    axes = zip(extra, firsts, before, spec.kernel, spec.stride, spec.dilation, strict=True)
    rows, columns = (_phases(*axis, joined=j) for axis, j in zip(axes, _joined(spec), strict=True))
    return [
        (
            row,
            column,
            _convolution(
                spec,
                (len(row.taps[0]), len(column.taps[0])),
                (row.dilation, column.dilation),
                (*row.padding, *column.padding),
                len(row.taps) * len(column.taps),
            ),
        )
        for row, column in product(rows, columns)
    ]


def _joined(spec: TransposedSpec) -> tuple[bool, bool]:
    """Whether phases of rows, and of columns, that read the same inputs make one convolution."""
    whole = not spec.channels_first and spec.out_channels * spec.dtype.itemsize % _TILE_BYTES == 0
    return spec.groups == 1 and whole, spec.groups == 1


def _convolution(
    spec: TransposedSpec,
    kernel: Pair,
    dilation: Pair = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    phases: int = 1,
) -> ConvSpec:
    """A part of `spec`."""
    return ConvSpec(
        dims=2,
        kernel=kernel,
        in_channels=spec.in_channels,
        out_channels=phases * spec.out_channels,
        dtype=spec.dtype,
        stride=(1, 1),
        dilation=dilation,
        groups=spec.groups,
        activation=spec.activation,
        channels_first=False,
        padding=padding,
        pad_mode="constant",
        pad_value=0.0,
    )


class Part(NamedTuple):
    """A convolution of stride 1 that makes some outputs of a transposed one.

    Its output channels are those of its phases, of one row after another: for channels-last arrays
    all channels of one phase, then of the next; for channel-first ones all phases of one channel,
    then of the next. So what lies together in the caller's array lies together here.
    """

    whole: TransposedProblem
    problem: ConvProblem
    rows: Phases
    columns: Phases

    @property
    def reads(self) -> bool:
        """Whether any input reaches it; otherwise its own is of no rows, and all of it padding."""
        return self.problem.input_shape[1] > 0

    @property
    def phases(self) -> int:
        """How many make its output channels."""
        return len(self.rows.taps) * len(self.columns.taps)

    @property
    def key(self) -> tuple[object, ...]:
        """What its filter follows from, beside that of the whole."""
        return (self.rows.taps, self.columns.taps) if self.reads else (self.phases,)

    def filter(self, weight: FloatArray) -> FloatArray:
        """Its own, ``(kh, kw, in / groups, out)``, from the whole one in the caller's layout."""
        spec = self.whole.spec
        if not self.reads:
            return np.zeros(self.problem.spec.weight_shape, spec.dtype)
        weight = spec.weight_view(weight)
        if self.phases == 1:  # a view: copying a large filter takes its time
            taps = weight[_slice(self.rows.taps[0]), _slice(self.columns.taps[0]), None]
        else:
            rows, columns = np.array(self.rows.taps).T, np.array(self.columns.taps).T
            taps = weight[rows[:, None, :, None], columns[:, None]]
            taps = taps.reshape(len(rows), len(columns), self.phases, *weight.shape[2:])
        kh, kw, phases, out, _ = taps.shape
        inner = spec.in_channels // spec.groups
        taps = taps.reshape(kh, kw, phases, out, spec.groups, inner)
        order = (0, 1, 5, 4, 3, 2) if spec.channels_first else (0, 1, 5, 2, 4, 3)
        own: FloatArray = taps.transpose(order).reshape(kh, kw, inner, -1)
        return own

    def bias(self, bias: FloatArray | None) -> FloatArray | None:
        """Its own, from that of the whole."""
        if bias is None or self.phases == 1:
            return bias
        repeat = np.repeat if self.whole.spec.channels_first else np.tile
        return repeat(bias, self.phases)

    def inputs(self, x: FloatArray) -> FloatArray:
        """What it reads of an NHWC view of the input."""
        if not self.reads:
            return np.zeros(self.problem.shape, x.dtype)
        _, h, w, _ = self.whole.input_shape
        return x[:, self.rows.read(h), self.columns.read(w)]

    def outputs(self, array: FloatArray) -> FloatArray:
        """Its places in an NHWC view of the result; several phases make more axes."""
        sh, sw = self.whole.spec.stride
        places = array[:, self.rows.first :: sh, self.columns.first :: sw]
        if self.phases == 1:
            return places
        *shape, channels = places.shape
        *strides, channel = places.strides
        phases = (len(self.rows.taps), len(self.columns.taps))
        steps = array.strides[1:3]
        runs = as_strided(places, (*shape, *phases, channels), (*strides, *steps, channel))
        return runs.swapaxes(4, 5) if self.whole.spec.channels_first else runs


@lru_cache(128)
def parts(problem: TransposedProblem) -> tuple[Part, ...]:
    """The convolutions that make all outputs of a transposed one, each once."""
    spec = problem.spec
    n, h, w, c = problem.input_shape
    _, oh, ow, _ = problem.output_shape
    sh, sw = spec.stride
    before = (problem.padding[0], problem.padding[2])
    extra, firsts = (oh - h * sh, ow - w * sw), (min(sh, oh), min(sw, ow))
    made = []
    for rows, columns, own in _pieces(spec, before, extra, firsts):
        read = [phases.read(size) for phases, size in ((rows, h), (columns, w))]
        height, width = (max(r.stop - r.start, 0) for r in read)
        shape = (n, height, width, c)
        if not (height and width):
            gap = replace(spec, in_channels=1, groups=1)
            phases = len(rows.taps) * len(columns.taps)
            own = _convolution(gap, (1, 1), padding=(h + rows.more, 0, 0, 0), phases=phases)
            shape = (n, 0, w + columns.more, 1)
        made.append(Part(problem, ConvProblem.build(own, shape), rows, columns))
    return tuple(made)


def check(spec: TransposedSpec, algorithm: str) -> None:
    """Refuse an `algorithm` that there is not, or that does not support a part of `spec`.

    All phases of as many taps are taken for one part, as they are for some lengths.
    """
    if isinstance(algorithm, str) and algorithm == "auto":
        return
    axes = tuple(zip(spec.kernel, spec.stride, spec.dilation, strict=True))
    rows, columns = (
        Counter(len(_taps(j * d % s, k, s, d)) for j in range(min(k, s))) for k, s, d in axes
    )
    dilation = tuple(d // math.gcd(s, d) for _, s, d in axes)
    for kernel in sorted(product(rows, columns)):
        counts = zip((rows[kernel[0]], columns[kernel[1]]), _joined(spec), strict=True)
        phases = math.prod(count for count, joined in counts if joined)
        part = _convolution(spec, kernel, (dilation[0], dilation[1]), phases=phases)
        planning.check(part, algorithm)


class TransposedCall(NamedTuple):
    """A problem and the calls that solve its parts, to be run again and again, from any thread."""

    problem: TransposedProblem
    calls: tuple[tuple[Part, Call], ...]

    def run(
        self, x: FloatArray, out: FloatArray, residual: FloatArray | None, num_threads: int | None
    ) -> None:
        """Convolve checked arrays in the caller's layout."""
        x, out = self.problem.view(usable(x)), self.problem.view(out)
        added = None
        if residual is not None:
            residual = self.problem.view(usable(residual))
        for part, call in self.calls:
            if residual is not None:  # copied unless one stride leads through all its channels
                places = part.outputs(residual)
                added = places.reshape(*places.shape[:3], -1)
            call.run(part.inputs(x), part.outputs(out), added, num_threads)


def prepare(
    problem: TransposedProblem, algorithm: str, make: Callable[[Part, str], Call]
) -> TransposedCall:
    """A call that solves `problem`, each of whose parts `make` has packed and bound by a name."""
    return TransposedCall(
        problem,
        tuple((p, make(p, algorithm if p.reads else "direct")) for p in parts(problem)),
    )
