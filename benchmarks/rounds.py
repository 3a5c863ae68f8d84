"""Peers take turns, round after round, over the cases: how everything is measured.

A case goes: the float64 result, every peer builds its forms and is checked against it, then rounds.
In a round each peer, in an order that changes, calls each of its forms for a moment, and the best
call is the round's figure; the FMA peak is measured too. Where a peer's figures are spread wide the
rounds are run once more. What is far behind is timed in the first rounds only.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol, cast

import numpy as np

from . import machine, networks
from .cases import Case
from .processes import WorkerFailed
from .reference import errors, reference, right_within
from .results import WHOLE, CaseResult, Form, Results, Status, save
from .statistics import wide
from .team import Team

FIRST_ROUNDS = 2  # after these, no longer timed:
SLOW_FORM = 3.0  # a form that takes so many times as long as the peer's best form
SLOW_PEER = 10.0  # a peer that takes so many times as long as the best peer
SETTLE = 0.02  # seconds after which OpenMP's threads have ceased to spin
TRUSTED = "torch"  # whose logits are the reference
NETWORK_RIGHT_WITHIN = 1e-3, 1e-4  # greatest and rms error of logits over up to 53 layers

OnEvent = Callable[..., None]


@dataclass(frozen=True)
class Options:
    """How to measure: rounds, seconds of a turn, seconds until a peer counts as hung."""

    threads: int
    dtype: str
    rounds: int
    seconds: float
    time_limit: float
    seed: int = 0


class Job(Protocol):
    """What is measured: a layer or a network."""

    @property
    def kind(self) -> Literal["layer", "network"]:
        """What it is."""

    @property
    def request(self) -> dict[str, Any]:
        """What a worker is asked to build."""

    def description(self) -> dict[str, Any]:
        """Its name and all else that tables need."""

    def expected(self) -> np.ndarray | None:
        """The right result; None where `TRUSTED`'s has to do, or else the first peer's."""

    def right_within(self) -> tuple[float, float]:
        """The greatest and the rms error that a right result may have."""

    @property
    def ends(self) -> Sequence[int]:
        """Where parts of a result end that are checked one by one, as `errors` takes them."""


class Layer:
    """A case, with its gradients if it has them, checked against its float64 result."""

    kind: Literal["layer"] = "layer"

    def __init__(self, case: Case, dtype: str) -> None:
        self.case = case
        self.dtype = dtype
        self.request = {"do": "build", "case": case.to_dict()}
        self.ends = case.ends

    def description(self) -> dict[str, Any]:
        return self.case.to_dict()

    def expected(self) -> np.ndarray:
        return reference(self.case, *self.case.arrays(self.dtype))

    def right_within(self) -> tuple[float, float]:
        return right_within(self.case, self.dtype)


class Network:
    """A whole network, checked against `TRUSTED`'s result: float64 would take minutes."""

    kind: Literal["network"] = "network"
    ends: tuple[int, ...] = ()

    def __init__(self, name: str, batch: int) -> None:
        self.name = name
        self.batch = batch
        self.request = {"do": "build_network", "network": name, "batch": batch}

    def description(self) -> dict[str, Any]:
        return {
            "name": self.name if self.batch == 1 else f"{self.name} n{self.batch}",
            "batch": self.batch,
            "multiplications": networks.multiplications(self.name, self.batch),
        }

    def expected(self) -> None:
        return None

    def right_within(self) -> tuple[float, float]:
        return NETWORK_RIGHT_WITHIN


def run(
    results: Results,
    jobs: Sequence[Job],
    team: Team,
    options: Options,
    path: Path,
    on_event: OnEvent,
) -> bool:
    """Measure the cases that `results` does not have yet; saved after each.

    Parameters
    ----------
    path : Path
        Of results.json.
    on_event : callable
        ``on_event(kind, **data)``: "start" (total), "case" (name), "phase" (text), "case_done"
        (result), "end".

    Returns
    -------
    bool
        False if Ctrl-C ended it; the case that was being measured is left out then.
    """
    done = {case.name for case in results.cases}
    todo = [job for job in jobs if job.description()["name"] not in done]
    on_event("start", total=len(todo))
    try:
        save(results, path)
        for job in todo:
            on_event("case", name=job.description()["name"])
            result = measure(job, team, options, on_event)
            results.cases.append(result)
            save(results, path)
            on_event("case_done", result=result)
    except KeyboardInterrupt:
        return False
    finally:
        on_event("end")
    return True


