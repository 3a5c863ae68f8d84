"""The libraries that are compared: one adapter module each, of the shape of `Adapter`.

Weights are given when a runner is built, the input lies ready in the layout that the library likes,
and the library's own setting says how many threads it uses. A call includes the bias.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from ..cases.case import Case, FloatArray

SUBJECT = "fastconv"  # whom the others are compared with
LEARNERS = (SUBJECT, "torch", "jax")  # who compute gradients
NAMES = (
    SUBJECT,
    "torch",
    "onnxruntime",
    "openvino",
    "ncnn",
    "mnn",
    "jax",
    "mlx",
    "max",
    "scipy",
    "numpy",
)


class Unsupported(Exception):
    """The library cannot compute a case; the message says why."""


class Runner(Protocol):
    """One layer or network with its input."""

    def __call__(self) -> None:
        """Compute once; done when it returns."""

    def result(self) -> FloatArray:
        """What the last call computed, channels-last."""


class Adapter(Protocol):
    """What a module of this package has; importing it fails where its library is absent."""

    def version(self) -> str:
        """The library's version."""

    def setup(self, threads: int) -> None:
        """Choose the threads and plain arithmetic; once, before anything is built."""

    def forms(self, case: Case) -> tuple[str, ...]:
        """The layouts in which the library's users would compute the case."""

    def build(
        self,
        case: Case,
        x: FloatArray,
        weight: FloatArray,
        bias: FloatArray,
        form: str,
        threads: int,
    ) -> Runner:
        """A runner for one of the forms, or `Unsupported`."""

    def gradients(
        self,
        case: Case,
        x: FloatArray,
        weight: FloatArray,
        bias: FloatArray,
        dy: FloatArray,
        form: str,
        threads: int,
    ) -> Runner:
        """That of a case with gradients; `LEARNERS` have it. A result is a row of all parts."""


def adapter(name: str) -> Adapter:
    """The adapter of a peer; ImportError where the library is absent."""
    if name not in NAMES:
        raise ValueError(f"a peer must be one of {', '.join(NAMES)}; got {name!r}")
    return cast(Adapter, import_module(f"{__name__}.{name}"))
