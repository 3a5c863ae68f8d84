from typing import Any, final

from numpy import floating
from numpy.typing import NDArray

@final
class Filter:
    """A filter and its bias, packed for one level: immutable, so plans and threads share it.

    `weight` is ``(kh, kw, in / groups, out)`` with any strides, `bias` contiguous.
    """

    def __init__(
        self,
        weight: NDArray[floating[Any]],
        bias: NDArray[floating[Any]] | None,
        groups: int,
        depthwise: bool,
        level: str,
    ) -> None: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def level(self) -> str: ...
