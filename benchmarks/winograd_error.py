"""How far Winograd convolution in float32 is from the truth: writes docs/winograd.md."""

from __future__ import annotations

import importlib.util
import math
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

import fastconv
from fastconv import algorithms, levels
from fastconv.problem import ConvSpec

from .tables.table import Table, markdown

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs/winograd.md"
COMMAND = "python -m benchmarks accuracy"

CHANNELS = (1, 4, 16, 64, 256, 1024)
FILTERS = 16
PIXELS, LENGTH = 48, 1500
MANY = 16  # channels from which the limits below are asked for
LIMITS = {"winograd_2x2_3x3": 1.2, "winograd_4x4_3x3": 2.2, "winograd_4_3": 2.2}

# The kernels that each algorithm is measured with.
KERNELS: dict[str, list[tuple[int, ...]]] = {
    "winograd_2x2_3x3": [(3, 3)],
    "winograd_4x4_3x3": [(3, 3)],
    "winograd_2x4_3x3": [(3, 3)],
    "winograd_6x6_3x3": [(3, 3)],
    "winograd_2x2_5x5": [(5, 5)],
    "winograd_2x4_5x5": [(5, 5)],
    "winograd_4x4_5x5": [(5, 5)],
    "winograd_4x4_4x4": [(4, 4), (5, 5), (7, 7), (8, 8)],
    "winograd_3x3_2x2": [(2, 2)],
    "winograd_4x4_2x2": [(2, 2)],
    "winograd_4x4_3x3_stride2": [(3, 3)],
    "winograd_3x3_3x3_stride2": [(3, 3)],
    "winograd_4_3": [(3,)],
    "winograd_4_4": [(k,) for k in (4, 5, 6, 7, 8, 9, 16)],
    "winograd_5_2": [(2,)],
    "winograd_4_3_stride2": [(3,)],
}
VARIANTS = {a.name: a for a in algorithms.ALGORITHMS if isinstance(a, algorithms.Winograd)}

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]


# What the library computes


def normal(rng: np.random.Generator, *shape: int) -> Array:
    """Of mean 0 and variance 1."""
    return rng.standard_normal(shape)


