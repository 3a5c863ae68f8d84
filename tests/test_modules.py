"""Modules: parameters, modes, gradients, state and files; and no packed filter is ever stale."""

import copy
import pickle
import threading

import numpy as np
import pytest

import fastconv
from fastconv import (
    Conv1D,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    DeviceRef,
    Module,
    Parameter,
    Sequential,
    ShardingStrategy,
    WeightNormConv1d,
    WeightNormConvTranspose1d,
)

BOTH = pytest.mark.parametrize("make", [Conv1D, Conv2d])


def small(make=Conv2d, dtype=np.float32, **parameters):
    """A layer from 2 to 4 channels with a bias, and an input for it."""
    layer = make(3, 2, 4, dtype=dtype, has_bias=True, rng=0, **parameters)
    size = (6, 5) if make is Conv2d else (6,)
    shape = (2, 2, *size) if layer.permute else (2, *size, 2)
    return layer, np.random.default_rng(1).standard_normal(shape).astype(dtype)


def training(*args, **parameters):
    layer, x = small(*args, **parameters)
    layer.set_train_mode()
    return layer, x


def expected(layer, x):
    """What a layer must compute with the values it shows: by the function, which keeps nothing."""
    function = fastconv.conv2d if isinstance(layer, Conv2d) else fastconv.conv1d
    weight, bias = np.array(layer.filter), np.array(layer.bias)
    return function(x, weight, bias, activation=layer.activation, padding=layer.padding)


# ------------------------------------------------------------------------------------ parameters


def test_parameter_copies_and_checks():
    mine = np.arange(6.0).reshape(2, 3)
    p = Parameter(mine, "scale")
    mine[...] = 0
    assert (p.label, p.shape, p.dtype, p.grad) == ("scale", (2, 3), np.float64, None)
    np.testing.assert_array_equal(p.values, np.arange(6.0).reshape(2, 3))
    assert repr(p) == "Parameter('scale', shape=(2, 3), dtype=float64)"
    new = np.ones((2, 3))
    p.values = new
    new[...] = 5
    assert (p.values == 1).all()
    held = p.values
    p.values += 1
    assert p.values is held
    assert (held == 2).all()


@pytest.mark.parametrize("of", ["layer", "own"])
@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("values", [1.0], TypeError, r"values must be a NumPy array"),
        ("values", np.ones(5, np.float32), ValueError, r"values must have shape \(4,\); got"),
        ("values", np.ones(4), TypeError, r"values must have dtype float32"),
        ("grad", np.ones((4, 1), np.float32), ValueError, r"grad must have shape \(4,\); got"),
        ("grad", np.ones(4), TypeError, r"grad must have dtype float32"),
        ("grad", 0.0, TypeError, r"grad must be a NumPy array"),
    ],
)
def test_parameter_refuses(of, name, value, error, message):
    p = Parameter(np.ones(4, np.float32)) if of == "own" else small()[0].parameters()["bias"]
    before = p.values.copy()
    with pytest.raises(error, match=f"^{message}"):
        setattr(p, name, value)
    np.testing.assert_array_equal(p.values, before)
    assert p.grad is None


def test_parameter_needs_an_array_and_a_label():
    with pytest.raises(TypeError, match=r"^values must have dtype float32 or float64"):
        Parameter(np.ones(3, int))
    with pytest.raises(TypeError, match=r"^label must be a str; got label=3"):
        Parameter(np.ones(3), 3)


def test_gradients_add_up_and_leave_old_ones_alone():
    p = Parameter(np.ones(2))
    p.accumulate(np.ones(2))
    first = p.grad
    p.accumulate(np.ones(2))
    np.testing.assert_array_equal(first, [1, 1])
    np.testing.assert_array_equal(p.grad, [2, 2])
    p.grad *= 0.5
    np.testing.assert_array_equal(p.grad, [1, 1])
    p.grad = None
    assert p.grad is None


@pytest.mark.parametrize("name", [None, "stem"])
@BOTH
def test_a_layers_parameters_are_its_state(make, name):
    layer, _ = small(make, name=name)
    parameters = layer.parameters()
    assert list(parameters) == list(layer.state_dict())
    assert [p.label for p in parameters.values()] == ["weight", "bias"]
    for p, array in zip(parameters.values(), (layer.filter, layer.bias), strict=True):
        assert p.values is array
    assert all(
        a is b for a, b in zip(parameters.values(), layer.parameters().values(), strict=True)
    )
    assert list(make(3, 2, 4).parameters()) == ["weight"]


