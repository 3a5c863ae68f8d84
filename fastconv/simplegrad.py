"""simplegrad's `Conv2d` (https://github.com/gri-sha/simplegrad) over fastconv's layers.

Channel-first images, weight and bias as `Parameter`, in train mode from the start. Arrays take the
place of tensors, and `Conv2d.backward` that of the graph of operations.

>>> import numpy as np
>>> from fastconv import simplegrad as sg
>>> net = sg.Sequential(sg.Conv2d(3, 8, 3, pad_width=1), sg.Conv2d(8, 2, 3))
>>> y = net(np.zeros((1, 3, 9, 9), np.float32))
>>> y.shape, net.backward(np.ones_like(y)).shape
((1, 2, 7, 7), (1, 3, 9, 9))
>>> for p in net.parameters().values():
...     p.values -= 0.1 * p.grad
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .arrays import ArrayLike, FloatArray, take
from .layers.conv import Conv2d as _Conv2d
from .layers.module import Module, Parameter, Sequential
from .problem import PadMode, Pair

__all__ = ["Conv2d", "Module", "Parameter", "Sequential"]

_Weight = Parameter | ArrayLike


def _values(given: _Weight, name: str, dtype: DTypeLike | None = None) -> FloatArray:
    """A prebuilt weight or bias as an array, of `dtype` if that is given."""
    array = take(given.values if isinstance(given, Parameter) else given, name)
    return array if dtype is None else array.astype(dtype, copy=False)


def _agree(name: str, given: Any, found: Any) -> None:
    if given is not None and given != found:
        raise ValueError(f"{name} must be that of weight, {found}, or None; got {name}={given!r}")


class Conv2d(_Conv2d):
    """2-D convolution of ``(n, in_channels, h, w)`` or ``(in_channels, h, w)``.

    Parameters
    ----------
    in_channels, out_channels : int, optional
        Needed unless `weight` is given.
    kernel_size : int or (h, w), optional
        As these.
    weight : Parameter or array-like, shape (out_channels, in_channels, kh, kw), optional
        Copied, and converted to `dtype` if that is given. Drawn if it is None: uniform within ``+-1
        / sqrt(in_channels * kh * kw)``, as `bias` is.
    bias : Parameter or array-like, shape (out_channels,), optional
        Copied, and converted to the dtype of the layer. Of no effect without `use_bias`.
    use_bias : bool
    dtype : dtype, optional
        float32 or float64; by default that of `weight` if it is given, otherwise float32.
    stride : int or (h, w)
    pad_width : int or (top, bottom, left, right)
    pad_mode : {"constant", "edge", "reflect", "symmetric", "wrap"}
        As in `numpy.pad`.
    pad_value : float
        What "constant" pads with.
    weight_label, bias_label : str
        The labels of the parameters.

    Attributes
    ----------
    weight : Parameter
    bias : Parameter or None
    in_channels, out_channels : int
    kernel_size, stride : (h, w)
    pad_width, padding : (top, bottom, left, right)

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If an argument has the wrong value, or `weight` or `bias` the wrong shape.
    """

    def __init__(
        self,
        in_channels: int | None = None,
        out_channels: int | None = None,
        kernel_size: int | Pair | None = None,
        weight: _Weight | None = None,
        bias: _Weight | None = None,
        use_bias: bool = True,
        dtype: DTypeLike | None = None,
        stride: int | Pair = 1,
        pad_width: int | tuple[int, int, int, int] = 0,
        pad_mode: PadMode = "constant",
        pad_value: float = 0,
        weight_label: str = "W",
        bias_label: str = "b",
    ) -> None:
        given = None
        if weight is not None:
            given = _values(weight, "weight", dtype)
            if given.ndim != 4:
                raise ValueError(
                    "weight must have shape (out_channels, in_channels, kh, kw); "
                    f"got weight.shape={given.shape}"
                )
            out, channels, *kernel = given.shape
            square = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
            _agree("in_channels", in_channels, channels)
            _agree("out_channels", out_channels, out)
            _agree("kernel_size", square, tuple(kernel))
            in_channels, out_channels, kernel_size = channels, out, (kernel[0], kernel[1])
            dtype = given.dtype
        elif None in (in_channels, out_channels, kernel_size):
            raise ValueError(
                "in_channels, out_channels and kernel_size must be given if weight is not; "
                f"got {in_channels}, {out_channels}, {kernel_size}"
            )
        if isinstance(pad_width, str):
            raise TypeError(f"pad_width must be an int or 4 ints; got pad_width={pad_width!r}")
        if isinstance(pad_width, tuple | list) and len(pad_width) != 4:
            raise ValueError(f"pad_width must be an int or 4 ints; got pad_width={pad_width!r}")
        super().__init__(
            kernel_size,  # type: ignore[arg-type]  # one of the branches above has set it
            in_channels,  # type: ignore[arg-type]
            out_channels,  # type: ignore[arg-type]
            np.float32 if dtype is None else dtype,
            stride,
            pad_width,
            has_bias=use_bias,
            permute=True,
            pad_mode=pad_mode,
            pad_value=pad_value,
        )
        self.set_train_mode()
        if given is not None:
            self.weight.values = given
        self.weight.label = weight_label
        if self.bias is not None:
            if bias is not None:
                values = _values(bias, "bias", self.dtype)
                self.bias.values = take(values, "bias", self.dtype, (self.out_channels,))
            self.bias.label = bias_label

    @property
    def weight(self) -> Parameter:
        """``(out_channels, in_channels, kh, kw)``; assigning copies what is given."""
        return self._held["weight"]

    @weight.setter
    def weight(self, given: _Weight) -> None:
        self._held["weight"].values = _values(given, "weight")

    @property  # type: ignore[override]  # what simplegrad calls so
    def bias(self) -> Parameter | None:
        """``(out_channels,)``, to be assigned to as `weight`; None without `use_bias`."""
        return self._held.get("bias")

    @bias.setter
    def bias(self, given: _Weight) -> None:
        if "bias" not in self._held:
            raise ValueError("bias must not be set on a layer made with use_bias=False")
        self._held["bias"].values = _values(given, "bias")

    @property
    def pad_width(self) -> tuple[int, int, int, int]:
        """Top, bottom, left, right."""
        padding = self.padding
        assert padding != "same"
        return padding
