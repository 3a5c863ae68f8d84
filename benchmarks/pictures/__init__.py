"""Pictures out of results, as PNG files."""

from __future__ import annotations

from pathlib import Path

from ..results import Results
from . import bars, points
from .style import Picture

__all__ = ["Picture", "draw"]


def draw(results: Results, folder: Path) -> list[Picture]:
    """Write every picture that the results have something for into an existing folder."""
    drawings = (
        bars.layers,
        points.roofline,
        points.errors,
        points.scaling,
        bars.levels,
        bars.networks,
    )
    return [picture for drawing in drawings for picture in drawing(results, folder)]
