"""What is asked: a convolution (`ConvSpec`), and one on a given input (`ConvProblem`).

`TransposedSpec` and `TransposedProblem` are the same for transposed convolution.

Every parameter is normalised and refused here, and nowhere else. Inside, all is 2-D and
channels-last, ``(n, h, w, c)``: a 1-D convolution is one over images of height 1.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from itertools import chain
from numbers import Real
from typing import Any, Literal, ParamSpec, TypeVar, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

Pair = tuple[int, int]
Sizes = int | Sequence[int]
Padding = int | Sequence[int] | Literal["same", "valid", "causal"]
PadMode = Literal["constant", "edge", "reflect", "symmetric", "wrap"]
Activation = Literal["relu", "relu6", "leaky_relu"] | tuple[Literal["leaky_relu"], float] | None

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))

_MOST = 2**31 - 1  # of any integer parameter: native code adds and multiplies two of them
_MOST_BYTES = 2**57  # of any array: whole vectors and padding stay within 64 bits
_ACTIVATIONS = {  # slope below zero, upper limit
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "leaky_relu": (0.01, math.inf),
}
_PLAIN = {type, int, float, str, type(None), *map(type, DTYPES)}

P = ParamSpec("P")
R = TypeVar("R")


def _kept(function: Callable[P, R]) -> Callable[P, R]:
    """Answer calls again without a check where all arguments are plain: most calls repeat some.

    Others, such as True, may equal them, but break a rule.
    """
    answer = lru_cache(256, typed=True)(function)

    def plain(value: Any) -> bool:
        if type(value) is tuple:
            return all(type(item) is int for item in value)
        return type(value) in _PLAIN

    @wraps(function)
    def ask(*args: P.args, **kwargs: P.kwargs) -> R:
        if all(map(plain, chain(args, kwargs.values()))):
            return answer(*args, **kwargs)  # type: ignore[arg-type]  # all are hashable
        return function(*args, **kwargs)

    return ask


def integer(value: Any, name: str, least: int, most: int = _MOST) -> int:
    """`value` as an int within bounds; bool and float are no ints, NumPy's integers are."""
    try:
        if isinstance(value, bool | np.bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int; got {name}={value!r}") from None
    if not least <= number <= most:
        bound = f"at least {least}" if number < least else f"at most {most}"
        raise ValueError(f"{name} must be {bound}; got {name}={number}")
    return number


def _integers(value: Any, name: str, least: int, lengths: tuple[int, ...]) -> tuple[int, ...]:
    """An int as a 1-tuple, or a sequence of one of `lengths` as a tuple."""
    if not lengths or not isinstance(value, tuple | list):
        return (integer(value, name, least),)
    if len(value) not in lengths:
        many = " or ".join(map(str, lengths))
        raise ValueError(f"{name} must be an int or {many} ints; got {name}={value!r}")
    return tuple(integer(item, f"{name}[{i}]", least) for i, item in enumerate(value))


def _pair(value: Any, name: str, dims: int) -> Pair:
    values = _integers(value, name, 1, (2,) if dims == 2 else ())
    return (values[0] if dims == 2 else 1, values[-1])


def _dtype(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        native = np.dtype(object if dtype is None else np.dtype(dtype).type)
    except (TypeError, ValueError):
        native = np.dtype(object)
    if native not in DTYPES:
        raise TypeError(f"dtype must be float32 or float64; got dtype={dtype!r}")
    return native


def _real(value: Any, name: str, dtype: np.dtype[Any]) -> float:
    if type(value) is float and value == 0:  # most are, and the check below takes a microsecond
        return value
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number; got {name}={value!r}")
    try:
        with np.errstate(over="raise"):
            dtype.type(value)
        return float(value)
    except (FloatingPointError, OverflowError):
        raise ValueError(f"{name} must be within {dtype}'s range; got {name}={value!r}") from None


def _activation(activation: Any, dtype: np.dtype[Any]) -> Activation:
    match activation:
        case None:
            return None
        case str() if activation in _ACTIVATIONS:
            return activation  # type: ignore[return-value]  # its keys are the type's names
        case ("leaky_relu", given):
            slope = _real(given, "slope", dtype)
            if not math.isfinite(slope):
                raise ValueError(f"slope must be finite; got slope={slope}")
            return ("leaky_relu", slope)
    error = ValueError if isinstance(activation, str | tuple | list) else TypeError
    raise error(
        "activation must be None, 'relu', 'relu6', 'leaky_relu' or ('leaky_relu', slope); "
        f"got activation={activation!r}"
    )


def _same(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """Padding that gives ``ceil(size / stride)`` outputs, an odd one at the end.

    ONNX's SAME_UPPER (https://onnx.ai/onnx/operators/onnx__Conv.html). At stride 1 it does not
    depend on `size`.
    """
    needed = (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1
    total = max(needed - size, 0)
    return total // 2, total - total // 2


def _padding(
    padding: Any, dims: int, kernel: Pair, stride: Pair, dilation: Pair
) -> tuple[int, int, int, int] | Literal["same"]:
    """``(top, bottom, left, right)``, or "same" where that depends on the input."""
    if isinstance(padding, str):
        if padding == "valid":
            return (0, 0, 0, 0)
        if padding == "causal" and dims == 1:
            return (0, 0, dilation[1] * (kernel[1] - 1), 0)
        if padding == "same":
            if stride != (1, 1):
                return "same"
            (top, bottom), (left, right) = map(_same, (1, 1), kernel, stride, dilation)
            return (top, bottom, left, right)
        names = "'same', 'valid' or 'causal'" if dims == 1 else "'same' or 'valid'"
        raise ValueError(f"padding must be ints or {names}; got padding={padding!r}")
    return _sides(padding, dims)


def _sides(padding: Any, dims: int) -> tuple[int, int, int, int]:
    """``(top, bottom, left, right)``."""
    values = _integers(padding, "padding", 0, (2, 4) if dims == 2 else (2,))
    if dims == 1:
        return (0, 0, values[0], values[-1])
    if len(values) == 4:
        top, bottom, left, right = values
        return (top, bottom, left, right)
    return (values[0], values[0], values[-1], values[-1])


def _columns(value: Any, rows: tuple[int, ...]) -> Any:
    """What `value` says of the columns where, as far as it is about rows, it says `rows`."""
    half = len(rows)
    if isinstance(value, tuple | list) and len(value) == 2 * half and tuple(value[:half]) == rows:
        return value[half] if half == 1 else tuple(value[half:])
    return value


def _check_bytes(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > _MOST_BYTES:
        raise ValueError(f"{name} must have at most 2**57 bytes; got shape {shape} of {dtype}")


def nhwc(shape: tuple[int, ...], dims: int, channels_first: bool) -> tuple[int, int, int, int]:
    """The shape of an input, batched or not, in the caller's layout, as ``(n, h, w, c)``.

    Raises
    ------
    ValueError
        If it has not `dims` axes more than channels and, perhaps, batch.
    """
    if len(shape) not in (dims + 1, dims + 2):
        axes = ("h, w" if dims == 2 else "l",)
        one = ", ".join(("c", *axes) if channels_first else (*axes, "c"))
        raise ValueError(f"x must have shape (n, {one}) or ({one}); got x.shape={shape}")
    n, *rest = shape if len(shape) == dims + 2 else (1, *shape)
    c = rest.pop(0 if channels_first else -1)
    h, w = rest if dims == 2 else (1, *rest)
    return (n, h, w, c)


@dataclass(frozen=True, slots=True, init=False, repr=False, eq=False)
class Spec:
    """What `ConvSpec` and `TransposedSpec` share.

    Attributes
    ----------
    dims : int
        1 or 2: what the caller sees. The pairs below are ``(1, k)`` for 1-D.
    kernel, stride, dilation : tuple of 2 int
    activation : str, tuple or None
        As the caller says it; `slope_and_upper` as native code wants it.
    channels_first : bool
        Whether the caller's arrays are ``(n, c, ...)``, and filters have their channels first.
    """

    dims: int
    kernel: Pair
    in_channels: int
    out_channels: int
    dtype: np.dtype[Any]
    stride: Pair
    dilation: Pair
    groups: int
    activation: Activation
    channels_first: bool

    @staticmethod
    def _checked(
        dims: int,
        *,
        kernel_size: Any,
        in_channels: Any,
        out_channels: Any,
        dtype: Any,
        stride: Any,
        dilation: Any,
        groups: Any,
        activation: Any,
        channels_first: bool,
        kernel_name: str,
        groups_name: str,
    ) -> dict[str, Any]:
        """The attributes above from a caller's arguments."""
        kernel = _pair(kernel_size, kernel_name, dims)
        stride = _pair(stride, "stride", dims)
        dilation = _pair(dilation, "dilation", dims)
        groups = integer(groups, groups_name, 1)
        channels = {"in_channels": in_channels, "out_channels": out_channels}
        for name, number in channels.items():
            channels[name] = integer(number, name, 1)
            if channels[name] % groups:
                raise ValueError(
                    f"{name} must be divisible by {groups_name}; "
                    f"got {name}={number}, {groups_name}={groups}"
                )
        dtype = _dtype(dtype)
        return {
            "dims": dims,
            "kernel": kernel,
            **channels,
            "dtype": dtype,
            "stride": stride,
            "dilation": dilation,
            "groups": groups,
            "activation": _activation(activation, dtype),
            "channels_first": channels_first,
        }

    def result_shape(self, shape: tuple[int, ...], output: Pair) -> tuple[int, ...]:
        """In the caller's layout, for an input of this shape and so many rows and columns."""
        pixels, channels = output[-self.dims :], (self.out_channels,)
        result = channels + pixels if self.channels_first else pixels + channels
        if len(shape) == self.dims + 2:
            result = (shape[0], *result)
        _check_bytes("the output", result, self.dtype)
        return result

    @property
    def slope_and_upper(self) -> tuple[float, float] | None:
        """The activation as ``min(y if y >= 0 else slope * y, upper)``."""
        match self.activation:
            case None:
                return None
            case (_, slope):
                return (slope, math.inf)
            case name:
                return _ACTIVATIONS[name]


@dataclass(frozen=True, slots=True)
class ConvSpec(Spec):
    """A convolution without its input: what a layer knows. Made by `build`.

    Attributes
    ----------
    padding : tuple of 4 int or "same"
        ``(top, bottom, left, right)``; "same" where that depends on the input.
    """

    padding: tuple[int, int, int, int] | Literal["same"]
    pad_mode: PadMode
    pad_value: float

    @classmethod
    @_kept
    def build(
        cls,
        dims: int,
        *,
        kernel_size: Any,
        in_channels: Any,
        out_channels: Any,
        dtype: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: Any,
        pad_mode: Any,
        pad_value: Any,
        activation: Any,
        channels_first: bool = False,
        groups_name: str = "groups",
    ) -> "ConvSpec":
        """The convolution that a caller's arguments describe, in normal form.

        `groups_name` is what the caller calls `groups`.

        Raises
        ------
        TypeError, ValueError
            The rule that an argument breaks, then its value.
        """
        shared = cls._checked(
            dims,
            kernel_size=kernel_size,
            in_channels=in_channels,
            out_channels=out_channels,
            dtype=dtype,
            stride=stride,
            dilation=dilation,
            groups=groups,
            activation=activation,
            channels_first=channels_first,
            kernel_name="kernel_size",
            groups_name=groups_name,
        )
        if not isinstance(pad_mode, str) or pad_mode not in get_args(PadMode):
            modes = ", ".join(map(repr, get_args(PadMode)))
            raise ValueError(f"pad_mode must be one of {modes}; got pad_mode={pad_mode!r}")
        pad_value = _real(pad_value, "pad_value", shared["dtype"])
        if pad_value != 0 and pad_mode != "constant":
            raise ValueError(
                "pad_value must be 0 unless pad_mode is 'constant'; "
                f"got pad_value={pad_value}, pad_mode={pad_mode!r}"
            )
        spec = cls(
            **shared,
            padding=_padding(padding, dims, shared["kernel"], shared["stride"], shared["dilation"]),
            pad_mode=pad_mode,  # type: ignore[arg-type]  # one of them, as was checked
            pad_value=pad_value,
        )
        _check_bytes("the filter", spec.weight_shape, spec.dtype)
        return spec

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the filter in the caller's layout."""
        kernel = self.kernel[-self.dims :]
        channels = (self.in_channels // self.groups, self.out_channels)
        return (*channels[::-1], *kernel) if self.channels_first else (*kernel, *channels)

    def weight_view(self, weight: NDArray[Any]) -> NDArray[Any]:
        """A filter in the caller's layout, seen as ``(kh, kw, in / groups, out)``."""
        if self.channels_first:
            weight = weight.transpose(*range(2, self.dims + 2), 1, 0)
        return weight if self.dims == 2 else weight[None]


@dataclass(frozen=True, slots=True)
class TransposedSpec(Spec):
    """A transposed convolution without its input: what a layer knows. Made by `build`.

    Attributes
    ----------
    padding : tuple of 4 int
        ``(top, bottom, left, right)``: outputs that are left out.
    output_padding : tuple of 2 int
        Outputs beyond those, at the bottom and on the right.
    """

    padding: tuple[int, int, int, int]
    output_padding: Pair

    @classmethod
    @_kept
    def build(
        cls,
        dims: int,
        *,
        kernel_size: Any,
        in_channels: Any,
        out_channels: Any,
        dtype: Any,
        stride: Any,
        padding: Any,
        output_padding: Any,
        dilation: Any,
        groups: Any,
        activation: Any,
        channels_first: bool = False,
        kernel_name: str = "kernel_size",
        groups_name: str = "groups",
    ) -> "TransposedSpec":
        """The transposed convolution that a caller's arguments describe, in normal form.

        1-D parameters may be in the form of 2-D ones that change nothing along the rows, as
        Modular MAX has them: a stride ``(1, s)``, a padding ``(0, 0, left, right)``.

        Raises
        ------
        TypeError, ValueError
            The rule that an argument breaks, then its value.
        """
        if dims == 1:
            stride, dilation = _columns(stride, (1,)), _columns(dilation, (1,))
            padding, output_padding = _columns(padding, (0, 0)), _columns(output_padding, (0,))
        shared = cls._checked(
            dims,
            kernel_size=kernel_size,
            in_channels=in_channels,
            out_channels=out_channels,
            dtype=dtype,
            stride=stride,
            dilation=dilation,
            groups=groups,
            activation=activation,
            channels_first=channels_first,
            kernel_name=kernel_name,
            groups_name=groups_name,
        )
        extra = _integers(output_padding, "output_padding", 0, (2,) if dims == 2 else ())
        spec = cls(
            **shared,
            padding=_sides(padding, dims),
            output_padding=(extra[0] if dims == 2 else 0, extra[-1]),
        )
        for more, s, d in zip(spec.output_padding, spec.stride, spec.dilation, strict=True):
            if more >= max(s, d):
                raise ValueError(
                    "output_padding must be less than stride or dilation; "
                    f"got output_padding={more}, stride={s}, dilation={d}"
                )
        _check_bytes("the filter", spec.weight_shape, spec.dtype)
        return spec

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the filter in the caller's layout."""
        kernel = self.kernel[-self.dims :]
        channels = (self.out_channels // self.groups, self.in_channels)
        return (*channels[::-1], *kernel) if self.channels_first else (*kernel, *channels)

    def weight_view(self, weight: NDArray[Any]) -> NDArray[Any]:
        """A filter in the caller's layout, seen as ``(kh, kw, out / groups, in)``."""
        if self.channels_first:
            weight = weight.transpose(*range(2, self.dims + 2), 1, 0)
        return weight if self.dims == 2 else weight[None]


@dataclass(frozen=True, slots=True, init=False, repr=False, eq=False)
class Problem:
    """What `ConvProblem` and `TransposedProblem` share.

    Attributes
    ----------
    spec : ConvSpec or TransposedSpec
    shape, result_shape : tuple of int
        Of the input and the result, as the caller sees them.
    input_shape, output_shape : tuple of 4 int
        The same as ``(n, h, w, c)``.
    padding : tuple of 4 int
        ``(top, bottom, left, right)``, with "same" resolved.
    """

    spec: Spec
    shape: tuple[int, ...]
    result_shape: tuple[int, ...]
    input_shape: tuple[int, int, int, int]
    output_shape: tuple[int, int, int, int]
    padding: tuple[int, int, int, int]

    def view(self, array: NDArray[Any]) -> NDArray[Any]:
        """An input or result in the caller's layout, seen as ``(n, h, w, c)``."""
        spec = self.spec
        if array.ndim == spec.dims + 1:
            array = array[None]
        if spec.channels_first:
            array = array.transpose((0, 2, 3, 1) if spec.dims == 2 else (0, 2, 1))
        return array if spec.dims == 2 else array[:, None]


def _input(spec: Spec, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The shape of an input as ``(n, h, w, c)``, checked."""
    n, h, w, c = nhwc(shape, spec.dims, spec.channels_first)
    if c != spec.in_channels:
        raise ValueError(
            f"x must have in_channels={spec.in_channels} channels; got {c}, x.shape={shape}"
        )
    _check_bytes("x", shape, spec.dtype)
    return (n, h, w, c)


@dataclass(frozen=True, slots=True)
class ConvProblem(Problem):
    """A convolution of an input of one shape. Made by `build`."""

    spec: ConvSpec

    @classmethod
    @lru_cache(256)
    def build(cls, spec: ConvSpec, shape: tuple[int, ...]) -> "ConvProblem":
        """The problem that `spec` poses for an input of `shape`.

        The output has ``(size + padding - dilation * (kernel - 1) - 1) // stride + 1`` pixels per
        axis (Dumoulin & Visin, "A guide to convolution arithmetic", arXiv:1603.07285).

        Raises
        ------
        ValueError
            If the shape has the wrong axes or channels, the kernel is larger than the padded
            input, there is nothing to pad from, or a size overflows.
        """
        n, h, w, c = _input(spec, shape)
        if spec.padding == "same":
            rows, columns = map(_same, (h, w), spec.kernel, spec.stride, spec.dilation)
            padding = (*rows, *columns)
        else:
            padding = spec.padding
        padded = (h + sum(padding[:2]), w + sum(padding[2:]))
        kernel = [(k - 1) * d + 1 for k, d in zip(spec.kernel, spec.dilation, strict=True)]
        if padded[0] < kernel[0] or padded[1] < kernel[1]:
            raise ValueError(
                "kernel larger than the padded input; got dilated kernel "
                f"{tuple(kernel[-spec.dims :])}, padded input {padded[-spec.dims :]}"
            )
        if spec.pad_mode != "constant" and 0 in (h, w):
            raise ValueError(
                f"pad_mode={spec.pad_mode!r} needs an input that is not empty; got x.shape={shape}"
            )
        oh, ow = ((p - k) // s + 1 for p, k, s in zip(padded, kernel, spec.stride, strict=True))
        result_shape = spec.result_shape(shape, (oh, ow))
        output_shape = (n, oh, ow, spec.out_channels)
        return cls(spec, shape, result_shape, (n, h, w, c), output_shape, padding)

    def index_maps(self) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
        """The source row and column of each padded row and column, as `numpy.pad` has them.

        None and None where padding is constant, or there is none.
        """
        mode = self.spec.pad_mode
        if mode == "constant" or not any(self.padding):
            return None, None
        _, h, w, _ = self.input_shape
        top, bottom, left, right = self.padding
        rows = np.pad(np.arange(h, dtype=np.int64), (top, bottom), mode=mode)
        return rows, np.pad(np.arange(w, dtype=np.int64), (left, right), mode=mode)


@dataclass(frozen=True, slots=True)
class TransposedProblem(Problem):
    """A transposed convolution of an input of one shape. Made by `build`."""

    spec: TransposedSpec

    @classmethod
    @lru_cache(256)
    def build(
        cls, spec: TransposedSpec, shape: tuple[int, ...], output_size: Pair | None = None
    ) -> "TransposedProblem":
        """The problem that `spec` poses for an input of `shape`.

        The output has ``(size - 1) * stride - padding + dilation * (kernel - 1) + output_padding +
        1`` pixels per axis, or `output_size`: then what no input reaches is the bias, and what is
        beyond is left out.

        Raises
        ------
        ValueError
            If the shape has the wrong axes or channels, padding leaves nothing of the output, or a
            size overflows.
        """
        n, h, w, c = _input(spec, shape)
        if output_size is None:
            sides = (sum(spec.padding[:2]), sum(spec.padding[2:]))
            axes = ((h, w), spec.kernel, spec.stride, spec.dilation, sides, spec.output_padding)
            whole = [
                ((size - 1) * s + d * (k - 1) + more + 1, padding)
                for size, k, s, d, padding, more in zip(*axes, strict=True)
            ]
            oh, ow = (size - padding for size, padding in whole)
            if oh < 1 or ow < 1:
                sizes, paddings = zip(*whole, strict=True)
                raise ValueError(
                    "padding must leave some of the output; got output "
                    f"{sizes[-spec.dims :]}, padding of both sides {paddings[-spec.dims :]}"
                )
        else:
            oh, ow = output_size
        result_shape = spec.result_shape(shape, (oh, ow))
        output_shape = (n, oh, ow, spec.out_channels)
        return cls(spec, shape, result_shape, (n, h, w, c), output_shape, spec.padding)


def pose(
    spec: ConvSpec | TransposedSpec, shape: tuple[int, ...]
) -> ConvProblem | TransposedProblem:
    """The problem that `spec` poses for an input of `shape`; errors as `build` has them."""
    if isinstance(spec, ConvSpec):
        return ConvProblem.build(spec, shape)
    return TransposedProblem.build(spec, shape)
