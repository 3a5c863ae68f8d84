"""The layers: parameters, attributes, weights, state, shards, copies, and what they remember."""

import copy
import inspect
import pickle
import threading
from dataclasses import replace

import numpy as np
import pytest
from cases import Case, channels_first, check, filter_channels_first

import fastconv
from fastconv import Conv1D, Conv2d, DeviceRef, ShardingStrategy, algorithms

POSITIONAL = (
    *("kernel_size", "in_channels", "out_channels", "dtype", "stride", "padding", "dilation"),
    *("num_groups", "device", "has_bias", "permute", "name"),
)
KEYWORD_ONLY = ("pad_mode", "pad_value", "activation", "algorithm", "rng")
BOTH = pytest.mark.parametrize("make", [Conv1D, Conv2d])
CASES = [
    Case((9, 10), 8, 16, (3, 2), padding=1, stride=(2, 1), bias=True, data="normal"),
    Case((9, 10), 6, 12, (3, 3), padding="same", groups=3, bias=True, data="normal"),
    Case((30,), 6, 9, (4,), padding="causal", dilation=2, bias=True, data="normal"),
    Case((30,), 8, 8, (5,), padding=2, groups=8, stride=3, data="normal"),
]


def ones(*shape):
    return np.ones(shape, np.float32)


def small(make, **parameters):
    """A layer from 2 to 4 channels with a bias, and an input for it."""
    layer = make(3, 2, 4, has_bias=True, rng=0, **parameters)
    size = (6, 5) if make is Conv2d else (6,)
    channel_first = parameters.get("permute", False)
    rng = np.random.default_rng(1)
    shape = (1, 2, *size) if channel_first else (1, *size, 2)
    return layer, rng.standard_normal(shape).astype(layer.dtype)


@BOTH
def test_parameters_and_their_order(make):
    parameters = list(inspect.signature(make).parameters.values())
    kinds = {
        kind: [p.name for p in parameters if p.kind is kind]
        for kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    }
    assert [*kinds.values()] == [[*POSITIONAL], [*KEYWORD_ONLY]]
    defaults = {p.name: p.default for p in parameters}
    assert [defaults[name] for name in POSITIONAL[3:]] == [
        np.float32,
        1,
        0,
        1,
        1,
        None,
        False,
        False,
        None,
    ]
    assert all(defaults[name] is inspect.Parameter.empty for name in POSITIONAL[:3])


def test_positional_use_2d():
    layer = Conv2d(3, 4, 8, np.float64, 2, 1, 3, 2, "cpu", True, True, "conv")
    assert layer.kernel_size == (3, 3)
    assert (layer.in_channels, layer.out_channels, layer.num_groups) == (4, 8, 2)
    assert layer.dtype == np.dtype(np.float64)
    assert layer.stride == (2, 2)
    assert layer.padding == (1, 1, 1, 1)
    assert layer.dilation == (3, 3)
    assert layer.device == DeviceRef.CPU()
    assert layer.has_bias is True
    assert layer.permute is True
    assert layer.name == "conv"
    assert layer.filter.shape == (8, 2, 3, 3)
    assert layer.bias.shape == (8,)
    assert layer.filter.dtype == layer.bias.dtype == np.float64


def test_positional_use_1d():
    layer = Conv1D(3, 4, 8, np.float64, 2, 1, 3, 2, DeviceRef.CPU(), True, True, "conv")
    assert (layer.kernel_size, layer.stride, layer.dilation) == (3, 2, 3)
    assert layer.padding == (1, 1)
    assert layer.filter.shape == (8, 2, 3)
    assert (layer.permute, layer.name) == (True, "conv")


def test_defaults():
    layer = Conv2d(3, 4, 8)
    assert (layer.stride, layer.padding, layer.dilation) == ((1, 1), (0, 0, 0, 0), (1, 1))
    assert layer.dtype == np.float32
    assert (layer.num_groups, layer.has_bias, layer.permute) == (1, False, False)
    assert layer.bias is None
    assert layer.name is None
    assert layer.device == DeviceRef.CPU()
    assert layer.filter.shape == (3, 3, 4, 8)


