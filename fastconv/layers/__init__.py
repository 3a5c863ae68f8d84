"""Layers: a convolution with its filter, packed once and called many times, or learning it."""

from .conv import Conv1D, Conv2d
from .module import Module, Parameter, Sequential
from .transposed import ConvTranspose1d, ConvTranspose2d
from .weight_norm import WeightNormConv1d, WeightNormConvTranspose1d

__all__ = [
    "Conv1D",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "Module",
    "Parameter",
    "Sequential",
    "WeightNormConv1d",
    "WeightNormConvTranspose1d",
]
