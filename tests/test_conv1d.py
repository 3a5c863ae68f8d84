"""conv1d and Conv1D against the oracle: everything at random, then the edges one by one."""

import numpy as np
import pytest
from cases import Case, check, judge
from hypothesis import given
from strategies import PAD_MODES, cases

import fastconv


@given(case=cases(axes=1))
def test_anything(level, dtype, case):
    check(case, dtype)


def direct(length, channels, filters, kernel, **rest):
    return Case((length,), channels, filters, (kernel,), algorithm="direct", **rest)


def depthwise(length, channels, kernel, multiplier=1, **rest):
    filters = channels * multiplier
    rest = {"groups": channels, "algorithm": "depthwise", **rest}
    return Case((length,), channels, filters, (kernel,), **rest)


def grouped(length, groups, channels, filters, kernel, **rest):
    """`channels` and `filters` are those of a group."""
    counts = (groups * channels, groups * filters)
    return Case((length,), *counts, (kernel,), groups=groups, algorithm="grouped", **rest)


ALL = {"bias": True, "residual": True, "activation": "relu6"}
EDGES = [
    # every length of the last register tile
    *(direct(n, 17, 33, 3, padding=1) for n in range(1, 30)),
    *(depthwise(n, 33, 3, padding=1) for n in range(1, 30)),
    *(grouped(n, 5, 3, 4, 3, padding=1) for n in range(1, 10)),
    # long, few channels, split over columns
    direct(3000, 1, 1, 3, padding=1),
    direct(3000, 3, 8, 5, padding="same", **ALL),
    direct(3000, 1, 64, 16, stride=8),
    direct(3000, 80, 96, 3, padding="same", bias=True),
    depthwise(3000, 5, 7, padding="causal", **ALL),
    depthwise(30_000, 1, 3, 2, padding=1, num_threads=2),
    grouped(30_000, 2, 2, 3, 9, padding=4, num_threads=2, bias=True),
    # causal, dilated: most taps before the beginning
    direct(100, 16, 24, 3, padding="causal", dilation=64),
    direct(9, 16, 24, 3, padding="causal", dilation=24),
    direct(60, 9, 16, 2, padding="causal", dilation=12, stride=3),
    depthwise(100, 17, 3, padding="causal", dilation=24),
    grouped(100, 5, 4, 2, 3, padding="causal", dilation=24),
    depthwise(9, 17, 3, padding="causal", dilation=100_000),
    # few steps, many channels; several blocks and slabs
    *(direct(n, 512, 130, 3, padding=1, **ALL) for n in (1, 2, 5, 8)),
    direct(7, 2100, 70, 1),
    direct(3, 70, 2100, 2, padding=(1, 0)),
    # more taps than inputs: of each tile, those in the padding are left out
    *(direct(n, 32, 24, 64, padding=32, bias=True, num_threads=2) for n in (1, 13, 14, 15, 29, 49)),
    direct(49, 12, 20, 30, padding=58, dilation=2, stride=2),
    direct(200, 5, 7, 128, padding=(127, 3), num_threads=2),
    direct(40, 96, 96, 128, padding=64, groups=2),
    Case((49,), 16, 6, (64,), padding=32, algorithm="dot"),
    # speech: long strided grouped kernels
    direct(200, 64, 64, 41, stride=4, padding=20, groups=4),
    grouped(200, 4, 16, 16, 41, stride=4, padding=20),
    grouped(200, 16, 4, 4, 41, stride=2, padding=20),
    direct(300, 1, 16, 15, padding=7),
    # strides beyond the kernel, padding beyond the kernel
    direct(100, 9, 17, 3, stride=17),
    direct(5, 8, 16, 2, padding=(9, 7), pad_value=2.0, bias=True),
    direct(5, 8, 16, 2, padding=(0, 7)),
    *(direct(9, 9, 17, 4, padding=(8, 3), pad_mode=mode) for mode in PAD_MODES),
    direct(40, 24, 48, 4, padding="same", x_layout="strided", out_layout="every other"),
    direct(40, 24, 48, 4, padding="same", x_layout="transposed", out_layout="channels first"),
    direct(40, 24, 48, 4, padding="same", batch=3, permute=True),
    direct(40, 24, 48, 4, padding="same", batch=0, **ALL),
]


@pytest.mark.parametrize("case", EDGES, ids=str)
def test_edge(level, dtype, case):
    check(case, dtype)


def test_causal_output_never_sees_the_future(level, dtype):
    case = direct(50, 8, 16, 4, padding="causal", dilation=3)
    x, weight, *_ = case.arrays(dtype)
    before = case.run(x, weight)
    x[:, 30:] = np.nan
    after = case.run(x, weight)
    assert before.shape == (1, 50, 16)
    np.testing.assert_array_equal(after[:, :30], before[:, :30])
    assert np.isnan(after[:, 30:40]).all(axis=2).sum() >= 4


def test_without_a_batch(level, dtype):
    case = direct(20, 4, 8, 3, padding=1, residual=True)
    x, weight, _, residual = case.arrays(dtype)
    y = case.run(x[0], weight, None, residual[0])
    assert y.shape == (20, 8)
    judge(case, y[None], x, weight, None, residual)


def test_is_conv2d_of_one_row(level, dtype):
    case = direct(40, 9, 17, 5, stride=2, padding=(3, 1), data="normal")
    x, weight, *_ = case.arrays(dtype)
    flat = fastconv.conv2d(
        x[:, None], weight[None], stride=(1, 2), padding=(0, 0, 3, 1), algorithm="direct"
    )
    np.testing.assert_array_equal(case.run(x, weight), flat[:, 0])
