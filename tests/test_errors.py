"""Every bad input: which exception, which message (rule first, then the values), nothing written.

Each table row is (what is changed in a good call, exception, pattern of the message).
"""

import numpy as np
import pytest

import fastconv

CANARY = 123.0


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def read_only(a):
    a.flags.writeable = False
    return a


def unaligned(*shape):
    return np.zeros(4 * np.prod(shape) + 1, np.uint8)[1:].view(np.float32).reshape(shape)


def overlapping_itself(*shape):
    a = np.lib.stride_tricks.as_strided(np.zeros(2000, np.float32), shape, (4,) * len(shape))
    return a


class OnGPU:
    """A DLPack object whose memory is CUDA's."""

    def __dlpack__(self, **keywords):
        raise AssertionError("must not be asked for its memory")

    def __dlpack_device__(self):
        return (2, 0)


class NeedsGrad:
    """A DLPack object that refuses, as a torch tensor that requires grad does."""

    def __dlpack__(self, **keywords):
        raise BufferError("Can't export tensors that require gradient")

    def __dlpack_device__(self):
        return (1, 0)


T, V = TypeError, ValueError

ARRAYS_2D = [
    ("x", [[1.0]], T, r"x must be a NumPy array or offer __dlpack__ .*; got list"),
    ("x", None, T, r"x must be a NumPy array .*; got NoneType"),
    ("x", 1.0, T, r"x must be a NumPy array .*; got float"),
    ("x", "cat", T, r"x must be a NumPy array .*; got str"),
    ("x", OnGPU(), T, r"x must be in CPU memory.*; got OnGPU on DLPack device type 2"),
    ("x", NeedsGrad(), T, r"x must be readable through DLPack.*require gradient"),
    ("x", np.ma.zeros((1, 8, 8, 4), np.float32), T, r"x must not be a masked array"),
    (
        "x",
        zeros(1, 8, 8, 4, dtype=np.float64),
        T,
        r"x must have dtype float32, so use x\.astype\(np\.float32\); got x\.dtype=float64",
    ),
    *(
        ("x", zeros(1, 8, 8, 4, dtype=t), T, rf"x must have dtype float32.*; got x\.dtype={t}")
        for t in ("complex64", "complex128", "object", "int32", "uint8", "bool", "float16")
    ),
    *(
        (
            "weight",
            zeros(3, 3, 4, 8, dtype=t),
            T,
            rf"weight must have dtype float32 or float64.*; got weight\.dtype={t}",
        )
        for t in ("complex64", "object", "int64", "float16")
    ),
    ("weight", [1.0], T, r"weight must be a NumPy array .*; got list"),
    ("weight", zeros(3, 3, 8), V, r"weight must have shape \(.*\); got weight\.shape=\("),
    ("weight", zeros(3, 3, 5, 8), V, r"weight must have shape \(3, 3, 4, 8\); got .*5, 8\)"),
    ("weight", zeros(3, 3, 4, 0), V, r"out_channels must be at least 1; got .*=0"),
    ("weight", zeros(3, 0, 4, 8), V, r"kernel_size.* must be at least 1; got .*=0"),
    ("bias", zeros(7), V, r"bias must have shape \(8,\); got bias\.shape=\(7,\)"),
    ("bias", zeros(1, 8), V, r"bias must have shape \(8,\); got bias\.shape=\(1, 8\)"),
    ("bias", zeros(8, dtype=np.float64), T, r"bias must have dtype float32, so use bias\."),
    ("bias", 0.0, T, r"bias must be a NumPy array .*; got float"),
    ("residual", zeros(1, 6, 6, 7), V, r"residual must have shape .*6, 8\); got .*6, 7\)"),
    ("residual", zeros(6, 6, 8), V, r"residual must have shape \(1, .*6, 8\); got"),
    (
        "residual",
        zeros(1, 6, 6, 8, dtype=np.float64),
        T,
        r"residual must have dtype float32, so use residual\.astype\(np\.float32\)",
    ),
    ("x", zeros(8), V, r"x must have shape \(n, .*c\) or \(.*c\); got x\.shape=\(8,\)"),
    ("x", zeros(1, 1, 1, 8, 8, 4), V, r"x must have shape \(n, .*\) or \(.*c\); got"),
    ("x", zeros(1, 8, 8, 0), V, r"in_channels must be at least 1; got in_channels=0"),
    (
        "x",
        zeros(1, 2, 9, 4),
        V,
        r"kernel larger than the padded input; got dilated kernel \(3, 3\), padded input \(2, 9\)",
    ),
    ("x", zeros(1, 0, 8, 4), V, r"kernel larger than the padded input; got .*\(0, 8\)"),
]
ARRAYS_1D = [
    ("x", [1.0], T, r"x must be a NumPy array or offer __dlpack__ .*; got list"),
    ("x", zeros(1, 8, 4, dtype=np.float64), T, r"x must have dtype float32, so use x\."),
    ("x", zeros(1, 1, 8, 4), V, r"x must have shape \(n, l, c\) or \(l, c\); got x\.shape"),
    ("x", zeros(8), V, r"x must have shape \(n, l, c\) or \(l, c\); got x\.shape=\(8,\)"),
    ("x", zeros(1, 2, 4), V, r"kernel larger than the padded input; got .*3.*2"),
    ("weight", zeros(3, 8), V, r"weight must have shape \(k, in_channels / groups, out"),
    ("weight", zeros(1, 3, 4, 8), V, r"weight must have shape \(k, .*\); got .*\(1, 3, "),
    ("weight", zeros(3, 5, 8), V, r"weight must have shape \(3, 4, 8\); got .*\(3, 5, 8\)"),
    ("weight", zeros(0, 4, 8), V, r"kernel_size must be at least 1; got kernel_size=0"),
    ("bias", zeros(7), V, r"bias must have shape \(8,\); got bias\.shape=\(7,\)"),
    ("residual", zeros(1, 8, 8), V, r"residual must have shape \(1, 6, 8\); got .*8, 8\)"),
    ("out", zeros(1, 8, 8), V, r"out must have shape \(1, 6, 8\); got out\.shape=\(1, 8, 8"),
    ("out", zeros(6, 8), V, r"out must have shape \(1, 6, 8\); got out\.shape=\(6, 8\)"),
]
PARAMETERS = [
    *(
        (name, value, V, rf"{name}(\[.\])? must be at least 1; got {name}(\[.\])?={value}")
        for name in ("stride", "dilation", "groups", "num_threads")
        for value in (0, -1, np.int64(-3))
    ),
    *(
        (name, value, T, rf"{name}(\[.\])? must be an int; got {name}(\[.\])?=.*")
        for name in ("stride", "dilation", "groups", "padding", "num_threads")
        for value in (1.0, True, np.True_, np.float32(1), "1", 1j, {1})
        if (name, value) != ("padding", "1")
    ),
    ("stride", None, T, r"stride must be an int; got stride=None"),
    ("padding", None, T, r"padding must be an int; got padding=None"),
    ("groups", (1,), T, r"groups must be an int; got groups=\(1,\)"),
    ("stride", 2**40, V, r"stride must be at most 2147483647; got stride=1099511627776"),
    ("dilation", 4, V, r"kernel larger than the padded input; got dilated .*9.*8"),
    ("padding", -1, V, r"padding must be at least 0; got padding=-1"),
    ("padding", "full", V, r"padding must be ints or 'same'.*; got padding='full'"),
    ("groups", 3, V, r"in_channels must be divisible by groups; got .*=4, groups=3"),
    ("pad_mode", "zeros", V, r"pad_mode must be one of 'constant', .*got pad_mode='zeros'"),
    ("pad_mode", None, V, r"pad_mode must be one of .*; got pad_mode=None"),
    ("pad_value", "0", T, r"pad_value must be a real number; got pad_value='0'"),
    ("pad_value", 1j, T, r"pad_value must be a real number; got pad_value=1j"),
    ("pad_value", True, T, r"pad_value must be a real number; got pad_value=True"),
    ("pad_value", None, T, r"pad_value must be a real number; got pad_value=None"),
    ("pad_value", 1e39, V, r"pad_value must be within float32's range; got .*1e\+39"),
    ("activation", "gelu", V, r"activation must be None, 'relu', .*; got .*='gelu'"),
    ("activation", max, T, r"activation must be None, 'relu', .*; got activation=<"),
    ("activation", ("relu", 1.0), V, r"activation must be None, .*\('relu', 1\.0\)"),
    ("activation", ("leaky_relu", "1"), T, r"slope must be a real number; got slope='1'"),
    ("activation", ("leaky_relu", -np.inf), V, r"slope must be finite.*; got slope=-inf"),
    ("activation", ("leaky_relu", np.nan), V, r"slope must be finite.*; got slope=nan"),
    ("algorithm", "fft", V, r"algorithm must be 'auto', .*; got algorithm='fft'"),
    ("pad_mode", np.array(["edge", "wrap"]), V, r"pad_mode must be one of"),
    ("algorithm", np.array(["auto", "direct"]), V, r"algorithm must be 'auto', "),
    ("algorithm", None, V, r"algorithm must be 'auto', .*; got algorithm=None"),
    (
        "algorithm",
        "depthwise",
        V,
        r"algorithm='depthwise' supports one input channel per group; got .* in 1 groups",
    ),
    (
        "algorithm",
        "winograd_4_3_stride2",
        V,
        r"algorithm='.*' supports stride 2 with a filter of 3 taps along one axis and no dilation; "
        r"got kernel \(., 3\), stride \(1, 1\), dilation \(1, 1\), 4 input channels in 1 groups$",
    ),
    (
        "algorithm",
        "winograd_4x4_2x2",
        V,
        r"algorithm='.*' supports stride 1 with a filter of 2 rows and columns; got kernel \(",
    ),
    (
        "algorithm",
        "grouped",
        V,
        r"algorithm='grouped' supports 2 or more groups of 2 or more input .*; got .* in 1 groups",
    ),
]
# `out` for conv2d
OUTS = [
    ("out", zeros(1, 6, 6, 7), V, r"out must have shape \(1, .*6, 8\); got out\.shape=\(1, .*7\)"),
    ("out", zeros(6, 6, 8), V, r"out must have shape \(1, .*6, 8\); got out\.shape=\("),
    ("out", zeros(1, 6, 6, 8, dtype=np.float64), T, r"out must have dtype float32; got .*float64"),
    ("out", zeros(1, 6, 6, 8, dtype=">f4"), T, r"out must have dtype float32; got out\.dtype=>f4"),
    ("out", zeros(1, 6, 6, 8, dtype=np.int32), T, r"out must have dtype float32; got .*int32"),
    ("out", read_only(zeros(1, 6, 6, 8)), V, r"out must be writeable; got out\.flags\.writ"),
    ("out", np.broadcast_to(np.float32(0), (1, 6, 6, 8)), V, r"out must be writeable"),
    ("out", unaligned(1, 6, 6, 8), V, r"out must be aligned; got out\.flags\.aligned=False"),
    ("out", overlapping_itself(1, 6, 6, 8), V, r"out must not overlap itself; got .*strides"),
    ("out", [0.0], T, r"out must be a NumPy array without a mask; got list"),
    ("out", np.ma.zeros((1, 6, 6, 8), np.float32), T, r"out must be a NumPy array without a mask"),
]
ONLY_2D = [
    ("stride", (1, 0), V, r"stride\[1\] must be at least 1; got stride\[1\]=0"),
    ("stride", (1, 1, 1), V, r"stride must be an int or 2 ints; got stride=\(1, 1, 1\)"),
    ("stride", (1,), V, r"stride must be an int or 2 ints; got stride=\(1,\)"),
    ("dilation", [1, 2.0], T, r"dilation\[1\] must be an int; got dilation\[1\]=2\.0"),
    ("padding", (0, 0, -1, 0), V, r"padding\[2\] must be at least 0; got padding\[2\]=-1"),
    ("padding", (1, 1, 1), V, r"padding must be an int or 2 or 4 ints; got padding="),
    ("padding", (), V, r"padding must be an int or 2 or 4 ints; got padding=\(\)"),
    ("padding", "causal", V, r"padding must be ints or 'same' or 'valid'; got padding='c"),
    ("padding", 2**31 - 1, V, r"the output must have at most 2\*\*57 bytes; got shape"),
    ("padding", 2**31, V, r"padding must be at most 2147483647; got padding=2147483648"),
]
ONLY_1D = [
    ("stride", (1,), T, r"stride must be an int; got stride=\(1,\)"),
    ("dilation", (2, 2), T, r"dilation must be an int; got dilation=\(2, 2\)"),
    ("padding", (1, 1, 1, 1), V, r"padding must be an int or 2 ints; got padding="),
    ("padding", (0, -1), V, r"padding\[1\] must be at least 0; got padding\[1\]=-1"),
]


