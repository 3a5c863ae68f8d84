"""The benchmark's networks: their published sizes, and that every engine computes them."""

import importlib
import math

import numpy as np
import pytest
import reference

from benchmarks import networks
from benchmarks.networks import engines, graph, hifigan, mobilenetv2, resnet50, vgg16

DESCRIPTIONS = {
    "vgg16": vgg16.describe,
    "resnet50": resnet50.describe,
    "mobilenetv2": mobilenetv2.describe,
    "hifigan": hifigan.describe,
}
# billions of multiplications; weights and biases, one bias for batch-norm's scale and shift
PUBLISHED = {
    "vgg16": (15.47, 138_357_544),
    "resnet50": (4.09, 25_557_032 - 26_560),
    "mobilenetv2": (0.30, 3_504_872 - 17_056),
    "hifigan": (30.71, 13926017),  # the paper: 13.92 million
}
REQUIRES = {"onnxruntime": ("onnxruntime", "onnx"), "openvino": ("openvino", "onnx")}


def test_every_network_is_described():
    assert set(networks.NAMES) == set(DESCRIPTIONS)


@pytest.mark.parametrize("name", networks.NAMES)
def test_published_sizes(name):
    net = DESCRIPTIONS[name]()
    billions, parameters = PUBLISHED[name]
    assert networks.multiplications(name, 1) / 1e9 == pytest.approx(billions, abs=0.006)
    assert networks.multiplications(name, 3) == 3 * networks.multiplications(name, 1)
    assert sum(math.prod(x.weight_shape) + x.shape[-1] for x in net.layers) == parameters
    sound = name == "hifigan"
    assert net.operations[-1].shape == ((25_600, 1) if sound else (1000,))
    assert networks.arrays(name, 2).shape == ((2, 100, 80) if sound else (2, 224, 224, 3))


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("vgg16", [(112, 112, 64), (56, 56, 128), (28, 28, 256), (14, 14, 512), (7, 7, 512)]),
        ("resnet50", [(56, 56, 64)]),
    ],
)
def test_shapes_after_pooling(name, shapes):
    pools = [x for x in DESCRIPTIONS[name]().operations if isinstance(x, graph.MaxPool)]
    assert [pool.shape for pool in pools] == shapes


@pytest.mark.parametrize(("name", "count"), [("resnet50", 16), ("mobilenetv2", 10)])
def test_residuals(name, count):
    convs = [x for x in DESCRIPTIONS[name]().layers if isinstance(x, graph.Conv)]
    added = [conv for conv in convs if conv.residual]
    assert len(added) == count
    assert all(conv.residual.shape == conv.shape for conv in added)


def test_arrays_repeat_and_a_batch_continues_them():
    one, two = networks.arrays("resnet50", 1), networks.arrays("resnet50", 2)
    np.testing.assert_array_equal(one, two[:1])
    assert one.dtype == np.float32
    net = tiny("linear")
    for first, second in zip(net.parameters().values(), net.parameters().values(), strict=True):
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def tiny(head):
    """Every operation and activation, odd sizes, padded pooling of values of either sign."""
    net = graph.Network("tiny", (21, 17, 3))
    x = net.conv(net.input, 8, 3, stride=2, padding=1)
    x = net.max_pool(x, 3, stride=2, padding=1)
    y = net.conv(x, 24, 1, activation="relu6")
    y = net.conv(y, 24, 3, padding=1, groups=24, activation="relu6")
    y = net.conv(y, 8, 1, activation="relu", residual=x)
    y = net.max_pool(y, 2, stride=1)
    y = net.linear(y, 16, activation="relu") if head == "linear" else net.global_average(y)
    net.linear(y, 10)
    return net


