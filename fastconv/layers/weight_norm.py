"""Layers whose weight is a direction and a length per channel: ``w = g * v / ||v||``.

Salimans & Kingma, "Weight normalization", arXiv:1602.07868.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import ArrayLike, FloatArray, frozen, take
from ..devices import Device
from ..problem import Activation, Padding, PadMode, Sizes
from .conv import Conv1D
from .layer import Layer, matching
from .transposed import ConvTranspose1d
from .weights import Weights

_PARAMETRIZATIONS = {  # what `torch.nn.utils.parametrizations.weight_norm` calls them
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}


class _WeightNorm:
    """What both layers share. `_channels` says over which channels the norm is not taken.

    Those are the first axis of a channel-first weight, and the last of another.
    """

    _channels: ClassVar[str]
    conv: Layer

    def _initialise(self, conv: Layer, name: str | None) -> None:
        if not (name is None or isinstance(name, str)):
            raise TypeError(f"name must be a str or None; got name={name!r}")
        self.conv = conv
        self._name = name
        self._v = conv._weights.weight
        self._g = frozen(self._norms(self._v).astype(conv.dtype).reshape(-1, 1, 1))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._g, self._v = frozen(self._g), frozen(self._v)

    def __call__(
        self,
        x: ArrayLike,
        *,
        residual: ArrayLike | None = None,
        out: FloatArray | None = None,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Convolve `x`, as `conv` does."""
        return self.conv(x, residual=residual, out=out, num_threads=num_threads)

    def _norms(self, v: FloatArray) -> FloatArray:
        """The norm of each channel's taps, in float64."""
        rows = np.moveaxis(v, 0 if self.conv.permute else -1, 0).reshape(self._g_shape[0], -1)
        with np.errstate(invalid="ignore", divide="ignore"):
            largest = abs(rows).max(axis=1).astype(np.float64)  # whose square may be out of range
            norms = np.asarray(
                largest * np.sqrt(np.square(rows / largest[:, None]).sum(axis=1)), np.float64
            )
        wrong = np.flatnonzero(~(np.isfinite(largest) & (largest > 0)))
        if len(wrong):
            raise ValueError(
                f"weight_v must have a norm that is finite and not 0 for each {self._channels} "
                f"channel; got {largest[wrong[0]]} for channel {wrong[0]}"
            )
        return norms

    def _assign(self, g: FloatArray, v: FloatArray, bias: FloatArray | None) -> None:
        scales = g.reshape(-1).astype(np.float64) / self._norms(v)
        if self.conv.permute:
            scales = scales[:, None, None]
        weight = (v * scales).astype(self.conv.dtype)
        self._g, self._v = frozen(g), frozen(v)
        self.conv._weights = Weights(weight, bias)

    @property
    def _g_shape(self) -> tuple[int, int, int]:
        shape = self.conv._spec.weight_shape
        return (shape[0] if self.conv.permute else shape[-1], 1, 1)

    @property
    def weight_g(self) -> FloatArray:
        """The norm that the weight has for each channel, read-only until a new one is assigned."""
        return self._g

    @weight_g.setter
    def weight_g(self, value: ArrayLike) -> None:
        new = take(value, "weight_g", self.conv.dtype, self._g_shape)
        self._assign(new, self._v, self.bias)

    @property
    def weight_v(self) -> FloatArray:
        """The direction of the weight, of any norm but 0; read-only until a new one is assigned."""
        return self._v

    @weight_v.setter
    def weight_v(self, value: ArrayLike) -> None:
        new = take(value, "weight_v", self.conv.dtype, self._v.shape)
        self._assign(self._g, new, self.bias)

    @property
    def bias(self) -> FloatArray | None:
        """The bias, read-only, or None. Assign a new one of the same shape and dtype."""
        return self.conv.bias

    @bias.setter
    def bias(self, value: ArrayLike) -> None:
        self.conv.bias = value

    @property
    def name(self) -> str | None:
        """What the keys of `state_dict` start with."""
        return self._name

    def state_dict(self) -> dict[str, FloatArray]:
        """`weight_g`, `weight_v` and the bias, if any, as ``bias``; with ``name.`` in front.

        Returns
        -------
        dict of str to ndarray
            Read-only arrays.
        """
        prefix = f"{self._name}." if self._name else ""
        arrays = {"weight_g": self._g, "weight_v": self._v, "bias": self.bias}
        return {prefix + key: array for key, array in arrays.items() if array is not None}

    def load_state_dict(self, d: Mapping[str, ArrayLike], strict: bool = True) -> None:
        """Take all that `state_dict` gives from a dictionary such as it gives, or PyTorch.

        ``parametrizations.weight.original0`` is taken for `weight_g`, ``...original1`` for
        `weight_v`. PyTorch's arrays have the shapes of a layer with ``permute=True``.

        Parameters
        ----------
        d : mapping of str to array-like
        strict : bool
            Whether the keys must be exactly this layer's; otherwise others are ignored, and what
            is missing stays.

        Raises
        ------
        TypeError
            If `d` is no mapping, or an array has the wrong dtype.
        ValueError
            If an array has the wrong shape, a norm is not allowed, or keys are missing, twice there
            or unexpected. Nothing is then assigned.
        """
        if isinstance(d, Mapping):
            prefix = f"{self._name}." if self._name else ""
            renamed = {prefix + new: prefix + old for new, old in _PARAMETRIZATIONS.items()}
            twice = sorted(new for new, old in renamed.items() if new in d and old in d)
            if twice:
                raise ValueError(f"d must have each array once; got {twice} by two names")
            d = {renamed.get(key, key): array for key, array in d.items()}
        new = matching(d, self.state_dict(), strict, self.conv.dtype)
        self._assign(new[0], new[1], new[2] if self.conv.has_bias else None)

    def __repr__(self) -> str:
        return repr(self.conv).replace(type(self.conv).__name__, type(self).__name__, 1)