@pytest.mark.parametrize(
    ("make", "given", "wanted"),
    [
        (Conv2d, {"kernel_size": (2, 5)}, {"kernel_size": (2, 5)}),
        (Conv2d, {"kernel_size": [2, np.int64(5)]}, {"kernel_size": (2, 5)}),
        (Conv2d, {"stride": (2, 3)}, {"stride": (2, 3)}),
        (Conv2d, {"dilation": [2, 3]}, {"dilation": (2, 3)}),
        (Conv2d, {"padding": 2}, {"padding": (2, 2, 2, 2)}),
        (Conv2d, {"padding": (1, 2)}, {"padding": (1, 1, 2, 2)}),
        (Conv2d, {"padding": (1, 2, 3, 4)}, {"padding": (1, 2, 3, 4)}),
        (Conv2d, {"padding": "valid"}, {"padding": (0, 0, 0, 0)}),
        (Conv2d, {"padding": "same"}, {"padding": (1, 1, 1, 1)}),
        (Conv2d, {"padding": "same", "kernel_size": (4, 2)}, {"padding": (1, 2, 0, 1)}),
        (Conv2d, {"dtype": "float64"}, {"dtype": np.dtype(np.float64)}),
        (Conv2d, {"dtype": np.dtype(">f4")}, {"dtype": np.dtype(np.float32)}),
        (Conv1D, {"kernel_size": np.int32(5)}, {"kernel_size": 5}),
        (Conv1D, {"padding": 2}, {"padding": (2, 2)}),
        (Conv1D, {"padding": (1, 2)}, {"padding": (1, 2)}),
        (Conv1D, {"padding": "causal", "dilation": 2}, {"padding": (4, 0)}),
        (Conv1D, {"padding": "same", "kernel_size": 4}, {"padding": (1, 2)}),
        (Conv1D, {"padding": "valid"}, {"padding": (0, 0)}),
    ],
)
def test_attributes_are_normalised(make, given, wanted):
    layer = make(**{"kernel_size": 3, "in_channels": 4, "out_channels": 8, **given})
    for name, value in wanted.items():
        assert getattr(layer, name) == value
        assert type(getattr(layer, name)) is type(value)
        if isinstance(value, tuple):
            assert all(type(item) is int for item in getattr(layer, name))


