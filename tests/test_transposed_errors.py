"""Every bad input of transposed convolution: which exception, which message, nothing written."""

import numpy as np
import pytest

import fastconv

CANARY = 123.0
T, V = TypeError, ValueError


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def good(dims):
    """A call with output 2 * size + 1."""
    size = (5,) * dims
    return {
        "x": zeros(1, *size, 4),
        "weight": zeros(*[3] * dims, 8, 4),
        "stride": 2,
        "out": np.full((1, *[11] * dims, 8), CANARY, np.float32),
    }


BOTH = [
    ("x", [[1.0]], T, r"x must be a NumPy array or offer __dlpack__ .*; got list"),
    ("weight", [1.0], T, r"weight must be a NumPy array .*; got list"),
    ("bias", zeros(7), V, r"bias must have shape \(8,\); got bias\.shape=\(7,\)"),
    ("bias", zeros(8, dtype=np.float64), T, r"bias must have dtype float32, so use bias\."),
    ("stride", 0, V, r"stride must be at least 1; got stride=0"),
    ("stride", 2.0, T, r"stride must be an int; got stride=2\.0"),
    ("dilation", 0, V, r"dilation must be at least 1; got dilation=0"),
    ("padding", -1, V, r"padding must be at least 0; got padding=-1"),
    ("padding", "same", T, r"padding must be an int; got padding='same'"),
    ("padding", None, T, r"padding must be an int; got padding=None"),
    ("output_padding", -1, V, r"output_padding must be at least 0; got output_padding=-1"),
    ("output_padding", 1.0, T, r"output_padding must be an int; got output_padding=1\.0"),
    (
        "output_padding",
        2,
        V,
        r"output_padding must be less than stride or dilation; "
        r"got output_padding=2, stride=2, dilation=1",
    ),
    ("groups", 3, V, r"in_channels must be divisible by groups; got in_channels=4, groups=3"),
    ("groups", 0, V, r"groups must be at least 1; got groups=0"),
    ("groups", True, T, r"groups must be an int; got groups=True"),
    ("activation", "gelu", V, r"activation must be None, .*; got activation='gelu'"),
    ("algorithm", "fft", V, r"algorithm must be 'auto', .*; got algorithm='fft'"),
    ("algorithm", "winograd_4x4_3x3", V, r"algorithm='winograd_4x4_3x3' supports stride 1 with"),
    ("algorithm", "depthwise", V, r"algorithm='depthwise' supports one input channel per group"),
    ("num_threads", 0, V, r"num_threads must be at least 1; got num_threads=0"),
    ("num_threads", 1.0, T, r"num_threads must be an int; got num_threads=1\.0"),
    ("padding", 6, V, r"padding must leave some of the output; got output \(11,.*both sides \(12,"),
    ("out", zeros(1, 10, 10, 8), V, r"out must have shape \(1, 11, .*8\); got out\.shape="),
    ("out", [0.0], T, r"out must be a NumPy array without a mask; got list"),
    ("residual", zeros(1, 9, 9, 8), V, r"residual must have shape \(1, 11, .*8\); got"),
    ("residual", 0.0, T, r"residual must be a NumPy array .*; got float"),
]
ONLY_1D = [
    ("x", zeros(1, 5, 5, 4), V, r"x must have shape \(n, l, c\) or \(l, c\); got x\.shape"),
    ("x", zeros(1, 5, 5), V, r"weight must have shape \(3, 8, 5\); got weight\.shape=\(3, 8, 4\)"),
    (
        "weight",
        zeros(3, 4),
        V,
        r"weight must have shape \(k, out_channels / groups, in_channels\); got weight\.sha",
    ),
    ("weight", zeros(0, 8, 4), V, r"kernel_size must be at least 1; got kernel_size=0"),
    ("weight", zeros(3, 0, 4), V, r"out_channels must be at least 1; got out_channels=0"),
    ("stride", (2, 2), T, r"stride must be an int; got stride=\(2, 2\)"),
    ("dilation", (2, 1), T, r"dilation must be an int; got dilation=\(2, 1\)"),
    ("padding", (1, 0, 0, 0), V, r"padding must be an int or 2 ints; got padding=\(1, 0, 0, 0\)"),
    ("padding", (0, 0, 0, -1), V, r"padding\[1\] must be at least 0; got padding\[1\]=-1"),
    ("output_padding", (1, 0), T, r"output_padding must be an int; got output_padding=\(1, 0\)"),
    ("padding", (5, 6), V, r"padding must leave some of the output; got output \(11,\), .*\(11,\)"),
]
ONLY_2D = [
    ("x", zeros(5, 4), V, r"x must have shape \(n, h, w, c\) or \(h, w, c\); got x\.shape=\(5, 4"),
    ("weight", zeros(3, 8, 4), V, r"weight must have shape \(kh, kw, out_channels / groups, in_"),
    ("stride", (2,), V, r"stride must be an int or 2 ints; got stride=\(2,\)"),
    ("padding", (1, 2, 3), V, r"padding must be an int or 2 or 4 ints; got padding=\(1, 2, 3\)"),
    ("output_padding", (0, 1, 0), V, r"output_padding must be an int or 2 ints; got"),
    ("output_padding", (0, 2), V, r"output_padding must be less than .*; got output_padding=2, s"),
    ("padding", (0, 11, 0, 0), V, r"padding must leave some .*\(11, 11\), .* sides \(11, 0\)"),
]


