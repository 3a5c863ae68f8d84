"""Any memory layout and any array-like gives the same bits as a plain contiguous array."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from cases import LAYOUTS, OUT_LAYOUTS, Case, assert_canaries_alive, channels_first, check
from hypothesis import given, settings
from strategies import PAD_MODES, cases

import fastconv

CASES = [
    Case((9, 20), 17, 33, (3, 3), padding=1, bias=True, residual=True, batch=2),
    Case((9, 20), 12, 24, (3, 2), stride=2, padding=2, groups=3, bias=True, residual=True),
    Case((9, 20), 17, 34, (3, 3), padding=1, groups=17, bias=True, residual=True),
    Case((9, 20), 16, 16, (3, 3), groups=16, bias=True, residual=True),
    Case((9, 20), 34, 18, (3, 3), padding=1, groups=2, bias=True, residual=True),
    Case((9, 20), 16, 24, (3, 3), bias=True, residual=True),
    Case((9, 20), 16, 24, (1, 1), bias=True, residual=True, batch=2),
    Case((5, 3), 16, 24, (3, 3), padding=1, bias=True, residual=True),
    Case((30,), 9, 17, (4,), padding=(3, 1), bias=True, residual=True),
    Case((60,), 3, 5, (24,), padding=(3, 9), bias=True, residual=True),
]
CASES = [replace(case, data="normal") for case in CASES]
NAMED = [replace(case, algorithm=name) for case in CASES for name in case.algorithms()]
FIRST_AND_LAST = [c for c in NAMED if c.algorithm in (c.algorithms()[0], "direct")]
OPERANDS = ["x", "weight", "bias", "residual"]


class OnlyDLPack:
    """Offers __dlpack__ and nothing else."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **keywords):
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class OnlyArrayInterface:
    """Offers __array_interface__ and nothing else."""

    def __init__(self, array):
        self._array = array
        self.__array_interface__ = array.__array_interface__


class Subclass(np.ndarray):
    pass


WRAPPERS = {
    "dlpack": OnlyDLPack,
    "array interface": OnlyArrayInterface,
    "subclass": lambda a: a.view(Subclass),
}


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_layout_of_an_operand(level, dtype, case, layout, operand):
    arrays = dict(zip(OPERANDS, case.arrays(dtype), strict=True))
    wanted = case.run(**arrays)
    given = LAYOUTS[layout](arrays[operand])
    copy = given.copy()
    got = case.run(**{**arrays, operand: given})
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(given, copy)


