"""A table of strings, and how it is written in Markdown and HTML."""

from __future__ import annotations

import html as escaping
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tabulate import tabulate

NOTHING = "-"

Row = Sequence[str]


@dataclass(frozen=True)
class Table:
    """Cells as they are read, and where the marked ones are.

    Attributes
    ----------
    note : str
        How to read it; empty where the headers say it all.
    rows, footer : list of rows
        As many cells each as there are headers; the first one names the row.
    marked : set of (row, column)
        The cells of `rows` that stand out.
    words : set of int
        The columns, besides the first, that hold text rather than figures.
    """

    title: str
    note: str
    headers: Row
    rows: list[Row]
    footer: list[Row] = field(default_factory=list)
    marked: frozenset[tuple[int, int]] = frozenset()
    words: frozenset[int] = frozenset()

    def left(self, column: int) -> bool:
        """Whether a column is aligned to the left, as text is."""
        return column == 0 or column in self.words

    def cells(self, plain: Callable[[str], str], strong: Callable[[str], str]) -> list[list[str]]:
        """The rows, each cell through `plain`, the marked ones through `strong` too."""
        return [
            [
                strong(plain(cell)) if (i, j) in self.marked else plain(cell)
                for j, cell in enumerate(row)
            ]
            for i, row in enumerate(self.rows)
        ]


def markdown_text(text: str) -> str:
    """Any text as Markdown that shows just that text, on one line."""
    text = escaping.escape(" ".join(text.split()), quote=False).replace("&gt;", ">")
    text = re.sub(r"([\\`*|\[\]~])", r"\\\1", text)
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)


def html_text(text: str) -> str:
    """Any text as HTML that shows just that text."""
    return escaping.escape(text)


def markdown(table: Table, heading: str = "###") -> str:
    """The table in GitHub's Markdown, under its title."""
    rows = table.cells(markdown_text, lambda cell: f"**{cell}**")
    rows += [[f"*{markdown_text(cell)}*" if cell else "" for cell in row] for row in table.footer]
    sides = ["left" if table.left(j) else "right" for j in range(len(table.headers))]
    headers = [markdown_text(header) for header in table.headers]
    parts = [
        f"{heading} {markdown_text(table.title)}",
        tabulate(rows, headers, "pipe", disable_numparse=True, colalign=sides),
        markdown_text(table.note),
    ]
    return "\n\n".join(part for part in parts if part)


def html(table: Table, heading: str = "h3") -> str:
    """The table as an HTML fragment, under its title."""

    def line(tag: str, cells: Row) -> str:
        sides = ["" if table.left(j) else ' class="figure"' for j in range(len(cells))]
        texts = zip(sides, cells, strict=True)
        return "<tr>" + "".join(f"<{tag}{side}>{cell}</{tag}>" for side, cell in texts) + "</tr>"

    def lines(tag: str, rows: Sequence[Row]) -> str:
        return "\n".join(line(tag, row) for row in rows)

    footer = [[html_text(cell) for cell in row] for row in table.footer]
    parts = [
        f"<{heading}>{html_text(table.title)}</{heading}>",
        '<div class="table"><table>',
        f"<thead>{line('th', [html_text(header) for header in table.headers])}</thead>",
        f"<tbody>\n{lines('td', table.cells(html_text, '<strong>{}</strong>'.format))}\n</tbody>",
        f"<tfoot>{lines('td', footer)}</tfoot>" if footer else "",
        "</table></div>",
        f'<p class="note">{html_text(table.note)}</p>' if table.note else "",
    ]
    return "\n".join(part for part in parts if part)
