"""What a layer keeps and what a call needs are bounded, whatever shapes and sizes they see."""

import gc
import itertools
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from cases import Case

import fastconv
from fastconv import Conv1D, ConvTranspose1d, levels, planning
from fastconv._native import direct, lanewise
from fastconv._native.packing import Filter
from fastconv.algorithms import Winograd, candidates
from fastconv.problem import ConvProblem

MIB = 2**20


def plans_alive():
    gc.collect()
    return sum(type(o).__name__ in ("Call", "Plan", "ConvProblem") for o in gc.get_objects())


@pytest.mark.parametrize(
    "layer",
    [
        *(
            Conv1D(5, 4, 8, padding="same", pad_mode="reflect", algorithm=algorithm)
            for algorithm in ("direct", "winograd_4_4")
        ),
        ConvTranspose1d(10, 4, 8, stride=5, padding=2, output_padding=1),
        ConvTranspose1d(10, 4, 8, stride=5, padding=3, output_padding=1, permute=True),
    ],
    ids=["direct", "winograd_4_4", "transposed", "transposed channel-first"],
)
def test_memory_does_not_grow_with_the_lengths_seen(layer):
    lengths = np.random.default_rng(0).permutation(2000) + 1  # all different
    x = np.zeros((1, 2000, 4), np.float32)

    def run(length):
        given = x[:, :length].swapaxes(1, 2) if layer.permute else x[:, :length]
        return layer(given).size

    for length in lengths[:500]:
        run(length)
    plans, packed = plans_alive(), len(layer._weights._packed)
    tracemalloc.start()
    try:
        for length in lengths[500:]:
            assert run(length) > 0
        gc.collect()
        snapshot = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    assert plans_alive() <= plans + 50
    assert len(layer._weights._packed) <= packed + 1  # shortest may leave out taps
    # what grows has many blocks; one may be the interpreter's table of strings, grown anew
    blocks = sorted(trace.size for trace in snapshot.traces)
    assert sum(blocks[:-1]) < 600_000, "\n".join(map(str, snapshot.statistics("lineno")[:3]))


@pytest.mark.parametrize(
    "layer",
    [
        'Conv2d(3, 32, 32, padding=1, algorithm="direct")',
        'Conv2d(3, 32, 32, padding=1, algorithm="winograd_4x4_3x3")',
        "ConvTranspose2d(3, 32, 32, stride=2, padding=1, output_padding=1)",
    ],
)
def test_resident_memory_does_not_grow(python, layer):
    """Native memory too: plans and workspaces of many shapes, packed filters of many filters."""
    pytest.importorskip("resource")
    code = f"""
import resource, numpy as np, fastconv

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # MiB on Linux

layer = fastconv.{layer}
x = np.zeros((1, 10, 60, 32), np.float32)
for turn in range(2600):
    layer(x[:, : turn % 10 + 1, : turn // 10 % 60 + 1], num_threads=1)
    if turn % 2 == 0:
        layer.load_state_dict(layer.state_dict())
    if turn == 600:
        before = peak()
print(peak() - before)
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 8  # 1000 packed filters more would be 35 MiB or 140 MiB


def plan(size, channels, filters, kernel, *, stride=1, dilation=1, groups=1, dtype=np.float32):
    """A native plan with "same" padding."""
    driver, form = (direct, "dense") if groups == 1 else (lanewise, "lanewise")
    shape = (*kernel, channels // groups, filters)
    padding = [(k - 1) * dilation // 2 for k in kernel]
    out_size = [
        (n + 2 * p - (k - 1) * dilation - 1) // stride + 1
        for n, p, k in zip(size, padding, kernel, strict=True)
    ]
    return driver.Plan(
        Filter(shape, groups, form, np.dtype(dtype).itemsize, levels.running()),
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
    ((56, 56), 128, 128, (3, 3), {"groups": 32}),
    ((7, 7), 2048, 2048, (3, 3), {"groups": 64}),
    ((1, 3000), 512, 512, (1, 31), {"groups": 512, "dilation": 64}),
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
    [
        ((64, 64), 64, (3, 3), 1),
        ((1, 4000), 80, (1, 5), 1),
        ((64, 64), 64, (5, 5), 64),
        ((64, 64), 64, (5, 5), 16),
    ],
)
def test_workspace_does_not_grow_with_the_image(level, size, channels, kernel, groups, scale):
    large = tuple(n if n == 1 else n * scale for n in size)
    small, large = (plan(s, channels, 64, kernel, groups=groups) for s in (size, large))
    assert large.workspace(2) <= max(2 * small.workspace(2), MIB)


def bound(algorithm, case, dtype):
    """The plan of an algorithm for the input of a case."""
    spec = case.spec(dtype)
    problem = ConvProblem.build(spec, (case.batch, *case.size, case.channels))
    return problem, algorithm.bind(problem, algorithm.filter(spec, levels.running())).plan


@pytest.mark.parametrize(
    ("kernel", "stride"), [(k, 1) for k in ((3, 3), (5, 5), (7, 7), (3,), (9,))] + [((3, 3), 2)]
)
@pytest.mark.parametrize("channels", [1, 17, 64, 300, 1024, 2048])
def test_workspace_of_winograd(level, dtype, kernel, stride, channels):
    """At most 4 MiB a thread, however wide the layer and the image, or "auto" does without it."""
    seen = set()
    for size, filters in itertools.product((3, 7, 14, 56, 224), (16, 512)):
        whole = (size,) * 2 if len(kernel) == 2 else (size**2,)
        case = Case(whole, channels, filters, kernel, stride=stride, padding="same")
        for algorithm in candidates(case.spec(dtype), "auto"):
            problem, made = bound(algorithm, case, dtype)
            largest = max(made.workspace(num_threads) for num_threads in (1, 2, 16))
            chosen = planning.choose(problem, "auto", level, True)
            assert largest <= 4 * MIB or chosen.name != algorithm.name, (case, algorithm.name)
            seen.add(isinstance(chosen, Winograd))
    assert True in seen or kernel != (3, 3) or channels not in (64, 300)


def test_few_calls_are_kept_that_index_their_columns():
    layer = Conv1D(5, 4, 8, padding="same", pad_mode="reflect")
    for length in range(10, 40):
        layer(np.zeros((1, length, 4), np.float32))
    assert len(layer._weights._calls) <= 8


def test_memory_of_results_is_used_again_but_never_shared():
    layer = fastconv.Conv2d(3, 8, 32, padding=1)
    x = np.ones((1, 40, 40, 8), np.float32)
    first = layer(x)
    place, kept = first.ctypes.data, first.copy()
    second = layer(2 * x)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, kept)
    view = first[0, 0]
    del first
    third = layer(3 * x)  # a view keeps the memory
    assert third.ctypes.data != place
    np.testing.assert_array_equal(view, kept[0, 0])
    del view
    assert layer(x).ctypes.data == place


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_results_that_are_kept_no_longer_take_little_memory(python):
    code = """
import re, numpy as np, fastconv
layer = fastconv.Conv2d(1, 1, 1)
for n in range(1, 200):
    layer(np.zeros((1, 500, 100 * n, 1), np.float32))
# not ru_maxrss, which begins with the parent's
print(re.search(r"VmHWM: *(\\d+) kB", open("/proc/self/status").read().replace("\t", " "))[1])
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    # the largest x and result are 38 MiB each; all results together would be 3.7 GiB
    assert int(done.stdout) < 300 << 10
