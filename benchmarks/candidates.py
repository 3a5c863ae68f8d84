"""The algorithms that could run a case, each ready to be called, and what their calls take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain

import numpy as np

from fastconv import levels
from fastconv._native.levels import tile
from fastconv.algorithms import Call, candidates
from fastconv.arrays import empty
from fastconv.problem import ConvProblem, ConvSpec

from . import machine
from .cases import Case
from .cases.case import FloatArray

KERNELS = ((3, 3), (3, 3), (3, 3), (5, 5), (1, 7), (7, 1), (3,), (3,), (7,), (11,))

Cycles = dict[str, list[float]]  # of each algorithm, a figure per round


@dataclass(frozen=True)
class Ready:
    """An input, a place for the output, and a call for each algorithm that "auto" weighs."""

    x: FloatArray
    out: FloatArray
    calls: dict[str, Call]

    def run(self, name: str, threads: int) -> None:
        """One call."""
        self.calls[name].run(self.x, self.out, None, threads)


def problem_of(case: Case, dtype: str) -> ConvProblem:
    """The problem that a case poses; ValueError for a transposed one."""
    if case.transposed:
        raise ValueError(f"the case must not be a transposed convolution; got {case.name}")
    one = case.dims == 1
    spec = ConvSpec.build(
        case.dims,
        kernel_size=case.kernel[0] if one else case.kernel,
        in_channels=case.in_channels,
        out_channels=case.out_channels,
        dtype=dtype,
        stride=case.stride[0] if one else case.stride,
        padding=tuple(chain(*case.padding)),
        dilation=case.dilation[0] if one else case.dilation,
        groups=case.groups,
        pad_mode="constant",
        pad_value=0.0,
        activation=None,
    )
    return ConvProblem.build(spec, case.input_shape)


def bound(case: Case, dtype: str) -> dict[str, Call]:
    """A call for each algorithm that "auto" weighs, its filter not packed yet."""
    problem = problem_of(case, dtype)
    return {
        algorithm.name: algorithm.bind(problem, algorithm.filter(problem.spec, levels.running()))
        for algorithm in candidates(problem.spec, "auto")
    }


def ready(case: Case, dtype: str) -> Ready:
    """The case's arrays, and every call ready to run."""
    calls = bound(case, dtype)
    values, weight, bias = case.arrays(dtype)
    x = empty(case.input_shape, values.dtype)
    x[:] = values
    for call in calls.values():
        call.algorithm.pack(call.packed, call.problem.spec, weight, bias, None)
    return Ready(x, empty(case.output_shape, values.dtype), calls)


def cycle(threads: int, itemsize: int) -> float:
    """Seconds of a cycle of one core: two multiply-adds of whole vectors at the measured peak."""
    lanes = tile(levels.running(), itemsize)[0]
    return 4 * lanes * threads / machine.peak(threads, itemsize)


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
    """Layers of stride 1, where algorithms compete: 10 thousand to a billion multiplications."""
    rng = np.random.default_rng(seed)
    found: list[Case] = []
    while len(found) < number:
        kernel = KERNELS[rng.integers(len(KERNELS))]
        axes = len(kernel)
        length = 2 ** rng.uniform(2, 7.5 if axes == 2 else 12)
        size = tuple(int(length * rng.uniform(0.7, 1.4)) for _ in kernel)
        groups = int(rng.choice([1, 1, 1, 2, 4]))
        channels = [groups * int(2 ** rng.uniform(1, 9) / groups + 1) for _ in range(2)]
        dilation = (int(rng.choice([1, 1, 1, 2])),) * axes
        case = Case(
            name=f"random {len(found)}",
            size=size,
            kernel=kernel,
            in_channels=channels[0],
            out_channels=channels[1],
            stride=(1,) * axes,
            padding=tuple((d * (k - 1) // 2,) * 2 for k, d in zip(kernel, dilation, strict=True)),
            dilation=dilation,
            output_padding=(0,) * axes,
            groups=groups,
        )
        if 1e4 <= case.multiplications <= 1e9 and min(case.output_size) > 0:
            found.append(case)
    return found
