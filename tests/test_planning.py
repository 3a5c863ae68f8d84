"""The choice of an algorithm: what `explain` says of it, and what "measure" finds and remembers."""

import dataclasses
import json
import math
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from cases import Case

import fastconv
from fastconv import Conv1D, Conv2d, algorithms, explain, levels, measuring, wisdom
from fastconv._native.costs import set_costs
from fastconv.problem import ConvProblem

NAMES = [a.name for a in algorithms.ALGORITHMS]
LAYERS = [
    (Conv2d(3, 16, 32, padding=1), (1, 30, 30, 16)),
    (Conv2d(3, 16, 32, np.float64, padding="same"), (1, 12, 13, 16)),
    (Conv2d(3, 8, 8, padding=1, num_groups=2, permute=True), (8, 20, 20)),
    (Conv2d(3, 16, 16, padding=2, dilation=2, pad_mode="reflect"), (2, 20, 21, 16)),
    (Conv2d(3, 16, 32, stride=2, padding="same"), (1, 15, 15, 16)),
    (Conv2d(1, 16, 32), (1, 15, 15, 16)),
    (Conv2d(5, 16, 16, padding=2), (1, 20, 20, 16)),
    (Conv2d(7, 4, 6), (1, 20, 20, 4)),
    (Conv2d((7, 1), 16, 16), (1, 40, 20, 16)),
    (Conv2d(3, 24, 24, padding=1, num_groups=24), (1, 10, 10, 24)),
    (Conv2d(2, 16, 16, padding=1), (1, 20, 20, 16)),
    (Conv1D(2, 16, 16, padding="causal"), (1, 300, 16)),
    (Conv1D(3, 16, 16, padding="causal"), (1, 300, 16)),
    (Conv1D(9, 16, 16, permute=True), (16, 300)),
    (Conv2d(2, 16, 16, padding="same"), (1, 21, 20, 16)),
    (Conv1D(2, 16, 16), (300, 16)),
    (Conv1D(31, 4, 4), (300, 4)),
    (Conv2d((3, 1), 16, 16, stride=(2, 1)), (1, 40, 20, 16)),
    (Conv2d(3, 16, 32, padding=1, algorithm="direct"), (1, 30, 30, 16)),
    (Conv2d(3, 16, 32, padding=1, algorithm="winograd_6x6_3x3"), (1, 30, 30, 16)),
]
SAME = {"padding": 1, "rng": 0}


@pytest.fixture(autouse=True)
def nothing_known():
    fastconv.forget_wisdom()
    yield
    fastconv.forget_wisdom()


def remade(layer, algorithm, rng=0):
    """A layer like `layer` with nothing packed."""
    twin = Conv2d if isinstance(layer, Conv2d) else Conv1D
    names = "kernel_size in_channels out_channels dtype stride padding dilation num_groups permute"
    given = {name: getattr(layer, name) for name in [*names.split(), "pad_mode"]}
    return twin(**given, algorithm=algorithm, rng=rng)


def noise(shape, dtype=np.float32):
    return np.random.default_rng(1).standard_normal(shape).astype(dtype)


def running(layer, x):
    """The algorithm that a layer has chosen for `x`."""
    return layer._weights.known(x.shape).algorithm.name


def allowed(layer, shape):
    return {a.name for a in explain(layer, shape).alternatives if a.allowed}


def no_measuring(*_, **__):
    raise AssertionError("measured, though it is known")


# explain