def good(dims):
    """The arguments of a call that works."""
    size, kernel = (8, 8)[:dims], (3, 3)[:dims]
    out = np.full((1, *(6, 6)[:dims], 8), CANARY, np.float32)
    return {"x": zeros(1, *size, 4), "weight": zeros(*kernel, 4, 8), "out": out}


def call(dims, **arguments):
    return (fastconv.conv2d if dims == 2 else fastconv.conv1d)(**arguments)


def table(*rows):
    """Rows as parameters of a test, named by what they change."""
    rows = [row for some in rows for row in some]
    names = [f"{name}={type(value).__name__}-{i}" for i, (name, value, *_) in enumerate(rows)]
    return pytest.mark.parametrize(("name", "value", "error", "message"), rows, ids=names)


@pytest.mark.parametrize("dims", [1, 2])
def test_the_good_call_is_good(dims):
    arguments = good(dims)
    assert call(dims, **arguments) is arguments["out"]
    assert (arguments["out"] == 0).all()


@table(ARRAYS_2D, PARAMETERS, OUTS, ONLY_2D)
def test_conv2d(name, value, error, message):
    refuses(2, name, value, error, message)


@table(ARRAYS_1D, PARAMETERS, ONLY_1D)
def test_conv1d(name, value, error, message):
    refuses(1, name, value, error, message)