@pytest.mark.parametrize("layout", OUT_LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_layout_of_out(level, dtype, case, layout):
    arrays = case.arrays(dtype)
    out, buffer = OUT_LAYOUTS[layout]((case.batch, *case.out_size, case.filters), dtype)
    assert case.run(*arrays, out=out) is out
    np.testing.assert_array_equal(out, case.run(*arrays))
    assert_canaries_alive(out, buffer)


@pytest.mark.parametrize("x_layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_channel_first_layer(level, dtype, case, x_layout):
    check(replace(case, permute=True, x_layout=x_layout), dtype)


def assert_channel_first_agrees(case, dtype):
    """With x and out channel-first every algorithm gives the bits that it gives with plain ones.

    But dot those of direct convolution, where lanes are pixels.
    """
    x, weight, bias, _ = case.arrays(dtype)
    planes = np.moveaxis(channels_first(x), 1, -1)
    for name in case.algorithms():
        named = replace(case, algorithm=name)
        out, buffer = OUT_LAYOUTS["channels first"](
            (case.batch, *case.out_size, case.filters), dtype
        )
        named.run(planes, weight, bias, out=out)
        wanted = named.run(x, weight, bias)
        if name == "dot" and not np.array_equal(out, wanted):
            wanted = replace(case, algorithm="direct").run(x, weight, bias)
        np.testing.assert_array_equal(out, wanted, err_msg=name)
        assert_canaries_alive(out, buffer)


@given(case=cases(axes=2))
@settings(max_examples=25)
def test_channel_first_arrays(level, dtype, case):
    assert_channel_first_agrees(case, dtype)


@given(case=cases(axes=1))
@settings(max_examples=25)
def test_channel_first_sequences(level, dtype, case):
    assert_channel_first_agrees(case, dtype)


def depthwise(size, channels, kernel, multiplier=1, **rest):
    return Case(size, channels, channels * multiplier, kernel, groups=channels, **rest)


PLANES = [
    *(depthwise((9, w), 5, (3, 3), padding=1) for w in (15, 16, 17, 31, 33, 63, 65)),
    *(depthwise((h, 20), 5, (3, 3), padding=1, bias=True) for h in range(1, 12)),
    *(depthwise((21, 40), 5, (k, k), padding=k // 2, stride=s) for k in (3, 5) for s in (1, 2, 3)),
    *(depthwise((11, 37), 5, (k, k + 1), padding=2, dilation=(1, 2)) for k in (1, 2, 4, 7)),
    *(depthwise((12, 40), 3, (3, 3), m, padding=1) for m in (2, 3, 4, 5, 9, 17)),
    *(depthwise((12, 40), 3, (3, 3), padding=4, pad_mode=mode) for mode in PAD_MODES),
    depthwise((12, 40), 3, (3, 3), padding=2, pad_value=1.5, activation="relu6"),
    depthwise((3, 18), 3, (5, 5), padding=7),
    depthwise((6, 40), 3, (2, 2), stride=(3, 4)),
    depthwise((6, 40), 3, (3, 3), padding=1, stride=(1, 2)),
    # more than L1 holds at a time, several images and threads
    depthwise((100, 120), 3, (3, 3), padding=1, batch=2, num_threads=2),
    depthwise((100, 120), 3, (3, 3), padding=1, stride=2, num_threads=2),
    depthwise((90, 130), 2, (7, 7), padding=(0, 5, 3, 1), num_threads=2),
    depthwise((91, 135), 2, (5, 5), padding=3, stride=2, activation="relu"),
    depthwise((20000,), 2, (9,), padding=4),
    depthwise((3, 5000), 2, (3, 3), padding=1),
    *(
        Case((40, 50), 4 * c, 4 * f, (3, 3), groups=4, padding=1)
        for c, f in [(2, 4), (3, 5), (4, 6)]
    ),
    Case((40, 50), 34, 40, (3, 3), groups=2, padding=1, bias=True),
    # depthwise filters of any size: more taps than lanes, vectors by fours and alone
    *(
        depthwise((w,), 3, (k,), padding="same")
        for w in (9, 64, 130)
        for k in (2, 8, 15, 16, 17, 41)
    ),
    *(depthwise((200,), 3, (17,), padding=16, pad_mode=mode) for mode in PAD_MODES),
    *(depthwise((300,), 3, (33,), padding=p, bias=True) for p in ((32, 0), (0, 40), 0)),
    *(depthwise((12, 70), 3, k, padding=3) for k in ((2, 2), (4, 4), (9, 9), (1, 7), (7, 1))),
    depthwise((12, 70), 33, (3, 5), padding=2, pad_value=0.5, activation="relu", num_threads=2),
    # few columns, whose rows are copied together
    depthwise((7, 7), 33, (3, 3), padding=1),
    depthwise((9, 5), 65, (3, 3), padding=1, stride=2, batch=2, num_threads=2),
    Case((7, 7), 33, 65, (3, 3), padding=1, batch=2),
    Case((14, 14), 33, 65, (3, 3), padding=1),
    Case((9, 130), 17, 33, (3, 3), padding=1, pad_mode="reflect"),
    Case((300,), 70, 40, (3,), padding=1),
    *(depthwise((h, w), 5, (3, 3), padding=1) for h, w in ((3, 9), (8, 11), (14, 14))),
    *(depthwise((14, 14), 5, (k, k), padding=k // 2, stride=s) for k in (5, 7) for s in (1, 2)),
    depthwise((14, 21), 5, (7, 7), padding=(0, 3, 6, 1)),
    depthwise((29, 27), 5, (3, 3), padding=1, stride=2, pad_value=-1.0, bias=True),
    # pointwise: panels of one and of two vectors, blocks of them, and slabs of all widths
    *(Case((h, w), 7, 9, (1, 1)) for h, w in ((8, 8), (9, 7), (20, 21), (33, 35), (1, 640))),
    *(Case((16, 20), 5, f, (1, 1), bias=True) for f in (8, 15, 16, 17, 24, 31, 32, 33, 41, 72)),
    Case((70, 70), 150, 40, (1, 1), batch=2, num_threads=2, activation="relu"),
    Case((24, 24), 192, 300, (1, 1), num_threads=3, bias=True),
    Case((32, 40), 36, 60, (1, 1), groups=3, batch=2, num_threads=2, bias=True),
    Case((1000,), 33, 48, (1,), bias=True),
    *(depthwise((h, 41), 5, (3, 3), stride=2) for h in (4, 6, 8)),
    # pixels that fill no vector, of all numbers; deep ones, and channels that share sets of L1
    *(Case((1, 16 + w), 33, 24, (1, 1), bias=True) for w in range(16)),
    *(Case((7, 7), c, f, (1, 1), bias=True) for c, f in ((960, 40), (70, 168), (33, 300))),
    Case((14, 14), 1100, 48, (1, 1), batch=2, num_threads=2, activation="relu", bias=True),
    Case((7, 9), 36, 120, (1, 1), groups=3, batch=3, num_threads=3, bias=True),
    *(Case((32, 32), c, 40, (1, 1), num_threads=2) for c in (16, 300)),
    # columns of every other input, transposed: parts of squares, and blocks that begin with lines
    *(
        Case((5, w), 70, 9, (1, 1), stride=2)
        for w in (1, 2, 7, 15, 16, 17, 31, 32, 33, 34, 64, 131)
    ),
    *(Case((16, 48), c, 40, (1, 1), stride=2, bias=True) for c in (3, 8, 17, 65, 72, 256)),
    Case((40, 64), 256, 24, (1, 1), stride=(1, 2), padding=(0, 3), batch=2, num_threads=2),
    Case((13, 50), 140, 24, (1, 1), stride=2, padding=2, pad_mode="reflect", groups=2),
    Case((4096,), 256, 40, (1,), num_threads=2),
    # panels of several taps
    *(Case((h, w), 3, 32, (3, 3), padding=1, bias=True) for h, w in ((30, 30), (5, 64), (9, 130))),
    *(Case((33, 64), 3, 40, (3, 3), padding=1, stride=2, pad_mode=mode) for mode in PAD_MODES),
    Case((62, 150), 3, 24, (5, 5), padding=2, batch=2, num_threads=2, activation="relu"),
    Case((40, 95), 4, 16, (3, 5), stride=(3, 1), dilation=(1, 2), padding=1, pad_value=0.5),
    Case((20, 40), 18, 48, (3, 3), padding=1, groups=2, bias=True),
    Case((3000,), 1, 32, (7,), padding=3, bias=True, num_threads=2),
    Case((3000,), 32, 16, (3,), padding=(2, 0), stride=2),
    # most or all of which read the image
    *(Case((3000,), 70, f, (3,), padding="same", bias=True, num_threads=2) for f in (9, 24, 40)),
    Case((2000,), 24, 48, (7,), padding="causal", dilation=5, batch=2, num_threads=2),
    *(Case((2048,), 24, 48, (k,), padding="same", dilation=3) for k in (2, 5)),
    Case((1100,), 36, 60, (5,), padding=(40, 0), groups=3, bias=True, activation="relu"),
    Case((1100,), 20, 16, (3,), padding=1, pad_mode="reflect"),
    Case((12, 82), 20, 24, (3, 3), batch=2, bias=True),
    Case((30, 66), 20, 24, (5, 3), stride=(2, 1), num_threads=2),
    # two to four channels, interleaved
    *(
        Case((16, w), c, 24, (4, 4), stride=4, bias=True)
        for c in (2, 3, 4, 5)
        for w in (12, 64, 68, 100)
    ),
    Case((40, 90), 3, 24, (11, 11), stride=4, padding=2, num_threads=2),
    Case((40, 90), 3, 24, (7, 7), stride=2, padding=3, num_threads=2),
    # columns of several strides, separated
    *(
        Case((5, w), 3, 17, (2, k), stride=(1, s), padding=p, bias=True)
        for k, s, p in ((3, 3, 0), (4, 3, 2), (2, 3, 0), (5, 4, 2), (3, 5, 2), (10, 5, 3))
        for w in (50, 89, 161)
    ),
    *(
        depthwise((7, w), 5, (3, k), stride=(2, s), padding=p)
        for k, s, p in ((3, 3, 1), (5, 3, 0), (1, 3, 0), (5, 4, 2), (2, 4, 0), (9, 7, 5))
        for w in (50, 161)
    ),
    Case((5, 90), 6, 24, (3, 5), stride=(1, 3), padding=2, groups=3, num_threads=2),
    depthwise((5, 90), 6, (3, 5), stride=(1, 4), padding=2, pad_mode="wrap"),
    Case((700,), 1, 40, (10,), stride=5, dilation=2, num_threads=2),
    # few outputs, interleaved
    *(Case((9, w), 32, f, (3, 3), padding=1) for f in (1, 2, 3, 4) for w in (11, 40)),
    # tiles of several first pixels, side by side
    Case((9, 11), 9, 17, (3, 3), padding=12, dilation=12),
    Case((9, 40), 9, 17, (3, 3), padding=16, dilation=(2, 16), pad_mode="wrap"),
    Case((300,), 24, 17, (3,), padding="same", dilation=64),
    Case((10,), 9, 17, (3,), padding=1000, dilation=1000),
    *(Case((50, 37), 17, 24, (3, 3), padding=d, dilation=d) for d in (2, 3, 5)),
    *(Case((400,), 24, 17, (k,), padding="same", dilation=d) for k in (3, 7) for d in (3, 5)),
]


@pytest.mark.parametrize("case", [replace(case, data="normal") for case in PLANES], ids=str)
def test_channel_first_planes(level, dtype, case):
    assert_channel_first_agrees(case, dtype)


VIEWED = [
    *(Case((20, 24), 10, 36, (1, 1), groups=groups, batch=2, bias=True) for groups in (1, 2)),
    *(
        depthwise((20, 24), 10, (k, k), padding=k // 2, stride=s, batch=2)
        for k in (3, 5, 7)
        for s in (1, 2)
    ),
    *(Case((20, 31), 3, 36, (3, 3), padding=1, stride=s, batch=2, bias=True) for s in (1, 2)),
    depthwise((20, 90), 10, (2, 19), padding=5, batch=2),
]


@pytest.mark.parametrize("case", [replace(case, data="normal") for case in VIEWED], ids=str)
def test_channel_first_views(level, dtype, case):
    x, weight, bias, _ = case.arrays(dtype)
    planes = channels_first(x)
    twice = np.repeat(planes, 2, 1)
    wide = np.pad(planes, ((0, 0), (0, 0), (0, 0), (3, 5)), constant_values=np.nan)
    one = np.broadcast_to(planes[:, :1], planes.shape)
    views = [
        (twice[:, ::2], x),
        (wide[..., 3:-5], x),
        (planes[::-1, ::-1], x[::-1, ..., ::-1]),
        (one, np.moveaxis(one, 1, -1)),
    ]
    filters = case.filters
    for view, plain in views:
        out = np.zeros((2, filters + 4, *case.out_size), dtype)
        inner = out[:, 2:-2]
        case.run(np.moveaxis(view, 1, -1), weight, bias, out=np.moveaxis(inner, 1, -1))
        wanted = case.run(np.ascontiguousarray(plain), weight, bias)
        np.testing.assert_array_equal(np.moveaxis(inner, 1, -1), wanted)
        assert not out[:, :2].any() and not out[:, -2:].any()


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_array_likes(dtype, case, operand, wrapper):
    arrays = dict(zip(OPERANDS, case.arrays(dtype), strict=True))
    wanted = case.run(**arrays)
    got = case.run(**{**arrays, operand: WRAPPERS[wrapper](arrays[operand])})
    assert type(got) is np.ndarray
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_array_likes_for_layers(dtype, wrapper):
    wrap = WRAPPERS[wrapper]
    case = CASES[0]
    x, weight, bias, _ = case.arrays(dtype)
    layer = case.layer(weight, bias)
    wanted = layer(x)
    layer.filter, layer.bias = wrap(weight), wrap(bias)
    np.testing.assert_array_equal(layer(wrap(x)), wanted)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (3,), (0, 1, 2, 3)])
@pytest.mark.parametrize("operand", ["x", "weight", "residual"])
def test_zero_strides(level, dtype, operand, axes):
    for case in (case for case in CASES if len(case.size) == 2):
        arrays = dict(zip(OPERANDS, case.arrays(dtype), strict=True))
        whole = arrays[operand]
        one = whole[tuple(slice(0, 1) if a in axes else slice(None) for a in range(4))]
        broadcast = np.broadcast_to(one, whole.shape)
        got = case.run(**{**arrays, operand: broadcast})
        wanted = case.run(**{**arrays, operand: np.ascontiguousarray(broadcast)})
        np.testing.assert_array_equal(got, wanted)


def test_result_owns_its_memory(dtype):
    case = replace(CASES[0], kernel=(1, 1), padding=0, residual=False)
    x, weight, *_ = case.arrays(dtype)
    first = case.run(x, weight)
    kept = first.copy()
    second = case.run(x + 1, weight)
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(first, x)
    np.testing.assert_array_equal(first, kept)
    assert first.flags.c_contiguous
    assert first.flags.writeable


@pytest.mark.parametrize("case", CASES, ids=str)
def test_large_results_start_at_a_cache_line(dtype, case):
    case = replace(case, batch=3, size=(130, 140)[-len(case.size) :], residual=False)
    x, weight, bias, _ = case.arrays(dtype)
    layer = case.layer(weight, bias)
    for y in (case.run(x, weight, bias), layer(x), layer(x)):
        assert y.nbytes < 65536 or y.ctypes.data % 64 == 0
        assert y.flags.c_contiguous
        assert y.flags.writeable


def test_channel_first_out(dtype):
    """A channel-first layer takes a channel-first `out` and writes nothing beyond it."""
    case = replace(CASES[0], permute=True)
    x, weight, bias, _ = case.arrays(dtype)
    layer = case.layer(weight, bias)
    wanted = layer(channels_first(x))
    out, buffer = OUT_LAYOUTS["window"](wanted.shape, dtype)
    assert layer(channels_first(x), out=out) is out
    np.testing.assert_array_equal(out, wanted)
    assert_canaries_alive(out, buffer)


@pytest.mark.parametrize("case", NAMED, ids=str)
def test_functional_and_layer_agree(level, dtype, case):
    """With one algorithm to the bit; "auto" may choose another one where packing counts."""
    x, weight, bias, residual = case.arrays(dtype)
    layer = case.layer(weight, bias)
    np.testing.assert_array_equal(layer(x, residual=residual), case.run(x, weight, bias, residual))
    assert isinstance(layer, fastconv.Conv2d if len(case.size) == 2 else fastconv.Conv1D)


@pytest.mark.parametrize("case", FIRST_AND_LAST, ids=str)
def test_one_kept_plan_serves_all_layouts(level, dtype, case):
    """After a call with any layouts, one with any others: nothing of the first may linger."""
    x, weight, bias, residual = case.arrays(dtype)
    layer = case.layer(weight, bias)
    wanted = case.run(x, weight, bias, residual)

    def call(x_layout, out_layout, residual_layout, num_threads):
        out, buffer = OUT_LAYOUTS[out_layout](wanted.shape, dtype)
        added = LAYOUTS[residual_layout](residual)
        layer(LAYOUTS[x_layout](x), residual=added, out=out, num_threads=num_threads)
        np.testing.assert_array_equal(out, wanted)
        assert_canaries_alive(out, buffer)

    one_or_other = [
        *itertools.product(["contiguous", "strided"], ["flat", "every other"], ["contiguous"], [1]),
        *itertools.product(["contiguous"], ["flat", "every other"], ["strided"], [1, 2]),
        ("cropped", "window", "cropped", 1),
    ]
    for first, second in itertools.product(one_or_other, repeat=2):
        call(*first)
        call(*second)


def test_out_of_a_subclass_that_copies_what_it_is_asked_for():
    class Copies(np.ndarray):
        def __getitem__(self, key):
            return np.array(super().__getitem__(key))

    x, weight = np.ones((5, 3), np.float32), np.ones((2, 3, 4), np.float32)
    out = np.zeros((4, 4), np.float32).view(Copies)
    assert fastconv.conv1d(x, weight, out=out) is out
    assert (np.asarray(out) == 6).all()
