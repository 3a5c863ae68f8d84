"""What a layer would do with an input, and why: the choice among the algorithms, with figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, overload

from . import planning, threads, transposed, wisdom
from .algorithms import ALGORITHMS, MOST_ERROR, Algorithm, Call, candidates
from .layers import (
    Conv1D,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    WeightNormConv1d,
    WeightNormConvTranspose1d,
)
from .layers.layer import Layer
from .levels import running
from .problem import ConvProblem, TransposedProblem, integer, pose


@dataclass(frozen=True, slots=True)
class Alternative:
    """What an algorithm would do with a problem.

    Attributes
    ----------
    name : str
        What ``algorithm=`` calls it.
    supported : bool
        Whether it can run the problem at all. If not, its costs are infinite, and the numbers that
        come after them 0.
    allowed : bool
        Whether "auto" and "measure" may choose it.
    reason : str or None
        Why it is not supported or not allowed.
    cost, cost_threads : float
        Estimated cycles of a call on one thread, by which "auto" chooses, and on as many threads as
        the explanation is for. The packed filter is there already.
    multiplications : int
        Of inputs and filter, transforms and unused lanes not counted.
    filter_bytes : int
        Of the packed filter.
    workspace : int
        Bytes that each of the threads needs during a call.
    relative_error : float
        About the rms error in float32 over that of "direct".
    """

    name: str
    supported: bool
    allowed: bool
    reason: str | None
    cost: float
    cost_threads: float
    multiplications: int
    filter_bytes: int
    workspace: int
    relative_error: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The algorithm that is chosen for a problem, beside all that there are; `str` makes a table.

    Attributes
    ----------
    problem : ConvProblem
    level : str
        The instruction-set level that runs.
    num_threads : int
        That a call with the chosen algorithm would use.
    algorithm : str
        What was asked for: "auto", "measure" or a name.
    chosen : str
        The name of the algorithm that a call would use.
    why : str
        What decided it.
    alternatives : tuple of Alternative
        All algorithms, the cheapest first.
    """

    problem: ConvProblem
    level: str
    num_threads: int
    algorithm: str
    chosen: str
    why: str
    alternatives: tuple[Alternative, ...]

    def __str__(self) -> str:
        problem, spec = self.problem, self.problem.spec
        several = self.num_threads > 1
        head = ["", "cycles", *([f"{self.num_threads} threads"] * several), "multiplications"]
        rows = [[*head, "filter KiB", "workspace KiB", "error", ""]]
        for a in self.alternatives:
            numbers = [a.cost, *([a.cost_threads] * several), a.multiplications]
            numbers += [a.filter_bytes / 1024, a.workspace / 1024]
            cells = [f"{number:,.0f}" for number in numbers] + [f"{a.relative_error:.1f}"]
            name = f"{'*' if a.name == self.chosen else ' '} {a.name}"
            if a.supported:
                rows.append([name, *cells, a.reason or ""])
        unable = [[f"  {a.name}", a.reason or ""] for a in self.alternatives if not a.supported]
        kernel = "x".join(map(str, spec.kernel[-spec.dims :]))
        return (
            f"convolution of {problem.shape} with a kernel of {kernel} to {problem.result_shape}, "
            f"{spec.dtype}, {self.level}\n"
            f"algorithm={self.algorithm!r} runs {self.chosen}: {self.why}\n\n"
            f"{_aligned(rows)}\n\ncannot run it:\n{_aligned(unable)}"
        )


@dataclass(frozen=True, slots=True)
class TransposedExplanation:
    """The convolutions of stride 1 that a transposed one consists of; `str` makes a table.

    Attributes
    ----------
    problem : TransposedProblem
    algorithm : str
        What was asked for: "auto", "measure" or a name.
    parts : tuple of Explanation
        In the order in which they run. Each has all columns between two strides that read the same
        inputs: their channels are those of these columns. One that reads none is of no rows.
    """

    problem: TransposedProblem
    algorithm: str
    parts: tuple[Explanation, ...]

    def __str__(self) -> str:
        problem, spec = self.problem, self.problem.spec
        rows = [["input", "kernel", "output", "cycles", "runs"]]
        for part in self.parts:
            own = part.problem
            chosen = next(a for a in part.alternatives if a.name == part.chosen)
            shapes = ("x".join(map(str, s)) for s in (own.input_shape, own.spec.kernel))
            output = "x".join(map(str, own.output_shape))
            rows.append([*shapes, output, f"{chosen.cost:,.0f}", part.chosen])
        kernel, stride = (
            "x".join(map(str, sizes[-spec.dims :])) for sizes in (spec.kernel, spec.stride)
        )
        return (
            f"transposed convolution of {problem.shape} with a kernel of {kernel}, stride {stride} "
            f"to {problem.result_shape}, {spec.dtype}, {self.parts[0].level}\n"
            f"algorithm={self.algorithm!r} runs these convolutions of stride 1:\n\n{_aligned(rows)}"
        )


