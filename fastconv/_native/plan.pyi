from typing import Any

from numpy import float64, floating
from numpy.typing import NDArray

from .packing import Filter

def learn(seconds: float, worthwhile_threads: int) -> None:
    """Hear how long a call with several threads took."""

def prefers_one(worthwhile_threads: int) -> bool:
    """Whether a call should do without other threads, as of late they made short ones longer."""

class Plan:
    """A filter bound to one input shape. Its arguments are trusted, not checked.

    `input_shape` is ``(n, h, w, c)``, `padding` ``(top, left)``. The maps hold the source row and
    column of every padded row and column; None pads with `pad_value`, if at all. `activation` is
    ``(slope, upper)``: ``min(y if y >= 0 else slope * y, upper)``. The filter must be packed before
    the plan runs.
    """

    def __init__(
        self,
        filter: Filter,
        input_shape: tuple[int, int, int, int],
        output_size: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
        pad_value: float,
        row_map: NDArray[Any] | None,
        col_map: NDArray[Any] | None,
        activation: tuple[float, float] | None,
        *of_the_algorithm: Any,
    ) -> None: ...
    def run(
        self,
        x: NDArray[floating[Any]],
        out: NDArray[floating[Any]],
        residual: NDArray[floating[Any]] | None,
        num_threads: int,
    ) -> None:
        """Convolve ``(n, h, w, c)`` views of any strides, without the GIL."""

    def profile(
        self,
        x: NDArray[floating[Any]],
        out: NDArray[floating[Any]],
        residual: NDArray[floating[Any]] | None,
        num_threads: int,
        times: NDArray[float64],
    ) -> None:
        """`run`, adding the seconds of each thread in each of four phases to `times`.

        Copies; transforms of inputs; multiplications; transforms of outputs.
        """

    @property
    def worthwhile_threads(self) -> int:
        """More threads than these would not gain."""

    def cost(self, num_threads: int) -> float:
        """Estimated cycles of a call, contiguous arrays given."""

    def workspace(self, num_threads: int) -> int:
        """Bytes of workspace per thread, contiguous arrays given."""