def refuses(dims, name, value, error, message):
    """The good call with one argument changed raises as it should and writes nothing."""
    arguments = {**good(dims), name: value}
    before = np.copy(arguments["out"])
    with pytest.raises(error, match=f"^{message}"):
        call(dims, **arguments)
    np.testing.assert_array_equal(arguments["out"], before)


def operands():
    return {
        "x": zeros(1, 8, 8, 8),
        "weight": zeros(1, 1, 8, 8),
        "bias": zeros(8),
        "residual": zeros(1, 8, 8, 8),
    }


@pytest.mark.parametrize("operand", ["x", "weight", "bias", "residual"])
def test_out_must_not_share_memory_with_an_input_that_is_copied(operand):
    shape, arguments = (1, 8, 8, 8), operands()
    out = np.full(shape, CANARY, np.float32)
    given = arguments[operand]
    arguments[operand] = out.reshape(-1)[: given.size].reshape(given.shape).view(">f4")
    with pytest.raises(ValueError, match=f"^out must not share memory with {operand}"):
        fastconv.conv2d(**arguments, out=out)
    if operand in ("x", "residual"):  # a layer's own arrays cannot be written to
        layer = fastconv.Conv2d(1, 8, 8)
        inputs = {"x": zeros(*shape), operand: arguments[operand]}
        with pytest.raises(ValueError, match=f"^out must not share memory with {operand}"):
            layer(**inputs, out=out)
    assert (out == CANARY).all()


