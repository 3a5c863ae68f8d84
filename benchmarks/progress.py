"""What a person sees during a run and after it, in a terminal or in a file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table as Grid
from rich.text import Text

from .peers import SUBJECT
from .results import CaseResult
from .tables import Table
from .tables.figures import label, times

FINISHED = 6  # finished cases that stay in view
LONGEST = 48  # characters of a cell before it is broken
GAP = 2  # characters between columns


class Display:
    """The progress of a run; `rounds.run` calls it with its events.

    In a terminal, a view that is drawn anew with each event, never in between: a timer would
    disturb what is being measured. Elsewhere, a line for each finished case.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._total = self._done = 0
        self._start = time.monotonic()
        self._name = self._phase = ""
        self._finished: list[str] = []
        self._live = Live(
            console=self._console, get_renderable=self._view, auto_refresh=False, transient=True
        )

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def __call__(self, kind: str, **data: Any) -> None:
        """An event: "start" (total), "case" (name), "phase" (text), "case_done" (result), "end"."""
        if kind == "start":
            self._total, self._start = data["total"], time.monotonic()
        elif kind == "case":
            self._name, self._phase = data["name"], ""
        elif kind == "phase":
            self._phase = data["text"]
        elif kind == "case_done":
            self._done += 1
            self._finish(outcome(data["result"]))
        elif kind == "end":
            self._name = self._phase = ""
        if self._live.is_started:
            self._live.refresh()

    def _finish(self, line: str) -> None:
        self._finished.append(line)
        if not self._console.is_terminal:
            line = f"[{self._done}/{self._total}] {line}; {self._left()}"
            self._console.print(Text(line), soft_wrap=True)

    def _left(self) -> str:
        """The time left, if the other cases take as long as those before."""
        if not self._done:
            return "time left unknown yet"
        left = (time.monotonic() - self._start) / self._done * (self._total - self._done)
        return f"{duration(left)} left"

    def _view(self) -> Group:
        lines = [Text(line, "dim") for line in self._finished[-FINISHED:]]
        bar = Grid.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=self._total or 1, completed=self._done, width=40),
            f"{self._done}/{self._total}",
            self._left(),
        )
        return Group(*lines, Text(f"{self._name}  {self._phase}".strip()), bar)


def outcome(result: CaseResult) -> str:
    """A finished case on a line: fastconv against the best of the others."""
    best = result.best_peer(exclude=[SUBJECT])
    ratio = result.ratio(SUBJECT, best) if best else None
    if ratio:
        return f"{label(result)}: {SUBJECT} {times(ratio, False)} {best}"
    fastest = result.best_peer()
    return f"{label(result)}: {f'{fastest} is the fastest' if fastest else 'nobody has a figure'}"


def duration(seconds: float) -> str:
    """Such as 1 h 05 min, 12 min, 40 s."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def show_tables(console: Console, tables: Sequence[Table]) -> None:
    """Print tables: one wider than the terminal in parts, but elsewhere the console is widened."""
    for table in tables:
        console.print(Text(table.title, "bold"), soft_wrap=True)
        widths = [_width(table, column) for column in range(len(table.headers))]
        if not console.is_terminal:
            console.width = max(console.width, sum(widths) + GAP)
        for columns in _parts(widths, console.width):
            grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False)
            for i in columns:
                side = "left" if table.left(i) else "right"
                grid.add_column(Text(table.headers[i]), justify=side, width=widths[i] - GAP)
            for row in table.cells(Text, lambda cell: Text(cell.plain, "bold")):
                grid.add_row(*(row[i] for i in columns))
            grid.add_section()
            for row in table.footer:
                grid.add_row(*(row[i] for i in columns))
            console.print(grid)
        if table.note:
            console.print(Text(table.note), soft_wrap=True)


def _width(table: Table, column: int) -> int:
    """Characters that a column needs; headers and long texts may be broken between words."""
    texts = table.headers[column].split()
    texts += [row[column][:LONGEST] for row in [*table.rows, *table.footer]]
    return max(map(len, texts), default=0) + GAP


def _parts(widths: Sequence[int], width: int) -> Iterator[list[int]]:
    """Columns that fit beside one another, the first in each part."""
    part: list[int] = []
    for column in range(1, len(widths)):
        if part and widths[0] + sum(widths[i] for i in part) + widths[column] > width:
            yield [0, *part]
            part = []
        part.append(column)
    yield [0, *part]
