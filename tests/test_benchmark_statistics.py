"""What series of timings say: spread, ratios, verdicts."""

import random
from itertools import pairwise

import pytest

from benchmarks import statistics
from benchmarks.statistics import Ratio


def noisy(middle, noise, seed, rounds=7):
    rng = random.Random(seed)
    return [middle * (1 + rng.uniform(0, noise)) for _ in range(rounds)]


def test_one_figure_has_no_spread():
    assert statistics.quartiles([3.0]) == (3, 3, 3)
    assert statistics.spread([3.0]) == 0


def test_spread_is_relative_and_ignores_a_few_outliers():
    series = [1.00, 1.01, 1.02, 1.03, 1.04, 1.05, 9.0]
    assert statistics.spread(series) == pytest.approx(0.03 / 1.03)
    assert statistics.spread([1000 * s for s in series]) == pytest.approx(0.03 / 1.03)


@pytest.mark.parametrize(
    ("series", "expected"),
    [([1.0] * 7, False), ([1, 1, 1, 1, 1, 1, 1, 5, 9], False), ([1, 1.1, 1.2, 1.3, 1.4], True)],
)
def test_wide(series, expected):
    assert statistics.wide(series) is expected


def test_ratio_is_that_of_the_medians():
    assert statistics.ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0]) == Ratio(2, 2, 2)


def test_drift_that_both_share_does_not_widen_a_ratio():
    drift = [1 + 0.1 * i for i in range(9)]
    ratio = statistics.ratio([3 * d for d in drift], [2 * d for d in drift])
    assert ratio.high - ratio.low < 1e-12
    assert statistics.wide(drift)


def test_ratio_of_a_series_that_ended_earlier_pairs_the_rounds_that_both_have():
    ratio = statistics.ratio([10.0, 20.0], [1.0, 2.0, 1.5, 1.5])
    assert ratio == Ratio(10, 10, 10)


def test_the_interval_holds_the_ratio():
    for seed in range(200):
        ratio = statistics.ratio(noisy(1, 1, seed, 3), noisy(1, 1, seed + 1000, 3))
        assert ratio.low <= ratio.value <= ratio.high


@pytest.mark.parametrize(
    ("factor", "expected"), [(1.2, "slower"), (0.8, "faster"), (1.0, "same"), (1.02, "same")]
)
def test_verdict(factor, expected):
    old = [1.0, 1.001, 1.002, 1.003, 1.004]
    assert statistics.verdict(old, [factor * s for s in old]) == expected


def test_a_change_within_the_noise_is_none():
    old = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5]
    assert statistics.verdict(old, [1.1 * s for s in old]) == "same"


def test_verdicts_on_runs_of_the_same_are_seldom_wrong():
    runs = [noisy(1.0, 0.1, seed) for seed in range(500)]
    verdicts = [statistics.verdict(old, new) for old, new in pairwise(runs)]
    assert verdicts.count("same") > 0.98 * len(verdicts)


def test_geometric_mean():
    assert statistics.geometric_mean([0.5, 2.0]) == pytest.approx(1)
