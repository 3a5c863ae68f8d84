"""The filter's gradient: a product whose reduction runs over output pixels.

dw[r, s, c, o] = the sum over pixels of x[pixel under tap (r, s), c] * dy[pixel, o].

The sum is one over *blocks* of pixels, each small enough that what it reads stays in L2 while the
tiles that need it run. Blocks make *chunks*, each with a sum of its own where the filter is small;
these are added at the end. Blocks and chunks, so the order of all additions, depend on the problem
alone.

An item is a chunk x a range of slabs (output channels of a register tile) x a range of units. A unit
is inputs of one tap, or (joined) all inputs of a filter row where a tap has few: they lie together.
Sums are kept packed, in whole vectors: [slab][row][tap][input][lanes]. Of groups of few channels
(lanewise) a vector holds several: a slab reads inputs of its own, and lanes read lanes.

The gradient of a bias is one row more, of an input that is 1: dy is read once for both.

A tap's pixels are those whose input lies in the image, so nothing is multiplied by zero padding.
Inputs are read in place. Where their channels do not lie together or padding is not zero, an item
copies those of a block; it copies dy to whole vectors, aligned, unless few tiles need them.
"""
from libc.stdlib cimport free
from libc.string cimport memset

from fastconv._native.axes cimport Axis, axis_of, first_inside, tap_of
from fastconv._native.costs cimport costs
from fastconv._native.levels cimport (
    FC_GROUPED_INPUTS, FC_GROUPED_TAPS, FC_MAX_TAPS, fc_gradient, fc_table, l2_bytes, multiply_cycles,
)
from fastconv._native.memory cimport allocate, give_workspace, take_workspace
from fastconv._native.packing cimport Filter, ceil_div, find_lanes
from fastconv._native.plan cimport (
    L1_LINE, THREAD_CYCLES, Array, Arrays, Plan as Base, Sizes, at, source_of, step_cycles,
)


cdef enum:
    BLOCK_PIXELS = 256         # of a block, at most,
    STRIDED_PIXELS = 128       # or this where the inputs under them lie further apart
    LINEAR_PIXELS = 64         # or this of one input, so that memory is read nearly in its order
    SHORT_ROW = 8              # columns are taken one after another where rows have fewer
    CHUNKS = 16                # of a call, at most
    CHUNK_BLOCKS = 3           # of a chunk, about, at least
    CHUNKED_BYTES = 1 << 19    # of a filter that has chunks, at most
    THREAD_ITEMS = 4           # for each thread, if the filter has as many pieces
    UNIT_TILES = 16            # of a unit, at most
    FEW_TILES = 4              # of a slab, not enough to make a packed copy of dy worthwhile


# Output pixels: of images from n on, rows from row on, columns from col on.
cdef struct Block:
    ptrdiff_t n, images, row, rows, col, cols


# What all items of a call share.
cdef struct Call:
    Array x, dy
    char *out
    bint adds                            # items are slabs whose chunks are added
    char *sums                           # of chunks, if there are several
    ptrdiff_t sum_bytes                  # of one
    bint x_in_place, dy_in_place
    bint fetches                         # an item what it reads next
    ptrdiff_t slabs, units               # of an item
    ptrdiff_t slab_pieces, unit_pieces, items
    ptrdiff_t dy_slab                    # bytes of the copy of a slab's dy
    ptrdiff_t dy_bytes, x_bytes, bytes   # workspace of a thread: of copies, and in all


# What an item works on: a block, and slabs that read the same inputs.
cdef struct Item:
    Block block
    ptrdiff_t slab, last_slab
    char *sums                           # of slab 0 and input 0, though the item may have neither
    ptrdiff_t next_sums                  # from slab to slab
    char *dy                             # of the block's first output; a copy's lie slab by slab
    ptrdiff_t dy_image, dy_row, dy_pixel, next_dy
    char *x                              # the first input under that output
    ptrdiff_t x_image, x_row, x_pixel    # from image to image, output row to row, pixel to pixel
    ptrdiff_t tap_row, tap               # from filter row to row, tap to tap
    const char *next[2]                  # what the next block, or slab, reads of x and dy, as far as
    ptrdiff_t left[2]                    # it is not fetched: so many bytes,
    ptrdiff_t step[2]                    # a line every so many


cdef inline ptrdiff_t first_output(ptrdiff_t tap, ptrdiff_t before, ptrdiff_t stride,
                                   ptrdiff_t dilation) noexcept nogil:
    """The first output, from 0 on, whose tap is not before an image that begins at `before`."""
    return first_inside(before - tap * dilation, stride)


