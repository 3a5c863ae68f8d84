"""The filter's gradient: a product whose reduction runs over output pixels.

dw[r, s, c, o] = the sum over pixels of x[pixel under tap (r, s), c] * dy[pixel, o].

The sum is one over *blocks* of pixels, each small enough that what it reads stays in L2 while all
tiles that need it run. Blocks make *chunks*, each with a sum of its own where the filter is small;
these are added at the end. Blocks and chunks, so the order of all additions, depend on the problem
alone. An item is a chunk x a piece of the filter: a range of slabs (output channels of a register
tile) x a range of units (inputs of one filter row, or of one tap of it).

Inputs are read in place, a tap's outputs being those that find their input inside the image. Where
channels do not lie together or padding is not zero, an item copies the inputs of a block.
"""
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_STRIDES, PyBUF_WRITABLE, PyObject_GetBuffer, PyBuffer_Release,
)
from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t
from libc.string cimport memset

from fastconv._native.axes cimport Axis, axis_of, first_inside, tap_of
from fastconv._native.levels cimport (
    FC_MAX_TAPS, fc_gradient, fc_gradient_function, fc_table, find_table, give_workspace, l2_bytes,
    take_workspace,
)
from fastconv._native.packing cimport ceil_div
from fastconv._native.plan cimport (
    L1_LINE, THREAD_CYCLES, Array, Sizes, at, array_of, source_of, step_cycles,
)


cdef enum:
    BLOCK_PIXELS = 256         # of a block, at most
    CHUNKS = 16                # of a call, at most
    CHUNK_BLOCKS = 8           # of a chunk, about, at least
    CHUNKED_BYTES = 1 << 19    # of a filter that has chunks, at most
    UNIT_TILES = 16            # of a unit, at most
    THREAD_ITEMS = 4           # for each thread, if the filter has as many pieces
    FEW_TILES = 4              # of a slab, not enough to make a packed copy of dy worthwhile
    ADDED = 4096               # elements that a thread adds up at a time


# Output pixels: of images from n on, rows from row on, columns from col on.
cdef struct Block:
    ptrdiff_t n, images, row, rows, col, cols


# What all items of a call share.
cdef struct Call:
    Array x, dy
    char *out
    char *sums                       # of all chunks but the first, which is in out
    bint x_in_place, dy_in_place
    ptrdiff_t slabs, units           # of an item
    ptrdiff_t slab_pieces, unit_pieces, items
    ptrdiff_t dy_bytes, bytes        # workspace of a thread: for dy, in all


# Where a block's inputs are: the image, or a copy.
cdef struct Input:
    char *x                                # the first input under the block's first output
    ptrdiff_t x_image, x_row, x_pixel      # from image to image, output row to row, pixel to pixel
    ptrdiff_t tap_row, tap                 # from filter row to row, tap to tap
    bint padded                            # every tap of every output finds its input there


# One slab of an item in one block.
cdef struct Slab:
    fc_gradient tile
    fc_gradient_function *functions        # by inputs - 1
    char *dy                               # of the block's first output
    char *out                              # of the filter's first element


# The outputs of one axis whose tap lies inside the image.
cdef inline (ptrdiff_t, ptrdiff_t) inside(ptrdiff_t tap, ptrdiff_t size, ptrdiff_t before,
                                          ptrdiff_t stride, ptrdiff_t dilation, ptrdiff_t first,
                                          ptrdiff_t last) noexcept nogil:
    cdef ptrdiff_t distance = before - tap * dilation
    return (max(first, first_inside(distance, stride)),
            min(last, first_inside(size + distance, stride)))


