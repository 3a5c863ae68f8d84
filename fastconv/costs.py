"""The costs by which drivers choose a blocking and the planner an algorithm.

Written by `python -m benchmarks calibrate`; what each means is said in `_native/costs.pxd`. Who
made the CPU decides which apply: they differ most in how caches and memory are reached.
"""

from typing import Any

from ._native.costs import set_costs
from ._native.levels import maker

FITTED: dict[str, dict[str, Any]] = {
    "AMD": {
        "machine": "AMD EPYC (Zen 4), 2 cores, x86_64_v4",
        "cycles": {
            "step": 1.8,
            "latency": 3.47,
            "call": 33.4,
            "run": 2.68,
            "store": 4.5,
            "tile": 17.0,
            "input_term": 1.08,
            "output": 7.88,
            "copy": 11.0,
            "stream": 2.0,
            "memory": 5.98,
            "write": 2.98,
            "item": 310.0,
        },
    },
    "other": {
        "machine": "Intel Xeon (Cascade Lake), 2 cores, x86_64_v4",
        "cycles": {
            "step": 2.6,
            "latency": 3.46,
            "call": 36.0,
            "run": 5.09,
            "store": 4.96,
            "tile": 30.0,
            "input_term": 1.16,
            "output": 12.1,
            "copy": 12.4,
            "stream": 4.6,
            "memory": 5.03,
            "write": 3.2,
            "item": 400.0,
        },
    },
}
MAKER = maker()
CYCLES: dict[str, float] = FITTED[MAKER]["cycles"]

set_costs(CYCLES)
