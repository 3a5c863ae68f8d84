"""ConvTranspose1d, ConvTranspose2d: parameters, attributes, state, copies, what they remember."""

import copy
import inspect
import pickle

import numpy as np
import pytest
from transposed_cases import Case, check

import fastconv
from fastconv import ConvTranspose1d, ConvTranspose2d, DeviceRef

POSITIONAL = (
    *("in_channels", "out_channels", "dtype", "stride", "padding", "dilation", "output_padding"),
    *("device", "has_bias", "permute", "name"),
)
KEYWORD_ONLY = ("num_groups", "activation", "algorithm", "rng")
BOTH = pytest.mark.parametrize("make", [ConvTranspose1d, ConvTranspose2d])


def small(make, **parameters):
    """A layer from 2 to 4 channels with a bias, and an input for it."""
    layer = make(4, 2, 4, has_bias=True, rng=0, stride=2, **parameters)
    size = (6, 5) if make is ConvTranspose2d else (6,)
    channel_first = parameters.get("permute", False)
    shape = (1, 2, *size) if channel_first else (1, *size, 2)
    return layer, np.random.default_rng(1).standard_normal(shape).astype(layer.dtype)


@BOTH
def test_parameters_and_their_order(make):
    parameters = list(inspect.signature(make).parameters.values())
    kinds = {
        kind: [p.name for p in parameters if p.kind is kind]
        for kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    }
    first = "length" if make is ConvTranspose1d else "kernel_size"
    assert [*kinds.values()] == [[first, *POSITIONAL], [*KEYWORD_ONLY]]
    defaults = [p.default for p in parameters if p.name in POSITIONAL[2:]]
    assert defaults == [np.float32, 1, 0, 1, 0, None, False, False, None]


def test_positional_use_1d():
    layer = ConvTranspose1d(
        3, 4, 8, np.float64, 3, 1, 2, 2, DeviceRef.CPU(), True, True, "up", num_groups=2
    )
    assert (layer.length, layer.stride, layer.dilation, layer.output_padding) == (3, 3, 2, 2)
    assert (layer.in_channels, layer.out_channels, layer.num_groups) == (4, 8, 2)
    assert layer.padding == (1, 1)
    assert layer.dtype == np.dtype(np.float64)
    assert (layer.has_bias, layer.permute, layer.name) == (True, True, "up")
    assert layer.weight.shape == (4, 4, 3)
    assert layer.bias.shape == (8,)
    assert list(layer.state_dict()) == ["up.weight", "up.bias"]


def test_attributes_2d():
    layer = ConvTranspose2d((3, 4), 4, 8, stride=(2, 3), padding=(1, 0, 2, 1), dilation=2)
    assert (layer.kernel_size, layer.stride, layer.dilation) == ((3, 4), (2, 3), (2, 2))
    assert (layer.padding, layer.output_padding) == ((1, 0, 2, 1), (0, 0))
    assert layer.weight.shape == (3, 4, 8, 4)
    assert (layer.bias, layer.activation, layer.algorithm) == (None, None, "auto")
    assert layer.device == DeviceRef.CPU()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"stride": (1, 3)}, {"stride": 3}),
        ({"stride": [1, np.int64(3)]}, {"stride": 3}),
        ({"dilation": (1, 2)}, {"dilation": 2}),
        ({"padding": (0, 0, 1, 2)}, {"padding": (1, 2)}),
        ({"padding": (1, 2)}, {"padding": (1, 2)}),
        ({"padding": (0, 0)}, {"padding": (0, 0)}),
        ({"padding": 2}, {"padding": (2, 2)}),
        ({"output_padding": (0, 1), "stride": 2}, {"output_padding": 1}),
    ],
)
def test_forms_of_1d_parameters(given, wanted):
    layer = ConvTranspose1d(3, 4, 8, **given)
    for name, value in wanted.items():
        assert getattr(layer, name) == value
        assert type(getattr(layer, name)) is type(value)
    x = np.ones((1, 9, 4), np.float32)
    np.testing.assert_array_equal(layer(x), fastconv.conv_transpose1d(x, layer.weight, **given))


