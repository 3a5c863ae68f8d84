"""The kinds of layers, each decided by the layer's own numbers."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.cases.case import Case


def _plain(case: Case) -> bool:
    """Neither grouped nor strided nor transposed."""
    return case.groups == 1 and max(case.stride) == 1 and not case.transposed


KINDS: dict[str, Callable[[Case], bool]] = {
    "dense3x3": lambda case: _plain(case) and case.kernel == (3, 3) and max(case.dilation) == 1,
    "pointwise": lambda case: max(case.kernel) == 1 and case.groups == 1,
    "large-kernel": lambda case: _plain(case) and max(case.kernel) >= 5,
    "asymmetric": lambda case: len(set(case.kernel)) > 1,
    "strided": lambda case: max(case.stride) > 1 and not case.transposed,
    "patches": lambda case: (
        case.kernel == case.stride and not case.transposed and max(case.kernel) > 1
    ),
    "dilated": lambda case: max(case.dilation) > 1,
    "depthwise": lambda case: 1 < case.groups == case.in_channels,
    "grouped": lambda case: 1 < case.groups < case.in_channels,
    "first-layer": lambda case: case.in_channels <= 4,
    "last-layer": lambda case: case.out_channels <= 8,
    "small-map": lambda case: case.dims == 2 and max(case.size) <= 8,
    "conv1d": lambda case: case.dims == 1,
    "transposed": lambda case: case.transposed,
}


def kinds(case: Case) -> tuple[str, ...]:
    """The names of the kinds that `case` is of."""
    return tuple(kind for kind, holds in KINDS.items() if holds(case))
