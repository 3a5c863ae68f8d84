from typing import Any, final

from numpy import floating
from numpy.typing import NDArray

from .packing import Filter

@final
class Plan:
    """The gradient of a filter, whose shape `filter` has; further arguments as of `plan.Plan`.

    The last says whether a bias has its gradient, too. The batch must not be empty.
    """

    def __init__(self, filter: Filter, *arguments: Any) -> None: ...
    def run(
        self,
        x: NDArray[floating[Any]],
        dy: NDArray[floating[Any]],
        out: NDArray[floating[Any]],
        num_threads: int,
    ) -> None:
        """Fill a contiguous `out`, (1, 1, taps * inputs, outputs), from NHWC views of any strides,
        without the GIL. A bias has one row more."""

    @property
    def cycles(self) -> float:
        """Of a call on one thread, as estimated."""

    @property
    def worthwhile_threads(self) -> int:
        """More threads than these would not gain."""
