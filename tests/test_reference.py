"""The oracle against SciPy and against the definition, and the error bound against itself."""

import itertools

import numpy as np
import pytest
import reference
from scipy.signal import correlate

RNG = np.random.default_rng(0)


def nested_loops(x, weight, stride, padding, dilation, groups, pad_value):
    """The sum of the definition, one product at a time."""
    n, h, w, channels = x.shape
    kh, kw, per_group, filters = weight.shape
    (top, bottom), (left, right) = padding
    oh = (h + top + bottom - (kh - 1) * dilation[0] - 1) // stride[0] + 1
    ow = (w + left + right - (kw - 1) * dilation[1] - 1) // stride[1] + 1
    y = np.zeros((n, oh, ow, filters))
    for image, p, q, f in np.ndindex(y.shape):
        first = f // (filters // groups) * (channels // groups)
        for i, j, c in np.ndindex(kh, kw, per_group):
            row = p * stride[0] + i * dilation[0] - top
            column = q * stride[1] + j * dilation[1] - left
            inside = 0 <= row < h and 0 <= column < w
            value = float(x[image, row, column, first + c]) if inside else pad_value
            y[image, p, q, f] += value * float(weight[i, j, c, f])
    return y


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("dilation", [(1, 1), (3, 2)])
@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((3, 1), (0, 4))])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_against_nested_loops(stride, dilation, padding, groups):
    x = RNG.standard_normal((2, 6, 5, 4))
    weight = RNG.standard_normal((2, 3, 4 // groups, 8))
    wanted = nested_loops(x, weight, stride, padding, dilation, groups, 0.75)
    got = reference.conv2d(
        x,
        weight,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        pad_value=0.75,
    )
    np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-13)


def test_nan_reaches_what_nested_loops_say():
    x = RNG.standard_normal((1, 7, 7, 4))
    x[0, 3, 2, 1], x[0, 6, 6, 3] = np.nan, np.inf
    weight = RNG.standard_normal((3, 2, 2, 6))
    padding = ((1, 1), (2, 0))
    wanted = nested_loops(x, weight, (1, 1), padding, (1, 1), 2, 0.0)
    got = reference.conv2d(x, weight, padding=padding, groups=2)
    assert 0 < np.isnan(got).sum() < got.size / 2
    np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("stride", [1, 2])
def test_against_scipy(stride):
    x, weight = RNG.standard_normal((9, 11, 5)), RNG.standard_normal((4, 3, 5))
    wanted = correlate(x, weight, mode="valid")[::stride, ::stride, 0]
    got = reference.conv2d(x[None], weight[..., None], stride=(stride, stride))
    np.testing.assert_allclose(got[0, ..., 0], wanted, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric", "wrap"])
def test_pad_modes_against_scipy(mode):
    x, weight = RNG.standard_normal((9, 11)), RNG.standard_normal((5, 3))
    wanted = correlate(np.pad(x, ((2, 2), (1, 1)), mode=mode), weight, mode="valid")
    padding = ((2, 2), (1, 1))
    got = reference.conv2d(
        x[None, ..., None], weight[..., None, None], padding=padding, pad_mode=mode
    )
    np.testing.assert_allclose(got[0, ..., 0], wanted, rtol=1e-13, atol=1e-13)


def test_1d_against_numpy():
    x, weight = RNG.standard_normal(40), RNG.standard_normal(7)
    got = reference.conv1d(x[None, :, None], weight[:, None, None], padding=((3, 3),))
    wanted = np.convolve(x, weight[::-1], mode="same")
    np.testing.assert_allclose(got[0, :, 0], wanted, rtol=1e-13, atol=1e-13)


def test_bias_residual_and_activation():
    x, weight = np.array([[[[-3.0]], [[-1.0]], [[2.0]], [[np.nan]]]]), np.ones((1, 1, 1, 1))
    bias, residual = np.array([1.0]), np.array([[[[0.0]], [[0.0]], [[9.0]], [[0.0]]]])
    for slope, upper, wanted in [
        (1.0, np.inf, [-2, 0, 12, np.nan]),
        (0.0, np.inf, [0, 0, 12, np.nan]),
        (0.0, 6.0, [0, 0, 6, np.nan]),
        (0.5, np.inf, [-1, 0, 12, np.nan]),
    ]:
        y = reference.conv2d(x, weight, bias, residual=residual, slope=slope, upper=upper)
        np.testing.assert_array_equal(y.ravel(), wanted)
    assert reference.activate(np.array([-np.inf]), 0.0, 6.0) == 0.0


def test_pad_value_is_rounded_to_the_dtype():
    x, weight = np.zeros((1, 1, 1, 1), np.float32), np.ones((1, 1, 1, 1), np.float32)
    y = reference.conv2d(x, weight, padding=((1, 0), (0, 0)), pad_value=0.1)
    assert y[0, 0, 0, 0] == float(np.float32(0.1)) != 0.1


@pytest.mark.parametrize(
    ("padding", "size", "kernel", "stride", "dilation", "wanted"),
    [
        ("valid", (5,), (3,), (1,), (1,), ((0, 0),)),
        ("same", (5,), (3,), (1,), (1,), ((1, 1),)),
        ("same", (5,), (4,), (1,), (1,), ((1, 2),)),
        ("same", (5,), (4,), (1,), (3,), ((4, 5),)),
        ("same", (224, 224), (7, 7), (2, 2), (1, 1), ((2, 3), (2, 3))),
        ("same", (224, 225), (3, 3), (2, 2), (1, 1), ((0, 1), (1, 1))),
        ("same", (9,), (1,), (4,), (1,), ((0, 0),)),
        ("causal", (5,), (3,), (2,), (4,), ((8, 0),)),
        (2, (5, 6), (1, 1), (1, 1), (1, 1), ((2, 2), (2, 2))),
        ((2, 3), (5, 6), (1, 1), (1, 1), (1, 1), ((2, 2), (3, 3))),
        ((2, 3), (5,), (1,), (1,), (1,), ((2, 3),)),
        ((1, 2, 3, 4), (5, 6), (1, 1), (1, 1), (1, 1), ((1, 2), (3, 4))),
    ],
)
def test_sides(padding, size, kernel, stride, dilation, wanted):
    assert reference.sides(padding, size, kernel, stride, dilation) == wanted


@pytest.mark.parametrize(
    ("dtype", "terms"),
    [(np.float16, n) for n in (1, 5, 50, 500)] + [(np.float32, n) for n in (1, 50, 5000)],
)
def test_the_bound_holds_for_plain_summation(dtype, terms):
    """A sum one after the other, the worst order, on positive terms, where errors are largest."""
    a, b = (RNG.random((terms, 200)).astype(dtype) for _ in "ab")
    products = a * b
    total = np.zeros(200, dtype)
    for row in products:
        total += row
    exact = (a.astype(np.float64) * b.astype(np.float64)).sum(axis=0)
    allowed = reference.gamma(terms, np.finfo(dtype).eps / 2) * exact
    assert (abs(total - exact) <= allowed).all()


@pytest.mark.parametrize("channels", [1, 16, 512])
def test_the_bound_sees_one_forgotten_product(channels):
    """In float32 the tolerance is smaller than most single products, up to 3x3x512."""
    x = RNG.standard_normal((1, 6, 6, channels)).astype(np.float32)
    weight = RNG.standard_normal((3, 3, channels, 8)).astype(np.float32)
    allowed = reference.tolerance(np.float32, x, weight)
    forgotten = abs(x[:, 1:5, 1:5, :1] * weight[1, 1, 0])
    assert (forgotten > allowed).mean() > 0.8


def test_tolerance_counts_every_term():
    x, weight = np.full((1, 2, 2, 1), -2.0), np.full((1, 1, 1, 1), -3.0)
    bias, residual = np.array([-5.0]), np.full((1, 3, 2, 1), -7.0)
    unit = 2 * reference.gamma(5, np.finfo(np.float64).eps / 2)
    allowed = reference.tolerance(
        np.float64, x, weight, bias, residual=residual, padding=((1, 0), (0, 0)), pad_value=-11.0
    )
    np.testing.assert_allclose(allowed[0, 1], unit * (6 + 5 + 7))
    np.testing.assert_allclose(allowed[0, 0], unit * (33 + 5 + 7))
    steep = reference.tolerance(np.float64, x, weight, slope=-4.0)
    np.testing.assert_allclose(steep[0, 0], 4 * unit * 6)


def test_conv1d_is_conv2d_of_one_row():
    x, weight = RNG.standard_normal((2, 20, 6)), RNG.standard_normal((4, 3, 8))
    bias, residual = RNG.standard_normal(8), RNG.standard_normal((2, 9, 8))
    got = reference.conv1d(
        x,
        weight,
        bias,
        stride=(3,),
        padding=((5, 6),),
        dilation=(2,),
        groups=2,
        pad_value=2.0,
        residual=residual,
        slope=0.1,
    )
    for image, q, f in itertools.product((0, 1), (0, 4, 8), (0, 3, 4, 7)):
        group = slice(0, 3) if f < 4 else slice(3, 6)
        taps = [q * 3 + 2 * i - 5 for i in range(4)]
        columns = [x[image, t, group] if 0 <= t < 20 else np.full(3, 2.0) for t in taps]
        total = sum(columns[i] @ weight[i, :, f] for i in range(4))
        total += bias[f] + residual[image, q, f]
        np.testing.assert_allclose(got[image, q, f], total if total >= 0 else 0.1 * total)
