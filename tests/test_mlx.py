"""MLX's functions and layers: what they compute, signatures, errors, parameters as a tree."""

import inspect
import pickle

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv import mlx
from fastconv.mlx import nn

FUNCTIONS = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "conv_general"]
LAYERS = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"]
RNG = np.random.default_rng(0)


def general(x, weight, stride, low, high, dilation, input_dilation, groups, flip, magnitude=False):
    """The oracle of `conv_general` in float64, by arrays that are dilated, padded and cut."""
    axes = x.ndim - 2
    if axes == 1:
        x, weight = x[:, None], weight[:, None]
        stride, dilation, input_dilation = ((1, *v) for v in (stride, dilation, input_dilation))
        low, high = (0, *low), (0, *high)
    n, h, w, c = x.shape
    spread = np.zeros((n, (h - 1) * input_dilation[0] + 1, (w - 1) * input_dilation[1] + 1, c))
    spread[:, :: input_dilation[0], :: input_dilation[1]] = x
    for axis, before, after in zip((1, 2), low, high, strict=True):
        cut = [slice(None)] * 4
        cut[axis] = slice(max(-before, 0), spread.shape[axis] - max(-after, 0))
        widths = [(0, 0)] * 4
        widths[axis] = (max(before, 0), max(after, 0))
        spread = np.pad(spread[tuple(cut)], widths)
    weight = (weight[:, ::-1, ::-1] if flip else weight).transpose(1, 2, 3, 0)
    if magnitude:
        spread, weight = abs(spread), abs(weight)
    y = reference.conv2d(spread, weight, stride=stride, dilation=dilation, groups=groups)
    return y[:, 0] if axes == 1 else y


