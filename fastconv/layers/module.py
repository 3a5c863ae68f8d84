"""`Module`, `Parameter` and `Sequential`: what layers and networks of them have in common."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..arrays import ArrayLike, FloatArray, frozen, take
from ..devices import Device, DeviceRef, cpu


def same_memory(a: FloatArray, b: FloatArray) -> bool:
    """Whether both are the same elements, as `b` is after ``b += step``, in the same places."""
    if a is b:
        return True
    pointers = (array.__array_interface__["data"] for array in (a, b))
    return (a.shape, a.strides, next(pointers)) == (b.shape, b.strides, next(pointers))


class Parameter:
    """An array that is learned, and its gradient.

    An optimizer changes `values` in place (``p.values -= step``) or assigns new ones, which are
    copied; both take effect at once. In a module in eval mode `values` is read-only, so only
    assigning works there and NumPy refuses the other: call `Module.set_train_mode` first.

    Parameters
    ----------
    values : array-like
        float32 or float64; copied.
    label : str
        What it is called where people read it.

    Attributes
    ----------
    values : ndarray
        Assign only what has the same shape and dtype.
    grad : ndarray or None
        The sum of the gradients of all `Module.backward` since it was None. It may be assigned to,
        of the shape and dtype of `values`; it is used as it is.
    label : str
    """

    def __init__(self, values: ArrayLike, label: str = "") -> None:
        if not isinstance(label, str):
            raise TypeError(f"label must be a str; got label={label!r}")
        array = take(values, "values")
        self._values: FloatArray = np.array(array, array.dtype.type, order="C")
        self._grad: FloatArray | None = None
        self.label = label

    def _get(self) -> FloatArray:
        return self._values

    def _set(self, values: FloatArray) -> None:
        """Take over a copy of checked values."""
        new = np.array(values, self.dtype, order="C")
        self._values = new if self._values.flags.writeable else frozen(new)

    def _switch(self, training: bool) -> None:
        """Hand out a fresh writable copy, or a read-only one, if that is a change."""
        if training != self._values.flags.writeable:
            self._values = self._values.copy() if training else frozen(self._values)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_writable": self._get().flags.writeable}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copies and pickles of read-only arrays are writable, so make them read-only again."""
        writable = state["_writable"]
        vars(self).update({name: value for name, value in state.items() if name != "_writable"})
        self._switch(writable)

    @property
    def values(self) -> FloatArray:
        """The array itself, read-only in eval mode."""
        return self._get()

    @values.setter
    def values(self, values: ArrayLike) -> None:
        new = take(values, "values", self.dtype, self.shape)
        if not same_memory(new, self._get()):
            self._set(new)

    @property
    def grad(self) -> FloatArray | None:
        """What `backward` added up; None if there was none."""
        return self._grad

    @grad.setter
    def grad(self, grad: ArrayLike | None) -> None:
        self._grad = None if grad is None else take(grad, "grad", self.dtype, self.shape)

    def accumulate(self, grad: ArrayLike) -> None:
        """Add to `grad`; an array that was handed out before is not changed.

        Raises
        ------
        TypeError, ValueError
            If it has another dtype or shape than `values`.
        """
        new = take(grad, "grad", self.dtype, self.shape)
        self._grad = new if self._grad is None else self._grad + new

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of `values`."""
        return self._get().shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._get().dtype

    def __repr__(self) -> str:
        return f"Parameter({self.label!r}, shape={self.shape}, dtype={self.dtype})"


class Module:
    """What has parameters, or modules that have: derive a network of your own from it.

    Attributes that are a `Parameter` or a `Module`, or a list or tuple of such, are found where
    they are; nothing needs to be registered, nor ``super().__init__`` called. What a derived class
    calls `forward` runs when the module is called.

    A module is in train mode or in eval mode. In train mode the values of parameters are writable,
    and layers keep what `backward` needs but no packed filter, so that whatever is written counts
    at once. In eval mode the values are read-only and filters stay packed. A change of mode copies
    the values: arrays that were handed out before it change nothing after it.

    Attributes
    ----------
    training : bool
        fastconv's own layers start in eval mode, those of its dialects in train mode.
    device : DeviceRef
        Where the module runs: a CPU.

    Examples
    --------
    >>> class Twice(Module):
    ...     def __init__(self):
    ...         self.scale = Parameter(np.full(1, 2.0), "scale")
    ...     def forward(self, x):
    ...         return x * self.scale.values
    >>> Twice()(np.ones(2))
    array([2., 2.])
    >>> list(Twice().parameters())
    ['scale']
    """

    _training = False
    _device = DeviceRef.CPU()

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Calling is `forward`, with no method between them that would cost each call its time."""
        super().__init_subclass__(**keywords)
        if "forward" in vars(cls) and "__call__" not in vars(cls):
            cls.__call__ = cls.forward  # type: ignore[method-assign]

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Run `forward`."""
        return self.forward(*args, **keywords)

    def forward(self, *args: Any, **keywords: Any) -> Any:
        """Compute the result. Derived classes say how."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: Any) -> Any:
        """Turn the gradient of the result into that of the input, and add to the parameters'.

        Derived classes say how.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def _own_parameters(self) -> Mapping[str, Parameter]:
        return dict(_members(self, Parameter))

    def submodules(self) -> dict[str, "Module"]:
        """The modules directly inside this one, by the names of their attributes."""
        return dict(_members(self, Module))

    def _walk(self) -> Iterator[tuple[str, "Module"]]:
        """This module and all inside it, each once, with what their keys start with."""
        seen: set[int] = set()

        def walk(prefix: str, module: Module) -> Iterator[tuple[str, Module]]:
            if id(module) not in seen:
                seen.add(id(module))
                yield prefix, module
                for name, inner in module.submodules().items():
                    yield from walk(f"{prefix}{name}.", inner)

        return walk("", self)

    def parameters(self) -> dict[str, Parameter]:
        """All parameters by name, those of submodules as ``submodule.name``, shared ones once."""
        found: dict[str, Parameter] = {}
        seen: set[int] = set()
        for prefix, module in self._walk():
            for name, parameter in module._own_parameters().items():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    found[prefix + name] = parameter
        return found

    def zero_grad(self) -> None:
        """Forget the gradients: `Parameter.grad` is None again."""
        for parameter in self.parameters().values():
            parameter.grad = None

    @property
    def training(self) -> bool:
        """Whether the module is in train mode."""
        return self._training

    def set_train_mode(self) -> None:
        """Make values writable, keep what `backward` needs, and nothing packed; inside as well."""
        self._set_mode(True)

    def set_eval_mode(self) -> None:
        """Make values read-only and keep packed filters; in all modules inside as well."""
        self._set_mode(False)

    def _set_mode(self, training: bool) -> None:
        for _, module in self._walk():
            module._switch(training)

    def _switch(self, training: bool) -> None:
        """Change the mode of this module alone."""
        self._training = training
        for parameter in self._own_parameters().values():
            parameter._switch(training)

    @property
    def device(self) -> DeviceRef:
        """Where the module runs: a CPU."""
        return self._device

    def to_device(self, device: Device) -> Self:
        """Say where this module and all inside it run.

        Parameters
        ----------
        device : DeviceRef or "cpu"

        Returns
        -------
        Module
            This one.

        Raises
        ------
        TypeError, ValueError
            If it is no CPU.
        """
        place = cpu(device)
        for _, module in self._walk():
            module._device = place
        return self

    def summary(self) -> str:
        """Print a table of the parameters, their shapes and numbers, and return it."""
        rows = [("parameter", "shape", "dtype", "numbers")]
        total = 0
        for name, parameter in self.parameters().items():
            size = parameter.values.size
            total += size
            rows.append((name, str(parameter.shape), parameter.dtype.name, f"{size:,}"))
        rows.append(("total", "", "", f"{total:,}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [type(self).__name__]
        for *words, number in rows:
            cells = [word.ljust(width) for word, width in zip(words, widths, strict=False)]
            lines.append("  ".join([*cells, number.rjust(widths[-1])]))
        table = "\n".join(lines)
        print(table)
        return table

    def state_dict(self) -> dict[str, FloatArray]:
        """The values of all `parameters`, by the same names, as they are now.

        Returns
        -------
        dict of str to ndarray
            Read-only arrays, which training does not change.
        """
        arrays = {name: p.values for name, p in self.parameters().items()}
        return {name: frozen(a) if a.flags.writeable else a for name, a in arrays.items()}

    def load_state_dict(self, d: Mapping[str, ArrayLike], strict: bool = True) -> None:
        """Take the values of the parameters from a dictionary such as `state_dict` gives.

        Parameters
        ----------
        d : mapping of str to array-like
        strict : bool
            Whether the keys must be exactly this module's; otherwise others are ignored, and what
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
        own = self.parameters()
        missing, unexpected = own.keys() - d.keys(), d.keys() - own.keys()
        if strict and (missing or unexpected):
            raise ValueError(
                f"d must have the keys {list(own)}; "
                f"missing {sorted(missing)}, unexpected {sorted(unexpected, key=str)}"
            )
        new = {k: take(d[k], k, p.dtype, p.shape) for k, p in own.items() if k in d}
        for prefix, module in self._walk():
            names = module._own_parameters()
            module._assign({n: new[prefix + n] for n in names if prefix + n in new})

    def _assign(self, new: Mapping[str, FloatArray]) -> None:
        """Take checked values for parameters of this module alone."""
        own = self._own_parameters()
        for name, values in new.items():
            own[name].values = values

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `state_dict` to a file.

        Parameters
        ----------
        path : path
            It ends with ``.npz``, or with ``.safetensors`` if that package is installed.

        Raises
        ------
        ValueError
            If it ends with something else.
        ImportError
            If safetensors is not installed.
        """
        save_arrays(path, self.state_dict())

    def load(self, path: str | os.PathLike[str], strict: bool = True) -> None:
        """Read a file that `save` wrote, as `load_state_dict` with its content.

        Raises
        ------
        TypeError, ValueError
            As for `load_state_dict`; ValueError also if `path` ends with something else.
        ImportError
            If safetensors is needed and not installed.
        """
        self.load_state_dict(load_arrays(path), strict)


def _members(owner: object, kind: type) -> Iterator[tuple[str, Any]]:
    """Attributes of a kind, and such items of lists and tuples, by name."""
    for name, value in vars(owner).items():
        if isinstance(value, kind):
            yield name, value
        elif isinstance(value, list | tuple):
            for i, item in enumerate(value):
                if isinstance(item, kind):
                    yield f"{name}.{i}", item


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "safetensors must be installed to read and write its files: "
            'pip install "fastconv[safetensors]"'
        ) from error
    return safetensors.numpy


def _load_npz(path: str) -> dict[str, FloatArray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


_FILES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    ".npz": (lambda arrays, path: np.savez(path, **arrays), _load_npz),
    ".safetensors": (
        lambda arrays, path: _safetensors().save_file(arrays, path),
        lambda path: _safetensors().load_file(path),
    ),
}


def _file(path: str | os.PathLike[str]) -> tuple[str, tuple[Callable[..., Any], ...]]:
    name = os.fspath(path)
    if not isinstance(name, str):
        raise TypeError(f"path must be a str or a path; got {type(path).__name__}")
    extension = os.path.splitext(name)[1]
    if extension not in _FILES:
        raise ValueError(f"path must end with {' or '.join(_FILES)}; got path={name!r}")
    return name, _FILES[extension]


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, FloatArray]) -> None:
    """Write C-contiguous arrays to a file whose name says its kind."""
    name, (save, _) = _file(path)
    save(dict(arrays), name)


def load_arrays(path: str | os.PathLike[str]) -> dict[str, FloatArray]:
    """Read what `save_arrays` wrote."""
    name, (_, load) = _file(path)
    arrays: dict[str, FloatArray] = load(name)
    return arrays


class Sequential(Module):
    """Modules one after another; `backward` goes through them from the last to the first.

    Their parameters are called ``0.weight``, ``1.weight``, and so on.

    Parameters
    ----------
    *modules : Module

    Raises
    ------
    TypeError
        If one is no Module.

    Examples
    --------
    >>> from fastconv import Conv2d
    >>> net = Sequential(Conv2d(3, 1, 8, activation="relu"), Conv2d(3, 8, 2))
    >>> net(np.zeros((1, 9, 9, 1), np.float32)).shape
    (1, 5, 5, 2)
    """

    def __init__(self, *modules: Module) -> None:
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                raise TypeError(f"modules[{i}] must be a Module; got {type(module).__name__}")
        self._modules = modules

    @property
    def training(self) -> bool:
        """Whether all modules are in train mode."""
        return bool(self._modules) and all(module.training for module in self._modules)

    def submodules(self) -> dict[str, Module]:
        return {str(i): module for i, module in enumerate(self._modules)}

    def forward(self, x: Any) -> Any:
        """The result of the last module, each given that of the one before it."""
        for module in self._modules:
            x = module(x)
        return x

    def backward(self, dy: Any) -> Any:
        """The gradient of the input, from that of the result of the last call."""
        for module in reversed(self._modules):
            dy = module.backward(dy)
        return dy

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules)

    def __getitem__(self, index: int) -> Module:
        return self._modules[index]

    def __repr__(self) -> str:
        inner = "".join(f"\n  {i}: {module!r}" for i, module in enumerate(self._modules))
        return f"{type(self).__name__}({inner}\n)" if inner else f"{type(self).__name__}()"
