"""Timing algorithms on one problem, for ``algorithm="measure"``."""

import math
from collections.abc import Callable, Sequence
from time import perf_counter

from .algorithms import Algorithm, Call
from .arrays import empty
from .problem import ConvProblem

# Rounds in which each algorithm runs once: at least and at most, and for how long in between.
_LEAST, _MOST, _SECONDS = 4, 100, 0.02


def fastest(
    problem: ConvProblem,
    able: Sequence[Algorithm],
    make: Callable[[Algorithm], Call],
    *,
    reused: bool,
    num_threads: int | None,
) -> Call:
    """The call of one of `able` that took the shortest time in any round, on arrays of its own.

    Unless the packed filter is `reused`, making it counts.
    """
    dtype = problem.spec.dtype
    x, out = empty(problem.shape, dtype), empty(problem.result_shape, dtype)
    x.fill(1)
    calls = [make(algorithm) for algorithm in able]
    seconds = [math.inf] * len(calls)
    end = perf_counter() + _SECONDS
    for turn in range(_MOST):
        if turn >= _LEAST and perf_counter() > end:
            break
        for i, algorithm in enumerate(able):
            begin = perf_counter()
            if not reused:
                calls[i] = make(algorithm)
            calls[i].run(x, out, None, num_threads)
            seconds[i] = min(seconds[i], perf_counter() - begin)
    return calls[seconds.index(min(seconds))]
