"""A network ready to run in one library."""

from collections.abc import Callable
from typing import Any

import numpy as np


class Runner:
    """Calls `program`; `result` is what its last call gave, as a NumPy array."""

    def __init__(self, program: Callable[[], Any]) -> None:
        self._program = program
        self._logits: Any = None

    def __call__(self) -> None:
        self._logits = self._program()

    def result(self) -> np.ndarray:
        """The logits, (n, 1000)."""
        return np.asarray(self._logits)
