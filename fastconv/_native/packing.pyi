from typing import Any, final

from numpy import floating
from numpy.typing import NDArray

@final
class Filter:
    """The packed form of a filter and its bias for one level.

    `shape` is ``(kh, kw, in / groups, out)``, `form` "dense", "lanewise" or "transformed". Packed
    once, it never changes, so plans and threads share it.
    """

    def __init__(
        self, shape: tuple[int, int, int, int], groups: int, form: str, itemsize: int, level: str
    ) -> None: ...
    def pack(
        self,
        weight: NDArray[floating[Any]],
        bias: NDArray[floating[Any]] | None,
        num_threads: int,
        transform: int | None = None,
    ) -> None:
        """Fill it from ``(kh, kw, in / groups, out)`` of any strides, and a contiguous bias.

        `transform` says how to get to the transformed form: which of `winograd.transforms`. It is
        computed in float64 and rounded once.
        """

    def tobytes(self) -> bytes:
        """A copy of the packed filter; empty before it is packed."""

    @property
    def packed(self) -> bool: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def level(self) -> str: ...
