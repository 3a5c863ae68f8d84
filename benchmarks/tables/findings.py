"""What a reader should know before the figures: lost cases, failures, refusals, wide spreads."""

from __future__ import annotations

from collections import Counter

from ..results import WHOLE, CaseResult, Results
from . import figures
from .figures import scientific, subject, times
from .table import NOTHING, Table


def behind(results: Results) -> list[Table]:
    """The cases in which another library is faster, the worst first; no table where there is none.

    Cases that fastconv has no figure for come first of all.
    """
    own = subject(results)
    lost = [result for result in results.cases if own and result.best_peer() not in (own, None)]
    if own is None or not lost:
        return []

    def place(result: CaseResult) -> float:
        ratio = result.ratio(own, result.best_peer() or own)
        return ratio.value if ratio else 0.0

    rows = []
    for result in sorted(lost, key=place):
        peer = result.best_peer() or own
        ratio = result.ratio(own, peer)
        speed = times(ratio, True) if ratio else figures.word(result, own)
        rows.append([figures.label(result), peer, speed])
    title = f"{own} behind: {len(lost)} of {len(results.cases)} cases"
    headers = ["case", "fastest", f"{own}'s speed"]
    return [Table(title, "", headers, rows, words=frozenset([1]))]


def failures(results: Results) -> list[Table]:
    """Every form that is wrong, or crashed, hung or failed."""
    rows = [
        [
            peer,
            result.name,
            NOTHING if name == WHOLE else name,
            form.status,
            scientific(form.error),
            form.note,
        ]
        for result in results.cases
        for peer, forms in result.peers.items()
        for name, form in forms.items()
        if form.status not in ("ok", "unsupported")
    ]
    headers = ["library", "case", "form", "status", "error", "why"]
    words = frozenset([1, 2, 3, 5])
    table = Table("Wrong results and failures", "", headers, sorted(rows), words=words)
    return [table] if rows else []


def refusals(results: Results) -> list[Table]:
    """Why libraries cannot compute cases, and how many cases of each reason there are."""
    counts = Counter(
        (peer, form.note)
        for result in results.cases
        for peer, forms in result.peers.items()
        if figures.word(result, peer) == figures.WORDS["unsupported"]
        for form in list(forms.values())[:1]
    )
    rows = [[peer, note, str(count)] for (peer, note), count in sorted(counts.items())]
    headers = ["library", "why", "cases"]
    table = Table("What libraries cannot compute", "", headers, rows, words=frozenset([1]))
    return [table] if rows else []


def wide(results: Results) -> list[str]:
    """The cases whose spread stayed wide."""
    return [result.name for result in results.cases if result.wide]
