"""PyTorch: eager in both memory formats, and traced, frozen and optimised for inference."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from ...peers.common import Call, channels_first, channels_last, weight_channels_first
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
)


def build(network: Network, parameters: Parameters, x: Array, threads: int) -> dict[str, Call]:
    """The network over channel-first tensors, eager and as a TorchScript module."""
    images = torch.from_numpy(channels_first(x))
    formats = {"contiguous": torch.contiguous_format}
    if images.ndim == 4:  # there is none for sequences
        formats["channels_last"] = torch.channels_last
    forms = {}
    for form, memory_format in formats.items():
        forms[form] = (
            eager(network, parameters, memory_format),
            images.contiguous(memory_format=memory_format),
        )
    last = forms[[*formats][-1]]
    forms["traced"] = (traced(*last), last[1])

    def runner(run: Callable[[Any], Any], images: Any) -> Call:
        return Call(torch.inference_mode()(lambda: run(images)), channels_last)

    return {form: runner(*parts) for form, parts in forms.items()}


def eager(network: Network, parameters: Parameters, memory_format: Any) -> Callable[[Any], Any]:
    """Functional calls, in place where that is possible."""

    def activated(activation: Activation) -> Callable[[Any], Any]:
        match activation:
            case "relu":
                return torch.relu_
            case "relu6":
                return lambda y: functional.relu6(y, inplace=True)
            case LeakyReLU(slope):
                return lambda y: functional.leaky_relu(y, slope, inplace=True)
        return lambda y: y

    def convolution(conv: Conv) -> Callable[..., Any]:
        weight, bias = parameters[conv]
        w = torch.from_numpy(weight_channels_first(weight)).contiguous(memory_format=memory_format)
        b = torch.from_numpy(bias)
        activation = activated(conv.activation)
        convolve = functional.conv1d if len(conv.kernel) == 1 else functional.conv2d
        rest = (conv.stride, conv.padding, conv.dilation, conv.groups)

        def run(x: Any, residual: Any = None) -> Any:
            y = convolve(x, w, b, *rest)
            return activation(y if residual is None else y.add_(residual))

        return run

    def transposed(conv: ConvTranspose) -> Callable[[Any], Any]:
        weight, bias = parameters[conv]
        w = torch.from_numpy(weight_channels_first(weight)).contiguous(memory_format=memory_format)
        b = torch.from_numpy(bias)
        one = len(conv.kernel) == 1
        convolve = functional.conv_transpose1d if one else functional.conv_transpose2d
        return lambda x: convolve(x, w, b, conv.stride, conv.padding)

    def linear(operation: Linear) -> Callable[[Any], Any]:
        weight, bias = parameters[operation]
        w = torch.from_numpy(weight_channels_first(weight)).flatten(1)
        b = torch.from_numpy(bias)
        activation = activated(operation.activation)
        return lambda x: activation(functional.linear(x.flatten(1), w, b))

    def step(operation: Operation) -> Callable[..., Any]:
        match operation:
            case Conv():
                return convolution(operation)
            case ConvTranspose():
                return transposed(operation)
            case Activate(activation="tanh"):
                return torch.tanh
            case Activate(activation=LeakyReLU(slope)):
                return lambda x: functional.leaky_relu(x, slope)
            case Mean():
                return lambda *values: sum(values[1:], values[0]) / len(values)
            case Linear():
                return linear(operation)
            case MaxPool(kernel=kernel, stride=stride, padding=padding):
                return lambda x: functional.max_pool2d(x, kernel, stride, padding)
            case GlobalAverage():
                return lambda x: functional.adaptive_avg_pool2d(x, 1)
        raise TypeError(operation)

    return network.program(step)


def traced(run: Callable[[Any], Any], images: Any) -> Callable[[Any], Any]:
    """`run` as TorchScript with constant weights, fused and laid out for oneDNN."""

    class Module(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return run(x)

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", FutureWarning)  # TorchScript gives way to torch.compile
        warnings.simplefilter("ignore", DeprecationWarning)
        module = torch.jit.trace(Module().eval(), images)
        return torch.jit.optimize_for_inference(torch.jit.freeze(module))