def tiny_sound():
    """What a vocoder has, odd sizes."""
    net = graph.Network("tiny sound", (13, 5))
    leaky = graph.LeakyReLU(0.2)
    x = net.conv(net.input, 8, 7, padding=3, activation=leaky)
    x = net.conv_transpose(x, 6, 5, stride=3, padding=1)
    y = net.conv(net.activate(x, leaky), 6, 3, padding=2, dilation=2, residual=x)
    y = net.mean(x, y, net.activate(y, graph.LeakyReLU(0.01)))
    net.activate(net.conv(y, 1, 3, padding=1), "tanh")
    return net


def activated(activation, y):
    if isinstance(activation, graph.LeakyReLU):
        return reference.activate(y, activation.slope, math.inf)
    if activation == "tanh":
        return np.tanh(y)
    return reference.activate(y, *reference.ACTIVATIONS[activation])


def evaluate(net, parameters, x):
    """The network in float64, straight from the definitions."""
    values = {net.input: x.astype(np.float64)}
    for operation in net.operations:
        x, *residual = (values[value] for value in operation.inputs)
        match operation:
            case graph.Conv():
                convolve = reference.conv1d if x.ndim == 3 else reference.conv2d
                y = convolve(
                    x,
                    *parameters[operation],
                    stride=operation.stride,
                    padding=tuple((p, p) for p in operation.padding),
                    dilation=operation.dilation,
                    groups=operation.groups,
                    residual=residual[0] if residual else None,
                )
                y = activated(operation.activation, y)
            case graph.ConvTranspose():
                weight, bias = parameters[operation]
                (stride,), (pad,) = operation.stride, operation.padding
                y = reference.conv_transpose2d(
                    x[:, None],
                    weight[None],
                    bias,
                    stride=(1, stride),
                    padding=((0, 0), (pad, pad)),
                )[:, 0]
            case graph.Activate():
                y = activated(operation.activation, x)
            case graph.Mean():
                y = np.mean([x, *residual], axis=0)
            case graph.Linear():
                weight, bias = parameters[operation]
                y = np.tensordot(x, weight.astype(np.float64), x.ndim - 1) + bias
                y = reference.activate(y, *reference.ACTIVATIONS[operation.activation])
            case graph.MaxPool():
                padding = tuple((p, p) for p in operation.padding)
                padded = reference.pad(x, padding, pad_value=-np.inf)
                windows = np.lib.stride_tricks.sliding_window_view(
                    padded, operation.kernel, axis=(1, 2)
                )
                down, right = operation.stride
                y = windows[:, ::down, ::right].max(axis=(-1, -2))
            case graph.GlobalAverage():
                y = x.mean(axis=(1, 2))
        assert y.shape[1:] == operation.shape
        values[operation] = y
    return y


@pytest.mark.parametrize("head", ["linear", "average", "sound"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("peer", networks.ENGINES)
def test_engine(peer, batch, head):
    for module in REQUIRES.get(peer, (peer,)):
        pytest.importorskip(module)
    net = tiny_sound() if head == "sound" else tiny(head)
    x = 4 * np.random.default_rng(0).standard_normal((batch, *net.input.shape), np.float32)
    parameters = net.parameters()
    expected = evaluate(net, parameters, x)
    engine = importlib.import_module(f"{engines.__name__}.{peer}")
    for form, runner in engine.build(net, parameters, x, 2).items():
        for _ in range(3):  # engines may change what they run after the first calls
            runner()
            result = runner.result()
            assert result.shape == (batch, *net.operations[-1].shape), form
            error = np.abs(result - expected).max() / np.sqrt(np.mean(expected**2))
            assert error < 1e-4, form


def test_limits_are_reached():
    """Or the test above would not tell relu6 from relu."""
    net = tiny("average")
    x = 4 * np.random.default_rng(0).standard_normal((1, *net.input.shape), np.float32)
    wide = net.operations[2]
    net.operations = net.operations[:3]
    assert wide.activation == "relu6"
    y = evaluate(net, net.parameters(), x)
    assert y.max() == 6
    assert y.min() == 0
