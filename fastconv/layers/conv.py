"""`Conv2d` and `Conv1D`: a filter and bias with what was packed from them, over one shared base."""

import copy
import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import DTypeLike

from .. import planning
from .._native.packing import Filter
from ..algorithms import Algorithm, Call, candidates
from ..arrays import ArrayLike, FloatArray, empty, frozen, take
from ..devices import Device, DeviceRef, ShardingStrategy, cpu
from ..levels import running
from ..problem import Activation, ConvProblem, ConvSpec, Padding, PadMode, Pair, Sizes, integer

_MAX_CALLS = 8  # plans kept per layer


class _Weights:
    """A filter and a bias, read-only, with what was made from them.

    Replaced as a whole, never changed, so nothing packed is ever stale and one thread may call
    while another assigns. Shared by copies and replicas; pickles and deep copies start afresh.
    """

    __slots__ = ("_calls", "_packed", "bias", "filter")

    def __init__(self, filter: FloatArray, bias: FloatArray | None) -> None:
        self.filter = frozen(filter)
        self.bias = None if bias is None else frozen(bias)
        self._packed: dict[tuple[str, str], Filter] = {}
        self._calls: dict[tuple[tuple[int, ...], str], Call] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _Weights, (self.filter, self.bias)

    def known(self, shape: tuple[int, ...]) -> Call | None:
        """The call that `prepare` made for an input of this shape at the running level."""
        return self._calls.get((shape, running()))

    def prepare(self, problem: ConvProblem, algorithm: str, num_threads: int | None) -> Call:
        """Choose, pack and bind, as far as that was not done before."""
        level = running()

        def make(chosen: Algorithm) -> Call:
            packed = self._packed.get((chosen.name, level))
            if packed is None:
                packed = chosen.filter(problem.spec, level)
                chosen.pack(packed, problem.spec, self.filter, self.bias, None)
            return chosen.bind(problem, packed)

        call = planning.prepare(
            problem, algorithm, level, make, reused=True, num_threads=num_threads
        )
        packed = self._packed.setdefault((call.algorithm.name, level), call.packed)
        if packed is not call.packed:  # another thread was first
            call = make(call.algorithm)
        # A new dictionary each time: other threads may be reading the old one.
        kept = list(self._calls.items())[1 - _MAX_CALLS :]
        self._calls = dict([*kept, ((problem.shape, level), call)])
        return call


def _initial(spec: ConvSpec, has_bias: bool, rng: "np.random.Generator | int | None") -> _Weights:
    """Uniform within ``+-1 / sqrt(fan_in)``, as `torch.nn.Conv2d` documents its initial weights.

    The annotation is a string because importing `numpy.random` would double fastconv's import time.
    """
    if not (rng is None or isinstance(rng, np.random.Generator)):
        rng = integer(rng, "rng", 0)
    generator = np.random.default_rng(rng)
    bound = 1 / math.sqrt(math.prod(spec.kernel) * spec.in_channels // spec.groups)

    def draw(shape: tuple[int, ...]) -> FloatArray:
        return generator.uniform(-bound, bound, shape).astype(spec.dtype)

    return _Weights(draw(spec.weight_shape), draw((spec.out_channels,)) if has_bias else None)


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool | np.bool):
        raise TypeError(f"{name} must be a bool; got {name}={value!r}")
    return bool(value)


