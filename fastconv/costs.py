"""The costs by which drivers choose a blocking and the planner an algorithm.

Written by `python -m benchmarks calibrate`; what each means is said in `_native/costs.pxd`.
"""

from ._native.costs import set_costs

MACHINE = "Intel Xeon (Sapphire Rapids), 2 cores"
CYCLES = {
    "step": 2.5,
    "latency": 4.3,
    "call": 40,
    "run": 20,
    "store": 2,
    "tile": 40,
    "input_term": 1.25,
    "output": 16,
    "copy": 7.8,
    "stream": 3.5,
    "memory": 6,
    "write": 7,
    "item": 400,
}

set_costs(CYCLES)
