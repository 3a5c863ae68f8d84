"""What a series of timings says; a series has one figure per round, in seconds, round by round.

The figure of a series is its median, its noise the distance between its quartiles, which a few
disturbed rounds out of many do not move.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["faster", "slower", "same"]

WIDE = 0.10  # quartile distance over median from which a series is too noisy to be reported as is
LEAST = 0.03  # changes of medians below this are never reported: two runs differ by as much

median = statistics.median
geometric_mean = statistics.geometric_mean


@dataclass(frozen=True)
class Ratio:
    """A ratio and the quartiles of it; `low` <= `value` <= `high`."""

    value: float
    low: float
    high: float


def quartiles(series: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile; of one figure, three times that figure."""
    if len(series) == 1:
        return series[0], series[0], series[0]
    low, middle, high = statistics.quantiles(series, n=4, method="inclusive")
    return low, middle, high


def spread(series: Sequence[float]) -> float:
    """The distance between the quartiles, as a share of the median."""
    low, middle, high = quartiles(series)
    return (high - low) / middle


def wide(series: Sequence[float]) -> bool:
    """Whether the series is too noisy for its median to be relied on."""
    return spread(series) > WIDE


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Ratio:
    """How two series of the same rounds compare.

    Parameters
    ----------
    numerator, denominator : sequence of float
        Figure `i` of both is of the same round. The shorter may end earlier.

    Returns
    -------
    Ratio
        The ratio of the medians, and the quartiles of the ratios within each round. The two of a
        round are measured within a moment of one another, so that a drift of the machine, which
        shows in the spread of both series, does not show in these.
    """
    value = median(numerator) / median(denominator)
    pairs = zip(numerator, denominator, strict=False)
    low, _, high = quartiles([above / below for above, below in pairs])
    return Ratio(value, min(low, value), max(high, value))


def independent_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Ratio:
    """How two series of different runs compare: the farthest that their quartiles are apart."""
    low, value, high = quartiles(numerator)
    below_low, below, below_high = quartiles(denominator)
    return Ratio(value / below, low / below_high, high / below_low)


def verdict(old: Sequence[float], new: Sequence[float]) -> Verdict:
    """What became of the times between two runs.

    "faster" or "slower" where the change is beyond the noise: the medians differ by more than both
    quartile distances together, and by `LEAST` or more. Otherwise "same". Of seven rounds that
    differ by chance alone, about one case in a hundred is called a change; of three, one in eight.
    """
    old_low, before, old_high = quartiles(old)
    new_low, after, new_high = quartiles(new)
    noise = (old_high - old_low) + (new_high - new_low)
    if abs(after - before) <= max(noise, LEAST * before):
        return "same"
    return "faster" if after < before else "slower"
