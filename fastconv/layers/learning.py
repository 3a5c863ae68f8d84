"""What a layer keeps of a call in train mode, and its way back to the gradients."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray
from ..problem import ConvProblem, ConvSpec, TransposedProblem, TransposedSpec, pose


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

    def __init__(self, spec: ConvSpec | TransposedSpec, x: FloatArray) -> None:
        self.problem: ConvProblem | TransposedProblem = pose(spec, x.shape)
        self.computed = self.problem
        self._slope, self._upper = spec.slope_and_upper or (1.0, np.inf)
        if self._slope < 0:
            self.computed = pose(dataclasses.replace(spec, activation=None), x.shape)
        self._x: FloatArray = np.array(x, spec.dtype)
        self._damped: NDArray[np.bool] | None = None
        self.has_residual = False

    def finish(self, y: FloatArray, has_residual: bool) -> None:
        """Complete `y`, the result of `computed`, and remember what `backward` needs of it."""
        self.has_residual = has_residual
        if self.problem.spec.activation is None:
            return
        self._damped = y <= 0
        if self._upper < np.inf:
            self._damped |= y >= self._upper
        if self._slope < 0:
            np.multiply(y, y.dtype.type(self._slope), out=y, where=self._damped)

    def before_activation(self, dy: FloatArray) -> FloatArray:
        """The gradient of what went into the activation.

        At 0 it is that of the negative side, at relu6's 6 that of the other, as PyTorch has it.
        """
        if self._damped is None:
            return dy
        kind = self.problem.spec.dtype.type
        damped = kind(self._slope) * dy if self._slope else kind(0)
        return np.where(self._damped, damped, dy)

    def gradients(
        self, dz: FloatArray, weight: FloatArray, has_bias: bool, num_threads: int | None
    ) -> list[FloatArray]:
        """Of the input, the filter and, if there is one, the bias; in the caller's layout."""
        from .. import gradients  # inference does not need it

        problem = self.problem
        spec = problem.spec
        sizes: dict[str, Any] = {
            "stride": spec.stride,
            "padding": problem.padding,
            "dilation": spec.dilation,
            "groups": spec.groups,
            "num_threads": num_threads,
        }
        values: dict[str, Any] = {}
        of_input: Any
        of_weight: Any
        if isinstance(spec, ConvSpec):
            of_input, of_weight = gradients.conv2d_input_grad, gradients.conv2d_weight_grad
            sizes["pad_mode"], values["pad_value"] = spec.pad_mode, spec.pad_value
        else:
            of_input = gradients.conv_transpose2d_input_grad
            of_weight = gradients.conv_transpose2d_weight_grad
            sizes["output_padding"] = spec.output_padding
        x, dy, w = problem.view(self._x), problem.view(dz), spec.weight_view(weight)
        dx, dw = np.empty(problem.shape, spec.dtype), np.empty(weight.shape, spec.dtype)
        of_input(dy, w, problem.input_shape, out=problem.view(dx), **sizes)
        of_weight(x, dy, w.shape, out=spec.weight_view(dw), **values, **sizes)
        bias = [gradients.conv_bias_grad(dy, num_threads=num_threads)] if has_bias else []
        return [dx, dw, *bias]