# ----------------------------------------------------------------------------------------- modes


@BOTH
def test_layers_start_in_eval_mode(make):
    layer, x = small(make)
    assert layer.training is False
    step = np.ones(4, np.float32)
    for p in layer.parameters().values():
        with pytest.raises(ValueError, match="read-only"):
            p.values += 1
    p = layer.parameters()["bias"]
    p.values = p.values + step
    np.testing.assert_array_equal(layer(x), expected(layer, x))


@BOTH
def test_in_train_mode_whatever_is_written_counts(make):
    layer, x = training(make)
    assert layer.training is True
    weight, bias = layer.parameters().values()
    kept, kept_bias = layer.filter, layer.bias
    assert kept is weight.values
    steps = [
        lambda: weight.values.__iadd__(1),
        lambda: kept.__imul__(0.5),
        lambda: kept_bias.__setitem__(0, 7),
        lambda: kept.reshape(-1).view(np.uint8).__setitem__(slice(8), 0),
        lambda: np.add(kept, 1, out=kept),
        lambda: setattr(weight, "values", weight.values * 2),
        lambda: kept_bias.__isub__(3),  # assigning the filter left the bias where it was
        lambda: setattr(layer, "filter", -layer.filter),
        lambda: layer.load_state_dict({"weight": layer.filter + 1}, strict=False),
        lambda: kept_bias.__iadd__(1),
        lambda: setattr(bias, "values", bias.values + 1),
    ]
    before = layer(x)
    for step in steps:
        step()
        y = layer(x)
        assert (y != before).any()
        np.testing.assert_array_equal(y, expected(layer, x))
        before = y


@BOTH
def test_in_place_steps_keep_the_array(make):
    layer, _ = training(make)
    for p in layer.parameters().values():
        array = p.values
        p.values -= np.ones_like(array)
        assert p.values is array
    layer.filter += 1
    layer.bias += 1


@pytest.mark.parametrize("warm", [False, True])
@BOTH
def test_a_change_of_mode_cuts_off_kept_references(make, warm):
    layer, x = training(make)
    weight = layer.parameters()["weight"]
    kept, view = weight.values, weight.values[..., :1]
    layer.set_eval_mode()
    if warm:
        layer(x)
    wanted = layer(x)
    kept[...], view[...] = 9, 3
    np.testing.assert_array_equal(layer(x), wanted)
    np.testing.assert_array_equal(layer(x), expected(layer, x))
    frozen = weight.values
    with pytest.raises(ValueError, match="WRITEABLE"):
        frozen.flags.writeable = True
    layer.set_train_mode()
    kept[...] = 1
    np.testing.assert_array_equal(layer(x), wanted)
    weight.values *= 2
    assert (layer(x) != wanted).any()
    assert (frozen == weight.values / 2).all()
    np.testing.assert_array_equal(layer(x), expected(layer, x))


def test_setting_a_mode_twice_changes_nothing():
    layer, _ = small()
    weights = layer.filter
    layer.set_eval_mode()
    assert layer.filter is weights
    layer.set_train_mode()
    weights = layer.filter
    layer.set_train_mode()
    assert layer.filter is weights


@pytest.mark.parametrize("mode", [False, True])
@BOTH
def test_every_assignment_repacks(make, mode):
    layer, x = training(make) if mode else small(make)
    other, _ = small(make)
    changed = {k: v + 1 for k, v in other.state_dict().items()}
    ways = [
        lambda: setattr(layer.parameters()["weight"], "values", changed["weight"]),
        lambda: setattr(layer.parameters()["bias"], "values", changed["bias"]),
        lambda: layer.load_state_dict({k: 2 * v for k, v in changed.items()}),
        lambda: setattr(layer, "filter", changed["weight"]),
        lambda: setattr(layer, "bias", changed["bias"]),
        lambda: Sequential(layer).load_state_dict({f"0.{k}": -v for k, v in changed.items()}),
    ]
    before = layer(x)
    for way in ways:
        way()
        y = layer(x)
        assert (y != before).any()
        np.testing.assert_array_equal(y, expected(layer, x))
        before = y
    for array in changed.values():
        array[...] = 0
    np.testing.assert_array_equal(layer(x), before)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    "duplicate", [lambda a: pickle.loads(pickle.dumps(a)), copy.deepcopy, copy.copy]
)
@BOTH
def test_copies_have_parameters_of_their_own(make, duplicate, first):
    layer, x = training(make)
    layer.parameters()["weight"].label = "W"
    wanted = layer(x)
    if not first:
        layer.set_eval_mode()
        layer(x)
    twin = duplicate(layer)
    assert twin.training == layer.training
    assert twin.parameters()["weight"].label == "W"
    with pytest.raises(ValueError, match="backward needs a call"):
        twin.backward(wanted)
    for p in twin.parameters().values():
        p.values = p.values + 1
    twin.set_train_mode()
    for p in twin.parameters().values():
        p.values += 1
        p.accumulate(p.values)
    np.testing.assert_array_equal(twin(x), expected(twin, x))
    np.testing.assert_array_equal(layer(x), wanted)
    assert all(p.grad is None for p in layer.parameters().values())
    for p in layer.parameters().values():
        p.values = 0 * p.values
    assert not layer(x).any()
    np.testing.assert_array_equal(twin(x), expected(twin, x))


