"""A case as an ONNX model, for the libraries that read those."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper, numpy_helper

from ..cases.case import Case, FloatArray
from .common import weight_channels_first

INPUT, OUTPUT = "x", "y"
OPSET, IR_VERSION = 17, 8  # old enough for every reader


def onnx_model(case: Case, weight: FloatArray, bias: FloatArray) -> bytes:
    """A graph of one Conv or ConvTranspose, channels-first and in float32."""
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
    node = helper.make_node(
        "ConvTranspose" if case.transposed else "Conv",
        [INPUT, "weight", "bias"],
        [OUTPUT],
        **attributes,
    )
    graph = helper.make_graph(
        [node],
        "layer",
        [_channels_first(INPUT, case.input_shape)],
        [_channels_first(OUTPUT, case.output_shape)],
        [
            numpy_helper.from_array(weight_channels_first(weight), "weight"),
            numpy_helper.from_array(bias, "bias"),
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _channels_first(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    n, *size, channels = shape
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, (n, channels, *size))
