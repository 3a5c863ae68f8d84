"""Filters in the order in which the register tile reads them."""
from cpython.buffer cimport PyBUF_STRIDES, PyObject_GetBuffer, PyBuffer_Release
from cython.parallel cimport prange, threadid
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from fastconv._native.levels cimport (
    FC_MAX_DOTS, FC_ONE, FC_ONE_AND_HALF, FC_ONE_AND_SHORT, FC_TWO, fc_winograd_filter, find_table,
    l2_bytes, multiply_cycles,
)
from fastconv._native.memory cimport (
    allocate, give_block, give_workspace, take_block, take_workspace,
)


cdef enum:
    PART_BYTES = 512   # of a pixel's inputs in the deep form
    TRANSFORMED = 16   # inputs whose filters are transformed at a time,
    PACKED = 32        # or copied


cdef class Filter:
    """The packed form of a filter and bias for one level, empty until `pack` fills it, once.

    [group][slab][part][kh][kw][in][vectors][lanes]; the inputs are in one part, but in the deep form,
    where slabs are whole, in several. The slabs of a group: as many of two vectors as there
    are, then one of one vector if that is left over. Where half a vector is enough for the last
    channels, the last slab is one of one and a half vectors, whose half stands twice, unless wide
    slabs are worked through in parts. Lanes without an output channel are zero. The bias is packed
    as a filter of one tap and one input. The transformed form has Winograd's products for rows and
    its pieces for taps, of a filter with rows and columns of its own. The lanewise form is
    [vector][kh][in][kw][lanes], a slab one vector that holds as many groups as fit, all in one set;
    or where a group needs several, the group is a set. Channels that are each a group of one output
    stand in it as often as they fit. The dot form is
    [group][slab][kh][run in vectors][outputs][lanes], a slab up to four outputs; the run has all
    taps of a filter row and their inputs.
    """

    def __cinit__(self, shape, ptrdiff_t groups, str form, int itemsize, str level):
        cdef ptrdiff_t vectors, width
        self.table = find_table(level, itemsize)
        self.level = level
        self.kh, self.kw, self.depth, self.out_channels = shape
        self.lanewise = form == "lanewise"
        width = self.out_channels // groups
        self.sets = 1 if self.lanewise and width <= self.table.lanes else groups
        self.set_width = self.out_channels // self.sets
        self.parts = self.row_parts = self.depth_parts = self.repeats = 1
        self.dot = form == "dot"
        if self.dot:
            self.slab_width = min(width, FC_MAX_DOTS)
            self.slabs = ceil_div(width, self.slab_width)
            self.nbytes = self.out_channels * self.reduction() * itemsize
            return
        if self.lanewise:
            self.slab_width = min(
                width * max(1, self.table.lanes // max(width, self.depth)), self.table.lanes)
            vectors = ceil_div(self.set_width, self.slab_width)
            if width == 1 and self.depth == 1:
                self.repeats = max(1, self.table.lanes // groups)
        else:
            self.slab_width = self.table.lanes * self.table.vectors
            vectors = ceil_div(self.set_width, self.table.lanes)
        if (form == "deep" and width % self.slab_width == 0
                and self.depth * itemsize % PART_BYTES == 0):
            self.depth_parts = self.depth * itemsize // PART_BYTES
        elif form in ("dense", "deep"):
            self.parts = ceil_div(
                self.reduction() * self.slab_width * itemsize, l2_bytes() // 4)
            if self.parts > self.kh:
                self.row_parts = min(self.kw, ceil_div(self.parts, self.kh))
                self.parts = self.kh * self.row_parts
        if not self.lanewise:
            self.halves = vectors > 1 and self.parts == 1 and (
                2 * self.set_width <= (2 * vectors - 1) * self.table.lanes)
            vectors -= 2 * self.halves
            self.twos = vectors // 2
        self.slabs = vectors - self.twos + self.halves
        self.nbytes = self.sets * self.padded_width() * self.reduction() * itemsize

    def __dealloc__(self):
        give_block(self.memory, self.nbytes)
        free(self.bias)

    @property
    def packed(self):
        return self.memory != NULL

    def pack(self, weight, bias, int num_threads, transform=None):
        """Fill it from (kh, kw, in, out) of any strides, unless another thread was first.

        `transform`: which of the level's.
        """
        cdef Py_buffer view
        cdef Py_ssize_t bias_strides[4]
        cdef size_t bias_bytes = self.sets * self.padded_width() * self.table.itemsize
        cdef char *memory
        cdef char *packed_bias
        cdef ptrdiff_t item = self.table.itemsize
        if self.memory != NULL:
            return
        PyObject_GetBuffer(weight, &view, PyBUF_STRIDES)
        try:
            memory = take_block(self.nbytes)
            packed_bias = allocate(bias_bytes)
            memset(packed_bias, 0, bias_bytes)
            if transform is None:
                self._pack(memory, <const char *>view.buf, view.strides,
                           self.kh, self.kw, self.depth, num_threads)
            else:
                self._transform(memory, &view, transform, num_threads)
        finally:
            PyBuffer_Release(&view)
        if bias is not None:
            PyObject_GetBuffer(bias, &view, PyBUF_STRIDES)
            bias_strides[0] = bias_strides[1] = bias_strides[2] = 0   # one tap, one input
            bias_strides[3] = view.strides[0]
            if self.dot:
                self.table.copy(packed_bias, item, item, <const char *>view.buf, bias_strides[3],
                                item, self.out_channels, 1)
            else:
                self._pack(packed_bias, <const char *>view.buf, bias_strides, 1, 1, 1, 1)
            PyBuffer_Release(&view)
        if self.memory == NULL:
            self.bias = packed_bias
            self.memory = memory
        else:
            give_block(memory, self.nbytes)
            free(packed_bias)

    def tobytes(self):
        """A copy of the packed filter."""
        return self.memory[:self.nbytes] if self.packed else b""

    cdef ptrdiff_t padded_width(self) noexcept nogil:
        """Lanes of a set's vectors."""
        if self.dot:
            return self.set_width
        if self.lanewise:
            return self.slabs * self.table.lanes
        return ceil_div(self.set_width, self.table.lanes) * self.table.lanes

    cdef double slab_vectors(self) noexcept nogil:
        """Vectors of a slab, in the mean."""
        return <double>self.padded_width() / (self.table.lanes * self.slabs)

    cdef ptrdiff_t reduction(self) noexcept nogil:
        """Packed elements of an output channel, those that fill up vectors included."""
        if self.dot:
            return self.kh * ceil_div(self.kw * self.depth, self.table.lanes) * self.table.lanes
        return self.kh * self.kw * self.depth

    cdef ptrdiff_t start(self, ptrdiff_t j) noexcept nogil:
        """The first output channel of slab j in its set."""
        return j * self.slab_width if self.lanewise or self.dot else (min(j, self.twos) + j) * self.table.lanes

    cdef ptrdiff_t width(self, ptrdiff_t j) noexcept nogil:
        """Output channels of slab j."""
        return (self.set_width if j == self.slabs - 1 else self.start(j + 1)) - self.start(j)

    cdef ptrdiff_t position(self, ptrdiff_t s, ptrdiff_t j) noexcept nogil:
        """Bytes from the packed bias to that of slab j of a set; the filter's are `reduction` times
        as many."""
        cdef ptrdiff_t first = self.start(j) if self.dot else (
            (min(j, self.twos) + j) * self.table.lanes)
        return (s * self.padded_width() + first) * self.table.itemsize

    cdef int form(self, ptrdiff_t j) noexcept nogil:
        """How wide the dense register tile of slab j is."""
        if self.halves and j == self.slabs - 1:
            if multiply_cycles(self.table) >= 1 and self.table.dense[FC_ONE_AND_SHORT][0] != NULL:
                return FC_ONE_AND_SHORT   # as joining took what multiplies, too
            return FC_ONE_AND_HALF
        return FC_TWO if self.width(j) > self.table.lanes else FC_ONE

    cdef void _pack(self, char *dst, const char *weight, const Py_ssize_t *strides, ptrdiff_t kh,
                    ptrdiff_t kw, ptrdiff_t depth, int num_threads) noexcept nogil:
        cdef ptrdiff_t i, whole = 0, rest, blocks
        cdef ptrdiff_t parts = self.depth_parts if depth == self.depth else 1   # a bias: 1
        depth //= parts
        if strides[3] == self.table.itemsize and not self.dot:
            whole = self.set_width // self.slab_width
            if not self.lanewise:
                whole = min(whole, self.twos)
            elif self.slab_width < self.table.lanes:
                whole = 0
        if whole:
            blocks = ceil_div(depth, PACKED)
            for i in prange(self.sets * parts * kh * kw * blocks, schedule="static",
                            num_threads=num_threads):
                self._pack_inputs(i // blocks, i % blocks * PACKED, whole, parts, dst, weight, strides,
                                  kh, kw, depth)
        rest = self.slabs - whole
        for i in prange(self.sets * rest, schedule="static", num_threads=num_threads):
            if self.dot:
                self._pack_dots(i // rest, i % rest, dst, weight, strides)
            else:
                self._pack_slab(i // rest, whole + i % rest, parts, dst, weight, strides, kh, kw,
                                depth)

    cdef void _pack_inputs(self, ptrdiff_t i, ptrdiff_t first, ptrdiff_t slabs, ptrdiff_t parts,
                           char *dst, const char *weight, const Py_ssize_t *strides, ptrdiff_t kh,
                           ptrdiff_t kw, ptrdiff_t depth) noexcept nogil:
        """Copy some inputs of the i-th tap, counted over all sets and parts of `depth` inputs, to the
        first slabs, which are whole.

        So a filter is read in the order in which it lies.
        """
        cdef ptrdiff_t item = self.table.itemsize, pixel = self.slab_width * item
        cdef ptrdiff_t tap = i % (kh * kw), part = i // (kh * kw) % parts, s = i // (kh * kw) // parts
        cdef ptrdiff_t step = pixel, slab = kh * kw * parts * depth * pixel
        dst += self.position(s, 0) * kh * kw * parts * depth
        if self.lanewise:
            step = kw * pixel
            dst += (tap // kw * depth * kw + tap % kw) * pixel
        else:
            dst += (part * kh * kw + tap) * depth * pixel
        dst += first * step
        weight += (tap // kw * strides[0] + tap % kw * strides[1] + s * self.set_width * strides[3]
                   + (part * depth + first) * strides[2])
        for _ in range(min(depth - first, PACKED)):
            self.table.copy(dst, slab, item, weight, pixel, item, slabs, self.slab_width)
            dst += step
            weight += strides[2]

    cdef int _transform(self, char *dst, const Py_buffer *weight, int kind,
                        int num_threads) except -1:
        cdef Transform t
        cdef size_t size
        cdef char *work
        cdef ptrdiff_t i
        t.kind = &self.table.winograd[kind]
        t.rows, t.cols = t.kind.taps if t.kind.n_h > 1 else 1, t.kind.taps
        t.across = ceil_div(weight.shape[1], t.cols)
        t.blocks = ceil_div(self.depth, TRANSFORMED)
        t.bytes = t.rows * t.cols * TRANSFORMED * self.slab_width * self.table.itemsize
        work = take_workspace(num_threads * t.bytes, &size)
        for i in prange(self.sets * self.slabs * t.blocks, nogil=True, schedule="static",
                        num_threads=num_threads):
            self._transform_block(&t, i // t.blocks, i % t.blocks * TRANSFORMED, dst, weight,
                                  work + threadid() * t.bytes)
        give_workspace(work, size)
        return 0

    cdef void _transform_block(self, const Transform *t, ptrdiff_t slab, ptrdiff_t first,
                               char *dst, const Py_buffer *weight, char *work) noexcept nogil:
        """Transform some inputs of a slab. Taps that do not lie as they should are gathered before."""
        cdef ptrdiff_t s = slab // self.slabs, j = slab % self.slabs, p, r, k
        cdef ptrdiff_t inputs = min(self.depth - first, TRANSFORMED)
        cdef ptrdiff_t pixel = self._pixel(j), tap = inputs * pixel, given_rows, given_cols
        cdef const Py_ssize_t *strides = weight.strides
        cdef const char *src
        cdef bint complete   # no taps of a piece are missing
        cdef bint whole = strides[3] == self.table.itemsize and (
            self.width(j) * self.table.itemsize == pixel)
        cdef fc_winograd_filter f
        f.inputs, f.bytes = inputs, pixel
        f.out_product = self.kw * self.depth * pixel
        for p in range(self.kw):
            r, k = p // t.across * t.rows, p % t.across * t.cols
            given_rows = min(t.rows, weight.shape[0] - r)
            given_cols = min(t.cols, weight.shape[1] - k)
            src = (<const char *>weight.buf + r * strides[0] + k * strides[1] + first * strides[2]
                   + (s * self.set_width + self.start(j)) * strides[3])
            f.out = dst + self.position(s, j) * self.reduction() + (p * self.depth + first) * pixel
            complete = given_rows == t.rows and given_cols == t.cols
            if whole and complete:
                f.filter, f.filter_row, f.filter_tap = src, strides[0], strides[1]
                f.filter_input = strides[2]
            else:
                f.filter, f.filter_row, f.filter_tap = work, t.cols * tap, tap
                f.filter_input = pixel
                if not complete:
                    memset(work, 0, t.rows * f.filter_row)
                for r in range(given_rows):
                    for k in range(given_cols):
                        self._pack_tap(j, work + r * f.filter_row + k * tap, pixel,
                                       src + r * strides[0] + k * strides[1], strides, inputs)
            t.kind.filter(&f)

    cdef void _pack_slab(self, ptrdiff_t s, ptrdiff_t j, ptrdiff_t parts, char *dst,
                         const char *weight, const Py_ssize_t *strides, ptrdiff_t kh,
                         ptrdiff_t kw, ptrdiff_t depth) noexcept nogil:
        """Copy all parts of `depth` inputs to slab j of a set."""
        cdef ptrdiff_t pixel = self._pixel(j), p, r, k
        # from tap to tap, input to input
        cdef ptrdiff_t tap = pixel if self.lanewise else depth * pixel
        cdef ptrdiff_t channel = kw * pixel if self.lanewise else pixel
        dst += self.position(s, j) * kh * kw * parts * depth
        weight += (s * self.set_width + self.start(j)) * strides[3]
        for p in range(parts):
            for r in range(kh):
                for k in range(kw):
                    self._pack_tap(j, dst + k * tap, channel,
                                   weight + r * strides[0] + k * strides[1], strides, depth)
                dst += kw * depth * pixel
            weight += depth * strides[2]

    cdef ptrdiff_t _pixel(self, ptrdiff_t j) noexcept nogil:
        """Bytes of the vectors of slab j."""
        return ceil_div(self.width(j), self.table.lanes) * self.table.lanes * self.table.itemsize

    cdef void _pack_tap(self, ptrdiff_t j, char *dst, ptrdiff_t channel, const char *src,
                        const Py_ssize_t *strides, ptrdiff_t inputs) noexcept nogil:
        """Copy some inputs of a tap to the vectors of slab j, `channel` bytes apart."""
        cdef ptrdiff_t item = self.table.itemsize, lanes = self.table.lanes, width = self.width(j), i
        if width * item < self._pixel(j):
            for i in range(inputs):
                memset(dst + i * channel + width * item, 0, self._pixel(j) - width * item)
        for i in range(self.repeats):
            self.table.copy(dst + i * width * item, channel, item, src, strides[2], strides[3], inputs,
                            width)
        if self.halves and j == self.slabs - 1:
            self.table.copy(dst + (lanes + lanes // 2) * item, channel, item,
                            src + lanes * strides[3], strides[2], strides[3], inputs, width - lanes)

    cdef void _pack_dots(self, ptrdiff_t s, ptrdiff_t j, char *dst, const char *weight,
                         const Py_ssize_t *strides) noexcept nogil:
        cdef ptrdiff_t item = self.table.itemsize, lanes = self.table.lanes
        cdef ptrdiff_t width = self.width(j), row = self.reduction() // self.kh, r, i, o
        dst += self.position(s, j) * self.reduction()
        weight += (s * self.set_width + self.start(j)) * strides[3]
        memset(dst, 0, self.reduction() * width * item)
        for r in range(self.kh):
            for i in range(self.kw * self.depth):
                for o in range(width):
                    memcpy(dst + ((i // lanes * width + o) * lanes + i % lanes) * item,
                           weight + r * strides[0] + i // self.depth * strides[1]
                           + i % self.depth * strides[2] + o * strides[3], item)
            dst += row * width * item
