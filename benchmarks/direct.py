"""How close direct convolution comes to the machine's peak.

    python benchmarks/direct.py [--levels x86_64_v4,x86_64_v3] [--dtypes float32,float64]
                                [--threads 1,2] [--cases 3x3,1x1] [--rounds 15]

In every round the FMA peak of the level is measured right before and after the layer, on as many
threads; the share is the median over the rounds of the layer's rate over the better of the two.
Rates count the multiplications of the definition, those with padding included.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

import fastconv
from fastconv import levels
from fastconv._native.levels import runnable
from fastconv._native.machine import multiply_adds


@dataclass(frozen=True)
class Case:
    """A layer, its input, and the least share of the peak it should reach at x86_64_v4."""

    name: str
    layer: tuple[object, ...]
    shape: tuple[int, ...]
    target: float
    padding: int = 0
    stride: int = 1
    dilation: int = 1

    def build(self, dtype: str) -> fastconv.Conv2d | fastconv.Conv1D:
        """The layer, float32 or float64, always by the direct algorithm."""
        kind = fastconv.Conv2d if len(self.shape) == 4 else fastconv.Conv1D
        return kind(
            *self.layer,
            dtype,
            self.stride,
            self.padding,
            self.dilation,
            algorithm="direct",
            rng=0,
        )


CASES = [
    Case("3x3 64>64 @56", (3, 64, 64), (1, 56, 56, 64), 0.97, 1),
    Case("3x3 128>128 @28", (3, 128, 128), (1, 28, 28, 128), 0.97, 1),
    Case("3x3 256>256 @14", (3, 256, 256), (1, 14, 14, 256), 0.97, 1),
    Case("3x3 512>512 @28", (3, 512, 512), (1, 28, 28, 512), 0.97, 1),
    Case("3x3 64>64 @224", (3, 64, 64), (1, 224, 224, 64), 0.94, 1),
    Case("3x3 512>512 @7", (3, 512, 512), (1, 7, 7, 512), 0.95, 1),
    Case("3x3 s2 128>128 @56", (3, 128, 128), (1, 56, 56, 128), 0.96, 1, 2),
    Case("7x7 s2 3>64 @224", (7, 3, 64), (1, 224, 224, 3), 0.96, 3, 2),
    Case("5x5 48>64 @35", (5, 48, 64), (1, 35, 35, 48), 0.96, 2),
    Case("3x3 3>64 @224", (3, 3, 64), (1, 224, 224, 3), 0.91, 1),
    Case("1x1 64>256 @56", (1, 64, 256), (1, 56, 56, 64), 0.94),
    Case("1x1 512>128 @28", (1, 512, 128), (1, 28, 28, 512), 0.94),
    Case("1x1 2048>512 @7", (1, 2048, 512), (1, 7, 7, 2048), 0.94),
    Case("3x3 d2 256>256 @28", (3, 256, 256), (1, 28, 28, 256), 0.97, 2, 1, 2),
    Case("1-D k3 80>384 x3000", (3, 80, 384), (1, 3000, 80), 0.95, 1),
    Case("3x3 37>61 @56", (3, 37, 61), (1, 56, 56, 37), 0.75, 1),
    Case("3x3 96>100 @28", (3, 96, 100), (1, 28, 28, 96), 0.75, 1),
    Case("3x3 20>24 @56", (3, 20, 24), (1, 56, 56, 20), 0.75, 1),
]


def best_of(times: int, repeats: int, call: Callable[[], object]) -> float:
    """Seconds of one call: the best of `times` measurements of `repeats` calls each."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        best = min(best, time.perf_counter() - start)
    return best / repeats


def peak(level: str, itemsize: int, threads: int) -> float:
    """Floating-point operations per second of multiply-adds alone, about a millisecond of them."""
    steps = 100_000
    operations = multiply_adds(level, itemsize, steps, threads)
    return operations / best_of(3, 1, lambda: multiply_adds(level, itemsize, steps, threads))


def measure(
    case: Case, level: str, dtype: str, threads: int, rounds: int
) -> tuple[float, float, float]:
    """Median share of the peak, its quartile distance, and the median rate in GFLOP/s."""
    layer = case.build(dtype)
    rng = np.random.default_rng(0)
    x = rng.standard_normal(case.shape, np.float32).astype(dtype)
    out = layer(x)
    operations = 2.0 * out.size * layer.filter[..., 0].size

    def call() -> object:
        return layer(x, out=out, num_threads=threads)

    repeats = max(1, int(0.002 / best_of(2, 1, call)))
    shares, rates = [], []
    for _ in range(rounds):
        before = peak(level, x.itemsize, threads)
        rate = operations / best_of(3, repeats, call)
        shares.append(rate / max(before, peak(level, x.itemsize, threads)))
        rates.append(rate)
    low, _, high = statistics.quantiles(shares, n=4)
    return statistics.median(shares), high - low, statistics.median(rates) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--levels", default=runnable()[-1], help="of: " + ", ".join(runnable()))
    parser.add_argument("--dtypes", default="float32")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--cases", default="", help="parts of the names of the cases to run")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    wanted = arguments.cases.split(",")
    cases = [case for case in CASES if any(part in case.name for part in wanted)]
    counts = [int(n) for n in arguments.threads.split(",")]
    for level in arguments.levels.split(","):
        with levels.use(level):
            for dtype in arguments.dtypes.split(","):
                rows = []
                for case in cases:
                    row: list[object] = [case.name, case.target]
                    for threads in counts:
                        share, spread, rate = measure(case, level, dtype, threads, arguments.rounds)
                        row += [f"{share:.3f} +- {spread / 2:.3f}", f"{rate:.0f}"]
                    rows.append(row)
                columns = [f for n in counts for f in (f"share of peak, {n} thr", "GFLOP/s")]
                print(f"\n{level}, {dtype}")
                print(tabulate(rows, ["layer", "target", *columns]))


if __name__ == "__main__":
    main()
