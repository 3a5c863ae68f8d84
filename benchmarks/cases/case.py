"""One convolution layer of a published network, its input included."""

from __future__ import annotations

import math
import zlib
from dataclasses import asdict, dataclass, fields, replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Case:
    """A layer and the input it gets; all arrays are channels-last.

    Attributes
    ----------
    size, kernel, stride, dilation, output_padding : tuple of int
        Per axis: (height, width), or (length,).
    padding : tuple of (int, int)
        Before and after, per axis.
    tags : tuple of str
        The groups that the case belongs to.
    source : str
        Where the layer is published.
    gradients : bool
        Whether a call also computes those of the input, the weight and the bias.
    """

    name: str
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    in_channels: int
    out_channels: int
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...]
    groups: int = 1
    transposed: bool = False
    batch: int = 1
    tags: tuple[str, ...] = ()
    source: str = ""
    gradients: bool = False

    @property
    def dims(self) -> int:
        """1 or 2."""
        return len(self.size)

    @property
    def output_size(self) -> tuple[int, ...]:
        """Pixels of the output, per axis."""
        axes = zip(self.size, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        if self.transposed:
            return tuple(
                (n - 1) * s - sum(p) + d * (k - 1) + extra + 1
                for (n, k, s, p, d), extra in zip(axes, self.output_padding, strict=True)
            )
        return tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(n, *size, in_channels)."""
        return (self.batch, *self.size, self.in_channels)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(n, *output_size, out_channels)."""
        return (self.batch, *self.output_size, self.out_channels)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """(*kernel, in / groups, out); transposed (*kernel, out / groups, in)."""
        channels = (self.in_channels, self.out_channels)
        inner, outer = channels[::-1] if self.transposed else channels
        return (*self.kernel, inner // self.groups, outer)

    @property
    def reduction(self) -> float:
        """Products that each output sums; transposed: on average, away from the borders."""
        taps = math.prod(self.kernel) * self.in_channels // self.groups
        return taps / math.prod(self.stride) if self.transposed else taps

    @property
    def multiplications(self) -> int:
        """Of the definition, those with padding included; each is two operations.

        The gradients of the input and of the weight have as many each.
        """
        pixels = math.prod(self.size if self.transposed else self.output_size)
        return (1 + 2 * self.gradients) * self.batch * pixels * math.prod(self.weight_shape)

    def minimal_bytes(self, itemsize: int) -> int:
        """Bytes of the input, the filter, the bias and the output, each once; of gradients too."""
        shapes = (self.input_shape, self.weight_shape, (self.out_channels,), self.output_shape)
        return (1 + self.gradients) * itemsize * sum(math.prod(shape) for shape in shapes)

    @property
    def ends(self) -> tuple[int, ...]:
        """Where the parts of a result end, but for the last.

        With gradients these are, one after another: the output, then the gradients of the input,
        the weight and the bias.
        """
        if not self.gradients:
            return ()
        shapes = (self.output_shape, self.input_shape, self.weight_shape)
        return tuple(accumulate(map(math.prod, shapes)))

    def with_batch(self, batch: int) -> Case:
        """The same layer for `batch` images; the name says so where they are several."""
        base = self.name.removesuffix(f" n{self.batch}")
        return replace(self, name=base if batch == 1 else f"{base} n{batch}", batch=batch)

    def with_gradients(self) -> Case:
        """The same layer in training; the name says so."""
        return replace(self, name=f"{self.name} gradients", gradients=True)

    def arrays(self, dtype: str) -> tuple[FloatArray, ...]:
        """Input, weight and bias, with gradients that of the output: normal, of the name's seed.

        The weight is scaled so that the output has about unit variance too.
        """
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        x = rng.standard_normal(self.input_shape, np.float32).astype(dtype)
        weight = rng.standard_normal(self.weight_shape, np.float32).astype(dtype)
        weight /= np.sqrt(self.reduction).astype(dtype)
        bias = rng.standard_normal(self.out_channels, np.float32).astype(dtype)
        if not self.gradients:
            return x, weight, bias
        return x, weight, bias, rng.standard_normal(self.output_shape, np.float32).astype(dtype)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Case:
        """What `to_dict` gave, read back from JSON."""

        def frozen(value: Any) -> Any:
            return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value

        known = {field.name for field in fields(cls)}
        return cls(**{name: frozen(value) for name, value in values.items() if name in known})
