"""fastconv beside the other libraries: a table per kind of layers, of errors, and of networks."""

from __future__ import annotations

from collections.abc import Sequence

from ..results import CaseResult, Results
from ..statistics import geometric_mean
from . import figures
from .figures import number, scientific, share, subject, times, word
from .table import NOTHING, Table

MEAN = "geometric mean (cases)"


def summary(results: Results) -> list[Table]:
    """Geometric means of every kind, then of the layers of every network."""
    own = subject(results)
    if own is None:
        return []
    chosen = (
        ("Kinds of layers", figures.kinds(results)),
        ("Layers of networks, and chosen ones", figures.selections(results)),
    )
    return [_summary(title, groups, results, own) for title, groups in chosen if groups]


def _summary(title: str, groups: dict[str, list[CaseResult]], results: Results, own: str) -> Table:
    others = _others(results, figures.layers(results), own)
    headers = ["group", "layers", f"{own} fastest", f"{own} share of roofline", *others]
    rows = [
        [
            group,
            str(len(cases)),
            str(sum(result.best_peer() == own for result in cases)),
            _mean_share(cases, results, own),
            *(_mean(cases, own, peer) for peer in others),
        ]
        for group, cases in groups.items()
    ]
    title = f"{title}: geometric means ({figures.setting(results)})"
    return Table(title, "", headers, rows)


def layers(results: Results, intervals: bool = True) -> dict[str, Table]:
    """The comparison of each kind of layers, with the quartiles of the ratios if asked for."""
    own = subject(results)
    if own is None:
        return {}
    return {
        kind: _layers(kind, cases, results, own, intervals)
        for kind, cases in figures.kinds(results).items()
    }


def all_layers(results: Results) -> list[Table]:
    """The comparison of all layers in one table, without quartiles; none where none ran."""
    own, cases = subject(results), figures.layers(results)
    return [_layers("Layers", cases, results, own, False)] if own and cases else []


def _layers(
    title: str, cases: Sequence[CaseResult], results: Results, own: str, intervals: bool
) -> Table:
    others = _others(results, figures.layers(results), own)
    rows = []
    for result in cases:
        seconds, part = result.figure(own), share(result, results, own)
        rows.append([
            figures.label(result),
            number(figures.rate(result, seconds)) if seconds else word(result, own),
            number(part) if part else NOTHING,
            scientific(figures.error(result, own)),
            *(_ratio(result, own, peer, intervals) for peer in others),
        ])  # fmt: skip
    footer = [MEAN, "", _mean_share(cases, results, own), ""]
    footer += [_mean(cases, own, peer) for peer in others]
    return Table(
        f"{title} ({figures.setting(results)})",
        "",
        ["layer", f"{own} GFLOP/s", "share of roofline", "error", *others],
        rows,
        [footer],
        _marked(cases, own, others, 4),
    )


def networks(results: Results, intervals: bool = True) -> list[Table]:
    """The comparison of whole networks, none where none ran."""
    own, cases = subject(results), figures.networks(results)
    if own is None or not cases:
        return []
    others = _others(results, cases, own)
    rows = []
    for result in cases:
        seconds = result.figure(own)
        rows.append([
            figures.label(result),
            f"{number(1e3 * seconds)} ms" if seconds else word(result, own),
            *(_ratio(result, own, peer, intervals) for peer in others),
        ])  # fmt: skip
    footer = [MEAN, "", *(_mean(cases, own, peer) for peer in others)]
    return [
        Table(
            f"Whole networks ({figures.setting(results)})",
            "The time is the median of this run, on this machine as busy as it was.",
            ["network", f"{own}, this run", *others],
            rows,
            [footer],
            _marked(cases, own, others, 2),
        )
    ]


def errors(results: Results) -> dict[str, Table]:
    """Of each kind of layers and of the networks, each peer's error and the form that it ran."""
    groups = figures.kinds(results)
    if whole := figures.networks(results):
        groups["networks"] = whole
    return {group: _errors(group, cases, results) for group, cases in groups.items()}


def _errors(group: str, cases: Sequence[CaseResult], results: Results) -> Table:
    peers = _asked(results, cases)
    rows = [[result.name, *(_error(result, peer) for peer in peers)] for result in cases]
    note = "With the form that counts, where a library has several."
    return Table(f"{group}: greatest errors", note, ["case", *peers], rows)


def legend(results: Results) -> str:
    """The marks and words of all cells."""
    own = subject(results)
    parts = ["~: the spread stayed wide"]
    if own:
        parts += [
            f"a library's column: its time over {own}'s, above 1 where {own} is the faster; the "
            "library's best form counts",
            "bold: the fastest of all",
            f"*: the fastest apart from {own}",
        ]
    cells = {word(result, peer) for result in results.cases for peer in results.present}
    parts += [f"{text}: {meaning}" for text, meaning in figures.MEANINGS.items() if text in cells]
    return f"Marks. {'; '.join(parts)}."


def _asked(results: Results, cases: Sequence[CaseResult]) -> list[str]:
    """The peers that were to run these cases."""
    asked = {peer for result in cases for peer in result.peers}
    return [peer for peer in results.present if peer in asked]


def _others(results: Results, cases: Sequence[CaseResult], own: str) -> list[str]:
    return [peer for peer in _asked(results, cases) if peer != own]


def _ratio(result: CaseResult, own: str, peer: str, intervals: bool) -> str:
    """The ratio; where one side has none, the word for it, or just the peer's own rate or time."""
    ratio = result.ratio(own, peer)
    if ratio:
        best = "*" if result.best_peer(exclude=[own]) == peer else ""
        return best + times(ratio, intervals)
    seconds = result.figure(peer)
    if seconds is None:
        return word(result, peer)
    if result.kind == "network":
        return f"{number(1e3 * seconds)} ms"
    return f"{number(figures.rate(result, seconds))} GFLOP/s"


def _error(result: CaseResult, peer: str) -> str:
    if result.case.get("reference") == peer:
        return "reference"
    text = scientific(figures.error(result, peer))
    best = result.best_form(peer)
    if best:
        return f"{text} {best[0]}" if len(result.peers[peer]) > 1 else text
    return word(result, peer) if text == NOTHING else f"{text} {word(result, peer)}"


def _mean(cases: Sequence[CaseResult], own: str, peer: str) -> str:
    values = figures.ratios(cases, own, peer)
    return f"{number(geometric_mean(values))}x ({len(values)})" if values else NOTHING


def _mean_share(cases: Sequence[CaseResult], results: Results, own: str) -> str:
    shares = [part for result in cases if (part := share(result, results, own))]
    return number(geometric_mean(shares)) if shares else NOTHING


def _marked(
    cases: Sequence[CaseResult], own: str, others: Sequence[str], first: int
) -> frozenset[tuple[int, int]]:
    """The cell of the fastest of all in each row: `own` is in column 1, the others from `first`."""
    columns = {own: 1} | {peer: first + i for i, peer in enumerate(others)}
    best = ((i, result.best_peer()) for i, result in enumerate(cases))
    return frozenset((i, columns[peer]) for i, peer in best if peer in columns)
