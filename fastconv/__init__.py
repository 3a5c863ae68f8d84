"""fastconv: a small, fast convolution library for NumPy arrays on CPUs.

>>> import numpy as np, fastconv
>>> conv = fastconv.Conv2d(kernel_size=3, in_channels=3, out_channels=16, padding=1)
>>> conv(np.zeros((1, 32, 32, 3), np.float32)).shape
(1, 32, 32, 16)

A call goes one way: layer or function -> `problem` (what is asked, checked) -> `planning` (which
algorithm) -> ``_native`` (the loops and the micro-kernels of the running level).
"""

from .devices import DeviceRef, ShardingStrategy
from .functional import conv1d, conv2d
from .layers import Conv1D, Conv2d
from .levels import show_config

__version__ = "0.1.0"

__all__ = [
    "Conv1D",
    "Conv2d",
    "DeviceRef",
    "ShardingStrategy",
    "__version__",
    "conv1d",
    "conv2d",
    "show_config",
]
