"""The costs by which drivers choose a blocking and the planner an algorithm.

Written by `python -m benchmarks calibrate`; what each means is said in `_native/costs.pxd`.
"""

from ._native.costs import set_costs

MACHINE = "Intel Xeon (Cascade Lake), 2 cores, x86_64_v4"
CYCLES = {
    "step": 2.6,
    "latency": 3.46,
    "call": 36,
    "run": 5.09,
    "store": 4.96,
    "tile": 30,
    "input_term": 1.16,
    "output": 12.1,
    "copy": 12.4,
    "stream": 4.6,
    "memory": 5.03,
    "write": 3.2,
    "item": 400,
}

set_costs(CYCLES)