@pytest.mark.parametrize("num_threads", [None, 1, 2])
@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=str)
def test_explanations_are_consistent(layer, shape, num_threads):
    layer = remade(layer, layer.algorithm)
    before = layer._weights
    told = explain(layer, shape, num_threads=num_threads)
    assert (layer._weights, before._packed, before._calls) == (before, {}, {})

    assert told.problem.shape == shape
    assert told.level == levels.running()
    assert told.num_threads == (num_threads or told.num_threads)
    assert told.algorithm == layer.algorithm
    assert sorted(a.name for a in told.alternatives) == sorted(NAMES)
    costs = [a.cost for a in told.alternatives]
    assert costs == sorted(costs)
    if layer.algorithm == "auto":
        assert told.chosen == next(a.name for a in told.alternatives if a.allowed)
    else:
        assert told.chosen == layer.algorithm
        assert "name" in told.why

    for a in told.alternatives:
        assert (a.reason is None) == a.allowed
        if not a.supported:
            assert not a.allowed
            assert (a.cost, a.cost_threads) == (math.inf, math.inf)
            with pytest.raises(ValueError, match=f"algorithm='{a.name}' {a.reason}"):
                remade(layer, a.name)
            continue
        remade(layer, a.name)
        assert 0 < a.cost < math.inf
        assert 0 < a.cost_threads <= a.cost
        assert a.allowed == (layer.dtype == np.float64 or a.relative_error <= algorithms.MOST_ERROR)
        assert a.multiplications > 0
        assert a.workspace > 0
        assert a.filter_bytes >= layer.filter.nbytes
        if told.num_threads == 1:
            assert a.cost_threads == a.cost
    assert sum(a.supported for a in told.alternatives) >= 1


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=str)
def test_explanations_come_true(layer, shape):
    layer = remade(layer, layer.algorithm)
    told = explain(layer, shape)
    x = noise(shape, layer.dtype)
    layer(x)
    assert running(layer, x) == told.chosen
    (packed,) = layer._weights._packed.values()
    (a,) = (a for a in told.alternatives if a.name == told.chosen)
    assert packed.nbytes == a.filter_bytes
    assert explain(layer, shape) == told


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=str)
def test_explanations_as_text(layer, shape):
    told = explain(layer, shape, num_threads=2)
    text = str(told)
    for a in told.alternatives:
        (line,) = (t for t in text.splitlines() if t[2:].split(" ")[0] == a.name)
        assert line.startswith("*") == (a.name == told.chosen)
        assert (a.reason or "") in line
        if a.supported:
            assert f" {a.multiplications:,} " in line
            assert f" {a.cost:,.0f} " in line
            assert f" {a.cost_threads:,.0f} " in line
    assert told.level in text
    assert str(shape) in text
    assert f"algorithm={told.algorithm!r} runs {told.chosen}: {told.why}" in text
    assert max(map(len, text.splitlines())) < 130
    assert text == "\n".join(line.rstrip() for line in text.splitlines())
    assert "2 threads" in text
    assert "threads" not in str(explain(layer, shape, num_threads=1)).splitlines()[3]


@pytest.mark.parametrize(
    ("layer", "shape", "name", "count"),
    [
        (Conv2d(3, 8, 16, padding=1), (2, 9, 10, 8), "direct", 2 * 9 * 10 * 9 * 8 * 16),
        (Conv2d(3, 8, 16, num_groups=4), (9, 10, 8), "direct", 7 * 8 * 9 * 2 * 16),
        (Conv2d(3, 8, 16, num_groups=4), (9, 10, 8), "grouped", 7 * 8 * 9 * 2 * 16),
        (Conv2d(3, 8, 16, num_groups=8), (9, 10, 8), "depthwise", 7 * 8 * 9 * 16),
        # tiles, products, inputs, outputs
        (Conv2d(3, 8, 16, **SAME), (9, 10, 8), "winograd_2x2_3x3", 5 * 5 * 16 * 8 * 16),
        (Conv2d(3, 8, 16, **SAME), (3, 9, 10, 8), "winograd_4x4_3x3", 3 * 3 * 3 * 36 * 8 * 16),
        (Conv2d(3, 8, 16, num_groups=4), (9, 10, 8), "winograd_4x4_3x3", 2 * 2 * 36 * 2 * 16),
        (Conv2d(2, 8, 16), (9, 10, 8), "winograd_4x4_2x2", 2 * 3 * 25 * 8 * 16),
        # with stride 2, 2 m + 1 products along an axis
        (
            Conv2d(3, 8, 16, stride=2, padding=1),
            (2, 17, 16, 8),
            "winograd_4x4_3x3_stride2",
            2 * 3 * 2 * 81 * 8 * 16,
        ),
        (Conv2d(3, 8, 16, stride=2), (17, 15, 8), "winograd_3x3_3x3_stride2", 3 * 3 * 49 * 8 * 16),
        (
            Conv2d((1, 3), 8, 16, stride=(1, 2), num_groups=2),
            (5, 19, 8),
            "winograd_4_3_stride2",
            5 * 3 * 9 * 4 * 16,
        ),
        # 2 x 2 images of each second pixel, with 5 x 5 outputs each
        (
            Conv2d(3, 8, 16, padding=2, dilation=2),
            (9, 10, 8),
            "winograd_4x4_3x3",
            2 * 2 * 2 * 2 * 36 * 8 * 16,
        ),
        # two pieces along an axis read one tile more than there are of outputs
        (Conv1D(7, 8, 16, padding=3), (30, 8), "winograd_4_4", (8 + 1) * 7 * 2 * 8 * 16),
        (Conv2d((7, 1), 8, 16), (36, 5, 8), "winograd_4_4", 5 * (8 + 1) * 7 * 2 * 8 * 16),
        (Conv2d((1, 7), 8, 16), (5, 36, 8), "winograd_4_4", 5 * (8 + 1) * 7 * 2 * 8 * 16),
        (
            Conv2d((5, 7), 8, 16),
            (14, 15, 8),
            "winograd_4x4_4x4",
            (3 + 1) * (3 + 1) * 49 * 4 * 8 * 16,
        ),
    ],
    ids=str,
)
def test_multiplications(layer, shape, name, count):
    (a,) = (a for a in explain(layer, shape).alternatives if a.name == name)
    assert a.multiplications == count


