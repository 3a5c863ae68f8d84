"""What the machine is and can do: caches, working sets, bandwidth from a stand-in, the roofline."""

import json
import platform

import pytest

from benchmarks import machine
from benchmarks.cases import Case

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def test_caches(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: {0, 1})
    for cpu in (0, 1, 2):
        for index, (kind, level, size, shared) in enumerate(
            [
                ("Data", "1", "48K", str(cpu)),
                ("Instruction", "1", "32K", str(cpu)),
                ("Unified", "2", "2048K", str(cpu)),
                ("Unified", "3", "16M", "0-2"),
            ]
        ):
            folder = tmp_path / f"cpu{cpu}" / "cache" / f"index{index}"
            folder.mkdir(parents=True)
            values = {"type": kind, "level": level, "size": size, "shared_cpu_list": shared}
            for name, value in values.items():
                (folder / name).write_text(value + "\n")
    assert machine.caches(tmp_path) == {
        "l1": (48 * KIB, 2),
        "l2": (2 * MIB, 2),
        "l3": (16 * MIB, 1),
    }
    assert machine.caches(tmp_path / "nothing") == {}


@pytest.mark.parametrize(
    ("l3", "memory", "expected"),
    [
        (64 * MIB, 16 * GIB, (16 * MIB, 256 * MIB)),
        (480 * MIB, 16 * GIB, (16 * MIB, 960 * MIB)),
        (480 * MIB, 2 * GIB, (16 * MIB, None)),  # no room for twice L3
        (1 * GIB, 64 * GIB, (16 * MIB, None)),
        (16 * MIB, 64 * GIB, (None, 256 * MIB)),  # not much more than L2
        (0, 16 * GIB, (None, 256 * MIB)),
    ],
)
def test_working_sets(l3, memory, expected):
    sets = machine.working_sets({"l1": 96 * KIB, "l2": 4 * MIB, "l3": l3}, memory)
    assert (sets["l1"], sets["l2"]) == (48 * KIB, 2 * MIB)
    assert (sets["l3"], sets["memory"]) == expected


def test_bandwidth_leaves_out_what_every_call_costs(monkeypatch):
    """A machine that takes 5 ms to allocate and then reads 10 GB/s."""
    now = [0.0]

    def read(level, size, repeats, threads):
        count = size * repeats * threads
        now[0] += 0.005 + count / 1e10
        return count

    monkeypatch.setattr(machine.native, "read", read)
    monkeypatch.setattr(machine.time, "perf_counter", lambda: now[0])
    assert machine.bandwidth(1 * MIB, 2) == pytest.approx(1e10)


def test_description_names_no_host():
    text = json.dumps(machine.describe())
    assert platform.node() not in text
    assert "/" not in text.replace("GNU/Linux", "")


LIMITS = {
    "peak_flops": [0.9e12, 1e12],
    "l1_bytes": 64 * KIB,
    "l2_bytes": 4 * MIB,
    "l3_bytes": 64 * MIB,
    "l1_bytes_per_s": [4e11],
    "l2_bytes_per_s": [2e11],
    "l3_bytes_per_s": [5e10],
    "memory_bytes_per_s": [1e10],
}


def pointwise(size, channels):
    return Case("a", (size,), (1,), channels, channels, (1,), ((0, 0),), (1,), (0,))


def test_roofline_of_much_arithmetic():
    case = pointwise(4096, 1024)
    assert machine.roofline(case, LIMITS, 4) == 2 * case.multiplications / 1e12
    assert machine.roofline(case, LIMITS, 4, 5e11) == 2 * case.multiplications / 5e11


@pytest.mark.parametrize(
    ("size", "rate"), [(1000, 4e11), (10_000, 2e11), (2_000_000, 5e10), (20_000_000, 1e10)]
)
def test_roofline_of_many_bytes_is_that_of_the_cache_that_holds_them(size, rate):
    case = pointwise(size, 1)
    assert machine.roofline(case, LIMITS, 4) == pytest.approx(case.minimal_bytes(4) / rate)


def test_roofline_takes_the_next_level_where_one_was_not_measured():
    case = pointwise(2_000_000, 1)
    without_l3 = LIMITS | {"l3_bytes_per_s": None}
    assert machine.roofline(case, without_l3, 4) == pytest.approx(case.minimal_bytes(4) / 1e10)
    without_both = without_l3 | {"memory_bytes_per_s": None}
    assert machine.roofline(case, without_both, 4) == pytest.approx(case.minimal_bytes(4) / 2e11)
