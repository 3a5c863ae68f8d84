"""Which algorithm runs a problem: one ordered list, each with what it supports and costs.

To add one: write a class like `Direct`, put it into `ALGORITHMS` before those that it should beat
when their costs are equal.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import threads
from ._native.direct import Plan
from ._native.levels import tile
from ._native.packing import Filter
from .arrays import ArrayLike, FloatArray, destination, take, usable
from .problem import ConvProblem, ConvSpec


@dataclass(frozen=True, slots=True)
class Call:
    """A problem and the plan that solves it, to be run again and again, from several threads."""

    problem: ConvProblem
    plan: Plan

    def run(
        self, x: FloatArray, out: FloatArray, residual: FloatArray | None, num_threads: int | None
    ) -> None:
        """Convolve checked arrays in the caller's layout."""
        view = self.problem.view
        if residual is not None:
            residual = view(usable(residual))
            if residual.strides[-1] != residual.itemsize:  # native code loads whole vectors of it
                residual = np.ascontiguousarray(residual)
        number = threads.count(num_threads, self.plan.worthwhile_threads)
        self.plan.run(view(usable(x)), view(out), residual, number)


class Direct:
    """The definition: every output is a sum over the taps under it."""

    name = "direct"
    supported = "every convolution"
    depthwise = False

    def supports(self, spec: ConvSpec) -> bool:
        """Whether this algorithm can run `spec`."""
        return True

    def cost(self, problem: ConvProblem, level: str) -> float:
        """Estimated cycles on one core: two FMAs per cycle, a vector of channels each.

        Depthwise, a vector spans the groups, and each FMA needs an input of its own: one a cycle.
        """
        spec = problem.spec
        lanes = tile(level, spec.dtype.itemsize)[0]
        sets, per_cycle = (1, 1) if self.depthwise else (spec.groups, 2)
        vectors = sets * -(-(spec.out_channels // sets) // lanes)
        n, oh, ow, _ = problem.output_shape
        kh, kw = spec.kernel
        return n * oh * ow * vectors * kh * kw * (spec.in_channels // spec.groups) / per_cycle

    def pack(
        self, spec: ConvSpec, weight: FloatArray, bias: FloatArray | None, level: str
    ) -> Filter:
        """The filter, given in the caller's layout, as this algorithm wants it."""
        return Filter(spec.weight_view(weight), bias, spec.groups, self.depthwise, level)

    def bind(self, problem: ConvProblem, packed: Filter) -> Plan:
        """A plan that runs `problem` with a filter that `pack` made."""
        spec = problem.spec
        top, _, left, _ = problem.padding
        return Plan(
            packed,
            problem.input_shape,
            problem.output_shape[1:3],
            spec.stride,
            (top, left),
            spec.dilation,
            spec.pad_value,
            *problem.index_maps(),
            spec.slope_and_upper,
        )


class Depthwise(Direct):
    """`Direct` for one input channel per group: neighbouring groups share a vector."""

    name = "depthwise"
    supported = "one input channel per group"
    depthwise = True

    def supports(self, spec: ConvSpec) -> bool:
        """Whether each group has one input channel."""
        return spec.in_channels == spec.groups


ALGORITHMS: tuple[Direct, ...] = (Depthwise(), Direct())


def candidates(spec: ConvSpec, algorithm: str) -> list[Direct]:
    """The algorithms that may run `spec`: all that support it, or the one that is named.

    Raises
    ------
    ValueError
        If there is none of that name, or it does not support `spec`.
    """
    named = [a for a in ALGORITHMS if isinstance(algorithm, str) and algorithm in ("auto", a.name)]
    if not named:
        names = ", ".join(repr(a.name) for a in ALGORITHMS)
        raise ValueError(f"algorithm must be 'auto', {names}; got algorithm={algorithm!r}")
    able = [a for a in named if a.supports(spec)]
    if not able:
        raise ValueError(
            f"algorithm={algorithm!r} supports {named[0].supported}; "
            f"got {spec.in_channels} input channels in {spec.groups} groups"
        )
    return able


def choose(problem: ConvProblem, algorithm: str, level: str) -> Direct:
    """The cheapest of the `candidates`, the first of equals."""
    return min(candidates(problem.spec, algorithm), key=lambda a: a.cost(problem, level))


def execute(
    problem: ConvProblem,
    x: FloatArray,
    residual: ArrayLike | None,
    out: Any,
    num_threads: int | None,
    constants: Iterable[tuple[str, FloatArray | None]],
    prepare: Callable[[], Call],
) -> FloatArray:
    """Solve `problem` for a checked `x`: check what else was given, and only then `prepare`.

    `constants` are further arrays, by name, that `out` must not share memory with.
    """
    spec = problem.spec
    if residual is not None:
        residual = take(residual, "residual", spec.dtype, problem.result_shape)
    inputs = (("x", x), ("residual", residual), *constants)
    result = destination(out, problem.result_shape, spec.dtype, inputs)
    threads.check(num_threads)
    if result.size:
        prepare().run(x, result, residual, num_threads)
    return result if out is None else out
