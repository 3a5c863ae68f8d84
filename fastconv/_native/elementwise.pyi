from typing import Any

from numpy import floating
from numpy.typing import NDArray

# All arrays are contiguous, in native byte order, and have as many elements; `damped` is of bools.

def copy(
    level: str, dst: NDArray[floating[Any]], src: NDArray[floating[Any]], num_threads: int
) -> None: ...
def mark(
    level: str, damped: NDArray[Any], y: NDArray[floating[Any]], upper: float, num_threads: int
) -> None:
    """Find where `y` is at most 0, or at least `upper`, NaN if there is none."""

def damp(
    level: str,
    dz: NDArray[floating[Any]],
    dy: NDArray[floating[Any]],
    damped: NDArray[Any],
    slope: float,
    num_threads: int,
) -> None:
    """Fill `dz`, which may be `dy`, with `dy`, times `slope` where it is damped."""
