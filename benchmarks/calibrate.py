"""Fits the costs of the planner's model to this machine, and writes them to fastconv/costs.py."""

from __future__ import annotations

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
CASES = "goals,dense3x3,strided,transposed,1x1"
RANDOM, SEED = 200, 1  # not those that `choices` judges by
ROUNDS, SECONDS = 5, 0.005
MOST_WORKSPACE = 4 << 20  # bytes; plans over it are never chosen, so their cost need not be right
CALL = 6000.0  # cycles of a call's Python, which no plan counts
FILE = Path(fastconv.costs.__file__)
PRIOR = 2.0  # weight that keeps a cost which the cases hardly show near its old value


def measure(case: Case, dtype: str) -> list[tuple[Call, float]]:
    """Each call that the case's convolutions could be, and the cycles that it takes."""
    found = []
    for ready in candidates.ready(case, dtype):
        figures = candidates.measure(ready, 1, ROUNDS, SECONDS)
        found += [(call, median(figures[name])) for name, call in ready.calls.items()]
    return [(call, cycles) for call, cycles in found if call.plan.workspace(1) <= MOST_WORKSPACE]


def fit(measured: list[tuple[Call, float]], old: dict[str, float]) -> dict[str, float]:
    """The costs whose predictions, for one thread, are nearest to what was measured.

    Least squares of the logarithms, so that a layer counts as much as another however long it
    takes, with a loss that a few disturbed measurements do not pull.
    """
    names = list(old)
    start = np.log([old[name] for name in names])

    def residuals(logs: np.ndarray) -> np.ndarray:
        set_costs(dict(zip(names, np.exp(logs), strict=True)))
        misses = [np.log((call.plan.cost(1) + CALL) / cycles) for call, cycles in measured]
        return np.concatenate([misses, PRIOR * (logs - start)])

    solution = least_squares(residuals, start, loss="soft_l1", f_scale=0.1, diff_step=0.02)
    fitted = {name: float(np.exp(log)) for name, log in zip(names, solution.x, strict=True)}
    set_costs(fitted)
    return fitted


def text(costs: dict[str, float], old: str) -> str:
    """The text of fastconv/costs.py with other costs and this machine's name."""
    head, _, rest = old.partition("MACHINE = ")
    tail = rest[rest.index("}\n") + 2 :]
    described = machine.describe()
    name = f"{described['cpu']}, {described['cores']} cores, {described['level']}"
    lines = [f'    "{key}": {value:.3g},' for key, value in costs.items()]
    return f'{head}MACHINE = "{name}"\nCYCLES = {{\n' + "\n".join(lines) + f"\n}}\n{tail}"


def main(options: Namespace) -> None:
    """Measure, fit, show, and with --write change fastconv/costs.py."""
    console = Console()
    cases = select(CASES) + candidates.random_cases(RANDOM, SEED)
    measured = []
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
