"""Bars: each kind of layers, the levels, the networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes

from ..peers import SUBJECT
from ..results import CaseResult, Results
from ..statistics import Ratio, geometric_mean, median, quartiles
from ..tables import figures
from . import style
from .style import Picture

LANE, GAP = 0.105, 0.16  # inches of a bar, and between the cases
TALLEST = 9.0  # inches of bars in a picture
FEW = 16  # cases up to which each peer has a bar; of more it has a mark
ROW, ROWS = 0.24, 40  # inches of a case with marks, and the most of them in a picture
NEAR = 0.4  # share of the peak from which a scale goes on to the peak
LEVELS = ("#BBBBBB", "#88CCEE", "#332288", "#117733", "#882255")


class Series(NamedTuple):
    """The bars of one colour: a value with its range for each row, or a word instead."""

    name: str
    colour: str
    values: list[Ratio | str]


def layers(results: Results, folder: Path) -> Iterator[Picture]:
    """The rates of all peers, kind by kind."""
    for group, cases in figures.kinds(results).items():
        peers = [
            peer
            for peer in results.present
            if "/" not in peer and any(result.seconds(peer) for result in cases)
        ]
        if not peers:
            continue
        detailed = len(cases) <= FEW
        most = max(1, int(TALLEST / (LANE * len(peers) + GAP))) if detailed else ROWS
        parts = list(_parts(cases, most))
        for number, part in enumerate(parts, 1):
            of = f" ({number} of {len(parts)})" if len(parts) > 1 else ""
            title = f"{group}: effective GFLOP/s{of}, {figures.setting(results)}"
            drawn = (_bars if detailed else _marks)(title, part, peers)
            _peak(drawn, part)
            style.legend(drawn)
            file = f"bars-{figures.slug(group)}{f'-{number}' if len(parts) > 1 else ''}.png"
            caption = f"{group}: effective GFLOP/s of each library{of}; whiskers: quartiles."
            yield style.save(drawn, folder, Picture(file, caption, group))


def levels(results: Results, folder: Path) -> Iterator[Picture]:
    """Each instruction-set level against the first."""
    for library, labels in figures.families(results).items():
        names = [figures.variant(label) for label in labels]
        if len(labels) < 2 or all(name.isdecimal() for name in names):
            continue
        base = labels[0]
        groups = {
            name: cases
            for name, cases in figures.kinds(results).items()
            if any(case.figure(base) for case in cases)
        }
        series = [
            Series(
                figures.variant(label),
                LEVELS[i % len(LEVELS)],
                [_mean(figures.ratios(cases, label, base)) for cases in groups.values()],
            )
            for i, label in enumerate(labels)
        ]
        title = f"{library}: speed of the levels, {names[0]} = 1, {figures.setting(results)}"
        drawn = grouped(title, list(groups), series, "geometric mean and quartiles over the layers")
        drawn.axvline(1, color="black", linewidth=0.8)
        style.legend(drawn)
        caption = f"{library} at each instruction-set level against {names[0]}."
        yield style.save(drawn, folder, Picture(f"levels-{figures.slug(library)}.png", caption))


def networks(results: Results, folder: Path) -> Iterator[Picture]:
    """Each peer's speed in whole networks against fastconv's."""
    own = figures.subject(results)
    cases = [result for result in figures.networks(results) if own and result.figure(own)]
    if own is None or not cases:
        return
    series = [
        Series(
            peer,
            style.colour(peer),
            [result.ratio(peer, own) or figures.word(result, peer) for result in cases],
        )
        for peer in results.present
        if any(result.figure(peer) for result in cases)
    ]
    title = f"Whole networks: speed, {own} = 1, {figures.setting(results)}"
    label = "speed relative to " + own
    drawn = grouped(title, [figures.label(result) for result in cases], series, label)
    drawn.axvline(1, color="black", linewidth=0.8)
    style.legend(drawn)
    caption = f"Whole networks: speed relative to {own}; whiskers: quartiles over the rounds."
    yield style.save(drawn, folder, Picture("networks.png", caption))


def grouped(
    title: str, names: Sequence[str], series: Sequence[Series], label: str, others: int = 0
) -> Axes:
    """A row for each name, with a bar of each series; the legend gets so many other entries."""
    step = LANE * len(series) + GAP
    drawn = style.axes(step * len(names), title, len(series) + others)
    for lane, (name, colour, values) in enumerate(series):
        places = [step * row + LANE * (lane + 0.5) + GAP / 2 for row in range(len(names))]
        bars = [(y, v) for y, v in zip(places, values, strict=True) if isinstance(v, Ratio)]
        heights = [value.value for _, value in bars]
        drawn.barh([y for y, _ in bars], heights, LANE * 0.9, color=colour, label=name)
        _whiskers(drawn, bars)
        for y, value in zip(places, values, strict=True):
            if isinstance(value, str) and value != figures.NOTHING:
                _word(drawn, y, f"{name}: {value}")
    _rows(drawn, names, step, label)
    return drawn


def _bars(title: str, cases: Sequence[CaseResult], peers: Sequence[str]) -> Axes:
    series = [
        Series(
            peer,
            style.colour(peer),
            [_rate(result, peer) or figures.word(result, peer) for result in cases],
        )
        for peer in peers
    ]
    names = [figures.label(result) for result in cases]
    return grouped(title, names, series, "effective GFLOP/s", 1)


def _marks(title: str, cases: Sequence[CaseResult], peers: Sequence[str]) -> Axes:
    """A bar for fastconv and a mark for each other, for where bars would be too many."""
    drawn = style.axes(ROW * len(cases), title, len(peers) + 1)
    lanes = [peer for peer in peers if peer != SUBJECT]
    for peer in peers:
        shift = 0.8 * ((lanes.index(peer) + 0.5) / len(lanes) - 0.5) if peer in lanes else 0.0
        found = [(ROW * (i + 0.5 + shift), _rate(case, peer)) for i, case in enumerate(cases)]
        values = [(y, value) for y, value in found if value]
        places, rates = [y for y, _ in values], [value.value for _, value in values]
        colour = style.colour(peer)
        if peer == SUBJECT:
            pale = (colour, 0.3)
            drawn.barh(places, rates, ROW * 0.8, color=pale, ec=colour, label=peer, zorder=1)
        else:
            drawn.plot(
                rates,
                places,
                style.marker(peer),
                color=colour,
                label=peer,
                markersize=6,
                markeredgecolor="white",
                markeredgewidth=0.4,
            )
        _whiskers(drawn, values)
    _rows(drawn, [figures.label(result) for result in cases], ROW, "effective GFLOP/s")
    return drawn


def _rows(drawn: Axes, names: Sequence[str], step: float, label: str) -> None:
    """Name the rows, the first on top."""
    drawn.set_yticks([step * (row + 0.5) for row in range(len(names))], names)
    drawn.set_ylim(step * len(names), 0)
    drawn.set_xlim(left=0)
    drawn.tick_params(axis="y", length=0)
    drawn.grid(visible=False, axis="y")
    between = [step * row for row in range(1, len(names))]
    whole = drawn.get_yaxis_transform()
    drawn.hlines(between, 0, 1, color="#DDDDDD", linewidth=0.6, zorder=0, transform=whole)
    drawn.set_xlabel(label, fontsize=9)


def _whiskers(drawn: Axes, values: Sequence[tuple[float, Ratio]]) -> None:
    places, lows, highs = (
        [y for y, _ in values],
        [v.low for _, v in values],
        [v.high for _, v in values],
    )
    drawn.hlines(places, lows, highs, color="black", linewidth=0.8, zorder=3)


def _word(drawn: Axes, y: float, text: str) -> None:
    """A word in a bar's place."""
    drawn.annotate(
        text, (0, y), (3, 0), textcoords="offset points", va="center", fontsize=6, color="#777777"
    )


