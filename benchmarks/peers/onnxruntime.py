"""ONNX Runtime: a model of one node, its input and output bound."""

from __future__ import annotations

from collections.abc import Callable

import onnxruntime as ort

from ..cases.case import Case, FloatArray
from . import Runner
from .common import Call, as_image, channels_first, channels_last, float32_only
from .onnx_model import INPUT, OUTPUT, onnx_model

AS_IMAGE = "as image"


def version() -> str:
    """The library's version."""
    return ort.__version__


def setup(threads: int) -> None:
    """Quiet; each session says how many threads it has."""
    ort.set_default_logger_severity(3)


def forms(case: Case) -> tuple[str, ...]:
    """Its blocked layouts are for images, so a 1-D case is tried as one of height 1, too."""
    return ("contiguous", AS_IMAGE) if case.dims == 1 else ("contiguous",)


def build(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str, threads: int
) -> Runner:
    """A session with all optimizations."""
    float32_only(x)
    seen = case
    if form == AS_IMAGE:
        seen, x, weight = as_image(case, x, weight)
    compute, output = session(onnx_model(seen, weight, bias), x, threads)
    return Call(compute, lambda _: channels_last(output()).reshape(case.output_shape))


def session(
    model: bytes, x: FloatArray, threads: int
) -> tuple[Callable[[], None], Callable[[], FloatArray]]:
    """What runs a model on an input that lies ready, and what gives its output, channels-first."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    made = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = made.io_binding()
    binding.bind_ortvalue_input(INPUT, ort.OrtValue.ortvalue_from_numpy(channels_first(x)))
    binding.bind_output(OUTPUT)
    return lambda: made.run_with_iobinding(binding), lambda: binding.get_outputs()[0].numpy()