def measure(job: Job, team: Team, options: Options, on_event: OnEvent) -> CaseResult:
    """One case."""
    result = CaseResult(job.description(), job.kind, {})
    on_event("phase", text="reference")
    _build(result, job, team, options, on_event)
    rng = random.Random(f"{options.seed} {result.name}")
    live = {
        label: [name for name, form in forms.items() if form.status == "ok"]
        for label, forms in result.peers.items()
    }
    for text in ("rounds", "rounds again, for a wide spread"):
        for number in range(options.rounds):
            on_event("phase", text=f"{text}: {number + 1} of {options.rounds}")
            _round(result, live, job.right_within(), team, options, rng)
            _leave_out(result, live)
        result.wide = any(wide(result.seconds(label)) for label, forms in live.items() if forms)
        if not result.wide:
            break
    for label in team.labels:
        team.drop(label, options.time_limit)
    return result


def _build(result: CaseResult, job: Job, team: Team, options: Options, on_event: OnEvent) -> None:
    """Every peer's forms, each checked; nothing else runs while they do."""
    expected, labels = job.expected(), team.labels
    if expected is None:
        labels.sort(key=lambda label: label != TRUSTED)
    with TemporaryDirectory() as folder:
        for number, label in enumerate(labels):
            on_event("phase", text=f"building {label}")
            request = {**job.request, "save": str(Path(folder, str(number)))}
            try:
                answer = team.ask(label, request, options.time_limit)
            except WorkerFailed as failure:
                result.peers[label] = {WHOLE: _failed(failure)}
                continue
            forms = result.peers[label] = {}
            for name, built in answer["forms"].items():
                form = forms[name] = Form(status=built["status"], note=built.get("note", ""))
                if form.status == "ok":
                    path = Path(built["result"])
                    output = np.load(path)
                    path.unlink()
                    if expected is None:
                        expected = output
                        result.case["reference"] = label
                    _check(form, output, expected, job)


def _check(form: Form, output: np.ndarray, expected: np.ndarray, job: Job) -> None:
    if output.shape != expected.shape:
        form.status = "wrong"
        form.note = f"must have shape {expected.shape}; got {output.shape}"
        return
    found = errors(output, expected, job.ends)
    if np.isfinite(found).all():
        form.error, form.rms_error = found
    _judge(form, found, job.right_within())


def _judge(
    form: Form, found: Sequence[float], bounds: tuple[float, float], where: str = ""
) -> None:
    """Mark a form as wrong whose greatest or rms error is beyond its bound."""
    for what, error, bound in zip(("error", "rms error"), found, bounds, strict=True):
        if not error <= bound:
            form.status = "wrong"
            form.note = f"{what} must be at most {bound:.1e}; got {error:.1e}{where}"


def _failed(failure: WorkerFailed) -> Form:
    return Form(status=cast(Status, failure.status), note=failure.note)


def _round(
    result: CaseResult,
    live: dict[str, list[str]],
    bounds: tuple[float, float],
    team: Team,
    options: Options,
    rng: random.Random,
) -> None:
    """A turn of every form that is still timed, peer by peer."""
    result.peak.append(machine.peak(options.threads, np.dtype(options.dtype).itemsize))
    time.sleep(SETTLE)
    for label in rng.sample(sorted(live), len(live)):
        for name in list(live[label]):
            request = {"do": "time", "form": name, "seconds": options.seconds}
            try:
                answer = team.ask(label, request, options.time_limit)
            except WorkerFailed as failure:
                lost = [name] if failure.status == "failed" else list(result.peers[label])
                _lose(result.peers[label], lost, failure)
                live[label] = [left for left in live[label] if left not in lost]
                if failure.status != "failed":
                    break
            else:
                form = result.peers[label][name]
                form.seconds.append(answer["best"])
                _judge(form, answer["change"], bounds, " between two calls")
                if form.status == "wrong":
                    live[label].remove(name)


def _lose(forms: dict[str, Form], names: list[str], failure: WorkerFailed) -> None:
    """Mark forms that were right as failed."""
    for name in names:
        if forms[name].status == "ok":
            forms[name].status = cast(Status, failure.status)
            forms[name].note = failure.note


def _leave_out(result: CaseResult, live: dict[str, list[str]]) -> None:
    """After the first rounds, time no further what is far behind: forms, or a whole peer."""
    if len(result.peak) != FIRST_ROUNDS:
        return
    best = {
        label: min(min(result.peers[label][name].seconds) for name in names)
        for label, names in live.items()
        if names
    }
    for label, fastest in best.items():
        forms = result.peers[label]
        if fastest > SLOW_PEER * min(best.values()):
            behind, than = live[label], f"{SLOW_PEER:g} times the best peer's time"
        else:
            limit = SLOW_FORM * fastest
            behind = [name for name in live[label] if min(forms[name].seconds) > limit]
            than = f"{SLOW_FORM:g} times the best form's time"
        live[label] = [name for name in live[label] if name not in behind]
        for name in behind:
            forms[name].note = f"timed in {FIRST_ROUNDS} rounds only: more than {than}"
