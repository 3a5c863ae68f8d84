"""What a run measured: the schema of results.json, and the figures that every table needs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from .statistics import Ratio, median, ratio

FORMAT = 1
FILE = "results.json"
WHOLE = ""  # the form that stands for a peer which named no forms

Status = Literal["ok", "wrong", "unsupported", "crashed", "hung", "failed"]


@dataclass
class Form:
    """One layout of one peer: the best call of every round, and how far its result is off.

    `error` is the largest difference from the reference over the reference's root mean square,
    `rms_error` the root mean square of the differences over the same; None where there is no
    result, or where it is the reference itself.
    """

    seconds: list[float] = field(default_factory=list)
    error: float | None = None
    rms_error: float | None = None
    status: Status = "ok"
    note: str = ""

    @property
    def timed(self) -> bool:
        """Whether it counts: right, and measured in one round at least."""
        return self.status == "ok" and bool(self.seconds)


@dataclass
class CaseResult:
    """A case, the forms of each peer in it, and the FMA peak in FLOP/s of each round."""

    case: dict[str, Any]
    kind: Literal["layer", "network"]
    peers: dict[str, dict[str, Form]]
    peak: list[float] = field(default_factory=list)
    wide: bool = False

    @property
    def name(self) -> str:
        """The case's name."""
        return str(self.case["name"])

    @property
    def flops(self) -> float | None:
        """The FMA peak beside this case: the best round's, as disturbances only lower it."""
        return max(self.peak, default=None)

    def best_form(self, peer: str) -> tuple[str, Form] | None:
        """The peer's fastest right form and its name; None where it has none."""
        forms = [(name, form) for name, form in self.peers.get(peer, {}).items() if form.timed]
        return min(forms, key=lambda item: median(item[1].seconds), default=None)

    def seconds(self, peer: str) -> list[float]:
        """A figure per round of the peer's best form; empty where it has none."""
        best = self.best_form(peer)
        return best[1].seconds if best else []

    def figure(self, peer: str) -> float | None:
        """The peer's reported time in seconds: the median of its best form."""
        seconds = self.seconds(peer)
        return median(seconds) if seconds else None

    def timed_peers(self) -> list[str]:
        """The peers that have a figure."""
        return [peer for peer in self.peers if self.seconds(peer)]

    def best_peer(self, exclude: Iterable[str] = ()) -> str | None:
        """The fastest peer apart from `exclude`; None where no other has a figure."""
        names = [peer for peer in self.timed_peers() if peer not in exclude]
        return min(names, key=lambda peer: median(self.seconds(peer)), default=None)

    def ratio(self, peer: str, against: str) -> Ratio | None:
        """Time of `against` over time of `peer`: above 1 where `peer` is the faster one."""
        own, other = self.seconds(peer), self.seconds(against)
        return ratio(other, own) if own and other else None


@dataclass
class Results:
    """A run; `limits` is what `machine.limits` gave, `peers` has each one's version or absence."""

    date: str
    command: str
    machine: dict[str, Any]
    limits: dict[str, Any]
    options: dict[str, Any]
    peers: dict[str, dict[str, str | None]]
    cases: list[CaseResult] = field(default_factory=list)
    format: int = FORMAT

    @property
    def present(self) -> list[str]:
        """The peers that are here."""
        return [name for name, peer in self.peers.items() if peer["absent"] is None]


def save(results: Results, path: Path) -> None:
    """Write results.json; whoever reads meanwhile gets the old one or the new one, whole."""
    text = json.dumps(asdict(results), indent=1)
    temporary = path.with_suffix(".part")
    temporary.write_text(text + "\n")
    os.replace(temporary, path)


def load(path: Path) -> Results:
    """Read results.json.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        If it is not a results file, or of another format.
    """
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} must be a results file of the benchmarks: {error}") from None
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT:
        raise ValueError(f"{path} must have format={FORMAT}; got format={found}")
    try:
        cases = [_case_result(case) for case in values.pop("cases")]
        results = Results(**values, cases=cases)
        _check(results)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} must have the fields of format {FORMAT}: {error}") from None
    return results


def _case_result(values: dict[str, Any]) -> CaseResult:
    peers = {
        peer: {name: Form(**form) for name, form in forms.items()}
        for peer, forms in values.pop("peers").items()
    }
    return CaseResult(**values, peers=peers)


def _check(results: Results) -> None:
    """Raise where something is missing, or is not what tables and figures take it for."""
    for values in (results.machine, results.limits, results.options, *results.peers.values()):
        values.keys()
    for peer in results.peers.values():
        _ = peer["version"], peer["absent"]
    for result in results.cases:
        _ = result.case["name"]
        series = [form.seconds for forms in result.peers.values() for form in forms.values()]
        for number in chain(result.peak, *series):
            if not isinstance(number, int | float) or not number > 0:
                raise TypeError(f"{number!r} in {result.name} is no time or rate")
