"""Pictures of points: the roofline, error against speed, and curves over the number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from math import atan, degrees
from pathlib import Path

from matplotlib.axes import Axes

from ..cases import Case
from ..results import Results
from ..statistics import geometric_mean, median
from ..tables import figures
from . import style
from .style import Picture

HEIGHT = 4.6  # inches
FREE = 4  # factor of intensity to the left of all points, for the roofs' names
ROOFS = {
    "l1_bytes_per_s": "L1",
    "l2_bytes_per_s": "L2",
    "l3_bytes_per_s": "L3",
    "memory_bytes_per_s": "memory",
}


def roofline(results: Results, folder: Path) -> Iterator[Picture]:
    """fastconv and the best peer of each layer under the machine's limits."""
    own, size = figures.subject(results), figures.itemsize(results)
    points: dict[str, list[tuple[float, float]]] = {}
    pairs = []
    for result in figures.layers(results):
        case = Case.from_dict(result.case)
        intensity = 2 * case.multiplications / case.minimal_bytes(size)
        best = result.best_peer(exclude=[own] if own else [])
        pair = [
            (peer, figures.rate(result, seconds))
            for peer in (own, best)
            if peer and "/" not in peer and (seconds := result.figure(peer))
        ]
        for peer, rate in pair:
            points.setdefault(peer, []).append((intensity, rate))
        if len(pair) == 2:
            pairs.append((intensity, pair[0][1], pair[1][1]))
    if not points:
        return
    title = f"Roofline: each layer's rate, {figures.setting(results)}"
    drawn = style.axes(HEIGHT, title, len(points))
    xs, ys = zip(*(point for values in points.values() for point in values), strict=True)
    left, right = min(xs) / FREE, max(xs)
    peaks = [max(flops) / 1e9] if (flops := results.limits.get("peak_flops")) else []
    style.logarithmic(drawn, [left, right], [*ys, *peaks])
    for peak in peaks:
        _roofs(drawn, results, peak, (left, right), min(ys))
    if pairs:
        drawn.vlines(*zip(*pairs, strict=True), color="#BBBBBB", linewidth=0.7, zorder=1)
    for peer in (peer for peer in results.peers if peer in points):
        _scatter(drawn, peer, points[peer], hollow=peer != own)
    drawn.set_xlabel("operations per byte of input, filter, bias and output", fontsize=9)
    drawn.set_ylabel("effective GFLOP/s", fontsize=9)
    style.legend(drawn)
    caption = (
        f"Roofline: {own} (filled) and the fastest other library of each layer (hollow), with the "
        "measured multiply-add peak and read bandwidths."
    )
    yield style.save(drawn, folder, Picture("roofline.png", caption))


def errors(results: Results, folder: Path) -> Iterator[Picture]:
    """The error of each peer against its speed."""
    points: dict[str, list[tuple[float, float]]] = {}
    for result in figures.layers(results):
        for peer in result.timed_peers():
            seconds, error = result.figure(peer), figures.error(result, peer)
            if seconds and error and "/" not in peer:
                points.setdefault(peer, []).append((figures.rate(result, seconds), error))
    if not points:
        return
    title = f"Error against speed, {figures.setting(results)}"
    drawn = style.axes(HEIGHT, title, len(points))
    xs, ys = zip(*(point for values in points.values() for point in values), strict=True)
    style.logarithmic(drawn, xs, ys)
    for peer in (peer for peer in results.peers if peer in points):
        rates, found = zip(*points[peer], strict=True)
        drawn.scatter(
            rates,
            found,
            10,
            style.colour(peer),
            marker=style.marker(peer),
            alpha=0.35,
            linewidths=0,
        )
        drawn.scatter(
            geometric_mean(rates),
            geometric_mean(found),
            90,
            style.colour(peer),
            marker=style.marker(peer),
            edgecolors="black",
            linewidths=0.9,
            label=peer,
            zorder=3,
        )
    drawn.set_xlabel("effective GFLOP/s", fontsize=9)
    drawn.set_ylabel("greatest error / rms of the reference", fontsize=9)
    style.legend(drawn)
    caption = "Error against speed: small, each layer; large, each library's geometric mean."
    yield style.save(drawn, folder, Picture("error-speed.png", caption))


def scaling(results: Results, folder: Path) -> Iterator[Picture]:
    """The speed-up of each kind of layers over the number of threads."""
    for library, labels in figures.families(results).items():
        names = [figures.variant(label) for label in labels]
        if len(labels) < 2 or not all(name.isdecimal() for name in names):
            continue
        threads = [int(name) for name in names]
        curves = {}
        for group, cases in figures.kinds(results).items():
            found = [figures.ratios(cases, label, labels[0]) for label in labels]
            if all(found):
                curves[group] = [geometric_mean(values) for values in found]
        if not curves:
            continue
        title = f"{library}: speed-up over {threads[0]} thread{'s' * (threads[0] != 1)}, "
        title += figures.setting(results)
        drawn = style.axes(HEIGHT, title, len(curves) + 1)
        ideal = [count / threads[0] for count in threads]
        drawn.plot(threads, ideal, "--", color="black", linewidth=0.9, label="ideal")
        for i, (group, values) in enumerate(curves.items()):
            line, mark = ("-", "-.", ":")[i // len(style.MUTED) % 3], style.MARKERS[i % 11]
            shade = style.MUTED[i % len(style.MUTED)]
            drawn.plot(threads, values, mark + line, color=shade, label=group, markersize=5)
        drawn.set_xticks(threads, names)
        drawn.set_xlabel("threads", fontsize=9)
        drawn.set_ylabel("speed-up, geometric mean over the layers", fontsize=9)
        drawn.set_ylim(bottom=0)
        style.legend(drawn)
        caption = f"{library}: speed-up over the number of threads, kind by kind."
        yield style.save(drawn, folder, Picture(f"scaling-{figures.slug(library)}.png", caption))


def _scatter(drawn: Axes, peer: str, values: list[tuple[float, float]], hollow: bool) -> None:
    colour = style.colour(peer)
    drawn.scatter(
        [x for x, _ in values],
        [y for _, y in values],
        22,
        "none" if hollow else colour,
        marker=style.marker(peer),
        edgecolors=colour,
        linewidths=1.1 if hollow else 0,
        label=peer,
        zorder=2 if hollow else 3,
    )


def _roofs(
    drawn: Axes, results: Results, peak: float, across: tuple[float, float], bottom: float
) -> None:
    """The limits between two intensities, above a rate; named at their lower ends."""
    drawn.hlines(peak, *across, color="black", linewidth=1)
    drawn.annotate(
        f"FMA peak\n{figures.number(peak)} GFLOP/s",
        (1, peak),
        (4, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        fontsize=8,
    )
    for key, name in ROOFS.items():
        if not results.limits.get(key):
            continue
        bandwidth = median(results.limits[key]) / 1e9
        start, end = max(across[0], bottom / bandwidth), min(across[1], peak / bandwidth)
        if start >= end:
            continue
        drawn.plot([start, end], [start * bandwidth, end * bandwidth], color="black", linewidth=0.8)
        drawn.text(
            start,
            start * bandwidth,
            f" {name} {figures.number(bandwidth)} GB/s",
            rotation=degrees(atan(bandwidth)),
            rotation_mode="anchor",
            transform_rotates_text=True,
            va="top",
            zorder=4,
            fontsize=7.5,
        )
