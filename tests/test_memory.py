"""What a layer keeps and what a call needs are bounded, whatever shapes and sizes they see."""

import gc
import tracemalloc

import numpy as np
import pytest

from fastconv import Conv1D
from fastconv._native.direct import Plan
from fastconv._native.packing import Filter

MIB = 2**20


def plans_alive():
    gc.collect()
    return sum(type(o).__name__ in ("Call", "Plan", "ConvProblem") for o in gc.get_objects())


def test_memory_does_not_grow_with_the_lengths_seen():
    layer = Conv1D(5, 4, 8, padding="same", stride=2, pad_mode="reflect")
    lengths = np.random.default_rng(0).permutation(2000) + 1
    x = np.zeros((1, 2000, 4), np.float32)
    for length in lengths[:500]:
        layer(x[:, :length])
    plans = plans_alive()
    tracemalloc.start()
    try:
        for length in lengths[500:]:
            assert layer(x[:, :length]).shape == (1, -(-length // 2), 8)
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert plans_alive() <= plans + 50
    assert grown < 300_000


def test_resident_memory_does_not_grow(python):
    """Native memory too: plans and workspaces of many shapes, packed filters of many filters."""
    pytest.importorskip("resource")
    code = """
import resource, numpy as np, fastconv

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # MiB on Linux

layer = fastconv.Conv2d(3, 32, 64, padding=1)
x = np.zeros((1, 10, 60, 32), np.float32)
for turn in range(3000):
    layer(x[:, : turn % 10 + 1, : turn // 10 % 60 + 1], num_threads=1)
    if turn % 2 == 0:
        layer.filter = layer.filter
    if turn == 1000:
        before = peak()
print(peak() - before)
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 8  # 1000 packed filters more would be 70 MiB


def plan(size, channels, filters, kernel, *, stride=1, dilation=1, groups=1, dtype=np.float32):
    """A native plan with "same" padding."""
    from fastconv import levels

    depthwise = groups == channels
    weight = np.zeros((*kernel, channels // groups, filters), dtype)
    padding = [(k - 1) * dilation // 2 for k in kernel]
    out_size = [
        (n + 2 * p - (k - 1) * dilation - 1) // stride + 1
        for n, p, k in zip(size, padding, kernel, strict=True)
    ]
    return Plan(
        Filter(weight, None, groups, depthwise, levels.running()),
        (1, *size, channels),
        tuple(out_size),
        (stride, stride),
        tuple(padding),
        (dilation, dilation),
        0.0,
        None,
        None,
        None,
    )


WORKSPACES = [
    *(((n, n), c, c, (3, 3), {}) for n, c in ((56, 64), (28, 128), (14, 256), (28, 512))),
    *(((n, n), c, c, (3, 3), {}) for n, c in ((224, 64), (7, 512))),
    ((56, 56), 128, 128, (3, 3), {"stride": 2}),
    ((224, 224), 3, 64, (7, 7), {"stride": 2}),
    ((35, 35), 48, 64, (5, 5), {}),
    ((224, 224), 3, 64, (3, 3), {}),
    ((56, 56), 64, 256, (1, 1), {}),
    ((28, 28), 512, 128, (1, 1), {}),
    ((7, 7), 2048, 512, (1, 1), {}),
    ((28, 28), 256, 256, (3, 3), {"dilation": 2}),
    ((1, 3000), 80, 384, (1, 3), {}),
    ((56, 56), 144, 144, (3, 3), {"groups": 144}),
]


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize(("size", "channels", "filters", "kernel", "rest"), WORKSPACES)
def test_workspace_of_common_layers(
    level, dtype, size, channels, filters, kernel, rest, num_threads
):
    """At most 2 MiB a thread in float32; an element of float64 is twice as large."""
    bound = 2 * MIB * np.dtype(dtype).itemsize // 4
    made = plan(size, channels, filters, kernel, dtype=dtype, **rest)
    assert made.workspace(num_threads) <= bound


@pytest.mark.parametrize("scale", [4, 16])
@pytest.mark.parametrize(
    ("size", "channels", "kernel", "groups"),
    [((64, 64), 64, (3, 3), 1), ((1, 4000), 80, (1, 5), 1), ((64, 64), 64, (5, 5), 64)],
)
def test_workspace_does_not_grow_with_the_image(level, size, channels, kernel, groups, scale):
    large = tuple(n if n == 1 else n * scale for n in size)
    small, large = (plan(s, channels, 64, kernel, groups=groups) for s in (size, large))
    assert large.workspace(2) <= max(2 * small.workspace(2), MIB)
