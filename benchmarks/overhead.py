"""What a call and an import cost beside the arithmetic.

python benchmarks/overhead.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import numpy as np

import fastconv


def call_seconds(
    layer: fastconv.Conv2d, x: np.ndarray, calls: int = 2000, num_threads: int | None = None
) -> float:
    """Median over rounds of the seconds of one warm call."""
    rounds = []
    for _ in range(25):
        start = time.perf_counter()
        for _ in range(calls):
            layer(x, num_threads=num_threads)
        rounds.append((time.perf_counter() - start) / calls)
    return statistics.median(rounds)


def import_seconds(module: str) -> float:
    """Median seconds of importing `module` in a fresh interpreter."""
    program = (
        f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    )
    runs = [
        float(
            subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
        )
        for _ in range(15)
    ]
    return statistics.median(runs)


def main() -> None:
    layer = fastconv.Conv2d(1, 8, 8)
    one, many = np.ones((1, 8, 8, 8), np.float32), np.ones((257, 8, 8, 8), np.float32)
    whole = call_seconds(layer, one)
    # a further image costs only arithmetic
    kernel = (call_seconds(layer, many, 50, 1) - whole) / 256
    print(f"1x1 8>8 on (1, 8, 8, 8): {whole * 1e6:.2f} us a call, ", end="")
    print(f"{kernel * 1e6:.2f} us of it the kernel, {(whole - kernel) * 1e6:.2f} us overhead")
    numpy, both = import_seconds("numpy"), import_seconds("fastconv")
    print(f"import fastconv: {both * 1e3:.0f} ms, of them NumPy {numpy * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
