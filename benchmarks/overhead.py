"""What a call and an import of fastconv cost beside the arithmetic."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np

import fastconv

from .statistics import median

ROUNDS, CALLS = 25, 2000
IMPORTS = 15
IMAGES = 257


def call_seconds(
    layer: fastconv.Conv2d, x: np.ndarray, calls: int = CALLS, num_threads: int | None = None
) -> float:
    """Median over rounds of the seconds of one warm call."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(calls):
            layer(x, num_threads=num_threads)
        rounds.append((time.perf_counter() - start) / calls)
    return median(rounds)


def import_seconds(module: str) -> float:
    """Median seconds of importing `module` in a fresh interpreter."""
    program = (
        f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    )
    command = [sys.executable, "-c", program]
    return median(
        float(subprocess.run(command, capture_output=True, check=True).stdout)
        for _ in range(IMPORTS)
    )


def main() -> None:
    """Measure and print both."""
    layer = fastconv.Conv2d(1, 8, 8)
    one, many = np.ones((1, 8, 8, 8), np.float32), np.ones((IMAGES, 8, 8, 8), np.float32)
    whole = call_seconds(layer, one)
    # a further image costs only arithmetic
    kernel = (call_seconds(layer, many, 50, 1) - whole) / (IMAGES - 1)
    print(
        f"1x1 8>8 on {one.shape}: {whole * 1e6:.2f} us a call, {kernel * 1e6:.2f} us of it the "
        f"kernel, {(whole - kernel) * 1e6:.2f} us overhead"
    )
    numpy, both = import_seconds("numpy"), import_seconds("fastconv")
    print(f"import fastconv: {both * 1e3:.0f} ms, {numpy * 1e3:.0f} ms of them NumPy's")
