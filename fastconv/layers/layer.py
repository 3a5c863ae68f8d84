"""What all layers share: a weight and a bias, of which an input of any size is convolved."""

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from .. import planning, threads
from ..arrays import ArrayLike, FloatArray, empty, take
from ..devices import Device, cpu
from ..problem import Activation, ConvSpec, Problem, TransposedSpec, pose
from .weights import Frozen, Held, Holding, State, Writable, checked_name, initial

if TYPE_CHECKING:
    from .learning import Forward


def flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool | np.bool):
        raise TypeError(f"{name} must be a bool; got {name}={value!r}")
    return bool(value)


class Layer(Holding):
    """A convolution or transposed convolution with its weight, packed at the first call."""

    _dims: ClassVar[int]
    _always: ClassVar[str]  # parameters that `repr` shows
    _unless_default: ClassVar[str]  # those that it shows when they are set
    _spec: ConvSpec | TransposedSpec
    _state: State

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
        self._name = checked_name(name)
        self._spec = spec
        self._algorithm = algorithm
        self._device = cpu(device)
        self._hold(initial(spec, flag(has_bias, "has_bias"), rng))

    def _hold(self, weights: Frozen | Writable) -> None:
        """Have these weights, parameters of its own for them, and no call to go back from."""
        self._state = State(weights)
        parts = ("weight",) if weights.bias is None else ("weight", "bias")
        self._held = {part: Held(self._state, part) for part in parts}
        self._last: Forward | None = None
        self._residual_grad: FloatArray | None = None

    @property
    def _weights(self) -> Frozen | Writable:
        return self._state.weights

    def forward(
        self,
        x: ArrayLike,
        *,
        residual: ArrayLike | None = None,
        out: FloatArray | None = None,
        num_threads: int | None = None,
    ) -> FloatArray:
        """Convolve `x`. Calling the layer is the same.

        In train mode what `backward` needs is kept, in copies: the caller may change `x` and the
        result.

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
        weights = self._state.weights
        dtype = self._spec.dtype
        if not (type(x) is np.ndarray and x.dtype == dtype):
            x = take(x, "x", dtype)
        call = weights.known(x.shape)
        if call is not None and out is None:  # most calls: `planning.execute`, in short
            shape = call.problem.result_shape
            if residual is not None:
                residual = take(residual, "residual", dtype, shape)
            threads.check(num_threads)
            result = empty(shape, dtype)
            call.run(x, result, residual, num_threads)
            return result
        kept: Forward | None = None
        problem: Problem
        if weights.training:
            from . import learning  # inference does not need it

            threads.check(num_threads)
            kept = learning.Forward(self._spec, x, num_threads)
            problem = kept.computed
        else:
            problem = pose(self._spec, x.shape) if call is None else call.problem
        result = planning.execute(
            problem,
            x,
            residual,
            out,
            num_threads,
            weights.constants(),
            lambda: call or weights.prepare(problem, self._algorithm, num_threads),
        )
        if kept is not None:
            kept.finish(result, residual is not None, num_threads)
            self._last = kept
        return result

    __call__ = forward

    def backward(self, dy: ArrayLike, *, num_threads: int | None = None) -> FloatArray:
        """From the gradient of a result to that of the input; adds to the parameters' `grad`.

        It belongs to the last call in train mode, and each call allows one. The filter is taken as
        it is now.

        Parameters
        ----------
        dy : array-like, shape of that call's result
            Of the layer's dtype.
        num_threads : int, optional
            As for a call.

        Returns
        -------
        ndarray, shape of that call's input
            `residual_grad` is that of its residual, if it had one.

        Raises
        ------
        TypeError
            If `dy` is no array or has another dtype.
        ValueError
            If there was no such call, or `dy` has another shape. Nothing is then changed.
        """
        last, weights = self._last, self._state.weights
        if last is None:
            raise ValueError(
                "backward needs a call in train mode before it, one for each; "
                f"got training={self.training}"
            )
        given = take(dy, "dy", self.dtype, last.problem.result_shape)
        threads.check(num_threads)
        dz = last.before_activation(given, num_threads)
        dx, *gradients = last.gradients(dz, weights.weight, self.has_bias, num_threads)
        for parameter, gradient in zip(self._held.values(), gradients, strict=True):
            parameter.accumulate(gradient)
        self._residual_grad = None
        if last.has_residual:
            self._residual_grad = np.array(dz) if dz is given else dz
        self._last = None
        return dx

    @property
    def residual_grad(self) -> FloatArray | None:
        """What `backward` found for the residual of that call; None if there was none."""
        return self._residual_grad

    @property
    def training(self) -> bool:
        """Whether the layer is in train mode."""
        return self._state.weights.training

    def _switch(self, training: bool) -> None:
        self._state.switch(training)
        self._last = self._residual_grad = None

    def __copy__(self) -> Self:
        """A layer with parameters of its own, which shares what cannot be written into."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._hold(self._state.weights.shared())
        for part, parameter in twin._held.items():
            parameter.label = self._held[part].label
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """Without what only `backward` needs."""
        return {**self.__dict__, "_last": None, "_residual_grad": None}

    @property
    def bias(self) -> FloatArray | None:
        """The bias, read-only in eval mode, or None. Assign a new one of its shape and dtype."""
        return self._state.weights.bias

    @bias.setter
    def bias(self, value: ArrayLike) -> None:
        if not self.has_bias:
            raise ValueError("bias must not be set on a layer made with has_bias=False")
        new = take(value, "bias", self.dtype, (self.out_channels,))
        self._held["bias"].values = new

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
    def has_bias(self) -> bool:
        """Whether there is a bias."""
        return self._state.weights.bias is not None

    @property
    def permute(self) -> bool:
        """Whether inputs and results are channel-first and filters ``(out, in, ...)``."""
        return self._spec.channels_first

    @property
    def activation(self) -> Activation:
        """What is applied last."""
        return self._spec.activation

    @property
    def algorithm(self) -> str:
        """The algorithm that runs, or "auto" or "measure"."""
        return self._algorithm

    def __repr__(self) -> str:
        shown = {name: repr(getattr(self, name)) for name in self._always.split()}
        shown["dtype"] = self.dtype.name
        for name in self._unless_default.split():
            value = getattr(self, name)
            if value not in (None, False, 0.0, "constant", "auto"):
                shown[name] = repr(value)
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in shown.items())})"
