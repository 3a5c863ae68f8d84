"""Tables of strings out of results: whoever shows them needs to know nothing of the figures."""

from __future__ import annotations

from ..results import Results
from . import figures
from .comparison import all_layers, errors, layers, legend, networks, summary
from .findings import behind, failures, refusals, wide
from .run import libraries, machine, variants
from .table import Table, html, markdown

FEW = 30  # layers

__all__ = [
    "Table",
    "all_layers",
    "behind",
    "errors",
    "everything",
    "failures",
    "html",
    "layers",
    "legend",
    "libraries",
    "machine",
    "markdown",
    "networks",
    "refusals",
    "summary",
    "variants",
    "wide",
]


def everything(results: Results) -> list[Table]:
    """What a terminal shows at the end of a run: figures without their intervals.

    Few layers come in one table, many in one for each kind.
    """
    few = len(figures.layers(results)) <= FEW
    return [
        *(all_layers(results) if few else layers(results, intervals=False).values()),
        *(() if few else summary(results)),
        *networks(results, intervals=False),
        *variants(results, intervals=False),
        libraries(results),
    ]
