"""Transposed convolution as convolutions of stride 1, each of which makes some of the outputs.

Along an axis, tap ``j`` adds input ``i`` to output ``p = i * stride + j * dilation - before``. So
the outputs of a phase, ``p = q * stride + r``, have the taps with ``j * dilation = r + before (mod
stride)``, which are ``stride / gcd`` apart, and find their inputs ``dilation / gcd`` apart, in the
opposite order: a convolution of stride 1 with a part of the filter (Shi et al., "Is the
deconvolution layer the same as a convolutional layer?", arXiv:1609.07009). Neighbouring phases that
read the same inputs become one convolution with as many times the output channels, which in
channels-last arrays lie together. A phase that no tap reaches is a convolution of padding: bias,
residual and activation alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby, product

import numpy as np
from numpy.lib.stride_tricks import as_strided

from . import planning
from .algorithms import Call
from .arrays import FloatArray, usable
from .problem import ConvProblem, ConvSpec, Pair, TransposedProblem, TransposedSpec

Taps = tuple[range, ...]


@dataclass(frozen=True, slots=True)
class Phases:
    """Neighbouring phases along one axis, of as many outputs each, which read the same inputs.

    Attributes
    ----------
    first, count : int
        The first output of the first phase, and the outputs of each.
    taps : tuple of range
        Those of each phase, in the order of their inputs; empty if no input reaches it.
    dilation : int
        Inputs between those of neighbouring taps.
    before, after : int
        Padding of the input; where negative, inputs that are not read.
    """

    first: int
    count: int
    taps: Taps
    dilation: int
    before: int
    after: int

    @property
    def read(self) -> slice:
        """The inputs that are read."""
        return slice(max(-self.before, 0), min(self.after, 0) or None)

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


def _phase(
    first: int, size: int, output: int, before: int, kernel: int, stride: int, dilation: int
) -> Phases:
    """The outputs `first`, `first + stride`, ..."""
    count = -(-(output - first) // stride)
    inputs, residue = divmod(first + before, stride)
    taps = _taps(residue, kernel, stride, dilation)
    if taps:
        step = dilation // math.gcd(stride, dilation)
        pad = (
            taps[0] * dilation - residue
        ) // stride - inputs  # the last tap reads the first input
        after = count + (len(taps) - 1) * step - pad - size
        if max(-pad, 0) - min(after, 0) < size:
            return Phases(first, count, (taps,), step, pad, after)
    return Phases(first, count, (range(0),), 1, 0, 0)


def _phases(
    size: int,
    output: int,
    before: int,
    kernel: int,
    stride: int,
    dilation: int,
    *,
    joined: bool,
) -> list[Phases]:
    """All outputs of an axis; phases that read the same inputs in one if they may be `joined`."""
    phases = [
        _phase(first, size, output, before, kernel, stride, dilation)
        for first in range(min(stride, output))
    ]
    if not joined:
        return phases
    groups = groupby(phases, lambda p: (p.count, len(p.taps[0]), p.dilation, p.before, p.after))
    return [
        replace(first, taps=tuple(p.taps[0] for p in (first, *rest)))
        for first, *rest in (list(group) for _, group in groups)
    ]


@dataclass(frozen=True, slots=True)
class Part:
    """A convolution of stride 1 that makes some outputs of a transposed one.

    Its output channels are those of its column phases: for channels-last arrays all channels of one
    phase, then of the next; for channel-first ones all phases of one channel, then of the next. So
    what lies together in the caller's array lies together here.
    """

    whole: TransposedProblem
    problem: ConvProblem
    rows: Phases
    columns: Phases

    @property
    def key(self) -> tuple[Taps, Taps]:
        """What its filter follows from, beside that of the whole."""
        return self.rows.taps, self.columns.taps

    @property
    def reads(self) -> bool:
        """Whether any input reaches it."""
        return all(phases.taps[0] for phases in (self.rows, self.columns))

    def filter(self, weight: FloatArray) -> FloatArray:
        """Its own, ``(kh, kw, in / groups, out)``, from the whole one in the caller's layout."""
        spec = self.whole.spec
        if not self.reads:
            return np.zeros(self.problem.spec.weight_shape, spec.dtype)
        weight = spec.weight_view(weight)
        taps = weight[np.array(self.rows.taps[0])][:, np.array(self.columns.taps).T]
        kh, kw, phases, out, _ = taps.shape
        inner = spec.in_channels // spec.groups
        taps = taps.reshape(kh, kw, phases, out, spec.groups, inner)
        order = (0, 1, 5, 4, 3, 2) if spec.channels_first else (0, 1, 5, 2, 4, 3)
        own: FloatArray = taps.transpose(order).reshape(kh, kw, inner, -1)
        return own

    def bias(self, bias: FloatArray | None) -> FloatArray | None:
        """Its own, from that of the whole."""
        phases = len(self.columns.taps)
        if bias is None or phases == 1:
            return bias
        return np.repeat(bias, phases) if self.whole.spec.channels_first else np.tile(bias, phases)

    def inputs(self, x: FloatArray) -> FloatArray:
        """What it reads of an NHWC view of the input."""
        if self.reads:
            return x[:, self.rows.read, self.columns.read]
        return np.zeros(self.problem.shape, x.dtype)

    def outputs(self, array: FloatArray) -> FloatArray:
        """Its places in an NHWC view of the result: NHWC, with an axis for the column phases."""
        sh, sw = self.whole.spec.stride
        n, _, _, c = array.shape
        sn, row, pixel, channel = array.strides
        shape = (n, self.rows.count, self.columns.count, len(self.columns.taps), c)
        strides = (sn, sh * row, sw * pixel, pixel, channel)
        places = as_strided(array[:, self.rows.first :, self.columns.first :], shape, strides)
        return places.swapaxes(3, 4) if self.whole.spec.channels_first else places


