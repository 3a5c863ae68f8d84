"""The gradients against their definitions, finite differences and PyTorch; errors; threads."""

import math
from dataclasses import replace

import numpy as np
import pytest
import reference
import winograd_bound
from cases import LAYOUTS, OUT_LAYOUTS, Case, assert_canaries_alive
from hypothesis import assume, given, settings
from strategies import cases

import fastconv
from fastconv.algorithms import ALGORITHMS, Winograd

MODES = {"stride", "padding", "dilation", "pad_mode"}


def parameters(case):
    named = {name: getattr(case, name) for name in (*MODES, "groups")}
    return {**named, "num_threads": case.num_threads}


def oracle_parameters(case):
    """What the oracle takes, of images: a 1-D case has one row."""
    one = (1,) * (2 - len(case.size))
    return {
        "stride": one + case.per_axis(case.stride),
        "padding": (((0, 0),) * len(one)) + case.sides,
        "dilation": one + case.per_axis(case.dilation),
        "groups": case.groups,
        "pad_mode": case.pad_mode,
    }


def image(a):
    """A batch of rows as one of images of one row; a filter likewise."""
    return a[:, None] if a.ndim == 3 else a


def draw(case, dtype):
    """x, weight, dy; small integers or normal."""
    x, weight, _, _ = replace(case, bias=False, residual=False).arrays(dtype)
    rng = np.random.default_rng(case.seed + 1)
    shape = (case.batch, *case.out_size, case.filters)
    if case.data == "integers":
        return x, weight, rng.integers(-4, 5, shape).astype(dtype)
    return x, weight, rng.standard_normal(shape).astype(dtype)


def function(case, name):
    return getattr(fastconv, f"conv{len(case.size)}d_{name}_grad")


def allowed(dtype, terms, magnitude):
    """Of sums of so many products in any order, as `reference.tolerance`."""
    relative = sum(reference.gamma(terms, np.finfo(d).eps / 2) for d in (dtype, np.float64))
    return relative * magnitude + terms * np.finfo(dtype).smallest_subnormal


def assert_within(got, wanted, bound):
    wrong = ~(abs(got - wanted) <= bound)
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0])
        raise AssertionError(
            f"{wrong.sum()} of {wrong.size} are wrong, first at {at}: "
            f"{got[at]!r}, not {wanted[at]!r} +- {bound[at]:.3g}"
        )


def check_weight_grad(case, dtype, algorithm="direct"):
    x, weight, dy = draw(case, dtype)
    out, buffer = None, None
    if case.out_layout is not None and weight.size:
        out, buffer = OUT_LAYOUTS["window"](weight.shape, dtype)
    bias = np.full(case.filters, np.nan, dtype) if case.bias else None
    got = function(case, "weight")(
        LAYOUTS[case.x_layout](x),
        LAYOUTS[case.residual_layout](dy),
        weight.shape,
        pad_value=case.pad_value,
        algorithm=algorithm,
        out=out,
        bias_out=bias,
        **parameters(case),
    )
    assert got.dtype == dtype and got.shape == weight.shape
    pixels = case.batch * math.prod(case.out_size) + 4
    if bias is not None:
        rows = dy.reshape(-1, case.filters)
        exact = rows.sum(0, np.float64)
        assert_within(bias, exact, allowed(dtype, pixels, abs(rows).sum(0, np.float64)))
    shape = (1,) * (4 - weight.ndim) + weight.shape
    rest = {**oracle_parameters(case), "pad_value": case.pad_value}
    wanted = reference.conv2d_weight_grad(image(x), image(dy), shape, **rest).reshape(weight.shape)
    if algorithm != "direct":
        transform = next((a.tile[0], a.r) for a in ALGORITHMS if a.name == algorithm)
        del rest["stride"], rest["pad_value"]
        assert_within(
            got, wanted, winograd_bound.weight_grad_tolerance(dtype, transform, x, dy, **rest)
        )
    elif case.data == "integers":
        np.testing.assert_array_equal(got, wanted)
    else:
        rest["pad_value"] = abs(case.pad_value)
        of_magnitudes = reference.conv2d_weight_grad(abs(image(x)), abs(image(dy)), shape, **rest)
        assert_within(got, wanted, allowed(dtype, pixels, of_magnitudes.reshape(weight.shape)))
    if out is not None:
        assert got is out
        assert_canaries_alive(out, buffer)


