"""Layers whose weight is a direction and a length per channel: ``w = g * v / ||v||``.

Salimans & Kingma, "Weight normalization", arXiv:1602.07868.
"""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import ArrayLike, FloatArray, frozen, take
from ..devices import Device
from ..problem import Activation, Padding, PadMode, Sizes
from .conv import Conv1D
from .layer import Layer
from .module import Module
from .transposed import ConvTranspose1d
from .weights import Held, Holding, checked_name

_PARAMETRIZATIONS = {  # what `torch.nn.utils.parametrizations.weight_norm` calls them
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}


class _State:
    """What the parameters refer to: norms `g`, directions `v`, and the layer that is called.

    Its weight follows from them whenever one is assigned; in train mode, where anyone may write
    into them, in each call as well.
    """

    def __init__(self, conv: Layer, channels: str) -> None:
        self.conv = conv
        self.channels = channels
        self.v = conv._state.weights.weight
        self.g = frozen(self.norms(self.v).astype(conv.dtype).reshape(-1, 1, 1))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.g, self.v = self._own(self.g), self._own(self.v)

    def _own(self, array: FloatArray) -> FloatArray:
        """A copy for the mode that there is."""
        return np.array(array, self.conv.dtype) if self.conv.training else frozen(array)

    def array(self, part: str) -> FloatArray:
        """One of them, or the bias."""
        if part == "bias":
            return self.conv._state.array(part)
        return self.g if part == "weight_g" else self.v

    def assign(self, new: dict[str, FloatArray]) -> None:
        """Replace some by copies, and the weight; nothing if there is no weight for them."""
        g, v = new.get("weight_g", self.g), new.get("weight_v", self.v)
        bias = {"bias": new["bias"]} if "bias" in new else {}
        self.conv._state.assign({"weight": self.weight(g, v), **bias})
        self.g = self._own(g) if g is not self.g else g
        self.v = self._own(v) if v is not self.v else v

    def refresh(self) -> None:
        """Make the weight of what may have been written."""
        self.conv._state.assign({"weight": self.weight(self.g, self.v)})

    def switch(self, training: bool) -> None:
        """Replace all by copies for the other mode, unless they are for it already."""
        if training != self.conv.training:
            self.refresh()
            self.conv._switch(training)
            self.g, self.v = self._own(self.g), self._own(self.v)

    def rows(self, v: FloatArray) -> FloatArray:
        """The taps that share a norm, channel by channel."""
        channels = v.shape[0 if self.conv.permute else -1]
        return np.moveaxis(v, 0 if self.conv.permute else -1, 0).reshape(channels, -1)

    def per_channel(self, numbers: FloatArray) -> FloatArray:
        """A number for each channel, to be multiplied with weights."""
        return numbers[:, None, None] if self.conv.permute else numbers

    def norms(self, v: FloatArray) -> FloatArray:
        """The norm of each channel's taps, in float64."""
        rows = self.rows(v)
        with np.errstate(invalid="ignore", divide="ignore"):
            largest = abs(rows).max(axis=1).astype(np.float64)  # whose square may be out of range
            norms = np.asarray(
                largest * np.sqrt(np.square(rows / largest[:, None]).sum(axis=1)), np.float64
            )
        wrong = np.flatnonzero(~(np.isfinite(largest) & (largest > 0)))
        if len(wrong):
            raise ValueError(
                f"weight_v must have a norm that is finite and not 0 for each {self.channels} "
                f"channel; got {largest[wrong[0]]} for channel {wrong[0]}"
            )
        return norms

    def weight(self, g: FloatArray, v: FloatArray) -> FloatArray:
        """``g * v / ||v||``; `v` itself where `g` is its norm, as it is at first."""
        norms, wanted = self.norms(v), g.reshape(-1)
        scales = np.where(wanted == norms.astype(wanted.dtype), 1.0, wanted / norms)
        return (v * self.per_channel(scales)).astype(self.conv.dtype)

    def gradients(self, dw: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Of `g` and `v`, from that of the weight (Salimans & Kingma, equation 3)."""
        norms, g = self.norms(self.v), self.g.reshape(-1).astype(np.float64)
        dg = (self.rows(dw).astype(np.float64) * self.rows(self.v)).sum(axis=1) / norms
        along = self.v * self.per_channel(dg / norms)
        dv = (dw - along) * self.per_channel(g / norms)
        return dg.reshape(-1, 1, 1).astype(dw.dtype), dv.astype(dw.dtype)


class _WeightNorm(Holding):
    """What both layers share. `_channels` says over which channels the norm is not taken.

    Those are the first axis of a channel-first weight, and the last of another.
    """

    _channels: ClassVar[str]
    _state: _State
    conv: Layer

    def _initialise(self, conv: Layer, name: str | None) -> None:
        self._name = checked_name(name)
        self.conv = conv
        self._hold_all(_State(conv, self._channels))

    def _hold_all(self, state: _State) -> None:
        """Have this state, with parameters of its own."""
        parts = ("weight_g", "weight_v", *(("bias",) if state.conv.has_bias else ()))
        self._state = state
        self._held = {part: Held(state, part) for part in parts}

    def __copy__(self) -> Self:
        """A layer with parameters of its own, which shares what cannot be written into."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.conv = copy.copy(self.conv)
        state = copy.copy(self._state)
        state.conv = twin.conv
        twin._hold_all(state)
        return twin

    def forward(
        self,
        x: ArrayLike,
        *,
        residual: ArrayLike | None = None,
        out: FloatArray | None = None,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Convolve `x`, as `conv` does."""
        if self.training:
            self._state.refresh()
        return self.conv(x, residual=residual, out=out, num_threads=num_threads)

    __call__ = forward

    def backward(self, dy: ArrayLike, *, num_threads: int | None = None) -> FloatArray:
        """As that of `conv`, but for gradients of `weight_g` and `weight_v`, not of its weight."""
        bias = self._held.get("bias")
        own = self.conv._held
        for parameter in own.values():
            parameter.grad = None
        dx = self.conv.backward(dy, num_threads=num_threads)
        found = {part: parameter.grad for part, parameter in own.items()}
        for parameter in own.values():
            parameter.grad = None
        dw = found["weight"]
        assert dw is not None
        dg, dv = self._state.gradients(dw)
        self._held["weight_g"].accumulate(dg)
        self._held["weight_v"].accumulate(dv)
        if bias is not None and found["bias"] is not None:
            bias.accumulate(found["bias"])
        return dx

    @property
    def residual_grad(self) -> FloatArray | None:
        """What `backward` found for the residual of that call; None if there was none."""
        return self.conv.residual_grad

    def submodules(self) -> dict[str, Module]:
        """None: the weight of `conv` is no parameter."""
        return {}

    @property
    def training(self) -> bool:
        """Whether the layer is in train mode."""
        return self.conv.training

    def _switch(self, training: bool) -> None:
        self._state.switch(training)

    @property
    def weight_g(self) -> FloatArray:
        """The norm of the weight for each channel, read-only in eval mode; may be assigned."""
        return self._state.g

    @weight_g.setter
    def weight_g(self, value: ArrayLike) -> None:
        self._held["weight_g"].values = take(
            value, "weight_g", self.conv.dtype, self._state.g.shape
        )

    @property
    def weight_v(self) -> FloatArray:
        """The direction of the weight, of any norm but 0; as `weight_g` in all else."""
        return self._state.v

    @weight_v.setter
    def weight_v(self, value: ArrayLike) -> None:
        self._held["weight_v"].values = take(
            value, "weight_v", self.conv.dtype, self._state.v.shape
        )

    @property
    def bias(self) -> FloatArray | None:
        """The bias, read-only in eval mode, or None. Assign a new one of its shape and dtype."""
        return self.conv.bias

    @bias.setter
    def bias(self, value: ArrayLike) -> None:
        self.conv.bias = value

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
            d = self._renamed(d)
        super().load_state_dict(d, strict)

    def _renamed(self, d: Mapping[str, ArrayLike]) -> Mapping[str, ArrayLike]:
        """With the keys of this layer instead of PyTorch's."""
        prefix = f"{self._name}." if self._name else ""
        renamed = {prefix + new: prefix + old for new, old in _PARAMETRIZATIONS.items()}
        twice = sorted(new for new, old in renamed.items() if new in d and old in d)
        if twice:
            raise ValueError(f"d must have each array once; got {twice} by two names")
        return {renamed.get(key, key): array for key, array in d.items()}

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