@pytest.mark.parametrize("kind", ["replicate", "output_channels"])
@BOTH
def test_shards_of_a_layer_in_training(make, kind):
    layer, x = training(make)
    wanted = layer(x)
    layer.sharding_strategy = getattr(ShardingStrategy, kind)(2)
    shards = layer.shard(["cpu", DeviceRef.CPU(1)])
    results = [shard(x) for shard in shards]
    assert all(shard.training for shard in shards)
    for p in layer.parameters().values():
        p.values += 1
    for shard, before in zip(shards, results, strict=True):
        np.testing.assert_array_equal(shard(x), before)
        np.testing.assert_array_equal(before, expected(shard, x))
    joined = results[0] if kind == "replicate" else np.concatenate(results, axis=-1)
    np.testing.assert_array_equal(joined, wanted)


@BOTH
def test_out_must_not_be_the_filter_in_training(make):
    """A 1x1 result has the shape of the bias: only then could it be written into."""
    layer = make(1, 2, 4, has_bias=True)
    layer.set_train_mode()
    out = layer.bias.reshape((1,) * (2 if make is Conv2d else 1) + (4,))
    with pytest.raises(ValueError, match=r"^out must not share memory with bias"):
        layer(np.ones((*out.shape[:-1], 2), np.float32), out=out)


def test_nothing_packed_is_kept_in_training():
    layer, x = small()
    layer(x)
    layer.set_train_mode()
    assert layer._weights.known(x.shape) is None
    layer(x)
    layer.set_eval_mode()
    assert layer._weights._packed == {}


def test_training_weighs_the_packing():
    """As the functions do: for one small image Winograd's filter is not worth its transform."""
    x = np.ones((1, 6, 6, 256), np.float32)
    layer = Conv2d(3, 256, 256, padding=1, rng=0)
    layer.set_train_mode()
    wanted = fastconv.conv2d(x, layer.filter, padding=1)
    np.testing.assert_array_equal(layer(x), wanted)


def test_threads_call_while_one_loads():
    """Filter and bias are replaced at once, so a result never mixes two states."""
    layer = Conv2d(3, 8, 8, padding=1, has_bias=True)
    x = np.ones((1, 9, 9, 8), np.float32)
    states, wanted = [], []
    for value in (1, 2):
        states.append({k: np.full_like(v, value) for k, v in layer.state_dict().items()})
        layer.load_state_dict(states[-1])
        wanted.append(layer(x))
    stop, wrong = threading.Event(), []

    def call():
        while not stop.is_set():
            y = layer(x)
            if not any(np.array_equal(y, w) for w in wanted):
                wrong.append(y)

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    for turn in range(200):
        layer.load_state_dict(states[turn % 2])
    stop.set()
    for caller in callers:
        caller.join()
    assert not wrong


# ------------------------------------------------------------------------------------- gradients

ACTIVATIONS = [None, "relu", "relu6", "leaky_relu", ("leaky_relu", -0.3), ("leaky_relu", 0.0)]
VARIANTS = [
    {},
    {"padding": 1, "stride": 2},
    {"padding": "same", "stride": 2},
    {"padding": 1, "dilation": 2},
    {"padding": 1, "permute": True},
    {"padding": 1, "num_groups": 2, "pad_mode": "reflect"},
    {"padding": 1, "pad_value": 0.5},
    {"padding": 1, "pad_mode": "wrap", "permute": True},
]