class WeightNormConvTranspose1d(_WeightNorm):
    """`ConvTranspose1d` with a weight ``g * v / ||v||``, the norm taken per input channel.

    Norms are summed in float64. The weight is recomputed whenever `weight_g` or `weight_v` is
    assigned, not in calls. Checkpoints of PyTorch's weight normalisation, old and new, load.

    Parameters
    ----------
    length, in_channels, out_channels, dtype, stride, padding, dilation, output_padding
        As in `ConvTranspose1d`, like all others.
    device, has_bias, permute, name, num_groups, activation, algorithm, rng
        The initial `weight_v` is `ConvTranspose1d`'s weight, and `weight_g` its norms.

    Attributes
    ----------
    weight_g : ndarray, shape (in_channels, 1, 1)
        Read-only; assign a new one.
    weight_v : ndarray, shape (length, out_channels / num_groups, in_channels)
        ``(in_channels, out_channels / num_groups, length)`` with `permute`. Read-only; assign a new
        one, of a norm that is not 0 for any input channel.
    bias : ndarray, shape (out_channels,), or None
        Read-only; assign a new one.
    conv : ConvTranspose1d
        The layer that is called; its weight follows from the above.

    Raises
    ------
    TypeError
        If an argument has the wrong type, or `dtype` is not supported.
    ValueError
        If an argument has the wrong value.
    """

    _channels = "input"
    conv: ConvTranspose1d

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
        conv = ConvTranspose1d(
            length,
            in_channels,
            out_channels,
            dtype,
            stride,
            padding,
            dilation,
            output_padding,
            device,
            has_bias,
            permute,
            num_groups=num_groups,
            activation=activation,
            algorithm=algorithm,
            rng=rng,
        )
        self._initialise(conv, name)


class WeightNormConv1d(_WeightNorm):
    """`Conv1D` with a filter ``g * v / ||v||``, the norm taken per output channel.

    As `WeightNormConvTranspose1d` in all else.

    Parameters
    ----------
    kernel_size, in_channels, out_channels, dtype, stride, padding, dilation, num_groups
        As in `Conv1D`, like all others.
    device, has_bias, permute, name, pad_mode, pad_value, activation, algorithm, rng
        The initial `weight_v` is `Conv1D`'s filter, and `weight_g` its norms.

    Attributes
    ----------
    weight_g : ndarray, shape (out_channels, 1, 1)
        Read-only; assign a new one.
    weight_v : ndarray, shape (kernel_size, in_channels / num_groups, out_channels)
        ``(out_channels, in_channels / num_groups, kernel_size)`` with `permute`. Read-only; assign
        a new one, of a norm that is not 0 for any output channel.
    bias : ndarray, shape (out_channels,), or None
        Read-only; assign a new one.
    conv : Conv1D
        The layer that is called; its filter follows from the above.

    Raises
    ------
    TypeError
        If an argument has the wrong type, or `dtype` is not supported.
    ValueError
        If an argument has the wrong value.
    """

    _channels = "output"
    conv: Conv1D

    def __init__(
        self,
        kernel_size: int,
        in_channels: int,
        out_channels: int,
        dtype: DTypeLike = np.float32,
        stride: int = 1,
        padding: Padding = 0,
        dilation: int = 1,
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
        conv = Conv1D(
            kernel_size,
            in_channels,
            out_channels,
            dtype,
            stride,
            padding,
            dilation,
            num_groups,
            device,
            has_bias,
            permute,
            pad_mode=pad_mode,
            pad_value=pad_value,
            activation=activation,
            algorithm=algorithm,
            rng=rng,
        )
        self._initialise(conv, name)