@pytest.mark.parametrize("width", [32, 33, 35, 42])
def test_taps_in_the_padding_cost_nothing(width):
    """Of widths, too, for which tiles of two rows would be fuller."""
    cost, far = {}, 3 * width // 4
    for dilation in (1, far):
        layer = Conv2d(3, 64, 64, padding=dilation, dilation=dilation, algorithm="direct")
        plan = explain(layer, (1, width, width, 64), num_threads=1)
        cost[dilation] = next(a.cost for a in plan.alternatives if a.name == "direct")
    assert cost[far] < 0.45 * cost[1]


def test_explanation_of_a_problem():
    layer, shape = LAYERS[0]
    told = explain(layer, shape)
    assert explain(told.problem) == told
    assert explain(told.problem, [1, 31, 30, 16]) == explain(layer, (1, 31, 30, 16))


@pytest.mark.parametrize("algorithm", ["auto", "measure", "direct", "winograd_4x4_3x3"])
@pytest.mark.parametrize("shape", [(0, 9, 9, 4), (1, 9, 0, 4)])
def test_explanation_of_nothing(shape, algorithm):
    layer = Conv2d(3, 4, 4, padding=(1, 1, 1, 1), algorithm=algorithm)
    if shape[2] == 0:
        layer = Conv2d(3, 4, 4, padding=(1, 1, 1, 2), algorithm=algorithm)
    told = explain(layer, shape)
    assert told.chosen in (algorithm, "direct") or shape[0] > 0
    assert str(told)
    layer(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, (1, 2)), TypeError, "layer_or_problem must be a Conv2d, .*; got int"),
        ((LAYERS[0][0],), TypeError, "input_shape must be a sequence of ints; .*None"),
        ((LAYERS[0][0], 3), TypeError, "input_shape must be a sequence of ints; .*3"),
        ((LAYERS[0][0], "1234"), TypeError, "input_shape must be a sequence of ints"),
        ((LAYERS[0][0], (1, 9.0, 9, 16)), TypeError, r"input_shape\[1\] must be an int; .*9.0"),
        ((LAYERS[0][0], (1, -9, 9, 16)), ValueError, r"input_shape\[1\] must be at least 0; .*-9"),
        ((LAYERS[0][0], (1, 9, 9, 17)), ValueError, "x must have in_channels=16 channels; got 17"),
        ((LAYERS[0][0], (9, 16)), ValueError, r"x must have shape \(n, h, w, c\)"),
    ],
)
def test_explain_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        explain(*arguments)


def test_explain_refuses_num_threads():
    with pytest.raises(ValueError, match="num_threads must be at least 1; got num_threads=0"):
        explain(*LAYERS[0], num_threads=0)


# what is asked for


def test_an_unknown_name_shows_all():
    with pytest.raises(ValueError, match="algorithm must be 'auto', 'measure' or one of") as raised:
        Conv2d(3, 4, 4, algorithm="winograd")
    assert f"{', '.join(NAMES)}; got algorithm='winograd'" in str(raised.value)