def differences(f, array, dy, step=1e-6):
    """The gradient of sum(f() * dy) with respect to an array that f reads, by differences."""
    gradient = np.empty_like(array)
    for i in np.ndindex(array.shape):
        kept = array[i]
        array[i] = kept + step
        above = f()
        array[i] = kept - step
        gradient[i] = ((above - f()) * dy).sum() / (2 * step)
        array[i] = kept
    return gradient


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@BOTH
def test_backward_is_the_gradient(make, variant, activation, residual):
    if residual and variant != VARIANTS[-1] and activation not in (None, ("leaky_relu", -0.3)):
        return  # the residual meets the activation in one place for all variants
    layer, x = training(make, np.float64, activation=activation, **variant)
    rng = np.random.default_rng(2)
    if activation == "relu6":
        layer.filter *= 8  # so that some outputs are over 6
    r = rng.standard_normal(layer(x).shape) if residual else None
    dy = rng.standard_normal(layer(x).shape)

    def f():
        return layer(x, residual=r)

    f()
    dx = layer.backward(dy)
    weight, bias = layer.parameters().values()
    arrays = {"x": x, "weight": weight.values, "bias": bias.values}
    found = {"x": dx, "weight": weight.grad, "bias": bias.grad}
    if residual:
        arrays["residual"], found["residual"] = r, layer.residual_grad
    else:
        assert layer.residual_grad is None
    for name, array in arrays.items():
        assert found[name].shape == array.shape
        np.testing.assert_allclose(found[name], differences(f, array, dy), atol=1e-7, err_msg=name)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@BOTH
def test_training_computes_what_eval_computes(make, activation, dtype):
    layer, x = training(make, dtype, activation=activation, algorithm="direct")
    y = layer(x)
    layer.set_eval_mode()
    np.testing.assert_array_equal(layer(x), y)


@BOTH
def test_backward_of_one_image(make):
    layer, x = training(make, activation="relu")
    dy = np.ones_like(layer(x[:1]))
    dx = layer.backward(dy)
    batch = [p.grad for p in layer.parameters().values()]
    layer.zero_grad()
    layer(x[0])
    np.testing.assert_array_equal(layer.backward(dy[0]), dx[0])
    for p, grad in zip(layer.parameters().values(), batch, strict=True):
        assert p.grad.dtype == np.float32
        np.testing.assert_array_equal(p.grad, grad)


@BOTH
def test_gradients_accumulate_over_calls(make):
    layer, x = training(make)
    for _ in range(2):
        layer(x)
        layer.backward(np.ones_like(layer(x)))
    twice = {k: p.grad for k, p in layer.parameters().items()}
    layer.zero_grad()
    assert all(p.grad is None for p in layer.parameters().values())
    layer.backward(np.ones_like(layer(x)))
    for k, p in layer.parameters().items():
        np.testing.assert_array_equal(twice[k], 2 * p.grad)


@BOTH
def test_what_the_caller_changes_after_the_call_does_not_matter(make):
    layer, x = training(make, activation="relu")
    y = layer(x)
    dy = np.ones_like(y)
    wanted = layer.backward(dy), *(p.grad for p in layer.parameters().values())
    layer.zero_grad()
    out = np.empty_like(y)
    again = x.copy()
    assert layer(again, out=out) is out
    again[...], out[...] = 0, -1
    found = layer.backward(dy), *(p.grad for p in layer.parameters().values())
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS[1:], ids=str)
def test_derivative_of_large_activations(level, dtype, activation, number):
    """Of more elements than a thread takes at once; zeros, both bounds, and what is no number."""
    layer = Conv2d(1, 1, 1, dtype, activation=activation)
    layer.set_train_mode()
    layer.filter[...] = 1
    x = np.random.default_rng(0).uniform(-4, 8, (1, 301, 307, 1)).astype(dtype)
    x[0, :10] = 0
    x[0, 10:20] = 6
    dy = np.random.default_rng(1).standard_normal(x.shape).astype(dtype)
    x[0, -1, :9], dy[0, -1, 5:20] = np.nan, np.inf
    layer(x, residual=np.zeros_like(x), num_threads=number)
    dx = layer.backward(dy, num_threads=number)
    name, slope = activation if isinstance(activation, tuple) else (activation, 0)
    slope = 0.01 if activation == "leaky_relu" else slope
    wanted = np.where(x <= 0, dtype(slope) * dy if slope else dtype(0), dy)
    if name == "relu6":
        wanted[x >= 6] = 0
    np.testing.assert_array_equal(layer.residual_grad, wanted)
    np.testing.assert_array_equal(dx, wanted)