def test_sizes_that_overflow_when_packed():
    x = np.broadcast_to(np.float32(1), (1, 2**29, 2**29))
    weight = np.broadcast_to(np.float32(1), (2**29, 2**29, 1))
    with pytest.raises(ValueError, match=r"^the filter must have at most 2\*\*57 bytes; got shape"):
        fastconv.conv1d(x, weight)


@pytest.mark.parametrize("operand", ["x", "weight", "bias", "residual"])
def test_out_must_not_share_memory_with_an_input(operand):
    shape, arguments = (1, 8, 8, 8), operands()
    memory = np.full(2000, CANARY, np.float32)
    given = arguments[operand]
    arguments[operand] = memory[100 : 100 + given.size].reshape(given.shape)
    for start in (0, 100, 107, 100 + given.size - 1):
        out = memory[start : start + 512].reshape(shape)
        with pytest.raises(ValueError, match=f"^out must not share memory with {operand}"):
            fastconv.conv2d(**arguments, out=out)
    assert (memory == CANARY).all()


def test_out_may_lie_between_the_elements_of_an_input():
    memory = np.ones((1, 8, 8, 16), np.float32)
    x, out = memory[..., ::2], memory[..., 1::2]
    weight = np.ones((1, 1, 8, 8), np.float32)
    fastconv.conv2d(x, weight, out=out)
    assert (x == 1).all()
    assert (out == 8).all()


