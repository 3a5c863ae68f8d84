"""The algorithms that could run a case, each ready to be called, and what their calls take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from fastconv import levels
from fastconv._native.levels import cycles_of_multiply_add, tile
from fastconv.algorithms import Call, candidates
from fastconv.arrays import empty
from fastconv.problem import ConvProblem, ConvSpec, TransposedProblem, TransposedSpec
from fastconv.transposed import Part, parts

from . import machine
from .cases import Case
from .cases.case import FloatArray

# Of random cases: kernel and stride; groups, or DEPTHWISE.
LAYERS = (
    *[((3, 3), 1)] * 3, *[((3,), 1)] * 2, ((3, 3), 2), ((3,), 2), ((2, 2), 1), ((2,), 1),
    ((4, 4), 1), ((5, 5), 1), ((1, 7), 1), ((7, 1), 1), ((7,), 1), ((11,), 1),
)  # fmt: skip
DEPTHWISE = 0
GROUPS = (*[1] * 8, 2, 4, 16, DEPTHWISE)

Cycles = dict[str, list[float]]  # of each algorithm, a figure per round


@dataclass(frozen=True)
class Convolution:
    """What there is to choose an algorithm for: a case, or a part of a transposed one."""

    name: str
    problem: ConvProblem
    part: Part | None = None

    def calls(self) -> dict[str, Call]:
        """One for each algorithm that "auto" weighs, its filter not packed yet."""
        spec = self.problem.spec
        return {
            algorithm.name: algorithm.bind(self.problem, algorithm.filter(spec, levels.running()))
            for algorithm in candidates(spec, "auto")
        }


@dataclass(frozen=True)
class Ready:
    """An input, a place for the output, and a call for each algorithm that "auto" weighs."""

    convolution: Convolution
    x: FloatArray
    out: FloatArray
    calls: dict[str, Call]

    def run(self, name: str, threads: int) -> None:
        """One call."""
        self.calls[name].run(self.x, self.out, None, threads)


def convolutions(case: Case, dtype: str) -> list[Convolution]:
    """Those that a case takes; of a transposed one, the parts that read inputs."""
    one = case.dims == 1
    more: dict[str, Any] = {"pad_mode": "constant", "pad_value": 0.0}
    if case.transposed:
        more = {"output_padding": case.output_padding[0] if one else case.output_padding}
    build = TransposedSpec.build if case.transposed else ConvSpec.build
    spec = build(
        case.dims,
        kernel_size=case.kernel[0] if one else case.kernel,
        in_channels=case.in_channels,
        out_channels=case.out_channels,
        dtype=dtype,
        stride=case.stride[0] if one else case.stride,
        padding=tuple(chain(*case.padding)),
        dilation=case.dilation[0] if one else case.dilation,
        groups=case.groups,
        activation=None,
        **more,
    )
    if isinstance(spec, ConvSpec):
        return [Convolution(case.name, ConvProblem.build(spec, case.input_shape))]
    whole = TransposedProblem.build(spec, case.input_shape)
    made = [part for part in parts(whole) if part.reads]
    return [
        Convolution(case.name + f" part {i}" * (len(made) > 1), part.problem, part)
        for i, part in enumerate(made)
    ]


def ready(case: Case, dtype: str) -> list[Ready]:
    """The case's arrays, and every call ready to run."""
    values, weight, bias = case.arrays(dtype)
    x, out = empty(case.input_shape, values.dtype), empty(case.output_shape, values.dtype)
    x[:] = values
    made = []
    for convolution in convolutions(case, dtype):
        arrays, own = (x, out), (weight, bias)
        if part := convolution.part:
            seen, places = (part.whole.view(a) for a in arrays)
            arrays = part.inputs(seen), part.outputs(places)
            own = part.filter(weight), part.bias(bias)
        calls = convolution.calls()
        for call in calls.values():
            call.algorithm.pack(call.packed, call.problem.spec, *own, None)
        made.append(Ready(convolution, *arrays, calls))
    return made


def cycle(threads: int, itemsize: int) -> float:
    """Seconds of a cycle of one core, from the measured peak of multiply-adds."""
    lanes = tile(levels.running(), itemsize)[0]
    seconds = 2 * lanes * threads / machine.peak(threads, itemsize)  # of one, of whole vectors
    return seconds / cycles_of_multiply_add(levels.running(), itemsize)


def measure(case: Ready, threads: int, rounds: int, seconds: float) -> Cycles:
    """Cycles of a call of each algorithm; they take turns, round after round."""
    figures: Cycles = {name: [] for name in case.calls}
    for _ in range(rounds):
        unit = cycle(threads, case.x.itemsize)
        for name, series in figures.items():
            case.run(name, threads)  # wakes the threads, warms the caches
            best, end = float("inf"), time.perf_counter() + seconds
            while best == float("inf") or time.perf_counter() < end:
                start = time.perf_counter()
                case.run(name, threads)
                best = min(best, time.perf_counter() - start)
            series.append(best / unit)
    return figures


def predicted(calls: dict[str, Call], threads: int) -> dict[str, float]:
    """The cycles that the cost model says."""
    return {name: call.plan.cost(threads) for name, call in calls.items()}


def random_cases(number: int, seed: int) -> list[Case]:
    """Layers for which algorithms compete, of 10 thousand to a billion multiplications."""
    rng = np.random.default_rng(seed)
    found: list[Case] = []
    while len(found) < number:
        kernel, stride = LAYERS[rng.integers(len(LAYERS))]
        axes = len(kernel)
        length = 2 ** rng.uniform(2, 7.5 if axes == 2 else 12)
        size = tuple(int(length * rng.uniform(0.7, 1.4)) for _ in kernel)
        groups = int(rng.choice(GROUPS))
        channels = [int(2 ** rng.uniform(1, 9)) for _ in range(2)]
        if groups == DEPTHWISE:
            groups = channels[0]
            channels[1] = groups * int(rng.choice([1, 1, 2]))
        channels = [-(-c // groups) * groups for c in channels]
        dilation = (int(rng.choice([1, 1, 1, 2])) if stride == 1 else 1,) * axes
        numbers = ["x".join(map(str, kernel)), f"s{stride}" * (stride > 1)]
        numbers += [f"g{groups}" * (groups > 1), f"d{dilation[0]}" * (dilation[0] > 1)]
        numbers += ["{}>{}".format(*channels), "@" + "x".join(map(str, size))]
        case = Case(
            name="random " + " ".join(filter(None, numbers)),
            size=size,
            kernel=kernel,
            in_channels=channels[0],
            out_channels=channels[1],
            stride=(stride,) * axes,
            padding=tuple((d * (k - 1) // 2,) * 2 for k, d in zip(kernel, dilation, strict=True)),
            dilation=dilation,
            output_padding=(0,) * axes,
            groups=groups,
        )
        if min(case.output_size) > 0 and 1e4 <= case.multiplications <= 1e9:
            found.append(case)
    return found
