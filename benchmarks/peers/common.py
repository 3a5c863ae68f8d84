"""What several adapters share: a runner, changes of layout, and cases seen in another way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..cases.case import Case, FloatArray
from . import Unsupported


class Call:
    """A runner: a function that computes, and one that converts what that one returned."""

    def __init__(
        self, compute: Callable[[], Any], convert: Callable[[Any], FloatArray] = np.asarray
    ) -> None:
        self._compute = compute
        self._convert = convert
        self._output: Any = None

    def __call__(self) -> None:
        """Compute once."""
        self._output = self._compute()

    def result(self) -> FloatArray:
        """What the last call computed."""
        return self._convert(self._output)


def in_a_row(*parts: Any) -> FloatArray:
    """The parts of a result with gradients, as `Case.ends` says."""
    return np.concatenate([np.asarray(part).ravel() for part in parts])


def channels_first(x: FloatArray) -> FloatArray:
    """(n, *size, c) to (n, c, *size)."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def channels_last(x: Any) -> FloatArray:
    """(n, c, *size) to (n, *size, c)."""
    return np.ascontiguousarray(np.moveaxis(np.asarray(x), 1, -1))


def weight_channels_first(weight: FloatArray) -> FloatArray:
    """(out, in / groups, *kernel), or transposed (in, out / groups, *kernel)."""
    return np.ascontiguousarray(np.moveaxis(weight, (-1, -2), (0, 1)))


def as_image(
    case: Case, x: FloatArray, weight: FloatArray, upright: bool = False
) -> tuple[Case, FloatArray, FloatArray]:
    """A 1-D case as one of images of height 1, or `upright` of width 1; a 2-D case as it is."""
    if case.dims == 2:
        return case, x, weight

    def extended(sizes: tuple[Any, ...], one: Any) -> tuple[Any, ...]:
        return (*sizes, one) if upright else (one, *sizes)

    image = replace(
        case,
        size=extended(case.size, 1),
        kernel=extended(case.kernel, 1),
        stride=extended(case.stride, 1),
        padding=extended(case.padding, (0, 0)),
        dilation=extended(case.dilation, 1),
        output_padding=extended(case.output_padding, 0),
    )
    return image, np.expand_dims(x, 1 + upright), np.expand_dims(weight, 0 + upright)


def float32_only(x: FloatArray) -> None:
    """Raise `Unsupported` for float64."""
    if x.dtype != np.float32:
        raise Unsupported(f"float32 only here; asked for {x.dtype}")


def as_dilated(case: Case) -> tuple[tuple[int, int], ...]:
    """The padding with which a transposed convolution is one of a dilated input.

    The kernel has to be `flipped` and the strides are the input's dilation.
    """
    axes = zip(case.kernel, case.padding, case.dilation, case.output_padding, strict=True)
    return tuple(
        (d * (k - 1) - before, d * (k - 1) - after + extra) for k, (before, after), d, extra in axes
    )


def flipped(case: Case, weight: FloatArray) -> FloatArray:
    """A transposed convolution's weight as (*kernel, in / groups, out), for `as_dilated`.

    Its own inverse, given the case with inputs and outputs exchanged.
    """
    kernel, groups = case.kernel, case.groups
    grouped = np.flip(weight, tuple(range(case.dims))).reshape(
        *kernel, -1, groups, weight.shape[-1] // groups
    )
    return grouped.swapaxes(-1, -3).reshape(*kernel, case.in_channels // groups, -1)
