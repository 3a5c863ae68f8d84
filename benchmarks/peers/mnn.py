"""MNN: a module that its converter made of an ONNX model."""

from __future__ import annotations

import tempfile
from pathlib import Path

import MNN
from MNN import expr, nn

from ..cases.case import Case, FloatArray
from . import Runner
from .common import Call, as_image, channels_first, channels_last, float32_only
from .onnx_model import INPUT, OUTPUT, onnx_model


def version() -> str:
    """The library's version."""
    return MNN.version()


def setup(threads: int) -> None:
    """Nothing: each module says how many threads it has."""


def forms(case: Case) -> tuple[str, ...]:
    """One: its own packed layout."""
    return ("packed",)


def build(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str, threads: int
) -> Runner:
    """A module, whose forward computes at once; a 1-D case is an image of height 1."""
    import _tools  # MNN.tools around it would run pip and report use when imported

    float32_only(x)
    seen, x, weight = as_image(case, x, weight)
    with tempfile.TemporaryDirectory() as folder:
        source, converted = Path(folder, "layer.onnx"), Path(folder, "layer.mnn")
        source.write_bytes(onnx_model(seen, weight, bias))
        options = {"-f": "ONNX", "--modelFile": source, "--MNNModel": converted, "--bizCode": "x"}
        words = [str(word) for option in options.items() for word in option]
        _tools.mnnconvert(["mnnconvert", *words])
        runtime = nn.create_runtime_manager(
            ({"backend": "CPU", "numThread": threads, "precision": "high"},)
        )
        module = nn.load_module_from_file(
            str(converted), [INPUT], [OUTPUT], runtime_manager=runtime
        )
    first = channels_first(x)
    image = expr.convert(expr.const(first, first.shape, expr.NCHW, expr.float), expr.NC4HW4)
    image.read()

    def convert(y: expr.Var) -> FloatArray:
        return channels_last(expr.convert(y, expr.NCHW).read()).reshape(case.output_shape)

    return Call(lambda: module.forward(image), convert)
