"""What tables and pictures ask of the results: groups of layers, rates, words for cells."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .. import machine
from ..cases import KINDS, NETWORKS, Case
from ..peers import SUBJECT
from ..results import CaseResult, Results
from ..statistics import Ratio
from .table import NOTHING

OTHER = "other"  # the group of layers of no kind
WORDS = {
    "wrong": "wrong",
    "crashed": "crashed",
    "hung": "hung",
    "failed": "failed",
    "unsupported": "n/a",
}
MEANINGS = {
    "wrong": "computes something else, so that it is not compared",
    "crashed": "the library's process ended",
    "hung": "did not answer within the time limit",
    "failed": "raised an error",
    "n/a": "the library cannot compute it",
}


def subject(results: Results) -> str | None:
    """fastconv, with which the others are compared, or the first peer of a run without it.

    None where the peers are variants of one another, or where none is here.
    """
    present = [peer for peer in results.present if "/" not in peer]
    return SUBJECT if SUBJECT in present else next(iter(present), None)


def families(results: Results) -> dict[str, list[str]]:
    """The libraries that ran in several variants, and the labels of these, the base first."""
    found: dict[str, list[str]] = {}
    for label in results.present:
        library, slash, _ = label.partition("/")
        if slash:
            found.setdefault(library, []).append(label)
    return {library: sorted(labels, key=_threads) for library, labels in found.items()}


def variant(label: str) -> str:
    """The part of a label after the library's name."""
    return label.partition("/")[2]


def _threads(label: str) -> int:
    """The variant where it is a number of threads; others keep their order."""
    return int(variant(label)) if variant(label).isdecimal() else 0


def layers(results: Results) -> list[CaseResult]:
    """The cases that are single layers."""
    return [result for result in results.cases if result.kind == "layer"]


def networks(results: Results) -> list[CaseResult]:
    """The cases that are whole networks."""
    return [result for result in results.cases if result.kind == "network"]


def kinds(results: Results) -> dict[str, list[CaseResult]]:
    """The layers of each kind; a layer of several kinds comes in each, one of none under OTHER."""
    found = {
        kind: [result for result in layers(results) if kind in result.case["tags"]]
        for kind in KINDS
    }
    found[OTHER] = [result for result in layers(results) if not KINDS.keys() & result.case["tags"]]
    return {kind: members for kind, members in found.items() if members}


def selections(results: Results) -> dict[str, list[CaseResult]]:
    """The layers of each group that is no kind: of each network, then of named choices."""
    tags = {tag for result in layers(results) for tag in result.case["tags"]}
    return {
        tag: [result for result in layers(results) if tag in result.case["tags"]]
        for tag in (*NETWORKS, *sorted(tags.difference(NETWORKS, KINDS)))
        if tag in tags
    }


def itemsize(results: Results) -> int:
    """Bytes of an element."""
    return {"float32": 4, "float64": 8}[results.options["dtype"]]


def rate(result: CaseResult, seconds: float) -> float:
    """Effective GFLOP/s of a layer: two operations for each multiplication of the definition."""
    return 2e-9 * Case.from_dict(result.case).multiplications / seconds


def share(result: CaseResult, results: Results, peer: str) -> float | None:
    """The least time that the machine's limits allow, over the peer's; None where it has none."""
    seconds = result.figure(peer)
    if seconds is None:
        return None
    case = Case.from_dict(result.case)
    return machine.roofline(case, results.limits, itemsize(results), result.flops) / seconds


def error(result: CaseResult, peer: str) -> float | None:
    """The greatest error of the form that counts, or else of the first that has one."""
    best = result.best_form(peer)
    forms = [best[1]] if best else list(result.peers.get(peer, {}).values())
    return next((form.error for form in forms if form.error is not None), None)


def word(result: CaseResult, peer: str) -> str:
    """Why a peer has no figure for a case."""
    found = {form.status for form in result.peers.get(peer, {}).values()}
    return next((text for status, text in WORDS.items() if status in found), NOTHING)


def number(value: float) -> str:
    """Three significant digits of 1 or more, two decimals of less."""
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2 if value >= 0.0995 else 3
    return f"{value:.{digits}f}"


def times(ratio: Ratio, intervals: bool) -> str:
    """A ratio such as 1.84x, with its quartiles if asked for."""
    text = f"{number(ratio.value)}x"
    return f"{text} ({number(ratio.low)}-{number(ratio.high)})" if intervals else text


def scientific(value: float | None) -> str:
    """An error such as 3.1e-07."""
    return NOTHING if value is None else f"{value:.1e}"


def label(result: CaseResult) -> str:
    """The case's name, marked where the spread stayed wide."""
    return f"{result.name} ~" if result.wide else result.name


def setting(results: Results) -> str:
    """The element type, threads and batch of a run, as titles say them."""
    options = results.options
    threads = options.get("threads")
    parts = [options["dtype"]]
    if threads and not families(results):
        parts.append(f"{threads} thread{'s' * (threads != 1)}")
    if options.get("batch", 1) != 1:
        parts.append(f"batch {options['batch']}")
    return ", ".join(parts)


def slug(text: str) -> str:
    """A name as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def ratios(cases: Sequence[CaseResult], peer: str, against: str) -> list[float]:
    """`peer` against another, of each case that both have a figure for."""
    found = (result.ratio(peer, against) for result in cases)
    return [ratio.value for ratio in found if ratio]
