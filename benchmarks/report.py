"""report.md and report.html: the tables and pictures of a run, together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import pictures, tables
from .pictures import Picture
from .results import Results
from .tables import Table
from .tables.table import html_text, markdown_text

FOLDER = "pictures"
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff }
.table { overflow-x: auto }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { padding: 2px 10px 2px 0; border-bottom: 1px solid #ddd; text-align: left;
         white-space: nowrap }
th.figure, td.figure { text-align: right }
td:nth-last-child(1):not(.figure) { white-space: normal }
tfoot td { font-style: italic; border-bottom: 0 }
strong { color: #b83c00 }
.note, figcaption { color: #555; font-size: 13px }
figure { margin: 1rem 0 }
img { max-width: 100%; height: auto }
code { background: #f3f3f3; padding: 1px 4px }
"""


@dataclass(frozen=True)
class Heading:
    """Of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Command:
    """A command line."""

    text: str


Block = Heading | Paragraph | Command | Table | Picture


def write(results: Results, out: Path) -> list[Path]:
    """Write the report of a run, which is the same for the same results.

    Parameters
    ----------
    out : Path
        A folder; it gets report.md, report.html and a folder of pictures.

    Returns
    -------
    list of Path
        The files written.
    """
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    drawn = pictures.draw(results, folder)
    title = f"Benchmarks of {results.date[:10]}"
    blocks = list(_blocks(results, drawn))
    texts = {"report.md": _markdown(title, blocks), "report.html": _html(title, blocks)}
    for name, text in texts.items():
        (out / name).write_text(text)
    return [*(out / name for name in texts), *(folder / picture.file for picture in drawn)]


def _blocks(results: Results, drawn: list[Picture]) -> Iterator[Block]:
    """The report from its beginning to its end."""
    yield Paragraph(f"{len(results.cases)} cases, measured {results.date} with")
    yield Command(results.command)
    yield Heading("Machine and libraries")
    yield from tables.machine(results)
    yield tables.libraries(results)
    yield Heading("How to read the figures")
    for text in _reading(results):
        yield Paragraph(text)
    yield Heading("Summary")
    yield from tables.summary(results)
    yield from tables.networks(results)
    yield from tables.variants(results)
    yield from (picture for picture in drawn if not picture.group)
    yield Heading("What to look at")
    yield from tables.behind(results)
    yield from tables.failures(results)
    yield from tables.refusals(results)
    yield Paragraph(f"Spread still wide: {', '.join(tables.wide(results)) or 'no case'}.")
    compared, errors = tables.layers(results), tables.errors(results)
    for group in errors:
        yield Heading(group)
        if group in compared:
            yield compared[group]
        yield from (picture for picture in drawn if picture.group == group)
        yield errors[group]


def _reading(results: Results) -> Iterator[str]:
    """How everything was measured, and what the tables' words mean."""
    options = results.options
    yield (
        f"The libraries take turns: in each of {options['rounds']} rounds every library in turn, "
        f"while the others stand still, calls each of its forms for {options['seconds']:g} s, and "
        "the best call is the round's figure. What is far behind gets fewer rounds; where figures "
        "are spread wide, the rounds are run once more. A time is the median over the rounds. A "
        "ratio is that of two such medians; in parentheses, the quartiles of the ratios within "
        "each round. Another run has other times; its ratios should be near these."
    )
    yield (
        "Effective GFLOP/s count two operations for each multiplication of the definition (of the "
        "gradients of an input and a filter, as many each as of the output), also "
        "where an algorithm needs fewer. The share of roofline is the least time that the machine "
        "allows over the time taken: the larger of the arithmetic at the measured peak, and of "
        "input, filter, bias and output moved once at the measured bandwidth of the smallest cache "
        "that holds them. Error is the greatest difference from a float64 result, over that "
        "result's root mean square; of a whole network, from the library called reference."
    )
    yield tables.legend(results)


def _markdown(title: str, blocks: list[Block]) -> str:
    def text(block: Block) -> str:
        match block:
            case Heading():
                return f"## {markdown_text(block.text)}"
            case Paragraph():
                return markdown_text(block.text)
            case Command():
                return f"```\n{block.text}\n```"
            case Table():
                return tables.markdown(block)
            case Picture():
                return f"![{markdown_text(block.caption)}]({FOLDER}/{block.file})"

    return "\n\n".join([f"# {markdown_text(title)}", *map(text, blocks)]) + "\n"


def _html(title: str, blocks: list[Block]) -> str:
    def text(block: Block) -> str:
        match block:
            case Heading():
                return f"<h2>{html_text(block.text)}</h2>"
            case Paragraph():
                return f"<p>{html_text(block.text)}</p>"
            case Command():
                return f"<p><code>{html_text(block.text)}</code></p>"
            case Table():
                return tables.html(block)
            case Picture():
                caption = html_text(block.caption)
                image = f'<img src="{FOLDER}/{block.file}" alt="{caption}" loading="lazy">'
                return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"

    head = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f"<title>{html_text(title)}</title>\n<style>{STYLE}</style>"
    )
    body = "\n".join([f"<h1>{html_text(title)}</h1>", *map(text, blocks)])
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )
