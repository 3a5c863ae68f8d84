"""What this machine is, and what it can do at most, measured in the same run as the peers."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastconv
from fastconv import levels, threads
from fastconv._native import machine as native

from .cases import Case
from .statistics import median

CPUS = Path("/sys/devices/system/cpu")
CACHES = ("l1", "l2", "l3")
MEMORY = (256 << 20, 1 << 30)  # bytes that are read to measure memory: at least, at most
LONG_ENOUGH = 0.01  # seconds of reading
TRIES = 3  # the best of so many counts
PEAK_STEPS = 30_000  # a few tenths of a ms
PEAK_TRIES, PEAK_SECONDS = 10, 0.015  # at least; longer than another process keeps a core


def usable_cores() -> int:
    """The threads that this process can run at once."""
    return threads.explain()[0]


def caches(root: Path = CPUS) -> dict[str, tuple[int, int]]:
    """Bytes of each data cache, and how many of them the usable CPUs have; unknown ones missing."""
    found: dict[str, tuple[int, set[str]]] = {}
    for cpu in os.sched_getaffinity(0):
        for folder in (root / f"cpu{cpu}" / "cache").glob("index*"):
            kind, level, size, shared = (
                (folder / name).read_text().strip()
                for name in ("type", "level", "size", "shared_cpu_list")
            )
            if kind != "Instruction":
                found.setdefault(f"l{level}", (_bytes(size), set()))[1].add(shared)
    return {name: (size, len(groups)) for name, (size, groups) in found.items()}


def _bytes(size: str) -> int:
    """Of a size such as 48K."""
    return int(size.rstrip("KM")) << {"K": 10, "M": 20}.get(size[-1], 0)


def memory() -> int:
    """Bytes of memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cpu(text: str) -> str:
    """The CPU's name in /proc/cpuinfo, else its architecture."""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.machine()


def describe() -> dict[str, Any]:
    """What this machine is and what runs on it, without names of hosts or folders."""
    config = fastconv.show_config("dicts")
    release = ".".join(platform.release().split(".")[:2])
    return {
        "cpu": _cpu(Path("/proc/cpuinfo").read_text()),
        "cores": usable_cores(),
        "caches": {name: size for name, (size, _) in sorted(caches().items())},
        "memory": memory(),
        "system": " ".join([platform.system(), release, *platform.libc_ver()]),
        "python": platform.python_version(),
        "numpy": config["numpy"],
        "fastconv": config["fastconv"],
        "level": config["level"]["running"],
        "compiler": config["compiler"],
    }


def peak(num_threads: int, itemsize: int) -> float:
    """FLOP/s of multiply-adds alone: the best of many short measurements."""
    best = float("inf")
    tries = 0
    end = time.perf_counter() + PEAK_SECONDS
    while tries < PEAK_TRIES or time.perf_counter() < end:
        start = time.perf_counter()
        operations = native.multiply_adds(levels.running(), itemsize, PEAK_STEPS, num_threads)
        best = min(best, time.perf_counter() - start)
        tries += 1
    return operations / best


def _capacities(num_threads: int) -> dict[str, int]:
    """Bytes of each cache that so many threads have together."""
    return {name: size * min(n, num_threads) for name, (size, n) in caches().items()}


def working_sets(capacities: Mapping[str, int], memory_bytes: int) -> dict[str, int | None]:
    """Bytes that all threads read together to measure each level; None where it cannot be.

    Half of L1 and of L2; four times L2, within half of L3; twice L3 in memory, where that is
    within `MEMORY` and a quarter of the memory.
    """
    l1, l2, l3 = (capacities.get(name, 0) for name in CACHES)
    beyond = max(MEMORY[0], 2 * l3)
    return {
        "l1": l1 // 2 or None,
        "l2": l2 // 2 or None,
        "l3": 4 * l2 if 0 < 4 * l2 <= l3 // 2 else None,
        "memory": beyond if beyond <= min(MEMORY[1], memory_bytes // 4) else None,
    }


def bandwidth(size: int, num_threads: int) -> float:
    """Bytes per second that `num_threads` threads read from `size` bytes, over and over.

    From the difference of few and many repeats, which leaves out allocating and touching.
    """

    def read(repeats: int, num_threads: int) -> tuple[int, float]:
        start = time.perf_counter()
        count = native.read(levels.running(), share, repeats, num_threads)
        return count, time.perf_counter() - start

    share = size // num_threads
    repeats = 1
    while read(repeats, 1)[1] < LONG_ENOUGH:  # one thread: nothing to wait for
        repeats *= 2
    short = long = float("inf")
    for _ in range(TRIES):
        few, seconds = read(repeats, num_threads)
        short = min(short, seconds)
        many, seconds = read(3 * repeats, num_threads)
        long = min(long, seconds)
    return (many - few) / (long - short) if long > short else many / long


def limits(num_threads: int, itemsize: int, measurements: int = 3) -> dict[str, Any]:
    """FMA peak and read bandwidths, each measured several times.

    Returns
    -------
    dict
        peak_flops; l1_, l2_, l3_ and memory_bytes_per_s: a list of measurements each, or None where
        it cannot be measured here. l1_, l2_, l3_bytes: what these threads have of each cache.
    """
    capacities = _capacities(num_threads)
    sets = working_sets(capacities, memory())
    result: dict[str, Any] = {"threads": num_threads, "itemsize": itemsize, "peak_flops": []}
    result |= {f"{name}_bytes": capacities.get(name, 0) for name in CACHES}
    result |= {f"{name}_bytes_per_s": [] if size else None for name, size in sets.items()}
    for _ in range(measurements):
        result["peak_flops"].append(peak(num_threads, itemsize))
        for name, size in sets.items():
            if size:
                result[f"{name}_bytes_per_s"].append(bandwidth(size, num_threads))
    return result


def roofline(
    case: Case, limits: Mapping[str, Any], itemsize: int, flops: float | None = None
) -> float:
    """Seconds that the case takes at least: the larger of its arithmetic and its bytes.

    Parameters
    ----------
    limits : mapping
        What `limits` gave.
    flops : float, optional
        The FMA peak that was measured beside the case, in place of that of `limits`.

    Notes
    -----
    Input, filter, bias and output are taken to lie in the smallest cache that holds them all, and
    to be moved once, at the read bandwidth of that cache (the next one's where it was not
    measured). An algorithm with fewer multiplications, such as Winograd's, can pass the bound.
    """
    flops = flops or max(limits["peak_flops"])
    size = case.minimal_bytes(itemsize)
    outward = [name for name in CACHES if limits[f"{name}_bytes"] >= size] + ["memory"]
    inward = [name for name in reversed(CACHES) if name not in outward]
    rates = [limits[f"{name}_bytes_per_s"] for name in (*outward, *inward)]
    moved = next((size / median(rate) for rate in rates if rate), 0.0)
    return max(2 * case.multiplications / flops, moved)
