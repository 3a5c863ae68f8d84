"""ONNX models in memory, for the libraries that read those; and a case as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
from onnx import TensorProto, helper, numpy_helper

from ..cases.case import Case, FloatArray
from .common import weight_channels_first

INPUT, OUTPUT = "x", "y"
OPSET, IR_VERSION = 17, 8  # old enough for every reader


def onnx_model(case: Case, weight: FloatArray, bias: FloatArray) -> bytes:
    """A graph of one Conv or ConvTranspose."""
    befores, afters = zip(*case.padding, strict=True)
    attributes = {
        "kernel_shape": case.kernel,
        "strides": case.stride,
        "pads": (*befores, *afters),
        "dilations": case.dilation,
        "group": case.groups,
    }
    if case.transposed:
        attributes["output_padding"] = case.output_padding
    kind = "ConvTranspose" if case.transposed else "Conv"
    node = helper.make_node(kind, [INPUT, "weight", "bias"], [OUTPUT], **attributes)
    constants = {"weight": weight_channels_first(weight), "bias": bias}
    return serialised([node], constants, case.input_shape, case.output_shape)


def serialised(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, FloatArray],
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
) -> bytes:
    """The model from INPUT to OUTPUT; (n, *size, c) is given and becomes (n, c, *size)."""

    def described(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
        n, *size, channels = shape
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, (n, channels, *size))

    graph = helper.make_graph(
        nodes,
        "benchmark",
        [described(INPUT, input_shape)],
        [described(OUTPUT, output_shape)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model.SerializeToString()
