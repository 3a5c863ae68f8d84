"""simplegrad's Conv2d: its signature, prebuilt parameters, padding, labels, and learning."""

import inspect
import itertools

import numpy as np
import pytest
import reference
from cases import channels_first

import fastconv
from fastconv.simplegrad import Conv2d, Module, Parameter, Sequential

DEFAULTS = {
    "in_channels": None,
    "out_channels": None,
    "kernel_size": None,
    "weight": None,
    "bias": None,
    "use_bias": True,
    "dtype": None,
    "stride": 1,
    "pad_width": 0,
    "pad_mode": "constant",
    "pad_value": 0,
    "weight_label": "W",
    "bias_label": "b",
}
RNG = np.random.default_rng(0)
WEIGHT = RNG.standard_normal((4, 2, 3, 2)).astype(np.float32)
BIAS = RNG.standard_normal(4).astype(np.float32)
X = RNG.standard_normal((2, 2, 7, 6)).astype(np.float32)


def close(layer, x, **parameters):
    """Whether a layer computes what the oracle does with its parameters; x without batch too."""
    batch = x if x.ndim == 4 else x[None]
    bias = None if layer.bias is None else layer.bias.values
    last = batch.transpose(0, 2, 3, 1)
    weight = layer.weight.values.transpose(2, 3, 1, 0)
    wanted = channels_first(reference.conv2d(last, weight, bias, **parameters))
    allowed = channels_first(reference.tolerance(layer.dtype, last, weight, bias, **parameters))
    found = layer(x)
    assert found.dtype == layer.dtype
    assert found.shape == (wanted.shape if x.ndim == 4 else wanted.shape[1:])
    assert (abs(found.reshape(wanted.shape) - wanted) <= 2 * allowed).all()


def test_signature():
    parameters = inspect.signature(Conv2d).parameters
    assert {name: p.default for name, p in parameters.items()} == DEFAULTS
    assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters.values())
    assert fastconv.simplegrad.Conv2d is Conv2d


def test_attributes():
    layer = Conv2d(2, 4, 3, stride=2, pad_width=1)
    assert (layer.in_channels, layer.out_channels) == (2, 4)
    assert (layer.kernel_size, layer.stride) == ((3, 3), (2, 2))
    assert layer.pad_width == layer.padding == (1, 1, 1, 1)
    assert (layer.pad_mode, layer.pad_value) == ("constant", 0)
    assert layer.dtype == "float32"
    assert isinstance(layer, Module)
    assert isinstance(layer.weight, Parameter)
    assert layer.weight.shape == (4, 2, 3, 3)
    assert layer.bias.shape == (4,)
    assert (layer.weight.label, layer.bias.label) == ("W", "b")
    assert layer.parameters() == {"weight": layer.weight, "bias": layer.bias}
    named = Conv2d(2, 4, (3, 2), weight_label="kernel", bias_label="offset")
    assert (named.weight.label, named.bias.label) == ("kernel", "offset")
    assert named.kernel_size == (3, 2)


def test_initial_values_are_uniform_by_fan_in():
    layer = Conv2d(64, 128, 3)
    bound = (64 * 9) ** -0.5
    for p in (layer.weight, layer.bias):
        assert 0.95 * bound < abs(p.values).max() <= bound * (1 + 1e-6)


@pytest.mark.parametrize("as_parameter", [False, True])
@pytest.mark.parametrize(
    "sizes", [{}, {"in_channels": 2, "out_channels": 4, "kernel_size": (3, 2)}]
)
@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("dtype", [None, "float32", np.float64])
def test_prebuilt(as_parameter, sizes, weight, bias, use_bias, dtype):
    if not (weight or sizes):
        return
    make = Parameter if as_parameter else np.array
    given = {"weight": make(WEIGHT)} if weight else {}
    if bias:
        given["bias"] = make(BIAS)
    layer = Conv2d(**sizes, **given, use_bias=use_bias, dtype=dtype)
    assert layer.dtype == (dtype or np.float32)
    assert (layer.in_channels, layer.out_channels, layer.kernel_size) == (2, 4, (3, 2))
    assert layer.weight.label == "W"
    if weight:
        np.testing.assert_array_equal(layer.weight.values, WEIGHT)
        assert layer.weight is not given["weight"]
    assert (layer.bias is not None) == use_bias
    if use_bias:
        assert layer.bias.label == "b"
        if bias:
            np.testing.assert_array_equal(layer.bias.values, BIAS)
    close(layer, X.astype(layer.dtype))


def test_prebuilt_float64_decides_the_dtype():
    assert Conv2d(weight=WEIGHT.astype(np.float64), bias=BIAS).dtype == np.float64


