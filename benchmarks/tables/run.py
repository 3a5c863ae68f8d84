"""The run itself: the machine, its limits, the libraries; and what a run of variants found."""

from __future__ import annotations

from typing import Any

from ..results import Results
from ..statistics import geometric_mean, median
from . import figures
from .figures import number, times, variant, word
from .table import NOTHING, Table

LIMITS = {
    "peak_flops": ("multiply-adds", "GFLOP/s"),
    "l1_bytes_per_s": ("reading L1", "GB/s"),
    "l2_bytes_per_s": ("reading L2", "GB/s"),
    "l3_bytes_per_s": ("reading L3", "GB/s"),
    "memory_bytes_per_s": ("reading memory", "GB/s"),
}


def machine(results: Results) -> list[Table]:
    """What the machine is, and what it was measured to do at most."""
    rows = [[key, _value(value)] for key, value in results.machine.items()]
    described = Table("Machine", "", ["", ""], rows, words=frozenset([1]))
    rows = []
    for key, (name, unit) in LIMITS.items():
        if values := [value / 1e9 for value in results.limits.get(key) or []]:
            extremes = f"{number(min(values))}-{number(max(values))}"
            value = max(values) if key == "peak_flops" else median(values)
            rows.append([name, f"{number(value)} {unit}", extremes])
    threads = results.limits.get("threads")
    title = f"Measured limits ({threads} thread{'s' * (threads != 1)})"
    note = "Of the peak the best measurement, as disturbances only lower it; else the median."
    limits = Table(title, note, ["limit", "value", "range"], rows)
    return [described, limits] if rows else [described]


def _value(value: Any) -> str:
    """A value of the machine's description; counts of bytes in units."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(part)}" for key, part in value.items())
    if isinstance(value, int) and value >= 1024:
        unit = min((value.bit_length() - 1) // 10, 3)
        return f"{value / (1 << 10 * unit):.3g} {('B', 'KiB', 'MiB', 'GiB')[unit]}"
    return str(value)


def libraries(results: Results) -> Table:
    """The version of each library, and in how many cases it was timed or why not; absent ones."""
    rows = []
    for peer, about in results.peers.items():
        if about["absent"] is not None:
            rows.append([peer, f"absent: {about['absent']}", *[NOTHING] * 6])
            continue
        timed = sum(result.figure(peer) is not None for result in results.cases)
        words = [word(result, peer) for result in results.cases if result.figure(peer) is None]
        counts = [timed, *(words.count(text) for text in figures.WORDS.values())]
        rows.append([peer, about["version"] or "", *map(str, counts)])
    headers = ["library", "version", "timed", *figures.WORDS.values()]
    return Table("Libraries, and their cases", "", headers, rows, words=frozenset([1]))


def variants(results: Results, intervals: bool = True) -> list[Table]:
    """Numbers of threads, or instruction-set levels, of a library against the first of them."""
    tables = []
    for library, labels in figures.families(results).items():
        base = labels[0]
        names = [variant(label) for label in labels]
        threads = all(name.isdecimal() for name in names)
        what = "threads: speed-up over" if threads else "levels: speed over"
        title = f"{library}, {what} {names[0]}"
        groups = [
            [
                group,
                *(_mean(figures.ratios(cases, label, base)) for label in labels[1:]),
            ]
            for group, cases in figures.kinds(results).items()
        ]
        rows = []
        for result in figures.layers(results):
            seconds = result.figure(base)
            row = [
                figures.label(result),
                number(figures.rate(result, seconds)) if seconds else word(result, base),
            ]
            for label in labels[1:]:
                ratio = result.ratio(label, base)
                row.append(times(ratio, intervals) if ratio else word(result, label))
            rows.append(row)
        tables += [
            Table(f"{title}, geometric means (layers)", "", ["group", *names[1:]], groups),
            Table(f"{title}, each layer", "", ["layer", f"{names[0]} GFLOP/s", *names[1:]], rows),
        ]
    return tables


def _mean(values: list[float]) -> str:
    return f"{number(geometric_mean(values))}x ({len(values)})" if values else NOTHING
