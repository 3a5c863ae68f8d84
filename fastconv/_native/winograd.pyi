from typing import final

from . import plan

@final
class Plan(plan.Plan):
    """Winograd convolution.

    Further arguments: which of `transforms`; (rows, columns) of the filter, and of its pieces.
    """

def transforms(level: str, itemsize: int) -> tuple[tuple[tuple[int, int], tuple[int, int]], ...]:
    """Of each transform: outputs of a tile, then points, as (rows, columns)."""