def test_a_layer_keeps_what_was_asked_for():
    layer = Conv2d(3, 4, 4, algorithm="measure")
    assert layer.algorithm == "measure"
    assert "algorithm='measure'" in repr(layer)
    assert remade(layer, "auto").algorithm == "auto"


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_a_name_runs_or_raises(number):
    """Every algorithm runs some of the layers, and is then what runs."""
    ran = 0
    for layer, shape in LAYERS:
        x = noise(shape, layer.dtype)
        (a,) = (a for a in explain(layer, shape).alternatives if a.name == NAMES[number])
        weight = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
        weight |= {"groups": layer.num_groups, "pad_mode": layer.pad_mode, "algorithm": a.name}
        convolve = fastconv.conv2d if isinstance(layer, Conv2d) else fastconv.conv1d
        if a.supported:
            named = remade(layer, a.name)
            named(x)
            assert running(named, x) == a.name
            ran += 1
        elif not layer.permute:
            with pytest.raises(ValueError, match="supports"):
                convolve(x, layer.filter, **weight)
    assert ran > 0


# measure


@pytest.mark.parametrize(("layer", "shape"), LAYERS[:-2], ids=str)
def test_measured_layers_are_right(layer, shape):
    measured, direct = (remade(layer, algorithm) for algorithm in ("measure", "direct"))
    x = noise(shape, layer.dtype)
    out = np.full_like(direct(x), np.nan)
    assert measured(x, out=out) is out
    scale = np.abs(direct(x)).max()
    assert np.abs(out - direct(x)).max() < 100 * np.finfo(layer.dtype).eps * scale
    np.testing.assert_array_equal(measured(x), out)
    assert running(measured, x) in allowed(layer, shape)
    assert explain(measured, shape).chosen == running(measured, x)
    assert len(measured._weights._packed) == 1


@pytest.mark.parametrize(("layer", "shape"), [*LAYERS[:2], LAYERS[9]], ids=str)
def test_measured_functions_are_right(layer, shape):
    x = noise(shape, layer.dtype)
    keywords = {"padding": layer.padding, "groups": layer.num_groups}
    measured, again, direct = (
        fastconv.conv2d(x, layer.filter, **keywords, algorithm=algorithm)
        for algorithm in ("measure", "measure", "direct")
    )
    scale = np.abs(direct).max()
    assert np.abs(measured - direct).max() < 100 * np.finfo(layer.dtype).eps * scale
    np.testing.assert_array_equal(measured, again)


class Clock:
    """What `perf_counter` shows, with calls that take a given time."""

    def __init__(self, monkeypatch, making, running):
        self.now, self.making, self.running, self.ran = 0.0, making, running, []
        monkeypatch.setattr(measuring, "perf_counter", lambda: self.now)

    def make(self, name):
        clock = self

        class Call:
            algorithm = name

            def run(self, x, out, residual, num_threads):
                assert x.shape == (1, 30, 30, 16)
                assert out.shape == (1, 30, 30, 32)
                assert (residual, num_threads) == (None, 3)
                times = clock.running[name]
                clock.now += times[min(clock.ran.count(name), len(times) - 1)]
                clock.ran.append(name)

        self.now += self.making[name]
        return Call()


@pytest.mark.parametrize(
    ("making", "running", "reused", "fastest"),
    [
        ({"a": 9, "b": 0, "c": 0}, {"a": [1], "b": [3], "c": [2]}, True, "a"),
        ({"a": 9, "b": 0, "c": 0}, {"a": [1], "b": [3], "c": [2]}, False, "c"),
        ({"a": 0, "b": 0, "c": 0}, {"a": [2], "b": [9, 9, 1, 9], "c": [2]}, True, "b"),
        ({"a": 0, "b": 0, "c": 0}, {"a": [2], "b": [2], "c": [2]}, True, "a"),
    ],
)
def test_the_best_time_of_any_round_decides(monkeypatch, making, running, reused, fastest):
    layer, shape = LAYERS[0]
    clock = Clock(monkeypatch, making, running)
    problem = explain(layer, shape).problem
    call = measuring.fastest(problem, [*"abc"], clock.make, reused=reused, num_threads=3)
    assert call.algorithm == fastest
    assert clock.ran == [*"abc"] * 4


def test_short_calls_are_measured_longer(monkeypatch):
    layer, shape = LAYERS[0]
    problem = explain(layer, shape).problem
    for seconds, rounds in ((0.001, 20), (1e-6, 100)):
        clock = Clock(monkeypatch, {"a": 0}, {"a": [seconds]})
        measuring.fastest(problem, ["a"], clock.make, reused=True, num_threads=3)
        assert rounds <= len(clock.ran) <= rounds + 1


