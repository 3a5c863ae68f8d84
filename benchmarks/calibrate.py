"""Fits the costs of the planner's model to this machine, and writes them to fastconv/costs.py."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.optimize import least_squares

import fastconv.costs
from fastconv._native.costs import set_costs
from fastconv.algorithms import Call

from . import candidates, machine, progress
from .cases import Case, select
from .statistics import median
from .tables import Table

# Fitted to: layers that the planner's algorithms compete for, all of which occur among them.
CASES = "goals,dense3x3,strided,transposed"
RANDOM, SEED = 200, 1  # not those that `choices` judges by
ROUNDS, SECONDS = 5, 0.005
MOST_WORKSPACE = 4 << 20  # bytes; plans over it are never chosen, so their cost need not be right
CALL = 6000.0  # cycles of a call's Python, which no plan counts
NEAR, ALONE = 1.5, 0.3  # how far from the fastest a call counts in full; weight of that one itself
PRIOR = 1.0  # weight that keeps a cost which the cases hardly show near its old value
FILE = Path(fastconv.costs.__file__)

Measured = list[tuple[Call, float]]  # the calls that a convolution could be, and their cycles


def measure(case: Case, dtype: str) -> list[Measured]:
    """Of each convolution of a case the calls that it could be, the fastest first."""
    found = []
    for ready in candidates.ready(case, dtype):
        figures = candidates.measure(ready, 1, ROUNDS, SECONDS)
        calls = [(call, median(figures[name])) for name, call in ready.calls.items()]
        able = [(call, t) for call, t in calls if call.plan.workspace(1) <= MOST_WORKSPACE]
        found.append(sorted(able, key=lambda pair: pair[1]))
    return found


def misses(calls: Measured) -> list[float]:
    """By how much the predictions for one thread are wrong, in logarithms.

    A choice depends on their ratios to the fastest call's, the less so the slower a call is; that
    one itself counts a little, so that the costs are cycles.
    """
    wrong = [float(np.log((call.plan.cost(1) + CALL) / cycles)) for call, cycles in calls]
    shares = [min(1.0, NEAR * calls[0][1] / cycles) for _, cycles in calls]
    ratios = [(w - wrong[0]) * share for w, share in zip(wrong, shares, strict=True)]
    return [ALONE * wrong[0], *ratios[1:]]


def fit(measured: list[Measured], old: dict[str, float]) -> dict[str, float]:
    """The costs whose predictions are nearest to what was measured.

    Least squares of logarithms, so that a layer counts as much as another however long it takes,
    with a loss that a few disturbed measurements do not pull.
    """
    names = list(old)
    start = np.log([old[name] for name in names])

    def residuals(logs: np.ndarray) -> np.ndarray:
        set_costs(dict(zip(names, np.exp(logs), strict=True)))
        wrong = [miss for calls in measured for miss in misses(calls)]
        return np.concatenate([wrong, PRIOR * (logs - start)])

    solution = least_squares(residuals, start, loss="soft_l1", f_scale=0.1, diff_step=0.02)
    fitted = {name: float(np.exp(log)) for name, log in zip(names, solution.x, strict=True)}
    set_costs(fitted)
    return fitted


def text(costs: dict[str, float], old: str) -> str:
    """The text of fastconv/costs.py with other costs and this machine's name."""
    described = machine.describe()
    name = f"{described['cpu']}, {described['cores']} cores, {described['level']}"
    cycles = {key: float(f"{value:.3g}") for key, value in costs.items()}
    fitted = {**fastconv.costs.FITTED, fastconv.costs.MAKER: {"machine": name, "cycles": cycles}}
    lines = re.sub(r"(?<=[^{,])$", ",", json.dumps(fitted, indent=4), flags=re.MULTILINE)
    head, _, rest = old.partition(" = {\n")
    tail = rest[rest.index("\n}\n") + 2 :]
    return f"{head} = {lines.removesuffix(',')}{tail}"


def main(options: Namespace) -> None:
    """Measure, fit, show, and with --write change fastconv/costs.py."""
    console = Console()
    cases = select(CASES) + candidates.random_cases(RANDOM, SEED)
    measured: list[Measured] = []
    for case in track(cases, "measuring", console=console, transient=True):
        measured += measure(case, options.dtype)
    old = dict(fastconv.costs.CYCLES)
    new = fit(measured, old)
    rows = [(name, f"{old[name]:.3g}", f"{value:.3g}") for name, value in new.items()]
    headers = ("cost", "old, cycles", "fitted, cycles")
    progress.show_tables(console, [Table("Costs of the model", "", headers, rows)])
    if options.write:
        FILE.write_text(text(new, FILE.read_text()))
        console.print(f"Written: {FILE.name}")
