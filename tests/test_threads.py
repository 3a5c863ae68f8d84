"""How many threads run: limits are respected, a forked child works, the GIL is released."""

import os
import sys
import textwrap
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from cases import Case, judge
from threadpoolctl import threadpool_limits

import fastconv
from fastconv import threads
from fastconv._native import levels as native
from fastconv._native import plan

LARGE = Case((40, 40), 64, 64, (3, 3), padding=1, data="normal")
parallel = pytest.mark.skipif(not native.openmp(), reason="a serial build")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

PREPARE = """
import os, sys, numpy as np, fastconv
rng = np.random.default_rng(0)
x = rng.standard_normal((1, 60, 60, 64)).astype(np.float32)
w = rng.standard_normal((3, 3, 64, 64)).astype(np.float32)
"""


@pytest.fixture
def script(python):
    """Runs PREPARE and more in a fresh process; what it printed, as words."""

    def run(code, **environment):
        environment = {"OPENBLAS_NUM_THREADS": "1", **environment}
        done = python("-c", PREPARE + textwrap.dedent(code), timeout=60, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run


@parallel
@pytest.mark.parametrize("limit", [1, 2])
def test_threadpoolctl_limits_the_default(limit):
    with threadpool_limits(limit, user_api="openmp"):
        assert threads.count(None, 1000) <= limit
        number, reason = threads.explain()
        assert number <= limit
    if limit == 1:
        assert number == 1
        assert "threadpoolctl" in reason


def test_a_call_uses_no_more_than_is_worthwhile():
    assert threads.count(None, 1) == 1
    assert threads.count(None, 2) <= 2
    assert threads.count(5, 1) == 5


@pytest.fixture
def recent():
    """What short calls have met of late: nothing, before and after."""

    def forget():
        while plan.prefers_one(2):
            pass
        for _ in range(20):
            plan.learn(0.0, 2)

    forget()
    yield
    forget()


def calls_alone():
    """How many short calls do without other threads before the next has them."""
    return next(i for i in range(10000) if not plan.prefers_one(2))


def test_short_calls_do_without_threads_that_come_late(recent):
    """The longer, the oftener they did; and as before, once they come in time."""
    assert calls_alone() == 0
    found = []
    for _ in range(6):
        plan.learn(0.01, 2)
        found.append(calls_alone())
    assert found == sorted(found) and 1 <= found[0] <= 10 < 100 <= found[-1] == found[-2] <= 300
    for _ in range(5):
        plan.learn(0.0, 2)
    plan.learn(0.01, 2)
    assert calls_alone() < found[-1]


def test_long_calls_and_those_that_ask_have_their_threads(recent):
    for _ in range(5):
        plan.learn(0.01, 2)
    assert threads.team(None, 2) == 1
    assert threads.team(2, 2) == 2
    assert threads.team(None, 10**6) == threads.count(None, 10**6)
    left = calls_alone()
    plan.learn(10.0, 10**6)  # a long one says nothing of short ones
    assert left > 0 and calls_alone() == 0


def test_calls_count(recent, monkeypatch):
    """A layer's call is one of those that do without, and has the same result."""
    x = np.ones((1, 16, 16, 32), np.float32)  # worth several threads, but short
    layer = fastconv.Conv2d(3, 32, 256, padding=1, rng=0)
    wanted = layer(x, num_threads=1)
    monkeypatch.setattr(threads, "count", lambda requested, worthwhile: requested or 2)
    plan.learn(0.01, 2)
    before = calls_alone()
    for _ in range(10):
        plan.learn(0.0, 2)
    plan.learn(0.01, 2)
    np.testing.assert_array_equal(layer(x), wanted)
    assert calls_alone() == before - 1


@parallel
@linux
def test_omp_num_threads(script):
    code = "from fastconv import threads; print(*threads.explain())"
    number, *reason = script(code, OMP_NUM_THREADS="1")
    assert number == "1"
    assert "OMP_NUM_THREADS" in " ".join(reason)
    assert int(script(code, OMP_NUM_THREADS="1000")[0]) <= len(os.sched_getaffinity(0))


@parallel
@linux
@pytest.mark.parametrize(
    ("omp_num_threads", "num_threads", "wanted"), [("1", "None", 1), ("8", "1", 1), ("1", "3", 3)]
)
def test_number_of_threads_that_the_system_sees(script, omp_num_threads, num_threads, wanted):
    code = f"""
        fastconv.conv2d(x, w, padding=1, num_threads={num_threads})
        print(len(os.listdir("/proc/self/task")))
    """
    assert script(code, OMP_NUM_THREADS=omp_num_threads) == [str(wanted)]


@linux
def test_affinity_limits_the_default(script):
    code = """
        import subprocess
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        code = "from fastconv import threads; print(threads.explain()[0])"
        subprocess.run([sys.executable, "-c", code], check=True)
    """
    assert script(code) == ["1"]


@pytest.mark.parametrize(
    ("group", "files", "wanted"),
    [
        ("0::/pod/job", {"pod/job/cpu.max": "max 100000", "pod/cpu.max": "150000 100000"}, 2),
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/job", {"job/cpu.max": "max 100000"}, None),
        (
            "3:cpu,cpuacct:/job",
            {"cpu/job/cpu.cfs_quota_us": "300000", "cpu/job/cpu.cfs_period_us": "100000"},
            3,
        ),
        (
            "3:cpu,cpuacct:/",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            None,
        ),
    ],
)
def test_cpu_quota_of_a_container(tmp_path, group, files, wanted):
    for name, text in {"proc/self/cgroup": group, **with_prefix("sys/fs/cgroup", files)}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    quotas = [number for number, reason in threads._limits(tmp_path) if "quota" in reason]
    assert quotas == ([] if wanted is None else [wanted])


def with_prefix(prefix, files):
    return {f"{prefix}/{name}": text for name, text in files.items()}


@forks
@pytest.mark.parametrize("num_threads", ["None", "2"])
def test_forked_child_neither_hangs_nor_errs(script, num_threads):
    """The parent has used OpenMP; the child calls with a packed layer and with the function."""
    code = f"""
        import time
        same = {{"padding": 1, "algorithm": "winograd_4x4_3x3"}}
        layer = fastconv.Conv2d(3, 64, 64, **same)
        layer.filter = w
        wanted = fastconv.conv2d(x, w, **same, num_threads=2)
        layer(x)
        child = os.fork()
        if child == 0:
            equal = all(
                np.array_equal(y, wanted)
                for _ in range(3)
                for y in (
                    fastconv.conv2d(x, w, **same, num_threads={num_threads}),
                    layer(x, num_threads={num_threads}),
                )
            )
            os._exit(0 if equal else 3)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            time.sleep(0.02)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
            sys.exit("the child hangs")
        again = fastconv.conv2d(x, w, **same, num_threads=2)
        print(os.waitstatus_to_exitcode(status), np.array_equal(again, wanted))
    """
    assert script(code) == ["0", "True"]


def longest_silence(work):
    """The longest time this thread stood still while another did `work`, as a share of `work`."""
    times = {}

    def timed():
        times["start"] = time.perf_counter()
        work()
        times["end"] = time.perf_counter()

    other = threading.Thread(target=timed)
    stamps = []
    other.start()
    while other.is_alive():
        stamps.append(time.perf_counter())
    other.join()
    inside = [t for t in stamps if times["start"] <= t <= times["end"]]
    stamps = [times["start"], *inside, times["end"]]
    return max(np.diff(stamps)) / (times["end"] - times["start"])


def test_the_gil_is_released():
    """While one thread convolves, another one runs Python; three tries for a busy machine."""
    case = Case((200, 200), 64, 64, (5, 5), num_threads=1)
    x, weight, *_ = case.arrays(np.float32)
    assert any(longest_silence(lambda: case.run(x, weight)) < 0.5 for _ in range(3))


@pytest.mark.parametrize("algorithm", ["direct", "winograd_4x4_3x3"])
def test_two_threads_call_at_once(algorithm):
    """Different inputs through one layer and one function, many times, and nothing mixes."""
    case = replace(LARGE, algorithm=algorithm)
    x, weight, *_ = case.arrays(np.float32)
    layer = case.layer(weight)
    inputs = [x, x[:, ::-1], x[:, :, :20], 2 * x[:, 3:]]
    wanted = [layer(i) for i in inputs]
    judge(case, wanted[0], x, weight)
    wrong = []
    barrier = threading.Barrier(len(inputs))

    def call(index):
        barrier.wait()
        for turn in range(20):
            y = layer(inputs[index]) if turn % 2 else case.run(inputs[index], weight)
            if not np.array_equal(y, wanted[index]):
                wrong.append((index, turn))

    workers = [threading.Thread(target=call, args=(i,)) for i in range(len(inputs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
