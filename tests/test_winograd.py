"""Winograd convolution: its matrices, its error, every size of tile, and what it does not touch."""

import math
from dataclasses import replace
from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
import reference
import winograd_bound
from cases import EXACT, Case, check, judge
from hypothesis import given
from strategies import PAD_MODES, cases

from fastconv import levels, planning
from fastconv._native import winograd as native
from fastconv._native.packing import Filter
from fastconv.algorithms import ALGORITHMS, MOST_ERROR, Winograd
from fastconv.problem import ConvProblem

# What each supports at its stride, and two kernels or more that it does not.
KERNELS = {
    "winograd_4x4_3x3": ([(3, 3)], [(3, 4), (2, 3), (1, 3), (3,), (5, 5)]),
    "winograd_2x2_3x3": ([(3, 3)], [(3, 4), (3, 1), (3,), (5, 5)]),
    "winograd_2x4_3x3": ([(3, 3)], [(2, 4), (4, 2), (1, 3), (3,), (5, 5)]),
    "winograd_6x6_3x3": ([(3, 3)], [(2, 2), (1, 3), (3,), (7, 7)]),
    "winograd_2x2_5x5": ([(5, 5)], [(3, 3), (5, 4), (1, 5), (5,)]),
    "winograd_2x4_5x5": ([(5, 5)], [(3, 3), (2, 4), (5, 1), (5,)]),
    "winograd_4x4_5x5": ([(5, 5)], [(3, 3), (4, 5), (5, 1), (5,)]),
    "winograd_4x4_4x4": ([(4, 4), (5, 7), (9, 4)], [(3, 4), (7, 3), (1, 8), (4,)]),
    "winograd_3x3_2x2": ([(2, 2)], [(2, 3), (1, 2), (2,), (4, 4)]),
    "winograd_4x4_2x2": ([(2, 2)], [(2, 3), (1, 2), (2,), (4, 4)]),
    "winograd_4x4_3x3_stride2": ([(3, 3)], [(3, 4), (2, 3), (1, 3), (3,), (5, 5)]),
    "winograd_3x3_3x3_stride2": ([(3, 3)], [(4, 3), (3, 1), (3,), (6, 6)]),
    "winograd_4_3": ([(1, 3), (3, 1), (3,)], [(1, 4), (2, 1), (3, 3), (5,)]),
    "winograd_4_4": ([(1, 4), (7, 1), (9,), (5,)], [(1, 3), (3, 1), (4, 4), (3,)]),
    "winograd_5_2": ([(1, 2), (2, 1), (2,)], [(1, 3), (4, 1), (2, 2), (4,)]),
    "winograd_4_3_stride2": ([(1, 3), (3, 1), (3,)], [(1, 4), (2, 1), (3, 3), (5,)]),
}
SUPPORTED = {
    "winograd_4x4_3x3": "stride 1 with a filter of 3 rows and columns",
    "winograd_2x2_3x3": "stride 1 with a filter of 3 rows and columns",
    "winograd_2x4_3x3": "stride 1 with a filter of 3 rows and columns",
    "winograd_6x6_3x3": "stride 1 with a filter of 3 rows and columns",
    "winograd_2x2_5x5": "stride 1 with a filter of 5 rows and columns",
    "winograd_2x4_5x5": "stride 1 with a filter of 5 rows and columns",
    "winograd_4x4_5x5": "stride 1 with a filter of 5 rows and columns",
    "winograd_4x4_4x4": "stride 1 with a filter of at least 4 rows and columns",
    "winograd_3x3_2x2": "stride 1 with a filter of 2 rows and columns",
    "winograd_4x4_2x2": "stride 1 with a filter of 2 rows and columns",
    "winograd_4x4_3x3_stride2": "stride 2 with a filter of 3 rows and columns and no dilation",
    "winograd_3x3_3x3_stride2": "stride 2 with a filter of 3 rows and columns and no dilation",
    "winograd_4_3": "stride 1 with a filter of 3 taps along one axis",
    "winograd_4_4": "stride 1 with a filter of 4 taps or more along one axis",
    "winograd_5_2": "stride 1 with a filter of 2 taps along one axis",
    "winograd_4_3_stride2": "stride 2 with a filter of 3 taps along one axis and no dilation",
}
VARIANTS = {a.name: a for a in ALGORITHMS if isinstance(a, Winograd)}
TRANSFORMS = sorted({(m, a.r, a.stride) for a in VARIANTS.values() for m in a.tile if m > 1})
EACH = [(name, kernel) for name, (kernels, _) in KERNELS.items() for kernel in kernels]
each = pytest.mark.parametrize(("name", "kernel"), EACH, ids=str)
each_variant = pytest.mark.parametrize("name", KERNELS)
each_transform = pytest.mark.parametrize(("m", "r", "stride"), TRANSFORMS)
TILES = sorted({(a.tile, a.r, a.stride) for a in VARIANTS.values()})
each_tile = pytest.mark.parametrize(("tile", "r", "stride"), TILES, ids=str)
ALL = {"bias": True, "residual": True, "activation": "relu6"}