cdef class Plan(Base):
    """The gradient of a filter, whose shape `filter` has, and perhaps of a bias."""
    cdef const fc_table *table
    cdef ptrdiff_t kh, kw, depth, out_channels
    cdef bint zero_padding                # nothing of it is read
    cdef bint depthwise, grouped, lanewise, joined
    cdef char *lane_of                    # grouped: [input of a group][lanes]
    cdef ptrdiff_t inputs                 # rows of the filter as a matrix, (kh * kw * in) x out
    cdef bint biased
    cdef ptrdiff_t rows_out               # with the bias
    cdef char *ones                       # biased: as many as a slab has outputs
    cdef ptrdiff_t sets, width            # slabs never cross a set: the groups, or all (lanewise)
    cdef ptrdiff_t vectors                # of a slab
    cdef ptrdiff_t slab_width, slabs      # slabs of a set
    cdef ptrdiff_t slab_inputs            # grouped: input channels that a slab reads
    cdef ptrdiff_t sharing                # slabs that read the same inputs
    cdef ptrdiff_t tallest                # register tile
    cdef ptrdiff_t parts, units           # parts of the inputs of a tap
    cdef ptrdiff_t images, rows, cols     # of a block
    cdef ptrdiff_t row_blocks, col_blocks, blocks, chunks
    cdef readonly double cycles           # of all register tiles, on one thread

    def __cinit__(self, Filter filter, input_shape, output_size, stride, padding, dilation,
                  double pad_value, row_map, col_map, activation, bint biased):
        cdef ptrdiff_t lanes, width, held, groups, i
        self.table = filter.table
        lanes = self.table.lanes
        self.kh, self.kw, self.depth = filter.kh, filter.kw, filter.depth
        self.out_channels = filter.out_channels
        self.inputs = self.kh * self.kw * self.depth
        self.biased = biased
        self.rows_out = self.inputs + biased
        self.zero_padding = pad_value == 0 and row_map is None
        groups = self.channels // self.depth
        width = self.out_channels // groups
        self.depthwise = self.depth == 1 and groups > 1
        self.grouped = not self.depthwise and groups > 1 and 2 * max(self.depth, width) <= lanes
        self.lanewise = self.depthwise or self.grouped
        self.joined = self.lanewise or (
            self.kw > 1 and self.dilation_w == 1 and 2 * self.depth <= self.table.pixels)
        self.sets = 1 if self.lanewise else groups
        self.width = self.out_channels // self.sets
        self.vectors = 1 if self.grouped or self.width <= lanes else 2
        self.slab_width = self.vectors * lanes
        if self.grouped:
            held = lanes // max(self.depth, width)
            self.slab_width, self.slab_inputs = held * width, held * self.depth
            self.lane_of = allocate(self.depth * lanes * self.table.itemsize)
            find_lanes(self.lane_of, self.table, self.depth, self.slab_width, width, self.depth)
        if biased:
            self.ones = allocate(self.row_bytes())
            for i in range(self.vectors * lanes):
                if self.table.itemsize == 4:
                    (<float *>self.ones)[i] = 1
                else:
                    (<double *>self.ones)[i] = 1
        self.slabs = ceil_div(self.width, self.slab_width)
        self.sharing = 1 if self.lanewise else self.slabs
        self.tallest = FC_MAX_TAPS if self.depthwise else self.table.pixels
        self.parts = 1
        if not self.joined:
            self.parts = ceil_div(ceil_div(self.depth, self.tallest), UNIT_TILES)
        self.units = self.kh if self.joined else self.kh * self.kw * self.parts
        self.find_blocks()
        self.cycles = self.count_cycles()
        self.worthwhile_threads = max(1, <ptrdiff_t>self.cycles // THREAD_CYCLES)

    def __dealloc__(self):
        free(self.lane_of)
        free(self.ones)

    cdef void find_blocks(self) noexcept nogil:
        cdef const Sizes *z = &self.size
        cdef ptrdiff_t most = BLOCK_PIXELS
        if self.stride_h * self.stride_w > 1 and not self.joined:
            most = STRIDED_PIXELS
        if self.inputs == 1:
            most = LINEAR_PIXELS
        self.cols = ceil_div(z.ow, ceil_div(z.ow, most))
        self.rows = min(z.oh, most // self.cols) if self.cols == z.ow else 1
        self.rows = ceil_div(z.oh, ceil_div(z.oh, self.rows))
        self.images = 1
        if self.cols == z.ow and self.rows == z.oh:
            self.images = max(1, min(z.n, most // (z.oh * z.ow)))
            self.images = ceil_div(z.n, ceil_div(z.n, self.images))
        self.row_blocks = ceil_div(z.oh, self.rows)
        self.col_blocks = ceil_div(z.ow, self.cols)
        self.blocks = ceil_div(z.n, self.images) * self.row_blocks * self.col_blocks
        self.chunks = 1
        if self.inputs * self.out_channels * self.table.itemsize <= CHUNKED_BYTES:
            self.chunks = max(1, min(CHUNKS, self.blocks // CHUNK_BLOCKS))

    cdef ptrdiff_t pixel_bytes(self) noexcept nogil:
        """Bytes of dy, and of x, that there are for each output pixel."""
        return self.table.itemsize * (
            self.out_channels + self.channels * self.stride_h * self.stride_w)

    cdef double count_cycles(self) noexcept nogil:
        """Cycles of all register tiles."""
        cdef ptrdiff_t inputs = self.kw * self.depth if self.joined else self.depth
        cdef ptrdiff_t tiles = ceil_div(inputs, self.tallest)
        cdef ptrdiff_t vectors = ceil_div(self.width, self.table.lanes) * self.sets
        cdef double pixels = <double>self.size.n * self.size.oh * self.size.ow
        if self.grouped:   # a permutation for each multiply-add
            return 2 * multiply_cycles(self.table) * pixels * self.inputs * self.slabs
        cdef ptrdiff_t height = ceil_div(inputs, tiles)
        cdef double step = step_cycles(self.table, height, self.vectors)
        # sums are loaded and stored once for each block
        step += (costs().call + 2 * height * self.vectors * costs().store) / (
            self.images * self.rows * self.cols)
        return pixels * (self.inputs / inputs) * tiles * step * vectors / self.vectors

    def run(self, x, dy, out, ptrdiff_t num_threads):
        """Fill out, [taps][inputs][outputs] without gaps, then the bias, from NHWC views."""
        self._run(x, out, dy, num_threads, NULL)

    cdef int execute(self, const Arrays *arrays, ptrdiff_t threads) except -1:
        """The items; then what chunks of them have found is added. dy is in the residual's place."""
        cdef Call call
        cdef size_t size = 0
        call.x, call.dy, call.out = arrays.x, arrays.residual, arrays.out.data
        call.adds = False
        self.cut(&call, threads)
        if self.chunks == 1:
            return self.share_out(&call, call.items, threads, call.bytes)
        call.sums = take_workspace(self.chunks * call.sum_bytes, &size)
        try:
            self.share_out(&call, call.items, threads, call.bytes)
            call.adds = True
            self.share_out(&call, self.sets * self.slabs, threads, 0)
        finally:
            give_workspace(call.sums, size)
        return 0

    cdef ptrdiff_t row_bytes(self) noexcept nogil:
        """Bytes of the sums of one input for one slab."""
        return self.vectors * self.table.lanes * self.table.itemsize

    cdef void cut(self, Call *call, ptrdiff_t threads) noexcept nogil:
        """Pieces of the filter: as many as threads want, each no larger than L2 carries."""
        cdef ptrdiff_t item = self.table.itemsize, total = self.sets * self.slabs
        cdef ptrdiff_t pixels = self.images * self.rows * self.cols, most = l2_bytes() // 4
        cdef ptrdiff_t unit = ceil_div(self.inputs, self.units) * self.row_bytes()
        cdef ptrdiff_t whole = self.inputs * self.row_bytes()
        cdef ptrdiff_t wanted = 1 if threads == 1 else ceil_div(
            THREAD_ITEMS * threads, self.chunks)
        call.dy_slab = pixels * self.row_bytes()
        call.slabs, call.units = total, self.units
        # pieces of slabs read x again, those of a pixel's inputs read dy
        if self.kh * self.kw == 1 and self.channels > self.out_channels:
            while call.units > 1 and ceil_div(self.units, call.units) < wanted:
                call.units = ceil_div(call.units, 2)
            wanted = ceil_div(wanted, ceil_div(self.units, call.units))
        while call.slabs > 1 and (
                call.slabs * max(min(call.units * unit, whole), call.dy_slab) > most
                or ceil_div(total, call.slabs) < wanted):
            call.slabs = ceil_div(call.slabs, 2)
        call.slab_pieces = ceil_div(total, call.slabs)
        while call.units > 1 and (
                call.slabs * min(call.units * unit, whole) > most
                or ceil_div(self.units, call.units) * call.slab_pieces < wanted):
            call.units = ceil_div(call.units, 2)
        call.unit_pieces = ceil_div(self.units, call.units)
        call.items = self.chunks * call.slab_pieces * call.unit_pieces

        call.x_in_place = self.readable_in_place(&call.x)
        call.x_bytes = 0 if call.x_in_place else self.copy_bytes()
        # of what lies in order; some taps for some slabs read most of x, too
        call.fetches = (call.slab_pieces == call.unit_pieces == 1
                        or (self.kh * self.kw > 1 and self.sets == 1 and not self.lanewise)) and (
            call.x.w == self.channels * item and call.dy.w == self.out_channels * item
            and call.x.c == item and call.dy.c == item)
        call.dy_in_place = (
            call.dy.c == item and self.width % self.table.lanes == 0
            and self.slab_width % self.table.lanes == 0
            and (self.lanewise or self.inputs <= FEW_TILES * self.tallest))
        call.dy_bytes = 0 if call.dy_in_place else call.slabs * call.dy_slab
        call.bytes, call.sum_bytes = call.dy_bytes + call.x_bytes, 0
        if self.chunks > 1:
            call.sum_bytes = total * self.rows_out * self.row_bytes()
        else:
            call.bytes += call.slabs * ((call.units + 1) * unit + self.biased * self.row_bytes())

    cdef bint readable_in_place(self, const Array *x) noexcept nogil:
        """Whether tiles may read x itself: with zero padding, if their inputs lie together.

        Lanewise tiles load whole vectors; depthwise ones want a channel for each output.
        """
        cdef ptrdiff_t item = self.table.itemsize
        if not self.zero_padding:
            return False
        if self.depthwise:
            return x.c == item and self.channels == self.width and (
                self.width % self.table.lanes == 0)
        if self.grouped:
            return x.c == item and (
                (self.slabs - 1) * self.slab_inputs + self.table.lanes <= self.channels)
        return (x.c == item or self.depth == 1) and (not self.joined or x.w == self.depth * item)

    cdef ptrdiff_t copied_pixel(self) noexcept nogil:
        """Bytes of a pixel of a copy."""
        return self.row_bytes() if self.lanewise else self.depth * self.table.itemsize

    cdef ptrdiff_t copy_bytes(self) noexcept nogil:
        cdef Axis v = axis_of(self.rows, self.kh, self.stride_h, self.dilation_h)
        cdef Axis h = axis_of(self.cols, self.kw, self.stride_w, self.dilation_w)
        return ceil_div(self.images * v.count * h.count * self.copied_pixel(), L1_LINE) * L1_LINE

    cdef ptrdiff_t first_input(self, ptrdiff_t unit) noexcept nogil:
        if self.joined:
            return unit * self.kw * self.depth
        return unit // self.parts * self.depth + unit % self.parts * self.depth // self.parts

    cdef ptrdiff_t channel(self, ptrdiff_t slab) noexcept nogil:
        """The first output channel of a slab, counted over all sets."""
        return slab // self.slabs * self.width + slab % self.slabs * self.slab_width

    cdef ptrdiff_t width_of(self, ptrdiff_t slab) noexcept nogil:
        return min(self.slab_width, self.width - slab % self.slabs * self.slab_width)

    cdef void run_item(self, const void *the_call, ptrdiff_t index, char *work,
                       int thread) noexcept nogil:
        """Sum all blocks of a chunk for one piece of the filter."""
        cdef const Call *call = <const Call *>the_call
        cdef ptrdiff_t pieces = call.slab_pieces * call.unit_pieces, chunk = index // pieces
        cdef ptrdiff_t slab = index % pieces // call.unit_pieces * call.slabs
        cdef ptrdiff_t last_slab = min(slab + call.slabs, self.sets * self.slabs)
        cdef ptrdiff_t unit = index % call.unit_pieces * call.units
        cdef ptrdiff_t last_unit = min(unit + call.units, self.units)
        cdef ptrdiff_t first = self.first_input(unit), last = self.first_input(last_unit), i, j, u
        cdef bint biased = self.biased and last_unit == self.units
        cdef char *x_copy = work + call.dy_bytes
        cdef char *sums = x_copy + call.x_bytes
        cdef Item it
        if call.adds:
            self.add_chunks(call, index)
            return
        last += biased
        it.next_sums = (last - first if self.chunks == 1 else self.rows_out) * self.row_bytes()
        if self.chunks > 1:
            sums = (call.sums + chunk * call.sum_bytes + slab * it.next_sums
                    + first * self.row_bytes())
        it.sums = sums - slab * it.next_sums - first * self.row_bytes()
        for j in range(last_slab - slab):
            memset(sums + j * it.next_sums, 0, (last - first) * self.row_bytes())
        for i in range(chunk * self.blocks // self.chunks, (chunk + 1) * self.blocks // self.chunks):
            self.find_block(i + 1, &it.block)
            self.find_next(call, &it, i + 1 < (chunk + 1) * self.blocks // self.chunks)
            self.find_block(i, &it.block)
            self.find_dy(call, &it, slab, last_slab, work)
            it.slab = slab
            while it.slab < last_slab:
                it.last_slab = min((it.slab // self.sharing + 1) * self.sharing, last_slab)
                self.find_input(call, &it, x_copy)
                self.find_next_slab(call, &it)
                for u in range(unit, last_unit):
                    self.run_unit(&it, u)
                if biased:
                    self.run_bias(&it)
                it.slab = it.last_slab
        if self.chunks == 1:
            for j in range(last_slab - slab):
                self.put(call, slab + j, first, last, sums + j * it.next_sums)

    cdef void add_chunks(self, const Call *call, ptrdiff_t slab) noexcept nogil:
        """Add the sums of all chunks to that of the first, for one slab."""
        cdef ptrdiff_t bytes = self.rows_out * self.row_bytes(), c
        cdef char *total = call.sums + slab * bytes
        for c in range(1, self.chunks):
            self.table.add(total, total + c * call.sum_bytes, bytes)
        self.put(call, slab, 0, self.rows_out, total)

    cdef void put(self, const Call *call, ptrdiff_t slab, ptrdiff_t first, ptrdiff_t last,
                  const char *sums) noexcept nogil:
        """Copy the finished sums of some inputs for a slab to the output."""
        cdef ptrdiff_t item = self.table.itemsize, row = self.out_channels * item
        self.table.copy(call.out + first * row + self.channel(slab) * item, row, item,
                        sums, self.row_bytes(), item, last - first, self.width_of(slab))

    cdef void find_block(self, ptrdiff_t index, Block *b) noexcept nogil:
        cdef const Sizes *z = &self.size
        b.col = index % self.col_blocks * self.cols
        b.row = index // self.col_blocks % self.row_blocks * self.rows
        b.n = index // (self.col_blocks * self.row_blocks) * self.images
        b.images, b.rows = min(self.images, z.n - b.n), min(self.rows, z.oh - b.row)
        b.cols = min(self.cols, z.ow - b.col)

    cdef void find_next(self, const Call *call, Item *it, bint more) noexcept nogil:
        """What to fetch while a block runs: if the item reads all of them, the next."""
        cdef const Block *b = &it.block
        cdef ptrdiff_t bytes = b.images * b.rows * b.cols * self.pixel_bytes()
        it.left[0] = it.left[1] = 0
        it.step[0] = it.step[1] = L1_LINE
        if more and call.fetches and bytes <= l2_bytes() // 2:
            it.next[0] = at(&call.x, b.n, b.row * self.stride_h, b.col * self.stride_w, 0)
            it.next[1] = at(&call.dy, b.n, b.row, b.col, 0)
            it.left[1] = b.images * b.rows * b.cols * call.dy.w
            it.left[0] = bytes - it.left[1]

    cdef void find_next_slab(self, const Call *call, Item *it) noexcept nogil:
        """The same of a slab with inputs of its own: of each pixel a line, the others come with it."""
        cdef const Block *b = &it.block
        cdef ptrdiff_t pixels = b.images * b.rows * b.cols, slab = min(
            it.slab + 1, self.sets * self.slabs - 1)
        if not self.depthwise or call.fetches or not call.x_in_place or not call.dy_in_place:
            return
        it.next[0] = at(&call.x, b.n, b.row * self.stride_h, b.col * self.stride_w,
                        self.channel(slab))
        it.next[1] = at(&call.dy, b.n, b.row, b.col, self.channel(slab))
        it.step[0], it.step[1] = call.x.w, call.dy.w
        it.left[0] = pixels * self.stride_h * self.stride_w * call.x.w
        it.left[1] = pixels * call.dy.w

    cdef void fetch(self, fc_gradient *t, Item *it) noexcept nogil:
        """Have a tile fetch a line for each of its pixels."""
        cdef ptrdiff_t i = 0 if it.left[0] > 0 else 1, pixels = t.images * t.rows * t.cols
        t.next_step = it.step[i] if it.left[i] > 0 else 0
        t.next = it.next[i] if t.next_step else t.x
        it.next[i] += pixels * t.next_step
        it.left[i] -= pixels * t.next_step

    cdef void find_dy(self, const Call *call, Item *it, ptrdiff_t slab, ptrdiff_t last_slab,
                      char *copy) noexcept nogil:
        """Point an item at its block of dy, or at a copy of it in whole vectors."""
        cdef const Block *b = &it.block
        cdef const Array *dy = &call.dy
        cdef ptrdiff_t item = self.table.itemsize, n, y, j
        if call.dy_in_place:
            it.dy, it.next_dy = at(dy, b.n, b.row, b.col, 0), 0
            it.dy_image, it.dy_row, it.dy_pixel = dy.n, dy.h, dy.w
            return
        it.dy_pixel = self.row_bytes()
        it.dy_row = b.cols * it.dy_pixel
        it.dy_image = b.rows * it.dy_row
        it.next_dy = b.images * it.dy_image
        it.dy = copy - slab * it.next_dy
        for j in range(slab, last_slab):
            for n in range(b.images):
                for y in range(b.rows):
                    self.copy(copy, it.dy_pixel,
                              at(dy, b.n + n, b.row + y, b.col, self.channel(j)), dy.w, dy.c,
                              b.cols, self.width_of(j))
                    copy += it.dy_row

    cdef void copy(self, char *dst, ptrdiff_t pixel, const char *src, ptrdiff_t src_pixel,
                   ptrdiff_t src_channel, ptrdiff_t pixels, ptrdiff_t channels) noexcept nogil:
        """Copy pixels to whole vectors."""
        if src_channel == self.table.itemsize:
            self.table.pack(dst, pixel, src, src_pixel, pixels, channels)
        else:
            self.table.copy(dst, pixel, self.table.itemsize, src, src_pixel, src_channel, pixels,
                            channels)

    cdef void find_input(self, const Call *call, Item *it, char *copy) noexcept nogil:
        """Point an item at the inputs of its slabs' set, or (lanewise) of its slab."""
        cdef const Block *b = &it.block
        cdef const Array *x = &call.x
        cdef ptrdiff_t channel = it.slab // self.slabs * self.depth
        if self.depthwise:
            channel = self.channel(it.slab)
        elif self.grouped:
            channel = it.slab * self.slab_inputs
        if not call.x_in_place:
            self.copy_input(call, it, channel, copy)
            return
        it.x = at(x, b.n, b.row * self.stride_h - self.top, b.col * self.stride_w - self.left,
                  channel)
        it.x_image, it.x_row, it.x_pixel = x.n, self.stride_h * x.h, self.stride_w * x.w
        it.tap_row, it.tap = self.dilation_h * x.h, self.dilation_w * x.w

    cdef void copy_input(self, const Call *call, Item *it, ptrdiff_t channel,
                         char *copy) noexcept nogil:
        """Copy inputs of a block: [images][rows][cols]. Of zero padding only the place is kept."""
        cdef const Block *b = &it.block
        cdef ptrdiff_t pixel = self.copied_pixel(), n, i, source
        cdef Axis v = axis_of(b.rows, self.kh, self.stride_h, self.dilation_h)
        cdef Axis h = axis_of(b.cols, self.kw, self.stride_w, self.dilation_w)
        it.x, it.x_pixel, it.tap = copy, h.per_output * pixel, h.per_tap * pixel
        it.x_row, it.tap_row = v.per_output * h.count * pixel, v.per_tap * h.count * pixel
        it.x_image = v.count * h.count * pixel
        for n in range(b.images):
            for i in range(v.count):
                source = tap_of(i, b.row * self.stride_h - self.top, &v, self.kh, self.stride_h,
                                self.dilation_h)
                source = source_of(source, self.size.h, self.row_map, self.top)
                if source >= 0 or not self.zero_padding:
                    self.copy_row(call, b, &h, b.n + n, source, channel, copy)
                copy += h.count * pixel

    cdef void copy_row(self, const Call *call, const Block *b, const Axis *h, ptrdiff_t n,
                       ptrdiff_t row, ptrdiff_t channel, char *dst) noexcept nogil:
        """Copy a row, -1 for padding, in runs of columns that are neighbours in the image."""
        cdef ptrdiff_t pixel = self.copied_pixel(), start = b.col * self.stride_w - self.left
        cdef ptrdiff_t i = 0, end, source
        while i < h.count:
            source = self.column(h, start, i) if row >= 0 else -1
            end = i + 1
            while end < h.count and (row < 0 or self.column(h, start, end) == (
                    source + end - i if source >= 0 else -1)):
                end += 1
            if source >= 0 or not self.zero_padding:
                self.copy_pixels(call, n, row, source, channel, dst + i * pixel, end - i)
            i = end

    cdef ptrdiff_t column(self, const Axis *h, ptrdiff_t start, ptrdiff_t i) noexcept nogil:
        """The input column that is the i-th of a copy, -1 for padding."""
        return source_of(tap_of(i, start, h, self.kw, self.stride_w, self.dilation_w), self.size.w,
                         self.col_map, self.left)

    cdef void copy_pixels(self, const Call *call, ptrdiff_t n, ptrdiff_t row, ptrdiff_t col,
                          ptrdiff_t channel, char *dst, ptrdiff_t pixels) noexcept nogil:
        """Copy neighbouring pixels; depthwise, with an input channel for each output of a slab."""
        cdef ptrdiff_t item = self.table.itemsize, pixel = self.copied_pixel(), i
        cdef ptrdiff_t count = self.depth, multiplier = 1
        if self.depthwise:
            count = self.width_of(channel // self.slab_width)
            multiplier = self.out_channels // self.channels
        elif self.grouped:
            count = min(self.slab_inputs, self.channels - channel)
        if col < 0:
            self.table.copy(dst, pixel, item, self.pad(), 0, 0, pixels, count)
            return
        for i in range(min(multiplier, count)):
            self.table.copy(dst + i * item, pixel, multiplier * item,
                            at(&call.x, n, row, col, (channel + i) // multiplier),
                            call.x.w, call.x.c, pixels, ceil_div(count - i, multiplier))

    cdef void run_unit(self, Item *it, ptrdiff_t unit) noexcept nogil:
        """Add a block's pixels to the sums of one unit."""
        cdef const Block *b = &it.block
        cdef ptrdiff_t first = self.first_input(unit), before = self.top - b.row * self.stride_h
        cdef ptrdiff_t r = first // (self.kw * self.depth), tap = first // self.depth % self.kw
        cdef ptrdiff_t row = 0, last_row = b.rows, col = 0, last_col = b.cols
        if self.zero_padding:
            row = first_output(r, before, self.stride_h, self.dilation_h)
            last_row = min(last_row, first_output(r, before + self.size.h, self.stride_h,
                                                  self.dilation_h))
        if self.joined and self.zero_padding:
            self.run_joined(it, r, row, last_row)
            return
        if self.zero_padding:
            before = self.left - b.col * self.stride_w
            col = first_output(tap, before, self.stride_w, self.dilation_w)
            last_col = min(last_col, first_output(tap, before + self.size.w, self.stride_w,
                                                  self.dilation_w))
        self.run_tiles(it, first, self.first_input(unit + 1), row, last_row, col, last_col)

    cdef void run_joined(self, Item *it, ptrdiff_t r, ptrdiff_t row,
                         ptrdiff_t last_row) noexcept nogil:
        """All taps of a filter row, columns with the same taps inside the image at once."""
        cdef ptrdiff_t before = self.left - it.block.col * self.stride_w, col = 0, end, change
        cdef ptrdiff_t first = self.kw, last = self.kw
        # from one column to the next, taps leave the image at its end and enter at its beginning
        while col < it.block.cols:
            end = it.block.cols
            while first > 0:
                change = first_output(first - 1, before, self.stride_w, self.dilation_w)
                if change > col:
                    end = min(end, change)
                    break
                first -= 1
            while last > 0:
                change = first_output(last - 1, before + self.size.w, self.stride_w,
                                      self.dilation_w)
                if change > col:
                    end = min(end, change)
                    break
                last -= 1
            self.run_tiles(it, (r * self.kw + first) * self.depth,
                           (r * self.kw + last) * self.depth, row, last_row, col, end)
            col = end

    cdef void run_bias(self, const Item *item) noexcept nogil:
        """Add a block's pixels of dy to the sums of the bias."""
        cdef Item it = item[0]
        it.x, it.x_image, it.x_row, it.x_pixel = self.ones, 0, 0, 0
        it.tap_row = it.tap = it.left[0] = it.left[1] = 0
        self.run_tiles(&it, self.inputs, self.rows_out, 0, it.block.rows, 0, it.block.cols)

    cdef void run_tiles(self, Item *it, ptrdiff_t first, ptrdiff_t last, ptrdiff_t row,
                        ptrdiff_t last_row, ptrdiff_t col, ptrdiff_t last_col) noexcept nogil:
        """Tiles over some inputs of one filter row, as equal as can be, for some of a block."""
        cdef ptrdiff_t tap = first // self.depth, item = self.table.itemsize
        cdef ptrdiff_t x_input = it.tap if self.depthwise else item
        cdef ptrdiff_t tiles = ceil_div(last - first, self.tallest), height, i, j, vectors
        cdef char *sums = it.sums + first * self.row_bytes()
        cdef const char *dy = it.dy + row * it.dy_row + col * it.dy_pixel
        cdef fc_gradient t
        if last <= first or row >= last_row or col >= last_col:
            return
        t.images, t.rows, t.cols = it.block.images, last_row - row, last_col - col
        t.x_image, t.x_row, t.x_pixel, t.x_tap = it.x_image, it.x_row, it.x_pixel, it.tap
        t.dy_image, t.dy_row, t.dy_pixel = it.dy_image, it.dy_row, it.dy_pixel
        t.x = (it.x + row * it.x_row + col * it.x_pixel
               + tap // self.kw * it.tap_row + tap % self.kw * it.tap + first % self.depth * item)
        t.out_input = self.row_bytes()
        # long rows: at the end of each it takes a while to begin the next
        if t.x_image == t.rows * t.x_row and t.dy_image == t.rows * t.dy_row:
            t.rows, t.images = t.rows * t.images, 1
        if t.x_row == t.cols * t.x_pixel and t.dy_row == t.cols * t.dy_pixel:
            t.cols, t.rows = t.cols * t.rows, 1
        if t.cols < min(t.rows, SHORT_ROW):
            t.rows, t.cols = t.cols, t.rows
            t.x_row, t.x_pixel = t.x_pixel, t.x_row
            t.dy_row, t.dy_pixel = t.dy_pixel, t.dy_row
        if self.grouped and first < self.inputs:
            t.dy = dy + self.dy_slab(it, it.slab)
            self.run_grouped(&t, it, (last - first) // self.depth, sums)
            return
        for i in range(tiles):
            height = (last - first) // tiles + (i < (last - first) % tiles)
            for j in range(it.slab, it.last_slab):
                vectors = ceil_div(self.width_of(j), self.table.lanes)
                self.fetch(&t, it)
                t.dy = dy + self.dy_slab(it, j)
                t.out = sums + j * it.next_sums
                if self.lanewise:
                    self.table.depthwise_gradient[vectors - 1][height - 1](&t)
                else:
                    self.table.gradient[vectors - 1][height - 1](&t)
            t.x += height * x_input
            sums += height * self.row_bytes()

    cdef ptrdiff_t dy_slab(self, const Item *it, ptrdiff_t slab) noexcept nogil:
        """Bytes from an item's dy to that of a slab: in place, or in the copy."""
        if it.next_dy == 0:
            return self.channel(slab) * self.table.itemsize
        return slab * it.next_dy

    cdef void run_grouped(self, fc_gradient *t, Item *it, ptrdiff_t taps,
                          char *sums) noexcept nogil:
        """Tiles of a few taps by a few inputs of each group, both as equal as can be."""
        cdef ptrdiff_t tap_tiles = ceil_div(taps, FC_GROUPED_TAPS), i, some, first, last
        cdef ptrdiff_t input_tiles = ceil_div(self.depth, FC_GROUPED_INPUTS), d
        cdef ptrdiff_t vector = self.row_bytes()
        t.out_tap = self.depth * vector
        for i in range(tap_tiles):
            some = taps // tap_tiles + (i < taps % tap_tiles)
            for d in range(input_tiles):
                first, last = d * self.depth // input_tiles, (d + 1) * self.depth // input_tiles
                self.fetch(t, it)
                t.lane_of = self.lane_of + first * vector
                t.out = sums + it.slab * it.next_sums + first * vector
                self.table.grouped_gradient[last - first - 2][some - 1](t)
            t.x += some * it.tap
            sums += some * t.out_tap
