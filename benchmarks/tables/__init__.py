"""Tables of strings out of results: whoever shows them needs to know nothing of the figures."""

from __future__ import annotations

from ..results import Results
from .comparison import errors, layers, legend, networks, summary
from .findings import behind, failures, refusals, wide
from .run import libraries, machine, variants
from .table import Table, html, markdown

__all__ = [
    "Table",
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
    """What a terminal shows at the end of a run: figures without their intervals."""
    return [
        *layers(results, intervals=False).values(),
        *summary(results),
        *networks(results, intervals=False),
        *variants(results, intervals=False),
        libraries(results),
    ]
