"""Which of the `algorithms` runs a problem, and running it."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Protocol

from . import threads, wisdom
from .algorithms import Algorithm, Call, Packed, candidates
from .arrays import ArrayLike, FloatArray, destination, take
from .problem import ConvProblem, ConvSpec, Problem


class Runnable(Protocol):
    """A problem, ready to be solved for one array after another."""

    @property
    def problem(self) -> Problem:
        """What is solved."""

    def run(
        self, x: FloatArray, out: FloatArray, residual: FloatArray | None, num_threads: int | None
    ) -> None:
        """Solve it for checked arrays in the caller's layout."""


def check(spec: ConvSpec, algorithm: str) -> None:
    """Refuse an `algorithm` that there is not, or that does not support `spec`."""
    if not (isinstance(algorithm, str) and algorithm == "auto"):
        candidates(spec, algorithm)


def choose(problem: ConvProblem, algorithm: str, level: str, reused: bool) -> Algorithm:
    """The algorithm that is named, or for "auto" the cheapest, the first of equals.

    Costs are those of one thread: the choice, and so the result, is the same for any number.
    `reused`: the packed filter will be, so what it costs to make does not count.
    """
    if algorithm == "auto":
        return _cheapest(problem, level, reused)
    return candidates(problem.spec, algorithm)[0]


@lru_cache(256)
def _cheapest(problem: ConvProblem, level: str, reused: bool) -> Algorithm:
    """What "auto" chooses."""
    able = candidates(problem.spec, "auto")
    if len(able) == 1 or 0 in problem.output_shape:
        return able[-1]
    return min(able, key=lambda a: _cost(a, problem, level, reused))


def _cost(algorithm: Algorithm, problem: ConvProblem, level: str, reused: bool) -> float:
    """Estimated cycles of a call on one thread."""
    packed = _unpacked(algorithm, problem.spec, level)
    cycles = algorithm.bind(problem, packed).plan.cost(1)
    if not reused:
        beginning, element = algorithm.pack_cycles
        cycles += beginning + element * (packed.nbytes // problem.spec.dtype.itemsize)
    return cycles


@lru_cache(256)
def _unpacked(algorithm: Algorithm, spec: ConvSpec, level: str) -> Packed:
    """A packed form to estimate with, which stays empty."""
    return algorithm.filter(spec, level)


def prepare(
    problem: ConvProblem,
    algorithm: str,
    level: str,
    make: Callable[[Algorithm], Call],
    *,
    reused: bool,
    num_threads: int | None,
) -> Call:
    """A call by the algorithm that is chosen, ready to run.

    `make` packs the filter for an algorithm and binds it to the problem; `reused` as in `choose`.
    """
    if algorithm == "measure":
        return wisdom.choose(problem, level, make, reused=reused, num_threads=num_threads)
    return make(choose(problem, algorithm, level, reused))


def execute(
    problem: Problem,
    x: FloatArray,
    residual: ArrayLike | None,
    out: Any,
    num_threads: int | None,
    constants: Iterable[tuple[str, FloatArray | None]],
    prepare: Callable[[], Runnable],
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