@st.composite
def problems(draw):
    """Arguments of `conv_general` that have an output."""
    axes = draw(st.sampled_from([1, 2]))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    c, o = groups * draw(st.integers(1, 5)), groups * draw(st.integers(1, 9))

    def each(values):
        return tuple(draw(values) for _ in range(axes))

    kernel, dilation, spread = (
        each(st.integers(1, 4)),
        each(st.integers(1, 3)),
        each(st.integers(1, 3)),
    )
    stride, low, high = each(st.integers(1, 3)), each(st.integers(-2, 9)), each(st.integers(-2, 9))
    size = []
    for k, d, s, a, b in zip(kernel, dilation, spread, low, high, strict=True):
        needed = d * (k - 1) + 1 - a - b
        least = max(1, -(-(needed - 1) // s) + 1, 1 + max(-a, 0) + max(-b, 0))
        size.append(least + draw(st.integers(0, 6)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    x = rng.standard_normal((draw(st.integers(1, 2)), *size, c)).astype(dtype)
    weight = rng.standard_normal((o, *kernel, c // groups)).astype(dtype)
    return (x, weight), stride, low, high, dilation, spread, groups, draw(st.booleans())


def tolerance(x, weight, *rest):
    terms = weight[0].size + 4
    magnitude = general(x, weight, *rest, magnitude=True)
    relative = sum(reference.gamma(terms, np.finfo(d).eps / 2) for d in (x.dtype, np.float64))
    return 2.5 * relative * magnitude + terms * np.finfo(x.dtype).smallest_subnormal


@given(problems())
def test_conv_general(problem):
    arrays, stride, low, high, dilation, spread, groups, flip = problem
    y = mlx.conv_general(*arrays, stride, (low, high), dilation, spread, groups, flip)
    wanted = general(*arrays, stride, low, high, dilation, spread, groups, flip)
    assert y.shape == wanted.shape
    assert y.dtype == arrays[0].dtype
    allowed = tolerance(*arrays, stride, low, high, dilation, spread, groups, flip)
    assert (abs(y - wanted) <= allowed).all()


@settings(max_examples=60)
@given(problems(), st.data())
def test_convolutions_are_general(problem, data):
    (x, weight), stride, low, _, dilation, _, groups, _ = problem
    axes = x.ndim - 2
    kernel = weight.shape[1:-1]
    one = axes == 1
    numbers = [v[0] if one else v for v in (stride, low, dilation)]
    size = np.array(x.shape[1:-1])
    if (size + 2 * np.array(low) > np.array(dilation) * (np.array(kernel) - 1)).all():
        y = (mlx.conv1d if one else mlx.conv2d)(x, weight, *numbers, groups)
        wanted = mlx.conv_general(x, weight, stride, low, dilation, 1, groups)
        np.testing.assert_array_equal(y, wanted)
    more = tuple(data.draw(st.integers(0, 3)) for _ in kernel)
    ends = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    before = [e - p for e, p in zip(ends, low, strict=True)]
    after = [b + m for b, m in zip(before, more, strict=True)]
    axis = zip(size, stride, before, after, ends, strict=True)
    if all((n - 1) * s + 1 + b + a > e for n, s, b, a, e in axis):
        extra = more[0] if one else more
        y = (mlx.conv_transpose1d if one else mlx.conv_transpose2d)(
            x, weight, *numbers, extra, groups
        )
        wanted = mlx.conv_general(x, weight, 1, (before, after), dilation, stride, groups, True)
        np.testing.assert_array_equal(y, wanted)


def test_padding_may_leave_only_zeros():
    x, weight = np.ones((1, 1, 1, 1), np.float32), np.ones((1, 1, 1, 1), np.float32)
    y = mlx.conv_general(x, weight, 1, ((0, -1), (0, 2)), 1, (1, 2))
    np.testing.assert_array_equal(y, np.zeros((1, 1, 2, 1)))


# -------------------------------------------------------------------------------- beside MLX itself


@pytest.fixture
def theirs():
    """MLX, on the CPU."""
    mx = pytest.importorskip("mlx.core")
    mx.set_default_device(mx.cpu)
    return mx


@settings(max_examples=40)
@given(problems())
def test_conv_general_is_mlxs(theirs, problem):
    (x, weight), stride, low, high, dilation, spread, groups, flip = problem
    if x.dtype == np.float64:
        return
    # MLX mixes up negative padding of one side with positive padding of the other
    low, high = (tuple(max(p, 0) for p in side) for side in (low, high))
    arguments = [list(stride), (list(low), list(high)), list(dilation), list(spread), groups, flip]
    mine = mlx.conv_general(x, weight, *arguments)
    other = np.array(theirs.conv_general(theirs.array(x), theirs.array(weight), *arguments))
    assert mine.shape == other.shape
    allowed = tolerance(x, weight, stride, low, high, dilation, spread, groups, flip)
    assert (abs(mine - other) <= 2 * allowed).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_signatures(theirs, name):
    """MLX's are in the first line of the docstring."""
    line = getattr(theirs, name).__doc__.splitlines()[0]
    listed = line[line.index("(") + 1 : line.rindex(")")]
    names = [
        part.split(":")[0].strip(" *") for part in listed.split(", ") if ":" in part or part == "/"
    ]
    mine = inspect.signature(getattr(mlx, name)).parameters
    assert [n for n in names if n in mine] == list(mine)
    for parameter in mine.values():
        if parameter.default not in (inspect.Parameter.empty, None):
            assert f"= {parameter.default}" in listed.split(parameter.name, 1)[1].split(", ", 3)[
                0
            ] or (f"{parameter.name}: " in listed)
    assert mine["stride"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert mine["input"].kind is inspect.Parameter.POSITIONAL_ONLY
    assert mine["stream"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_mlxs(theirs, name):
    import mlx.nn as their_nn

    mine, other = getattr(nn, name), getattr(their_nn, name)
    ours, wanted = inspect.signature(mine).parameters, inspect.signature(other).parameters
    assert [(p.name, p.default) for p in ours.values()] == [
        (p.name, p.default) for p in wanted.values()
    ]
    two = name.endswith("2d")
    arguments = {"stride": 2, "padding": (1, 2) if two else 1, "dilation": 2}
    arguments |= {"output_padding": 1} if "Transpose" in name else {"groups": 2}
    layer, twin = (make(4, 6, (3, 2) if two else 3, **arguments) for make in (mine, other))
    assert repr(layer) == repr(twin)
    for attribute in ("stride", "padding", "dilation", *list(arguments)[3:]):
        assert getattr(layer, attribute) == getattr(twin, attribute)
    assert layer.parameters().keys() == twin.parameters().keys()
    for key, array in twin.parameters().items():
        assert layer.parameters()[key].shape == array.shape
    layer.bias = RNG.standard_normal(6).astype(np.float32)
    twin.update({key: theirs.array(array) for key, array in layer.parameters().items()})
    x = RNG.standard_normal((2, *((9, 11) if two else (11,)), 4)).astype(np.float32)
    np.testing.assert_allclose(layer(x), np.array(twin(theirs.array(x))), atol=1e-5)
    layer.update(twin.parameters())
    np.testing.assert_array_equal(layer(theirs.array(x)), layer(x))


@pytest.mark.parametrize("extension", [".npz", ".safetensors"])
def test_files_are_mlxs(theirs, tmp_path, extension):
    import mlx.nn as their_nn

    if extension == ".safetensors":
        pytest.importorskip("safetensors")
    path = str(tmp_path / f"weights{extension}")
    mine = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 1, bias=False))
    other = their_nn.Sequential(their_nn.Conv2d(2, 3, 3), their_nn.Conv2d(3, 4, 1, bias=False))
    x = RNG.standard_normal((1, 5, 6, 2)).astype(np.float32)
    mine.save_weights(path)
    other.load_weights(path)
    np.testing.assert_allclose(np.array(other(theirs.array(x))), mine(x), atol=1e-5)
    other.layers[0].weight = 2 * other.layers[0].weight
    other.save_weights(path)
    mine.load_weights(path)
    np.testing.assert_allclose(np.array(other(theirs.array(x))), mine(x), atol=1e-5)


SMALL, FILTER = np.ones((1, 8, 9, 4), np.float32), np.ones((6, 3, 3, 4), np.float32)
LINE, TAPS = SMALL[:, 0], FILTER[:, 0]
HALF = FILTER[..., :2]
BAD = [
    (
        "conv2d",
        (SMALL, np.ones((6, 3, 3, 5), np.float32)),
        {},
        ValueError,
        "weight must have in_ch",
    ),
    ("conv2d", (LINE, FILTER), {}, ValueError, r"input must have shape \(n, h, w, in_channels\)"),
    ("conv2d", (SMALL[0], FILTER), {}, ValueError, r"input must have shape"),
    ("conv2d", (SMALL, TAPS), {}, ValueError, r"weight must have shape \(out_channels, kh, kw, in"),
    ("conv2d", (SMALL.astype(int), FILTER.astype(int)), {}, ValueError, r"input must be of floati"),
    ("conv2d", (SMALL, FILTER), {"stride": 0}, ValueError, r"stride must be at least 1; got"),
    ("conv2d", (SMALL, FILTER), {"stride": "2"}, TypeError, r"stride must be an int or 2 in"),
    ("conv2d", (SMALL, FILTER), {"stride": 1.5}, TypeError, r"stride must be an int; got"),
    ("conv2d", (SMALL, FILTER), {"stride": (1, 2, 3)}, TypeError, r"stride must be an int or 2 i"),
    ("conv2d", (SMALL, FILTER), {"padding": (1, 2, 3, 4)}, TypeError, r"padding must be an int or"),
    ("conv2d", (SMALL, FILTER), {"padding": "same"}, TypeError, r"padding must be an int or"),
    ("conv1d", (LINE, TAPS), {"stride": (2,)}, TypeError, r"stride must be an int; got"),
    ("conv2d", (SMALL, HALF), {"groups": 3}, ValueError, r"weight must have in_channels / groups"),
    (
        "conv2d",
        (SMALL, HALF[:5]),
        {"groups": 2},
        ValueError,
        r"weight must have .* divisible by gr",
    ),
    ("conv2d", (SMALL[:, :2], FILTER), {}, ValueError, r"kernel larger than the padded input"),
    ("conv2d", ([[1.0]], FILTER), {}, TypeError, r"input must be a NumPy array"),
    (
        "conv_transpose2d",
        (SMALL, FILTER),
        {"padding": 5},
        ValueError,
        r"kernel larger than the pad",
    ),
    ("conv_transpose2d", (SMALL, FILTER), {"stride": 0}, ValueError, r"input_dilation must be at"),
    (
        "conv_transpose1d",
        (LINE, TAPS),
        {"padding": (1,)},
        TypeError,
        r"padding must be an int; got",
    ),
    (
        "conv_transpose2d",
        (SMALL, FILTER),
        {"output_padding": (1, 2, 3)},
        TypeError,
        r"output_padding must be an int or 2 ints",
    ),
    ("conv_general", (SMALL, FILTER), {"padding": [1, 2, 3, 4]}, ValueError, r"padding must be an"),
    ("conv_general", (SMALL, FILTER), {"input_dilation": 0}, ValueError, r"input_dilation must be"),
    ("conv_general", (SMALL[0, 0], TAPS), {}, ValueError, r"input must have 1 or 2 axes of pixels"),
]


@pytest.mark.parametrize(("name", "arrays", "arguments", "error", "message"), BAD)
def test_function_errors(name, arrays, arguments, error, message):
    with pytest.raises(error, match=f"^{message}"):
        getattr(mlx, name)(*arrays, **arguments)


@pytest.mark.parametrize(("name", "arrays", "arguments", "error", "message"), BAD)
def test_function_errors_are_mlxs(theirs, name, arrays, arguments, error, message):
    given = [theirs.array(a) if isinstance(a, np.ndarray) else a for a in arrays]
    with pytest.raises(error):
        getattr(theirs, name)(*given, **arguments)


def test_other_errors():
    for arguments, error, message in [
        ({"groups": 0}, ValueError, r"groups must be at least 1; got groups=0"),
        ({"stream": "gpu"}, TypeError, r"stream must be None, as fastconv has none; got"),
        ({"padding": ([1], [2], [3])}, ValueError, r"padding must be a pair if it holds sequences"),
    ]:
        with pytest.raises(error, match=f"^{message}"):
            mlx.conv_general(SMALL, FILTER, **arguments)
    with pytest.raises(ValueError, match=r"^input must have shape \(n, l, in_channels\)"):
        mlx.conv1d(SMALL, FILTER)
    with pytest.raises(TypeError, match=r"^x must have dtype float32"):
        mlx.conv2d(SMALL.astype(np.float64), FILTER)
    with pytest.raises(TypeError, match="positional-only"):
        mlx.conv2d(input=SMALL, weight=FILTER)


# ------------------------------------------------------------------------------------------ layers


def arguments_of(name):
    return (4, 6, 3) if name.endswith("1d") else (4, 6, (3, 2))


def image(name):
    return RNG.standard_normal((2, *((9, 8) if name.endswith("2d") else (9,)), 4)).astype(
        np.float32
    )


@pytest.mark.parametrize("name", LAYERS)
def test_initial_values(name):
    layer = getattr(nn, name)(64, 32, 3)
    bound = (64 * 3 ** (2 if name.endswith("2d") else 1)) ** -0.5
    assert 0.95 * bound < abs(layer.weight).max() <= bound * (1 + 1e-6)
    assert not layer.bias.any()
    assert layer.training


@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_the_function(name):
    layer = getattr(nn, name)(*arguments_of(name), stride=2, padding=1)
    layer.bias = RNG.standard_normal(6).astype(np.float32)
    function = name.replace("Conv", "conv").replace("Transpose", "_transpose")
    x = image(name)
    wanted = getattr(mlx, function)(x, layer.weight, stride=2, padding=1) + layer.bias
    np.testing.assert_allclose(layer(x), wanted, atol=1e-5)
    layer.eval()
    np.testing.assert_allclose(layer(x), wanted, atol=1e-5)
    assert layer.parameters()["weight"] is not None
    with pytest.raises(
        ValueError, match=r"^x must have . axes, batch and channels among them; got"
    ):
        layer(x[0])


@pytest.mark.parametrize("name", LAYERS)
def test_layer_without_bias(name):
    layer = getattr(nn, name)(*arguments_of(name), bias=False)
    assert list(layer.parameters()) == ["weight"]
    assert "bias" not in layer
    assert "weight" in layer
    assert layer["weight"].shape == layer.weight.shape
    assert not hasattr(layer, "bias")
    with pytest.raises(AttributeError):
        layer.bias = np.ones(6, np.float32)


@pytest.mark.parametrize("name", LAYERS)
def test_whatever_is_written_counts(name):
    layer = getattr(nn, name)(*arguments_of(name))
    x = image(name)
    kept = layer.weight
    steps = [
        lambda: layer.weight.__imul__(2),
        lambda: kept.__iadd__(1),
        lambda: setattr(layer, "weight", layer.weight * 0.5),
        lambda: layer.update({"bias": np.ones(6, np.float32)}),
        lambda: layer.update({"weight": -layer.weight}),
        lambda: layer.load_weights([("weight", layer.weight + 1), ("bias", layer.bias)]),
    ]
    before = layer(x)
    for step in steps:
        step()
        y = layer(x)
        assert (y != before).any()
        before = y
    layer.weight -= 1
    held = layer.weight
    layer.weight -= 1
    assert np.shares_memory(held, layer.weight)
    layer.eval()
    before = layer(x)
    held[...] = 0
    np.testing.assert_array_equal(layer(x), before)
    with pytest.raises(ValueError, match="read-only"):
        layer.weight -= 1
    layer.update({"weight": np.zeros_like(layer.weight)})
    assert (layer(x) == layer.bias).all()
    assert layer.train() is layer
    layer.weight += 1
    assert (layer(x) != layer.bias).any()


@pytest.mark.parametrize("name", LAYERS)
def test_backward(name):
    """The gradient along a random direction of all parameters and the input."""
    layer = getattr(nn, name)(*arguments_of(name), stride=2, padding=1)
    x = image(name)
    dy = RNG.standard_normal(layer(x).shape).astype(np.float32)
    assert layer.gradients() == {"weight": None, "bias": None}
    dx = layer.backward(dy)
    gradients = layer.gradients()
    for key, array in layer.parameters().items():
        assert gradients[key].shape == array.shape
        direction = RNG.standard_normal(array.shape).astype(np.float32)
        before = layer(x)
        array += direction
        change = ((layer(x) - before) * dy).sum()  # linear in each of them
        array -= direction
        np.testing.assert_allclose((gradients[key] * direction).sum(), change, rtol=1e-3, atol=1e-2)
    direction = RNG.standard_normal(x.shape).astype(np.float32)
    change = ((layer(x + direction) - layer(x)) * dy).sum()
    np.testing.assert_allclose((dx * direction).sum(), change, rtol=1e-3, atol=1e-2)
    layer.zero_grad()
    assert layer.gradients() == {"weight": None, "bias": None}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"groups": 3}, ValueError, r"in_channels must be divisible by num_groups"),
        ({"stride": 0}, ValueError, r"stride\[0\] must be at least 1"),
        ({"stride": "2"}, TypeError, r"stride must be an int or 2 ints"),
        ({"padding": (1, 2, 3, 4)}, TypeError, r"padding must be an int or 2 ints"),
        ({"padding": "same"}, TypeError, r"padding must be an int or 2 ints"),
        ({"dilation": (1, 2, 3)}, TypeError, r"dilation must be an int or 2 ints"),
        ({"kernel_size": (3,)}, TypeError, r"kernel_size must be an int or 2 ints"),
        ({"in_channels": -4}, ValueError, r"in_channels must be at least 1"),
    ],
)
def test_layer_errors(arguments, error, message):
    with pytest.raises(error, match=f"^{message}"):
        nn.Conv2d(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3, **arguments})


def test_sizes_are_read_only():
    layer = nn.Conv2d(4, 6, 3)
    for name in ("stride", "padding", "dilation", "groups"):
        with pytest.raises(AttributeError):
            setattr(layer, name, 2)


class Model(nn.Module):
    """Modules as attributes and in lists and dictionaries, and arrays of its own."""

    def __init__(self):
        self.stem = nn.Conv2d(2, 3, 3)
        self.blocks = [nn.Conv2d(3, 3, 1, bias=False), "no module", {"last": nn.Conv2d(3, 2, 1)}]
        self.scale = np.ones(2, np.float32)
        self.name = "model"
        self._hidden = np.ones(2)

    def __call__(self, x):
        return self.blocks[2]["last"](self.blocks[0](self.stem(x))) * self.scale


def test_a_model():
    model = Model()
    tree = model.parameters()
    assert list(tree) == ["stem", "blocks", "scale"]
    assert list(tree["stem"]) == ["weight", "bias"]
    assert [list(item) for item in tree["blocks"]] == [["weight"], [], ["last"]]
    assert tree["blocks"][2]["last"]["bias"].shape == (2,)
    assert len(model.modules()) == 4
    model.eval()
    assert not any(module.training for module in model.modules())
    model.train()
    x = RNG.standard_normal((1, 6, 5, 2)).astype(np.float32)
    before = model(x)
    assert model.update({"scale": 2 * model.scale, "blocks": [{}, {}, {}]}) is model
    np.testing.assert_array_equal(model(x), 2 * before)
    model.update({"blocks": [{}, {}, {"last": {"weight": np.zeros((2, 1, 1, 3), np.float32)}}]})
    assert not model(x).any()
    assert model.gradients()["scale"] is None
    assert "(stem): Conv2d(2, 3, kernel_size=(3, 3)" in repr(model)
    assert "(blocks.2.last): Conv2d(3, 2" in repr(model)
    twin = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(twin(x), model(x))
    for call in (nn.Module(), nn.Module().backward):
        with pytest.raises(NotImplementedError):
            call(x)


@pytest.mark.parametrize("extension", [".npz", ".safetensors"])
def test_files(tmp_path, extension):
    if extension == ".safetensors":
        pytest.importorskip("safetensors")
    model, other = Model(), Model()
    model.update({"scale": np.full(2, 3, np.float32)})
    path = tmp_path / f"weights{extension}"
    model.save_weights(str(path))
    assert other.load_weights(path) is other
    x = RNG.standard_normal((1, 6, 5, 2)).astype(np.float32)
    np.testing.assert_array_equal(other(x), model(x))


def test_bad_updates_change_nothing(tmp_path):
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 1))
    weight, bias = (2 * a for a in model.parameters()["layers"][0].values())
    before = model.layers[0].weight.copy()
    full = [("layers.0.weight", weight), ("layers.0.bias", bias)]
    for call, error, message in [
        (lambda: model.update({"w": bias}), ValueError, r"parameters must be of .* got \['w'\]"),
        (lambda: model.update(3), ValueError, r"parameters must be a dict or list; got int"),
        (
            lambda: model.update({"layers": [{"weight": weight, "bias": 1.0}]}),
            ValueError,
            r"layers\.0\.bias must be an array; got float",
        ),
        (
            lambda: model.update({"layers": [{"weight": weight, "bias": bias[:2]}]}),
            ValueError,
            r"layers\.0\.bias must have shape \(3,\)",
        ),
        (
            lambda: model.update({"layers": [{"weight": weight, "bias": bias.astype(float)}]}),
            TypeError,
            r"layers\.0\.bias must have dtype float32",
        ),
        (lambda: model.load_weights(full), ValueError, r"weights must have all .*layers\.1\.bias"),
        (lambda: model.load_weights(str(tmp_path / "a.txt")), ValueError, r"path must end with"),
        (lambda: model.save_weights(str(tmp_path / "a.txt")), ValueError, r"path must end with"),
    ]:
        with pytest.raises(error, match=f"^{message}"):
            call()
        np.testing.assert_array_equal(model.layers[0].weight, before)
    model.load_weights([*full, ("z", bias)], strict=False)
    np.testing.assert_array_equal(model.layers[0].weight, weight)
    model.update({"z": bias}, strict=False)


def test_sequential_learns():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ConvTranspose2d(4, 1, 3, padding=1))
    x = RNG.standard_normal((1, 8, 8, 1)).astype(np.float32)
    losses = []
    for _ in range(60):
        error = model(x) - x
        losses.append((error**2).mean())
        model.zero_grad()
        model.backward(2 * error / error.size)
        layers = [
            {k: array - np.float32(0.1) * grads[k] for k, array in arrays.items()}
            for arrays, grads in zip(
                model.parameters()["layers"], model.gradients()["layers"], strict=True
            )
        ]
        model.update({"layers": layers})
    assert losses[-1] < 0.3 * losses[0]