@BOTH
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("permute", [False, True])
def test_initial_weights_are_uniform_by_fan_in(make, groups, permute):
    layer = make(3, 64, 128, num_groups=groups, has_bias=True, permute=permute, rng=0)
    bound = (64 // groups * 3 ** (2 if make is Conv2d else 1)) ** -0.5
    for values in (layer.filter, layer.bias):
        assert abs(values).max() <= bound * (1 + 1e-6)
        assert abs(values).max() > 0.95 * bound
    assert abs(layer.filter.mean()) < 5 * bound / np.sqrt(3 * layer.filter.size)
    np.testing.assert_allclose(layer.filter.std(), bound / np.sqrt(3), rtol=0.03)


@BOTH
def test_rng(make):
    def filter_of(rng):
        return make(3, 2, 4, rng=rng).filter

    np.testing.assert_array_equal(filter_of(7), filter_of(np.random.default_rng(7)))
    assert (filter_of(7) != filter_of(8)).any()
    assert (filter_of(None) != filter_of(None)).any()
    shared = np.random.default_rng(7)
    assert (filter_of(shared) != filter_of(shared)).any()


@BOTH
def test_assignment_takes_effect_at_once(make):
    layer, x = small(make)
    layer(x)
    before = layer(x)
    layer.filter = 2 * layer.filter
    layer.bias = 2 * layer.bias
    np.testing.assert_array_equal(layer(x), 2 * before)
    layer.bias = np.zeros(4, np.float32)
    layer.filter = np.zeros_like(layer.filter)
    assert not layer(x).any()


@BOTH
def test_later_changes_of_an_assigned_array_have_no_effect(make):
    layer, x = small(make)
    mine, my_bias = layer.filter.copy(), layer.bias.copy()
    layer.filter, layer.bias = mine, my_bias
    before = layer(x)
    mine[...], my_bias[...] = 0, 0
    np.testing.assert_array_equal(layer(x), before)
    assert layer.filter.any()
    assert layer.bias.any()


@BOTH
def test_weights_are_read_only(make):
    layer, _ = small(make)
    for values in (layer.filter, layer.bias, *layer.state_dict().values()):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            values.flags.writeable = True
        with pytest.raises(ValueError, match="read-only"):
            values.reshape(-1).view(np.uint8)[0] = 1


@BOTH
def test_sizes_are_read_only(make):
    layer, _ = small(make)
    for name in POSITIONAL:
        with pytest.raises(AttributeError):
            setattr(layer, name, getattr(layer, name))


@pytest.mark.parametrize("prefix", [None, "", "encoder.0"])
@pytest.mark.parametrize("permute", [False, True])
@BOTH
def test_state_dict_round_trip(make, permute, prefix):
    source, x = small(make, permute=permute, name=prefix)
    target = make(3, 2, 4, has_bias=True, permute=permute, name=prefix)
    state = source.state_dict()
    dot = f"{prefix}." if prefix else ""
    assert [*state] == [f"{dot}weight", f"{dot}bias"]
    assert state[f"{dot}weight"].shape == source.filter.shape
    target(x)
    target.load_state_dict(state)
    np.testing.assert_array_equal(target(x), source(x))
    for name in ("filter", "bias"):
        np.testing.assert_array_equal(getattr(target, name), getattr(source, name))


@BOTH
def test_state_dict_without_bias(make):
    assert [*make(3, 2, 4).state_dict()] == ["weight"]


@BOTH
def test_state_dict_not_strict(make):
    layer, _ = small(make)
    bias = layer.bias
    new = np.full_like(layer.filter, 3)
    layer.load_state_dict({"weight": new, "other": 1}, strict=False)
    np.testing.assert_array_equal(layer.filter, new)
    np.testing.assert_array_equal(layer.bias, bias)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"bias": None},
            ValueError,
            r"d must have the keys .*; missing \['bias'\], unexpected \[\]",
        ),
        ({"more": ones(1)}, ValueError, r"d must have .* missing \[\], unexpected \['more'\]"),
        ({"bias": ones(5)}, ValueError, r"bias must have shape \(4,\); got bias\.shape=\(5,\)"),
        ({"weight": ones(3, 4, 2)}, ValueError, r"weight must have shape \(3, 2, 4\); got"),
        ({"bias": np.ones(4)}, TypeError, r"bias must have dtype float32, so use .*float64"),
    ],
)
def test_load_state_dict_refuses_and_changes_nothing(change, error, message):
    layer, x = small(Conv1D)
    before = layer(x)
    new = {"weight": ones(3, 2, 4), "bias": ones(4), **change}
    with pytest.raises(error, match=f"^{message}"):
        layer.load_state_dict({k: v for k, v in new.items() if v is not None})
    np.testing.assert_array_equal(layer(x), before)


def test_load_state_dict_needs_a_mapping():
    with pytest.raises(TypeError, match=r"^d must be a mapping; got list"):
        Conv1D(3, 2, 4).load_state_dict([])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_permute_is_the_same_convolution(level, dtype, case):
    check(case, dtype)
    check(replace(case, permute=True), dtype)
    x, weight, bias, _ = case.arrays(dtype)
    last, first = case.layer(weight, bias), replace(case, permute=True).layer(weight, bias)
    np.testing.assert_array_equal(first.filter, filter_channels_first(weight))
    np.testing.assert_array_equal(first(channels_first(x)), channels_first(last(x)))
    np.testing.assert_array_equal(first(channels_first(x)[0]), channels_first(last(x))[0])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_layer_is_the_function(level, dtype, case):
    x, weight, bias, _ = case.arrays(dtype)
    layer = case.layer(weight, bias)
    wanted = case.run(x, weight, bias)
    residual = np.ones_like(wanted)
    for _ in range(2):  # packed, then kept
        np.testing.assert_array_equal(layer(x), wanted)
        np.testing.assert_array_equal(
            layer(x, residual=residual), case.run(x, weight, bias, residual)
        )
    out = np.empty_like(wanted)
    assert layer(x, out=out, num_threads=2) is out
    np.testing.assert_array_equal(out, wanted)
    assert layer(x[:0]).shape == (0, *wanted.shape[1:])
    assert layer(x[0]).shape == wanted.shape[1:]