@pytest.mark.parametrize("name", ["direct", "winograd_2x2_3x3", "winograd_4x4_3x3"])
def test_what_was_measured_holds_for_any_number_of_threads(monkeypatch, name):
    """Also for other layers, with a bias or an activation; for functions it is another matter."""
    asked = []

    def fastest(problem, able, make, *, reused, num_threads):
        asked.append((reused, num_threads))
        calls = [make(a) for a in able]
        return next(call for call in calls if call.algorithm.name == name)

    monkeypatch.setattr(measuring, "fastest", fastest)
    x = noise((1, 30, 31, 16))
    layer, named = (Conv2d(3, 16, 32, **SAME, algorithm=a) for a in ("measure", name))
    first = layer(x, num_threads=2)
    other = Conv2d(3, 16, 32, has_bias=True, activation="relu", **SAME, algorithm="measure")
    unbatched = Conv2d(3, 16, 32, **SAME, algorithm="measure")
    for num_threads in (1, 3, None, 2):
        assert layer(x, num_threads=num_threads).tobytes() == first.tobytes()
        assert named(x, num_threads=num_threads).tobytes() == first.tobytes()
        assert unbatched(x[0], num_threads=num_threads).tobytes() == first.tobytes()
        other(x, num_threads=num_threads)
    assert running(layer, x) == running(other, x) == running(unbatched, x[0]) == name
    assert asked == [(True, 2)]
    for num_threads in (None, 1, 2):
        y = fastconv.conv2d(
            x, layer.filter, padding=1, algorithm="measure", num_threads=num_threads
        )
        assert y.tobytes() == first.tobytes()
    assert asked == [(True, 2), (False, None)]
    assert list(layer._weights._packed) == [(name, levels.running())]


def test_packed_filters_in_use_survive_a_measurement(monkeypatch):
    """Each shape has a winner of its own; what it packed stays, and what lost goes."""
    winners = iter(["direct", "winograd_4x4_3x3", "direct", "winograd_2x2_3x3"])

    def fastest(problem, able, make, **_):
        name = next(winners)
        return next(c for c in [make(a) for a in able] if c.algorithm.name == name)

    monkeypatch.setattr(measuring, "fastest", fastest)
    layer = Conv2d(3, 16, 32, **SAME, algorithm="measure")
    kept = []
    for size in (8, 9, 10, 11):
        layer(noise((1, size, size, 16)))
        kept.append({name for name, _ in layer._weights._packed})
    assert kept[0] == {"direct"}
    assert kept[1] == kept[2] == {"direct", "winograd_4x4_3x3"}
    assert kept[3] == {"direct", "winograd_4x4_3x3", "winograd_2x2_3x3"}


def test_one_candidate_is_not_measured(monkeypatch):
    monkeypatch.setattr(measuring, "fastest", no_measuring)
    layer = Conv2d(1, 4, 9, algorithm="measure")
    x = noise((1, 5, 5, 4))
    layer(x)
    assert running(layer, x) == "direct"
    assert explain(layer, x.shape).chosen == "direct"
    assert not wisdom._known


def test_nothing_is_measured_for_an_error_or_an_empty_result(monkeypatch):
    monkeypatch.setattr(measuring, "fastest", no_measuring)
    layer = Conv2d(3, 4, 4, algorithm="measure")
    with pytest.raises(ValueError, match="num_threads must be at least 1"):
        layer(noise((1, 9, 9, 4)), num_threads=0)
    with pytest.raises(ValueError, match="out must have shape"):
        layer(noise((1, 9, 9, 4)), out=np.empty((1, 9, 9, 4), np.float32))
    layer(noise((0, 9, 9, 4)))


def test_threads_that_meet_a_problem_at_once_measure_it_once(monkeypatch):
    fastest, asked = measuring.fastest, []

    def counted(*arguments, **keywords):
        asked.append(arguments[0])
        return fastest(*arguments, **keywords)

    monkeypatch.setattr(measuring, "fastest", counted)
    shared = Conv2d(3, 16, 32, **SAME, algorithm="measure")
    layers = [shared, shared, *(remade(shared, "measure") for _ in range(4))]
    x = noise((1, 20, 20, 16))
    results, start = [], threading.Barrier(len(layers))

    def call(layer):
        start.wait()
        results.append(layer(x, num_threads=1).tobytes())

    workers = [threading.Thread(target=call, args=(layer,)) for layer in layers]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == len(layers)
    assert len(set(results)) == 1
    assert len(asked) == 1
    assert len(shared._weights._packed) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_measuring_process_measures(python):
    code = """
import os, threading, numpy as np, fastconv
from fastconv import wisdom
held, done = threading.Event(), threading.Event()

def measure():
    with wisdom._lock:
        held.set()
        done.wait()

worker = threading.Thread(target=measure)
worker.start()
held.wait()
child = os.fork()
if child == 0:
    fastconv.Conv2d(3, 4, 4, algorithm="measure")(np.ones((1, 9, 9, 4), np.float32))
    os._exit(0 if len(wisdom._known) == 1 else 1)
_, status = os.waitpid(child, 0)
done.set()
worker.join()
raise SystemExit(status)
"""
    done = python("-c", code, timeout=60)
    assert done.returncode == 0, done.stderr


