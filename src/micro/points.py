"""Writes points.h: what the Winograd transforms are made of, from their points.

    python src/micro/points.py

F(m, r) computes m outputs of an r-tap filter with n = m + r - 1 multiplications: the input and the
filter are evaluated as polynomials at n points, multiplied, and interpolated (Toom 1963, Cook 1966;
Winograd, "Arithmetic complexity of computations", 1980, ch. V). The points decide the error; they
were chosen by benchmarks/winograd_error.py, whose table is in docs/winograd.md.

With stride 2, F(m, 3) is the sum of two: the taps 0 and 2 over the inputs at even places, F(m, 2),
and tap 1 over those at odd places, m plain multiplications.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

Polynomial = list[Fraction]  # coefficients, the constant first

# n: pairs of points p and -p, and whether infinity is one; 0 always is.
POINTS: dict[int, tuple[tuple[Fraction, ...], bool]] = {
    4: ((Fraction(1),), True),
    5: ((Fraction(3, 4), Fraction(5, 2)), False),
    6: ((Fraction(5, 8), Fraction(3, 2)), True),
    7: ((Fraction(1, 2), Fraction(5, 4), Fraction(7, 2)), False),
    8: ((Fraction(1), Fraction(1, 2), Fraction(2)), True),
}

# Outputs of a tile with stride 2: its n = m + 1 points for even inputs, m of the odd ones.
STRIDED = (3, 4)


def finite(n: int) -> list[Fraction]:
    """The points but infinity, in the order of the products: 0, then the pairs."""
    return [Fraction(0), *(sign * p for p in POINTS[n][0] for sign in (1, -1))]


def product(roots: list[Fraction]) -> Polynomial:
    """The product of x - root over all roots."""
    result = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *result]
        result = [a - root * b for a, b in zip(shifted, [*result, Fraction(0)], strict=True)]
    return result


def scale(p: Fraction, points: list[Fraction]) -> Fraction:
    """One over the product of p - q over the other points: a factor of the filter's transform."""
    return 1 / math.prod((p - q for q in points if q != p), start=Fraction(1))


def matrices(m: int, r: int) -> tuple[list[Polynomial], list[Polynomial], list[Polynomial]]:
    """A^T (m x n), G (n x r) and B^T (n x n), so that y = A^T ((G g) * (B^T d)), exactly."""
    n = m + r - 1
    points, infinity = finite(n), POINTS[n][1]
    at = [[p**i for p in points] + [Fraction(i == m - 1)] * infinity for i in range(m)]
    g = [[p**k * scale(p, points) for k in range(r)] for p in points]
    bt = [product([q for q in points if q != p]) + [Fraction(0)] * infinity for p in points]
    if infinity:
        g.append([Fraction(k == r - 1) for k in range(r)])
        bt.append(product(points))
    return at, g, bt


def strided(m: int) -> tuple[list[Polynomial], list[Polynomial], list[Polynomial]]:
    """`matrices` of F(m, 3) with stride 2; the products of odd inputs come last."""
    at, g, bt = matrices(m, 2)
    zero, one = Fraction(0), Fraction(1)
    spread = [[row[i // 2] if i % 2 == 0 else zero for i in range(2 * m + 1)] for row in bt]
    odd = [[one if i == 2 * k + 1 else zero for i in range(2 * m + 1)] for k in range(m)]
    return (
        [row + [one if i == k else zero for k in range(m)] for i, row in enumerate(at)],
        [[first, zero, last] for first, last in g] + [[zero, one, zero]] * m,
        spread + odd,
    )


def numbers(values: Polynomial) -> str:
    """C constants; all but the scales are exact."""
    return "{" + ", ".join(repr(float(value)) for value in values) + "}"


def definition(name: str, n: int, odd: int) -> str:
    """An fc_points of the points for n, and of so many odd inputs."""
    pairs, infinity = POINTS[n]
    points = finite(n)
    rests = (numbers(product([q for q in points if abs(q) != p])) for p in pairs)
    return (
        f"    fc_points_{name} = {{\n"
        f"        .n = {n + odd}, .odd = {odd},\n"
        f"        .pairs = {len(pairs)}, .infinity = {int(infinity)},\n"
        f"        .pair = {numbers(list(pairs))},\n"
        f"        .rest = {{{', '.join(rests)}}},\n"
        f"        .at_zero = {numbers(product(points[1:]))},\n"
        f"        .at_infinity = {numbers(product(points) if infinity else [Fraction(0)])},\n"
        f"        .scale = {numbers([scale(p, points) for p in points])},\n"
        "    }"
    )


def header() -> str:
    """The text of points.h."""
    texts = [definition(str(n), n, 0) for n in POINTS]
    texts += [definition(f"{m + 1}_and_{m}", m + 1, m) for m in STRIDED]
    return "/* Made by points.py. */\nstatic const fc_points\n" + ",\n".join(texts) + ";\n"


if __name__ == "__main__":
    Path(__file__).with_name("points.h").write_text(header())
