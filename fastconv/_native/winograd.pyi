from typing import Any, final

from numpy import floating
from numpy.typing import NDArray

from . import plan

@final
class Plan(plan.Plan):
    """Winograd convolution.

    Further arguments: which of `transforms`; (rows, columns) of the filter, and of its pieces.
    """

def transforms(level: str, itemsize: int) -> tuple[tuple[int, int, int], ...]:
    """(m, n, dims) of each transform: outputs and points along an axis, and how many axes."""

def transform_filter(
    weight: NDArray[floating[Any]],
    out: NDArray[floating[Any]],
    kind: int,
    taps: tuple[int, int],
    level: str,
    num_threads: int,
) -> None:
    """Transform ``(kh, kw, in, out)`` to ``(products, pieces, in, out)``, rounding once.

    `taps` is (rows, columns) of a piece.
    """
