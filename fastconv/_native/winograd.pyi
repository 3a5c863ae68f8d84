from typing import final

from . import plan

@final
class Plan(plan.Plan):
    """Winograd convolution.

    Further arguments: which of `transforms`; (rows, columns) of the filter, and of its pieces.
    """

def transforms(level: str, itemsize: int) -> tuple[tuple[int, int, int], ...]:
    """(m, n, dims) of each transform: outputs and points along an axis, and how many axes."""