def test_prebuilt_is_copied():
    mine = WEIGHT.copy()
    layer = Conv2d(weight=mine)
    before = layer(X)
    mine[...] = 0
    np.testing.assert_array_equal(layer(X), before)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("width", [0, 2, (1, 2, 0, 3)])
@pytest.mark.parametrize("stride", [1, 2, (2, 1)])
def test_padding(mode, width, stride):
    layer = Conv2d(weight=WEIGHT, bias=BIAS, stride=stride, pad_width=width, pad_mode=mode)
    sides = (width,) * 4 if isinstance(width, int) else width
    strides = (stride,) * 2 if isinstance(stride, int) else stride
    parameters = {"stride": strides, "padding": (sides[:2], sides[2:]), "pad_mode": mode}
    assert layer.pad_width == sides
    close(layer, X, **parameters)
    close(layer, X[1], **parameters)


def test_pad_value():
    layer = Conv2d(weight=WEIGHT, pad_width=1, pad_value=2.5)
    close(layer, X, padding=((1, 1), (1, 1)), pad_value=2.5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, r"in_channels, out_channels and kernel_size must be given if weight is"),
        ({"in_channels": 2, "out_channels": 4}, ValueError, r"in_channels, out_channels and"),
        ({"weight": WEIGHT[0]}, ValueError, r"weight must have shape \(out_channels, in_.*\(2, 3"),
        ({"weight": WEIGHT.tolist()}, TypeError, r"weight must be a NumPy array"),
        (
            {"weight": WEIGHT, "in_channels": 3},
            ValueError,
            r"in_channels must be that of weight, 2",
        ),
        ({"weight": WEIGHT, "out_channels": 3}, ValueError, r"out_channels must be that of weight"),
        (
            {"weight": WEIGHT, "kernel_size": 3},
            ValueError,
            r"kernel_size must be that of weight, \(3, 2\), or None; got kernel_size=\(3, 3\)",
        ),
        ({"weight": WEIGHT, "bias": BIAS[:3]}, ValueError, r"bias must have shape \(4,\); got"),
        ({"weight": WEIGHT, "bias": [0] * 4}, TypeError, r"bias must be a NumPy array"),
        ({"weight": WEIGHT, "dtype": "float16"}, TypeError, r"dtype must be float32 or float64"),
        ({"weight": WEIGHT, "pad_width": (1, 2)}, ValueError, r"pad_width must be an int or 4 int"),
        ({"weight": WEIGHT, "pad_width": "same"}, TypeError, r"pad_width must be an int or 4 ints"),
        ({"weight": WEIGHT, "pad_width": -1}, ValueError, r"padding must be at least 0"),
        ({"weight": WEIGHT, "pad_mode": "mean"}, ValueError, r"pad_mode must be one of"),
        ({"weight": WEIGHT, "use_bias": 1}, TypeError, r"has_bias must be a bool"),
        ({"in_channels": 0, "out_channels": 4, "kernel_size": 3}, ValueError, r"in_channels must"),
    ],
)
def test_refused(arguments, error, message):
    with pytest.raises(error, match=f"^{message}"):
        Conv2d(**arguments)


def test_assigning():
    layer = Conv2d(2, 4, (3, 2))
    layer.weight, layer.bias = Parameter(WEIGHT), BIAS
    assert layer.weight.label == "W"
    close(layer, X)
    with pytest.raises(ValueError, match=r"^bias must not be set on a layer made with use_bias"):
        Conv2d(2, 4, 3, use_bias=False).bias = BIAS


def test_it_learns_from_the_start():
    """In train mode, as in simplegrad: steps in place count, and backward works."""
    net = Sequential(Conv2d(2, 3, 3, pad_width=1), Conv2d(3, 1, 3, pad_mode="reflect", pad_width=1))
    assert net.training
    target = np.ones((2, 1, 7, 6), np.float32)
    losses = []
    for _ in range(40):
        error = net(X) - target
        losses.append((error**2).mean())
        net.zero_grad()
        dx = net.backward(2 * error / error.size)
        for p in net.parameters().values():
            p.values += -0.05 * p.grad
    assert dx.shape == X.shape
    assert losses[-1] < 0.5 * losses[0]
    assert list(net.parameters()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_modes():
    layer = Conv2d(weight=WEIGHT, bias=BIAS)
    kept = layer.weight.values
    layer.set_eval_mode()
    before = layer(X)
    kept[...] = 0
    np.testing.assert_array_equal(layer(X), before)
    close(layer, X)
    for one, two in itertools.pairwise([layer(X) for _ in range(3)]):
        np.testing.assert_array_equal(one, two)