# wisdom


def measured(name="direct", x=None):
    """A layer that has measured, and found `name` the fastest."""
    layer = Conv2d(3, 4, 4, **SAME, algorithm="measure")
    x = noise((1, 9, 9, 4)) if x is None else x
    text = wisdom._text(explain(layer, x.shape).problem, levels.running(), True)
    wisdom._learn({text: name})
    layer(x)
    assert running(layer, x) == name
    return layer, x, text


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=str)
@pytest.mark.parametrize("reused", [True, False])
def test_a_line_says_all_of_a_problem(layer, shape, reused):
    problem = explain(layer, shape).problem
    text = wisdom._text(problem, "x86_64_v3", reused)
    again = wisdom._problem(text)
    assert wisdom._text(again, "x86_64_v3", reused) == text
    for name in ("input_shape", "output_shape", "padding"):
        assert getattr(again, name) == getattr(problem, name)
    names = "kernel stride dilation groups in_channels out_channels dtype pad_mode channels_first"
    for name in names.split():
        assert getattr(again.spec, name) == getattr(problem.spec, name)


def test_each_difference_makes_another_line():
    given = {"kernel_size": 3, "in_channels": 4, "out_channels": 4, "padding": 1}
    changes = [
        {},
        {"kernel_size": (3, 5)},
        {"out_channels": 8},
        {"dtype": np.float64},
        {"stride": 2},
        {"padding": (1, 1, 1, 2)},
        {"dilation": (1, 2)},
        {"num_groups": 2},
        {"pad_mode": "edge"},
    ]
    layers = [Conv2d(**{**given, **change}) for change in changes]
    problems = [explain(layer, (1, 9, 9, 4)).problem for layer in layers]
    problems += [explain(layers[0], shape).problem for shape in ((2, 9, 9, 4), (1, 9, 10, 4))]
    problems += [explain(Conv2d(**given, permute=True), (1, 4, 9, 9)).problem]
    texts = {wisdom._text(p, "baseline", True) for p in problems}
    texts |= {wisdom._text(problems[0], *rest) for rest in (("other", True), ("baseline", False))}
    assert len(texts) == len(problems) + 2


def test_wisdom_is_saved_and_loaded(tmp_path, monkeypatch):
    path = tmp_path / "wisdom.json"
    layer, x, text = measured("winograd_2x2_3x3")
    function = fastconv.conv2d(x, layer.filter, padding=1, algorithm="measure")
    known = dict(wisdom._known)
    assert len(known) == 2
    fastconv.save_wisdom(path)
    assert [p.name for p in tmp_path.iterdir()] == ["wisdom.json"]
    assert json.loads(path.read_text())["choices"] == known
    assert f'"{text}": "winograd_2x2_3x3"' in path.read_text()

    fastconv.forget_wisdom()
    assert explain(remade(layer, "measure"), x.shape).why.endswith("until the first call measures")
    fastconv.load_wisdom(str(path))
    assert wisdom._known == known
    monkeypatch.setattr(measuring, "fastest", no_measuring)
    twin = remade(layer, "measure")
    assert explain(twin, x.shape).chosen == "winograd_2x2_3x3"
    assert "measured" in explain(twin, x.shape).why
    np.testing.assert_array_equal(twin(x), layer(x))
    again = fastconv.conv2d(x, layer.filter, padding=1, algorithm="measure")
    np.testing.assert_array_equal(again, function)


