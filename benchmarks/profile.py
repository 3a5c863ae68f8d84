"""Where a case's time goes, phase by phase and thread by thread."""

from __future__ import annotations

import time
from argparse import Namespace

import numpy as np
from rich.console import Console

from fastconv import levels
from fastconv.planning import choose

from . import candidates, progress
from .tables import Table

PHASES = ("padding and layout copies", "input transform", "products", "output transform")
SECONDS = 0.5


def times(case: candidates.Ready, name: str, threads: int) -> tuple[float, np.ndarray]:
    """Seconds of a call, and of each thread in each of `PHASES`: means over half a second."""
    call = case.calls[name]
    phases = np.zeros((threads, len(PHASES)))
    calls, whole, end = 0, 0.0, time.perf_counter() + SECONDS
    case.run(name, threads)
    while calls == 0 or time.perf_counter() < end:
        start = time.perf_counter()
        call.profile(case.x, case.out, threads, phases)
        whole += time.perf_counter() - start
        calls += 1
    return whole / calls, phases / calls


def table(ready: candidates.Ready, dtype: str, threads: int) -> Table:
    """The phases of the algorithm that "auto" chooses."""
    convolution = ready.convolution
    name = choose(convolution.problem, "auto", levels.running(), reused=True).name
    whole, phases = times(ready, name, threads)
    waiting = np.maximum(whole - phases.sum(axis=1), 0)
    columns = np.column_stack([phases, waiting]) / whole
    return Table(
        title=f"{convolution.name}, {dtype}: {name}, {whole * 1e6:.0f} us a call",
        note="Shares of the call's time; waiting includes starting and joining the threads.",
        headers=("thread", *PHASES, "waiting"),
        rows=[(str(i), *(f"{share:.1%}" for share in row)) for i, row in enumerate(columns)],
        footer=[("all", *(f"{share:.1%}" for share in columns.mean(axis=0)))],
    )


def main(options: Namespace) -> None:
    """Profile the cases of the command line."""
    tables = [
        table(ready, options.dtype, options.threads)
        for case in options.case
        for ready in candidates.ready(case.with_batch(options.batch), options.dtype)
    ]
    progress.show_tables(Console(), tables)