@pytest.mark.parametrize("permute", [False, True])
def test_what_train_mode_keeps_has_any_layout(dtype, permute):
    """Of arrays with gaps, other orders of axes and of bytes."""
    shape = (2, 3, 40, 41) if permute else (2, 40, 41, 3)
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    found = []
    for turn in (
        lambda a: a,
        lambda a: a.astype(a.dtype.newbyteorder()),
        lambda a: np.repeat(a, 2, 2)[:, :, ::2],
        lambda a: np.asfortranarray(a),
        lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
        lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
    ):
        layer = Conv2d(
            3, 3, 4, dtype, padding=1, has_bias=True, permute=permute, activation="relu", rng=1
        )
        layer.set_train_mode()
        y = layer(turn(x))
        found.append([layer.backward(turn(y)), *(p.grad for p in layer.parameters().values()), y])
    for other in found[1:]:
        for a, b in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(a, b)


def test_residual_grad_is_no_view_of_dy():
    layer, x = training()
    dy = np.ones_like(layer(x))
    layer(x, residual=dy)
    layer.backward(dy)
    assert not np.shares_memory(layer.residual_grad, dy)


@BOTH
def test_backward_needs_a_call_in_training(make):
    layer, x = small(make)
    message = r"^backward needs a call in train mode before it, one for each; got training="
    y = layer(x)
    with pytest.raises(ValueError, match=f"{message}False"):
        layer.backward(y)
    layer.set_train_mode()
    with pytest.raises(ValueError, match=f"{message}True"):
        layer.backward(y)
    layer(x)
    layer.backward(y)
    with pytest.raises(ValueError, match=message):
        layer.backward(y)
    layer(x)
    layer.set_eval_mode()
    layer.set_train_mode()
    with pytest.raises(ValueError, match=message):
        layer.backward(y)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda y: y[:1], ValueError, r"dy must have shape .*; got dy\.shape="),
        (lambda y: y[0], ValueError, r"dy must have shape"),
        (lambda y: y.astype(np.float64), TypeError, r"dy must have dtype float32"),
        (lambda y: y.tolist(), TypeError, r"dy must be a NumPy array"),
        (lambda y: None, TypeError, r"dy must be a NumPy array"),
    ],
)
@BOTH
def test_backward_refuses_and_changes_nothing(make, wrong, error, message):
    layer, x = training(make, activation="relu")
    y = layer(x)
    with pytest.raises(error, match=f"^{message}"):
        layer.backward(wrong(y))
    with pytest.raises(TypeError, match=r"^num_threads must be an int"):
        layer.backward(y, num_threads=1.5)
    assert all(p.grad is None for p in layer.parameters().values())
    assert layer.backward(y).shape == x.shape


@pytest.mark.parametrize("number", [1.5, "2", 0, -1, 5000])
@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("make", [Conv2d, ConvTranspose2d])
def test_train_mode_refuses_numbers_of_threads(make, activation, number):
    layer = make(3, 2, 4, padding=1, has_bias=True, activation=activation, rng=0)
    layer.set_train_mode()
    x = np.ones((1, 6, 6, 2), np.float32)
    y = layer(x)
    for call in (layer.forward, layer.backward):
        with pytest.raises((TypeError, ValueError), match=r"^num_threads must be"):
            call(x if call == layer.forward else y, num_threads=number)
    assert all(p.grad is None for p in layer.parameters().values())
    assert layer.backward(y).shape == x.shape


@BOTH
def test_a_refused_call_leaves_the_last_one(make):
    layer, x = training(make)
    y = layer(x)
    with pytest.raises(ValueError, match=r"^out must have shape"):
        layer(x, out=y[:1])
    assert layer.backward(y).shape == x.shape


@BOTH
def test_backward_of_an_empty_batch(make):
    layer, x = training(make, activation="relu")
    y = layer(x[:0])
    assert layer.backward(y).shape == x[:0].shape
    assert not any(p.grad.any() for p in layer.parameters().values())


OTHERS = {
    "ConvTranspose2d": lambda **p: ConvTranspose2d((3, 2), 2, 4, stride=2, padding=1, **p),
    "ConvTranspose2d groups": lambda **p: ConvTranspose2d(
        3, 4, 6, stride=(1, 3), padding=(1, 0, 2, 1), output_padding=(0, 2), num_groups=2, **p
    ),
    "ConvTranspose1d": lambda **p: ConvTranspose1d(4, 2, 3, stride=3, output_padding=1, **p),
    "ConvTranspose1d dilated": lambda **p: ConvTranspose1d(
        3, 2, 3, stride=2, dilation=3, output_padding=2, **p
    ),
    "WeightNormConv1d": lambda **p: WeightNormConv1d(3, 2, 4, padding=1, **p),
    "WeightNormConvTranspose1d": lambda **p: WeightNormConvTranspose1d(4, 2, 3, stride=2, **p),
}


