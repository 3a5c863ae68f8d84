"""ncnn: a net of one layer, in its own packed layouts; one image at a time, as it has no batch."""

from __future__ import annotations

import tempfile
from pathlib import Path

import ncnn
import numpy as np

from ..cases.case import Case, FloatArray
from . import Runner
from .common import Call, as_image, channels_first, float32_only, weight_channels_first

AS_IMAGE = "as image"
PLAIN_WEIGHTS = np.uint32(0).tobytes()
# the parameters' numbers in ncnn's file format; dims 1 has the widths only
WIDTHS = {"kernel": 1, "dilation": 2, "stride": 3, "before": 4, "after": 15}
HEIGHTS = {"kernel": 11, "dilation": 12, "stride": 13, "before": 14, "after": 16}
OUTPUT_PADDING = (18, 19)


def version() -> str:
    """The library's version."""
    return ncnn.__version__


def setup(threads: int) -> None:
    """Nothing: each net says how many threads it has."""


def forms(case: Case) -> tuple[str, ...]:
    """Its best algorithms are for images, so a 1-D case is tried as one of height 1, too."""
    return ("packed", AS_IMAGE) if case.dims == 1 else ("packed",)


def build(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str, threads: int
) -> Runner:
    """A net and, at each call, an extractor for each image."""
    float32_only(x)
    seen = case
    if form == AS_IMAGE:
        seen, x, weight = as_image(case, x, weight)
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_packing_layout = True
    net.opt.use_sgemm_convolution = True
    net.opt.use_winograd_convolution = True
    for narrow in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
        setattr(net.opt, f"use_{narrow}", False)
    with tempfile.TemporaryDirectory() as folder:
        parameters, weights = Path(folder, "net.param"), Path(folder, "net.bin")
        parameters.write_text(_description(seen, weight.size))
        weights.write_bytes(PLAIN_WEIGHTS + _ordered(seen, weight).tobytes() + bias.tobytes())
        if net.load_param(str(parameters)) or net.load_model(str(weights)):
            raise RuntimeError("the net was not loaded")
    images = [ncnn.Mat(image).clone() for image in channels_first(x)]

    def infer(image: ncnn.Mat) -> ncnn.Mat:
        extractor = net.create_extractor()
        extractor.input("x", image)
        failed, y = extractor.extract("y")
        if failed:
            raise RuntimeError(f"extract returned {failed}")
        return y

    def channels_last(results: list[ncnn.Mat]) -> FloatArray:
        y = np.stack([np.array(result) for result in results])
        return np.moveaxis(y, 1, -1).reshape(case.output_shape)

    return Call(lambda: [infer(image) for image in images], channels_last)


def _description(case: Case, weights: int) -> str:
    """The net in ncnn's text format."""
    kind = "Deconvolution" if case.transposed else "Convolution"
    kind += "DepthWise" * (case.groups > 1) + "1D" * (case.dims == 1)
    values = {0: case.out_channels, 5: 1, 6: weights}
    if case.groups > 1:
        values[7] = case.groups
    for axis, numbers in zip(range(case.dims)[::-1], (WIDTHS, HEIGHTS), strict=False):
        before, after = case.padding[axis]
        values |= {
            numbers["kernel"]: case.kernel[axis],
            numbers["dilation"]: case.dilation[axis],
            numbers["stride"]: case.stride[axis],
            numbers["before"]: before,
            numbers["after"]: after,
        }
    if case.transposed:
        values |= dict(zip(OUTPUT_PADDING, case.output_padding[::-1], strict=False))
    listed = " ".join(f"{number}={value}" for number, value in values.items())
    return f"7767517\n2 2\nInput x 0 1 x\n{kind} layer 1 1 x y {listed}\n"


def _ordered(case: Case, weight: FloatArray) -> FloatArray:
    """(groups, out / groups, in / groups, *kernel)."""
    kernel = weight_channels_first(weight)
    if not case.transposed:
        return kernel
    grouped = kernel.reshape(case.groups, -1, *kernel.shape[1:])
    return np.ascontiguousarray(grouped.swapaxes(1, 2))
