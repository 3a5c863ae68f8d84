"""Hypothesis strategies: any valid Case, with sizes around vector lanes and register tiles."""

from dataclasses import replace

import reference
from cases import LAYOUTS, OUT_LAYOUTS, Case
from hypothesis import strategies as st

CHANNELS = [1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65]
PAD_MODES = ["edge", "reflect", "symmetric", "wrap"]
ACTIVATIONS = [None, "relu", "relu6", ("leaky_relu", 0.25), ("leaky_relu", -2.0)]


@st.composite
def channel_counts(draw):
    """(channels, filters, groups): dense, depthwise with multipliers, grouped."""
    count = st.sampled_from(CHANNELS)
    kind = draw(st.sampled_from(["dense", "dense", "depthwise", "grouped"]))
    if kind == "dense":
        return draw(count), draw(count), 1
    if kind == "depthwise":
        groups = draw(count)
        return groups, groups * draw(st.integers(1, 3)), groups
    groups = draw(st.sampled_from([2, 3, 4, 5, 9, 17]))
    per_group = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 40])
    return groups * draw(per_group), groups * draw(per_group), groups


def kernels(axes):
    if axes == 1:
        return st.tuples(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 11]))
    side = st.integers(1, 5)
    return st.one_of(
        st.sampled_from([(1, 1), (3, 3), (2, 2), (4, 4), (5, 5), (5, 9)]),
        st.tuples(st.just(1), side),
        st.tuples(side, st.just(1)),
        st.tuples(side, side),
    )


def paddings(axes, extents):
    """Names, one number, one per axis, one per side; up to past the kernel."""
    any_width = st.integers(0, max(extents) + 3)
    sides = st.tuples(*[any_width] * (2 * axes))
    if axes == 1:
        names = st.sampled_from(["valid", "same", "causal"])
        return st.one_of(names, st.integers(0, 2), any_width, sides, sides)
    names = st.sampled_from(["valid", "same"])
    per_axis = st.tuples(any_width, any_width)
    return st.one_of(names, st.integers(0, 2), any_width, per_axis, sides, sides)


def one_or_per_axis(axes, values):
    return values if axes == 1 else st.one_of(values, st.tuples(values, values))


@st.composite
def cases(draw, axes):
    """A valid Case with `axes` axes; every output has at least one pixel, the batch may be 0."""
    channels, filters, groups = draw(channel_counts())
    kernel = draw(kernels(axes))
    dilation = draw(one_or_per_axis(axes, st.sampled_from([1, 1, 1, 2, 3])))
    stride = draw(one_or_per_axis(axes, st.sampled_from([1, 1, 1, 1, 1, 2, 3, 4])))
    dilations = (dilation,) * axes if isinstance(dilation, int) else dilation
    extents = tuple(map(reference.extent, kernel, dilations))
    padding = draw(paddings(axes, extents))

    if padding in ("same", "causal"):
        smallest = (1,) * axes
    else:
        sides = reference.sides(padding, (1,) * axes, kernel, (1,) * axes, (1,) * axes)
        smallest = tuple(max(1, e - sum(p)) for e, p in zip(extents, sides, strict=True))
    spread = draw(st.permutations((9, 30))) if axes == 2 else (70,)
    ranges = [(low, low + more) for low, more in zip(smallest, spread, strict=True)]
    size = tuple(draw(st.integers(*bounds)) for bounds in ranges)

    data = draw(st.sampled_from(["integers", "normal", "positive"]))
    pad_mode, pad_value = draw(st.sampled_from(PAD_MODES)), 0.0
    if draw(st.booleans()):
        pad_mode = "constant"
        pad_value = draw(st.sampled_from([0.0, 1.0, -2.0] + [0.1] * (data != "integers")))
    case = Case(
        size=size,
        channels=channels,
        filters=filters,
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        pad_mode=pad_mode,
        pad_value=pad_value,
        batch=draw(st.sampled_from([1, 1, 1, 1, 2, 2, 3, 0])),
        bias=draw(st.booleans()),
        residual=draw(st.booleans()),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        num_threads=draw(st.sampled_from([None, 1, 2, 3])),
        x_layout=draw(st.sampled_from(list(LAYOUTS))),
        weight_layout=draw(st.sampled_from(list(LAYOUTS))),
        residual_layout=draw(st.sampled_from(list(LAYOUTS))),
        out_layout=draw(st.sampled_from([None, *OUT_LAYOUTS])),
        permute=draw(st.sampled_from([False, False, False, True])),
        data=data,
        seed=draw(st.integers(0, 2**32 - 1)),
    )
    return replace(case, algorithm=draw(st.sampled_from(["auto", *case.algorithms()])))
