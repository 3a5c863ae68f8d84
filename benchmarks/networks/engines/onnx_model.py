"""A network as an ONNX model in memory, for the libraries that read one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import (
    Array,
    Conv,
    GlobalAverage,
    Layer,
    Linear,
    MaxPool,
    Network,
    Operation,
    Parameters,
    channels_first,
)

OPSET = 17
IR_VERSION = 8


def serialise(network: Network, parameters: Parameters, batch: int) -> bytes:
    """The model from `input`, (batch, channels, *size), to `output`, (batch, classes)."""
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    constants: dict[str, Any] = {}
    names = {network.input: "input"}

    def node(kind: str, *inputs: str, **attributes: object) -> str:
        name = f"value{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(array: Array) -> str:
        name = f"constant{len(constants)}"
        constants[name] = numpy_helper.from_array(array, name)
        return name

    def window(operation: Conv | MaxPool) -> dict[str, object]:
        return {
            "kernel_shape": operation.kernel,
            "strides": operation.stride,
            "pads": operation.padding * 2,
        }

    def activated(layer: Layer, y: str) -> str:
        if layer.activation == "relu":
            return node("Relu", y)
        if layer.activation == "relu6":
            return node(
                "Clip", y, constant(np.array(0, np.float32)), constant(np.array(6, np.float32))
            )
        return y

    def convert(operation: Operation, x: str, residual: str | None = None) -> str:
        match operation:
            case Conv():
                weight, bias = parameters[operation]
                filters = constant(channels_first(weight))
                y = node(
                    "Conv", x, filters, constant(bias), group=operation.groups, **window(operation)
                )
                return activated(operation, y if residual is None else node("Add", y, residual))
            case Linear():
                weight, bias = parameters[operation]
                matrix = channels_first(weight).reshape(len(bias), -1)
                y = node("Gemm", node("Flatten", x), constant(matrix), constant(bias), transB=1)
                return activated(operation, y)
            case MaxPool():
                return node("MaxPool", x, **window(operation))
            case GlobalAverage():
                return node("GlobalAveragePool", x)
        raise TypeError(operation)

    for operation in network.operations:
        names[operation] = convert(operation, *(names[value] for value in operation.inputs))

    def described(name: str, shape: tuple[int, ...]) -> object:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, (batch, *shape))

    *size, channels = network.input.shape
    output = network.operations[-1]
    graph = helper.make_graph(
        nodes,
        network.name,
        [described("input", (channels, *size))],
        [described(names[output], output.shape)],
        list(constants.values()),
    )
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(
        graph, opset_imports=[opset], ir_version=IR_VERSION
    ).SerializeToString()
