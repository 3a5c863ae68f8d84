"""The benchmark's layers: those of published networks, and the few that the goals add.

A layer that occurs in several networks is one case with all their tags. `ALL` has every case,
`groups()` names the groups, and `select("resnet50, dw 3x3")` picks cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.cases import audio, goals, vision
from benchmarks.cases.case import Case
from benchmarks.cases.kinds import KINDS, kinds

__all__ = ["ALL", "KINDS", "NETWORKS", "QUICK", "TRAINING", "Case", "groups", "select"]

NETWORKS = (*vision.NETWORKS, *audio.NETWORKS)


def _layers() -> Iterator[tuple[str, str, Case]]:
    """(group, source, layer) of every table; a layer comes as often as networks repeat it."""
    for network, (layers, source) in (vision.NETWORKS | audio.NETWORKS).items():
        for case in layers():
            yield network, source, case
    for case in goals.others():
        yield "goals", goals.SOURCE, case


def _merged() -> Iterator[Case]:
    found: dict[Case, dict[str, str]] = {}
    for group, source, case in _layers():
        found.setdefault(case, {})[group] = source
    for case, sources in found.items():
        tags = [*sources, *kinds(case)]
        tags += ["goals"] * (case.name in goals.OF_NETWORKS)
        tags += ["quick"] * (case.name in goals.QUICK)
        tags += ["training"] * (case.name in goals.TRAINING)
        yield replace(case, tags=tuple(tags), source="; ".join(sources.values()))


ALL: tuple[Case, ...] = tuple(_merged())
QUICK: tuple[Case, ...] = tuple(case for case in ALL if "quick" in case.tags)
TRAINING: tuple[Case, ...] = tuple(case for case in ALL if "training" in case.tags)


def groups() -> dict[str, list[str]]:
    """The names of the cases in each group: networks, kinds, "goals", "quick", "training"."""
    return {
        group: [case.name for case in ALL if group in case.tags]
        for group in (*NETWORKS, *KINDS, "goals", "quick", "training")
    }


def select(text: str) -> list[Case]:
    """The cases that `text` names, in the order of `ALL`.

    Parameters
    ----------
    text : str
        Comma-separated; each part is a group, a case's name, or a part of cases' names, the
        first of these that it is.

    Raises
    ------
    ValueError
        If a part names nothing.
    """
    chosen: set[str] = set()
    for part in map(str.strip, text.split(",")):
        names = [case.name for case in ALL]
        found = groups().get(part) or [name for name in names if name == part]
        found = found or [name for name in names if part and part in name]
        if not found:
            raise ValueError(
                f"cases must be groups or parts of cases' names; got {part!r}; "
                f"the groups are {', '.join(groups())}; a name is like {ALL[0].name!r}"
            )
        chosen.update(found)
    return [case for case in ALL if case.name in chosen]
