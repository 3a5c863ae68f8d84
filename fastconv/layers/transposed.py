"""`ConvTranspose2d` and `ConvTranspose1d`."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import transposed
from ..arrays import ArrayLike, FloatArray, take
from ..devices import Device
from ..problem import Activation, Pair, Sizes, TransposedSpec
from .layer import Layer, flag

_SHOWN = "in_channels out_channels dtype stride padding dilation output_padding num_groups"


class _ConvTranspose(Layer):
    """What both share: all but how their parameters are called and in which form they are shown."""

    _unless_default = "has_bias permute name activation algorithm"
    _spec: TransposedSpec

    def _build(
        self,
        *,
        device: Device | None,
        has_bias: bool,
        permute: bool,
        name: str | None,
        algorithm: str,
        rng: "np.random.Generator | int | None",
        **parameters: Any,
    ) -> None:
        spec = TransposedSpec.build(
            self._dims,
            channels_first=flag(permute, "permute"),
            groups_name="num_groups",
            **parameters,
        )
        transposed.check(spec, algorithm)
        self._initialise(spec, algorithm, device, has_bias, name, rng)

    @property
    def weight(self) -> FloatArray:
        """The weight, read-only in eval mode. Assign a new one of the same shape and dtype."""
        return self._state.weights.weight

    @weight.setter
    def weight(self, value: ArrayLike) -> None:
        new = take(value, "weight", self.dtype, self._spec.weight_shape)
        self._held["weight"].values = new


class ConvTranspose2d(_ConvTranspose):
    """2-D transposed convolution layer, from `in_channels` to `out_channels`.

    As `fastconv.conv_transpose2d` has it. The weight is packed for the running level at the first
    call, once for all sizes of the input. One layer may be called from several threads at once.

    Parameters
    ----------
    kernel_size : int or (h, w)
    in_channels, out_channels : int
    dtype : dtype
        float32 or float64.
    stride, dilation : int or (h, w)
    padding : int, (h, w) or (top, bottom, left, right)
        Outputs that are left out at the sides.
    output_padding : int or (h, w)
        Outputs more at the bottom and on the right; less than stride or dilation.
    device : DeviceRef, "cpu" or None
        A CPU.
    has_bias : bool
    permute : bool
        Take and give ``(n, c, h, w)``, with a weight ``(in, out / groups, kh, kw)``.
    name : str, optional
        Put before the keys of `state_dict`.
    num_groups : int
        Channels are split into this many groups, each by itself.
    activation, algorithm
        As in `Conv2d`; an algorithm is that of each of the convolutions that the transposed one
        consists of.
    rng : numpy.random.Generator, int or None
        Where the initial weight and bias come from: uniform within ``+-1 / sqrt(fan_in)``, with
        ``fan_in = kh * kw * out_channels / num_groups``.

    Attributes
    ----------
    weight : ndarray, shape (kh, kw, out_channels / num_groups, in_channels)
        Read-only; assign a new one.
    bias : ndarray, shape (out_channels,), or None
        Read-only; assign a new one.
    kernel_size, stride, dilation, output_padding : (h, w)
    padding : (top, bottom, left, right)

    Raises
    ------
    TypeError
        If an argument has the wrong type, or `dtype` is not supported.
    ValueError
        If an argument has the wrong value.

    Examples
    --------
    >>> up = ConvTranspose2d(4, 256, 128, stride=2, padding=1, has_bias=True)
    >>> up(np.zeros((1, 32, 32, 256), np.float32)).shape
    (1, 64, 64, 128)
    """

    _dims = 2
    _always = f"kernel_size {_SHOWN}"

    def __init__(
        self,
        kernel_size: Sizes,
        in_channels: int,
        out_channels: int,
        dtype: DTypeLike = np.float32,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        output_padding: Sizes = 0,
        device: Device | None = None,
        has_bias: bool = False,
        permute: bool = False,
        name: str | None = None,
        *,
        num_groups: int = 1,
        activation: Activation = None,
        algorithm: str = "auto",
        rng: "np.random.Generator | int | None" = None,
    ) -> None:
        self._build(
            kernel_size=kernel_size,
            in_channels=in_channels,
            out_channels=out_channels,
            dtype=dtype,
            stride=stride,
            padding=padding,
            dilation=dilation,
            output_padding=output_padding,
            groups=num_groups,
            activation=activation,
            device=device,
            has_bias=has_bias,
            permute=permute,
            name=name,
            algorithm=algorithm,
            rng=rng,
        )

    @property
    def kernel_size(self) -> Pair:
        """Rows and columns of the weight."""
        return self._spec.kernel

    @property
    def stride(self) -> Pair:
        """Rows and columns of the output between those of neighbouring inputs."""
        return self._spec.stride

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Outputs that are left out: top, bottom, left, right."""
        return self._spec.padding

    @property
    def dilation(self) -> Pair:
        """Rows and columns between neighbouring taps."""
        return self._spec.dilation

    @property
    def output_padding(self) -> Pair:
        """Rows and columns more, at the bottom and on the right."""
        return self._spec.output_padding


