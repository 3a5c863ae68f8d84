"""Whole networks, each described once and run by every library that has an engine.

To add one, write a module with `describe()` and list it in `_DESCRIPTIONS`.
"""

from __future__ import annotations

import importlib
import zlib

import numpy as np

from ..peers.common import Call
from . import hifigan, mobilenetv2, resnet50, vgg16
from .graph import Array

_DESCRIPTIONS = {
    "vgg16": vgg16.describe,
    "resnet50": resnet50.describe,
    "mobilenetv2": mobilenetv2.describe,
    "hifigan": hifigan.describe,
}
NAMES = tuple(_DESCRIPTIONS)
ENGINES = ("fastconv", "torch", "onnxruntime", "openvino")


def arrays(network: str, batch: int) -> Array:
    """What goes in, (batch, *size, channels), normal, from a seed that the name gives."""
    shape = _DESCRIPTIONS[network]().input.shape
    rng = np.random.default_rng(zlib.crc32(f"{network} input".encode()))
    return rng.standard_normal((batch, *shape), np.float32)


def build(peer: str, network: str, batch: int, threads: int) -> dict[str, Call]:
    """The network in one library, in each of the forms that its users run.

    Raises
    ------
    ImportError
        If the library is not installed.
    """
    engine = importlib.import_module(f".engines.{peer}", __name__)
    description = _DESCRIPTIONS[network]()
    return engine.build(description, description.parameters(), arrays(network, batch), threads)


def multiplications(network: str, batch: int) -> int:
    """Of all convolutions and linear layers, those with padding included."""
    return batch * sum(layer.multiplications for layer in _DESCRIPTIONS[network]().layers)
