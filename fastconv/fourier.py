"""Long filters along one axis by the Fourier transform, in blocks: the driver of "fourier".

The row is cut into blocks of N inputs that overlap by k - 1 (overlap-save: Oppenheim & Schafer,
Discrete-Time Signal Processing, 3rd ed., section 8.7.3). A block's transform, times the conjugate
of the filter's, is that of its circular correlation with the filter, of which the first N - k + 1
outputs do not wrap around. `numpy.fft` transforms; between, each frequency is a matrix product over
channels. With real and imaginary parts as channels these are a 1x1 convolution with a group for
each frequency, and its pixels are the blocks: the direct or the lanewise driver computes it.

An item is up to `MOST_BLOCKS` blocks x a chunk of groups, the unit that threads take. Items depend
on the problem alone, so threads do not change a bit. NumPy's transforms release the GIL.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._native import direct, lanewise
from ._native import plan as native
from ._native.packing import Filter
from .arrays import FloatArray, empty

LEAST_TAPS = 24
MOST_SPECTRUM = 256  # MiB of a packed filter: it has several times the bytes of the filter
LEAST_LENGTH, LEAST_ELEMENTS = 1 << 10, 1 << 14  # of a block, unless it is the other
MOST_BLOCKS = 8  # of an item: for so many the products' filter is read once
MOST_BYTES = 1 << 22  # of the inputs of an item, if a group and a block have no more
ITEMS = 4  # of a call, where there are blocks enough

# Cycles of one core (Intel Xeon, Cascade Lake), for elements of 4 and 8 bytes: of a transform, for
# an element and a binary logarithm of the length; of copying an element. Of reading a byte of the
# products' filter; of the calls from Python of a call, an item, a block; of a further thread.
TRANSFORM, COPY = {4: 0.6, 8: 1.0}, {4: 4.0, 8: 6.0}
READ, CALL, ITEM, BLOCK, THREAD = 0.15, 400_000.0, 100_000.0, 25_000.0, 1_500_000.0
LEAST_WORK = 4  # that a further thread is worth, in its own cost: they hand the GIL to each other
PLANNING = 2  # transforms that NumPy's preparation of those of a block takes as long as

DRIVERS = {"dense": direct.Plan, "lanewise": lanewise.Plan}  # of products, by the filter's form


def block_length(taps: int, channels: int) -> int:
    """Inputs of a block: a power of 2 at least 3 times the filter, so most outputs are kept.

    And so many that those of all channels are worth calling NumPy.
    """
    least = min(LEAST_LENGTH, LEAST_ELEMENTS // channels)
    return 1 << (max(3 * taps, least) - 1).bit_length()


class Sizes(NamedTuple):
    """What a packed filter knows of its convolution: groups, taps, channels of a group."""

    groups: int
    taps: int
    inputs: int
    outputs: int


class Spectrum:
    """The packed form of a filter for one level: its spectrum as filters of 1x1 convolutions.

    Attributes
    ----------
    length : int
        Of a block.
    edges : list of int
        The first group of each chunk, and the number of groups.
    parts : list of Filter
        One for each chunk.
    """

    def __init__(self, sizes: Sizes, dtype: np.dtype[Any], level: str) -> None:
        self.sizes, self.dtype, self.level = sizes, dtype, level
        self.length = block_length(sizes.taps, sizes.groups * sizes.inputs)
        chunk = max(1, min(sizes.groups, MOST_BYTES // (2 * MOST_BLOCKS * self.block_bytes(1))))
        self.edges = [*range(0, sizes.groups, chunk), sizes.groups]
        cycles = {form: self._cost(chunk, form) for form in DRIVERS}
        self.form = min(cycles, key=lambda form: cycles[form])
        self.parts = [self._filter(b - a, self.form) for a, b in pairwise(self.edges)]
        self._plans: dict[tuple[int, int], native.Plan] = {}
        self.bias: FloatArray | None = None

    def block_bytes(self, groups: int) -> int:
        """Of the inputs or outputs of a block, whichever are more."""
        _, _, inputs, outputs = self.sizes
        return self.length * max(inputs, outputs) * groups * self.dtype.itemsize

    def _filter(self, groups: int, form: str) -> Filter:
        """Of the products of so many groups, still empty."""
        _, _, inputs, outputs = self.sizes
        number = groups * self.frequencies
        shape = (1, 1, 2 * inputs, 2 * outputs * number)
        return Filter(shape, number, form, self.dtype.itemsize, self.level)

    def _plan(self, packed: Filter, groups: int, blocks: int, form: str) -> native.Plan:
        """For the products of so many blocks."""
        shape = (1, 1, blocks, 2 * self.sizes.inputs * groups * self.frequencies)
        one = (1, 1)
        rest = ((1, blocks), one, (0, 0), one, 0.0, None, None, None)
        return DRIVERS[form](packed, shape, *rest)

    def _cost(self, groups: int, form: str) -> float:
        return self._plan(self._filter(groups, form), groups, MOST_BLOCKS, form).cost(1)

    def products(self, chunk: int, blocks: int) -> native.Plan:
        """The plan that multiplies the spectra of a chunk of so many blocks."""
        a, b = self.edges[chunk : chunk + 2]
        plan = self._plans.get((chunk, blocks))
        if plan is None:
            plan = self._plan(self.parts[chunk], b - a, blocks, self.form)
            self._plans[chunk, blocks] = plan
        return plan

    @property
    def frequencies(self) -> int:
        """Of the spectrum of a real block."""
        return self.length // 2 + 1

    @property
    def nbytes(self) -> int:
        """Bytes of the packed form."""
        return sum(part.nbytes for part in self.parts)

    @property
    def packed(self) -> bool:
        """Whether `pack` was called."""
        return self.parts[-1].packed

    def pack(self, weight: FloatArray, bias: FloatArray | None, num_threads: int) -> None:
        """Fill it from ``(k, in / groups, out)`` of any strides; it is rounded once."""
        _, _, inputs, outputs = self.sizes
        self.bias = None if bias is None else bias.copy()
        for (a, b), part in zip(pairwise(self.edges), self.parts, strict=True):
            filters = weight[:, :, a * outputs : b * outputs].astype(np.float64)
            matrix = np.empty((inputs, 2, self.frequencies, (b - a) * outputs, 2), self.dtype)
            for c in range(inputs):
                # not scaled, as both transforms of a block are
                spectrum = np.fft.rfft(filters[:, c], self.length, axis=0)
                spectrum *= self.length
                matrix[c, 0, ..., 0] = matrix[c, 1, ..., 1] = spectrum.real
                matrix[c, 1, ..., 0] = spectrum.imag
                np.negative(spectrum.imag, out=matrix[c, 0, ..., 1], casting="same_kind")
            part.pack(matrix.reshape(1, 1, 2 * inputs, -1), None, num_threads)


class Plan:
    """A spectrum bound to one input shape. Any number of threads may run it at once.

    Its arguments are those of the native plans, stride and dilation left out; the filter lies along
    the columns.
    """

    def __init__(
        self,
        filter: Spectrum,
        input_shape: tuple[int, int, int, int],
        output_size: tuple[int, int],
        padding: tuple[int, int],
        pad_value: float,
        row_map: NDArray[np.int64] | None,
        col_map: NDArray[np.int64] | None,
        activation: tuple[float, float] | None,
    ) -> None:
        self.filter = filter
        self.input_shape, self.output_size, self.padding = input_shape, output_size, padding
        self.pad_value, self.row_map, self.col_map = pad_value, row_map, col_map
        self.activation = activation
        self.step = filter.length - filter.sizes.taps + 1
        self.row_blocks = -(-output_size[1] // self.step)
        self.blocks = input_shape[0] * output_size[0] * self.row_blocks
        self.chunk, chunks = filter.edges[1], len(filter.parts)
        most = max(1, min(MOST_BLOCKS, MOST_BYTES // filter.block_bytes(self.chunk)))
        cuts = -(-self.blocks // most)
        if filter.form == "lanewise":  # its products take few of the cycles
            cuts = max(cuts, min(self.blocks, ITEMS // chunks))
        self.item_blocks = max(1, -(-self.blocks // max(cuts, 1)))
        self.items = chunks * -(-self.blocks // self.item_blocks)
        most = self.items * filter.products(0, self.item_blocks).worthwhile_threads
        self.worthwhile_threads = max(1, min(most, int(self.cost(1) / (LEAST_WORK * THREAD))))

    def cost(self, num_threads: int) -> float:
        """Estimated cycles of a call, contiguous arrays given."""
        packed, itemsize = self.filter, self.filter.dtype.itemsize
        _, _, inputs, outputs = packed.sizes
        channels = self.chunk * (inputs + outputs)
        per_log = TRANSFORM[itemsize] * (channels + 2 * PLANNING)
        block = packed.length * (per_log * math.log2(packed.length) + COPY[itemsize] * channels)
        products = packed.products(0, self.item_blocks).cost(1) + READ * packed.parts[0].nbytes
        workers = 1 if num_threads == 1 else self._workers(num_threads)
        item = ITEM + self.item_blocks * (BLOCK + block) + products / (num_threads // workers)
        return float(CALL + -(-self.items // workers) * item + (workers - 1) * THREAD)

    def _workers(self, num_threads: int) -> int:
        """Python's threads in a call: also of those asked for no more than gain time."""
        return min(num_threads, self.items, self.worthwhile_threads)

    def workspace(self, num_threads: int) -> int:
        """Bytes of workspace per thread."""
        _, _, inputs, outputs = self.filter.sizes
        channels = self.chunk * (inputs + outputs)
        elements = self.filter.length + 2 * self.filter.frequencies
        return int(self.item_blocks * elements * channels * self.filter.dtype.itemsize)

    def run(
        self, x: FloatArray, out: FloatArray, residual: FloatArray | None, num_threads: int
    ) -> None:
        """Convolve ``(n, h, w, c)`` views of any strides."""
        self.profile(x, out, residual, num_threads, np.zeros((num_threads, 4)))

    def profile(
        self,
        x: FloatArray,
        out: FloatArray,
        residual: FloatArray | None,
        num_threads: int,
        times: NDArray[np.float64],
    ) -> None:
        """`run`, adding the seconds of each worker in each of four phases to `times`."""
        workers = self._workers(num_threads)
        items = iter(range(self.items))  # each worker takes the next

        def work(worker: int) -> None:
            memory = Memory(self)
            with np.errstate(all="ignore"):
                for item in items:
                    self._item(
                        item, num_threads // workers, memory, x, out, residual, times[worker]
                    )

        if workers == 1:
            work(0)
            return
        from concurrent.futures import ThreadPoolExecutor  # which takes long to import

        with ThreadPoolExecutor(workers - 1) as pool:
            others = pool.map(work, range(1, workers))
            work(0)
            list(others)

    def _item(
        self,
        item: int,
        num_threads: int,
        memory: "Memory",
        x: FloatArray,
        out: FloatArray,
        residual: FloatArray | None,
        times: NDArray[np.float64],
    ) -> None:
        packed = self.filter
        first, chunk = divmod(item, len(packed.parts))
        first *= self.item_blocks
        last = min(first + self.item_blocks, self.blocks)
        a, b = packed.edges[chunk : chunk + 2]
        read, written = (slice(a * n, b * n) for n in packed.sizes[2:])
        places = list(self._places(first, last))
        image, spectra, results, correlated = memory.of(last - first, b - a)

        laps = [perf_counter()]
        for block, (n, row, start) in zip(image, places, strict=True):
            self._fill(block, x[n, :, :, read], row, start)
        laps.append(perf_counter())
        # scaled by 1 / N: without any scaling NumPy's float32 transform goes by way of float64
        np.fft.rfft(image, axis=1, norm="forward", out=spectra)
        laps.append(perf_counter())
        flat = (array.reshape(1, 1, last - first, -1) for array in (spectra, results))
        parts, products = (array.view(packed.dtype) for array in flat)
        packed.products(chunk, last - first).run(parts, products, None, num_threads)
        laps.append(perf_counter())
        np.fft.irfft(results, packed.length, axis=1, out=correlated)
        for block, (n, row, start) in zip(correlated, places, strict=True):
            place = (n, row, slice(start, min(start + self.step, self.output_size[1])))
            y = block[: place[2].stop - start]
            self._finish(y, written, None if residual is None else residual[place][:, written])
            if out.ndim > 4:  # its channels in runs, and then all are of one group
                out[place] = y.reshape(len(y), *out.shape[3:])
            else:
                out[place][:, written] = y
        laps.append(perf_counter())
        times += np.diff(laps)

    def _places(self, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """Image, row and first column of the outputs of each block."""
        for block in range(first, last):
            line, column = divmod(block, self.row_blocks)
            n, row = divmod(line, self.output_size[0])
            yield n, row, column * self.step

    def _fill(self, block: FloatArray, x: FloatArray, row: int, start: int) -> None:
        """Copy the inputs of a block from an image ``(h, w, c)``, padded; what follows is zero."""
        height, width, _ = x.shape
        top, left = self.padding
        columns = self.output_size[1] + self.filter.sizes.taps - 1
        count = min(len(block), columns - start)
        source = row - top if self.row_map is None else self.row_map[row]
        if not 0 <= source < height:
            block[:count] = self.pad_value
        elif self.col_map is not None:
            block[:count] = x[source, self.col_map[start : start + count]]
        else:
            begin, end = (min(max(i - start, 0), count) for i in (left, left + width))
            block[:begin] = self.pad_value
            block[begin:end] = x[source, start + begin - left : start + end - left]
            block[end:count] = self.pad_value
        block[count:] = 0

    def _finish(self, y: FloatArray, written: slice, residual: FloatArray | None) -> None:
        """Bias, residual and activation."""
        if self.filter.bias is not None:
            y += self.filter.bias[written]
        if residual is not None:
            y += residual
        if self.activation is None:
            return
        slope, upper = self.activation
        if slope == 0:
            np.maximum(y, 0, out=y)
        else:
            np.multiply(y, y.dtype.type(slope), out=y, where=y < 0)
        if upper < math.inf:
            np.minimum(y, y.dtype.type(upper), out=y)


class Memory:
    """A thread's workspace: blocks of inputs, their spectra, those of outputs, and outputs."""

    def __init__(self, plan: Plan) -> None:
        self.filter = plan.filter
        real, complex_ = plan.filter.dtype, np.result_type(plan.filter.dtype, 1j)
        self.arrays = [
            empty((math.prod(shape),), dtype)
            for shape, dtype in zip(
                self._shapes(plan.item_blocks, plan.chunk),
                (real, complex_, complex_, real),
                strict=True,
            )
        ]

    def of(self, blocks: int, groups: int) -> list[NDArray[Any]]:
        """The four arrays for so many blocks and groups, as ``(blocks, length, channels)``."""
        shapes = self._shapes(blocks, groups)
        return [
            array[: math.prod(shape)].reshape(shape)
            for array, shape in zip(self.arrays, shapes, strict=True)
        ]

    def _shapes(self, blocks: int, groups: int) -> list[tuple[int, int, int]]:
        _, _, inputs, outputs = self.filter.sizes
        length, frequencies = self.filter.length, self.filter.frequencies
        return [
            (blocks, long, groups * channels)
            for long, channels in (
                (length, inputs),
                (frequencies, inputs),
                (frequencies, outputs),
                (length, outputs),
            )
        ]