def shaped(kernel, along, across):
    """A size of `along` pixels where the kernel is long, and `across` where it is one tap."""
    if len(kernel) == 1:
        return (along,)
    return tuple(across if k == 1 else along for k in kernel)


def winograd(name, kernel, along, channels, filters, across=5, **rest):
    size, stride = shaped(kernel, along, across), shaped(kernel, VARIANTS[name].stride, 1)
    rest = {"stride": stride if len(kernel) == 2 else stride[0], "padding": "same", **rest}
    return Case(size, channels, filters, kernel, algorithm=name, **rest)


def test_the_tables_above_are_complete():
    assert VARIANTS.keys() == KERNELS.keys() == SUPPORTED.keys()


# The matrices


def combined(coefficients, rows):
    """The sum of the rows, each times its coefficient."""
    weighted = ([c * x for x in row] for c, row in zip(coefficients, rows, strict=True))
    return [sum(column) for column in zip(*weighted, strict=True)]


@each_transform
def test_matrices_convolve_exactly(m, r, stride):
    """sum over i of A^T[k, i] G[i, t] B^T[i, j] is 1 where j = s k + t, else 0, in Fractions."""
    at, g, bt = winograd_bound.exact_matrices(m, r, stride)
    n = stride * (m - 1) + r
    assert [len(at), len(g), len(bt)] == [m, n, n]
    for k in range(m):
        for t in range(r):
            products = [at[k][i] * g[i][t] for i in range(n)]
            assert combined(products, bt) == [Fraction(j == stride * k + t) for j in range(n)]


@each_transform
def test_tile_matrices_are_exact_in_float32(m, r, stride):
    """So that transforms round only what they compute; G is applied in float64."""
    at, _, bt = winograd_bound.exact_matrices(m, r, stride)
    for value in (v for row in [*at, *bt] for v in row):
        assert Fraction(float(np.float32(float(value)))) == value


def test_the_header_is_what_the_script_makes():
    header = winograd_bound.SCRIPT.with_name("points.h")
    assert header.read_text() == winograd_bound.points().header()


def test_every_level_has_every_transform(level, dtype):
    made = native.transforms(level, np.dtype(dtype).itemsize)
    assert len(set(made)) == len(made)
    assert {(tile, products_of(tile, r, stride)) for tile, r, stride in TILES} == set(made)


def products_of(tile, r, stride):
    """Products of a tile along rows and columns."""
    return tuple(stride * (m - 1) + r if m > 1 else 1 for m in tile)


def filter_matrix(m, r, stride):
    """G without the repetitions that come with stride 2: all odd inputs have the same filter."""
    if m == 1:
        return np.ones((1, 1))
    _, g, bt = winograd_bound.matrices(m, r, stride)
    n = len(bt) if stride == 1 else m + 2
    assert (g[n:] == g[n - 1]).all()
    return g[:n]


def draw(seed, tile, r, outputs, dtype):
    shape = (1 if tile[0] == 1 else r, r, 19, outputs)
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def transformed(level, tile, r, stride, weight):
    """The packed filter."""
    made = native.transforms(level, weight.itemsize)
    products = math.prod(len(filter_matrix(m, r, stride)) for m in tile)
    packed = Filter((products, 1, *weight.shape[2:]), 1, "transformed", weight.itemsize, level)
    packed.pack(weight, None, 1, made.index((tile, products_of(tile, r, stride))))
    return packed.tobytes()


