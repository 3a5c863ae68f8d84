"""How good the planner's choices are: the time of what it chooses over that of the best."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, replace

from rich.console import Console
from rich.progress import track

from fastconv import levels
from fastconv.planning import choose

from . import candidates, progress
from .cases import Case
from .statistics import geometric_mean, median
from .tables import Table

ROUNDS, SECONDS = 5, 0.01
RANDOM, SEED = 200, 0
SHOWN = 1.05  # the least loss that is listed, and measured again:
REPEATS = 2  # so often, later, as another process may have held a core meanwhile


@dataclass(frozen=True)
class Choice:
    """A convolution, the algorithm that was chosen, the cycles of each, measured and predicted."""

    name: str
    chosen: str
    figures: candidates.Cycles
    predicted: dict[str, float]

    @property
    def measured(self) -> dict[str, float]:
        """The median of each algorithm's figures."""
        return {name: median(series) for name, series in self.figures.items()}

    @property
    def best(self) -> str:
        """The algorithm that was fastest."""
        return min(self.measured, key=lambda name: self.measured[name])

    @property
    def loss(self) -> float:
        """The time of the chosen algorithm over the best one's."""
        return self.measured[self.chosen] / self.measured[self.best]

    def with_figures(self, more: candidates.Cycles) -> Choice:
        """The same, measured once more."""
        joined = {name: series + more[name] for name, series in self.figures.items()}
        return replace(self, figures=joined)


def judge(case: Case, dtype: str, threads: int) -> list[Choice]:
    """Measure those convolutions of a case for which there is a choice."""
    choices = []
    for ready in candidates.ready(case, dtype):
        if len(ready.calls) < 2:
            continue
        problem = ready.convolution.problem
        chosen = choose(problem, "auto", levels.running(), reused=True).name
        figures = candidates.measure(ready, threads, ROUNDS, SECONDS)
        predicted = candidates.predicted(ready.calls, threads)
        choices.append(Choice(ready.convolution.name, chosen, figures, predicted))
    return choices


def tables(choices: list[Choice]) -> list[Table]:
    """The choices that lost most, and a summary."""
    worst = sorted(choices, key=lambda choice: -choice.loss)
    rows = [
        (
            c.name,
            c.chosen,
            c.best,
            f"{c.loss:.2f}",
            f"{c.predicted[c.chosen] / c.measured[c.chosen]:.2f}",
            f"{c.predicted[c.best] / c.measured[c.best]:.2f}",
        )
        for c in worst
        if c.loss >= SHOWN
    ]
    ratios = [c.predicted[name] / c.measured[name] for c in choices for name in (c.chosen, c.best)]
    headers = ("layer", "chosen", "best", "loss", "predicted, chosen", "predicted, best")
    listed = Table(
        "Choices that lost time",
        f"Loss: time of the chosen algorithm over the best one's, {SHOWN} and more. Predicted: "
        "cycles of the model over those measured.",
        headers,
        rows,
        words=frozenset([1, 2]),
    )
    summary = Table(
        "Quality of choice",
        "",
        ("", "value"),
        [
            ("layers", str(len(choices))),
            ("loss, geometric mean", f"{geometric_mean([c.loss for c in choices]):.3f}"),
            ("loss, worst", f"{worst[0].loss:.2f}"),
            ("predicted over measured, geometric mean", f"{geometric_mean(ratios):.2f}"),
        ],
    )
    return [listed, summary]


def main(options: Namespace) -> None:
    """Judge the cases of the command line, and random ones."""
    wanted = [case.with_batch(options.batch) for case in options.cases]
    wanted += candidates.random_cases(options.random, SEED)
    console = Console()
    judged = [
        judge(case, options.dtype, options.threads)
        for case in track(wanted, "measuring", console=console, transient=True)
    ]
    for _ in range(REPEATS):
        lost = [i for i, choices in enumerate(judged) if any(c.loss >= SHOWN for c in choices)]
        for i in track(lost, "once more", console=console, transient=True):
            again = judge(wanted[i], options.dtype, options.threads)
            judged[i] = [c.with_figures(d.figures) for c, d in zip(judged[i], again, strict=True)]
    choices = [choice for of_case in judged for choice in of_case]
    if not choices:
        console.print("Nothing to choose: each of these layers has one algorithm.")
        return
    progress.show_tables(console, tables(choices))