class _Conv:
    """What `Conv1D` and `Conv2d` share: all but the form in which they show their sizes."""

    _dims: ClassVar[int]

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
        if not (name is None or isinstance(name, str)):
            raise TypeError(f"name must be a str or None; got name={name!r}")
        self._spec = ConvSpec.build(
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
            channels_first=_flag(permute, "permute"),
            groups_name="num_groups",
        )
        candidates(self._spec, algorithm)
        self._algorithm = algorithm
        self._device = cpu(device)
        self._name = name
        self._sharding_strategy: ShardingStrategy | None = None
        self._weights = _initial(self._spec, _flag(has_bias, "has_bias"), rng)

    def __call__(
        self,
        x: ArrayLike,
        *,
        residual: ArrayLike | None = None,
        out: FloatArray | None = None,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Convolve `x`.

        Parameters
        ----------
        x : array-like, shape (n, h, w, c) or (n, l, c), or without n
            Of the layer's dtype; ``(n, c, h, w)`` or ``(n, c, l)`` with `permute`. An ndarray, or
            an object with ``__dlpack__`` or ``__array_interface__`` in CPU memory. Any strides are
            read in place; an unaligned or byte-swapped array is copied first.
        residual : array-like, shape of the result, optional
            Added before the activation. Copied first unless its channels are neighbours in memory,
            so always with `permute` if it is contiguous.
        out : ndarray, optional
            Where to put the result: of its shape and dtype, any strides, no memory shared with
            another argument. Nothing is written if anything is wrong.
        num_threads : int, optional
            At most this many threads; by default as many as gain and the process may use. A
            forked child always uses 1.

        Returns
        -------
        ndarray
            In the layout of `x`, without n if `x` had none; `out` if that is given.

        Raises
        ------
        TypeError
            If an argument has the wrong type or dtype.
        ValueError
            If an argument has the wrong shape or value.
        """
        weights = self._weights
        dtype = self._spec.dtype
        if not (type(x) is np.ndarray and x.dtype == dtype):
            x = take(x, "x", dtype)
        call = weights.known(x.shape)
        if call is not None and residual is None and out is None and num_threads is None:
            result = empty(call.problem.result_shape, dtype)
            call.run(x, result, None, None)
            return result
        problem = ConvProblem.build(self._spec, x.shape) if call is None else call.problem
        return planning.execute(
            problem,
            x,
            residual,
            out,
            num_threads,
            (),  # nobody can write into this layer's own arrays
            lambda: call or weights.prepare(problem, self._algorithm, num_threads),
        )

    @property
    def filter(self) -> FloatArray:
        """The filter, read-only. Assign a new one of the same shape and dtype to change it."""
        return self._weights.filter

    @filter.setter
    def filter(self, value: ArrayLike) -> None:
        new = take(value, "filter", self.dtype, self._spec.weight_shape)
        self._weights = _Weights(new, self._weights.bias)

    @property
    def bias(self) -> FloatArray | None:
        """The bias, read-only, or None. Assign a new one of the same shape and dtype."""
        return self._weights.bias

    @bias.setter
    def bias(self, value: ArrayLike) -> None:
        if not self.has_bias:
            raise ValueError("bias must not be set on a layer made with has_bias=False")
        new = take(value, "bias", self.dtype, (self.out_channels,))
        self._weights = _Weights(self._weights.filter, new)

    @property
    def in_channels(self) -> int:
        """Channels of the input."""
        return self._spec.in_channels

    @property
    def out_channels(self) -> int:
        """Channels of the result."""
        return self._spec.out_channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64: of the filter, the input and the result."""
        return self._spec.dtype

    @property
    def num_groups(self) -> int:
        """Groups of channels, each convolved by itself."""
        return self._spec.groups

    @property
    def device(self) -> DeviceRef:
        """Where the layer runs: a CPU."""
        return self._device

    @property
    def has_bias(self) -> bool:
        """Whether there is a bias."""
        return self._weights.bias is not None

    @property
    def permute(self) -> bool:
        """Whether inputs and results are channel-first and filters ``(out, in, ...)``."""
        return self._spec.channels_first

    @property
    def name(self) -> str | None:
        """What the keys of `state_dict` start with."""
        return self._name

    @property
    def pad_mode(self) -> PadMode:
        """How the input is padded, as in `numpy.pad`."""
        return self._spec.pad_mode

    @property
    def pad_value(self) -> float:
        """What "constant" pads with."""
        return self._spec.pad_value

    @property
    def activation(self) -> Activation:
        """What is applied last."""
        return self._spec.activation

    @property
    def algorithm(self) -> str:
        """The algorithm that runs, or "auto" or "measure"."""
        return self._algorithm

    def state_dict(self) -> dict[str, FloatArray]:
        """The filter as ``weight`` and the bias, if any, as ``bias``; with ``name.`` in front.

        Returns
        -------
        dict of str to ndarray
            Read-only arrays.
        """
        prefix = f"{self._name}." if self._name else ""
        arrays = {"weight": self.filter, "bias": self.bias}
        return {prefix + key: array for key, array in arrays.items() if array is not None}

    def load_state_dict(self, d: Mapping[str, ArrayLike], strict: bool = True) -> None:
        """Take the filter and the bias from a dictionary such as `state_dict` gives.

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
            If an array has the wrong shape, or keys are missing or unexpected. Nothing is then
            assigned.
        """
        if not isinstance(d, Mapping):
            raise TypeError(f"d must be a mapping; got {type(d).__name__}")
        own = self.state_dict()
        missing, unexpected = own.keys() - d.keys(), d.keys() - own.keys()
        if strict and (missing or unexpected):
            raise ValueError(
                f"d must have the keys {list(own)}; "
                f"missing {sorted(missing)}, unexpected {sorted(unexpected, key=str)}"
            )
        new = [take(d.get(k, old), k, self.dtype, old.shape) for k, old in own.items()]
        self._weights = _Weights(new[0], new[1] if self.has_bias else None)

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
                bias = None if self.bias is None else self.bias[kept]
                shard._spec = dataclasses.replace(self._spec, out_channels=len(kept))
                shard._weights = _Weights(self.filter.take(kept, axis), bias)
        return shards

    def __repr__(self) -> str:
        always = "kernel_size in_channels out_channels dtype stride padding dilation num_groups"
        unless_default = "has_bias permute name pad_mode pad_value activation algorithm"
        shown = {name: repr(getattr(self, name)) for name in always.split()}
        shown["dtype"] = self.dtype.name
        for name in unless_default.split():
            value = getattr(self, name)
            if value not in (None, False, 0.0, "constant", "auto"):
                shown[name] = repr(value)
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in shown.items())})"


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
