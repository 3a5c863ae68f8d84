"""fastconv: a small, fast convolution library for NumPy arrays on CPUs.

>>> import numpy as np, fastconv
>>> conv = fastconv.Conv2d(kernel_size=3, in_channels=3, out_channels=16, padding=1)
>>> conv(np.zeros((1, 32, 32, 3), np.float32)).shape
(1, 32, 32, 16)

A call goes one way: layer or function -> `problem` (what is asked, checked) -> `planning` (which of
the `algorithms`) -> ``_native`` (the loops and the micro-kernels of the running level). `explain`
shows what was chosen and why.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import costs  # noqa: F401  (they must be set before a plan is made)
from .devices import DeviceRef, ShardingStrategy
from .functional import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from .layers import (
    Conv1D,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    Module,
    Parameter,
    Sequential,
    WeightNormConv1d,
    WeightNormConvTranspose1d,
)
from .levels import show_config
from .wisdom import forget_wisdom, load_wisdom, save_wisdom

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import mlx as mlx
    from . import simplegrad as simplegrad
    from .explaining import Alternative, Explanation, TransposedExplanation, explain
    from .gradients import (
        conv1d_input_grad,
        conv1d_weight_grad,
        conv2d_input_grad,
        conv2d_weight_grad,
        conv_bias_grad,
        conv_transpose1d_input_grad,
        conv_transpose1d_weight_grad,
        conv_transpose2d_input_grad,
        conv_transpose2d_weight_grad,
    )

_LATER = {
    "explaining": ["Alternative", "Explanation", "TransposedExplanation", "explain"],
    "gradients": [
        "conv1d_input_grad",
        "conv1d_weight_grad",
        "conv2d_input_grad",
        "conv2d_weight_grad",
        "conv_bias_grad",
        "conv_transpose1d_input_grad",
        "conv_transpose1d_weight_grad",
        "conv_transpose2d_input_grad",
        "conv_transpose2d_weight_grad",
    ],
    "mlx": [],
    "simplegrad": [],
}


def __getattr__(name: str) -> Any:
    """These modules are imported when they, or a name of theirs, are first asked for."""
    for module, names in _LATER.items():
        if name == module or name in names:
            found = import_module(f".{module}", __name__)
            globals().update({n: getattr(found, n) for n in names})
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_LATER})


__all__ = [
    "Alternative",
    "Conv1D",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "DeviceRef",
    "Explanation",
    "Module",
    "Parameter",
    "Sequential",
    "ShardingStrategy",
    "TransposedExplanation",
    "WeightNormConv1d",
    "WeightNormConvTranspose1d",
    "__version__",
    "conv1d",
    "conv1d_input_grad",
    "conv1d_weight_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "conv_bias_grad",
    "conv_transpose1d",
    "conv_transpose1d_input_grad",
    "conv_transpose1d_weight_grad",
    "conv_transpose2d",
    "conv_transpose2d_input_grad",
    "conv_transpose2d_weight_grad",
    "explain",
    "forget_wisdom",
    "load_wisdom",
    "save_wisdom",
    "show_config",
]