class ConvTranspose1d(_ConvTranspose):
    """1-D transposed convolution layer, ``(n, l, in_channels)`` to ``(n, ol, out_channels)``.

    Parameters
    ----------
    length : int
        Taps of the weight.
    in_channels, out_channels : int
    dtype : dtype
        float32 or float64.
    stride, dilation : int or (1, int)
    padding : int, (left, right) or (0, 0, left, right)
        Outputs that are left out at the sides.
    output_padding : int or (0, int)
        Outputs more on the right; less than stride or dilation.
    permute : bool
        Take and give ``(n, c, l)``, with a weight ``(in, out / groups, length)``.
    device, has_bias, name, num_groups, activation, algorithm, rng
        As in `ConvTranspose2d`.

    Attributes
    ----------
    weight : ndarray, shape (length, out_channels / num_groups, in_channels)
        Read-only; assign a new one.
    bias : ndarray, shape (out_channels,), or None
        Read-only; assign a new one.
    length, stride, dilation, output_padding : int
    padding : (left, right)

    Raises
    ------
    TypeError
        If an argument has the wrong type, or `dtype` is not supported.
    ValueError
        If an argument has the wrong value.

    Examples
    --------
    >>> up = ConvTranspose1d(16, 512, 256, stride=8, padding=4)
    >>> up(np.zeros((1, 100, 512), np.float32)).shape
    (1, 800, 256)
    """

    _dims = 1
    _always = (
        "length in_channels out_channels dtype stride padding dilation output_padding num_groups"
    )

    def __init__(
        self,
        length: int,
        in_channels: int,
        out_channels: int,
        dtype: DTypeLike = np.float32,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        output_padding: Sizes = 0,
        device: Device | None = None,
        has_bias: bool = False,
        permute: bool = False,
        name: str | None = None,
        *,
        num_groups: int = 1,
        activation: Activation = None,
        algorithm: str = "auto",
        rng: "np.random.Generator | int | None" = None,
    ) -> None:
        self._build(
            kernel_size=length,
            kernel_name="length",
            in_channels=in_channels,
            out_channels=out_channels,
            dtype=dtype,
            stride=stride,
            padding=padding,
            dilation=dilation,
            output_padding=output_padding,
            groups=num_groups,
            activation=activation,
            device=device,
            has_bias=has_bias,
            permute=permute,
            name=name,
            algorithm=algorithm,
            rng=rng,
        )

    @property
    def length(self) -> int:
        """Taps of the weight."""
        return self._spec.kernel[1]

    @property
    def stride(self) -> int:
        """Outputs between those of neighbouring inputs."""
        return self._spec.stride[1]

    @property
    def padding(self) -> Pair:
        """Outputs that are left out: left and right."""
        return self._spec.padding[2:]

    @property
    def dilation(self) -> int:
        """Outputs between neighbouring taps."""
        return self._spec.dilation[1]

    @property
    def output_padding(self) -> int:
        """Outputs more, on the right."""
        return self._spec.output_padding[1]