def other(name, dtype=np.float32, **parameters):
    """Another layer, and an input for it."""
    layer = OTHERS[name](dtype=dtype, has_bias=True, rng=0, **parameters)
    conv = getattr(layer, "conv", layer)
    size = (3, 4) if "2d" in name else (5,)
    shape = (conv.in_channels, *size) if conv.permute else (*size, conv.in_channels)
    return layer, np.random.default_rng(1).standard_normal((2, *shape)).astype(dtype)


@pytest.mark.parametrize("permute", [False, True])
@pytest.mark.parametrize("activation", [None, "relu", ("leaky_relu", -0.3)])
@pytest.mark.parametrize("name", OTHERS)
def test_backward_of_other_layers(name, activation, permute):
    layer, x = other(name, np.float64, activation=activation, permute=permute)
    layer.set_train_mode()
    rng = np.random.default_rng(2)
    r, dy = (rng.standard_normal(layer(x).shape) for _ in range(2))

    def f():
        return layer(x, residual=r)

    f()
    dx = layer.backward(dy)
    np.testing.assert_allclose(dx, differences(f, x, dy), atol=1e-7)
    np.testing.assert_allclose(layer.residual_grad, differences(f, r, dy), atol=1e-7)
    for name, p in layer.parameters().items():
        wanted = differences(f, p.values, dy)
        np.testing.assert_allclose(p.grad, wanted, atol=1e-7, err_msg=name)
    once = {name: p.grad for name, p in layer.parameters().items()}
    f()
    layer.backward(dy)
    for name, p in layer.parameters().items():
        np.testing.assert_allclose(p.grad, 2 * once[name])


@pytest.mark.parametrize("name", OTHERS)
def test_other_layers_are_never_stale(name):
    layer, x = other(name, algorithm="direct")  # "auto" may choose another in training

    def is_fresh(changed=True):
        """What a layer computes that was made with these values, and never called before."""
        nonlocal before
        fresh = other(name, algorithm="direct")[0]
        fresh.load_state_dict(layer.state_dict())
        y = layer(x)
        np.testing.assert_array_equal(y, fresh(x))
        assert (y != before).any() == changed
        before = y

    before = 0 * layer(x)
    is_fresh()
    for mode in (True, False, True):
        kept = [p.values for p in layer.parameters().values()]
        (layer.set_train_mode if mode else layer.set_eval_mode)()
        for array in kept:
            if array.flags.writeable:
                array[...] = 3
        is_fresh(changed=False)
        for p in layer.parameters().values():
            p.values = p.values * np.float32(1.5)
            if "weight_v" not in p.label:
                is_fresh()
            if mode:
                held = p.values
                p.values += 0.25
                held[...] *= 2
                is_fresh()
            else:
                with pytest.raises(ValueError, match="read-only"):
                    p.values += 1
        layer.load_state_dict({k: v + 1 for k, v in layer.state_dict().items()})
        is_fresh()
    for twin in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        for p in twin.parameters().values():
            p.values *= 2
        is_fresh(changed=False)
        assert (twin(x) != before).any()
    layer.set_eval_mode()
    for twin in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        for p in twin.parameters().values():
            p.values = 2 * p.values
            with pytest.raises(ValueError, match="read-only"):
                p.values += 1
        is_fresh(changed=False)
        assert (twin(x) != before).any()


@pytest.mark.parametrize("permute", [False, True])
@pytest.mark.parametrize("make", [WeightNormConv1d, WeightNormConvTranspose1d])
def test_a_norm_that_became_zero_is_refused_in_training(make, permute):
    layer = make(3, 2, 4, permute=permute)
    x = np.ones((1, 2, 5) if permute else (1, 5, 2), np.float32)
    layer.set_train_mode()
    assert list(layer.parameters()) == ["weight_g", "weight_v"]
    layer.weight_v[...] = 0
    with pytest.raises(ValueError, match=r"^weight_v must have a norm that is finite and not 0"):
        layer(x)
    layer.weight_v[...] = 1
    assert layer(x).any()


# --------------------------------------------------------------------------------------- modules


class Scale(Module):
    """A module of one parameter."""

    def __init__(self, value):
        self.scale = Parameter(np.full(1, value), "scale")

    def forward(self, x):
        self._x = x
        return x * self.scale.values

    def backward(self, dy):
        self.scale.accumulate(np.array([(self._x * dy).sum()]))
        return dy * self.scale.values


