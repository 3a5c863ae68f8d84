from typing import Any, final

from numpy import floating
from numpy.typing import NDArray

@final
class Plan:
    """The gradient of a filter of one shape for inputs of one shape; arguments are trusted.

    `weight_shape` is ``(kh, kw, in / groups, out)``; the others as in `plan.Plan`. The batch must
    not be empty.
    """

    def __init__(
        self,
        weight_shape: tuple[int, ...],
        input_shape: tuple[int, int, int, int],
        output_size: tuple[int, int],
        groups: int,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
        pad_value: float,
        row_map: NDArray[Any] | None,
        col_map: NDArray[Any] | None,
        level: str,
        itemsize: int,
    ) -> None: ...
    def run(
        self,
        x: NDArray[floating[Any]],
        dy: NDArray[floating[Any]],
        out: NDArray[floating[Any]],
        num_threads: int,
    ) -> None:
        """Fill a contiguous `out` from NHWC views of any strides, without the GIL."""

    def cost(self, num_threads: int) -> float:
        """Estimated cycles of a call on one thread."""

    @property
    def worthwhile_threads(self) -> int:
        """More threads than these would not gain."""