@each_tile
def test_transformed_filter_is_rounded_once(level, dtype, tile, r, stride):
    weight = draw(0, tile, r, 2, dtype)
    rows, columns = (filter_matrix(m, r, stride) for m in tile)
    wanted = np.einsum("ik,jl,klcf->ijcf", rows, columns, weight.astype(np.float64))
    wanted = wanted.reshape(-1, 19, 2)
    vectors = np.frombuffer(transformed(level, tile, r, stride, weight), dtype)
    vectors = vectors.reshape(len(wanted), 19, -1)
    got = vectors[..., :2]
    assert not vectors[..., 2:].any()
    # half a unit in the last place, and a little more where float64 rounds as well
    slack = 30 * np.finfo(np.float64).eps * abs(weight).sum()
    assert (abs(got - wanted) <= np.spacing(abs(got)) * 0.5 + slack).all()


@each_tile
def test_filters_are_transformed_where_they_lie_as_from_a_copy(level, dtype, tile, r, stride):
    weight = draw(1, tile, r, 64, dtype)
    layouts = (weight, np.asfortranarray(weight), weight[..., ::-1].copy()[..., ::-1])
    first, *others = (transformed(level, tile, r, stride, w) for w in layouts)
    assert all(other == first for other in others)
    assert np.frombuffer(first, dtype).all()


# The bound


