"""onnxruntime: its CPU provider, with every optimisation of the graph."""

from __future__ import annotations

import numpy as np

from ..graph import Array, Network, Parameters
from ..runner import Runner
from .onnx_model import serialise


def build(network: Network, parameters: Parameters, x: Array, threads: int) -> dict[str, Runner]:
    """A session over NCHW arrays."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        serialise(network, parameters, len(x)), options, providers=["CPUExecutionProvider"]
    )
    images = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    return {"nchw": Runner(lambda: session.run(None, {"input": images})[0])}