def test_files_are_added_to_what_is_known(tmp_path):
    path = tmp_path / "wisdom.json"
    _, _, text = measured("winograd_2x2_3x3")
    fastconv.save_wisdom(path)
    fastconv.forget_wisdom()
    _, _, other = measured("direct", noise((1, 10, 10, 4)))
    wisdom._learn({text: "direct"})
    fastconv.load_wisdom(path)
    assert wisdom._known == {other: "direct", text: "winograd_2x2_3x3"}
    fastconv.save_wisdom(path)
    assert json.loads(path.read_text())["choices"] == wisdom._known


def test_a_layer_keeps_its_choice_and_explain_knows():
    layer, x, text = measured("winograd_2x2_3x3")
    before = layer(x).tobytes()
    for change in (fastconv.forget_wisdom, lambda: wisdom._learn({text: "direct"})):
        change()
        assert layer(x, num_threads=1).tobytes() == before
        told = explain(layer, x.shape)
        assert (told.chosen, told.why) == (
            "winograd_2x2_3x3",
            "the choice of the layer's first call",
        )
    assert explain(remade(layer, "measure"), x.shape).chosen == "direct"


@pytest.mark.skipif(len(levels.runnable()) < 2, reason="needs two levels")
def test_another_level_has_other_wisdom(monkeypatch):
    slow, fast = levels.runnable()[:2]
    with levels.use(slow):
        layer, x, _ = measured("winograd_2x2_3x3")
        assert explain(layer, x.shape).chosen == "winograd_2x2_3x3"
    with levels.use(fast):
        assert explain(layer, x.shape).why.endswith("until the first call measures")
        monkeypatch.setattr(measuring, "fastest", no_measuring)
        with pytest.raises(AssertionError, match="measured"):
            layer(x)
    with levels.use(slow):
        layer(x)


def test_auto_takes_no_wisdom():
    layer, x = Conv2d(3, 4, 4, **SAME), noise((1, 9, 9, 4))
    chosen = explain(layer, x.shape).chosen
    other = min(allowed(layer, x.shape) - {chosen})
    measured(other)
    assert explain(layer, x.shape).chosen == chosen
    layer(x)
    assert running(layer, x) == chosen


LINE = (
    "x86_64_v3 layer float32 nhwc input 1,9,9,4 kernel 3,3 filters 4 groups 1 stride 1,1 "
    "dilation 1,1 padding 1,1,1,1 constant"
)
FILE = {"format": "fastconv wisdom", "version": 1, "choices": {LINE: "direct"}}


def choices(line=LINE, algorithm="direct"):
    return {**FILE, "choices": {LINE: "direct", line: algorithm}}


def line(old, new):
    assert LINE.count(old) == 1
    return choices(LINE.replace(old, new))


GARBAGE = [
    (b"", "Expecting value"),
    (b"\xff\xfe\x00", ""),
    (b"\x80", "decode"),
    (b"{", "Expecting"),
    (b"[" * 100_000, "recursion"),
    (json.dumps(FILE).encode()[:-1], "Expecting"),
    ([], "object of format, version and choices"),
    (None, "object of format, version and choices"),
    ({}, "object of format, version and choices"),
    ({**FILE, "more": 1}, "object of format, version and choices"),
    ({"version": 1, "choices": {}}, "object of format, version and choices"),
    ({**FILE, "format": "fftw wisdom"}, "format must be 'fastconv wisdom'; got .*'fftw wisdom'"),
    ({**FILE, "version": 2}, "version must be 1; got version=2"),
    ({**FILE, "version": 1.0}, "version must be 1; got version=1.0"),
    ({**FILE, "version": True}, "version must be 1; got version=True"),
    ({**FILE, "choices": []}, "choices must be an object; got list"),
    (choices(algorithm="fft"), "the algorithm of .* must be one of .*direct; got 'fft'"),
    (choices(algorithm="auto"), "must be one of .*; got 'auto'"),
    (choices(algorithm=None), "must be one of .*; got None"),
    (choices(algorithm=["direct"]), r"must be one of .*; got \['direct'\]"),
    (choices(algorithm="depthwise"), "must be one of .*; got 'depthwise'"),
    (choices(algorithm="winograd_6x6_3x3"), "must be one of .*; got 'winograd_6x6_3x3'"),
    (choices(""), "written as save_wisdom does; got ''"),
    (choices(LINE + " "), "written as save_wisdom does"),
    (choices(LINE + "\n"), "written as save_wisdom does"),
    (line("layer", "Layer"), "written as save_wisdom does"),
    (line("float32", "float16"), "written as save_wisdom does"),
    (line("nhwc", "hwcn"), "written as save_wisdom does"),
    (line("input 1,9,9,4", "input 9,9,4"), "written as save_wisdom does"),
    (line("input 1,9", "input -1,9"), "written as save_wisdom does"),
    (line("input 1,9", "input \u0661,9"), "written as save_wisdom does"),
    (line("input 1,9", "input 01,9"), "must be written as 'x86_64_v3 layer .*; got .*01,9"),
    (line("input 1,9", f"input {'9' * 5000},9"), ""),
    (line("input 1,9", "input 99999999999999999999,9"), "at most 2"),
    (line("input 1,9", "input 1,0"), "kernel larger than the padded input"),
    (line("kernel 3,3", "kernel 0,3"), r"kernel_size\[0\] must be at least 1"),
    (line("kernel 3,3", "kernel 30,3"), "kernel larger than the padded input"),
    (line("filters 4", "filters 0"), "out_channels must be at least 1"),
    (line("groups 1", "groups 3"), "in_channels must be divisible by groups"),
    (line("stride 1,1", "stride 0,1"), r"stride\[0\] must be at least 1"),
    (line("constant", "zeros"), "pad_mode must be one of"),
]