@pytest.mark.parametrize("channels", [1, 16, 128])
@each
def test_the_bound_sees_one_forgotten_product(name, kernel, channels):
    """In float32 it is smaller than most single products, up to 128 channels."""
    case = winograd(name, kernel, 12, channels, 8, data="normal")
    x, weight, *_ = case.arrays(np.float32)
    (allowed,) = case.tolerances(x, weight)
    middle = tuple(k // 2 for k in kernel)
    seen = (slice(None, None, step) for step in (1, *case.per_axis(case.stride)))
    forgotten = abs(x[(*seen, slice(1))] * weight[middle][0])
    assert (forgotten > allowed).mean() > 0.4


@each
def test_the_bound_grows_with_what_it_bounds(name, kernel):
    """Four times the data give four times the tolerance; one pixel widens only its own tiles."""
    case = winograd(name, kernel, 40 * VARIANTS[name].stride, 3, 8, data="normal")
    x, weight, *_ = case.arrays(np.float64)
    (allowed,) = case.tolerances(x, weight)
    (larger,) = case.tolerances(4 * x, weight)
    np.testing.assert_allclose(larger, 4 * allowed, rtol=1e-6)
    x[(0, *(0 for _ in kernel), 0)] = 1e6
    (spiked,) = case.tolerances(x, weight)
    grown = spiked > 1.001 * allowed
    assert grown.any()
    assert grown.mean() < 0.25


# Every size


def edges(name, kernel):
    def case(along, channels, filters, **rest):
        return winograd(name, kernel, along, channels, filters, **rest)

    # every place of the last tile, then of the last register tile
    s = VARIANTS[name].stride
    sizes = [
        *(case(n, 3, 5, across=14 - n) for n in range(1, 14)),
        *(case(s * n - n % s, 17, 33, across=n, **ALL) for n in (14, 15, 16, 17, 25)),
    ]
    if kernel != KERNELS[name][0][0]:
        return sizes
    dilated = [
        # an image for each first pixel, some of them empty
        case(14, 9, 17, dilation=2),
        case(23, 16, 24, dilation=5, pad_value=-3.0, **ALL),
        case(4, 9, 17, dilation=7),
    ]
    if s > 1:  # only across the filter
        dilated = [case(14, 9, 17, dilation=shaped(kernel, 1, 3))] if 1 in kernel else []
    wide = shaped(kernel, 9, 150) if 1 in kernel else (9, 150)[-len(kernel) :]
    return [
        *sizes,
        # vectors of channels and slabs of filters
        *(case(6, c, f) for c, f in ((1, 1), (2, 15), (7, 16), (8, 17), (9, 24), (15, 31))),
        *(case(6, c, f, **ALL) for c, f in ((16, 33), (17, 40), (31, 8), (33, 65))),
        case(3, 80, 150, bias=True),
        case(1, 64, 9, across=1, **ALL),
        # rows longer than the tiles of one call, and many blocks
        replace(case(9, 3, 8, data="normal"), size=wide),
        replace(case(9, 3, 8, data="normal"), size=wide[::-1]),
        case(20, 24, 40, across=20, batch=2, num_threads=3, data="normal"),
        # padding
        case(11, 8, 16, padding=0),
        case(6, 8, 16, padding=max(kernel) + 2, pad_value=2.0, bias=True),
        *(case(11, 9, 17, pad_mode=mode) for mode in PAD_MODES),
        case(3, 9, 17, padding=2 * max(kernel), pad_mode="symmetric"),
        *dilated,
        # groups, of several channels and of one
        case(10, 6, 10, groups=2, **ALL),
        case(10, 34, 66, groups=2),
        case(9, 64, 64, groups=16),
        case(10, 9, 9, groups=9),
        # of a vector of inputs and outputs at some level, more than an item has
        *(case(10, n * g, n * g, groups=g) for n, g in ((2, 33), (4, 17), (8, 9), (16, 9))),
        case(10, 80, 80, groups=5, permute=True, num_threads=2, **ALL),
        case(5, 48, 48, groups=3, x_layout="strided", out_layout="window", batch=3, **ALL),
        case(9, 96, 80, groups=4, **ALL),
        case(10, 7, 21, groups=7, **ALL),
        # layouts
        case(10, 17, 33, x_layout="transposed", out_layout="channels first", **ALL),
        case(10, 17, 33, x_layout="strided", out_layout="every other", residual_layout="strided"),
        case(10, 17, 33, x_layout="cropped", out_layout="window", **ALL),
        case(10, 17, 33, x_layout="reversed", weight_layout="reversed", out_layout="flipped"),
        case(10, 17, 33, permute=True, batch=3, num_threads=2, **ALL),
        case(10, 17, 33, batch=0, **ALL),
    ]


@pytest.mark.parametrize("case", [c for name, k in EACH for c in edges(name, k)], ids=str)
def test_edge(level, dtype, case):
    check(case, dtype)


def test_exact_on_integers_where_the_matrices_are():
    points = winograd_bound.points()
    ones = {
        a.name
        for a in VARIANTS.values()
        if all(
            set(points.finite(m + (a.r - 1 if a.stride == 1 else 1))) <= {-1, 0, 1}
            for m in a.tile[-a.dims :]
        )
    }
    assert {n for n in KERNELS if n in EXACT} == ones


@each
def test_zeros_give_exactly_the_bias(level, dtype, name, kernel):
    case = winograd(name, kernel, 11, 17, 33, bias=True, data="normal")
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
@each_variant
def test_activation_comes_after_bias_and_residual(level, dtype, name, activation, apply):
    case = winograd(name, KERNELS[name][0][0], 11, 9, 17, data="normal", **ALL)
    x, weight, bias, residual = case.arrays(dtype)
    plain = case.run(x, weight, None, None, activation=None)
    got = case.run(x, weight, bias, residual, activation=activation)
    np.testing.assert_array_equal(got, apply(plain + bias + residual))


@each
def test_subnormal_numbers_are_numbers(level, dtype, name, kernel):
    """Neither inputs nor products are flushed to zero."""
    case = winograd(name, kernel, 14, 5, 9, data="integers", num_threads=2)
    x, weight, *_ = case.arrays(dtype)
    tiny = dtype(np.finfo(dtype).smallest_subnormal * 2**12)
    got = case.run(x * tiny, weight)
    judge(case, got, x * tiny, weight)
    assert (abs(got) >= tiny).mean() > 0.8
    judge(case, case.run(x, weight * tiny), x, weight * tiny)


@each
def test_filters_of_a_large_range(level, dtype, name, kernel):
    """Taps and pixels from 1e-6 to 1e6: the bound knows the sizes in each tile."""
    case = winograd(name, kernel, 26, 9, 17, data="normal")
    rng = np.random.default_rng(5)
    x, weight, *_ = case.arrays(dtype)
    x *= 10 ** rng.uniform(-6, 6, x.shape)
    weight *= 10 ** rng.uniform(-6, 6, weight.shape)
    judge(case, case.run(x, weight), x, weight)


# What is not finite


def reads(case, source):
    """Whether the tile of an output row (column) reads a padded one of which `source` is true."""
    a = VARIANTS[case.algorithm]

    def axis(i):
        k, out = case.kernel[i], case.out_size[i]
        d, before = case.per_axis(case.dilation)[i], case.sides[i][0]
        if k == 1:
            return np.array([source(i, p - before) for p in range(out)])
        m = a.tile[i] if a.dims == 2 else a.tile[1]
        step = a.stride * m
        length = -(-k // a.r) * step + a.r - a.stride
        firsts = [p % d + d * (p // d // m * step) - before for p in range(out)]
        return np.array([any(source(i, f + d * j) for j in range(length)) for f in firsts])

    return [axis(i) for i in range(len(case.kernel))]


def outer(combine, *masks):
    """One mask per axis, combined to one of all axes."""
    return reduce(combine.outer, map(np.array, masks))


POISONED = [
    case
    for name, kernel in EACH
    for case in (
        winograd(name, kernel, 23, 9, 17, across=9, data="normal", bias=True),
        winograd(name, kernel, 26, 6, 10, groups=2, padding=0, data="positive", residual=True),
        winograd(name, kernel, 32, 5, 8, dilation=2, activation="relu", data="normal"),
    )
    if name in case.algorithms()  # not with stride 2 and dilation
]


def judge_beside(case, got, poisoned, x, weight, bias, residual, **changed):
    """Right wherever `poisoned` is false; `x` and `changed` are those without the poison."""
    oracle = reference.conv2d if len(case.size) == 2 else reference.conv1d
    operands = {"residual": residual, **case.oracle_parameters(), **changed}
    wanted = oracle(x, weight, bias, **operands)
    (allowed,) = case.tolerances(x, weight, bias, residual, **changed)
    poisoned = np.broadcast_to(poisoned, got.shape)
    assert 0 < poisoned.sum() < poisoned.size
    assert (abs(got - wanted) <= allowed)[~poisoned].all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("case", POISONED, ids=str)
def test_nan_and_inf_reach_at_most_the_tiles_that_read_them(level, dtype, case, value):
    x, weight, bias, residual = case.arrays(dtype)
    weight = abs(weight)
    at = (0, *(min(13, n - 2) for n in case.size), 2)
    x[at] = value
    got = case.run(x, weight, bias, residual)
    axes = reads(case, lambda i, source: source == at[1 + i])
    of_the_group = np.arange(case.filters) < case.filters // case.groups
    poisoned = outer(np.logical_and, *axes, of_the_group)
    oracle = reference.conv2d if len(case.size) == 2 else reference.conv1d
    wanted = oracle(x, weight, bias, residual=residual, **case.oracle_parameters())
    assert not np.isfinite(wanted).all()
    assert not np.isfinite(got[~np.isfinite(wanted)]).any()
    x[at] = 0
    judge_beside(case, got, poisoned, x, weight, bias, residual)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("case", [c for c in POISONED if c.padding == "same"], ids=str)
def test_nan_and_inf_as_pad_value_reach_at_most_tiles_with_padding(level, dtype, case, value):
    case = replace(case, pad_value=value)
    x, weight, bias, residual = case.arrays(dtype)
    got = case.run(x, weight, bias, residual)

    def padding(i, source):
        before, after = case.sides[i]
        return -before <= source < 0 or case.size[i] <= source < case.size[i] + after

    poisoned = outer(np.logical_or, *reads(case, padding), [False] * case.filters)
    judge_beside(case, got, poisoned, x, weight, bias, residual, pad_value=0.0)


@each
def test_a_pad_value_that_no_output_reads(level, dtype, name, kernel):
    """Tiles go on beyond the last output, and nothing of what lies there counts."""
    for along in range(20, 26):
        case = winograd(name, kernel, along, 9, 17, padding=0, data="normal")
        x, weight, *_ = case.arrays(dtype)
        wanted = case.run(x, weight)
        for value in (1e30, np.inf, np.nan):
            np.testing.assert_array_equal(case.run(x, weight, pad_value=value), wanted)


# What it runs, and when it is chosen


@each_variant
def test_what_it_supports(name):
    supported, others = KERNELS[name]
    own = VARIANTS[name].stride
    rule = f"{SUPPORTED[name]}; "
    for kernel in supported:
        case = winograd(name, kernel, 12, 4, 8)
        assert name in case.algorithms()
        assert name in replace(case, groups=2, pad_mode="wrap").algorithms()
        strides = [1, 2, 3] if len(kernel) == 1 else [1, 2, 3, (1, 2), (2, 1)]
        for stride in strides:
            message = f"{rule}got kernel .*, stride {numbers(stride)}"
            if case.per_axis(stride) != case.per_axis(case.stride):
                refused(replace(case, stride=stride), message)
        if own == 1:
            assert name in replace(case, dilation=3).algorithms()
        else:
            refused(replace(case, dilation=3), f"{rule}got .*, dilation {numbers(3)}")
        if 1 in kernel:
            assert name in replace(case, dilation=shaped(kernel, 1, 3)).algorithms()
            refused(replace(case, stride=shaped(kernel, own, 2)), rule)
    for kernel in others:
        message = f"{rule}got kernel {numbers(kernel)}"
        refused(winograd(name, kernel, 12, 4, 8), message)


def numbers(values):
    """A pattern of an int or ints as a message has them, in two dimensions."""
    values = (values,) if isinstance(values, int) else values
    return r"\(.*" + ", ".join(map(str, values)) + r"\)"


def refused(case, message):
    """By the function, and by a layer when it is made."""
    assert case.algorithm not in case.algorithms()
    x, weight, *_ = replace(case, padding=0).arrays(np.float32)
    message = f"^algorithm='{case.algorithm}' supports {message}"
    with pytest.raises(ValueError, match=message):
        replace(case, padding=0).run(x, weight)
    with pytest.raises(ValueError, match=message):
        case.layer(weight)


@pytest.mark.parametrize("name", ["winograd", "winograd_4x4", "winograd_3x3_3x3", "Winograd_4_3"])
def test_names_that_there_are_not(name):
    case = Case((8, 8), 4, 8, (3, 3), algorithm=name)
    x, weight, *_ = case.arrays(np.float32)
    rule = rf"^algorithm must be 'auto', .*, winograd_4x4_3x3, .*, direct; got algorithm='{name}'$"
    with pytest.raises(ValueError, match=rule):
        case.run(x, weight)
    with pytest.raises(ValueError, match=rule):
        case.layer(weight)


def chosen(case, dtype, level, reused):
    """What "auto" chooses for a function's call, or (reused) a layer's."""
    shape = (case.batch, *case.size, case.channels)
    problem = ConvProblem.build(replace(case, permute=False).spec(dtype), shape)
    return planning.choose(problem, "auto", level, reused)


@pytest.mark.parametrize("axes", [1, 2])
def test_auto_in_float32_is_accurate_enough(axes):
    @given(case=cases(axes=axes))
    def holds(case):
        for reused in (False, True):
            algorithm = chosen(case, np.float32, levels.running(), reused)
            assert algorithm.name in case.algorithms()
            assert algorithm.error(case.spec(np.float32)) <= MOST_ERROR == 2.5

    holds()


def test_auto_does_choose_it(level, dtype):
    """For layers where it wins by far at every level."""
    case = Case((56, 56), 128, 128, (3, 3), padding=1)
    assert chosen(case, dtype, level, True).name.startswith("winograd")
    assert chosen(replace(case, stride=2), dtype, level, True).name.endswith("_stride2")
    assert chosen(replace(case, stride=3), dtype, level, True).name == "direct"
    assert chosen(replace(case, kernel=(1, 1)), dtype, level, True).name == "direct"


def relative_error(name, kernel, channels):
    """The rms error in float32 over direct's, of one layer on normal data."""
    case = winograd(name, kernel, 48 if len(kernel) == 2 else 2000, channels, 16, data="normal")
    x, weight, *_ = case.arrays(np.float32)
    oracle = reference.conv2d if len(kernel) == 2 else reference.conv1d
    wanted = oracle(x, weight, **case.oracle_parameters())
    ours, direct = (case.run(x, weight, algorithm=a) - wanted for a in (name, "direct"))
    return math.sqrt((ours**2).mean() / (direct**2).mean())


@pytest.mark.parametrize("channels", [1, 4, 16, 128])
@each
def test_the_error_is_what_planning_believes(name, kernel, channels):
    spec = winograd(name, kernel, 12, channels, 16).spec(np.float32)
    believed = VARIANTS[name].error(spec)
    assert believed / 2 <= relative_error(name, kernel, channels) <= 1.2 * believed


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (3,), (8,)])
def test_a_layer_of_many_sizes(level, dtype, kernel):
    """Each gets the algorithm that is cheapest for it, all are right."""
    cases = [
        Case((size,) * len(kernel), 64, 48, kernel, padding="same", data="normal", **ALL)
        for size in (24, 9, 1, 24, 17)
    ]
    _, weight, bias, _ = cases[0].arrays(dtype)
    layer = cases[0].layer(weight, bias)
    for case in cases:
        x, _, _, residual = case.arrays(dtype)
        judge(case, layer(x, residual=residual), x, weight, bias, residual)
    if kernel == (3, 3):
        assert chosen(cases[0], dtype, level, True).name.startswith("winograd")
