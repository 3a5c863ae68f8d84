"""The Fourier method: every size of block, its error, its choice, and what it refuses."""

import math
from dataclasses import replace

import numpy as np
import pytest
import reference
from cases import Case, check, judge
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ACTIVATIONS, PAD_MODES, channel_counts, paddings

import fastconv
from fastconv import Conv1D, Conv2d, explain, levels, planning
from fastconv.algorithms import MOST_ERROR, Fourier
from fastconv.fourier import LEAST_TAPS, block_length
from fastconv.problem import ConvProblem

ALL = {"bias": True, "residual": True, "activation": "relu6"}
STEP = block_length(31, 1) - 30  # outputs of a block


def fourier(size, channels, filters, kernel, **rest):
    size, kernel = (n if isinstance(n, tuple) else (n,) for n in (size, kernel))
    return Case(size, channels, filters, kernel, **{"algorithm": "fourier", **rest})


def plan(case, dtype):
    """The plan of a case, whose filter is not packed."""
    spec = case.spec(dtype)
    problem = ConvProblem.build(spec, (case.batch, *case.size, case.channels))
    return Fourier().bind(problem, Fourier().filter(spec, levels.running())).plan


@st.composite
def long_cases(draw):
    """Filters along one axis; inputs of a block and less, or of a few."""
    channels, filters, groups = draw(channel_counts())
    most = 200 if groups == 1 else 31
    taps = draw(st.sampled_from([k for k in (24, 25, 31, 40, 77, 200) if k <= most]))
    axis = draw(st.integers(0, 2))
    axes = 1 if axis == 2 else 2
    kernel = tuple(taps if i == axis % axes else 1 for i in range(axes))
    padding = draw(paddings(axes, kernel))
    if padding in ("same", "causal"):
        smallest = (1,) * axes
    else:
        sides = reference.sides(padding, (1,) * axes, kernel, (1,) * axes, (1,) * axes)
        smallest = tuple(max(1, k - sum(p)) for k, p in zip(kernel, sides, strict=True))
    spread = 1500 if channels * filters < 100 else 150
    size = tuple(
        low + draw(st.integers(0, 4 if k == 1 else spread))
        for low, k in zip(smallest, kernel, strict=True)
    )
    return Case(
        size=size,
        channels=channels,
        filters=filters,
        kernel=kernel,
        padding=padding,
        groups=groups,
        pad_mode=draw(st.sampled_from(["constant", *PAD_MODES])),
        batch=draw(st.sampled_from([1, 1, 2, 0])),
        bias=draw(st.booleans()),
        residual=draw(st.booleans()),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        algorithm="fourier",
        num_threads=draw(st.sampled_from([None, 1, 2, 3])),
        x_layout=draw(st.sampled_from(["contiguous", "transposed", "strided", "byte-swapped"])),
        out_layout=draw(st.sampled_from([None, "window", "every other", "channels first"])),
        permute=draw(st.booleans()),
        data=draw(st.sampled_from(["integers", "normal", "positive"])),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


@settings(max_examples=25)
@given(case=long_cases())
def test_anything(dtype, case):
    check(case, dtype)


EDGES = [
    # outputs of a block, and of as many as make an item
    *(fourier(n, 1, 1, 31, padding="same") for n in (1, 2, STEP - 1, STEP, STEP + 1, 2 * STEP)),
    *(fourier(n * STEP + 1, 2, 1, 31, padding="causal", **ALL) for n in (3, 7, 8, 9, 16)),
    fourier(24, 3, 5, 24),
    fourier(5000, 1, 2, 1500, padding="same", pad_value=2.0),
    # groups: in lanes, in tiles, in chunks, of which the last is smaller
    fourier(1100, 1, 40, 99, padding="same", bias=True),
    fourier(1100, 33, 1, 99, padding=(3, 200), **ALL),
    fourier(900, 17, 19, 77, padding="same", **ALL),
    fourier(700, 12, 8, 60, padding="same", groups=4, batch=3, num_threads=3, **ALL),
    fourier(600, 4, 80, 100, padding="causal", groups=4, num_threads=2, **ALL),
    # rows
    fourier((3, 1100), 2, 3, (1, 31), padding=(2, 1, 9, 40), pad_value=-1.5, **ALL),
    fourier((1100, 3), 2, 3, (31, 1), padding=(9, 40, 2, 1), pad_value=-1.5, **ALL),
    *(fourier((4, 90), 2, 3, (1, 31), padding=(2, 1, 9, 40), pad_mode=m) for m in PAD_MODES),
    *(fourier(100, 2, 3, 31, padding=(150, 40), pad_mode=m, **ALL) for m in PAD_MODES),
    # dilation where the filter has one tap
    fourier((9, 90), 2, 3, (1, 31), dilation=(3, 1)),
    # wide layers
    fourier(300, 130, 150, 24, padding="same", **ALL),
]


@pytest.mark.parametrize("case", EDGES, ids=str)
def test_edge(level, dtype, case):
    check(case, dtype)


def test_the_bound_sees_one_forgotten_product():
    case = fourier(1200, 4, 3, 64, data="normal")
    x, weight, *_ = case.arrays(np.float32)
    (allowed,) = case.tolerances(x, weight)
    forgotten = abs(x[:, 31 : 31 + allowed.shape[1], :1] * weight[31, 0])
    assert (forgotten > allowed).mean() > 0.9


def test_zeros_give_exactly_the_bias(level, dtype):
    case = fourier(1100, 3, 5, 31, padding="same", bias=True, data="normal")
    x, weight, bias, _ = case.arrays(dtype)
    for zero in ((0 * abs(x), weight), (x, 0 * abs(weight))):
        got = case.run(*zero, bias)
        np.testing.assert_array_equal(got, np.broadcast_to(bias, got.shape))


@pytest.mark.parametrize(
    ("activation", "apply"),
    [
        ("relu", lambda y: np.maximum(y, 0)),
        ("relu6", lambda y: np.clip(y, 0, 6)),
        (("leaky_relu", 0.25), lambda y: np.where(y >= 0, y, y / 4)),
        (("leaky_relu", -2.0), lambda y: np.where(y >= 0, y, -2 * y)),
    ],
)
def test_activation_comes_after_bias_and_residual(dtype, activation, apply):
    case = fourier(300, 3, 5, 31, padding="same", data="normal", **ALL)
    x, weight, bias, residual = case.arrays(dtype)
    plain = case.run(x, weight, None, None, activation=None)
    got = case.run(x, weight, bias, residual, activation=activation)
    np.testing.assert_array_equal(got, apply(plain + bias + residual))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_inputs_reach_the_outputs_of_their_blocks(dtype, value):
    """And no others; those that read them are not finite."""
    case = fourier(4 * STEP, 1, 2, 31, padding="causal", activation="relu", data="normal")
    x, weight, *_ = case.arrays(dtype)
    clean = x.copy()
    at = STEP + STEP // 2
    x[0, at] = value
    got = case.run(x, weight)
    assert not np.isfinite(got[0, at : at + 31]).all()
    beside = np.ones(case.size, bool)
    beside[STEP : 2 * STEP] = False
    np.testing.assert_array_equal(got[0, beside], case.run(clean, weight)[0, beside])


def test_transposed_convolution(dtype):
    """Also where several columns of outputs are the channels of one convolution."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 700, 3)).astype(dtype)
    weight = rng.standard_normal((60, 5, 3)).astype(dtype)
    bias = rng.standard_normal(5).astype(dtype)
    keywords = {"stride": 2, "padding": 7, "activation": "relu"}
    residual = rng.standard_normal((2, 1444, 5)).astype(dtype)
    got, wanted = (
        fastconv.conv_transpose1d(
            *(a.astype(kind) for a in (x, weight, bias)),
            residual=residual.astype(kind),
            algorithm=algorithm,
            **keywords,
        )
        for algorithm, kind in (("fourier", dtype), ("direct", np.float64))
    )
    assert abs(got - wanted).max() < 50 * np.finfo(dtype).eps * abs(wanted).max()


# The error


@pytest.mark.parametrize("data", ["normal", "positive"])
@pytest.mark.parametrize(("channels", "taps"), [(1, 24), (1, 127), (4, 64), (16, 255), (64, 64)])
def test_error_is_as_believed(channels, taps, data):
    """At most, but for a third; with positive data it is smaller."""
    case = fourier(3000 if channels < 10 else 700, channels, 8, taps, data=data)
    x, weight, *_ = case.arrays(np.float32)
    wanted = case.run(x.astype(np.float64), weight.astype(np.float64), algorithm="direct")
    error, direct = (
        np.sqrt(np.mean((case.run(x, weight, algorithm=name) - wanted) ** 2))
        for name in ("fourier", "direct")
    )
    believed = Fourier().error(case.spec(np.float32))
    assert error / direct < 4 / 3 * believed
    assert believed < MOST_ERROR


# The plan and the choice


def test_multiplications():
    """4 of real numbers for each frequency, block and pair of channels."""
    for layer, shape in (
        (Conv1D(101, 6, 4, num_groups=2), (2, 4000, 6)),
        (Conv2d((101, 1), 6, 4, num_groups=2), (1, 4000, 2, 6)),
    ):
        (told,) = (a for a in explain(layer, shape).alternatives if a.name == "fourier")
        blocks = 2 * math.ceil(3900 / (1024 - 100))
        assert told.multiplications == 4 * blocks * 513 * 3 * 4


def test_workspace_does_not_grow_with_the_input(level, dtype):
    sizes = [plan(fourier(n, 16, 16, 255), dtype).workspace(1) for n in (10**6, 10**8)]
    assert sizes[0] == sizes[1] < 2**24


@pytest.mark.parametrize(("channels", "groups"), [(2, 1), (16, 1), (64, 64)])
def test_threads_for_long_calls(channels, groups):
    """There are items for some threads, or products that they share."""
    short, long = (
        plan(fourier(n, channels, channels, 1023, groups=groups), np.float32)
        for n in (1500, 200_000)
    )
    assert short.worthwhile_threads == 1 or channels > 2
    assert long.worthwhile_threads > 2
    assert long.cost(2) < long.cost(1)


@pytest.mark.parametrize(
    ("taps", "channels", "groups", "wanted"),
    [
        (255, 2, 1, False),
        (1023, 16, 1, True),
        (511, 16, 1, True),
        (31, 16, 1, False),
        (127, 256, 256, False),
    ],
)
def test_auto_takes_it_for_long_filters(taps, channels, groups, wanted):
    case = fourier(16_000, channels, channels, taps, padding="same", groups=groups)
    problem = ConvProblem.build(case.spec(np.float32), (1, *case.size, channels))
    chosen = planning.choose(problem, "auto", levels.running(), True)
    assert (chosen.name == "fourier") == wanted


@pytest.mark.parametrize(
    "change",
    [
        {"stride": 2},
        {"dilation": 2},
        {"kernel": (LEAST_TAPS - 1,)},
        {"size": (50, 50), "kernel": (31, 2)},
        {"channels": 1024, "filters": 1024},
    ],
    ids=str,
)
def test_refuses(change):
    case = replace(fourier(50, 3, 5, 31), **change)
    assert "fourier" not in case.algorithms()
    with pytest.raises(
        ValueError,
        match=r"algorithm='fourier' supports stride 1, no dilation, a filter of 24 taps or more "
        r"along one axis, packed at most 256 MiB; got kernel",
    ):
        planning.check(case.spec(np.float32), "fourier")


def test_a_layer_packs_it_once():
    """What it made is kept, for several shapes of input; the bias is that of the layer."""
    layer = Conv1D(31, 2, 3, has_bias=True, algorithm="fourier", rng=0)
    x = np.random.default_rng(0).standard_normal((1, 900, 2)).astype(np.float32)
    case = fourier(900, 2, 3, 31, bias=True)
    for size in (900, 400):
        cut = replace(case, size=(size,))
        judge(cut, layer(x[:, :size]), x[:, :size], layer.filter, layer.bias)
    assert len(layer._weights._packed) == 1
    layer.bias = np.ones(3, np.float32)
    judge(case, layer(x), x, layer.filter, layer.bias)
