"""MLX's layers, with NumPy arrays as parameters, in a tree of dictionaries and lists.

There is no automatic differentiation. A layer's `backward` takes the gradient of its last result,
and `Module.gradients` gives what MLX's ``value_and_grad`` would, in the nesting of the parameters.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from .. import layers
from ..arrays import ArrayLike, FloatArray, take
from ..layers.module import load_arrays, save_arrays
from .functions import exact

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "Module", "Sequential"]

Tree = Any  # a dictionary or list of trees, or an array
_Core = layers.Conv1D | layers.Conv2d | layers.ConvTranspose1d | layers.ConvTranspose2d


def _items(holder: Any) -> Iterable[tuple[Any, Any]]:
    """What a module, dictionary or list holds, by attribute, key or index."""
    if isinstance(holder, Module):
        return holder._state().items()
    return holder.items() if isinstance(holder, dict) else enumerate(holder)


def _tree(holder: Any, leaf: Callable[[Any, Any, FloatArray], Any]) -> Tree:
    """The arrays in `holder`, in its nesting, each as what `leaf` makes of its place and itself."""
    found = {}
    for key, value in _items(holder):
        if isinstance(value, np.ndarray):
            found[key] = leaf(holder, key, value)
        elif isinstance(value, Module | dict | list):
            found[key] = _tree(value, leaf)
        elif isinstance(holder, list):  # so that the others keep their indices
            found[key] = {}
    return [*found.values()] if isinstance(holder, list) else found


def _flat(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """What is no dictionary or list, with the keys on the way joined by dots."""
    for key, value in _items(tree):
        if isinstance(value, dict | list):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


class Module:
    """What has parameters: public attributes that are arrays, modules, or lists or dicts of such.

    In train mode from the start, as in MLX; `fastconv.Module` says what that means.
    """

    _training = True

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Compute the result. Derived classes say how."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__")

    def backward(self, dy: Any) -> Any:
        """Turn the gradient of the result into that of the input. Derived classes say how."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def _state(self) -> dict[str, Any]:
        """What is looked for parameters."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def _gradient(self, name: str) -> FloatArray | None:
        """That of the array of this name."""
        return None

    def _forget(self) -> None:
        """Drop the gradients of this module alone."""

    def _switch(self, training: bool) -> None:
        """Change the mode of this module alone."""
        self._training = training

    def __contains__(self, name: str) -> bool:
        return name in self._state()

    def __getitem__(self, name: str) -> Any:
        return self._state()[name]

    def parameters(self) -> dict[str, Tree]:
        """All arrays, by the names of attributes, in the nesting of the modules."""
        found: dict[str, Tree] = _tree(self, lambda holder, key, array: array)
        return found

    def gradients(self) -> dict[str, Tree]:
        """What `backward` added up for each of the `parameters`; None where there is nothing."""

        def leaf(holder: Any, key: Any, array: FloatArray) -> FloatArray | None:
            return holder._gradient(key) if isinstance(holder, Module) else None

        found: dict[str, Tree] = _tree(self, leaf)
        return found

    def modules(self) -> list["Module"]:
        """This module and all inside it."""
        found: list[Module] = []

        def visit(holder: Any) -> None:
            if isinstance(holder, Module):
                if any(holder is module for module in found):
                    return
                found.append(holder)
            for _, value in _items(holder):
                if isinstance(value, Module | dict | list):
                    visit(value)

        visit(self)
        return found

    def zero_grad(self) -> None:
        """Forget the gradients of this module and all inside it."""
        for module in self.modules():
            module._forget()

    @property
    def training(self) -> bool:
        """Whether the module is in train mode."""
        return self._training

    def train(self, mode: bool = True) -> Self:
        """Set train mode here and in all modules inside, or eval mode."""
        for module in self.modules():
            module._switch(bool(mode))
        return self

    def eval(self) -> Self:
        """Set eval mode, in which filters are packed once and arrays read-only."""
        return self.train(False)

    def update(self, parameters: dict[str, Tree], strict: bool = True) -> Self:
        """Replace parameters by those of a tree, which need not have all of them.

        Parameters
        ----------
        parameters : dict
            Nested as `parameters` gives it, of arrays of the same shapes and dtypes.
        strict : bool
            Whether to refuse what this module does not have; otherwise it is ignored.

        Returns
        -------
        Module
            This one.

        Raises
        ------
        TypeError
            If an array has another dtype.
        ValueError
            If an array has another shape, or is none, or with `strict` is not this module's.
            Nothing is then replaced.
        """
        if not isinstance(parameters, dict | list):
            raise ValueError(f"parameters must be a dict or list; got {type(parameters).__name__}")
        given = dict(_flat(parameters))
        places: dict[str, tuple[Any, Any, FloatArray]] = dict(
            _flat(_tree(self, lambda holder, key, array: (holder, key, array)))
        )
        unknown = given.keys() - places.keys()
        if strict and unknown:
            raise ValueError(f"parameters must be of this module; got {sorted(unknown)}")
        new = {}
        for name, (_, _, array) in places.items():
            if name in given:
                value = given[name]
                if not any(hasattr(value, a) for a in ("__dlpack__", "__array_interface__")):
                    raise ValueError(f"{name} must be an array; got {type(value).__name__}")
                new[name] = take(value, name, array.dtype, array.shape)
        for name, value in new.items():
            holder, key, _ = places[name]
            if isinstance(holder, Module):
                setattr(holder, key, value)
            else:
                holder[key] = np.array(value)
        return self

    def load_weights(
        self,
        file_or_weights: str | os.PathLike[str] | Iterable[tuple[str, ArrayLike]],
        strict: bool = True,
    ) -> Self:
        """Replace parameters by those of a file, or of pairs of a name and an array.

        Parameters
        ----------
        file_or_weights : path, or iterable of pairs
            A path ends with ``.npz`` or ``.safetensors``. Names are those of attributes, joined by
            dots.
        strict : bool
            Whether the names must be exactly this module's.

        Returns
        -------
        Module
            This one.

        Raises
        ------
        TypeError, ValueError
            As for `update`; ValueError also if names are missing or the path ends otherwise.
        """
        if isinstance(file_or_weights, str | os.PathLike):
            given: dict[str, Any] = load_arrays(file_or_weights)
        else:
            given = dict(file_or_weights)
        missing = dict(_flat(self.parameters())).keys() - given.keys()
        if strict and missing:
            raise ValueError(f"weights must have all parameters; missing {sorted(missing)}")
        return self.update(given, strict)

    def save_weights(self, file: str | os.PathLike[str]) -> None:
        """Write the parameters to a file that ends with ``.npz`` or ``.safetensors``.

        MLX reads it, and `load_weights` what MLX wrote. Raises ValueError if it ends otherwise.
        """
        flat = _flat(self.parameters())
        save_arrays(file, {name: np.ascontiguousarray(array) for name, array in flat})

    def _described(self) -> str:
        """What `repr` says of this module itself."""
        return ""

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}({self._described()}"]
        leaves = _flat(_children(self))
        for name, module in leaves:
            lines += [f"  ({name}): {module!r}".replace("\n", "\n  ")]
        return "\n".join([*lines, ")"]) if len(lines) > 1 else f"{lines[0]})"


def _children(holder: Any) -> Tree:
    """The modules directly inside, in the nesting of lists and dictionaries."""
    found: dict[Any, Any] = {}
    for key, value in _items(holder):
        if isinstance(value, Module):
            found[key] = value
        elif isinstance(value, dict | list):
            found[key] = _children(value)
    return found


class Sequential(Module):
    """Modules one after another; `backward` goes through them from the last to the first.

    Parameters
    ----------
    *modules : Module or callable
        What has no `backward` can be called, but not gone back through.
    """

    def __init__(self, *modules: Any) -> None:
        self.layers = list(modules)

    def __call__(self, x: Any) -> Any:
        """The result of the last module, each given that of the one before it."""
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, dy: Any) -> Any:
        """The gradient of the input, from that of the result of the last call."""
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy


class _Layer(Module):
    """A layer of fastconv whose filter is shown with the output channels first."""

    _dims: ClassVar[int]
    _out_axis: ClassVar[int]  # of fastconv's filter
    _core: _Core

    def _hold(self, core: _Core, sizes: Mapping[str, Any]) -> None:
        """Take over a layer, draw its filter, and zero its bias; `sizes` is what it was asked for.

        Uniform within ``+-1 / sqrt(fan_in)``, as MLX has it, of transposed convolutions as well.
        """
        self._core = core
        self._sizes = dict(sizes)
        core.set_train_mode()
        values = self._core.parameters()["weight"].values
        bound = math.sqrt(core.out_channels / values.size)
        values[...] = np.random.default_rng().uniform(-bound, bound, values.shape)
        if core.has_bias:
            self.bias[...] = 0

    def __call__(self, x: ArrayLike) -> FloatArray:
        """Convolve `x`, of shape ``(n, h, w, in_channels)`` or ``(n, l, in_channels)``."""
        array = take(x, "x", self._core.dtype)
        if array.ndim != self._dims + 2:
            raise ValueError(
                f"x must have {self._dims + 2} axes, batch and channels among them; "
                f"got x.shape={array.shape}"
            )
        return self._core(array)

    def backward(self, dy: ArrayLike) -> FloatArray:
        """The gradient of the last call's input, from that of its result; adds to `gradients`.

        Raises
        ------
        TypeError, ValueError
            As `fastconv.Conv2d.backward`.
        """
        return self._core.backward(dy)

    def _state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._core.parameters()}

    def _gradient(self, name: str) -> FloatArray | None:
        grad = self._core.parameters()[name].grad
        return self._shown(grad) if name == "weight" and grad is not None else grad

    def _forget(self) -> None:
        self._core.zero_grad()

    def _switch(self, training: bool) -> None:
        self._training = training
        (self._core.set_train_mode if training else self._core.set_eval_mode)()

    def _shown(self, array: FloatArray) -> FloatArray:
        return np.moveaxis(array, self._out_axis, 0)

    @property
    def weight(self) -> FloatArray:
        """The filter, output channels first: a view, writable in train mode; may be assigned to."""
        return self._shown(self._core.parameters()["weight"].values)

    @weight.setter
    def weight(self, value: ArrayLike) -> None:
        array = take(value, "weight", self._core.dtype, self.weight.shape)
        self._core.parameters()["weight"].values = np.moveaxis(array, 0, self._out_axis)

    @property
    def bias(self) -> FloatArray:
        """``(out_channels,)``, as `weight`; a layer made with ``bias=False`` has none."""
        if not self._core.has_bias:
            raise AttributeError("bias: there is none in a layer made with bias=False")
        return self._core.parameters()["bias"].values

    @bias.setter
    def bias(self, value: ArrayLike) -> None:
        array = take(value, "bias", self._core.dtype, self.bias.shape)
        self._core.parameters()["bias"].values = array

    @property
    def stride(self) -> Any:
        """Pixels between neighbouring outputs, or for a transposed convolution inputs."""
        return self._sizes["stride"]

    @property
    def padding(self) -> Any:
        """Zeros on either side, or for a transposed convolution outputs left out."""
        return self._sizes["padding"]

    @property
    def dilation(self) -> Any:
        """Pixels between neighbouring taps."""
        return self._sizes["dilation"]

    def _described(self) -> str:
        kernel = self.weight.shape[1:-1]
        shown = {
            "kernel_size": kernel if self._dims == 2 else kernel[0],
            **self._sizes,
            "bias": "bias" in self,
        }
        named = ", ".join(f"{name}={value}" for name, value in shown.items())
        return f"{self._core.in_channels}, {self._core.out_channels}, {named}"


def _checked(dims: int, **sizes: Any) -> dict[str, Any]:
    """Sizes of which MLX takes one int, or two for 2-D; those it shows as pairs as pairs."""
    for name, value in sizes.items():
        exact(value, name, dims)
    both = ("kernel_size", "stride", "padding", "output_padding") if dims == 2 else ()
    return {
        name: (value, value) if name in both and isinstance(value, int) else value
        for name, value in sizes.items()
    }


class _Conv(_Layer):
    _out_axis = -1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        sizes = _checked(self._dims, stride=stride, padding=padding, dilation=dilation)
        kernel = _checked(self._dims, kernel_size=kernel_size)
        make = layers.Conv1D if self._dims == 1 else layers.Conv2d
        core = make(
            **kernel,
            in_channels=in_channels,
            out_channels=out_channels,
            **sizes,
            num_groups=groups,
            has_bias=bool(bias),
        )
        self._hold(core, {**sizes, "groups": groups})

    @property
    def groups(self) -> int:
        """Groups of channels, each convolved by itself."""
        return self._core.num_groups


class _ConvTranspose(_Layer):
    _out_axis = -2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        output_padding: Any = 0,
        bias: bool = True,
    ) -> None:
        sizes = _checked(
            self._dims,
            stride=stride,
            padding=padding,
            dilation=dilation,
            output_padding=output_padding,
        )
        kernel = _checked(self._dims, kernel_size=kernel_size)
        arguments = {**kernel, **sizes, "has_bias": bool(bias)}
        core: _Core
        if self._dims == 1:
            arguments["length"] = arguments.pop("kernel_size")
            core = layers.ConvTranspose1d(
                in_channels=in_channels, out_channels=out_channels, **arguments
            )
        else:
            core = layers.ConvTranspose2d(
                in_channels=in_channels, out_channels=out_channels, **arguments
            )
        self._hold(core, sizes)

    @property
    def output_padding(self) -> Any:
        """Outputs more at the end of each axis."""
        return self._sizes["output_padding"]


class Conv1d(_Conv):
    """1-D convolution of ``(n, l, in_channels)``.

    Parameters
    ----------
    in_channels, out_channels, kernel_size : int
    stride, padding, dilation, groups : int
    bias : bool

    Attributes
    ----------
    weight : ndarray, shape (out_channels, kernel_size, in_channels / groups)
    bias : ndarray, shape (out_channels,)
        Zeros at first.
    stride, padding, dilation, groups : int

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If it has the wrong value; also where MLX would crop by a negative padding.
    """

    _dims = 1


class Conv2d(_Conv):
    """2-D convolution of ``(n, h, w, in_channels)``.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation : int or (h, w)
    groups : int
    bias : bool

    Attributes
    ----------
    weight : ndarray, shape (out_channels, kh, kw, in_channels / groups)
    bias : ndarray, shape (out_channels,)
        Zeros at first.
    stride, padding : (h, w)
    dilation : int or (h, w)
        As it was given.
    groups : int

    Raises
    ------
    TypeError, ValueError
        As for `Conv1d`.
    """

    _dims = 2


class ConvTranspose1d(_ConvTranspose):
    """1-D transposed convolution of ``(n, l, in_channels)``.

    Parameters
    ----------
    in_channels, out_channels, kernel_size : int
    stride, padding, dilation : int
    output_padding : int
        Less than stride or dilation.
    bias : bool

    Attributes
    ----------
    weight : ndarray, shape (out_channels, kernel_size, in_channels)
    bias : ndarray, shape (out_channels,)
        Zeros at first.
    stride, padding, dilation, output_padding : int

    Raises
    ------
    TypeError, ValueError
        As for `Conv1d`.
    """

    _dims = 1


class ConvTranspose2d(_ConvTranspose):
    """2-D transposed convolution of ``(n, h, w, in_channels)``.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation : int or (h, w)
    output_padding : int or (h, w)
        Less than stride or dilation.
    bias : bool

    Attributes
    ----------
    weight : ndarray, shape (out_channels, kh, kw, in_channels)
    bias : ndarray, shape (out_channels,)
        Zeros at first.
    stride, padding, output_padding : (h, w)
    dilation : int or (h, w)
        As it was given.

    Raises
    ------
    TypeError, ValueError
        As for `Conv1d`.
    """

    _dims = 2