def image(rng: np.random.Generator, *shape: int) -> Array:
    """Smooth, and nowhere negative, as a photograph: noise of every eighth pixel, interpolated.

    A tenth of finer noise is added, and each channel begins at 0.
    """
    _, *size, _ = shape
    x = rng.standard_normal(shape)
    for axis, n in enumerate(size, 1):
        at = np.linspace(0, -(-n // 8), n)
        low = np.minimum(at.astype(int), at.max() - 1).astype(int)
        share = (at - low).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        x = x.take(low, axis) * (1 - share) + x.take(low + 1, axis) * share
    x += rng.standard_normal(shape) / 10
    return x - x.min(axis=tuple(range(len(shape) - 1)), keepdims=True)


DATA: dict[str, Callable[..., Array]] = {"normal": normal, "image": image}


def rms(a: Array) -> float:
    return math.sqrt((a.astype(np.float64) ** 2).mean())


def ratio(name: str, kernel: tuple[int, ...], channels: int, data: str) -> float:
    """The rms error of an algorithm over direct's, of one layer without padding."""
    rng = np.random.default_rng(channels)
    size = (PIXELS, PIXELS) if len(kernel) == 2 else (LENGTH,)
    x = DATA[data](rng, 1, *size, channels).astype(np.float32)
    weight = normal(rng, *kernel, channels, FILTERS).astype(np.float32)
    convolve = fastconv.conv2d if len(kernel) == 2 else fastconv.conv1d
    wide, stride = (a.astype(np.float64) for a in (x, weight)), VARIANTS[name].stride
    exact = convolve(*wide, stride=stride, algorithm="direct")
    ours, direct = (
        rms(convolve(x, weight, stride=stride, algorithm=a) - exact) for a in (name, "direct")
    )
    return ours / direct


@dataclass(frozen=True)
class Row:
    """An algorithm on one kernel: the ratio for each number of channels, for each kind of data.

    `automatic`: whether "auto" may choose it in float32, for each number of channels.
    """

    name: str
    kernel: tuple[int, ...]
    automatic: list[bool]
    ratios: dict[str, list[float]]

    @property
    def text(self) -> str:
        return f"{self.name} on {'x'.join(map(str, self.kernel))}"


def automatic(name: str, kernel: tuple[int, ...], channels: int) -> bool:
    """Whether "auto" may choose an algorithm in float32."""
    spec = ConvSpec.build(
        len(kernel),
        kernel_size=kernel if len(kernel) == 2 else kernel[0],
        in_channels=channels,
        out_channels=FILTERS,
        dtype=np.float32,
        stride=VARIANTS[name].stride,
        padding=0,
        dilation=1,
        groups=1,
        pad_mode="constant",
        pad_value=0.0,
        activation=None,
    )
    return name in [a.name for a in algorithms.candidates(spec, "auto")]


def measure() -> list[Row]:
    """All rows of the table."""
    rows = []
    for name, kernels in KERNELS.items():
        for kernel in kernels:
            found = {d: [ratio(name, kernel, c, d) for c in CHANNELS] for d in DATA}
            rows.append(Row(name, kernel, [automatic(name, kernel, c) for c in CHANNELS], found))
    return rows


def accuracy(rows: list[Row], data: str) -> Table:
    """The measured rows for one kind of data, with what "auto" may choose marked."""
    cells = [[row.text, *map("{:.2f}".format, row.ratios[data])] for row in rows]
    marked = {(i, j) for i, row in enumerate(rows) for j, may in enumerate(row.automatic, 1) if may}
    headers = ["channels", *map(str, CHANNELS)]
    return Table(f"{data.capitalize()} data", "", headers, cells, marked=frozenset(marked))


def verdict(what: str, limit: float, found: dict[int, float]) -> str:
    """Whether ratios, by channels, are within a limit."""
    beyond = ", ".join(f"{r:.2f} with {c} channels" for c, r in found.items() if r > limit)
    holds = f"DOES NOT HOLD: {beyond}" if beyond else f"holds (at most {max(found.values()):.2f})"
    return f"{what} at most {limit:g}: {holds}"


def verdicts(rows: list[Row]) -> Iterator[str]:
    """What is required of the errors, and whether it holds."""
    for row in rows:
        for data in DATA:
            by_channels = list(zip(CHANNELS, row.ratios[data], row.automatic, strict=True))
            if row.name in LIMITS:
                many = {c: r for c, r, _ in by_channels if c >= MANY}
                what = f"{row.text}, {data} data, {MANY} channels or more:"
                yield verdict(what, LIMITS[row.name], many)
            chosen = {c: r for c, r, may in by_channels if may}
            if chosen:
                what = f"{row.text}, {data} data, where auto may choose it:"
                yield verdict(what, algorithms.MOST_ERROR, chosen)


# The choice of the points, simulated


@dataclass(frozen=True)
class Choice:
    """Points to interpolate at; infinity is one more if they are n - 1."""

    points: tuple[Fraction, ...]
    infinity: bool

    @property
    def text(self) -> str:
        shown, left = [], list(self.points)
        while left:
            p = left.pop(0)
            if p and -p in left:
                left.remove(-p)
                shown.append(f"±{p}")
            else:
                shown.append(str(p))
        return ", ".join([*shown, "∞"] if self.infinity else shown)


def choice(text: str) -> Choice:
    """From such as "0 +-1 +-2 inf"."""
    points: list[Fraction] = []
    for word in text.split():
        if word.startswith("+-"):
            points += [Fraction(word[2:]), -Fraction(word[2:])]
        elif word != "inf":
            points.append(Fraction(word))
    return Choice(tuple(points), "inf" in text)


# (m, r) -> choices
CHOICES = {
    (4, 3): (
        "0 +-1 +-2 inf", "0 +-1/2 +-1 inf", "0 +-1/2 +-3/2 inf", "0 +-5/8 +-3/2 inf",
        "0 +-5/8 +-5/4 inf", "0 +-3/4 +-3/2 inf", "0 +-1/2 +-2 inf", "0 +-1/2 1 -2 inf",
    ),
    (4, 4): (
        "0 +-1/2 +-1 2 inf", "0 +-1 +-2 1/2 inf", "0 +-1/2 +-1 -3/2 inf", "0 +-1 +-2 +-3",
        "0 +-1/2 +-1 +-3/2", "0 +-1/2 +-1 +-2", "0 +-1/2 +-1 +-19/8", "0 +-1/2 +-1 +-5/2",
        "0 +-1/2 +-5/4 +-5/2", "0 +-1/2 +-5/4 +-7/2", "0 +-5/8 +-5/4 +-7/2",
    ),
    (6, 3): (
        "0 +-1 +-2 +-3 inf", "0 +-1 +-2 +-4 inf", "0 +-1/2 +-1 +-3/2 inf", "0 +-1/2 +-1 +-2 inf",
        "0 +-1/2 +-1 +-5/2 inf", "0 +-3/8 +-1 +-2 inf", "0 +-1/2 +-7/8 +-7/4 inf",
        "0 +-1/2 +-9/8 +-2 inf",
    ),
    (4, 5): (
        "0 +-1 +-2 +-3 inf", "0 +-1/2 +-1 +-3/2 inf", "0 +-1/2 +-1 +-2 inf",
        "0 +-1/2 +-9/8 +-2 inf",
    ),
    (4, 2): (
        "0 +-1 2 inf", "0 +-1 1/2 inf", "0 +-1/2 +-1", "0 +-1 +-2", "0 +-1/2 +-2", "0 +-5/8 +-2",
        "0 +-7/8 +-2", "0 +-3/4 +-2", "0 +-3/4 +-5/2", "0 +-3/4 +-21/8",
    ),
}  # fmt: skip
SIMULATED = 64  # channels


def script() -> Any:
    """The module src/micro/points.py."""
    spec = importlib.util.spec_from_file_location("points", ROOT / "src/micro/points.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def matrices(of: Choice, m: int, r: int, module: Any) -> list[list[list[Fraction]]]:
    """A^T, G and B^T as points.py has them, for any points."""
    points, tail = list(of.points), [Fraction(0)] * of.infinity
    at = [[p**i for p in points] + [Fraction(i == m - 1)] * of.infinity for i in range(m)]
    g = [[p**k * module.scale(p, points) for k in range(r)] for p in points]
    bt = [module.product([q for q in points if q != p]) + tail for p in points]
    if of.infinity:
        g.append([Fraction(k == r - 1) for k in range(r)])
        bt.append(module.product(points))
    return [at, g, bt]


def both(left: Array, middle: Array) -> Array:
    """left middle left^T over the first two axes, one rounded product and sum after the other."""
    for _ in range(2):
        terms = [
            sum((row[j] * middle[j] for j in range(1, len(row))), row[0] * middle[0])
            for row in left
        ]
        middle = np.stack(terms).swapaxes(0, 1)
    return middle


def simulate(of: Choice, m: int, r: int, data: str, module: Any) -> float:
    """The rms error of F(m x m, r x r) over direct's, of single tiles in NumPy's float32.

    All sums are one term after the other; the filter is transformed in float64.
    """
    at, g, bt = (np.array(a, np.float64) for a in matrices(of, m, r, module))
    n, tiles, filters = m + r - 1, 200, 4
    rng = np.random.default_rng(0)
    wide = DATA[data](rng, tiles, n + 8, n + 8, SIMULATED)[:, 4 : 4 + n, 4 : 4 + n]
    x = np.ascontiguousarray(wide.transpose(1, 2, 3, 0)).astype(np.float32)  # n, n, c, tiles
    weight = normal(rng, r, r, SIMULATED, filters).astype(np.float32)
    u = both(g, weight.astype(np.float64)).astype(np.float32)
    v = both(bt.astype(np.float32), x)
    products = np.zeros((n, n, filters, tiles), np.float32)
    direct = np.zeros((m, m, filters, tiles), np.float32)
    exact = np.zeros((m, m, filters, tiles))
    for c in range(SIMULATED):
        products += u[:, :, c, :, None] * v[:, :, c, None]
    for i, j, c in np.ndindex(r, r, SIMULATED):
        seen = x[i : i + m, j : j + m, c, None]
        direct += weight[i, j, c][:, None] * seen
        exact += weight[i, j, c].astype(np.float64)[:, None] * seen
    return rms(both(at.astype(np.float32), products) - exact) / rms(direct - exact)


def used(m: int, r: int, module: Any) -> Choice:
    """The points of the library."""
    n = m + r - 1
    return Choice(tuple(module.finite(n)), module.POINTS[n][1])


def expected(points: Array, infinity: bool, m: int, r: int) -> float:
    """The rms error along one axis, up to a factor, if each product has one rounding."""
    at = points ** np.arange(m)[:, None]
    others = [np.delete(points, i) for i in range(len(points))]
    scales = [np.prod(p - rest) for p, rest in zip(points, others, strict=True)]
    g = np.array([(points**k) / scales for k in range(r)])
    bt = np.array([(np.poly(rest) ** 2).sum() for rest in others])
    products = (g**2).sum(0) * bt
    error = at**2 @ products
    if infinity:
        error[-1] += (np.poly(points) ** 2).sum()
    return math.sqrt(error.mean())


def search(m: int, r: int, infinity: bool) -> Choice:
    """Of pairs of multiples of 1/8 up to 4, those with the least `expected` error."""
    eighths = [Fraction(i, 8) for i in range(1, 33)]
    pairs = combinations(eighths, (m + r - 2 - infinity) // 2)
    choices = [(Fraction(0), *(s * p for p in some for s in (1, -1))) for some in pairs]
    best = min(choices, key=lambda c: expected(np.array(c, np.float64), infinity, m, r))
    return Choice(best, infinity)


def points_table(m: int, r: int, module: Any) -> Table:
    """The choices for F(m, r), the library's marked."""
    ours, rows, marked = used(m, r, module), [], set()
    for of in map(choice, CHOICES[m, r]):
        at, _, bt = matrices(of, m, r, module)
        exact = all(Fraction(float(np.float32(float(v)))) == v for row in [*at, *bt] for v in row)
        if set(of.points) == set(ours.points) and of.infinity == ours.infinity:
            marked.add((len(rows), 0))
        found = [f"{simulate(of, m, r, data, module):.2f}" for data in DATA]
        rows.append([of.text, "yes" if exact else "no", *found])
    if not marked:
        raise ValueError(f"CHOICES must have the library's points; got none of F({m}, {r})")
    return Table(
        f"F({m}x{m}, {r}x{r}), {m + r - 1} points",
        "",
        ["points", "exact in float32", *(f"{data} data" for data in DATA)],
        rows,
        marked=frozenset(marked),
        words=frozenset([1]),
    )


# The document

TEXT = """# Winograd convolution

This document is written by `{command}`; change `benchmarks/winograd_error.py`, not this.

## The method

F(m, r) computes m neighbouring outputs of a filter of r taps with n = m + r - 1 multiplications
instead of m r. Inputs and filter are taken for polynomials, evaluated at n points, multiplied
point by point, and the result is interpolated:

    y = A^T [(G g) * (B^T d)]                          along one axis
    Y = A^T [(G g G^T) * (B^T d B)] A                  along two

d is a tile of n inputs, g the filter, and `*` multiplies element by element. With many channels
the products of one point are a product of matrices: tiles x channels by channels x output
channels. F(4x4, 3x3) has 36 multiplications for 16 outputs where direct convolution has 144.

With stride 2 a filter of three taps meets inputs at even places with its taps 0 and 2, and inputs
at odd places with tap 1. The even ones alone are a convolution of stride 1, F(m, 2) with m + 1
multiplications; each odd one is multiplied with tap 1 for the one output that reads it, m more.
Both are one transform of 2 m + 1 products, where rows of A^T, G and B^T for odd inputs have a
single 1, and the m products of odd inputs share one transformed filter: along two axes, m + 2
squared filters for 2 m + 1 squared products. F(4x4, 3x3) has 81 multiplications for 16 outputs.

`src/micro/points.py` makes the matrices from the points in exact fractions, and
`tests/test_winograd.py` shows that they convolve exactly. The entries of A^T and B^T are exact in
float32, so a transform rounds what it computes and nothing else. The filter is transformed in
float64 and rounded once, when a layer packs it.

Sources: A. L. Toom, *The complexity of a scheme of functional elements realizing the
multiplication of integers*, 1963, and S. A. Cook, *On the minimum computation time of functions*,
1966, for evaluation and interpolation; S. Winograd, *Arithmetic complexity of computations*,
1980, chapter V; A. Lavin and S. Gray, *Fast algorithms for convolutional neural networks*,
arXiv:1509.09308, for layers of many channels; B. Barabasz, A. Anderson, K. M. Soodhalter and D.
Gregg, *Error analysis and improving the accuracy of Winograd convolution for deep neural
networks*, arXiv:1803.10986, for the growth of errors and for other points than small integers.
`tests/winograd_bound.py` has the bound that every result is tested against.

## The names

Any padding and groups will do, with stride 1 any dilation. The stride of those along one axis is
that of the axis; the other one's is 1. `largest` is how far what is computed on the way may exceed
a sum of absolute products of direct convolution, at worst.

| `algorithm=` | filter | stride | tile of outputs | multiplications, of direct's | largest |
|:---|:---|---:|---:|---:|---:|
{names}

Where the tile is as long as a piece, m = r = 4, a longer filter is cut into pieces of four taps,
the last filled up with zeros. The pieces are exactly one tile apart, so that one transform of the
inputs serves all of them.

`"auto"` takes the cheapest. In float32 it chooses among those whose error is believed to be at
most {most:g} times direct's; others run when they are asked for by name. In float64 it may choose
any.

## What is not finite

Direct convolution brings a NaN or an infinity of the input to just the outputs that read it.
Winograd brings it to all outputs of each tile that reads it, where an infinity may become NaN:
with F(4x4, 3x3) that is up to four tiles, 64 outputs. All others are untouched. As a pad value
they reach the tiles that read the padding, likewise. Numbers so large that `largest` takes them
beyond the range of their type may overflow where direct convolution does not. Where any of this
matters, `algorithm="direct"` is always there.

## Accuracy

The root-mean-square error of float32 over that of direct convolution in float32, both against
direct convolution in float64, by the number of channels: {filters} filters of normal data,
{pixels}x{pixels} pixels or {length} samples, level {level}. Below one Winograd is the more
accurate: its sums are shorter. "Image" data are smooth and nowhere negative. There the partial
sums of direct convolution are large, and so are their roundings, while the transforms of inputs
cancel what the pixels of a tile have in common; so normal data, without anything in common, are
the harder ones.

{accuracy}

Bold is what `"auto"` may choose. With few channels the roundings of the transforms are not averaged
over a sum, and direct's sums are so short that they hardly round: there the ratios are larger.

What is required, and whether it holds:

{verdicts}

## The choice of the points

The same ratio for single tiles with {simulated} channels, simulated in NumPy's float32 with every
product and sum rounded; the library's points in bold. With stride 2, F(m, 3) has those of F(m, 2):
0, ±1, ∞ for m = 3. Pairs p and -p halve the arithmetic of a
transform, which single points do not. Points that made an entry of A^T or B^T inexact in float32
would add its error to every transform.

The points that the search finds are, of all pairs of multiples of 1/8 up to 4, those with the
smallest error to be expected if each of the n products along an axis had one rounding of its own:

{searched}

{points}
"""


def growth(m: int, r: int, stride: int) -> float:
    """|A^T| (|G| 1 * |B^T| 1) at most, over the r of direct convolution: along one axis."""
    exact = script().matrices(m, r) if stride == 1 else script().strided(m)
    at, g, bt = (abs(np.array(a, np.float64)) for a in exact)
    return float(max((at @ (g.sum(1) * bt.sum(1))).max(), bt.sum(1).max()) / r)


def names() -> str:
    """The rows of the table of names."""
    lines = []
    for a in VARIANTS.values():
        axes = a.tile[-a.dims :]
        filters = a.supported.split("a filter of ")[1].removesuffix(" and no dilation")
        tile = "x".join(map(str, axes))
        share = math.prod((a.stride * (m - 1) + a.r) / (m * a.r) for m in axes)
        largest = math.prod(growth(m, a.r, a.stride) for m in axes)
        cells = [f"`{a.name}`", filters, str(a.stride), tile, f"{share:.2f}", f"{largest:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(options: Namespace | None = None) -> None:
    """Measure, print what is required, and write the document."""
    del options
    module, rows = script(), measure()
    tables = [accuracy(rows, data) for data in DATA]
    choices = [points_table(m, r, module) for m, r in CHOICES]
    required = list(verdicts(rows))
    searched = []
    for m, r in CHOICES:
        ours = used(m, r, module)
        found = search(m, r, ours.infinity)
        same = "the library's" if set(found.points) == set(ours.points) else f"not {ours.text}"
        searched.append(f"- F({m}x{m}, {r}x{r}): {found.text}; {same}")
    text = TEXT.format(
        command=COMMAND, names=names(), most=algorithms.MOST_ERROR, filters=FILTERS,
        pixels=PIXELS, length=LENGTH, level=levels.running(),
        accuracy="\n\n".join(map(markdown, tables)),
        verdicts="\n".join(f"- {line}" for line in required),
        searched="\n".join(searched), simulated=SIMULATED,
        points="\n\n".join(map(markdown, choices)),
    )  # fmt: skip
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(text)
    for table in [*tables, *choices]:
        print(markdown(table), end="\n\n")
    print("\n".join([*required, *searched]))
    print(f"Written: {DOCUMENT}")


if __name__ == "__main__":
    main()
