"""Taking arrays from callers: what becomes an input, and what may be written as `out`."""

import math
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ._native.memory import Block
from .problem import DTYPES

FloatArray = NDArray[np.floating[Any]]


class SupportsDLPack(Protocol):
    """An array of any library that follows the Python array API's exchange protocol."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __dlpack_device__(self) -> Any: ...


class SupportsArrayInterface(Protocol):
    """An object that describes its memory as NumPy does."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


ArrayLike = NDArray[Any] | SupportsDLPack | SupportsArrayInterface

_LARGE = 65536  # bytes from which memory that is aligned, and used again, costs less than it saves
_MAX_WORK: Any = 10_000  # an int, of which NumPy's stubs know only -1 and 0
_HOST_MEMORY = (1, 3, 11)  # DLPack's kDLCPU, kDLCUDAHost, kDLROCMHost


def _masked(array: NDArray[Any]) -> bool:
    return type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray)


def _from_dlpack(value: Any, name: str) -> NDArray[Any]:
    try:
        device = int(value.__dlpack_device__()[0])
        if device in _HOST_MEMORY:
            return np.from_dlpack(value)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must be readable through DLPack (a tensor that requires grad is not, "
            f"until it is detached); got {type(value).__name__}: {error}"
        ) from error
    raise TypeError(
        f"{name} must be in CPU memory, so copy it there first; "
        f"got {type(value).__name__} on DLPack device type {device}"
    )


def take(
    value: Any,
    name: str,
    dtype: np.dtype[Any] | None = None,
    shape: tuple[int, ...] | None = None,
) -> FloatArray:
    """`value` as an ndarray of its memory, not copied: `usable` makes it aligned and native.

    Parameters
    ----------
    value : array-like
        An ndarray (any strides), or an object with ``__dlpack__`` or ``__array_interface__``.
    name : str
        What messages call it.
    dtype : dtype, optional
        What it must have, up to byte order; float32 or float64 if not given.
    shape : tuple of int, optional
        What it must have.

    Raises
    ------
    TypeError
        If it is no such array, lies on a GPU, is masked, or has another dtype.
    ValueError
        If it has another shape.
    """
    if isinstance(value, np.ndarray):
        if _masked(value):
            raise TypeError(f"{name} must not be a masked array, as its mask would be lost")
        array = np.asarray(value)
    elif hasattr(value, "__dlpack__"):
        array = _from_dlpack(value, name)
    elif hasattr(value, "__array_interface__"):
        array = np.asarray(value)
    else:
        raise TypeError(
            f"{name} must be a NumPy array or offer __dlpack__ or __array_interface__, "
            f"so use np.asarray({name}); got {type(value).__name__}"
        )
    wanted = DTYPES if dtype is None else (dtype,)
    native = np.dtype(array.dtype.type)
    if native not in wanted:
        cast = f", so use {name}.astype(np.{wanted[0]})" if array.dtype.kind in "biuf" else ""
        only = "" if native in DTYPES else " (fastconv computes in float32 and float64)"
        raise TypeError(
            f"{name} must have dtype {' or '.join(map(str, wanted))}{cast}; "
            f"got {name}.dtype={array.dtype}{only}"
        )
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}; got {name}.shape={array.shape}")
    return array


def usable(array: FloatArray) -> FloatArray:
    """`array`, or a copy of it if it is unaligned or byte-swapped."""
    if array.flags.aligned and array.dtype.isnative:
        return array
    return array.astype(array.dtype.type)


def frozen(array: FloatArray) -> FloatArray:
    """A copy that nobody can make writeable: its memory belongs to a bytes object."""
    array = usable(array)
    return np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape)


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """A new array; a large one starts at a page, so that no store of a vector needs two lines."""
    size = math.prod(shape) * dtype.itemsize
    if size < _LARGE:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, Block(size))  # type: ignore[arg-type]  # any buffer will do


def _overlaps_itself(array: NDArray[Any]) -> bool:
    """Whether two elements may share memory: a stride is shorter than what lies within it."""
    if not array.size:
        return False
    reach = array.itemsize
    axes = zip(array.strides, array.shape, strict=True)
    for stride, size in sorted((abs(stride), size) for stride, size in axes if size > 1):
        if stride < reach:
            return True
        reach += stride * (size - 1)
    return False


def _share_memory(a: NDArray[Any], b: NDArray[Any]) -> bool:
    try:
        return np.shares_memory(a, b, max_work=_MAX_WORK)
    except np.exceptions.TooHardError:
        return True


def destination(
    out: Any,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    inputs: Iterable[tuple[str, NDArray[Any] | None]],
    called: str = "out",
) -> FloatArray:
    """The memory of `out`, if it can take a result beside the named `inputs`; new if it is None.

    Errors name it as it is `called`.

    Raises
    ------
    TypeError
        If `out` is no ndarray or has another dtype or byte order.
    ValueError
        If `out` has another shape, is read-only or unaligned, or shares memory with itself or an
        input.
    """
    if out is None:
        return empty(shape, dtype)
    if not isinstance(out, np.ndarray) or _masked(out):
        raise TypeError(f"{called} must be a NumPy array without a mask; got {type(out).__name__}")
    if out.dtype != dtype:
        raise TypeError(f"{called} must have dtype {dtype}; got {called}.dtype={out.dtype}")
    if out.shape != shape:
        raise ValueError(f"{called} must have shape {shape}; got {called}.shape={out.shape}")
    flags = out.flags
    if not (flags.writeable and flags.aligned):
        flag = "aligned" if flags.writeable else "writeable"
        raise ValueError(f"{called} must be {flag}; got {called}.flags.{flag}=False")
    if not flags.forc and _overlaps_itself(out):
        raise ValueError(
            f"{called} must not overlap itself; "
            f"got {called}.shape={shape}, {called}.strides={out.strides}"
        )
    for name, array in inputs:
        if array is not None and _share_memory(out, array):
            raise ValueError(f"{called} must not share memory with {name}")
    return np.asarray(out)
