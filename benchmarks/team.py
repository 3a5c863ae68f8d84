"""The workers of a run: started, asked by label, started again after a crash or a hang."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .processes import Worker, WorkerFailed

PATIENCE = 3  # cases in a row that a peer may crash or hang in before it is left out


@dataclass(frozen=True)
class Spec:
    """A peer to start; the label is its name, with "/" and the variant where there are several."""

    label: str
    peer: str
    threads: int
    dtype: str
    python: str
    environment: dict[str, str] = field(default_factory=dict)


def start_worker(spec: Spec) -> Worker:
    """The worker process of a peer."""
    return Worker(spec.peer, spec.threads, spec.dtype, spec.python, spec.environment)


class Team:
    """The workers of all peers; one that crashed or hung is started again for the next case."""

    def __init__(self, specs: Sequence[Spec], start: Callable[[Spec], Worker] = start_worker):
        self._specs = {spec.label: spec for spec in specs}
        self._start = start
        self._workers: dict[str, Worker] = {}
        self._failures = dict.fromkeys(self._specs, 0)
        self.absent: dict[str, str] = {}

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.close()

    def start(self) -> dict[str, dict[str, str | None]]:
        """Start all; each one's version, or why it is absent."""
        found: dict[str, dict[str, str | None]] = {}
        for label, spec in self._specs.items():
            version: str | None = None
            absent: str | None
            try:
                worker = self._start(spec)
            except WorkerFailed as failure:
                absent = str(failure)
            else:
                version, absent = worker.version, worker.absent
                if absent is None:
                    self._workers[label] = worker
                else:
                    worker.close()
            found[label] = {"version": version, "absent": absent}
            if absent is not None:
                self.absent[label] = absent
        return found

    @property
    def labels(self) -> list[str]:
        """The peers that are here."""
        return [label for label in self._specs if label not in self.absent]

    def ask(self, label: str, request: dict[str, Any], limit: float) -> dict[str, Any]:
        """A worker's answer; raises WorkerFailed."""
        if label not in self._workers:
            self._workers[label] = self._restarted(label)
        try:
            return self._workers[label].ask(request, limit)
        except WorkerFailed as failure:
            if failure.status != "failed":
                self._failures[label] += 1
                self._workers.pop(label).close()
            raise

    def _restarted(self, label: str) -> Worker:
        if self._failures[label] >= PATIENCE:
            raise WorkerFailed("failed", f"left out after {PATIENCE} crashes or hangs in a row")
        try:
            return self._start(self._specs[label])
        except WorkerFailed:
            self._failures[label] = PATIENCE
            raise

    def drop(self, label: str, limit: float) -> None:
        """After a case: let the worker forget it."""
        if label not in self._workers:
            return
        try:
            self.ask(label, {"do": "drop"}, limit)
        except WorkerFailed:
            return
        self._failures[label] = 0