def _peak(drawn: Axes, cases: Sequence[CaseResult]) -> None:
    """The FMA peak as a line, or in words where it is far off the scale."""
    peaks = [result.flops for result in cases if result.flops]
    if not peaks:
        return
    peak = median(peaks) / 1e9
    if drawn.get_xlim()[1] < NEAR * peak:
        label = f"effective GFLOP/s (FMA peak {figures.number(peak)}, off the scale)"
        drawn.set_xlabel(label, fontsize=9)
        return
    drawn.set_xlim(right=max(drawn.get_xlim()[1], 1.06 * peak))
    label = f"FMA peak {figures.number(peak)}"
    drawn.axvline(peak, color="black", linewidth=1, linestyle="--", label=label)


def _rate(result: CaseResult, peer: str) -> Ratio | None:
    """A peer's rate and its quartiles."""
    seconds = result.seconds(peer)
    if not seconds:
        return None
    low, middle, high = (figures.rate(result, value) for value in quartiles(seconds))
    return Ratio(middle, high, low)


def _mean(values: list[float]) -> Ratio | str:
    if not values:
        return figures.NOTHING
    low, _, high = quartiles(values)
    mean = geometric_mean(values)
    return Ratio(mean, min(low, mean), max(high, mean))


def _parts(cases: Sequence[CaseResult], most: int) -> Iterator[Sequence[CaseResult]]:
    """Parts of about equal length, of at most so many."""
    count = -(-len(cases) // most)
    for part in range(count):
        yield cases[part * len(cases) // count : (part + 1) * len(cases) // count]
