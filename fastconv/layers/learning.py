"""What a layer keeps of a call in train mode, and its way back to the gradients."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import gradients, threads
from .._native import elementwise
from ..arrays import FloatArray, empty, usable
from ..levels import running
from ..problem import ConvProblem, ConvSpec, TransposedProblem, TransposedSpec, pose

_THREAD_BYTES = 1 << 19  # of an array, that make another thread worthwhile


def _threads(array: FloatArray, num_threads: int | None) -> int:
    """Those of a pass over an array."""
    return threads.team(num_threads, max(1, array.nbytes // _THREAD_BYTES))


def copied(array: FloatArray, num_threads: int | None) -> FloatArray:
    """A copy, whose axes lie in memory in the same order."""
    array = usable(array)
    if not array.flags.c_contiguous:
        order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        turned = np.ascontiguousarray(array.transpose(order))
        whole = turned if turned.base is None else copied(turned, num_threads)  # new, or a view
        return whole.transpose(np.argsort(order))
    copy = empty(array.shape, array.dtype)
    elementwise.copy(running(), copy, array, _threads(array, num_threads))
    return copy


class Forward:
    """A call in train mode: the input, and where the activation held the result back.

    Attributes
    ----------
    problem : ConvProblem or TransposedProblem
        What was asked.
    computed : ConvProblem or TransposedProblem
        What native code computes of it. With a slope below 0 all but the activation, since the
        sign of the result does not tell that of what went in.
    has_residual : bool
    """

    def __init__(
        self, spec: ConvSpec | TransposedSpec, x: FloatArray, num_threads: int | None
    ) -> None:
        self.problem: ConvProblem | TransposedProblem = pose(spec, x.shape)
        self.computed = self.problem
        self._slope, self._upper = spec.slope_and_upper or (1.0, math.inf)
        if self._slope < 0:
            self.computed = pose(dataclasses.replace(spec, activation=None), x.shape)
        self._x = copied(x, num_threads)
        self._damped: NDArray[Any] | None = None
        self.has_residual = False

    def finish(self, y: FloatArray, has_residual: bool, num_threads: int | None) -> None:
        """Complete `y`, the result of `computed`, and remember what `backward` needs of it."""
        self.has_residual = has_residual
        if self.problem.spec.activation is None:
            return
        self._damped = empty(y.shape, np.dtype(np.bool))
        upper = self._upper if self._upper < math.inf else math.nan
        number = _threads(y, num_threads)
        elementwise.mark(running(), self._damped, np.ascontiguousarray(y), upper, number)
        if self._slope < 0:
            y[...] = self.before_activation(y, num_threads)

    def before_activation(self, dy: FloatArray, num_threads: int | None) -> FloatArray:
        """The gradient of what went into the activation: `dy` itself if there is none.

        At 0 it is that of the negative side, at relu6's 6 that of the other, as PyTorch has it.
        """
        if self._damped is None:
            return dy
        given = np.ascontiguousarray(usable(dy))
        dz = empty(given.shape, given.dtype)
        number = _threads(dz, num_threads)
        elementwise.damp(running(), dz, given, self._damped, self._slope, number)
        return dz

    def gradients(
        self, dz: FloatArray, weight: FloatArray, has_bias: bool, num_threads: int | None
    ) -> list[FloatArray]:
        """Of the input, the filter and, if there is one, the bias; in the caller's layout."""
        problem, spec = self.problem, self.problem.spec
        dx = empty(problem.shape, spec.dtype)
        gradients.of_input(problem, dz, weight, dx, "auto", num_threads)
        in_one = has_bias and isinstance(problem, ConvProblem)
        shape = spec.weight_view(weight).shape
        dw, matrix = gradients.memory(None, shape, spec.dtype, (), in_one)
        gradients.of_filter(problem, self._x, dz, matrix, "auto", num_threads, in_one)
        if spec.channels_first:
            found = empty(weight.shape, spec.dtype)
            spec.weight_view(found)[...] = dw
        else:
            found = dw.reshape(weight.shape)
        if not has_bias:
            return [dx, found]
        if in_one:
            return [dx, found, matrix[-1]]
        return [dx, found, gradients.conv_bias_grad(problem.view(dz), num_threads=num_threads)]