class Network(Module):
    """Modules as attributes and in a list, one of them in two places."""

    def __init__(self):
        self.stem = Conv2d(3, 2, 2, np.float64, padding=1, has_bias=True, activation="relu", rng=0)
        self.blocks = [Scale(2.0), Scale(3.0)]
        self.again = self.blocks[0]
        self.label = "net"

    def forward(self, x):
        for module in (self.stem, *self.blocks):
            x = module(x)
        return x


def test_a_network_finds_what_is_in_it():
    net = Network()
    assert list(net.parameters()) == [
        "stem.weight",
        "stem.bias",
        "blocks.0.scale",
        "blocks.1.scale",
    ]
    assert list(net.submodules()) == ["stem", "blocks.0", "blocks.1", "again"]
    assert net.submodules()["again"] is net.blocks[0]
    x = np.ones((1, 4, 4, 2))
    np.testing.assert_array_equal(net(x), 6 * net.stem(x))
    np.testing.assert_array_equal(net.forward(x), net(x))


def test_modes_reach_all_modules():
    net = Network()
    assert not net.training
    net.set_train_mode()
    assert net.training
    assert net.stem.training
    for p in net.parameters().values():
        p.values += 1
    kept = net.blocks[0].scale.values
    net.set_eval_mode()
    assert not (net.training or net.stem.training or net.blocks[1].training)
    for p in net.parameters().values():
        with pytest.raises(ValueError, match="read-only"):
            p.values += 1
    kept[...] = 0
    assert net.blocks[0].scale.values == 3
    net.blocks[0].scale.values = np.full(1, 5.0)
    with pytest.raises(ValueError, match="read-only"):
        net.blocks[0].scale.values[0] = 1


def test_devices_reach_all_modules():
    net = Network()
    assert net.to_device(DeviceRef.CPU(1)) is net
    assert {m.device.id for m in (net, net.stem, *net.blocks)} == {1}
    with pytest.raises(ValueError, match=r"^device must be .*got device='gpu'"):
        net.to_device("gpu")
    assert net.to_device("cpu").stem.device == DeviceRef.CPU()


def test_summary_prints_and_returns_the_table(capsys):
    table = Network().summary()
    assert capsys.readouterr().out == table + "\n"
    assert table.splitlines() == [
        "Network",
        "parameter       shape         dtype    numbers",
        "stem.weight     (3, 3, 2, 2)  float64       36",
        "stem.bias       (2,)          float64        2",
        "blocks.0.scale  (1,)          float64        1",
        "blocks.1.scale  (1,)          float64        1",
        "total                                       40",
    ]


def test_what_a_module_does_not_have():
    with pytest.raises(NotImplementedError, match=r"^Module has no forward"):
        Module()(1)
    with pytest.raises(NotImplementedError, match=r"^Network has no backward"):
        Network().backward(np.ones(1))
    assert Module().parameters() == {}
    assert Module().state_dict() == {}


def test_a_derived_layer_may_say_how_it_runs():
    class Doubled(Conv2d):
        def forward(self, x, **keywords):
            return 2 * super().forward(x, **keywords)

    x = np.ones((1, 5, 5, 2), np.float32)
    np.testing.assert_array_equal(Doubled(3, 2, 4, rng=0)(x), 2 * Conv2d(3, 2, 4, rng=0)(x))


def test_sequential():
    first, second = Scale(2.0), Scale(3.0)
    net = Sequential(first, Sequential(second))
    assert (len(net), net[0], next(iter(net))) == (2, first, first)
    assert list(net.parameters()) == ["0.scale", "1.0.scale"]
    x = np.arange(3.0)
    np.testing.assert_array_equal(net(x), 6 * x)
    np.testing.assert_array_equal(net.backward(np.ones(3)), np.full(3, 6.0))
    assert (first.scale.grad, second.scale.grad) == (9, 6)
    assert "1: Sequential" in repr(net)
    assert repr(Sequential()) == "Sequential()"
    np.testing.assert_array_equal(Sequential()(x), x)
    with pytest.raises(TypeError, match=r"^modules\[1\] must be a Module; got function"):
        Sequential(first, lambda x: x)


def test_sequential_of_layers_against_differences():
    net = Sequential(
        Conv2d(3, 2, 3, np.float64, padding=1, has_bias=True, activation="relu", rng=0),
        Conv2d(2, 3, 2, np.float64, stride=2, activation="leaky_relu", rng=1),
    )
    net.set_train_mode()
    x = np.random.default_rng(0).standard_normal((2, 5, 5, 2))
    dy = np.random.default_rng(1).standard_normal(net(x).shape)
    dx = net.backward(dy)
    np.testing.assert_allclose(dx, differences(lambda: net(x), x, dy), atol=1e-7)
    for p in net.parameters().values():
        wanted = differences(lambda: net(x), p.values, dy)
        np.testing.assert_allclose(p.grad, wanted, atol=1e-7)


