"""A network as a list of operations in the order in which they run, with its seeded weights.

Batch-norm is folded into the convolutions, so each has a bias. Shapes are of one image,
channels-last: (*size, channels).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class LeakyReLU:
    """x where it is not negative, else slope * x."""

    slope: float


Activation = Literal["relu", "relu6", "tanh"] | LeakyReLU | None
Parameters = dict["Layer", tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Value:
    """The input of a network, or what an operation makes."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class Operation(Value):
    """What makes a value of `x` and, if it has one, of its `residual`."""

    x: Value

    @property
    def inputs(self) -> tuple[Value, ...]:
        """The values it reads, in the order of its arguments."""
        return (self.x,)


@dataclass(frozen=True, eq=False)
class Layer(Operation):
    """An operation with weights: activation(sum of weight * x, + bias, + residual if any)."""

    activation: Activation

    @property
    def weight_shape(self) -> Shape:
        """(*kernel, in / groups, out); the kernel of a linear layer is the whole image."""
        return (*self.x.shape, self.shape[-1])

    @property
    def multiplications(self) -> int:
        """Of the definition for one image, those with padding included."""
        return math.prod(self.shape[:-1]) * math.prod(self.weight_shape)


@dataclass(frozen=True, eq=False)
class Linear(Layer):
    """Every output from all of x, flattened."""


@dataclass(frozen=True, eq=False)
class Conv(Layer):
    """A convolution; kernel, stride, padding and dilation have one number per axis."""

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape
    groups: int
    residual: Value | None

    @property
    def inputs(self) -> tuple[Value, ...]:
        return (self.x,) if self.residual is None else (self.x, self.residual)

    @property
    def weight_shape(self) -> Shape:
        return (*self.kernel, self.x.shape[-1] // self.groups, self.shape[-1])


@dataclass(frozen=True, eq=False)
class ConvTranspose(Layer):
    """A transposed convolution; padding is what is left out of the output at each side."""

    kernel: Shape
    stride: Shape
    padding: Shape

    @property
    def weight_shape(self) -> Shape:
        return (*self.kernel, self.shape[-1], self.x.shape[-1])

    @property
    def multiplications(self) -> int:
        return math.prod(self.x.shape[:-1]) * math.prod(self.weight_shape)


@dataclass(frozen=True, eq=False)
class Activate(Operation):
    """An activation that does not follow a layer."""

    activation: Activation


@dataclass(frozen=True, eq=False)
class Mean(Operation):
    """The mean of several values, element by element."""

    others: tuple[Value, ...]

    @property
    def inputs(self) -> tuple[Value, ...]:
        return (self.x, *self.others)


@dataclass(frozen=True, eq=False)
class MaxPool(Operation):
    """The maximum under a window; padding never wins."""

    kernel: Shape
    stride: Shape
    padding: Shape


@dataclass(frozen=True, eq=False)
class GlobalAverage(Operation):
    """The mean over all pixels."""


class Network:
    """Records the operations of a network; every method gives the value that it makes."""

    def __init__(self, name: str, shape: Shape) -> None:
        self.name = name
        self.input = Value(shape)
        self.operations: list[Operation] = []

    def conv(
        self,
        x: Value,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        activation: Activation = None,
        residual: Value | None = None,
    ) -> Value:
        """activation(convolution of x, + bias, + residual)."""
        kernels, strides, paddings, dilations = _window(x, kernel, stride, padding, dilation)
        (reach,) = set(_window(x, dilation * (kernel - 1) + 1))
        shape = (*_output_size(x, reach, strides, paddings), out_channels)
        return self._record(
            Conv(shape, x, activation, kernels, strides, paddings, dilations, groups, residual)
        )

    def conv_transpose(
        self, x: Value, out_channels: int, kernel: int, *, stride: int, padding: int
    ) -> Value:
        """The transposed convolution of x, + bias."""
        window = _window(x, kernel, stride, padding)
        axes = zip(x.shape[:-1], *window, strict=True)
        size = ((n - 1) * s + k - 2 * p for n, k, s, p in axes)
        return self._record(ConvTranspose((*size, out_channels), x, None, *window))

    def activate(self, x: Value, activation: Activation) -> Value:
        """activation(x)."""
        return self._record(Activate(x.shape, x, activation))

    def mean(self, x: Value, *others: Value) -> Value:
        """The mean of all."""
        return self._record(Mean(x.shape, x, others))

    def linear(self, x: Value, out_channels: int, *, activation: Activation = None) -> Value:
        """activation(weight times x flattened, + bias)."""
        return self._record(Linear((out_channels,), x, activation))

    def max_pool(self, x: Value, kernel: int, *, stride: int, padding: int = 0) -> Value:
        """The maximum under every window."""
        window = _window(x, kernel, stride, padding)
        return self._record(MaxPool((*_output_size(x, *window), x.shape[-1]), x, *window))

    def global_average(self, x: Value) -> Value:
        """The mean over all pixels."""
        return self._record(GlobalAverage(x.shape[-1:], x))

    def _record(self, operation: Operation) -> Operation:
        self.operations.append(operation)
        return operation

    @property
    def layers(self) -> list[Layer]:
        """The operations that have weights."""
        return [operation for operation in self.operations if isinstance(operation, Layer)]

    def parameters(self) -> Parameters:
        """Weight and bias of every layer, from a seed that the name gives.

        Weights are He-normal, so that activations stay about 1 at any depth; what is added to a
        residual is half as large.
        """
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        parameters = {}
        for layer in self.layers:
            fan_in = math.prod(layer.weight_shape[:-1])
            if isinstance(layer, ConvTranspose):
                fan_in = layer.x.shape[-1] * math.prod(layer.kernel) // math.prod(layer.stride)
            variance = 2.0 if layer.activation else 1.0
            if isinstance(layer, Conv) and layer.residual:
                variance = 0.25
            weight = rng.standard_normal(layer.weight_shape, np.float32)
            weight *= math.sqrt(variance / fan_in)
            bias = 0.1 * rng.standard_normal(layer.shape[-1:], np.float32)
            parameters[layer] = (weight, bias)
        return parameters

    def program(self, step: Callable[[Operation], Callable[..., Any]]) -> Callable[[Any], Any]:
        """A function from the input to the last value, forgetting each value after its last use.

        `step` turns an operation into a function of its inputs.
        """
        last_use = {value: operation for operation in self.operations for value in operation.inputs}
        plan = [
            (operation, step(operation), {v for v in operation.inputs if last_use[v] is operation})
            for operation in self.operations
        ]

        def run(x: Any) -> Any:
            values = {self.input: x}
            for operation, function, finished in plan:
                values[operation] = function(*(values[value] for value in operation.inputs))
                for value in finished:
                    del values[value]
            return values[self.operations[-1]]

        return run


def _window(x: Value, *sizes: int) -> tuple[Shape, ...]:
    return tuple((size,) * (len(x.shape) - 1) for size in sizes)


def _output_size(x: Value, kernel: Shape, stride: Shape, padding: Shape) -> Shape:
    axes = zip(x.shape[:-1], kernel, stride, padding, strict=True)
    return tuple((n + 2 * p - k) // s + 1 for n, k, s, p in axes)
