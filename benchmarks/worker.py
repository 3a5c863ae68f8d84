"""The process of one peer: JSON lines in on stdin, JSON lines out on stdout, in the same order.

``python -m benchmarks.worker PEER THREADS DTYPE [ADAPTER_MODULE]``
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from time import perf_counter
from typing import Any, cast

import numpy as np

from .cases.case import Case, FloatArray
from .peers import Adapter, Runner, Unsupported, adapter
from .reference import errors

PR_SET_PDEATHSIG = 1
FEWEST_CALLS = 3  # of a turn, unless they take longer than
LONGEST_TURN = 1.0  # seconds

Answer = dict[str, Any]


class Server:
    """Answers the requests of one worker; keeps the runners of the case that was built last."""

    def __init__(self, peer: str, library: Adapter, threads: int, dtype: str) -> None:
        self._peer = peer
        self._library = library
        self._threads = threads
        self._dtype = dtype
        self._runners: dict[str, Runner] = {}
        self._saved: dict[str, FloatArray] = {}
        self._ends: Sequence[int] = ()

    def answer(self, request: dict[str, Any]) -> Answer:
        """What one request asks for."""
        return cast(Answer, getattr(self, f"do_{request.pop('do')}")(**request))

    def do_build(self, case: dict[str, Any], save: str) -> Answer:
        """Build every form of a layer, with gradients if it has them, and save what it computes."""
        self._forget()
        layer = Case.from_dict(case)
        arrays = layer.arrays(self._dtype)
        build = self._library.gradients if layer.gradients else self._library.build
        self._ends = layer.ends
        return self._run(
            {
                form: lambda form=form: build(layer, *arrays, form, self._threads)
                for form in self._library.forms(layer)
            },
            save,
        )

    def do_build_network(self, network: str, batch: int, save: str) -> Answer:
        """The same for a network."""
        from .networks import build

        self._forget()
        try:
            built = build(self._peer, network, batch, self._threads)
        except Unsupported as reason:
            return {"forms": {"": {"status": "unsupported", "note": without_paths(str(reason))}}}
        return self._run({form: lambda r=r: r for form, r in built.items()}, save)

    def do_time(self, form: str, seconds: float) -> Answer:
        """The best call of a turn of `seconds`, after one that warms up.

        "change" is the error of the last call's result against the one that was saved, as races
        make some results wrong and others not.
        """
        runner = self._runners[form]
        runner()
        calls, best = 0, float("inf")
        gc.disable()
        try:
            now = perf_counter()
            end, latest = now + seconds, now + LONGEST_TURN
            while not calls or now < end or (calls < FEWEST_CALLS and now < latest):
                start = perf_counter()
                runner()
                now = perf_counter()
                best = min(best, now - start)
                calls += 1
        finally:
            gc.enable()
        result, saved = np.asarray(runner.result()), self._saved[form]
        change = (0.0, 0.0)
        if not np.array_equal(result, saved):
            change = errors(result, saved, self._ends)
        return {"best": best, "calls": calls, "change": change}

    def do_drop(self) -> Answer:
        """Forget the case."""
        self._forget()
        gc.collect()
        return {}

    def _forget(self) -> None:
        self._runners.clear()
        self._saved.clear()
        self._ends = ()

    def _run(self, builders: dict[str, Callable[[], Runner]], save: str) -> Answer:
        forms = {}
        for form, build in builders.items():
            path = f"{save}-{form}.npy"
            try:
                runner = build()
                runner()
                runner()  # some libraries use up their input or change their state at the first
                result = np.array(runner.result())
                np.save(path, result)
            except Unsupported as reason:
                forms[form] = {"status": "unsupported", "note": without_paths(str(reason))}
            except Exception as error:
                forms[form] = {"status": "failed", "note": described(error)}
            else:
                self._runners[form], self._saved[form] = runner, result
                forms[form] = {"status": "ok", "result": path}
        return {"forms": forms}


def without_paths(text: str) -> str:
    """The text with every file's folders left out."""
    return re.sub(r"(?<![\w.:/])(?:~|\.{1,2}|[A-Za-z]:)?/(?:[^\s/:'\"<>()]+/)*(?=[^\s/])", "", text)


def described(error: BaseException) -> str:
    """One line about an exception."""
    message = without_paths(str(error)).strip().split("\n")[0]
    return f"{type(error).__name__}: {message}"[:300]


def die_with_parent() -> None:
    """A stopped process does not see that its stdin has ended, so Linux is asked to kill it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(peer: str, threads: str, dtype: str, module: str | None = None) -> None:
    """Serve until the end of stdin."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)  # what libraries print must not come between the answers

        def send(answer: Answer) -> None:
            answers.write(json.dumps(answer) + "\n")

        try:
            library = cast(Adapter, import_module(module)) if module else adapter(peer)
        except ImportError as error:
            send({"ok": False, "absent": without_paths(str(error))})
            return
        library.setup(int(threads))
        send({"ok": True, "version": library.version()})
        server = Server(peer, library, int(threads), dtype)
        for line in sys.stdin:
            try:
                send({"ok": True, **server.answer(json.loads(line))})
            except Exception as error:
                send({"ok": False, "error": described(error)})


if __name__ == "__main__":
    main(*sys.argv[1:])