def parts(problem: TransposedProblem) -> list[Part]:
    """The convolutions that make all outputs of a transposed one, each once."""
    spec = problem.spec
    sizes, outputs = problem.input_shape[1:3], problem.output_shape[1:3]
    before = problem.padding[::2]
    axes = zip(sizes, outputs, before, spec.kernel, spec.stride, spec.dilation, strict=True)
    rows, columns = (
        _phases(*axis, joined=joined)
        for axis, joined in zip(axes, (False, spec.groups == 1), strict=True)
    )
    return [_part(problem, *phases) for phases in product(rows, columns)]


def _convolution(
    spec: TransposedSpec,
    kernel: Pair,
    dilation: Pair = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    phases: int = 1,
) -> ConvSpec:
    """A part of `spec` that reads its input."""
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


def _part(whole: TransposedProblem, rows: Phases, columns: Phases) -> Part:
    spec, phases = whole.spec, len(columns.taps)
    n, h, w, c = whole.input_shape
    if rows.taps[0] and columns.taps[0]:
        kernel = (len(rows.taps[0]), len(columns.taps[0]))
        padding = (*rows.padding, *columns.padding)
        part = _convolution(spec, kernel, (rows.dilation, columns.dilation), padding, phases)
        shape = (n, len(range(h)[rows.read]), len(range(w)[columns.read]), c)
    else:  # all rows are padding, which is skipped
        one = replace(spec, in_channels=1, groups=1)
        part = _convolution(one, (1, 1), padding=(rows.count, 0, 0, 0), phases=phases)
        shape = (n, 0, columns.count, 1)
    return Part(whole, ConvProblem.build(part, shape), rows, columns)


def check(spec: TransposedSpec, algorithm: str) -> None:
    """Refuse an `algorithm` that there is not, or that does not support a part of `spec`."""
    rows, columns = (
        {len(_taps(j * d % s, k, s, d)) for j in range(min(k, s))}
        for k, s, d in zip(spec.kernel, spec.stride, spec.dilation, strict=True)
    )
    for kernel in sorted(product(rows, columns)):
        planning.check(_convolution(spec, kernel), algorithm)


@dataclass(frozen=True, slots=True)
class TransposedCall:
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
