"""The costs by which drivers choose a blocking and the planner an algorithm.

Written by `python -m benchmarks calibrate`; what each means is said in `_native/costs.pxd`.
"""

from ._native.costs import set_costs

MACHINE = "Intel Xeon (Sapphire Rapids), 2 cores"
CYCLES = {
    "step": 3.33,
    "latency": 4.26,
    "call": 39.5,
    "store": 5.68,
    "tile": 46.7,
    "input_point": 5.42,
    "output_point": 4.52,
    "copy": 7.82,
    "stream": 4.25,
    "item": 1360,
}

set_costs(CYCLES)
