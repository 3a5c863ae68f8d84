"""Weight normalisation: w = g * v / ||v||, however g and v come in."""

import copy
import inspect
import pickle

import numpy as np
import pytest

from fastconv import Conv1D, ConvTranspose1d, WeightNormConv1d, WeightNormConvTranspose1d

BOTH = pytest.mark.parametrize(
    ("make", "plain"),
    [(WeightNormConvTranspose1d, ConvTranspose1d), (WeightNormConv1d, Conv1D)],
)
LAYOUTS = pytest.mark.parametrize("permute", [False, True])


def weight_of(layer):
    conv = layer.conv
    return conv.filter if isinstance(conv, Conv1D) else conv.weight


def rows(layer, array):
    """A weight as a matrix of one row per channel that has a norm of its own."""
    array = np.moveaxis(np.asarray(array, np.float64), 0 if layer.conv.permute else -1, 0)
    return array.reshape(len(array), -1)


def normed(layer, g, v):
    v = rows(layer, v)
    return g.reshape(-1, 1) * v / np.linalg.norm(v, axis=1, keepdims=True)


@BOTH
def test_parameters_are_those_of_the_plain_layer(make, plain):
    mine, other = (inspect.signature(m).parameters for m in (make, plain))
    assert [*mine] == [*other]
    for name in mine:
        assert mine[name].default == other[name].default or name == "rng"
        assert mine[name].kind == other[name].kind


@BOTH
@LAYOUTS
def test_shapes_and_initial_values(make, plain, permute):
    layer = make(5, 4, 6, permute=permute, has_bias=True, rng=3)
    conv = plain(5, 4, 6, permute=permute, has_bias=True, rng=3)
    channels = 4 if plain is ConvTranspose1d else 6
    assert type(layer.conv) is plain
    assert layer.weight_g.shape == (channels, 1, 1)
    assert layer.weight_v.shape == weight_of(layer).shape
    np.testing.assert_array_equal(layer.weight_v, weight_of(layer))
    np.testing.assert_array_equal(layer.bias, conv.bias)
    norms = np.linalg.norm(rows(layer, layer.weight_v), axis=1)
    np.testing.assert_allclose(layer.weight_g[:, 0, 0], norms, rtol=1e-6)
    x = np.random.default_rng(0).standard_normal((1, 4, 9) if permute else (1, 9, 4))
    np.testing.assert_array_equal(layer(x.astype(np.float32)), conv(x.astype(np.float32)))


@BOTH
@LAYOUTS
def test_assigning_takes_effect(make, plain, permute, dtype):
    layer = make(5, 4, 6, dtype, permute=permute, has_bias=True)
    rng = np.random.default_rng(0)
    g, v = (rng.standard_normal(a.shape).astype(dtype) for a in (layer.weight_g, layer.weight_v))
    close = {"rtol": 4 * np.finfo(dtype).eps}
    layer.weight_g = g
    np.testing.assert_allclose(
        rows(layer, weight_of(layer)), normed(layer, g, layer.weight_v), **close
    )
    layer.weight_v = v
    np.testing.assert_allclose(rows(layer, weight_of(layer)), normed(layer, g, v), **close)
    np.testing.assert_array_equal(layer.weight_g, g)
    np.testing.assert_array_equal(layer.weight_v, v)
    layer.bias = np.arange(6, dtype=dtype)
    x = rng.standard_normal((1, 4, 9) if permute else (1, 9, 4)).astype(dtype)
    same = plain(5, 4, 6, dtype, permute=permute, has_bias=True)
    same.load_state_dict({"weight": weight_of(layer), "bias": layer.bias})
    np.testing.assert_array_equal(layer(x, num_threads=1), same(x))
    for name in ("weight_g", "weight_v", "bias"):
        with pytest.raises(ValueError):
            getattr(layer, name)[...] = 0


@BOTH
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_norms_out_of_range_of_squares(make, plain, scale):
    layer = make(5, 4, 6)
    g, v = layer.weight_g, layer.weight_v
    before = weight_of(layer)
    layer.load_state_dict({"weight_g": g, "weight_v": v * np.float32(scale)})
    np.testing.assert_allclose(weight_of(layer), before, rtol=1e-5)
    layer = make(5, 4, 6, np.float64)
    layer.weight_v = layer.weight_v * (scale**9)
    assert np.isfinite(weight_of(layer)).all()