def test_an_empty_out_overlaps_nothing():
    """NumPy gives empty arrays strides of 0."""
    x, weight = zeros(0, 6, 6, 3), zeros(3, 3, 3, 8)
    out = zeros(0, 4, 4, 8)
    assert fastconv.conv2d(x, weight, out=out) is out


def test_numpy_integers_are_integers():
    arguments = good(2)
    three = np.ones((1, 8, 8, 4), np.float32), np.ones((3, 3, 2, 8), np.float32)
    one, two = np.int8(1), np.uint64(2)
    y = fastconv.conv2d(*three, stride=(one, two), padding=one, dilation=[two, one], groups=two)
    assert y.shape == (1, 6, 4, 8)
    assert fastconv.conv2d(arguments["x"], arguments["weight"], num_threads=two).shape[1] == 6


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric", "wrap"])
def test_nothing_to_pad_from(mode):
    with pytest.raises(ValueError, match=rf"^pad_mode='{mode}' needs an input that is not empty"):
        fastconv.conv2d(zeros(1, 0, 8, 4), zeros(3, 3, 4, 8), padding=3, pad_mode=mode)


def test_sizes_whose_product_overflows():
    sizes = (2**20, 2**20, 2**20 + 1, 1)
    with pytest.raises(
        ValueError, match=r"^x must have at most 2\*\*57 bytes; got shape \(1048576, "
    ):
        fastconv.conv2d(np.broadcast_to(np.float32(0), sizes), zeros(1, 1, 1, 1))
    layer = fastconv.Conv2d(1, 1, 1)
    with pytest.raises(ValueError, match=r"^x must have at most 2\*\*57 bytes"):
        layer(np.broadcast_to(np.float32(0), sizes))


def test_pad_value_needs_constant_padding():
    with pytest.raises(ValueError, match=r"^pad_value must be 0 unless pad_mode is 'constant'"):
        call(2, **good(2), pad_mode="edge", pad_value=1.0)


@pytest.mark.parametrize("filters", [6, 10])
def test_out_channels_must_be_divisible_by_groups(filters):
    with pytest.raises(
        ValueError,
        match=rf"^out_channels must be divisible by groups; got out_channels={filters}, groups=4",
    ):
        fastconv.conv2d(zeros(1, 8, 8, 4), zeros(3, 3, 1, filters), groups=4)


def test_parameters_after_bias_are_keywords():
    with pytest.raises(TypeError):
        fastconv.conv2d(zeros(1, 8, 8, 4), zeros(3, 3, 4, 8), None, 1)


def layer_call(make, **arguments):
    """A layer with these arguments over good ones."""
    return make(**{"kernel_size": 3, "in_channels": 4, "out_channels": 8, **arguments})


INTEGERS = ("kernel_size", "in_channels", "out_channels", "stride", "dilation", "num_groups")

