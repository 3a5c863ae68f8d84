"""The same bits for any number of threads and in every run."""

from dataclasses import replace

import pytest
from cases import Case

SHAPES = [
    Case((33, 38), 64, 64, (3, 3), padding=1),
    Case((7, 7), 128, 256, (3, 3), padding=1, bias=True),
    Case((14, 15), 130, 70, (3, 3), padding=1, batch=3, residual=True, activation="relu"),
    Case((28, 28), 128, 200, (1, 1)),
    Case((1, 1), 600, 600, (1, 1), bias=True),
    Case((60, 60), 3, 40, (7, 7), stride=2, padding=3),
    Case((30, 33), 48, 48, (3, 3), padding="same", dilation=5, groups=3),
    Case((30, 33), 20, 52, (3, 3), padding=1, groups=4),
    Case((40, 40), 40, 40, (3, 3), padding=1, groups=40),
    Case((40, 40), 40, 80, (5, 5), padding=2, groups=40, pad_mode="reflect"),
    Case((40, 40), 64, 96, (3, 3), stride=2, padding=1, groups=16, bias=True),
    Case((5, 5), 600, 600, (3, 3), padding=1, groups=600),
    Case((60, 61), 3, 3, (5, 5), padding=2, groups=3, bias=True),
    Case((60, 61), 4, 4, (3, 3), padding=1, stride=2, groups=4),
    Case((3000,), 80, 40, (3,), padding=1),
    Case((700,), 23, 123, (3,), padding=1),
    Case((31, 30), 40, 72, (5, 5), padding=2, bias=True),
    Case((21, 30), 40, 72, (7, 9), padding=4, dilation=2),
    Case((300, 3), 40, 72, (5, 1), residual=True),
    Case((3000,), 2, 4, (9,), padding="causal"),
    Case((9,), 400, 400, (5,), padding=2, batch=2),
    Case((3000,), 2, 4, (99,), padding="causal", bias=True),
    Case((1500,), 40, 40, (31,), padding=15, groups=40, batch=3, residual=True),
]


@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_same_bits(level, dtype, case):
    x, weight, bias, residual = replace(case, data="normal").arrays(dtype)

    def bits(algorithm, num_threads):
        y = case.run(x, weight, bias, residual, algorithm=algorithm, num_threads=num_threads)
        return y.tobytes()

    for algorithm in ["auto", *case.algorithms()]:
        first = bits(algorithm, 1)
        for num_threads in (1, 2, 3, 5, None):
            assert bits(algorithm, num_threads) == first, (algorithm, num_threads)