@BOTH
@LAYOUTS
@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_norms_must_be_finite_and_not_zero(make, plain, permute, bad):
    layer = make(5, 4, 6, permute=permute)
    v, before = layer.weight_v.copy(), weight_of(layer)
    v[2 if permute else np.s_[..., 2]] = bad
    channels = "input" if plain is ConvTranspose1d else "output"
    message = f"^weight_v must have a norm .* each {channels} channel; got {bad} for channel 2"
    with pytest.raises(ValueError, match=message):
        layer.weight_v = v
    with pytest.raises(ValueError, match=message):
        layer.load_state_dict({"weight_g": layer.weight_g, "weight_v": v})
    assert weight_of(layer) is before


@BOTH
@pytest.mark.parametrize("name", [None, "ups.0"])
def test_state(make, plain, name):
    layer = make(5, 4, 6, has_bias=True, name=name, permute=True)
    prefix = f"{name}." if name else ""
    state = layer.state_dict()
    assert list(state) == [prefix + key for key in ("weight_g", "weight_v", "bias")]
    rng = np.random.default_rng(0)
    new = {k: rng.standard_normal(a.shape).astype(np.float32) for k, a in state.items()}
    layer.load_state_dict(new)
    for key, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, new[key])
    weight = weight_of(layer)
    parametrized = {
        prefix + "bias": new[prefix + "bias"],
        prefix + "parametrizations.weight.original0": new[prefix + "weight_g"],
        prefix + "parametrizations.weight.original1": new[prefix + "weight_v"],
    }
    other = make(5, 4, 6, has_bias=True, name=name, permute=True)
    other.load_state_dict(parametrized)
    np.testing.assert_array_equal(weight_of(other), weight)
    x = np.ones((1, 4, 9), np.float32)
    for same in (other, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(same(x), layer(x))
        with pytest.raises(ValueError):
            same.weight_v.flags.writeable = True


def test_bad_state():
    layer = WeightNormConvTranspose1d(5, 4, 6, has_bias=True)
    state = layer.state_dict()
    with pytest.raises(TypeError, match=r"^d must be a mapping; got list"):
        layer.load_state_dict([])
    with pytest.raises(ValueError, match=r"^d must have the keys .* missing \['bias'\]"):
        layer.load_state_dict({k: v for k, v in state.items() if k != "bias"})
    with pytest.raises(ValueError, match=r"^d must have each array once; got \['param"):
        layer.load_state_dict({**state, "parametrizations.weight.original0": layer.weight_g})
    layer.load_state_dict({"other": 1}, strict=False)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("weight_g", (4,), r"weight_g must have shape \(4, 1, 1\); got weight_g\.shape=\(4,\)"),
        ("weight_v", (4, 6, 5), r"weight_v must have shape \(5, 6, 4\); got"),
        ("bias", (6,), r"bias must not be set on a layer made with has_bias=False"),
    ],
)
def test_bad_assignments(name, shape, message):
    layer = WeightNormConvTranspose1d(5, 4, 6)
    with pytest.raises(ValueError, match=f"^{message}"):
        setattr(layer, name, np.ones(shape, np.float32))


def test_name_and_repr():
    with pytest.raises(TypeError, match=r"^name must be a str or None; got name=3"):
        WeightNormConv1d(3, 2, 4, name=3)
    layer = WeightNormConvTranspose1d(4, 2, 4, stride=2, name="up")
    assert repr(layer).startswith("WeightNormConvTranspose1d(length=4, in_channels=2,")
    assert layer.name == "up"


@pytest.mark.parametrize("new_style", [False, True])
def test_checkpoints_of_torch(new_style):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for theirs, mine in (
        (
            torch.nn.ConvTranspose1d(6, 4, 10, stride=5, padding=2, output_padding=1),
            WeightNormConvTranspose1d(
                10, 6, 4, stride=5, padding=2, output_padding=1, has_bias=True, permute=True
            ),
        ),
        (
            torch.nn.Conv1d(6, 4, 3, padding=1),
            WeightNormConv1d(3, 6, 4, padding=1, has_bias=True, permute=True),
        ),
    ):
        if new_style:
            theirs = torch.nn.utils.parametrizations.weight_norm(theirs)
        else:
            with pytest.warns(FutureWarning):
                theirs = torch.nn.utils.weight_norm(theirs)
        mine.load_state_dict({k: v.detach() for k, v in theirs.state_dict().items()})
        mine.weight_g = mine.weight_g * 2
        x = rng.standard_normal((2, 6, 20)).astype(np.float32)
        theirs.load_state_dict(
            {k: v * 2 if k.endswith(("_g", "0")) else v for k, v in theirs.state_dict().items()}
        )
        with torch.no_grad():
            wanted = theirs(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(mine(x), wanted, rtol=1e-4, atol=1e-4)
