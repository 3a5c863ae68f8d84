"""Two runs: what became faster or slower beyond the noise.

Machines drift between runs, so times are compared twice: as they are, and multiplied by the FMA
peak that was measured beside them, which tells how many multiply-adds the machine could have done
meanwhile. A change is one that both show: a slower machine does not count, and neither does a peak
that something else disturbed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .results import CaseResult, Results
from .statistics import Ratio, Verdict, geometric_mean, independent_ratio, median, verdict


@dataclass(frozen=True)
class Change:
    """One peer in one case; ratios are old time over new time, above 1 where it became faster.

    `old` and `new` are seconds, `raw` their ratio, `ratio` that of the times multiplied by the
    peak, with its quartiles.
    """

    case: str
    peer: str
    old: float
    new: float
    raw: float
    ratio: Ratio
    verdict: Verdict
    wide: bool


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    `means` has for each peer the geometric means of `raw` and of `ratio`; `appeared` and `vanished`
    name peers, cases, and peers in a case that only one run has figures for.
    """

    changes: list[Change]
    means: dict[str, tuple[float, float]]
    appeared: list[str]
    vanished: list[str]
    warnings: list[str]


def compare(old: Results, new: Results) -> Comparison:
    """Compare all peers in all cases that both runs have."""
    after = {(case.kind, case.name): case for case in new.cases}
    both = [(case, after.get((case.kind, case.name))) for case in old.cases]
    changes = [change for case, other in both if other for change in _changes(case, other)]
    means = {}
    for peer in dict.fromkeys(change.peer for change in changes):
        own = [change for change in changes if change.peer == peer]
        raw = geometric_mean(change.raw for change in own)
        means[peer] = raw, geometric_mean(change.ratio.value for change in own)
    vanished, appeared = list(_missing(old, new)), list(_missing(new, old))
    return Comparison(changes, means, appeared, vanished, list(_warnings(old, new)))


def _changes(old: CaseResult, new: CaseResult) -> Iterator[Change]:
    for peer in old.timed_peers():
        if new.seconds(peer):
            before, after = old.seconds(peer), new.seconds(peer)
            at_equal_peak = _normalised(old, peer), _normalised(new, peer)
            verdicts = {verdict(before, after), verdict(*at_equal_peak)}
            yield Change(
                old.name,
                peer,
                median(before),
                median(after),
                median(before) / median(after),
                independent_ratio(*at_equal_peak),
                verdicts.pop() if len(verdicts) == 1 else "same",
                old.wide or new.wide,
            )


def _normalised(case: CaseResult, peer: str) -> list[float]:
    return [seconds * (case.flops or 1.0) for seconds in case.seconds(peer)]


def _missing(run: Results, other: Results) -> Iterator[str]:
    """What `run` has figures for and `other` has not."""
    yield from (f"peer {peer}" for peer in run.present if peer not in other.present)
    others = {(case.kind, case.name): case for case in other.cases}
    for case in run.cases:
        same = others.get((case.kind, case.name))
        if same is None:
            yield f"case {case.name}"
            continue
        for peer in case.timed_peers():
            forms = same.peers.get(peer)
            if forms is not None and not same.seconds(peer):
                states = ", ".join(sorted({form.status for form in forms.values()}))
                yield f"{peer} in {case.name}, which is {states} in the other"


def _warnings(old: Results, new: Results) -> Iterator[str]:
    """What else than the code differs."""
    pairs = [("machine", old.machine, new.machine), ("option", old.options, new.options)]
    for kind, before, after in pairs:
        for name in before | after:
            if before.get(name) != after.get(name):
                yield f"{kind}: {name} was {before.get(name)}, is {after.get(name)}"
    for peer in old.peers.keys() & new.peers.keys():
        was, now = old.peers[peer]["version"], new.peers[peer]["version"]
        if was and now and was != now:
            yield f"version: {peer} was {was}, is {now}"


def rows(comparison: Comparison) -> tuple[list[str], list[Sequence[str]]]:
    """Headers and rows, by peer, the greatest loss first; "(wide)" where times are noisy."""
    headers = ["peer", "case", "old ms", "new ms", "speed-up", "at equal peak", "", "verdict"]
    changes = sorted(comparison.changes, key=lambda change: (change.peer, change.ratio.value))
    return headers, [
        [
            change.peer,
            change.case,
            f"{1e3 * change.old:.3f}",
            f"{1e3 * change.new:.3f}",
            f"{change.raw:.2f}",
            f"{change.ratio.value:.2f}",
            f"{change.ratio.low:.2f}-{change.ratio.high:.2f}",
            change.verdict + (" (wide)" if change.wide else ""),
        ]
        for change in changes
    ]


def summary(comparison: Comparison) -> list[str]:
    """What to say beside the rows, a line each."""
    lines = [f"warning: {warning}" for warning in comparison.warnings]
    for peer, (raw, mean) in sorted(comparison.means.items()):
        verdicts = [change.verdict for change in comparison.changes if change.peer == peer]
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("faster", "slower", "same"))
        lines.append(f"{peer}: {raw:.3f} times as fast, at equal peak {mean:.3f}; {counts}")
    lines += [f"only in the old run: {name}" for name in comparison.vanished]
    lines += [f"only in the new run: {name}" for name in comparison.appeared]
    return lines
