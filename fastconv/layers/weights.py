"""The weight and bias of a layer, with what was packed from them and which calls are ready."""

import math
from typing import Any

import numpy as np

from .. import planning, transposed
from .._native.packing import Filter
from ..algorithms import Algorithm, Call
from ..arrays import FloatArray, frozen
from ..levels import running
from ..planning import Runnable
from ..problem import ConvProblem, ConvSpec, Problem, TransposedProblem, TransposedSpec, integer

_MAX_CALLS = 8  # plans kept per layer


class Weights:
    """A weight and a bias, read-only, with what was made from them.

    Replaced as a whole, never changed, so nothing packed is ever stale and one thread may call
    while another assigns. Shared by copies and replicas; pickles and deep copies start afresh.
    """

    __slots__ = ("_calls", "_packed", "bias", "weight")

    def __init__(self, weight: FloatArray, bias: FloatArray | None) -> None:
        self.weight = frozen(weight)
        self.bias = None if bias is None else frozen(bias)
        self._packed: dict[tuple[Any, ...], Filter] = {}
        self._calls: dict[tuple[tuple[int, ...], str], Runnable] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Weights, (self.weight, self.bias)

    def known(self, shape: tuple[int, ...]) -> Runnable | None:
        """The call that `prepare` made for an input of this shape at the running level."""
        return self._calls.get((shape, running()))

    def prepare(self, problem: Problem, algorithm: str, num_threads: int | None) -> Runnable:
        """Choose, pack and bind, as far as that was not done before."""
        call: Runnable
        if isinstance(problem, TransposedProblem):

            def make(part: transposed.Part, name: str) -> Call:
                return self._bind(part.problem, name, num_threads, part)

            call = transposed.prepare(problem, algorithm, make)
        else:
            assert isinstance(problem, ConvProblem)
            call = self._bind(problem, algorithm, num_threads)
        # A new dictionary each time: other threads may be reading the old one.
        kept = list(self._calls.items())[1 - _MAX_CALLS :]
        self._calls = dict([*kept, ((problem.shape, running()), call)])
        return call

    def _bind(
        self,
        problem: ConvProblem,
        algorithm: str,
        num_threads: int | None,
        part: transposed.Part | None = None,
    ) -> Call:
        """A call that solves `problem` with the weight, or with what `part` takes of it."""
        level = running()
        key = () if part is None else part.key

        def make(chosen: Algorithm) -> Call:
            packed = self._packed.get((chosen.name, level, *key))
            if packed is None:
                weight, bias = self.weight, self.bias
                if part is not None:
                    weight, bias = part.filter(weight), part.bias(bias)
                packed = chosen.filter(problem.spec, level)
                chosen.pack(packed, problem.spec, weight, bias, None)
            return chosen.bind(problem, packed)

        call = planning.prepare(
            problem, algorithm, level, make, reused=True, num_threads=num_threads
        )
        packed = self._packed.setdefault((call.algorithm.name, level, *key), call.packed)
        # another thread may have been first
        return call if packed is call.packed else make(call.algorithm)


def initial(
    spec: ConvSpec | TransposedSpec, has_bias: bool, rng: "np.random.Generator | int | None"
) -> Weights:
    """Uniform within ``+-1 / sqrt(fan_in)``, as `torch.nn.Conv2d` documents its initial weights.

    A transposed convolution has the fan-in of the convolution whose gradient it is, as there.
    The annotation is a string because importing `numpy.random` would double fastconv's import time.
    """
    if not (rng is None or isinstance(rng, np.random.Generator)):
        rng = integer(rng, "rng", 0)
    generator = np.random.default_rng(rng)
    filters = spec.in_channels if isinstance(spec, TransposedSpec) else spec.out_channels
    bound = 1 / math.sqrt(math.prod(spec.weight_shape) // filters)

    def draw(shape: tuple[int, ...]) -> FloatArray:
        return generator.uniform(-bound, bound, shape).astype(spec.dtype)

    return Weights(draw(spec.weight_shape), draw((spec.out_channels,)) if has_bias else None)
