"""`Conv2d` and `Conv1D`."""

import copy
import dataclasses
from collections.abc import Iterable
from typing import Literal, Self

import numpy as np
from numpy.typing import DTypeLike

from ..algorithms import candidates
from ..arrays import ArrayLike, FloatArray, take
from ..devices import Device, ShardingStrategy
from ..problem import Activation, ConvSpec, Padding, PadMode, Pair, Sizes
from .layer import Layer, flag


class _Conv(Layer):
    """What `Conv1D` and `Conv2d` share: all but the form in which they show their sizes."""

    _always = "kernel_size in_channels out_channels dtype stride padding dilation num_groups"
    _unless_default = "has_bias permute name pad_mode pad_value activation algorithm"
    _spec: ConvSpec

    def __init__(
        self,
        kernel_size: Sizes,
        in_channels: int,
        out_channels: int,
        dtype: DTypeLike = np.float32,
        stride: Sizes = 1,
        padding: Padding = 0,
        dilation: Sizes = 1,
        num_groups: int = 1,
        device: Device | None = None,
        has_bias: bool = False,
        permute: bool = False,
        name: str | None = None,
        *,
        pad_mode: PadMode = "constant",
        pad_value: float = 0.0,
        activation: Activation = None,
        algorithm: str = "auto",
        rng: "np.random.Generator | int | None" = None,
    ) -> None:
        spec = ConvSpec.build(
            self._dims,
            kernel_size=kernel_size,
            in_channels=in_channels,
            out_channels=out_channels,
            dtype=dtype,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=num_groups,
            pad_mode=pad_mode,
            pad_value=pad_value,
            activation=activation,
            channels_first=flag(permute, "permute"),
            groups_name="num_groups",
        )
        candidates(spec, algorithm)
        self._initialise(spec, algorithm, device, has_bias, name, rng)
        self._sharding_strategy: ShardingStrategy | None = None

    @property
    def filter(self) -> FloatArray:
        """The filter, read-only in eval mode. Assign a new one of the same shape and dtype."""
        return self._state.weights.weight

    @filter.setter
    def filter(self, value: ArrayLike) -> None:
        new = take(value, "filter", self.dtype, self._spec.weight_shape)
        self._held["weight"].values = new

    @property
    def pad_mode(self) -> PadMode:
        """How the input is padded, as in `numpy.pad`."""
        return self._spec.pad_mode

    @property
    def pad_value(self) -> float:
        """What "constant" pads with."""
        return self._spec.pad_value

    @property
    def sharding_strategy(self) -> ShardingStrategy | None:
        """How `shard` makes several layers out of this one; None until it is set.

        Raises
        ------
        TypeError
            If it is set to anything but a ShardingStrategy or None.
        ValueError
            If output channels are to be split that are grouped, or fewer than devices.
        """
        return self._sharding_strategy

    @sharding_strategy.setter
    def sharding_strategy(self, strategy: ShardingStrategy | None) -> None:
        if not (strategy is None or isinstance(strategy, ShardingStrategy)):
            raise TypeError(
                f"sharding_strategy must be a ShardingStrategy or None; got {strategy!r}"
            )
        if strategy is not None and not strategy.is_replicate:
            if self.num_groups != 1:
                raise ValueError(
                    "num_groups must be 1 to split the output channels; "
                    f"got num_groups={self.num_groups}"
                )
            if self.out_channels < strategy.num_devices:
                raise ValueError(
                    "out_channels must be at least num_devices to split them; "
                    f"got out_channels={self.out_channels}, num_devices={strategy.num_devices}"
                )
        self._sharding_strategy = strategy

    def shard(self, devices: Iterable[Device]) -> list[Self]:
        """One layer per device, by `sharding_strategy`.

        Replicas share this layer's arrays and what is packed from them, until one is assigned to.

        Parameters
        ----------
        devices : iterable of DeviceRef or "cpu"

        Returns
        -------
        list of layers
            Without a strategy of their own.

        Raises
        ------
        ValueError
            If there is no strategy, it does not allow that many devices, or one is no CPU.
        """
        strategy = self._sharding_strategy
        if strategy is None:
            raise ValueError("sharding_strategy must be set before shard is called; got None")
        places = strategy.place(devices)
        shards = [copy.copy(self) for _ in places]
        for shard, device in zip(shards, places, strict=True):
            shard._device = device
            shard._sharding_strategy = None
        if not strategy.is_replicate:
            axis = 0 if self.permute else -1
            split = np.array_split(np.arange(self.out_channels), len(shards))
            for shard, kept in zip(shards, split, strict=True):
                whole = self._state.weights
                bias = None if whole.bias is None else whole.bias[kept]
                shard._spec = dataclasses.replace(self._spec, out_channels=len(kept))
                shard._hold(type(whole)(whole.weight.take(kept, axis), bias))
        return shards


