"""fastconv's layers with fused bias, residual and activation; the rest is NumPy.

In two forms: `layers` has its linear layers as 1x1 convolutions too, `matmul` as NumPy's product.
Where NumPy's BLAS keeps threads of its own, these stay busy for a while after each product and
take time from fastconv's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import fastconv

from ...peers.common import Call
from ..graph import (
    Activate,
    Activation,
    Array,
    Conv,
    ConvTranspose,
    GlobalAverage,
    LeakyReLU,
    Linear,
    MaxPool,
    Mean,
    Network,
    Operation,
    Parameters,
    Shape,
)

MakeLinear = Callable[[Linear, Array, Array, int], Callable[[Array], Array]]


def build(network: Network, parameters: Parameters, x: Array, threads: int) -> dict[str, Call]:
    """The network over NHWC arrays."""

    def runner(linear: MakeLinear) -> Call:
        def step(operation: Operation) -> Callable[..., Array]:
            match operation:
                case Conv():
                    return convolution(operation, *parameters[operation], threads)
                case ConvTranspose():
                    return transposed_convolution(operation, *parameters[operation], threads)
                case Activate(activation="tanh"):
                    return np.tanh
                case Activate(activation=LeakyReLU(slope)):
                    return lambda x: leaky_relu(x, slope)
                case Mean():
                    return mean
                case Linear():
                    return linear(operation, *parameters[operation], threads)
                case MaxPool(kernel=kernel, stride=stride, padding=padding):
                    return lambda x: max_pool(x, kernel, stride, padding)
                case GlobalAverage():
                    return lambda x: x.mean(axis=tuple(range(1, x.ndim - 1)))
            raise TypeError(operation)

        run = network.program(step)
        return Call(lambda: run(x))

    return {"layers": runner(linear_layer), "matmul": runner(matmul)}


def convolution(conv: Conv, weight: Array, bias: Array, threads: int) -> Callable[..., Array]:
    """A layer that computes activation(convolution + bias + residual) in one pass."""
    one = len(conv.kernel) == 1
    kernel, stride, padding, dilation = (
        sizes[0] if one else sizes
        for sizes in (conv.kernel, conv.stride, conv.padding, conv.dilation)
    )
    layer = (fastconv.Conv1D if one else fastconv.Conv2d)(
        kernel,
        conv.x.shape[-1],
        conv.shape[-1],
        stride=stride,
        padding=padding,
        dilation=dilation,
        num_groups=conv.groups,
        has_bias=True,
        activation=fused(conv.activation),
    )
    layer.load_state_dict({"weight": weight, "bias": bias})
    return lambda x, residual=None: layer(x, residual=residual, num_threads=threads)


def fused(activation: Activation) -> Any:
    """As fastconv's layers take it."""
    return ("leaky_relu", activation.slope) if isinstance(activation, LeakyReLU) else activation


def transposed_convolution(
    conv: ConvTranspose, weight: Array, bias: Array, threads: int
) -> Callable[[Array], Array]:
    """A layer in one or two dimensions."""
    one = len(conv.kernel) == 1
    kernel, stride, padding = (
        sizes[0] if one else sizes for sizes in (conv.kernel, conv.stride, conv.padding)
    )
    layer = (fastconv.ConvTranspose1d if one else fastconv.ConvTranspose2d)(
        kernel, conv.x.shape[-1], conv.shape[-1], stride=stride, padding=padding, has_bias=True
    )
    layer.load_state_dict({"weight": weight, "bias": bias})
    return lambda x: layer(x, num_threads=threads)


def leaky_relu(x: Array, slope: float) -> Array:
    """In a new array, as others may read x."""
    y = x * np.float32(slope)
    return np.maximum(x, y, out=y)


def mean(*values: Array) -> Array:
    """The mean, element by element."""
    total = np.add(*values[:2])
    for value in values[2:]:
        total += value
    total /= len(values)
    return total


def linear_layer(
    linear: Linear, weight: Array, bias: Array, threads: int
) -> Callable[[Array], Array]:
    """A 1x1 convolution of images that have one pixel."""
    features, outputs = math.prod(linear.x.shape), len(bias)
    layer = fastconv.Conv2d(1, features, outputs, has_bias=True, activation=linear.activation)
    layer.load_state_dict({"weight": weight.reshape(1, 1, features, outputs), "bias": bias})

    def run(x: Array) -> Array:
        pixels = x.reshape(-1, 1, 1, features)
        return layer(pixels, num_threads=threads).reshape(-1, outputs)

    return run


def matmul(linear: Linear, weight: Array, bias: Array, threads: int) -> Callable[[Array], Array]:
    """A matrix product, on as many threads as NumPy's BLAS takes."""
    matrix = weight.reshape(-1, len(bias))

    def run(x: Array) -> Array:
        y = x.reshape(len(x), -1) @ matrix
        y += bias
        return np.maximum(y, 0, out=y) if linear.activation == "relu" else y

    return run


def max_pool(x: Array, kernel: Shape, stride: Shape, padding: Shape) -> Array:
    """The maximum under each window, one axis after the other."""
    for axis, window in enumerate(zip(kernel, stride, padding, strict=True), start=1):
        x = max_along(x, axis, *window)
    return x


def max_along(x: Array, axis: int, kernel: int, stride: int, padding: int) -> Array:
    """The maximum under windows of one axis, tap by tap; where a tap is padding it is left out."""
    size = (x.shape[axis] + 2 * padding - kernel) // stride + 1
    result = np.full((*x.shape[:axis], size, *x.shape[axis + 1 :]), -np.inf, x.dtype)
    source, target = np.moveaxis(x, axis, 0), np.moveaxis(result, axis, 0)
    for tap in range(-padding, kernel - padding):
        first = max(0, -(tap // stride))
        pixels = source[first * stride + tap :: stride][: size - first]
        some = target[first : first + len(pixels)]
        np.maximum(some, pixels, out=some)
    return result
