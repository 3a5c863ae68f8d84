"""PyTorch: eager in both memory formats, and traced, frozen and optimised for inference."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from ...peers.common import Call, channels_first, weight_channels_first
from ..graph import (
    Array,
    Conv,
    GlobalAverage,
    Linear,
    MaxPool,
    Network,
    Operation,
    Parameters,
)


def build(network: Network, parameters: Parameters, x: Array, threads: int) -> dict[str, Call]:
    """The network over NCHW tensors, eager and as a TorchScript module."""
    images = torch.from_numpy(channels_first(x))
    forms = {}
    for form, memory_format in (
        ("contiguous", torch.contiguous_format),
        ("channels_last", torch.channels_last),
    ):
        forms[form] = (
            eager(network, parameters, memory_format),
            images.contiguous(memory_format=memory_format),
        )
    forms["traced"] = (traced(*forms["channels_last"]), forms["channels_last"][1])

    def runner(run: Callable[[Any], Any], images: Any) -> Call:
        return Call(torch.inference_mode()(lambda: run(images)))

    return {form: runner(*parts) for form, parts in forms.items()}


def eager(network: Network, parameters: Parameters, memory_format: Any) -> Callable[[Any], Any]:
    """Functional calls, in place where that is possible."""
    activations = {
        None: lambda y: y,
        "relu": torch.relu_,
        "relu6": lambda y: functional.relu6(y, inplace=True),
    }

    def convolution(conv: Conv) -> Callable[..., Any]:
        weight, bias = parameters[conv]
        w = torch.from_numpy(weight_channels_first(weight)).contiguous(memory_format=memory_format)
        b = torch.from_numpy(bias)
        activation = activations[conv.activation]

        def run(x: Any, residual: Any = None) -> Any:
            y = functional.conv2d(x, w, b, conv.stride, conv.padding, groups=conv.groups)
            return activation(y if residual is None else y.add_(residual))

        return run

    def linear(operation: Linear) -> Callable[[Any], Any]:
        weight, bias = parameters[operation]
        w = torch.from_numpy(weight_channels_first(weight)).flatten(1)
        b = torch.from_numpy(bias)
        activation = activations[operation.activation]
        return lambda x: activation(functional.linear(x.flatten(1), w, b))

    def step(operation: Operation) -> Callable[..., Any]:
        match operation:
            case Conv():
                return convolution(operation)
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
