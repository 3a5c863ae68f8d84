"""The weight and bias of a layer: frozen, with what was made from them, or writable."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import functional, planning, transposed
from ..algorithms import Algorithm, Call, Packed
from ..arrays import FloatArray, frozen
from ..levels import running
from ..planning import Runnable
from ..problem import ConvProblem, ConvSpec, Problem, TransposedProblem, TransposedSpec, integer
from .module import Module, Parameter

# Calls that a layer keeps, of some kilobytes each; and where each has an index of all columns.
_MAX_CALLS, _MAX_INDEXED = 128, 8


class Frozen:
    """A weight and a bias, read-only, with what was made from them: those of eval mode.

    Replaced as a whole, never changed, so nothing packed is ever stale and one thread may call
    while another assigns. Shared by copies and replicas; pickles and deep copies start afresh.
    """

    __slots__ = ("_calls", "_packed", "bias", "weight")

    training = False

    def __init__(self, weight: FloatArray, bias: FloatArray | None) -> None:
        self.weight = frozen(weight)
        self.bias = None if bias is None else frozen(bias)
        self._packed: dict[tuple[Any, ...], Packed] = {}
        self._calls: dict[tuple[tuple[int, ...], str], Runnable] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Frozen, (self.weight, self.bias)

    def shared(self) -> "Frozen":
        """What a shallow copy of the layer gets."""
        return self

    def replaced(self, new: dict[str, FloatArray]) -> "Frozen":
        """With a copy of another weight, bias or both."""
        return Frozen(new.get("weight", self.weight), new.get("bias", self.bias))

    def constants(self) -> tuple[tuple[str, FloatArray | None], ...]:
        """By name, the arrays that could be given as `out`: nobody can write into these."""
        return ()

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
        indexed = isinstance(problem, ConvProblem) and problem.spec.pad_mode != "constant"
        kept = list(self._calls.items())[1 - (_MAX_INDEXED if indexed else _MAX_CALLS) :]
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


class Writable:
    """A weight and a bias that anyone may write into, so packed in each call: train mode's."""

    __slots__ = ("bias", "weight")

    training = True

    def __init__(self, weight: FloatArray, bias: FloatArray | None) -> None:
        self.weight = weight
        self.bias = bias

    @classmethod
    def copied(cls, weight: FloatArray, bias: FloatArray | None) -> "Writable":
        """Of arrays that stay the caller's."""
        return cls(_owned(weight), None if bias is None else _owned(bias))

    def shared(self) -> "Writable":
        """What a shallow copy of the layer gets: arrays of its own."""
        return Writable.copied(self.weight, self.bias)

    def replaced(self, new: dict[str, FloatArray]) -> "Writable":
        """With a copy of another weight, bias or both; the other stays the same array."""
        owned = {name: _owned(array) for name, array in new.items()}
        return Writable(owned.get("weight", self.weight), owned.get("bias", self.bias))

    def constants(self) -> tuple[tuple[str, FloatArray | None], ...]:
        """By name, the arrays that could be given as `out`."""
        return (("weight", self.weight), ("bias", self.bias))

    def known(self, shape: tuple[int, ...]) -> None:
        """No call is kept."""

    def prepare(self, problem: Problem, algorithm: str, num_threads: int | None) -> Runnable:
        """Choose, by costs that include the packing, pack and bind."""
        arguments = self.weight, self.bias, algorithm, num_threads
        if isinstance(problem, TransposedProblem):
            return functional.bind_transposed(problem, *arguments)
        assert isinstance(problem, ConvProblem)
        return functional.bind(problem, *arguments)


def _owned(array: FloatArray) -> FloatArray:
    return np.array(array, array.dtype.type, order="C")


class State:
    """The weights of one layer, whichever its mode. Its parameters refer to this, not to it."""

    __slots__ = ("weights",)

    def __init__(self, weights: Frozen | Writable) -> None:
        self.weights = weights

    def array(self, part: str) -> FloatArray:
        """The weight or the bias."""
        array: FloatArray = getattr(self.weights, part)
        return array

    def assign(self, new: dict[str, FloatArray]) -> None:
        """Replace the weight, the bias or both, at once."""
        self.weights = self.weights.replaced(new)

    def switch(self, training: bool) -> None:
        """Replace the weights by a copy for the other mode, unless they are for it already."""
        if self.weights.training != training:
            make = Writable.copied if training else Frozen
            self.weights = make(self.weights.weight, self.weights.bias)


class Held(Parameter):
    """A parameter whose values are a part of a layer's state."""

    def __init__(self, state: Any, part: str) -> None:
        self._state = state
        self._part = part
        self._grad = None
        self.label = part

    def _get(self) -> FloatArray:
        array: FloatArray = self._state.array(self._part)
        return array

    def _set(self, values: FloatArray) -> None:
        self._state.assign({self._part: values})

    def _switch(self, training: bool) -> None:
        """The layer does it, for all its parts at once."""


def checked_name(name: Any) -> str | None:
    """What the keys of a layer's parameters start with."""
    if not (name is None or isinstance(name, str)):
        raise TypeError(f"name must be a str or None; got name={name!r}")
    return name


class Holding(Module):
    """A module whose parameters are parts of one state, under its name."""

    _name: str | None
    _state: Any
    _held: dict[str, Held]

    @property
    def name(self) -> str | None:
        """What the keys of `parameters` and `state_dict` start with."""
        return self._name

    def _own_parameters(self) -> Mapping[str, Parameter]:
        prefix = f"{self._name}." if self._name else ""
        return {prefix + part: parameter for part, parameter in self._held.items()}

    def _assign(self, new: Mapping[str, FloatArray]) -> None:
        """All at once: no call in another thread sees the one without the other."""
        parts = dict(zip(self._own_parameters(), self._held, strict=True))
        if new:
            self._state.assign({parts[name]: array for name, array in new.items()})


def initial(
    spec: ConvSpec | TransposedSpec, has_bias: bool, rng: "np.random.Generator | int | None"
) -> Frozen:
    """Uniform within ``+-1 / sqrt(fan_in)``, as `torch.nn.Conv2d` documents its initial weights.

    As there, a transposed convolution has the fan-in of the convolution whose gradient it is.
    The annotation is a string because importing `numpy.random` would double fastconv's import time.
    """
    if not (rng is None or isinstance(rng, np.random.Generator)):
        rng = integer(rng, "rng", 0)
    generator = np.random.default_rng(rng)
    filters = spec.in_channels if isinstance(spec, TransposedSpec) else spec.out_channels
    bound = 1 / math.sqrt(math.prod(spec.weight_shape) // filters)

    def draw(shape: tuple[int, ...]) -> FloatArray:
        return generator.uniform(-bound, bound, shape).astype(spec.dtype)

    return Frozen(draw(spec.weight_shape), draw((spec.out_channels,)) if has_bias else None)
