"""conv2d and Conv2d against the oracle: everything at random, then the edges one by one."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from cases import Case, check, judge
from hypothesis import given
from strategies import PAD_MODES, cases


@given(case=cases(axes=2))
def test_anything(level, dtype, case):
    check(case, dtype)


def direct(size, channels, filters, kernel, **rest):
    return Case(size, channels, filters, kernel, algorithm="direct", **rest)


def depthwise(size, channels, kernel, multiplier=1, **rest):
    return Case(
        size,
        channels,
        channels * multiplier,
        kernel,
        groups=channels,
        algorithm="depthwise",
        **rest,
    )


def grouped(size, groups, channels, filters, kernel, **rest):
    """`channels` and `filters` are those of a group."""
    counts = (groups * channels, groups * filters)
    return Case(size, *counts, kernel, groups=groups, algorithm="grouped", **rest)


def dot(size, channels, filters, kernel, **rest):
    return Case(size, channels, filters, kernel, algorithm="dot", **rest)


ALL = {"bias": True, "residual": True, "activation": "relu6"}
LANEWISE = ((depthwise, 8), (grouped, 4, 2, 3))
PER_GROUP = (2, 3, 4, 5, 8, 12, 16, 17, 40)
KERNELS = range(1, 10)
EDGES = [
    # small maps with many channels
    *(direct((n, n), 130, 70, (3, 3), padding=1, **ALL) for n in range(1, 9)),
    *(depthwise((n, n), 130, (3, 3), padding=1, **ALL) for n in range(1, 9)),
    *(grouped((n, n), 13, 5, 7, (3, 3), padding=1, **ALL) for n in range(1, 9)),
    # every width of the last register tile, inside, with padding and with stride
    *(direct((4, w), 17, 33, (3, 3), padding=1) for w in range(1, 30)),
    *(direct((3, w + 2), 8, 65, (2, 3)) for w in range(1, 30)),
    *(depthwise((4, w), 33, (3, 3), padding=1) for w in range(1, 30)),
    *(depthwise((5, w), 16, (5, 5), stride=2, padding=2) for w in range(1, 30, 3)),
    *(grouped((3, w), 5, 4, 4, (3, 3), padding=1) for w in range(1, 18)),
    *(grouped((3, w), 5, 3, 5, (2, 4), stride=2, padding=2) for w in range(1, 30, 3)),
    # one row, one column
    direct((1, 40), 8, 16, (1, 3)),
    direct((1, 40), 8, 16, (3, 3), padding=1),
    direct((40, 1), 8, 16, (3, 1)),
    direct((40, 1), 8, 16, (3, 3), padding=1, **ALL),
    depthwise((1, 40), 8, (3, 3), padding=1),
    depthwise((40, 1), 8, (3, 3), padding=1),
    # dilation: most taps fall into the padding
    direct((20, 21), 16, 24, (3, 3), padding=12, dilation=12),
    direct((20, 21), 16, 24, (3, 3), padding=24, dilation=24),
    direct((9, 40), 9, 17, (3, 3), padding=(2, 24), dilation=(2, 24), pad_value=3.0),
    direct((15, 15), 8, 40, (4, 2), padding="same", dilation=(5, 7)),
    depthwise((20, 21), 17, (3, 3), padding=12, dilation=12),
    depthwise((20, 21), 17, (3, 3), padding=24, dilation=24, pad_value=-1.0),
    grouped((20, 21), 3, 5, 6, (3, 3), padding=12, dilation=(12, 7)),
    # one output sees little of what its filter reaches over
    depthwise((3, 5), 9, (3, 1), padding=(30_000, 0), dilation=(30_000, 1)),
    grouped((3, 5), 3, 2, 3, (1, 2), stride=(1, 999), padding=(0, 30_000), dilation=(1, 15_000)),
    depthwise((5, 4), 5, (3, 3), padding=120, stride=99, dilation=101, pad_value=2.0),
    direct((3, 5), 3, 8, (1, 2), stride=(1, 999), padding=(0, 30_000), dilation=(1, 15_000)),
    # first layers: few channels, large kernels
    direct((37, 41), 3, 64, (7, 7), stride=2, padding=3, **ALL),
    direct((35, 38), 3, 96, (11, 11), stride=4, padding=2),
    direct((30, 33), 3, 17, (3, 3), padding=1),
    direct((32, 32), 3, 40, (16, 16), stride=16),
    direct((40, 40), 1, 1, (3, 3), padding="same", pad_mode="reflect"),
    # several blocks of filters and slabs of channels
    direct((7, 7), 512, 512, (3, 3), padding=1, **ALL),
    direct((5, 9), 300, 530, (3, 3), padding=1),
    direct((3, 5), 2100, 70, (1, 1), bias=True),
    direct((3, 4), 70, 2100, (1, 1), bias=True),
    direct((6, 6), 600, 90, (5, 5), padding=2, groups=2),
    direct((17, 30), 64, 64, (3, 3), padding=1, batch=3),
    # filters whose slabs are worked through in parts, and pixels in the same set of L1
    direct((9, 16), 512, 77, (3, 3), padding=1, **ALL),
    direct((4, 9), 1024, 20, (3, 2), padding=(3, 1), dilation=2, **ALL),
    direct((3, 30), 1024, 40, (1, 1), out_layout="channels first", **ALL),
    depthwise((9, 30), 513, (3, 3), padding=1, multiplier=2),
    depthwise((3, 9), 1025, (2, 2), padding=1, multiplier=3),
    direct((8, 9), 400, 35, (5, 1), padding=(9, 0), stride=2, out_layout="channels first", **ALL),
    # a stride after which pixels fall into the same set of L1; pixels a line apart
    direct((4, 37), 512, 20, (2, 2), stride=2, padding=1, **ALL),
    direct((4, 37), 512, 20, (2, 3), stride=(1, 4), out_layout="channels first"),
    *(direct((3, w), 16, 11, (3, 3), padding=1, pad_value=2.0) for w in range(1, 30)),
    *(
        direct((3, w), c, 39, (3, 2), groups=3, padding=(1, 0), **ALL)
        for c in (24, 48)
        for w in (7, 28)
    ),
    # read in place and copied: no padding, padding on one side, strided pixels or channels
    direct((12, 40), 64, 48, (3, 3)),
    direct((12, 40), 64, 48, (3, 3), padding=(0, 2, 0, 5)),
    direct((12, 40), 64, 48, (3, 3), padding=1, x_layout="cropped"),
    direct((12, 40), 64, 48, (3, 3), padding=1, x_layout="strided"),
    direct((12, 40), 64, 48, (3, 3), padding=1, x_layout="transposed", out_layout="channels first"),
    direct((12, 40), 64, 48, (3, 3), padding=1, x_layout="reversed", out_layout="flipped"),
    direct((12, 40), 64, 48, (1, 1), x_layout="transposed", out_layout="every other"),
    depthwise((12, 40), 64, (3, 3), padding=1, x_layout="transposed", out_layout="channels first"),
    depthwise((12, 40), 64, (3, 3), padding=1, x_layout="strided", out_layout="every other"),
    grouped((12, 40), 8, 4, 8, (3, 3), padding=1, x_layout="transposed", out_layout="flipped"),
    grouped((12, 40), 8, 4, 4, (3, 3), padding=1, x_layout="cropped", out_layout="every other"),
    # strides beyond the kernel
    direct((20, 22), 9, 17, (2, 3), stride=(5, 4)),
    direct((20, 22), 16, 64, (1, 1), stride=(3, 7), padding=1),
    direct((6, 6), 8, 16, (3, 3), stride=50, padding=1),
    depthwise((20, 22), 9, (2, 3), stride=(5, 4), padding=(1, 0, 0, 2)),
    grouped((20, 22), 5, 3, 2, (2, 1), stride=(5, 2), padding=(1, 0, 0, 2)),
    # padding beyond the kernel
    direct((4, 5), 8, 16, (2, 2), padding=(5, 4, 3, 6), pad_value=2.0, bias=True),
    direct((4, 5), 8, 16, (2, 2), padding=(5, 4, 3, 6)),
    direct((1, 1), 3, 8, (1, 1), padding=9, pad_value=-3.0, activation=("leaky_relu", 0.5)),
    depthwise((4, 5), 8, (2, 2), padding=(5, 4, 3, 6), pad_value=2.0, bias=True),
    # pad modes: one reflection, many, and of a single pixel
    *(
        make(size, *counts, (3, 3), padding=padding, pad_mode=mode)
        for make, *counts in ((direct, 9, 17), (depthwise, 9), (grouped, 3, 3, 5))
        for size, padding in (
            ((5, 6), (4, 3, 5, 2)),
            ((5, 6), (17, 13, 11, 20)),
            ((1, 4), (2, 3, 1, 0)),
        )
        for mode in PAD_MODES
    ),
    # groups
    direct((9, 10), 128, 128, (3, 3), padding=1, groups=32),
    direct((9, 10), 6, 10, (3, 3), padding=1, groups=2, **ALL),
    direct((9, 10), 34, 66, (2, 3), padding=1, groups=2),
    direct((9, 10), 33, 33, (3, 3), padding=1, groups=33),
    direct((30, 31), 20, 52, (3, 3), padding=1, groups=4, num_threads=2, **ALL),
    direct((30, 31), 64, 96, (3, 3), padding=(2, 1, 0, 1), groups=4, num_threads=2, pad_value=0.5),
    *(depthwise((9, 10), c, (3, 3), m, padding=1, **ALL) for c in (1, 7, 33) for m in (1, 2, 3)),
    depthwise((9, 10), 1, (3, 3), 70),
    *(grouped((4, 9), 9, c, c, (3, 3), padding=1, **ALL) for c in PER_GROUP),
    *(
        grouped((4, 9), 5, c, f, (2, 3), stride=s, padding=1)
        for c, f, s in zip(PER_GROUP, reversed(PER_GROUP), (1, 2, 3) * 3, strict=True)
    ),
    *(grouped((3, 11), 5, 3, 5, (2, k), padding=k // 2, stride=s) for k in KERNELS for s in (1, 2)),
    *(grouped((3, 11), 2, 17, 3, (2, k), padding=k, dilation=2) for k in KERNELS),
    depthwise((20, 20), 9, (31, 31), padding=15),
    # several pixels to a vector
    *(
        depthwise((7, w), c, (3, 3), padding=1, bias=True, activation="relu6")
        for c in (2, 3, 5, 8)
        for w in (1, 4, 9, 33, 70)
    ),
    *(
        depthwise((23, 41), 3, kernel, padding=3, stride=stride, dilation=dilation)
        for kernel in ((3, 3), (1, 3), (5, 4), (2, 7), (9, 9))
        for stride in (1, 2, (2, 1), (3, 2))
        for dilation in (1, (2, 1), (3, 2))
    ),
    *(depthwise((9, 21), 4, (3, 4), padding=3, stride=2, pad_mode=mode) for mode in PAD_MODES),
    depthwise((30, 300), 3, (3, 3), padding=1, x_layout="strided", num_threads=2),
    depthwise((30, 301), 3, (5, 5), stride=2, x_layout="reversed", out_layout="window"),
    depthwise((20, 40), 1, (11, 11), padding=5, **ALL),
    depthwise((20, 40), 1, (9, 2), padding=5, pad_value=2.0, dilation=(1, 3)),
    # two slabs at a time: the last of them of parts of vectors, some alone
    *(direct((5, 29), 3, f, (3, 3), padding=1, **ALL) for f in (49, 63, 64, 80, 96, 100, 128, 160)),
    direct((60, 61), 5, 130, (1, 1), num_threads=3, **ALL),
    direct((30, 31), 6, 200, (3, 3), padding=1, groups=2, num_threads=2),
    direct((9, 10), 130, 65, (3, 3), padding=3, dilation=3, **ALL),
    # long in one direction
    direct((3, 1500), 3, 8, (3, 3), padding=1),
    direct((1500, 3), 3, 8, (3, 3), padding=1),
    depthwise((2, 1500), 4, (3, 3), padding=1),
    grouped((2, 1500), 2, 3, 3, (3, 3), padding=1),
    grouped((1500, 2), 2, 3, 3, (3, 3), padding=1, num_threads=2),
    *(make((7, 7), *counts, (3, 3), batch=0, **ALL) for make, *counts in LANEWISE),
    direct((7, 7), 8, 16, (3, 3), batch=0, **ALL),
    # dot products: reductions that do not fill vectors, tiles of 1 to 4 outputs, of all heights
    *(dot((5, 9), c, f, (3, 3), padding=1, **ALL) for c in (1, 3, 8, 17, 32) for f in range(1, 9)),
    *(dot((3, w), 16, f, (2, 3), padding=1) for w in range(1, 28) for f in (1, 2, 3, 4)),
    *(dot((9, 10), c, 2, (4, 5), stride=(2, 3), padding=2) for c in (5, 16)),
    dot((9, 11), 32, 3, (3, 3), padding=3, dilation=3),
    dot((9, 40), 48, 2, (3, 3), padding=12, dilation=12, pad_value=-1.0),
    dot((9, 10), 30, 12, (3, 3), padding=1, groups=6, **ALL),
    dot((9, 10), 32, 8, (3, 2), groups=2, dilation=(1, 2)),
    dot((6, 31), 7, 3, (3, 3), padding=1, x_layout="strided", out_layout="every other"),
    dot(
        (6, 31), 16, 3, (3, 3), padding=1, x_layout="transposed", out_layout="channels first", **ALL
    ),
    dot((1, 200), 2, 2, (1, 101), padding=(0, 50), num_threads=2),
    dot((33, 7), 1024, 3, (3, 3), padding=1),
    dot((9, 10), 64, 8, (1, 1), **ALL),
]


@pytest.mark.parametrize("case", EDGES, ids=str)
def test_edge(level, dtype, case):
    check(case, dtype)


POISONED = [
    direct((9, 31), 17, 33, (3, 3), padding=1),
    direct((6, 14), 64, 64, (1, 1)),
    direct((9, 13), 16, 40, (3, 2), stride=2, padding=(2, 1, 0, 3), groups=2, residual=True),
    direct((9, 13), 3, 8, (3, 3), dilation=3, padding=4, bias=True, activation=("leaky_relu", 0.5)),
    direct((9, 13), 9, 9, (3, 3), groups=9, padding=1),
    depthwise((9, 31), 33, (3, 3), padding=1, bias=True),
    depthwise((9, 13), 7, (5, 4), 2, stride=2, padding=2),
    depthwise((9, 13), 16, (3, 3), dilation=2, padding=5, residual=True),
    grouped((9, 31), 9, 3, 4, (3, 3), padding=1, bias=True),
    grouped((9, 13), 2, 20, 3, (5, 4), stride=2, padding=2),
    dot((9, 31), 17, 5, (3, 3), padding=1, bias=True),
    dot((9, 13), 16, 3, (3, 3), dilation=3, padding=4),
]


def judge_where_finite(case, got, x, weight, bias, residual):
    """NaN, +inf and -inf are where the oracle has them; what is finite there is close."""
    wanted = reference.conv2d(x, weight, bias, residual=residual, **case.oracle_parameters())
    for is_kind in (np.isnan, np.isposinf, np.isneginf):
        np.testing.assert_array_equal(is_kind(got), is_kind(wanted))
    finite = np.isfinite(wanted)
    assert 0 < finite.sum() < finite.size
    parameters = case.oracle_parameters()
    if not np.isfinite(case.pad_value):
        parameters["pad_value"] = 0.0
    tame = np.where(np.isfinite(x), x, 0)
    allowed = reference.tolerance(x.dtype, tame, weight, bias, residual=residual, **parameters)
    assert (abs(got[finite] - wanted[finite]) <= allowed[finite]).all()


@pytest.mark.parametrize("case", POISONED, ids=str)
def test_nan_and_inf_in_the_input_reach_exactly_their_outputs(level, dtype, case):
    x, weight, bias, residual = case.arrays(dtype)
    weight = np.random.default_rng(1).uniform(0.5, 1, weight.shape).astype(dtype)
    x[0, 0, 0, 0] = np.inf
    x[0, -1, -1, -1] = -np.inf
    x[0, 4, 5, 2] = np.nan
    judge_where_finite(case, case.run(x, weight, bias, residual), x, weight, bias, residual)


@pytest.mark.parametrize("pad_value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("case", [c for c in POISONED if c.padding], ids=str)
def test_nan_and_inf_as_pad_value(level, dtype, case, pad_value):
    case = replace(case, pad_value=pad_value)
    x, weight, bias, residual = case.arrays(dtype)
    weight = np.random.default_rng(1).uniform(0.5, 1, weight.shape).astype(dtype)
    judge_where_finite(case, case.run(x, weight, bias, residual), x, weight, bias, residual)


@pytest.mark.parametrize("algorithm", ["direct", "depthwise"])
@pytest.mark.parametrize(
    ("activation", "wanted"),
    [
        (None, [-np.inf, -8, -0.0, 0, 5, 8, np.inf, np.nan]),
        ("relu", [0, 0, 0, 0, 5, 8, np.inf, np.nan]),
        ("relu6", [0, 0, 0, 0, 5, 6, 6, np.nan]),
        (("leaky_relu", 0.25), [-np.inf, -2, 0, 0, 5, 8, np.inf, np.nan]),
        (("leaky_relu", -0.5), [np.inf, 4, 0, 0, 5, 8, np.inf, np.nan]),
        (("leaky_relu", 2), [-np.inf, -16, 0, 0, 5, 8, np.inf, np.nan]),
        (("leaky_relu", 0), [0, 0, 0, 0, 5, 8, np.inf, np.nan]),
    ],
)
def test_activation_of_special_values(level, dtype, algorithm, activation, wanted):
    x = np.array([-np.inf, -8, -0.0, 0, 5, 8, np.inf, np.nan], dtype)
    case = Case((1, 8), 1, 1, (1, 1), activation=activation, algorithm=algorithm)
    y = case.run(x.reshape(1, 1, 8, 1), np.ones((1, 1, 1, 1), dtype))
    np.testing.assert_array_equal(y.ravel(), wanted)


def test_default_slope_is_a_hundredth(dtype):
    x = np.full((1, 1, 1, 1), -3, dtype)
    y = Case((1, 1), 1, 1, (1, 1), activation="leaky_relu").run(x, np.ones_like(x))
    assert y == dtype(-3) * dtype(0.01)


def test_activation_comes_after_bias_and_residual(level, dtype):
    case = Case((1, 1), 1, 1, (1, 1), activation="relu")
    one = np.ones((1, 1, 1, 1), dtype)
    assert case.run(-one, one, np.full(1, 3, dtype), -one) == 1
    assert case.run(one, one, np.full(1, -3, dtype), one) == 0


def test_without_a_batch(level, dtype):
    case = direct((5, 6), 4, 8, (3, 3), padding=1, residual=True)
    x, weight, _, residual = case.arrays(dtype)
    y = case.run(x[0], weight, None, residual[0])
    assert y.shape == (5, 6, 8)
    judge(case, y[None], x, weight, None, residual)
    out = np.empty((5, 6, 8), dtype)
    assert case.run(x[0], weight, None, residual[0], out=out) is out
    np.testing.assert_array_equal(out, y)


@pytest.mark.parametrize("padding", [(2, 2, 0, 0), (3, 1, 0, 1)])
@pytest.mark.parametrize("algorithm", ["direct", "dot", "depthwise", "grouped"])
def test_an_input_without_rows_or_columns_is_all_padding(level, dtype, algorithm, padding):
    groups = {"direct": 1, "dot": 1, "depthwise": 4, "grouped": 2}[algorithm]
    rest = {"groups": groups, "algorithm": algorithm, "pad_value": 2.0, "bias": True}
    check(Case((0, 6), 4, 8, (3, 3), padding=padding, **rest), dtype)
    check(Case((6, 0), 4, 8, (3, 3), padding=padding[2:] + padding[:2], **rest), dtype)


@pytest.mark.parametrize("dilation", [2**20, 2**30])
@pytest.mark.parametrize(("make", "counts"), [(direct, (4, 8)), *((m, c) for m, *c in LANEWISE)])
def test_work_does_not_grow_with_the_dilation(level, dtype, make, counts, dilation):
    """All taps but the first lie in the padding: what is between takes no time and no memory."""
    rest = {"padding": (0, dilation, 0, dilation), "dilation": dilation, "pad_value": 1.0}
    case = make((3, 3), *counts, (2, 2), **rest)
    x, weight, *_ = case.arrays(dtype)
    wanted = reference.conv2d(x, weight[:1, :1], groups=case.groups)
    wanted += weight.sum((0, 1, 2)) - weight[0, 0].sum(0)
    np.testing.assert_array_equal(case.run(x, weight), wanted)


@pytest.mark.parametrize(
    "case",
    [
        depthwise((9, 10), 17, (3, 3), 2, padding=1),
        grouped((9, 10), 7, 3, 4, (3, 3), padding=1),
        dot((9, 10), 17, 5, (3, 3), padding=1),
    ],
    ids=str,
)
def test_algorithms_agree(level, dtype, case):
    """On small integers to the bit."""
    x, weight, *_ = case.arrays(dtype)
    first, *others = (case.run(x, weight, algorithm=a) for a in ("direct", case.algorithm, "auto"))
    for other in others:
        np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize("algorithm", ["direct", "dot", "depthwise"])
def test_subnormal_numbers_are_numbers(level, dtype, algorithm):
    """Neither inputs nor sums are flushed to zero, here or in NumPy afterwards."""
    tiny = np.finfo(dtype).smallest_subnormal
    case = Case((20, 20), 1, 1, (3, 3), algorithm=algorithm, num_threads=2)
    x = np.full((1, 20, 20, 1), 3 * tiny)
    assert (case.run(x, np.ones((3, 3, 1, 1), dtype)) == 27 * tiny).all()
    assert (x + x == 6 * tiny).all()