@pytest.mark.parametrize(("content", "message"), GARBAGE, ids=[str(i) for i in range(len(GARBAGE))])
def test_garbage_is_refused(tmp_path, content, message):
    path = tmp_path / "wisdom.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    wisdom._learn({"sentinel": "direct"})
    start = "path must lead to what save_wisdom wrote; got "
    with pytest.raises(ValueError, match=f"{start}.*wisdom.json: (?s:.*){message}"):
        fastconv.load_wisdom(path)
    assert wisdom._known == {"sentinel": "direct"}


def test_the_file_that_garbage_is_made_from_is_good(tmp_path):
    path = tmp_path / "wisdom.json"
    path.write_text(json.dumps(FILE))
    fastconv.load_wisdom(path)
    assert wisdom._known == {LINE: "direct"}


def test_a_missing_file():
    with pytest.raises(FileNotFoundError):
        fastconv.load_wisdom("no/such/wisdom.json")
    with pytest.raises(FileNotFoundError):
        fastconv.save_wisdom("no/such/wisdom.json")


def test_a_file_is_replaced_all_at_once(tmp_path, monkeypatch):
    path = tmp_path / "wisdom.json"
    fastconv.save_wisdom(path)
    before = path.read_bytes()

    def full(self, target):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    measured()
    with pytest.raises(OSError, match="no space left"):
        fastconv.save_wisdom(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["wisdom.json"]


def test_the_oldest_problems_are_forgotten(monkeypatch):
    def fastest(problem, able, make, **_):
        return make(able[-1])

    monkeypatch.setattr(measuring, "fastest", fastest)
    layer = Conv1D(3, 16, 2, algorithm="measure")
    x = noise((1, 5000, 16))
    for length in range(3, 4303):
        layer(x[:, :length], num_threads=1)
    assert len(wisdom._known) == 4096
    lengths = [int(text.split("input 1,1,")[1].split(",")[0]) for text in wisdom._known]
    assert lengths == list(range(207, 4303))
    assert len(layer._weights._calls) <= 128
    assert len(layer._weights._packed) == 1


def test_explanations_are_data():
    told = explain(*LAYERS[0])
    assert dataclasses.asdict(told)["alternatives"][0]["name"] == told.alternatives[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        told.chosen = "direct"
    with pytest.raises(dataclasses.FrozenInstanceError):
        told.alternatives[0].cost = 0.0


@pytest.fixture
def costs_restored():
    yield
    set_costs(fastconv.costs.CYCLES)


def test_every_cost_follows_the_costs(costs_restored):
    case = Case((28, 28), 32, 32, (3, 3), padding=1)
    spec = case.spec(np.float32)
    problem = ConvProblem.build(spec, (1, *case.size, case.channels))
    plans = {
        a.name: a.bind(problem, a.filter(spec, levels.running())).plan
        for a in algorithms.candidates(spec, "auto")
    }
    assert {"direct", "winograd_4x4_3x3"} <= plans.keys()
    before = {name: plan.cost(1) for name, plan in plans.items()}
    set_costs({name: 2 * cycles for name, cycles in fastconv.costs.CYCLES.items()})
    for name, plan in plans.items():
        assert plan.cost(1) > 1.05 * before[name], name
