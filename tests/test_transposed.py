"""conv_transpose1d, conv_transpose2d and their layers against the oracle of the definition."""

import numpy as np
import pytest
from cases import NATIVE_LAYOUTS, OUT_LAYOUTS
from hypothesis import given, settings
from transposed_cases import Case, cases, check, judge

import fastconv
from fastconv import transposed
from fastconv.problem import TransposedProblem

FEW = settings(max_examples=settings.default.max_examples // 6)


@FEW
@given(case=cases(axes=1))
def test_anything_1d(level, dtype, case):
    check(case, dtype)


@FEW
@given(case=cases(axes=2))
def test_anything_2d(level, dtype, case):
    check(case, dtype)


def line(length, channels, filters, kernel, **rest):
    return Case((length,), channels, filters, (kernel,), **{"algorithm": "direct", **rest})


def image(size, channels, filters, kernel, **rest):
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    return Case(size, channels, filters, kernel, **{"algorithm": "direct", **rest})


ALL = {"bias": True, "residual": True, "activation": "relu6"}
EDGES = [
    # every phase of one length and the next, around the lanes
    *(line(9, 3, c, 4, stride=2, padding=1) for c in (1, 7, 8, 9, 15, 16, 17, 31, 33, 65)),
    *(line(n, 5, 9, 16, stride=8, padding=4, **ALL) for n in range(1, 5)),
    *(line(7, 4, 6, k, stride=5, padding=(k // 3, k // 4), bias=True) for k in range(1, 13)),
    *(line(7, 4, 6, 10, stride=5, padding=(p, 7 - p), bias=True) for p in range(8)),
    # PyTorch with oneDNN errs here
    line(60, 256, 128, 10, stride=5, padding=2, output_padding=1, bias=True),
    # depthwise with bias, groups of unequal channels
    line(20, 17, 17, 4, stride=2, padding=1, groups=17, bias=True),
    line(20, 17, 51, 4, stride=2, padding=1, groups=17, **ALL),
    line(20, 6, 20, 5, stride=3, padding=1, groups=2, **ALL),
    image((4, 5), 6, 20, 3, stride=2, padding=1, groups=2, **ALL),
    # gaps between the taps are bias, residual and activation
    line(10, 9, 17, 2, stride=5, bias=True),
    line(10, 9, 17, 1, stride=3, output_padding=2, **ALL),
    line(10, 9, 9, 2, stride=5, groups=9, **ALL),
    image((5, 4), 9, 17, 1, stride=2, output_padding=1, **ALL),
    image((5, 4), 9, 17, (1, 3), stride=(3, 2), **ALL),
    # output padding at its limit, which may be the dilation's
    line(6, 4, 8, 3, stride=4, output_padding=3, bias=True),
    line(6, 4, 8, 3, stride=2, dilation=5, output_padding=4, bias=True),
    # padding leaves one sample, and only some inputs reach what it leaves
    *(line(4, 5, 9, 3, stride=2, padding=(p, 8 - p), bias=True) for p in range(9)),
    line(30, 5, 9, 3, stride=2, padding=(20, 23), bias=True),
    image((4, 4), 5, 9, 3, stride=2, padding=(8, 0, 0, 8), bias=True),
    # dilation and stride with and without a common divisor
    *(
        line(9, 4, 6, 4, stride=s, dilation=d, padding=2, **ALL)
        for s in (1, 2, 3, 4, 6)
        for d in (2, 3, 4, 6)
    ),
    line(9, 4, 6, 2, stride=3, dilation=3, padding=1, **ALL),
    # speech
    line(20, 64, 32, 16, stride=8, padding=4, bias=True),
    line(12, 64, 33, 20, stride=10, padding=5, permute=True, bias=True),
    line(300, 1, 1, 48, stride=3, padding=(23, 22)),
    line(300, 2, 1, 9, stride=3, padding=3, permute=True),
    # images
    image((8, 8), 16, 24, 2, stride=2),
    image((5, 7), 17, 9, 4, stride=2, padding=1, bias=True),
    image((5, 7), 17, 9, 4, stride=2, padding=1, permute=True, **ALL),
    image((5, 7), 17, 9, 3, stride=2, padding=1, output_padding=1, batch=2, **ALL),
    image((6, 6), 8, 16, 3, stride=1, padding=1, **ALL),
    # phases of several rows in one convolution, in every layout of the outputs and the residual
    *(image((5, 9), 9, 32, 2, stride=2, **ALL, out_layout=o) for o in (None, *OUT_LAYOUTS)),
    *(image((5, 9), 9, 32, 2, stride=2, **ALL, residual_layout=r) for r in NATIVE_LAYOUTS),
    # one input channel: outputs of several slabs at once
    *(
        case
        for a in ("auto", "depthwise")
        for o in (None, "window", "flipped", "channels first")
        for case in (
            image((4, 8), 1, 32, 2, stride=2, algorithm=a, out_layout=o, **ALL),
            line(30, 1, 16, 4, stride=4, algorithm=a, out_layout=o, bias=True),
            line(30, 1, 32, 4, stride=4, algorithm=a, out_layout=o, **ALL),
        )
    ),
    image((5, 7), 9, 64, (5, 4), stride=(3, 2), padding=(2, 1, 1, 1), **ALL, out_layout="window"),
    image((5, 7), 9, 32, 2, stride=3, batch=2, **ALL),
    image((17, 16), 5, 32, (3, 1), stride=(3, 1), dilation=2, bias=True),
    # layouts
    *(line(12, 8, 16, 5, stride=3, **ALL, out_layout=o) for o in ("window", "every other")),
    *(line(12, 8, 16, 5, stride=3, **ALL, out_layout=o) for o in ("flipped", "channels first")),
    *(line(12, 8, 16, 5, stride=3, **ALL, permute=True, out_layout=o) for o in ("flat", "window")),
    line(12, 8, 16, 5, stride=3, x_layout="strided", weight_layout="fortran"),
    line(12, 8, 16, 5, stride=3, batch=0, **ALL),
]


@pytest.mark.parametrize("case", EDGES, ids=str)
def test_edge(level, dtype, case):
    check(case, dtype)


@pytest.mark.parametrize(
    "case",
    [
        line(200, 64, 64, 9, stride=3, padding=3, data="normal", algorithm="auto"),
        line(200, 64, 64, 16, stride=4, padding=6, data="normal", permute=True, algorithm="auto"),
        image((20, 20), 32, 32, 6, stride=2, padding=2, data="normal", algorithm="auto", **ALL),
        image((20, 20), 32, 32, 3, padding=1, data="normal", algorithm="winograd_4x4_3x3"),
        image((9, 9), 32, 32, 6, stride=2, padding=2, algorithm="winograd_2x2_3x3", permute=True),
    ],
    ids=str,
)
def test_winograd_runs_the_parts(level, case):
    check(case, np.float32)


def test_without_a_batch(level, dtype):
    case = line(20, 4, 8, 4, stride=2, padding=1, residual=True)
    x, weight, _, residual = case.arrays(dtype)
    y = case.run(x[0], weight, None, residual[0])
    assert y.shape == (40, 8)
    judge(case, y[None], x, weight, None, residual)


def test_is_the_gradient_of_conv2d():
    """The inner products of a convolution and of its transpose agree, on integers exactly."""
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (2, 11, 9, 6)).astype(np.float64)
    weight = rng.integers(-4, 5, (3, 4, 3, 8)).astype(np.float64)
    parameters = {"stride": (2, 3), "padding": (1, 0, 2, 1), "dilation": (2, 1), "groups": 2}
    y = fastconv.conv2d(x, weight, **parameters, algorithm="direct")
    dy = rng.integers(-4, 5, y.shape).astype(np.float64)
    dx = fastconv.conv_transpose2d(dy, weight, **parameters, output_padding=(1, 2))
    assert dx.shape == x.shape
    assert (x * dx).sum() == (y * dy).sum()


@pytest.mark.parametrize("size", [(1, 1), (3, 20), (40, 31)])
def test_any_output_size(dtype, size):
    """Of an internal problem: what no input reaches is the bias."""
    case = image((5, 7), 4, 6, 3, stride=2, padding=1, bias=True)
    x, weight, bias, _ = case.arrays(dtype)
    spec = case.problem(dtype).spec
    problem = TransposedProblem.build(spec, x.shape, size)
    wanted = np.broadcast_to(bias, (1, *size, 6)).copy()
    whole = case.run(x, weight, bias)[:, : size[0], : size[1]]
    wanted[:, : whole.shape[1], : whole.shape[2]] = whole
    out = np.full_like(wanted, np.nan)
    layer = case.layer(weight, bias)
    layer._weights.prepare(problem, "direct", None).run(x, out, None, None)
    beyond = case.run(x, weight, bias, output_padding=1)[:, : size[0], : size[1]]
    wanted[:, : beyond.shape[1], : beyond.shape[2]] = beyond
    np.testing.assert_array_equal(out, wanted)


def test_not_finite_inputs_reach_what_reads_them_and_no_more(level, dtype):
    case = line(20, 4, 8, 5, stride=7, output_padding=6, bias=True)
    x, weight, bias, _ = case.arrays(dtype)
    weight[weight == 0] = 1
    finite = case.run(x, weight, bias)
    x[0, 3], x[0, 9] = np.inf, np.nan
    y = case.run(x, weight, bias)
    reached = np.zeros(len(y[0]), bool)
    reached[3 * 7 : 3 * 7 + 5] = reached[9 * 7 : 9 * 7 + 5] = True
    assert not np.isfinite(y[0, reached]).any()
    np.testing.assert_array_equal(y[0, ~reached], finite[0, ~reached])


@pytest.mark.parametrize("permute", [False, True])
@pytest.mark.parametrize("algorithm", ["auto", "direct"])
def test_same_bits_for_any_number_of_threads(level, permute, algorithm):
    shapes = [
        line(301, 33, 40, 16, stride=8, padding=4, data="normal"),
        image((21, 23), 33, 40, 6, stride=2, padding=2, data="normal"),
    ]
    for case in shapes:
        x, weight, *_ = case.arrays(np.float32)
        x = np.moveaxis(x, -1, 1) if permute else x
        changed = Case(**{**vars(case), "permute": permute, "algorithm": algorithm})
        layer = changed.layer(weight)
        first = layer(x, num_threads=1)
        for number in (2, 3, 7):
            np.testing.assert_array_equal(layer(x, num_threads=number), first)


def places(problem):
    """How often each output is made."""
    made = np.zeros(problem.output_shape)
    for part in transposed.parts(problem):
        part.outputs(made)[...] += 1
    return made


@FEW
@given(case=cases(axes=2))
def test_parts_make_every_output_once(case):
    assert (places(case.problem(np.float32)) == 1).all()


@pytest.mark.parametrize(
    ("case", "number"),
    [
        (line(100, 8, 8, 16, stride=8, padding=4), 2),
        (line(100, 8, 8, 4, stride=2, padding=1), 2),
        (line(100, 8, 8, 2, stride=2), 1),
        (line(100, 8, 8, 10, stride=5, padding=2, output_padding=1), 3),
        (line(100, 8, 8, 3, stride=100), 2),  # taps, gaps
        (line(100, 8, 8, 16, stride=8, padding=4, groups=2), 8),
        (image((9, 9), 8, 8, 2, stride=2), 2),
        (image((9, 9), 8, 8, 4, stride=2, padding=1), 4),
    ],
    ids=str,
)
def test_number_of_parts(case, number):
    assert len(transposed.parts(case.problem(np.float32))) == number
