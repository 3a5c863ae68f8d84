"""What all layers share: a weight and a bias, of which an input of any size is convolved."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .. import planning
from ..arrays import ArrayLike, FloatArray, empty, take
from ..devices import Device, DeviceRef, cpu
from ..problem import Activation, ConvSpec, Problem, TransposedSpec
from .weights import Weights, initial


def flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool | np.bool):
        raise TypeError(f"{name} must be a bool; got {name}={value!r}")
    return bool(value)


def matching(
    d: Mapping[str, ArrayLike], own: Mapping[str, FloatArray], strict: bool, dtype: np.dtype[Any]
) -> list[FloatArray]:
    """What `d` has for each key of a layer's `own` state, all of it checked."""
    if not isinstance(d, Mapping):
        raise TypeError(f"d must be a mapping; got {type(d).__name__}")
    missing, unexpected = own.keys() - d.keys(), d.keys() - own.keys()
    if strict and (missing or unexpected):
        raise ValueError(
            f"d must have the keys {list(own)}; "
            f"missing {sorted(missing)}, unexpected {sorted(unexpected, key=str)}"
        )
    return [take(d.get(key, old), key, dtype, old.shape) for key, old in own.items()]


class Layer:
    """A convolution or transposed convolution with its weight, packed at the first call."""

    _dims: ClassVar[int]
    _always: ClassVar[
        str
    ]  # parameters that `repr` shows, and those that it shows when they are set
    _unless_default: ClassVar[str]
    _spec: ConvSpec | TransposedSpec

    def _initialise(
        self,
        spec: ConvSpec | TransposedSpec,
        algorithm: str,
        device: Device | None,
        has_bias: bool,
        name: str | None,
        rng: "np.random.Generator | int | None",
    ) -> None:
        """What is left to do once `algorithm` is checked for `spec`."""
        if not (name is None or isinstance(name, str)):
            raise TypeError(f"name must be a str or None; got name={name!r}")
        self._spec = spec
        self._algorithm = algorithm
        self._device = cpu(device)
        self._name = name
        self._weights = initial(spec, flag(has_bias, "has_bias"), rng)

    def _problem(self, shape: tuple[int, ...]) -> Problem:
        """What is to be done with an input of this shape."""
        raise NotImplementedError

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
            Added before the activation. Copied first unless its channels are neighbours in memory
            (those of neighbouring pixels too, for a transposed convolution), so always with
            `permute` if it is contiguous.
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
        problem = self._problem(x.shape) if call is None else call.problem
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
    def bias(self) -> FloatArray | None:
        """The bias, read-only, or None. Assign a new one of the same shape and dtype."""
        return self._weights.bias

    @bias.setter
    def bias(self, value: ArrayLike) -> None:
        if not self.has_bias:
            raise ValueError("bias must not be set on a layer made with has_bias=False")
        new = take(value, "bias", self.dtype, (self.out_channels,))
        self._weights = Weights(self._weights.weight, new)

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
    def activation(self) -> Activation:
        """What is applied last."""
        return self._spec.activation

    @property
    def algorithm(self) -> str:
        """The algorithm that runs, or "auto" or "measure"."""
        return self._algorithm

    def state_dict(self) -> dict[str, FloatArray]:
        """The weight as ``weight`` and the bias, if any, as ``bias``; with ``name.`` in front.

        Returns
        -------
        dict of str to ndarray
            Read-only arrays.
        """
        prefix = f"{self._name}." if self._name else ""
        arrays = {"weight": self._weights.weight, "bias": self.bias}
        return {prefix + key: array for key, array in arrays.items() if array is not None}

    def load_state_dict(self, d: Mapping[str, ArrayLike], strict: bool = True) -> None:
        """Take the weight and the bias from a dictionary such as `state_dict` gives.

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
        new = matching(d, self.state_dict(), strict, self.dtype)
        self._weights = Weights(new[0], new[1] if self.has_bias else None)

    def __repr__(self) -> str:
        shown = {name: repr(getattr(self, name)) for name in self._always.split()}
        shown["dtype"] = self.dtype.name
        for name in self._unless_default.split():
            value = getattr(self, name)
            if value not in (None, False, 0.0, "constant", "auto"):
                shown[name] = repr(value)
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in shown.items())})"
