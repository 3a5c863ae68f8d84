"""MLX's convolutions (https://ml-explore.github.io/mlx) over fastconv: `nn`, and the functions.

NumPy arrays take the place of MLX's, which are read as well where they lie in CPU memory; all else
is called as there. float32 and float64 only, and all arrays of a call have the same dtype.

>>> import numpy as np
>>> from fastconv import mlx as mx
>>> layer = mx.nn.Conv2d(3, 8, kernel_size=3, padding=1)
>>> layer(np.zeros((1, 9, 9, 3), np.float32)).shape, layer.weight.shape
((1, 9, 9, 8), (8, 3, 3, 3))
"""

from . import nn
from .functions import conv1d, conv2d, conv_general, conv_transpose1d, conv_transpose2d

__all__ = ["conv1d", "conv2d", "conv_general", "conv_transpose1d", "conv_transpose2d", "nn"]