def check_input_grad(case, dtype):
    x, weight, dy = draw(case, dtype)
    got = function(case, "input")(
        LAYOUTS[case.residual_layout](dy),
        LAYOUTS[case.weight_layout](weight),
        x.shape,
        algorithm="direct",
        **parameters(case),
    )
    assert got.dtype == dtype and got.shape == x.shape
    filters = weight if weight.ndim == 4 else weight[None]
    rest = oracle_parameters(case)
    wanted = reference.conv2d_input_grad(image(dy), filters, image(x).shape, **rest)
    if case.data == "integers":
        np.testing.assert_array_equal(image(got), wanted)
        return
    magnitude = reference.conv2d_input_grad(abs(image(dy)), abs(filters), image(x).shape, **rest)
    shown = math.prod(1 + sum(p) for p in case.sides) if case.pad_mode != "constant" else 1
    terms = math.prod(case.kernel) * (case.filters // case.groups) + shown + 4
    assert_within(image(got), wanted, allowed(dtype, terms, magnitude))


@settings(max_examples=40)
@given(case=cases(axes=2))
def test_weight_grad_of_images(level, dtype, case):
    check_weight_grad(case, dtype)


@settings(max_examples=25)
@given(case=cases(axes=1))
def test_weight_grad_of_rows(level, dtype, case):
    check_weight_grad(case, dtype)


@settings(max_examples=40)
@given(case=cases(axes=2))
def test_input_grad_of_images(dtype, case):
    check_input_grad(case, dtype)


@settings(max_examples=30)
@given(case=cases(axes=1))
def test_input_grad_of_rows(dtype, case):
    check_input_grad(case, dtype)


EDGES = [
    # every height and width of the last register tile; blocks of columns, rows and images
    *(Case((4, 5), c, 33, (3, 3), padding=1) for c in (*range(1, 19), 28, 29, 30)),
    *(Case((4, 5), 5, c, (2, 3)) for c in (1, 2, 4, 8, 15, 16, 17, 31, 32, 33, 63, 65)),
    *(Case((3, 600), c, 9, (3, 3), padding=1) for c in (2, 17)),
    *(Case((n, n), 17, 20, (3, 3), padding=1, batch=20) for n in (1, 2, 7, 15, 17)),
    *(Case((40, 41), c, 20, (3, 3), padding=2, dilation=2, stride=2, batch=2) for c in (3, 20)),
    *(Case((9, 40), 33, 33 * m, (1, k), padding=3, groups=33) for m in (1, 2) for k in range(1, 9)),
    # several groups in a vector: whole vectors of x and dy and others, every tile, taps and inputs
    *(Case((5, 9), 8 * c, 8 * c, (3, 3), padding=1, groups=8, batch=2) for c in range(2, 9)),
    *(Case((4, 6), 9 * c, 9 * o, (2, 3), groups=9) for c, o in ((2, 4), (4, 1), (3, 5), (8, 3))),
    *(Case((6, 30), 64, 64, (1, k), padding=2, groups=16, stride=(1, 2)) for k in range(1, 8)),
    Case((9, 20), 128, 128, (3, 3), padding=2, dilation=2, groups=32),
    Case((9, 20), 32, 64, (3, 3), padding=1, groups=16, pad_mode="symmetric"),
    Case((20, 33), 48, 48, (3, 3), padding=(1, 0), groups=3, batch=2),  # one vector of dense ones
    Case((30, 200), 64, 64, (3, 3), padding=1, groups=64),
    Case((5, 3), 300, 40, (3, 3), padding=1),
    Case((3, 3), 4, 5, (7, 9), padding=5),
    Case((1, 1), 3, 4, (1, 1), padding=4, stride=3),
    # much larger strides and dilations than kernels: inputs are copied tap by tap
    Case((60, 70), 3, 4, (2, 2), padding=3, stride=9, pad_mode="reflect"),
    Case((60, 70), 16, 4, (2, 3), padding=5, dilation=20, pad_mode="wrap"),
]


@pytest.mark.parametrize("case", EDGES, ids=str)
def test_weight_grad_at_edges(level, dtype, case):
    check_weight_grad(case, dtype)


LEARNING = {"winograd_4x4_3x3": 3, "winograd_2x2_5x5": 5}


@pytest.mark.parametrize("algorithm", LEARNING)
@settings(max_examples=25)
@given(case=cases(axes=2))
def test_weight_grad_by_winograd(level, dtype, algorithm, case):
    k = LEARNING[algorithm]
    case = replace(case, kernel=(k, k), stride=1, pad_value=0.0)
    assume(
        all(
            n + sum(p) > (k - 1) * d
            for n, p, d in zip(case.size, case.sides, case.per_axis(case.dilation), strict=True)
        )
    )
    check_weight_grad(case, dtype, algorithm)


@pytest.mark.parametrize(
    "case",
    [
        # parts of the inputs, slabs of a vector and less, blocks, chunks
        *(Case((13, 14), c, 20, (3, 3), padding=1) for c in (1, 14, 15, 48, 49, 97, 150)),
        *(Case((5, 9), 7, f, (3, 3), padding=1) for f in (1, 8, 15, 16, 17, 31, 32, 33, 63, 65)),
        *(Case((n, n + 1), 9, 20, (3, 3), padding=1, batch=5) for n in (1, 2, 3, 4, 5, 8, 31)),
        Case((60, 70), 5, 9, (3, 3), padding=1, batch=3),
        # several groups an item, of a vector at some level and of others
        *(
            Case((9, 10), n * g, m * g, (3, 3), padding=1, groups=g, batch=2)
            for n, m, g in ((2, 2, 33), (4, 4, 17), (8, 8, 9), (16, 16, 9), (9, 4, 3), (24, 16, 5))
        ),
        Case((30, 31), 80, 80, (3, 3), padding=1, groups=5, batch=2, permute=True),
        Case((25, 30), 40, 36, (3, 3), padding=2, dilation=(3, 2), groups=2, pad_mode="reflect"),
        Case((9, 10), 6, 8, (3, 3), padding=(0, 4, 3, 0), x_layout="strided"),
        Case((9, 40), 70, 8, (3, 3), x_layout="fortran", residual_layout="fortran"),
    ],
    ids=str,
)
def test_weight_grad_by_winograd_at_edges(level, dtype, case):
    check_weight_grad(replace(case, data="normal"), dtype, "winograd_4x4_3x3")


@pytest.mark.parametrize("groups", [1, 16])
def test_weight_grad_chooses_as_it_computes(level, groups):
    """By the transforms if groups are large, with the same bits as by name, and near to direct."""
    rng = np.random.default_rng(6)
    x, dy = (rng.standard_normal((2, 30, 30, 64), np.float32) for _ in range(2))
    options = {"padding": 1, "groups": groups}
    shape = (3, 3, 64 // groups, 64)
    plain, named, chosen = (
        fastconv.conv2d_weight_grad(x, dy, shape, algorithm=algorithm, **options)
        for algorithm in ("direct", "winograd_4x4_3x3", "auto")
    )
    assert not np.array_equal(plain, named)
    np.testing.assert_array_equal(chosen, named if groups == 1 else plain)
    wide = fastconv.conv2d_weight_grad(
        x.astype(np.float64), dy.astype(np.float64), shape, algorithm="direct", **options
    )
    errors = [np.sqrt(np.mean((got - wide) ** 2)) for got in (plain, named)]
    assert errors[1] < 4 * errors[0]


@pytest.mark.parametrize("algorithm", ["direct", "winograd_4x4_3x3"])
def test_weight_grad_reads_no_pixel_that_no_output_reads(algorithm):
    x = np.ones((1, 11, 11, 4), np.float32)
    read = np.zeros((11, 11), bool)
    read[::5, ::5] = True
    x[:, ~read] = np.nan
    dw = fastconv.conv2d_weight_grad(
        x, np.ones((1, 1, 1, 20), np.float32), (3, 3, 4, 20), dilation=5, algorithm=algorithm
    )
    np.testing.assert_allclose(dw, 1, rtol=1e-5)


@pytest.mark.parametrize("algorithm", ["direct", "winograd_4x4_3x3"])
def test_weight_grad_of_padding_alone(algorithm):
    x = np.zeros((1, 0, 6, 2))
    options = {"padding": 2, "pad_value": 2.0}
    dy = np.ones_like(fastconv.conv2d(x, np.ones((3, 3, 2, 1)), **options))
    dw = fastconv.conv2d_weight_grad(x, dy, (3, 3, 2, 1), algorithm=algorithm, **options)
    np.testing.assert_allclose(dw, 2.0 * dy.size, rtol=1e-12)


def test_weight_grad_says_which_algorithms_there_are():
    x, dy = np.zeros((1, 8, 8, 4), np.float32), np.zeros((1, 4, 4, 4), np.float32)
    with pytest.raises(ValueError, match=r"one of auto, direct for .* stride \(2, 2\)"):
        fastconv.conv2d_weight_grad(
            x, dy, (3, 3, 4, 4), stride=2, padding=1, algorithm="winograd_4x4_3x3"
        )


STRIDED = [
    Case((9, 10), 5, 7, (3, 3), padding=1),
    Case((9, 10), 6, 9, (3, 2), padding=(0, 3, 2, 1), stride=2, groups=3),
    Case((9, 10), 5, 7, (1, 1), stride=3),  # pixels that no output reads
    Case((4, 5), 5, 7, (2, 2), padding=6, dilation=2),  # more padding than the filter reaches
    Case((4, 5), 3, 2, (3, 3), padding=5, pad_mode="reflect"),
    Case((4, 5), 3, 2, (3, 3), padding=9, pad_mode="wrap", stride=2),
    Case((1, 1), 3, 2, (3, 3), padding=2, pad_mode="edge"),
]


@pytest.mark.parametrize("case", STRIDED, ids=str)
def test_input_grad_at_edges(level, dtype, case):
    check_input_grad(case, dtype)


@pytest.mark.parametrize(
    "algorithm", [a.name for a in ALGORITHMS if isinstance(a, Winograd) and a.stride == 1]
)
def test_input_grad_by_winograd(level, dtype, algorithm):
    chosen = next(a for a in ALGORITHMS if a.name == algorithm)
    kernel = (chosen.r, chosen.r) if chosen.dims == 2 else (1, chosen.r)
    case = Case((13, 17), 9, 10, kernel, padding=(1, 0, 0, 2), data="normal")
    x, weight, dy = draw(case, dtype)
    options = {k: v for k, v in parameters(case).items() if k != "num_threads"}
    got = fastconv.conv2d_input_grad(dy, weight, x.shape, algorithm=algorithm, **options)
    # the same convolution, said directly
    flipped = np.ascontiguousarray(weight[::-1, ::-1].swapaxes(2, 3))
    (top, bottom), (left, right) = case.sides
    kh, kw = kernel
    padding = ((kh - 1 - top, kh - 1 - bottom), (kw - 1 - left, kw - 1 - right))
    cropped = dy[:, max(top - kh + 1, 0) :, : dy.shape[2] - max(right - kw + 1, 0)]
    padding = tuple(tuple(max(p, 0) for p in side) for side in padding)
    wanted = reference.conv2d(cropped, flipped, padding=padding)
    transform = (chosen.tile, chosen.r, chosen.stride)
    bound = winograd_bound.tolerance(dtype, transform, cropped, flipped, padding=padding)
    assert_within(got, wanted, bound)


TRANSPOSED = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": 2, "output_padding": 1, "padding": (0, 2, 1, 0)},
    {"stride": (3, 2), "output_padding": (2, 0), "dilation": (1, 3)},
    {"stride": 1, "dilation": 3, "output_padding": 2},
    {"stride": 3, "padding": (4, 0, 0, 0), "output_padding": 2, "groups": 2},
]


@pytest.mark.parametrize("options", TRANSPOSED, ids=str)
def test_transposed(dtype, options):
    """<dy, f(x)> is linear in x and in the filter: its derivatives are read off unit vectors."""
    rng = np.random.default_rng(3)
    groups = options.get("groups", 1)
    x = rng.integers(-3, 4, (2, 3, 4, 4)).astype(dtype)
    weight = rng.integers(-3, 4, (3, 2, 6 // groups, 4)).astype(dtype)
    y = fastconv.conv_transpose2d(x, weight, **options)
    dy = rng.integers(-3, 4, y.shape).astype(dtype)
    dx = fastconv.conv_transpose2d_input_grad(dy, weight, x.shape, **options)
    dw = fastconv.conv_transpose2d_weight_grad(x, dy, weight.shape, **options)
    for got, at, run in (
        (dx, x, lambda a: fastconv.conv_transpose2d(a, weight, algorithm="direct", **options)),
        (dw, weight, lambda a: fastconv.conv_transpose2d(x, a, algorithm="direct", **options)),
    ):
        assert got.shape == at.shape and got.dtype == dtype
        wanted = np.zeros(at.shape)
        for index in np.ndindex(at.shape):
            unit = np.zeros_like(at)
            unit[index] = 1
            wanted[index] = np.vdot(dy, run(unit))
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-3)


def test_transposed_rows():
    rng = np.random.default_rng(4)
    options = {"stride": 4, "padding": (1, 3), "output_padding": 2}
    x, weight = rng.standard_normal((2, 9, 6)), rng.standard_normal((8, 5, 6))
    dy = rng.standard_normal(fastconv.conv_transpose1d(x, weight, **options).shape)
    dx = fastconv.conv_transpose1d_input_grad(dy, weight, x.shape, **options)
    dw = fastconv.conv_transpose1d_weight_grad(x, dy, weight.shape, **options)
    for step, run in (
        (dx, lambda e: fastconv.conv_transpose1d(x + e * dx, weight, **options)),
        (dw, lambda e: fastconv.conv_transpose1d(x, weight + e * dw, **options)),
    ):
        np.testing.assert_allclose(np.vdot(dy, run(1) - run(0)), np.vdot(step, step), rtol=1e-10)


@pytest.mark.parametrize("case", STRIDED, ids=str)
def test_finite_differences(case):
    """Of a loss that is not linear: sum(tanh(y))."""
    x, weight, _ = draw(replace(case, data="normal"), np.float64)
    weight = weight / 8
    options = {k: v for k, v in parameters(case).items() if k != "num_threads"}

    def loss(x, weight, bias):
        return np.tanh(fastconv.conv2d(x, weight, bias, **options)).sum()

    bias = np.zeros(case.filters)
    dy = 1 - np.tanh(fastconv.conv2d(x, weight, bias, **options)) ** 2
    gradients = (
        fastconv.conv2d_input_grad(dy, weight, x.shape, **options),
        fastconv.conv2d_weight_grad(x, dy, weight.shape, **options),
        fastconv.conv_bias_grad(dy),
    )
    rng = np.random.default_rng(5)
    for which, found in enumerate(gradients):
        direction = rng.standard_normal(found.shape)
        step = 1e-6 / np.linalg.norm(direction)
        ends = []
        for sign in (1, -1):
            arguments = [x, weight, bias]
            arguments[which] = arguments[which] + sign * step * direction
            ends.append(loss(*arguments))
        slope = (ends[0] - ends[1]) / (2 * step)
        assert np.vdot(found, direction) == pytest.approx(slope, rel=1e-6, abs=1e-3)


@pytest.mark.parametrize("case", STRIDED[:4], ids=str)
def test_against_torch(case):
    torch = pytest.importorskip("torch")
    x, weight, dy = draw(replace(case, data="normal"), np.float64)
    (top, bottom), (left, right) = case.sides
    tx = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous().requires_grad_()
    tw = torch.from_numpy(weight).permute(3, 2, 0, 1).contiguous().requires_grad_()
    ty = torch.nn.functional.conv2d(
        torch.nn.functional.pad(tx, (left, right, top, bottom)),
        tw,
        stride=case.stride,
        dilation=case.dilation,
        groups=case.groups,
    )
    ty.backward(torch.from_numpy(dy).permute(0, 3, 1, 2))
    options = {k: v for k, v in parameters(case).items() if k != "num_threads"}
    dx = fastconv.conv2d_input_grad(dy, weight, x.shape, **options)
    dw = fastconv.conv2d_weight_grad(x, dy, weight.shape, **options)
    np.testing.assert_allclose(dx, tx.grad.permute(0, 2, 3, 1).numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(dw, tw.grad.permute(2, 3, 1, 0).numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "case",
    [
        Case((56, 56), 20, 40, (3, 3), padding=1, batch=3),  # chunks
        Case((14, 14), 150, 100, (3, 3), padding=1, batch=3),  # parts of the inputs
        Case((7, 7), 200, 300, (3, 3), padding=1, batch=2),  # pieces of the filter
        Case((40, 40), 3, 40, (7, 7), padding=3, stride=2, batch=3),
        Case((40, 40), 40, 40, (3, 3), padding=1, groups=40, pad_mode="edge"),
        Case((40, 40), 40, 80, (3, 3), padding=1, groups=10, batch=2),
        Case((30, 30), 400, 100, (1, 1), batch=2),  # pieces of a pixel's inputs
        Case((3000,), 8, 40, (9,), padding=4),
    ],
    ids=str,
)
def test_same_bits(level, dtype, case):
    x, weight, dy = draw(replace(case, data="normal"), dtype)
    options = {k: v for k, v in parameters(case).items() if k != "num_threads"}

    def bits(number):
        db = np.empty(case.filters, dtype)
        dw = function(case, "weight")(
            x, dy, weight.shape, num_threads=number, bias_out=db, **options
        )
        dx = function(case, "input")(dy, weight, x.shape, num_threads=number, **options)
        alone = fastconv.conv_bias_grad(dy, num_threads=number)
        return [a.tobytes() for a in (dw, db, dx, alone)]

    first = bits(1)
    for number in (1, 2, 3, 5, 16, None):
        assert bits(number) == first, number


def test_long_sums_are_accurate(level):
    """A chain of 90000 roundings of positive terms would lose some 1e-3."""
    rng = np.random.default_rng(6)
    x = rng.random((1, 300, 300, 2), np.float32)
    dy = rng.random((1, 300, 300, 3), np.float32)
    got = fastconv.conv2d_weight_grad(x, dy, (1, 1, 2, 3))
    wanted = np.tensordot(x.astype(float), dy.astype(float), axes=([0, 1, 2],) * 2)
    # a block's 256 pixels, a chunk's blocks, the chunks
    bound = reference.gamma(256 + 300 * 2 // 16 + 2 + 16, 2.0**-24) * wanted
    assert (abs(got[0, 0] - wanted) <= bound).all()
    exact = dy.astype(float).sum((0, 1, 2))
    assert (abs(fastconv.conv_bias_grad(dy) - exact) <= 4e-6 * exact).all()


@pytest.mark.parametrize("shape", [(2, 9, 8, 33), (9, 8, 3), (7, 16), (2, 500, 1), (0, 4, 4, 5)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bias_grad(level, dtype, shape, layout):
    dy = np.random.default_rng(7).integers(-4, 5, shape).astype(dtype)
    got = fastconv.conv_bias_grad(LAYOUTS[layout](dy))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, dy.sum(tuple(range(dy.ndim - 1))))


def test_nothing_to_sum(dtype):
    x, dy, weight = (
        np.ones((0, 8, 8, 3), dtype),
        np.ones((0, 6, 6, 4), dtype),
        np.ones((3, 3, 3, 4)),
    )
    assert not fastconv.conv2d_weight_grad(x, dy, weight.shape).any()
    assert fastconv.conv2d_input_grad(dy, weight.astype(dtype), x.shape).shape == x.shape
    of_padding = fastconv.conv2d_weight_grad(
        np.ones((2, 0, 5, 3), dtype), np.ones((2, 2, 5, 4), dtype), (1, 1, 3, 4), padding=(1, 0)
    )
    assert not of_padding.any()
    db = np.full(4, np.nan, dtype)
    fastconv.conv2d_weight_grad(x, dy, weight.shape, bias_out=db)
    assert not db.any()


def test_bias_out_where_there_is_no_input(dtype):
    """Nothing is multiplied by zero padding, but a bias is added to its outputs, too."""
    db = np.full(4, np.nan, dtype)
    dy = np.ones((2, 2, 5, 4), dtype)
    fastconv.conv2d_weight_grad(
        np.ones((2, 0, 5, 3), dtype), dy, (1, 1, 3, 4), padding=(1, 0), bias_out=db
    )
    np.testing.assert_array_equal(db, np.full(4, 20, dtype))


def test_bias_out_may_have_gaps(dtype):
    x, dy = np.ones((1, 4, 4, 2), dtype), np.ones((1, 4, 4, 3), dtype)
    buffer = np.zeros(6, dtype)
    fastconv.conv2d_weight_grad(x, dy, (1, 1, 2, 3), bias_out=buffer[::2])
    np.testing.assert_array_equal(buffer, [16, 0] * 3)


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


T, V = TypeError, ValueError
GOOD = {
    "x": zeros(1, 8, 8, 4),
    "dy": zeros(1, 6, 6, 8),
    "weight": zeros(3, 3, 4, 8),
    "input_shape": (1, 8, 8, 4),
    "kernel_shape": (3, 3, 4, 8),
}
SHARED = [
    ("dy", zeros(1, 6, 7, 8), V, r"dy must have shape \(1, 6, 6, 8\); got dy\.shape=\(1, 6, 7, 8"),
    ("dy", zeros(1, 6, 6, 8, dtype=np.float64), T, r"dy must have dtype float32, so use dy\."),
    ("dy", [1.0], T, r"dy must be a NumPy array .*; got list"),
    ("stride", 0, V, r"stride must be at least 1; got stride=0"),
    ("groups", 3, V, r"in_channels must be divisible by groups; got in_channels=4, groups=3"),
    ("num_threads", 0, V, r"num_threads must be at least 1; got num_threads=0"),
    ("out", zeros(3), V, r"out must have shape .*; got out\.shape=\(3,\)"),
    ("out", np.float32(1), T, r"out must be a NumPy array"),
    ("pad_mode", "mirror", V, r"pad_mode must be one of"),
    ("padding", -1, V, r"padding must be at least 0; got padding=-1"),
]
OF_INPUT = [
    ("weight", zeros(3, 3, 8), V, r"weight must have shape \(kh, kw, .*\); got weight\.shape"),
    ("weight", zeros(3, 3, 5, 8), V, r"weight must have shape \(3, 3, 4, 8\)"),
    ("weight", zeros(3, 3, 4, 8, dtype=np.float64), T, r"dy must have dtype float64"),
    ("input_shape", 3, T, r"input_shape must be a tuple of ints; got input_shape=3"),
    ("input_shape", (8, 4), V, r"input_shape must have 3 or 4 axes; got input_shape=\(8, 4\)"),
    ("input_shape", (1, 8, 8, -4), V, r"input_shape\[3\] must be at least 0"),
    ("input_shape", (1, 8, 8.0, 4), T, r"input_shape\[2\] must be an int"),
    ("input_shape", (1, 2, 8, 4), V, r"kernel larger than the padded input"),
    ("algorithm", "fast", V, r"algorithm must be 'auto', 'measure' or one of"),
    ("algorithm", "depthwise", V, r"algorithm='depthwise' supports one input channel"),
]
OF_FILTER = [
    ("kernel_shape", 3, T, r"kernel_shape must be a tuple of ints; got kernel_shape=3"),
    ("kernel_shape", (3, 4, 8), V, r"kernel_shape must have 4 axes; got kernel_shape=\(3, 4, 8\)"),
    ("kernel_shape", (3, 3, 5, 8), V, r"kernel_shape must be \(3, 3, 4, 8\); got .*\(3, 3, 5, 8"),
    ("kernel_shape", (3, 3, 4, 9), V, r"dy must have shape \(1, 6, 6, 9\)"),
    ("kernel_shape", (0, 3, 4, 8), V, r"kernel_size\[0\] must be at least 1"),
    ("bias_out", zeros(4), V, r"bias_out must have shape \(8,\); got bias_out\.shape=\(4,\)"),
    ("bias_out", zeros(8, dtype=np.float64), T, r"bias_out must have dtype float32; got bias_out"),
    ("bias_out", GOOD["dy"][0, 0, 0], V, r"bias_out must not share memory with dy"),
    ("x", zeros(1, 8, 8), V, r"dy must have shape|kernel_shape must be"),
    ("x", zeros(8, 4), V, r"x must have shape \(n, h, w, c\) or \(h, w, c\)"),
    ("x", zeros(1, 8, 8, 4, dtype=np.int32), T, r"x must have dtype float32 or float64"),
    ("pad_value", "1", T, r"pad_value must be a real number"),
]


def call(name, **changed):
    given = {**GOOD, **changed}
    first = ("dy", "weight", "input_shape") if "input" in name else ("x", "dy", "kernel_shape")
    rest = {k: v for k, v in changed.items() if k not in GOOD}
    return getattr(fastconv, name)(*(given[k] for k in first), **rest)


@pytest.mark.parametrize(
    ("name", "argument", "value", "error", "message"),
    [
        *(("conv2d_input_grad", *row) for row in SHARED + OF_INPUT),
        *(("conv2d_weight_grad", *row) for row in SHARED + OF_FILTER),
        ("conv_transpose2d_input_grad", "dy", zeros(1, 9, 9, 4), V, r"dy must have shape \(1, 10,"),
        ("conv_transpose2d_weight_grad", "dy", zeros(1, 9, 9, 4), V, r"dy must have shape \(1, 10"),
        (
            "conv_transpose2d_weight_grad",
            "output_padding",
            1,
            V,
            r"output_padding must be less than stride or dilation",
        ),
        (
            "conv_transpose2d_weight_grad",
            "kernel_shape",
            (3, 3, 4, 5),
            V,
            r"kernel_shape must be \(3, 3, 4, 8\); got kernel_shape=\(3, 3, 4, 5\)",
        ),
    ],
)
def test_errors(name, argument, value, error, message):
    changed = {argument: value}
    if "transpose" in name:  # an input of 8 channels, a result of 4
        changed = {
            "x": zeros(1, 8, 8, 8),
            "input_shape": (1, 8, 8, 8),
            "dy": zeros(1, 10, 10, 4),
            **changed,
        }
    with pytest.raises(error, match=message):
        call(name, **changed)


def test_out_shares_no_memory():
    x = zeros(1, 8, 8, 4)
    with pytest.raises(ValueError, match="out must not share memory with x"):
        fastconv.conv2d_weight_grad(
            x, zeros(1, 8, 8, 4), (1, 1, 4, 4), out=x.ravel()[:16].reshape(1, 1, 4, 4)
        )
    weight = zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match="bias_out must not share memory with out"):
        fastconv.conv2d_weight_grad(
            x, zeros(1, 8, 8, 4), (1, 1, 4, 4), out=weight, bias_out=weight[0, 0, 0]
        )
    dy = zeros(1, 8, 8, 4)
    with pytest.raises(ValueError, match="out must not share memory with dy"):
        fastconv.conv2d_input_grad(dy, zeros(1, 1, 4, 4), (1, 8, 8, 4), out=dy)
    with pytest.raises(ValueError, match="out must not share memory with dy"):
        fastconv.conv_bias_grad(dy, out=dy[0, 0, 0])


def test_bias_grad_errors():
    for dy in (zeros(3), zeros(1, 1, 1, 1, 1), zeros(2, 0)):
        with pytest.raises(ValueError, match=r"dy must have shape \(n, h, w, o\)"):
            fastconv.conv_bias_grad(dy)
    with pytest.raises(TypeError, match="dy must have dtype float32 or float64"):
        fastconv.conv_bias_grad(np.zeros((2, 3), int))
