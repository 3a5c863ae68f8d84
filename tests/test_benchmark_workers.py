"""The benchmark suite's workers, with fake peers; and those adapters whose libraries are here."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.cases.case import Case
from benchmarks.processes import CHECKOUT, Worker, WorkerFailed
from benchmarks.reference import errors, reference, right_within
from benchmarks.worker import without_paths

TESTS = Path(__file__).parent
LIMIT = 30.0


def layer(name, size, kernel, channels, *, stride=None, padding=None, dilation=None, **more):
    dims = len(size)
    return Case(
        name,
        size,
        kernel,
        *channels,
        stride or (1,) * dims,
        padding or ((0, 0),) * dims,
        dilation or (1,) * dims,
        more.pop("output_padding", (0,) * dims),
        **more,
    )


CASES = [
    layer("3x3", (13, 9), (3, 3), (16, 24), padding=((1, 1), (1, 1)), batch=2),
    layer("1x1 stride 2", (9, 9), (1, 1), (8, 12), stride=(2, 2)),
    layer("5x3, all differ", (21, 23), (5, 3), (4, 6), stride=(2, 1), dilation=(1, 2)),
    layer("one side", (8, 8), (3, 3), (8, 8), stride=(2, 2), padding=((0, 1), (0, 1))),
    layer("depthwise", (9, 9), (3, 3), (8, 8), padding=((1, 1), (1, 1)), groups=8),
    layer("grouped", (7, 7), (3, 3), (6, 10), padding=((1, 1), (1, 1)), groups=2, batch=2),
    layer("1-D", (50,), (7,), (3, 5), stride=(2,), padding=((3, 3),)),
    layer("1-D causal", (40,), (5,), (8, 8), padding=((12, 0),), dilation=(3,)),
    layer("1-D depthwise", (40,), (9,), (16, 16), padding=((4, 4),), groups=16, batch=2),
    layer(
        "transposed 1-D",
        (15,),
        (10,),
        (8, 4),
        stride=(5,),
        padding=((2, 2),),
        transposed=True,
        output_padding=(1,),
    ),
    layer(
        "transposed causal", (15,), (4,), (8, 4), stride=(2,), padding=((0, 2),), transposed=True
    ),
    layer(
        "transposed",
        (5, 7),
        (4, 3),
        (4, 6),
        stride=(2, 1),
        padding=((1, 0), (0, 1)),
        dilation=(1, 2),
        groups=2,
        batch=2,
        transposed=True,
    ),
]
CASE = CASES[0]


def start(fake, **arguments):
    environment = {"PYTHONPATH": str(TESTS)}
    module = f"fake_peers.{fake}"
    return Worker(fake, 1, "float32", environment=environment, module=module, **arguments)


def build(worker, folder, case=CASE, limit=LIMIT):
    request = {"do": "build", "case": case.to_dict(), "save": str(folder / "result")}
    return worker.ask(request, limit)["forms"]


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def alive(pid):
    try:
        return state(pid) != "Z"
    except FileNotFoundError:
        return False


def test_good_peer(tmp_path):
    with start("good") as worker:
        assert (worker.version, worker.absent) == ("1.0", None)
        forms = build(worker, tmp_path)
        assert forms["plain"]["status"] == "ok"
        expected = reference(CASE, *CASE.arrays("float32"))
        error, rms = errors(np.load(forms["plain"]["result"]), expected)
        assert 0 < rms < error < 1e-6
        assert forms["impossible"] == {"status": "unsupported", "note": "no layout.py for it"}
        assert forms["broken"] == {"status": "failed", "note": "RuntimeError: see else.py"}
        timed = worker.ask({"do": "time", "form": "plain", "seconds": 0.01}, LIMIT)
        assert timed["calls"] >= 3
        assert 0 < timed["best"] < 1
        worker.ask({"do": "drop"}, LIMIT)
        with pytest.raises(WorkerFailed, match="failed: KeyError: 'plain'"):
            worker.ask({"do": "time", "form": "plain", "seconds": 0.01}, LIMIT)
        assert build(worker, tmp_path)["plain"]["status"] == "ok"


def test_crash(tmp_path):
    with start("crashing") as worker:
        with pytest.raises(WorkerFailed) as caught:
            build(worker, tmp_path)
        assert caught.value.status == "crashed"
        assert caught.value.note == "SIGABRT; assertion failed in kernel.cpp"
        with pytest.raises(WorkerFailed, match="crashed"):
            worker.ask({"do": "drop"}, LIMIT)


def test_crash_at_start():
    with pytest.raises(WorkerFailed, match="crashed: exit code 3"):
        start("crashing_at_start")


def test_crash_between_questions(tmp_path):
    with start("good") as worker:
        os.kill(worker.pid, signal.SIGKILL)
        time.sleep(0.05)
        with pytest.raises(WorkerFailed, match="crashed"):
            build(worker, tmp_path)


def test_hang(tmp_path):
    with start("hanging") as worker:
        with pytest.raises(WorkerFailed, match=r"hung: no answer within 0\.3 s"):
            build(worker, tmp_path, limit=0.3)
        assert not alive(worker.pid)


def test_hang_at_start():
    with pytest.raises(WorkerFailed, match="hung"):
        start("good", start_limit=0.0)


def test_wrong_results_are_seen(tmp_path):
    expected = reference(CASE, *CASE.arrays("float32"))
    with start("wrong") as worker:
        forms = build(worker, tmp_path)
    for name, form in forms.items():
        error, rms = errors(np.load(form["result"]), expected)
        greatest, most = right_within(CASE, "float32")
        assert error > 10 * greatest, name
        assert rms > 10 * most, name
        assert math.isinf(error) == (name in ("shape", "infinite"))


def test_results_that_change_are_seen(tmp_path):
    with start("racing") as worker:
        assert build(worker, tmp_path)["plain"]["status"] == "ok"
        first, then = (
            worker.ask({"do": "time", "form": "plain", "seconds": seconds}, LIMIT)["change"]
            for seconds in (0.0, 0.001)
        )
    assert max(then) > 0.1
    assert len(first) == 2


def test_chatter_does_not_come_between_answers(tmp_path):
    with start("chatting") as worker:
        assert worker.version == "1.0"
        assert build(worker, tmp_path)["plain"]["status"] == "ok"
        assert worker.ask({"do": "time", "form": "plain", "seconds": 0.0}, LIMIT)["calls"] == 3


def test_absent_library():
    with start("absent") as worker:
        assert worker.version is None
        assert worker.absent == "No module named 'no_such_library'"


def test_unknown_peer():
    with pytest.raises(ValueError, match="'matlab'"):
        peers.adapter("matlab")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_stopped_between_questions(tmp_path):
    with start("good") as worker:
        for _ in range(2):
            assert state(worker.pid) == "T"
            build(worker, tmp_path)
        assert state(worker.pid) == "T"
    assert not alive(worker.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of Linux")
def test_dies_with_its_parent():
    program = (
        "import os, signal\n"
        "from benchmarks.processes import Worker\n"
        "worker = Worker('good', 1, 'float32', module='fake_peers.good')\n"
        "print(worker.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = os.pathsep.join([str(CHECKOUT), str(TESTS)])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        timeout=LIMIT,
    )
    pid = int(done.stdout)
    for _ in range(100):
        if not alive(pid):
            return
        time.sleep(0.02)
    pytest.fail("the worker outlived its parent")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/usr/lib/x.so: bad ELF", "x.so: bad ELF"),
        ("File '/home/me/a b.py'", "File 'a b.py'"),
        ("shape 3/4, n/a", "shape 3/4, n/a"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("~/lib/x.py (in ./build/y.c)", "x.py (in y.c)"),
    ],
)
def test_notes_name_no_folders(text, kept):
    assert without_paths(text) == kept


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reference_against_the_definition(case):
    x, weight, bias = case.arrays("float64")
    expected = np.zeros(case.output_shape) + bias
    inputs, outputs = case.in_channels // case.groups, case.out_channels // case.groups
    for pixel in np.ndindex(case.size if case.transposed else case.output_size):
        for tap in np.ndindex(case.kernel):
            other = tuple(
                p * s + t * d - before
                for p, s, t, d, (before, _) in zip(
                    pixel, case.stride, tap, case.dilation, case.padding, strict=True
                )
            )
            limits = case.output_size if case.transposed else case.size
            if not all(0 <= o < limit for o, limit in zip(other, limits, strict=True)):
                continue
            source, target = (pixel, other) if case.transposed else (other, pixel)
            for group in range(case.groups):
                seen = slice(group * inputs, (group + 1) * inputs)
                made = slice(group * outputs, (group + 1) * outputs)
                matrix = weight[tap][:, seen].T if case.transposed else weight[tap][:, made]
                expected[:, *target, made] += x[:, *source, seen] @ matrix
    assert errors(reference(case, x, weight, bias), expected)[0] < 1e-13


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("peer", peers.NAMES)
def test_installed_libraries_compute_the_cases(peer, dtype, tmp_path):
    with Worker(peer, 1, dtype) as worker:
        if worker.absent:
            pytest.skip(worker.absent)
        for case in CASES:
            expected = reference(case, *case.arrays(dtype))
            for form in build(worker, tmp_path, case).values():
                if form["status"] == "unsupported":
                    assert form["note"]
                    continue
                assert form["status"] == "ok", (case.name, form)
                result = np.load(form["result"])
                assert result.dtype == dtype
                error, rms = errors(result, expected)
                greatest, most = right_within(case, dtype)
                assert error <= greatest, case.name
                assert rms <= most, case.name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reference_of_gradients_by_unit_vectors(case):
    """<dy, y> is linear in x, weight and bias: its derivatives are its differences."""
    case = case.with_gradients()
    *arrays, dy = case.arrays("float64")
    y, *parts = np.split(reference(case, *arrays, dy), case.ends)
    np.testing.assert_array_equal(y.reshape(case.output_shape), reference(case, *arrays))
    rng = np.random.default_rng(0)
    for number, part in enumerate(parts):
        size = arrays[number].size
        assert part.shape == (size,)
        for index in {0, size - 1, *rng.integers(size, size=8).tolist()}:
            moved = [array.copy() for array in arrays]
            moved[number].flat[index] += 1
            slope = np.vdot(dy, reference(case, *moved) - reference(case, *arrays))
            assert part[index] == pytest.approx(slope, abs=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("peer", peers.LEARNERS)
def test_installed_libraries_compute_gradients(peer, dtype, tmp_path):
    with Worker(peer, 1, dtype) as worker:
        if worker.absent:
            pytest.skip(worker.absent)
        for case in (case.with_gradients() for case in CASES):
            expected = reference(case, *case.arrays(dtype))
            for form in build(worker, tmp_path, case).values():
                assert form["status"] == "ok", (case.name, form)
                result = np.load(form["result"])
                assert result.dtype == dtype
                error, rms = errors(result, expected, case.ends)
                greatest, most = right_within(case, dtype)
                assert error <= greatest, case.name
                assert rms <= most, case.name
        if peer == peers.SUBJECT:
            for form in "layer", "functions":
                timed = worker.ask({"do": "time", "form": form, "seconds": 0.0}, LIMIT)
                assert timed["change"] == [0, 0]


def test_a_wrong_part_is_seen():
    """Even a small one beside large ones."""
    case = CASE.with_gradients()
    expected = reference(case, *case.arrays("float64"))
    result = expected.copy()
    result[case.ends[-1]] *= 1.5
    assert errors(result, expected)[1] < 0.1 * errors(result, expected, case.ends)[1]


def rounded(values, bits):
    """Values with so many significant bits."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    return np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bfloat16_is_wrong(case):
    """Even where it is of the filter alone."""
    x, weight, bias = case.arrays("float32")
    error, rms = errors(
        reference(case, x, rounded(weight, 8), bias), reference(case, x, weight, bias)
    )
    greatest, most = right_within(case, "float32")
    assert error > greatest or rms > most