class Conv2d(_Conv):
    """2-D convolution layer, ``(n, h, w, in_channels)`` to ``(n, oh, ow, out_channels)``.

    The filter is packed for the running level at the first call. One layer may be called from
    several threads at once.

    Parameters
    ----------
    kernel_size : int or (h, w)
    in_channels, out_channels : int
    dtype : dtype
        float32 or float64.
    stride, dilation : int or (h, w)
    padding : int, (h, w), (top, bottom, left, right), "same" or "valid"
        "same" gives ``ceil(size / stride)`` outputs, with an odd padding at the end (ONNX's
        SAME_UPPER).
    num_groups : int
        Channels are split into this many groups, each convolved by itself.
    device : DeviceRef, "cpu" or None
        A CPU.
    has_bias : bool
    permute : bool
        Take and give ``(n, c, h, w)``, with a filter ``(out, in / groups, kh, kw)``.
    name : str, optional
        Put before the keys of `state_dict`.
    pad_mode : {"constant", "edge", "reflect", "symmetric", "wrap"}
        As in `numpy.pad`.
    pad_value : float
        What "constant" pads with.
    activation : {None, "relu", "relu6", "leaky_relu"} or ("leaky_relu", slope)
        Applied last. The slope is 0.01 by default.
    algorithm : {"auto", "measure"} or str
        "auto" takes the cheapest for each input shape by estimate. "measure" times the candidates
        in the first call for each problem and remembers the fastest (`fastconv.save_wisdom`). A
        named one, such as "direct", is always used; `fastconv.explain` shows them all.
    rng : numpy.random.Generator, int or None
        Where the initial filter and bias come from: uniform within ``+-1 / sqrt(fan_in)``.

    Attributes
    ----------
    filter : ndarray, shape (kh, kw, in_channels / num_groups, out_channels)
        Read-only; assign a new one.
    bias : ndarray, shape (out_channels,), or None
        Read-only; assign a new one.
    kernel_size, stride, dilation : (h, w)
    padding : (top, bottom, left, right) or "same"
        "same" where the padding depends on the input, which it does if a stride is not 1.

    Raises
    ------
    TypeError
        If an argument has the wrong type, or `dtype` is not supported.
    ValueError
        If an argument has the wrong value.

    Examples
    --------
    >>> conv = Conv2d(3, 64, 128, padding=1, has_bias=True, activation="relu")
    >>> conv(np.zeros((1, 56, 56, 64), np.float32)).shape
    (1, 56, 56, 128)
    """

    _dims = 2

    @property
    def kernel_size(self) -> Pair:
        """Rows and columns of the filter."""
        return self._spec.kernel

    @property
    def stride(self) -> Pair:
        """Rows and columns between neighbouring outputs."""
        return self._spec.stride

    @property
    def padding(self) -> tuple[int, int, int, int] | Literal["same"]:
        """Top, bottom, left, right; or "same" where that depends on the input."""
        return self._spec.padding

    @property
    def dilation(self) -> Pair:
        """Rows and columns between neighbouring taps."""
        return self._spec.dilation


class Conv1D(_Conv):
    """1-D convolution layer, ``(n, l, in_channels)`` to ``(n, ol, out_channels)``.

    Parameters
    ----------
    kernel_size : int
    in_channels, out_channels : int
    dtype : dtype
        float32 or float64.
    stride, dilation : int
    padding : int, (left, right), "same", "valid" or "causal"
        "causal" puts ``dilation * (kernel_size - 1)`` on the left, so that no output sees a later
        input.
    permute : bool
        Take and give ``(n, c, l)``, with a filter ``(out, in / groups, k)``.
    num_groups, device, has_bias, name, pad_mode, pad_value, activation, algorithm, rng
        As in `Conv2d`.

    Attributes
    ----------
    filter : ndarray, shape (k, in_channels / num_groups, out_channels)
        Read-only; assign a new one.
    bias : ndarray, shape (out_channels,), or None
        Read-only; assign a new one.
    kernel_size, stride, dilation : int
    padding : (left, right) or "same"
        "same" where the padding depends on the input, which it does if the stride is not 1.

    Raises
    ------
    TypeError
        If an argument has the wrong type, or `dtype` is not supported.
    ValueError
        If an argument has the wrong value.

    Examples
    --------
    >>> conv = Conv1D(3, 80, 384, padding="causal")
    >>> conv(np.zeros((1, 3000, 80), np.float32)).shape
    (1, 3000, 384)
    """

    _dims = 1

    @property
    def kernel_size(self) -> int:
        """Taps of the filter."""
        return self._spec.kernel[1]

    @property
    def stride(self) -> int:
        """Inputs between neighbouring outputs."""
        return self._spec.stride[1]

    @property
    def padding(self) -> Pair | Literal["same"]:
        """Left and right; or "same" where that depends on the input."""
        padding = self._spec.padding
        return "same" if padding == "same" else padding[2:]

    @property
    def dilation(self) -> int:
        """Inputs between neighbouring taps."""
        return self._spec.dilation[1]