def test_same_with_a_stride_depends_on_the_input():
    layer = Conv2d(3, 2, 4, stride=2, padding="same", rng=0, algorithm="direct")
    assert layer.padding == "same"
    for h in range(1, 8):
        x = np.random.default_rng(h).standard_normal((1, h, 7, 2)).astype(np.float32)
        y = layer(x)
        assert y.shape == (1, -(-h // 2), 4, 4)
        wanted = fastconv.conv2d(x, layer.filter, stride=2, padding="same", algorithm="direct")
        np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize("device", [None, "cpu", DeviceRef.CPU(), DeviceRef.CPU(1)])
@BOTH
def test_devices(make, device):
    layer = make(3, 2, 4, device=device)
    assert layer.device == (device if isinstance(device, DeviceRef) else DeviceRef.CPU())
    assert layer.device.is_cpu()
    assert not layer.device.is_gpu()


@pytest.mark.parametrize("device", ["gpu", "cuda:0", DeviceRef.GPU(), DeviceRef.GPU(3)])
@BOTH
def test_gpu_is_refused(make, device):
    with pytest.raises(ValueError, match=r"^device must be .* fastconv runs on CPUs; got device="):
        make(3, 2, 4, device=device)


@pytest.mark.parametrize("device", [0, 1.5, object(), ["cpu"]])
def test_what_is_no_device_is_refused(device):
    with pytest.raises(TypeError, match=r"^device must be .* fastconv runs on CPUs; got device="):
        Conv2d(3, 2, 4, device=device)


@BOTH
def test_replicas_share_one_filter(make):
    layer, x = small(make)
    wanted = layer(x)
    layer.sharding_strategy = ShardingStrategy.replicate(3)
    shards = layer.shard(["cpu", DeviceRef.CPU(1), DeviceRef.CPU(2)])
    assert [shard.device.id for shard in shards] == [0, 1, 2]
    for shard in shards:
        assert type(shard) is make
        assert np.shares_memory(shard.filter, layer.filter)
        np.testing.assert_array_equal(shard(x), wanted)
    shards[0].filter = 2 * layer.filter
    assert (shards[0](x) != wanted).any()
    for other in (layer, *shards[1:]):
        np.testing.assert_array_equal(other(x), wanted)


@BOTH
def test_replicas_pack_once(make, monkeypatch):
    layer, x = small(make, algorithm="direct")
    packed = []
    pack = algorithms.Direct.pack
    monkeypatch.setattr(algorithms.Direct, "pack", lambda *a: packed.append(a) or pack(*a))
    layer.sharding_strategy = ShardingStrategy.replicate(4)
    for shard in layer.shard(["cpu"] * 4):
        shard(x)
        shard(x)
    layer(x)
    assert len(packed) == 1


@pytest.mark.parametrize("permute", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
@BOTH
def test_split_output_channels_join_to_the_whole(make, number, permute):
    layer, x = small(make, permute=permute, activation="relu")
    layer.sharding_strategy = ShardingStrategy.output_channels(number)
    shards = layer.shard([DeviceRef.CPU(i) for i in range(number)])
    assert sum(shard.out_channels for shard in shards) == layer.out_channels
    joined = np.concatenate([shard(x) for shard in shards], axis=1 if permute else -1)
    np.testing.assert_array_equal(joined, layer(x))


@pytest.mark.parametrize(
    ("strategy", "devices", "message"),
    [
        (None, ["cpu"], r"sharding_strategy must be set before shard is called"),
        (ShardingStrategy.replicate(2), ["cpu"] * 3, r"replicate\(2\) needs 1 to 2 .*; got 3"),
        (ShardingStrategy.replicate(2), [], r"replicate\(2\) needs 1 to 2 devices; got 0"),
        (ShardingStrategy.output_channels(2), ["cpu"], r"output_channels\(2\) needs 2.*; got 1"),
        (ShardingStrategy.output_channels(2), ["cpu"] * 3, r"output_channels\(2\) .*; got 3"),
        (ShardingStrategy.replicate(2), ["cpu", "gpu"], r"device must be .*; got device='gpu'"),
    ],
)
@BOTH
def test_shards_that_the_strategy_does_not_allow(make, strategy, devices, message):
    layer, _ = small(make)
    layer.sharding_strategy = strategy
    with pytest.raises(ValueError, match=f"^{message}"):
        layer.shard(devices)


@pytest.mark.parametrize("number", [0, -1])
def test_strategy_for_no_devices(number):
    for make in (ShardingStrategy.replicate, ShardingStrategy.output_channels):
        with pytest.raises(ValueError, match=r"^num_devices must be at least 1; got num_devices="):
            make(number)
        with pytest.raises(TypeError, match=r"^num_devices must be an int; got num_devices="):
            make(number + 0.5)


@BOTH
def test_strategies_that_a_layer_refuses(make):
    layer = make(3, 4, 4, num_groups=2)
    for strategy, error, message in [
        (ShardingStrategy.output_channels(2), ValueError, "num_groups must be 1 to split .*=2"),
        ("replicate", TypeError, "sharding_strategy must be a ShardingStrategy or None"),
    ]:
        with pytest.raises(error, match=f"^{message}"):
            layer.sharding_strategy = strategy
        assert layer.sharding_strategy is None
    with pytest.raises(ValueError, match=r"^out_channels must be at least num_devices"):
        make(3, 4, 4).sharding_strategy = ShardingStrategy.output_channels(5)
    layer.sharding_strategy = ShardingStrategy.replicate(2)
    assert layer.shard(["cpu"])[0].sharding_strategy is None


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize(
    "duplicate", [lambda a: pickle.loads(pickle.dumps(a)), copy.deepcopy, copy.copy]
)
@BOTH
def test_copies(make, duplicate, called):
    layer, x = small(make, name="a", padding="same", activation=("leaky_relu", 0.5), permute=True)
    if called:
        layer(x)
    wanted = layer(x)
    twin = duplicate(layer)
    for name in (*POSITIONAL, *KEYWORD_ONLY[:-1]):
        assert getattr(twin, name) == getattr(layer, name)
    assert repr(twin) == repr(layer)
    np.testing.assert_array_equal(twin(x), wanted)
    twin.filter = 0 * twin.filter
    np.testing.assert_array_equal(layer(x), wanted)
    assert (twin(x) != wanted).any()
    with pytest.raises(ValueError, match="read-only"):
        twin.filter[0] = 1


@BOTH
def test_repr_names_the_layer(make):
    layer, _ = small(make, padding=1, activation="relu", pad_mode="reflect")
    assert repr(layer).startswith(f"{make.__name__}(kernel_size=")
    for part in ("in_channels=2", "out_channels=4", "dtype=float32", "'relu'", "'reflect'"):
        assert part in repr(layer)


def test_one_thread_assigns_while_others_call():
    """Every result belongs to one whole filter, old or new."""
    layer = Conv2d(3, 16, 16, padding=1)
    x = np.ones((1, 20, 20, 16), np.float32)
    wanted = {}
    for value in (1, 2):
        layer.filter = np.full((3, 3, 16, 16), value, np.float32)
        wanted[value] = layer(x)
    stop, wrong = threading.Event(), []

    def call():
        while not stop.is_set():
            y = layer(x)
            if not any(np.array_equal(y, w) for w in wanted.values()):
                wrong.append(y)

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    for turn in range(200):
        layer.filter = np.full((3, 3, 16, 16), 1 + turn % 2, np.float32)
    stop.set()
    for caller in callers:
        caller.join()
    assert not wrong
