"""PyTorch: the functions that its layers call, in both memory formats."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import numpy as np
import torch
import torch.nn.functional as F

from ..cases.case import Case, FloatArray
from . import Runner
from .common import (
    Call,
    as_image,
    channels_first,
    channels_last,
    in_a_row,
    weight_channels_first,
)

CHANNELS_LAST = "channels_last"


def version() -> str:
    """The library's version."""
    return torch.__version__


def setup(threads: int) -> None:
    """Threads within an operation, and IEEE arithmetic in oneDNN."""
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest")


def forms(case: Case) -> tuple[str, ...]:
    """Both memory formats; a 1-D case is channels-last as an image of height 1."""
    return ("contiguous", CHANNELS_LAST)


def build(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str, threads: int
) -> Runner:
    """A call of the layer."""
    layer, *tensors = _layer(case, x, weight, bias, form)
    return Call(
        torch.inference_mode()(lambda: layer(*tensors)),
        lambda y: channels_last(y).reshape(case.output_shape),
    )


def gradients(
    case: Case,
    x: FloatArray,
    weight: FloatArray,
    bias: FloatArray,
    dy: FloatArray,
    form: str,
    threads: int,
) -> Runner:
    """A call of the layer, and its way back by autograd."""
    layer, *tensors = _layer(case, x, weight, bias, form)
    given = torch.from_numpy(channels_first(dy)).reshape(layer(*tensors).shape)
    if form == CHANNELS_LAST:
        given = given.contiguous(memory_format=torch.channels_last)
    for tensor in tensors:
        tensor.requires_grad_()

    def compute() -> tuple[torch.Tensor, ...]:
        y = layer(*tensors)
        return y, *torch.autograd.grad(y, tensors, given)

    def convert(found: tuple[torch.Tensor, ...]) -> FloatArray:
        y, dx, dw, db = (tensor.detach().numpy() for tensor in found)
        return in_a_row(channels_last(y), channels_last(dx), np.moveaxis(dw, (0, 1), (-1, -2)), db)

    return Call(compute, convert)


def _layer(
    case: Case, x: FloatArray, weight: FloatArray, bias: FloatArray, form: str
) -> tuple[Callable[..., torch.Tensor], torch.Tensor, torch.Tensor, torch.Tensor]:
    """`conv1d`, `conv2d` or their transposes, and their image, kernel and bias.

    They take symmetric padding.
    """
    seen = case
    memory_format = torch.contiguous_format
    if form == CHANNELS_LAST:
        seen, x, weight = as_image(case, x, weight)
        memory_format = torch.channels_last
    images = torch.from_numpy(channels_first(x)).contiguous(memory_format=memory_format)
    kernels = torch.from_numpy(weight_channels_first(weight))
    kernels = kernels.contiguous(memory_format=memory_format)
    offsets = torch.from_numpy(bias)
    least = tuple(min(pads) for pads in seen.padding)
    pad_all = seen.padding != tuple((p, p) for p in least)
    stride, dilation, groups = seen.stride, seen.dilation, seen.groups

    if seen.transposed:
        function = F.conv_transpose1d if seen.dims == 1 else F.conv_transpose2d
        cut = (
            ...,
            *(
                slice(before - p, before - p + n)
                for (before, _), p, n in zip(seen.padding, least, seen.output_size, strict=True)
            ),
        )

        def layer(image: torch.Tensor, kernel: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
            y = function(
                image, kernel, offset, stride, least, seen.output_padding, groups, dilation
            )
            return y[cut] if pad_all else y
    else:
        function = F.conv1d if seen.dims == 1 else F.conv2d
        around = tuple(chain(*reversed(seen.padding)))

        def layer(image: torch.Tensor, kernel: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
            if pad_all:
                padded = F.pad(image, around)
                return function(padded, kernel, offset, stride, 0, dilation, groups)
            return function(image, kernel, offset, stride, least, dilation, groups)

    return layer, images, kernels, offsets
