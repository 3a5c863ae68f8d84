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
        self, weight: NDArray[floating[Any]], bias: NDArray[floating[Any]] | None, num_threads: int
    ) -> None:
        """Fill it from an array of `shape`, of any strides, and a contiguous bias."""

    @property
    def packed(self) -> bool: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def level(self) -> str: ...
