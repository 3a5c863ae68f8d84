"""Layers: a convolution with its filter, packed once and called many times."""

from .conv import Conv1D, Conv2d

__all__ = ["Conv1D", "Conv2d"]
