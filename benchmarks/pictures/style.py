"""What all pictures share: colours that the colour-blind can tell apart, sizes, legends, saving."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..peers import NAMES, SUBJECT

WIDTH = 6.5  # inches of the axes; names of cases stand to the left of them
LEGEND_COLUMNS = 5
MARGIN = 1.5  # factor by which a logarithmic scale goes on
STRONG = "#E8500A"  # fastconv's alone
MUTED = (  # Paul Tol's palette of that name
    "#332288",
    "#88CCEE",
    "#117733",
    "#DDCC77",
    "#AA4499",
    "#44AA99",
    "#882255",
    "#999933",
    "#CC6677",
    "#BBBBBB",
)
MARKERS = "osD^vPX<>p*"


class Picture(NamedTuple):
    """A PNG file, what it shows, and the group of layers that it is of, if it is of one."""

    file: str
    caption: str
    group: str = ""


def colour(peer: str) -> str:
    """A peer's colour, the same in all pictures."""
    if peer == SUBJECT:
        return STRONG
    others = [name for name in NAMES if name != SUBJECT]
    return MUTED[others.index(peer) % len(MUTED)] if peer in others else "#555555"


def marker(peer: str) -> str:
    """A peer's marker, the same in all pictures."""
    return MARKERS[NAMES.index(peer) % len(MARKERS)] if peer in NAMES else "."


def axes(height: float, title: str, entries: int) -> Axes:
    """Axes of a figure of their own, `height` inches high; above them room for a legend."""
    legend_rows = -(-entries // LEGEND_COLUMNS)
    figure = Figure(figsize=(WIDTH, height), dpi=120)
    result = figure.add_axes((0, 0, 1, 1))
    result.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=8 + 15 * legend_rows)
    result.tick_params(labelsize=8.5)
    result.set_axisbelow(True)
    result.grid(color="#DDDDDD", linewidth=0.6)
    result.spines[["top", "right"]].set_visible(False)
    return result


def legend(where: Axes) -> None:
    """A legend between the axes and their title: fastconv, other peers, the rest."""

    def place(entry: tuple[Artist, str]) -> tuple[bool, bool]:
        return entry[1] != SUBJECT, entry[1] not in NAMES

    entries = zip(*where.get_legend_handles_labels(), strict=True)
    handles, labels = zip(*sorted(entries, key=place), strict=True)
    where.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=LEGEND_COLUMNS,
        fontsize=8.5,
        frameon=False,
        borderaxespad=0.2,
        handlelength=1.4,
        columnspacing=1.2,
    )


def logarithmic(where: Axes, x: Iterable[float], y: Iterable[float]) -> None:
    """Logarithmic scales that hold these values with a margin, labelled with plain numbers."""
    for name, values in (("x", list(x)), ("y", list(y))):
        where.set(**{f"{name}lim": (min(values) / MARGIN, max(values) * MARGIN)})
        where.set(**{f"{name}scale": "log"})
        axis = where.xaxis if name == "x" else where.yaxis
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def save(drawn: Axes, folder: Path, picture: Picture) -> Picture:
    """Write the figure of the axes; the same bytes for the same figure."""
    figure = drawn.get_figure()
    figure.savefig(
        folder / picture.file, bbox_inches="tight", pad_inches=0.12, metadata={"Software": None}
    )
    return picture