LAYERS = [
    *(
        (name, value, V, rf"{name}(\[.\])? must be at least 1; got {name}(\[.\])?={value}")
        for name in INTEGERS
        for value in (0, -1)
    ),
    *(
        (name, value, T, rf"{name} must be an int; got {name}=")
        for name in INTEGERS
        for value in (3.0, True, "3", None)
    ),
    (
        "in_channels",
        2**31,
        V,
        r"in_channels must be at most 2147483647; got in_channels=2147483648",
    ),
    ("padding", -1, V, r"padding must be at least 0; got padding=-1"),
    ("padding", "reflect", V, r"padding must be ints or 'same'.*; got padding='reflect'"),
    ("num_groups", 3, V, r"in_channels must be divisible by num_groups; got .*=4, num_groups=3"),
    ("padding", (0, 2.0), T, r"padding\[1\] must be an int; got padding\[1\]=2\.0"),
    (
        "dtype",
        np.float16,
        T,
        r"dtype must be float32 or float64; got dtype=<class 'numpy\.float16'>",
    ),
    ("dtype", np.int32, T, r"dtype must be float32 or float64; got dtype="),
    ("dtype", complex, T, r"dtype must be float32 or float64; got dtype=<class 'complex'>"),
    ("dtype", None, T, r"dtype must be float32 or float64; got dtype=None"),
    ("dtype", "cat", T, r"dtype must be float32 or float64; got dtype='cat'"),
    ("has_bias", 1, T, r"has_bias must be a bool; got has_bias=1"),
    ("permute", None, T, r"permute must be a bool; got permute=None"),
    ("name", 3, T, r"name must be a str or None; got name=3"),
    ("pad_mode", "zeros", V, r"pad_mode must be one of 'constant', .*; got pad_mode='zeros'"),
    ("pad_value", None, T, r"pad_value must be a real number; got pad_value=None"),
    ("activation", "gelu", V, r"activation must be None, .*; got activation='gelu'"),
    ("algorithm", "fft", V, r"algorithm must be 'auto', .*; got algorithm='fft'"),
    ("algorithm", "depthwise", V, r"algorithm='depthwise' supports one input channel per group"),
    ("rng", "seed", T, r"rng must be an int; got rng='seed'"),
    ("rng", -1, V, r"rng must be at least 0; got rng=-1"),
    ("device", "gpu", V, r"device must be .* fastconv runs on CPUs; got device='gpu'"),
]


@pytest.mark.parametrize("make", [fastconv.Conv1D, fastconv.Conv2d])
@table(LAYERS)
def test_layer_construction(make, name, value, error, message):
    with pytest.raises(error, match=f"^{message}"):
        layer_call(make, **{name: value})


@pytest.mark.parametrize("kernel_size", [(3,), (3, 3, 3), (3, 0), (3, 2.5)])
def test_kernel_sizes_of_conv2d(kernel_size):
    with pytest.raises((T, V), match=r"^kernel_size(\[1\])? must be (an int|at least 1)"):
        layer_call(fastconv.Conv2d, kernel_size=kernel_size)


def test_filters_too_large_to_exist():
    with pytest.raises(
        V, match=r"^the filter must have at most 2\*\*57 bytes; got shape \(1048576,"
    ):
        fastconv.Conv2d(2**20, 2**20, 2**20)


INPUTS = [
    ("x", [1.0], T, r"x must be a NumPy array or offer __dlpack__ .*; got list"),
    (
        "x",
        zeros(1, 8, 8, 5),
        V,
        r"x must have in_channels=4 channels; got 5, x\.shape=\(1, 8, 8, 5",
    ),
    (
        "x",
        zeros(8, 8),
        V,
        r"x must have shape \(n, h, w, c\) or \(h, w, c\); got x\.shape=\(8, 8\)",
    ),
    ("x", zeros(1, 2, 8, 4), V, r"kernel larger than the padded input; got .*\(3, 3\).*\(2, 8\)"),
    ("x", zeros(1, 8, 8, 4, dtype=np.float64), T, r"x must have dtype float32, so use x\.astype"),
    ("x", zeros(1, 8, 8, 4, dtype=np.complex64), T, r"x must have dtype float32; got .*complex64"),
    ("residual", zeros(1, 8, 8, 8), V, r"residual must have shape \(1, 6, 6, 8\); got"),
    ("num_threads", 0, V, r"num_threads must be at least 1; got num_threads=0"),
    ("num_threads", True, T, r"num_threads must be an int; got num_threads=True"),
    ("num_threads", 40_000, V, r"num_threads must be at most 1024; got num_threads=40000"),
    *OUTS,
]


@pytest.mark.parametrize("warm", [False, True])
@table(INPUTS)
def test_layer_call(warm, name, value, error, message):
    """The same whether the layer has seen the shape before or not."""
    layer = layer_call(fastconv.Conv2d)
    x = zeros(1, 8, 8, 4)
    if warm:
        layer(x)
    arguments = {"x": x, "out": np.full((1, 6, 6, 8), CANARY, np.float32), name: value}
    before = np.copy(arguments["out"])
    with pytest.raises(error, match=f"^{message}"):
        layer(**arguments)
    np.testing.assert_array_equal(arguments["out"], before)


@pytest.mark.parametrize(
    ("permute", "shape", "message"),
    [
        (True, (1, 8, 8, 4), r"x must have in_channels=4 channels; got 8, x\.shape=\(1, 8, 8, 4\)"),
        (True, (8, 8), r"x must have shape \(n, c, h, w\) or \(c, h, w\); got x\.shape=\(8, 8\)"),
        (False, (1, 4, 8, 8), r"x must have in_channels=4 channels; got 8"),
    ],
)
def test_wrong_layout(permute, shape, message):
    with pytest.raises(V, match=f"^{message}"):
        layer_call(fastconv.Conv2d, permute=permute)(zeros(*shape))


@pytest.mark.parametrize(
    ("make", "name", "value", "error", "message"),
    [
        (
            fastconv.Conv2d,
            "filter",
            zeros(3, 3, 8, 4),
            V,
            r"filter must have shape \(3, 3, 4, 8\); got",
        ),
        (fastconv.Conv1D, "filter", zeros(3, 8, 4), V, r"filter must have shape \(3, 4, 8\); got"),
        (
            fastconv.Conv2d,
            "filter",
            zeros(3, 3, 4, 8, dtype=np.float64),
            T,
            r"filter must have dtype float32, so use filter\.astype\(np\.float32\); got .*float64",
        ),
        (fastconv.Conv2d, "filter", None, T, r"filter must be a NumPy array .*; got NoneType"),
        (
            fastconv.Conv2d,
            "bias",
            zeros(4),
            V,
            r"bias must have shape \(8,\); got bias\.shape=\(4,\)",
        ),
        (
            fastconv.Conv2d,
            "bias",
            zeros(8, dtype=np.int32),
            T,
            r"bias must have dtype float32, so use",
        ),
        (fastconv.Conv2d, "bias", None, T, r"bias must be a NumPy array .*; got NoneType"),
    ],
)
def test_assignment_to_a_layer(make, name, value, error, message):
    layer = layer_call(make, has_bias=True)
    before = getattr(layer, name)
    with pytest.raises(error, match=f"^{message}"):
        setattr(layer, name, value)
    assert getattr(layer, name) is before


def test_bias_of_a_layer_without_one():
    with pytest.raises(V, match=r"^bias must not be set on a layer made with has_bias=False"):
        layer_call(fastconv.Conv2d).bias = zeros(8)


@pytest.mark.parametrize("name", ["filter", "bias"])
def test_out_cannot_share_memory_with_a_layers_own_arrays(name):
    layer = fastconv.Conv2d(1, 8, 8, has_bias=True)
    own = getattr(layer, name)
    with pytest.raises(ValueError):
        layer(zeros(1, 1, own.size // 8, 8), out=own.reshape(1, 1, -1, 8))


@pytest.mark.parametrize(
    "parameters",
    [
        {"stride": True},
        {"stride": 1.0},
        {"stride": (1, True)},
        {"padding": (True, 1)},
        {"padding": (1, 1.0)},
        {"groups": 1.0},
        {"pad_value": False},
    ],
    ids=str,
)
def test_what_equals_a_valid_argument_is_refused_after_it(parameters):
    x, w = zeros(1, 8, 8, 4), zeros(3, 3, 4, 8)
    for valid in (
        {name: np.array(value).astype(int).tolist() for name, value in parameters.items()},
        {"stride": 1, "padding": (1, 1), "groups": 1, "pad_value": 0},
    ):
        valid = {k: tuple(v) if isinstance(v, list) else v for k, v in valid.items()}
        fastconv.conv2d(x, w, **valid)
        with pytest.raises(TypeError):
            fastconv.conv2d(x, w, **{**valid, **parameters})
