"""ONNX Runtime, over channel-first arrays."""

from __future__ import annotations

from ...peers.common import Call, channels_last
from ...peers.onnxruntime import session
from ..graph import Array, Network, Parameters
from .onnx_model import onnx_network


def build(network: Network, parameters: Parameters, x: Array, threads: int) -> dict[str, Call]:
    """A session with all optimizations."""
    compute, output = session(onnx_network(network, parameters, len(x)), x, threads)
    return {"contiguous": Call(compute, lambda _: channels_last(output()))}
