"""A network as an ONNX model in memory, for the libraries that read one."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from ...peers.common import weight_channels_first
from ...peers.onnx_model import INPUT, OUTPUT, serialised
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
    Value,
)


def onnx_network(network: Network, parameters: Parameters, batch: int) -> bytes:
    """The model, channels-first."""
    nodes: list[Any] = []
    constants: dict[str, Array] = {}

    def node(kind: str, *inputs: str, **attributes: object) -> str:
        name = f"value{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(array: Array) -> str:
        name = f"constant{len(constants)}"
        constants[name] = array
        return name

    def activated(activation: Activation, y: str) -> str:
        match activation:
            case "relu":
                return node("Relu", y)
            case "relu6":
                bounds = (constant(np.array(bound, np.float32)) for bound in (0, 6))
                return node("Clip", y, *bounds)
            case "tanh":
                return node("Tanh", y)
            case LeakyReLU(slope):
                return node("LeakyRelu", y, alpha=slope)
        return y

    def convert(operation: Operation, x: str, *others: str) -> str:
        match operation:
            case Conv(groups=groups):
                weight, bias = parameters[operation]
                filters = constant(weight_channels_first(weight))
                window = {**_window(operation), "dilations": operation.dilation}
                y = node("Conv", x, filters, constant(bias), group=groups, **window)
                return activated(operation.activation, node("Add", y, *others) if others else y)
            case ConvTranspose():
                weight, bias = parameters[operation]
                filters = constant(weight_channels_first(weight))
                return node("ConvTranspose", x, filters, constant(bias), **_window(operation))
            case Activate(activation=activation):
                return activated(activation, x)
            case Mean():
                return node("Mean", x, *others)
            case Linear():
                weight, bias = parameters[operation]
                matrix = constant(weight_channels_first(weight).reshape(len(bias), -1))
                y = node("Gemm", node("Flatten", x), matrix, constant(bias), transB=1)
                return activated(operation.activation, y)
            case MaxPool():
                return node("MaxPool", x, **_window(operation))
            case GlobalAverage():
                return node("GlobalAveragePool", x)
        raise TypeError(operation)

    names: dict[Value, str] = {network.input: INPUT}
    for operation in network.operations:
        names[operation] = convert(operation, *(names[value] for value in operation.inputs))
    nodes[-1].output[0] = OUTPUT
    inputs, outputs = network.input.shape, network.operations[-1].shape
    return serialised(nodes, constants, (batch, *inputs), (batch, *outputs))


def _window(operation: Conv | ConvTranspose | MaxPool) -> dict[str, object]:
    return {
        "kernel_shape": operation.kernel,
        "strides": operation.stride,
        "pads": operation.padding * 2,
    }
