"""OpenVINO: a compiled model of one node, for latency."""

from __future__ import annotations

from collections.abc import Callable

import openvino

from ..cases.case import Case, FloatArray
from . import Runner
from .common import Call, channels_first, channels_last, float32_only
from .onnx_model import onnx_model


def version() -> str:
    """The library's version."""
    return openvino.__version__.split("-")[0]


def setup(threads: int) -> None:
    """Nothing: each model says how many threads it has."""


def forms(case: Case) -> tuple[str, ...]:
    """One; inside it chooses layouts itself."""
    return ("contiguous",)


def build(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str, threads: int
) -> Runner:
    """A request whose input tensor is set."""
    float32_only(x)
    compute, output = request(onnx_model(case, weight, bias), x, threads)
    return Call(compute, lambda _: channels_last(output()))


def request(
    model: bytes, x: FloatArray, threads: int
) -> tuple[Callable[[], object], Callable[[], FloatArray]]:
    """What runs a model on an input that lies ready, and what gives its output, channels-first."""
    core = openvino.Core()
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = core.compile_model(core.read_model(model, b""), "CPU", options)
    made = compiled.create_infer_request()
    made.set_input_tensor(openvino.Tensor(channels_first(x)))
    return lambda: made.infer(share_outputs=True), lambda: made.get_output_tensor(0).data