cdef class Plan:
    """The gradient of a filter of one shape for inputs of one shape."""
    cdef readonly Py_ssize_t worthwhile_threads
    cdef const fc_table *table
    cdef Sizes size
    cdef ptrdiff_t channels, kh, kw, depth, out_channels
    cdef ptrdiff_t stride_h, stride_w, dilation_h, dilation_w, top, left
    cdef double pad64
    cdef float pad32
    cdef bint zero_padding
    cdef int64_t *row_map
    cdef int64_t *col_map
    cdef Py_buffer row_view, col_view
    cdef bint depthwise, joined           # joined: all taps of a filter row are one unit's inputs
    cdef ptrdiff_t sets, width            # slabs never cross a set: the groups, or all (depthwise)
    cdef ptrdiff_t slab_width, slabs      # slabs of a set
    cdef ptrdiff_t parts, units           # parts of the inputs of a tap, units of the filter
    cdef ptrdiff_t tallest                # register tile
    cdef ptrdiff_t images, rows, cols     # of a block
    cdef ptrdiff_t row_blocks, col_blocks, blocks, chunks

    def __cinit__(self, weight_shape, input_shape, output_size, ptrdiff_t groups, stride, padding,
                  dilation, double pad_value, row_map, col_map, str level, int itemsize):
        cdef Sizes *z = &self.size
        self.table = find_table(level, itemsize)
        self.kh, self.kw, self.depth, self.out_channels = weight_shape
        z.n, z.h, z.w, self.channels = input_shape
        z.oh, z.ow = output_size
        self.stride_h, self.stride_w = stride
        self.top, self.left = padding
        self.dilation_h, self.dilation_w = dilation
        self.pad64 = pad_value
        self.pad32 = <float>pad_value
        self.zero_padding = pad_value == 0 and row_map is None
        if row_map is not None:
            PyObject_GetBuffer(row_map, &self.row_view, PyBUF_STRIDES)
            self.row_map = <int64_t *>self.row_view.buf
        if col_map is not None:
            PyObject_GetBuffer(col_map, &self.col_view, PyBUF_STRIDES)
            self.col_map = <int64_t *>self.col_view.buf
        self.depthwise = self.depth == 1 and groups > 1
        # few channels make low tiles, but those of all taps lie together
        self.joined = self.depthwise or (
            self.kw > 1 and self.dilation_w == 1 and 2 * self.depth <= self.table.pixels)
        self.sets = 1 if self.depthwise else groups
        self.width = self.out_channels // self.sets
        self.slab_width = 2 * self.table.lanes
        self.slabs = ceil_div(self.width, self.slab_width)
        self.tallest = FC_MAX_TAPS if self.depthwise else self.table.pixels
        self.parts = 1
        if not self.joined:
            self.parts = ceil_div(ceil_div(self.depth, self.tallest), UNIT_TILES)
        self.units = self.kh * (1 if self.joined else self.kw * self.parts)
        self.find_blocks()
        self.worthwhile_threads = max(1, <ptrdiff_t>self.cycles() // THREAD_CYCLES)

    def __dealloc__(self):
        if self.row_map != NULL:
            PyBuffer_Release(&self.row_view)
        if self.col_map != NULL:
            PyBuffer_Release(&self.col_view)

    cdef void find_blocks(self) noexcept nogil:
        cdef const Sizes *z = &self.size
        cdef ptrdiff_t bytes = (
            self.kh * self.kw * self.depth * self.out_channels * self.table.itemsize)
        self.cols = ceil_div(z.ow, ceil_div(z.ow, BLOCK_PIXELS))
        self.rows = min(z.oh, BLOCK_PIXELS // self.cols) if self.cols == z.ow else 1
        self.rows = ceil_div(z.oh, ceil_div(z.oh, self.rows))
        self.images = 1
        if self.cols == z.ow and self.rows == z.oh:
            self.images = max(1, min(z.n, BLOCK_PIXELS // (z.oh * z.ow)))
            self.images = ceil_div(z.n, ceil_div(z.n, self.images))
        self.row_blocks = ceil_div(z.oh, self.rows)
        self.col_blocks = ceil_div(z.ow, self.cols)
        self.blocks = ceil_div(z.n, self.images) * self.row_blocks * self.col_blocks
        self.chunks = 1
        if bytes <= CHUNKED_BYTES:
            self.chunks = max(1, min(CHUNKS, self.blocks // CHUNK_BLOCKS))

    cdef double cycles(self) noexcept nogil:
        """Cycles of all register tiles."""
        cdef ptrdiff_t inputs = self.kw * self.depth if self.joined else self.depth
        cdef ptrdiff_t tiles = ceil_div(inputs, self.tallest)
        cdef ptrdiff_t vectors = ceil_div(self.width, self.table.lanes) * self.sets
        cdef double pixels = <double>self.size.n * self.size.oh * self.size.ow
        cdef double step = step_cycles(ceil_div(inputs, tiles), 2)
        return pixels * self.kh * (self.kw * self.depth) / inputs * tiles * step * vectors / 2

    def run(self, x, dy, out, ptrdiff_t num_threads):
        cdef Py_buffer x_view, dy_view, out_view
        cdef Call call
        # of an empty view there is nothing to release
        memset(&x_view, 0, sizeof(Py_buffer))
        memset(&dy_view, 0, sizeof(Py_buffer))
        memset(&out_view, 0, sizeof(Py_buffer))
        try:
            PyObject_GetBuffer(x, &x_view, PyBUF_STRIDES)
            PyObject_GetBuffer(dy, &dy_view, PyBUF_STRIDES)
            PyObject_GetBuffer(out, &out_view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
            call.x, call.dy = array_of(&x_view), array_of(&dy_view)
            call.out = <char *>out_view.buf
            self.execute(&call, num_threads)
        finally:
            PyBuffer_Release(&out_view)
            PyBuffer_Release(&dy_view)
            PyBuffer_Release(&x_view)

    cdef int execute(self, Call *call, ptrdiff_t threads) except -1:
        cdef ptrdiff_t elements = self.kh * self.kw * self.depth * self.out_channels, i
        cdef ptrdiff_t sum_bytes = ceil_div(elements * self.table.itemsize, L1_LINE) * L1_LINE
        cdef size_t size
        cdef char *memory
        self.cut(call, threads)
        threads = min(threads, call.items)
        memory = take_workspace(threads * call.bytes + (self.chunks - 1) * sum_bytes, &size)
        call.sums = memory + threads * call.bytes
        with nogil:
            if threads == 1:
                for i in range(call.items):
                    self.run_item(call, i, memory, sum_bytes)
                self.add_chunks(call, 0, elements, sum_bytes)
            else:
                self.run_parallel(call, threads, memory, elements, sum_bytes)
        give_workspace(memory, size)
        return 0

    cdef void run_parallel(self, const Call *call, ptrdiff_t threads, char *memory,
                           ptrdiff_t elements, ptrdiff_t sum_bytes) noexcept nogil:
        cdef ptrdiff_t i
        for i in prange(call.items, schedule="dynamic", num_threads=<int>threads):
            self.run_item(call, i, memory + threadid() * call.bytes, sum_bytes)
        if self.chunks > 1:
            for i in prange(ceil_div(elements, ADDED), schedule="static",
                            num_threads=<int>threads):
                self.add_chunks(call, i * ADDED, min(ADDED, elements - i * ADDED), sum_bytes)

    cdef void add_chunks(self, const Call *call, ptrdiff_t first, ptrdiff_t count,
                         ptrdiff_t sum_bytes) noexcept nogil:
        """Add the sums of all chunks to that of the first, for some elements of the filter."""
        cdef ptrdiff_t c, offset = first * self.table.itemsize
        for c in range(self.chunks - 1):
            self.table.add(call.out + offset, call.sums + c * sum_bytes + offset, count)

    cdef void cut(self, Call *call, ptrdiff_t threads) noexcept nogil:
        """Pieces of the filter: as many as threads want, each no larger than L2 carries."""
        cdef ptrdiff_t item = self.table.itemsize
        cdef ptrdiff_t inputs = ceil_div(self.kh * self.kw * self.depth, self.units)
        cdef ptrdiff_t total = self.sets * self.slabs
        cdef ptrdiff_t most = l2_bytes() // 4, wanted = THREAD_ITEMS * threads
        cdef ptrdiff_t bytes = inputs * min(self.slab_width, self.width) * item
        if threads == 1:
            wanted = 1
        wanted = ceil_div(wanted, self.chunks)
        call.slabs, call.units = total, self.units
        while call.slabs > 1 and (call.slabs * call.units * bytes > most
                                  or ceil_div(total, call.slabs) < wanted):
            call.slabs = ceil_div(call.slabs, 2)
        call.slab_pieces = ceil_div(total, call.slabs)
        while call.units > 1 and (
                call.slabs * call.units * bytes > most
                or ceil_div(self.units, call.units) * call.slab_pieces < wanted):
            call.units = ceil_div(call.units, 2)
        call.unit_pieces = ceil_div(self.units, call.units)
        call.items = self.chunks * call.slab_pieces * call.unit_pieces

        call.x_in_place = self.readable_in_place(&call.x)
        call.dy_in_place = call.dy.c == item and self.width % self.table.lanes == 0 and (
            self.depthwise or call.units * ceil_div(inputs, self.tallest) <= FEW_TILES)
        call.dy_bytes = 0
        if not call.dy_in_place:
            call.dy_bytes = self.images * self.rows * self.cols * self.slab_width * item
        call.bytes = call.dy_bytes
        if not call.x_in_place:
            call.bytes += ceil_div(self.copy_bytes(), L1_LINE) * L1_LINE

    cdef bint readable_in_place(self, const Array *x) noexcept nogil:
        """Whether tiles may read x itself: with zero padding, if their inputs lie together.

        Depthwise tiles load whole vectors, and want a channel for each output.
        """
        cdef ptrdiff_t item = self.table.itemsize
        if self.depthwise:
            return self.zero_padding and x.c == item and self.channels == self.width and (
                self.width % self.table.lanes == 0)
        return self.zero_padding and (x.c == item or self.depth == 1) and (
            not self.joined or x.w == self.depth * item)

    cdef ptrdiff_t copied_pixel(self) noexcept nogil:
        """Bytes of a pixel of a copy."""
        return self.table.itemsize * (self.slab_width if self.depthwise else self.depth)

    cdef ptrdiff_t copy_bytes(self) noexcept nogil:
        cdef Axis v = axis_of(self.rows, self.kh, self.stride_h, self.dilation_h)
        cdef Axis h = axis_of(self.cols, self.kw, self.stride_w, self.dilation_w)
        return self.images * v.count * h.count * self.copied_pixel()

    cdef ptrdiff_t first_input(self, ptrdiff_t unit) noexcept nogil:
        """The first row of the filter as a matrix, (kh * kw * in) x out, that is in a unit."""
        if self.joined:
            return unit * self.kw * self.depth
        return unit // self.parts * self.depth + unit % self.parts * self.depth // self.parts

    cdef void run_item(self, const Call *call, ptrdiff_t index, char *work,
                       ptrdiff_t sum_bytes) noexcept nogil:
        """Sum all blocks of a chunk for one piece of the filter."""
        cdef ptrdiff_t item = self.table.itemsize, pieces = call.slab_pieces * call.unit_pieces
        cdef ptrdiff_t chunk = index // pieces, out_input = self.out_channels * item
        cdef ptrdiff_t slab = index % pieces // call.unit_pieces * call.slabs
        cdef ptrdiff_t last_slab = min(slab + call.slabs, self.sets * self.slabs)
        cdef ptrdiff_t unit = index % call.unit_pieces * call.units
        cdef ptrdiff_t last_unit = min(unit + call.units, self.units)
        cdef ptrdiff_t first = self.channel(slab), j, u, i
        cdef ptrdiff_t width = self.channel(last_slab) - first
        cdef char *out = call.out if chunk == 0 else call.sums + (chunk - 1) * sum_bytes
        cdef Block b
        cdef Input source
        cdef Slab s
        for i in range(self.first_input(unit), self.first_input(last_unit)):
            memset(out + i * out_input + first * item, 0, width * item)
        for i in range(chunk * self.blocks // self.chunks, (chunk + 1) * self.blocks // self.chunks):
            self.find_block(i, &b)
            for j in range(slab, last_slab):
                if j == slab or self.depthwise or j % self.slabs == 0:
                    self.find_input(call, &b, j, &source, work + call.dy_bytes)
                self.find_slab(call, &b, j, &s, out, work)
                for u in range(unit, last_unit):
                    self.run_unit(&b, &source, &s, u)

    cdef ptrdiff_t channel(self, ptrdiff_t slab) noexcept nogil:
        """The first output channel of a slab, counted over all sets."""
        return slab // self.slabs * self.width + slab % self.slabs * self.slab_width

    cdef void find_block(self, ptrdiff_t index, Block *b) noexcept nogil:
        cdef const Sizes *z = &self.size
        b.col = index % self.col_blocks * self.cols
        b.row = index // self.col_blocks % self.row_blocks * self.rows
        b.n = index // (self.col_blocks * self.row_blocks) * self.images
        b.images, b.rows = min(self.images, z.n - b.n), min(self.rows, z.oh - b.row)
        b.cols = min(self.cols, z.ow - b.col)

    cdef void find_slab(self, const Call *call, const Block *b, ptrdiff_t j, Slab *s, char *out,
                        char *copy) noexcept nogil:
        """Point `s` at its part of the filter, and at dy, or a copy of it with whole vectors."""
        cdef ptrdiff_t item = self.table.itemsize, lanes = self.table.lanes, n, y
        cdef ptrdiff_t channel = self.channel(j)
        cdef ptrdiff_t width = min(self.slab_width, self.width - j % self.slabs * self.slab_width)
        cdef ptrdiff_t vectors = ceil_div(width, lanes)
        cdef fc_gradient *t = &s.tile
        if self.depthwise:
            s.functions = <fc_gradient_function *>self.table.depthwise_gradient[vectors - 1]
        else:
            s.functions = <fc_gradient_function *>self.table.gradient[vectors - 1]
        s.out = out + channel * item
        t.out_input = self.out_channels * item
        t.last = width - (vectors - 1) * lanes
        t.images = b.images
        s.dy = at(&call.dy, b.n, b.row, b.col, channel)
        t.dy_image, t.dy_row, t.dy_pixel = call.dy.n, call.dy.h, call.dy.w
        if call.dy_in_place:
            return
        t.dy_pixel = vectors * lanes * item
        t.dy_row = b.cols * t.dy_pixel
        t.dy_image = b.rows * t.dy_row
        for n in range(b.images):
            for y in range(b.rows):
                self.table.copy(copy + n * t.dy_image + y * t.dy_row, t.dy_pixel, item,
                                s.dy + n * call.dy.n + y * call.dy.h, call.dy.w, call.dy.c,
                                b.cols, width)
        s.dy = copy

    cdef void find_input(self, const Call *call, const Block *b, ptrdiff_t j, Input *t,
                         char *copy) noexcept nogil:
        """Where the inputs of a slab's set are, or (depthwise) of the slab itself."""
        cdef const Array *x = &call.x
        cdef ptrdiff_t channel = self.channel(j) if self.depthwise else j // self.slabs * self.depth
        t.padded = not call.x_in_place
        if t.padded:
            self.copy_input(call, b, t, channel, copy)
            return
        t.x = at(x, b.n, b.row * self.stride_h - self.top, b.col * self.stride_w - self.left,
                 channel)
        t.x_image, t.x_row, t.x_pixel = x.n, self.stride_h * x.h, self.stride_w * x.w
        t.tap_row, t.tap = self.dilation_h * x.h, self.dilation_w * x.w

    cdef void copy_input(self, const Call *call, const Block *b, Input *t, ptrdiff_t channel,
                         char *copy) noexcept nogil:
        """Copy a block's inputs, padding filled in: [images][rows][cols][channels]."""
        cdef ptrdiff_t item = self.table.itemsize, pixel = self.copied_pixel(), n, i
        cdef ptrdiff_t source
        cdef Axis v = axis_of(b.rows, self.kh, self.stride_h, self.dilation_h)
        cdef Axis h = axis_of(b.cols, self.kw, self.stride_w, self.dilation_w)
        t.x, t.x_pixel, t.tap = copy, h.per_output * pixel, h.per_tap * pixel
        t.x_row, t.tap_row = v.per_output * h.count * pixel, v.per_tap * h.count * pixel
        t.x_image = v.count * h.count * pixel
        for n in range(b.images):
            for i in range(v.count):
                source = tap_of(i, b.row * self.stride_h - self.top, &v, self.kh, self.stride_h,
                                self.dilation_h)
                source = source_of(source, self.size.h, self.row_map, self.top)
                self.copy_row(call, b, &h, b.n + n, source, channel, copy)
                copy += h.count * pixel

    cdef void copy_row(self, const Call *call, const Block *b, const Axis *h, ptrdiff_t n,
                       ptrdiff_t row, ptrdiff_t channel, char *dst) noexcept nogil:
        """Copy a row, -1 for padding, in runs of columns that are neighbours in the image."""
        cdef ptrdiff_t pixel = self.copied_pixel(), i = 0, end, source
        while i < h.count:
            source = self.column(b, h, i) if row >= 0 else -1
            end = i + 1
            while end < h.count and (
                    row < 0 or self.column(b, h, end) == (source + end - i if source >= 0 else -1)):
                end += 1
            self.copy_pixels(call, n, row, source, channel, dst + i * pixel, end - i)
            i = end

    cdef ptrdiff_t column(self, const Block *b, const Axis *h, ptrdiff_t i) noexcept nogil:
        """The input column that is the i-th of a copy, -1 for padding."""
        return source_of(
            tap_of(i, b.col * self.stride_w - self.left, h, self.kw, self.stride_w,
                   self.dilation_w),
            self.size.w, self.col_map, self.left)

    cdef void copy_pixels(self, const Call *call, ptrdiff_t n, ptrdiff_t row, ptrdiff_t col,
                          ptrdiff_t channel, char *dst, ptrdiff_t count) noexcept nogil:
        """Copy neighbouring pixels; depthwise, with an input channel for each output of a slab."""
        cdef ptrdiff_t item = self.table.itemsize, pixel = self.copied_pixel(), i, channels
        cdef ptrdiff_t multiplier = self.out_channels // self.channels if self.depthwise else 1
        cdef const char *pad = (
            <const char *>&self.pad32 if item == 4 else <const char *>&self.pad64)
        cdef ptrdiff_t width = self.depth
        if self.depthwise:
            width = min(self.slab_width, self.width - channel)
        if col < 0:
            self.table.copy(dst, pixel, item, pad, 0, 0, count, width)
            return
        for i in range(min(multiplier, width)):
            channels = ceil_div(width - i, multiplier)
            self.table.copy(dst + i * item, pixel, multiplier * item,
                            at(&call.x, n, row, col, (channel + i) // multiplier),
                            call.x.w, call.x.c, count, channels)

    cdef void run_unit(self, const Block *b, const Input *x, Slab *s,
                       ptrdiff_t unit) noexcept nogil:
        """Add a block's pixels to one unit of the filter for one slab."""
        cdef const Sizes *z = &self.size
        cdef ptrdiff_t input = self.first_input(unit), taps = input // self.depth
        cdef ptrdiff_t r = taps // self.kw, tap = taps % self.kw
        cdef ptrdiff_t first = 0, last = b.rows, col = 0, end = b.cols
        if not x.padded:
            first, last = inside(r, z.h, self.top - b.row * self.stride_h, self.stride_h,
                                 self.dilation_h, 0, b.rows)
        if first >= last:
            return
        s.tile.rows = last - first
        if self.joined and x.padded:
            self.run_strip(b, x, s, r, first, 0, self.kw, 0, b.cols, 0, self.depth)
        elif self.joined:
            self.run_strips(b, x, s, r, first)
        else:
            if not x.padded:
                col, end = inside(tap, z.w, self.left - b.col * self.stride_w, self.stride_w,
                                  self.dilation_w, 0, b.cols)
            self.run_strip(b, x, s, r, first, tap, tap + 1, col, end, input % self.depth,
                           (self.first_input(unit + 1) - 1) % self.depth + 1)

    cdef void run_strips(self, const Block *b, const Input *x, Slab *s, ptrdiff_t r,
                         ptrdiff_t row) noexcept nogil:
        """All taps of a filter row, columns with the same taps inside the image at once."""
        cdef ptrdiff_t before = self.left - b.col * self.stride_w, col = 0, end
        cdef ptrdiff_t first = self.kw, last = self.kw, low, high
        # from one column to the next, taps leave the image at its end and enter at its beginning
        while col < b.cols:
            end = b.cols
            while first > 0:
                low, high = inside(first - 1, self.size.w, before, self.stride_w, self.dilation_w,
                                   0, b.cols)
                if low > col:
                    end = min(end, low)
                    break
                first -= 1
            while last > 0:
                low, high = inside(last - 1, self.size.w, before, self.stride_w, self.dilation_w,
                                   0, b.cols)
                if high > col:
                    end = min(end, high)
                    break
                last -= 1
            self.run_strip(b, x, s, r, row, first, last, col, end, 0, self.depth)
            col = end

    cdef void run_strip(self, const Block *b, const Input *x, Slab *s, ptrdiff_t r, ptrdiff_t row,
                        ptrdiff_t tap, ptrdiff_t last_tap, ptrdiff_t col, ptrdiff_t last_col,
                        ptrdiff_t input, ptrdiff_t last_input) noexcept nogil:
        """Tiles over the given inputs of the given taps, as equal as can be, for some columns."""
        cdef fc_gradient *t = &s.tile
        cdef ptrdiff_t inputs = (last_tap - tap - 1) * self.depth + last_input - input
        cdef ptrdiff_t tiles, size, larger, height, i, x_input
        if inputs <= 0 or col >= last_col:
            return
        x_input = x.tap if self.depthwise else self.table.itemsize
        t.cols = last_col - col
        t.x_image, t.x_row, t.x_pixel, t.x_tap = x.x_image, x.x_row, x.x_pixel, x.tap
        t.x = (x.x + row * x.x_row + col * x.x_pixel + r * x.tap_row + tap * x.tap
               + input * self.table.itemsize)
        t.dy = s.dy + row * t.dy_row + col * t.dy_pixel
        t.out = s.out + ((r * self.kw + tap) * self.depth + input) * t.out_input
        tiles = ceil_div(inputs, self.tallest)
        size, larger = inputs // tiles, inputs % tiles
        for i in range(tiles):
            height = size + (i < larger)
            s.functions[height - 1](t)
            t.x += height * x_input
            t.out += height * t.out_input
