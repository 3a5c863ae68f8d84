"""The costs by which drivers choose a blocking and the planner an algorithm.

Written by `python -m benchmarks calibrate`; what each means is said in `_native/costs.pxd`.
"""

from ._native.costs import set_costs

MACHINE = "Intel Xeon (Sapphire Rapids), 2 cores"
CYCLES = {
    "step": 2.22,
    "latency": 3.5,
    "call": 36.3,
    "run": 9,
    "store": 4,
    "tile": 31,
    "input_term": 1.34,
    "output": 12,
    "copy": 14,
    "stream": 5.5,
    "memory": 5,
    "write": 3,
    "item": 400,
}

set_costs(CYCLES)