@pytest.mark.parametrize("step", ["in place", "assigned"])
def test_an_optimizer_that_walks_the_parameters_learns(step):
    rng = np.random.default_rng(0)
    target = rng.standard_normal((3, 3, 1, 1))
    net = Sequential(Conv2d(3, 1, 1, np.float64, padding=1, rng=1))
    net.set_train_mode()
    for _ in range(300):
        x = rng.standard_normal((1, 8, 8, 1))
        error = net(x) - fastconv.conv2d(x, target, padding=1)
        net.zero_grad()
        net.backward(error / error.size)
        for p in net.parameters().values():
            if step == "in place":
                p.values -= 0.5 * p.grad
            else:
                p.values = p.values - 0.5 * p.grad
    np.testing.assert_allclose(net[0].filter, target, atol=1e-6)


# ------------------------------------------------------------------------------------------ state


def test_state_is_a_snapshot():
    net = Network()
    net.set_train_mode()
    state = net.state_dict()
    for p in net.parameters().values():
        p.values += 1
    for name, p in net.parameters().items():
        assert (state[name] != p.values).all()
        with pytest.raises(ValueError, match="read-only"):
            state[name][...] = 0
    net.load_state_dict(state)
    for name, p in net.parameters().items():
        np.testing.assert_array_equal(state[name], p.values)
        p.values += 1  # the mode is as it was


def test_load_state_dict_of_a_network_refuses_and_changes_nothing():
    net = Network()
    before = net.state_dict()
    good = {k: v + 1 for k, v in before.items()}
    for change, error, message in [
        ({"blocks.1.scale": np.ones(2)}, ValueError, r"blocks\.1\.scale must have shape \(1,\)"),
        ({"more": np.ones(2)}, ValueError, r"d must have the keys .* unexpected \['more'\]"),
        ({"stem.bias": np.ones(2, np.float32)}, TypeError, r"stem\.bias must have dtype float64"),
    ]:
        with pytest.raises(error, match=f"^{message}"):
            net.load_state_dict({**good, **change})
    with pytest.raises(TypeError, match=r"^d must be a mapping; got int"):
        net.load_state_dict(3)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    net.load_state_dict({"stem.bias": np.ones(2), "more": 1}, strict=False)
    assert (net.stem.bias == 1).all()


@pytest.mark.parametrize("extension", [".npz", ".safetensors"])
@pytest.mark.parametrize("mode", [False, True])
def test_files(tmp_path, extension, mode):
    if extension == ".safetensors":
        pytest.importorskip("safetensors")
    net, other = Network(), Network()
    net.set_train_mode()
    for p in net.parameters().values():
        p.values += 1
    net._set_mode(mode)
    path = tmp_path / f"net{extension}"
    net.save(path)
    x = np.ones((1, 4, 4, 2))
    other(x)
    other.load(str(path))
    np.testing.assert_array_equal(other(x), net(x))
    partial = Sequential(net.stem)
    with pytest.raises(ValueError, match=r"^d must have the keys"):
        partial.load(path)
    partial.load(path, strict=False)


def test_files_of_other_kinds(tmp_path):
    net = Network()
    for call in (net.save, net.load):
        with pytest.raises(ValueError, match=r"^path must end with \.npz or \.safetensors; got"):
            call(tmp_path / "net.pt")
        with pytest.raises(TypeError, match=r"^path must be a str or a path; got bytes"):
            call(b"net.npz")
    assert not list(tmp_path.iterdir())


def test_safetensors_is_optional(tmp_path, monkeypatch):
    import sys

    for name in ("safetensors", "safetensors.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'pip install "fastconv\[safetensors\]"'):
        Network().save(tmp_path / "net.safetensors")


def test_networks_are_copied_whole():
    net = Network()
    net.set_eval_mode()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin.again is twin.blocks[0]
        x = np.ones((1, 4, 4, 2))
        np.testing.assert_array_equal(twin(x), net(x))
        with pytest.raises(ValueError, match="read-only"):
            twin.again.scale.values += 1
        twin.set_train_mode()
        twin.stem.filter += 1
        assert (twin(x) != net(x)).any()
        twin = copy.deepcopy(twin)
        twin.again.scale.values += 1