def refuses(dims, name, value, error, message):
    arguments = {**good(dims), name: value}
    if name == "out" or (name == "residual" and isinstance(value, np.ndarray)):
        value = value[:, 0] if dims == 1 and isinstance(value, np.ndarray) else value
        arguments[name] = value
    convolve = fastconv.conv_transpose2d if dims == 2 else fastconv.conv_transpose1d
    with pytest.raises(error, match=f"^{message}"):
        convolve(**arguments)
    if name != "out":
        assert (arguments["out"] == CANARY).all()


def table(*tables):
    rows = [row for rows in tables for row in rows]
    return pytest.mark.parametrize(
        ("name", "value", "error", "message"),
        rows,
        ids=[f"{i}-{row[0]}" for i, row in enumerate(rows)],
    )


@table(BOTH, ONLY_1D)
def test_conv_transpose1d(name, value, error, message):
    refuses(1, name, value, error, message)


@table(BOTH, ONLY_2D)
def test_conv_transpose2d(name, value, error, message):
    refuses(2, name, value, error, message)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("length", 0, V, r"length must be at least 1; got length=0"),
        ("length", (3,), T, r"length must be an int; got length=\(3,\)"),
        ("in_channels", 0, V, r"in_channels must be at least 1; got in_channels=0"),
        ("out_channels", 2.0, T, r"out_channels must be an int; got out_channels=2\.0"),
        ("num_groups", 3, V, r"in_channels must be divisible by num_groups; got .* num_groups=3"),
        ("dtype", np.int32, T, r"dtype must be float32 or float64; got dtype="),
        ("device", "gpu", V, r"device must be .* fastconv runs on CPUs; got device='gpu'"),
        ("has_bias", 1, T, r"has_bias must be a bool; got has_bias=1"),
        ("permute", None, T, r"permute must be a bool; got permute=None"),
        ("name", 3, T, r"name must be a str or None; got name=3"),
        ("rng", -1, V, r"rng must be at least 0; got rng=-1"),
        ("algorithm", "winograd_4_3", V, r"algorithm='winograd_4_3' supports stride 1 with a filt"),
        ("length", 2**31 - 1, V, r"the filter must have at most 2\*\*57 bytes; got shape \(2147"),
    ],
)
def test_construction(name, value, error, message):
    parameters = {"length": 3, "in_channels": 4, "out_channels": 8, "stride": 2, name: value}
    if value == 2**31 - 1:
        parameters.update(in_channels=2**15, out_channels=2**15)
    with pytest.raises(error, match=f"^{message}"):
        fastconv.ConvTranspose1d(**parameters)


@pytest.mark.parametrize("warm", [False, True])
def test_calls_of_a_layer(warm):
    layer = fastconv.ConvTranspose1d(3, 4, 8, stride=2, padding=3, has_bias=True)
    x, out = zeros(1, 5, 4), np.full((1, 5, 8), CANARY, np.float32)
    if warm:
        layer(x)
    for changed, error, message in (
        ({"x": zeros(1, 5, 3)}, V, r"x must have in_channels=4 channels; got 3"),
        ({"x": zeros(1, 2, 4)}, V, r"padding must leave some of the output; got output \(5,\)"),
        ({"out": x}, V, r"out must have shape \(1, 5, 8\); got"),
        ({"residual": zeros(1, 5, 4)}, V, r"residual must have shape \(1, 5, 8\); got"),
        ({"num_threads": 0}, V, r"num_threads must be at least 1"),
        ({"residual": out}, V, r"out must not share memory with residual"),
    ):
        with pytest.raises(error, match=f"^{message}"):
            layer(**{"x": x, "out": out, **changed})
        assert (out == CANARY).all()
    with pytest.raises(
        V, match=r"^weight must have shape \(3, 8, 4\); got weight\.shape=\(3, 4, 8"
    ):
        layer.weight = zeros(3, 4, 8)


@pytest.mark.parametrize("operand", ["x", "weight", "bias", "residual"])
def test_out_must_not_share_memory_with_an_input(operand):
    memory = np.full(1000, CANARY, np.float32)
    out = memory[8:328].reshape(1, 40, 8)
    arguments = {
        "x": zeros(1, 20, 8),
        "weight": zeros(2, 8, 8),
        "bias": zeros(8),
        "residual": zeros(1, 40, 8),
    }
    shape = arguments[operand].shape
    arguments[operand] = memory[: np.prod(shape)].reshape(shape)
    if operand == "bias":
        arguments[operand] = memory[8:16]
    with pytest.raises(V, match=f"^out must not share memory with {operand}"):
        fastconv.conv_transpose1d(**arguments, stride=2, out=out)
    assert (memory == CANARY).all()