@BOTH
@pytest.mark.parametrize("permute", [False, True])
@pytest.mark.parametrize("groups", [1, 4])
def test_initial_weights_are_uniform_by_fan_in(make, permute, groups):
    layer = make(3, 64, 128, num_groups=groups, permute=permute, rng=0)
    bound = (128 // groups * 3 ** (2 if make is ConvTranspose2d else 1)) ** -0.5
    assert 0.95 * bound < abs(layer.weight).max() <= bound
    assert abs(layer.weight.mean()) < bound / 20


@BOTH
def test_weights_are_read_only_and_assigned(make):
    layer, x = small(make)
    before = layer(x)
    for array in (layer.weight, layer.bias):
        with pytest.raises(ValueError):
            array[...] = 0
        with pytest.raises(ValueError):
            array.flags.writeable = True
    layer.weight = 2 * layer.weight
    layer.bias = 2 * layer.bias
    np.testing.assert_allclose(layer(x), 2 * before, rtol=1e-6)


@BOTH
@pytest.mark.parametrize("permute", [False, True])
def test_state_and_copies(make, permute):
    layer, x = small(make, permute=permute, name="a.b")
    assert list(layer.state_dict()) == ["a.b.weight", "a.b.bias"]
    y = layer(x)
    other, _ = small(make, permute=permute)
    other.weight = np.zeros_like(layer.weight)
    other.load_state_dict({k.removeprefix("a.b."): v for k, v in layer.state_dict().items()})
    for same in (other, copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(same(x), y)
        assert not same.weight.flags.writeable


def test_repr():
    layer = ConvTranspose1d(4, 2, 3, stride=2, padding=1, has_bias=True)
    assert repr(layer) == (
        "ConvTranspose1d(length=4, in_channels=2, out_channels=3, dtype=float32, stride=2, "
        "padding=(1, 1), dilation=1, output_padding=0, num_groups=1, has_bias=True)"
    )
    assert "kernel_size=(4, 4)" in repr(ConvTranspose2d(4, 2, 4))


def test_layers_agree_with_functions_for_lengths_in_turn(level):
    """Shorter than the crop of the padding, too; and packed once for all of them."""
    case = Case((1,), 6, 9, (7,), stride=3, padding=(4, 5), output_padding=2, bias=True)
    _, weight, bias, _ = case.arrays(np.float32)
    layer = case.layer(weight, bias)
    rng = np.random.default_rng(0)
    for length in [3, 50, 4, 5, 3, 49, *range(4, 20)]:
        x = rng.integers(-4, 5, (1, length, 6)).astype(np.float32)
        np.testing.assert_allclose(layer(x), case.run(x, weight, bias), rtol=1e-4, atol=1e-4)
    packed = dict(layer._weights._packed)
    for length in range(20, 200):
        layer(np.zeros((1, length, 6), np.float32))
    assert layer._weights._packed == packed
    assert len(layer._weights._calls) <= 128


@pytest.mark.parametrize("permute", [False, True])
def test_as_a_layer(level, permute):
    check(Case((9,), 8, 5, (4,), 2, 1, bias=True, permute=permute), np.float32)
    check(Case((4, 5), 8, 5, (4, 3), (2, 3), 1, bias=True, permute=permute), np.float32)


def test_measure_and_wisdom(tmp_path):
    fastconv.forget_wisdom()
    case = Case((40,), 32, 32, (9,), stride=2, padding=4, algorithm="measure", data="normal")
    x, weight, *_ = case.arrays(np.float32)
    try:
        y = case.layer(weight)(x)
        fastconv.save_wisdom(tmp_path / "wisdom.json")
        fastconv.forget_wisdom()
        fastconv.load_wisdom(tmp_path / "wisdom.json")
        np.testing.assert_array_equal(case.layer(weight)(x), y)
    finally:
        fastconv.forget_wisdom()


def test_explain(level):
    layer = ConvTranspose1d(10, 32, 16, stride=4, padding=3, num_groups=1)
    told = fastconv.explain(layer, (1, 50, 32), num_threads=1)
    assert isinstance(told, fastconv.TransposedExplanation)
    assert (told.algorithm, told.problem.result_shape) == ("auto", (1, 200, 16))
    assert sum(part.problem.output_shape[-1] for part in told.parts) == 4 * 16
    layer(np.zeros((1, 50, 32), np.float32))
    ran = layer._weights.known((1, 50, 32)).calls
    assert [part.chosen for part in told.parts] == [call.algorithm.name for _, call in ran]
    assert fastconv.explain(told.problem).parts == fastconv.explain(layer, (1, 50, 32)).parts
    lines = str(told).splitlines()
    assert lines[0].startswith(
        "transposed convolution of (1, 50, 32) with a kernel of 10, stride 4"
    )
    assert len(lines) == 4 + len(told.parts)
    gaps = fastconv.explain(ConvTranspose2d(1, 4, 8, stride=2, algorithm="direct"), (1, 5, 5, 4))
    assert [part.problem.input_shape[1] for part in gaps.parts] == [5, 0, 0, 0]
    normed = fastconv.WeightNormConvTranspose1d(10, 32, 16, stride=4, padding=3)
    assert fastconv.explain(normed, (1, 50, 32), num_threads=1).parts == told.parts
    assert fastconv.explain(told.problem, (1, 7, 32)).problem.shape == (1, 7, 32)