def _aligned(rows: list[list[str]]) -> str:
    """A table: the first and last columns to the left, the numbers between them to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *numbers, last in rows:
        cells = [c.rjust(w) for c, w in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells, last]).rstrip())
    return "\n".join(lines)


@overload
def explain(
    layer_or_problem: Conv1D | Conv2d | WeightNormConv1d | ConvProblem,
    input_shape: Sequence[int] | None = None,
    *,
    num_threads: int | None = None,
) -> Explanation: ...
@overload
def explain(
    layer_or_problem: (
        ConvTranspose1d | ConvTranspose2d | WeightNormConvTranspose1d | TransposedProblem
    ),
    input_shape: Sequence[int] | None = None,
    *,
    num_threads: int | None = None,
) -> TransposedExplanation: ...
def explain(
    layer_or_problem: Any,
    input_shape: Sequence[int] | None = None,
    *,
    num_threads: int | None = None,
) -> Explanation | TransposedExplanation:
    """Which algorithm a layer runs for inputs of a shape, and what each would cost.

    Nothing is packed, run or measured, and the layer stays as it is. It is explained as it runs in
    eval mode, with its filter packed.

    Parameters
    ----------
    layer_or_problem : layer, ConvProblem or TransposedProblem
        Any layer of this package. A problem is explained as a layer with ``algorithm="auto"`` would
        run it.
    input_shape : sequence of int
        As the layer takes it; not needed for a problem.
    num_threads : int, optional
        As in a call; by default as many as a call would use.

    Returns
    -------
    Explanation or TransposedExplanation
        The latter for a transposed convolution: an Explanation of each of its parts.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If the layer cannot take an input of that shape.

    Examples
    --------
    >>> explain(Conv2d(1, 64, 256), (1, 56, 56, 64)).chosen
    'direct'
    """
    threads.check(num_threads)
    asked = layer_or_problem
    if isinstance(asked, WeightNormConv1d | WeightNormConvTranspose1d):
        asked = asked.conv
    if not isinstance(asked, Layer | ConvProblem | TransposedProblem):
        raise TypeError(
            "layer_or_problem must be a Conv2d, another layer or a problem; "
            f"got {type(asked).__name__}"
        )
    call, algorithm = None, "auto"
    if isinstance(asked, Layer):
        problem = pose(asked._spec, _shape(input_shape))
        algorithm, call = asked.algorithm, asked._weights.known(problem.shape)
    elif input_shape is None:
        problem = asked
    elif isinstance(asked, ConvProblem):
        problem = ConvProblem.build(asked.spec, _shape(input_shape))
    else:
        problem = TransposedProblem.build(asked.spec, _shape(input_shape))
    if isinstance(problem, ConvProblem):
        bound = call if isinstance(call, Call) else None
        return _explanation(problem, algorithm, bound, num_threads)
    assert isinstance(problem, TransposedProblem)
    known = call.calls if isinstance(call, transposed.TransposedCall) else ()
    parts = tuple(
        _explanation(
            part.problem, algorithm if part.reads else "direct", own and own[1], num_threads
        )
        for part, own in zip_longest(transposed.parts(problem), known)
    )
    return TransposedExplanation(problem, algorithm, parts)


def _explanation(
    problem: ConvProblem, algorithm: str, bound: Call | None, num_threads: int | None
) -> Explanation:
    """`bound` is what a layer's first call chose, if there was one."""
    level = running()
    chosen, why = _choice(problem, algorithm, level)
    if bound is not None and bound.algorithm.name != chosen:  # wisdom has changed since then
        chosen, why = bound.algorithm.name, "the choice of the layer's first call"
    number = 1
    if 0 not in problem.output_shape:
        (named,) = (a for a in ALGORITHMS if a.name == chosen)
        plan = named.bind(problem, named.filter(problem.spec, level)).plan
        number = threads.count(num_threads, plan.worthwhile_threads)
    able = [_alternative(a, problem, level, number) for a in ALGORITHMS]
    able.sort(key=lambda a: a.cost)
    return Explanation(problem, level, number, algorithm, chosen, why, tuple(able))


def _shape(given: Sequence[int] | None) -> tuple[int, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise TypeError(f"input_shape must be a sequence of ints; got input_shape={given!r}")
    return tuple(integer(size, f"input_shape[{i}]", 0) for i, size in enumerate(given))


def _choice(problem: ConvProblem, algorithm: str, level: str) -> tuple[str, str]:
    """The name of the chosen algorithm, and why it is."""
    able = candidates(problem.spec, algorithm)
    if algorithm not in ("auto", "measure"):
        return algorithm, "it was asked for by name"
    if len(able) == 1:
        return able[0].name, "no other is allowed"
    if 0 in problem.output_shape:
        return able[-1].name, "there is nothing to compute"
    if algorithm == "measure":
        name = wisdom.recall(problem, level, reused=True)
        if name is not None:
            return name, "it was the fastest when it was measured"
    why = "it costs the fewest cycles on one thread"
    if algorithm == "measure":
        why += ", until the first call measures"
    return planning.choose(problem, "auto", level, reused=True).name, why


def _alternative(
    algorithm: Algorithm, problem: ConvProblem, level: str, num_threads: int
) -> Alternative:
    spec = problem.spec
    name, error = algorithm.name, algorithm.error(spec)
    if not algorithm.supports(spec):
        reason = f"supports {algorithm.supported}"
        return Alternative(name, False, False, reason, math.inf, math.inf, 0, 0, 0, error)
    allowed = algorithm in candidates(spec, "auto")
    why_not = None if allowed else f"by name only: its error is over {MOST_ERROR}"
    packed = algorithm.filter(spec, level)
    if 0 in problem.output_shape:
        return Alternative(name, True, allowed, why_not, 0.0, 0.0, 0, packed.nbytes, 0, error)
    plan = algorithm.bind(problem, packed).plan
    return Alternative(
        name,
        True,
        allowed,
        why_not,
        plan.cost(1),
        plan.cost(num_threads),
        algorithm.multiplications(problem),
        packed.nbytes,
        plan.workspace(num_threads),
        error,
    )
