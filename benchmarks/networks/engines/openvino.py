"""OpenVINO: its CPU plugin, in float32, tuned for the latency of one call."""

from __future__ import annotations

import numpy as np

from ..graph import Array, Network, Parameters
from ..runner import Runner
from .onnx_model import serialise


def build(network: Network, parameters: Parameters, x: Array, threads: int) -> dict[str, Runner]:
    """A compiled model over NCHW arrays."""
    import openvino

    core = openvino.Core()
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
    }
    model = core.read_model(model=serialise(network, parameters, len(x)))
    request = core.compile_model(model, "CPU", options).create_infer_request()
    images = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    return {"nchw": Runner(lambda: request.infer([images])[0])}
