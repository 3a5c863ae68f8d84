"""Pointwise convolution of channel-first images, where they lie: lanes are pixels.

The register tile of direct.pyx with filter and image exchanged: what it broadcasts are the filters of
some output channels, and its vectors are two of neighbouring pixels of an input channel. A panel has
those of all inputs of a group, [inputs][pixels], and is copied line by line, not transposed, as outputs
are stored; only filters are, which is soon done. A tile's bias goes by lanes, so here it is one weight
more, of an input that is 1.
"""
from libc.stdlib cimport free
from libc.string cimport memset

from fastconv._native.costs cimport costs
from fastconv._native.levels cimport FC_ONE, FC_TWO, fc_table, fc_tile, fc_tile_function, l2_bytes
from fastconv._native.memory cimport allocate
from fastconv._native.packing cimport Filter, ceil_div
from fastconv._native.plan cimport (
    COPIES, L1_LINE, PRODUCTS, TAIL_PERCENT, Array, Arrays, Sizes, Timer, at,
    lap, start_timer, tile_cycles,
)
from fastconv._native.planes cimport Planar
from fastconv._native.tiles cimport Split, run_row, split_pixels


cdef enum:
    LEAST_WIDTH = 8       # output channels of a group
    MOST_DEPTH = 192      # inputs of a group: with more, an image is transposed as soon as copied
    SPARE_PERCENT = 5     # more pixels than there are that vectors may hold
    PANELS_PERCENT = 50   # of L2 for a block's panels
    MOST_ITEMS = 8        # for a thread; more are not considered


cdef bint pay(Filter filter, ptrdiff_t pixels) noexcept:
    """Whether panels should be faster than to transpose the image."""
    cdef ptrdiff_t lanes = filter.table.lanes, depth = filter.depth, width = filter.set_width
    return (width >= LEAST_WIDTH and depth <= MOST_DEPTH
            and 100 * ceil_div(pixels, lanes) * lanes <= (100 + SPARE_PERCENT) * pixels
            # a filter is transposed for each block, or the image for as many channels
            and pixels * (depth + width) >= depth * width)


cdef inline bint planar(const Array *a, const Sizes *z, ptrdiff_t item) noexcept nogil:
    """Whether the pixels of a channel lie together."""
    return a.w == item and a.run == 0 and (z.h == 1 or a.h == z.w * item)


cdef class Plan(Planar):
    """Convolution of one tap, stride 1 and no padding."""

    def __cinit__(self, Filter filter, input_shape, output_size, stride, padding, dilation,
                  double pad_value, row_map, col_map, activation):
        # to which the bias is added: -0 takes even the sign of 0
        cdef double minus64 = -0.0
        cdef float minus32 = -0.0
        self.panel_pixels = filter.table.vectors * filter.table.lanes
        self.steps = filter.depth + 1
        self.panels = ceil_div(self.size.oh * self.size.ow, self.panel_pixels)
        self.zeros = allocate(self.panel_pixels * filter.table.itemsize)
        filter.table.copy(self.zeros, 0, filter.table.itemsize,
                          <char *>&minus32 if filter.table.itemsize == 4 else <char *>&minus64,
                          0, 0, 1, self.panel_pixels)

    def __dealloc__(self):
        free(self.zeros)

    cdef bint takes(self, const Arrays *arrays) noexcept nogil:
        """Whether the arrays lie so."""
        cdef ptrdiff_t item = self.filter.table.itemsize
        return (planar(&arrays.x, &self.size, item) and planar(&arrays.out, &self.size, item)
                and arrays.residual.data == NULL)

    cdef ptrdiff_t most_panels(self) noexcept nogil:
        """Of a block."""
        return l2_bytes() * PANELS_PERCENT // 100 // (
            self.steps * self.panel_pixels * self.filter.table.itemsize)

    cdef Blocking cut(self, ptrdiff_t threads) noexcept nogil:
        """The blocking that should take least time: a block's panels and some weights are in L2."""
        cdef Blocking b, best
        cdef ptrdiff_t item = self.filter.table.itemsize, slabs = self.filter.slabs, weights, most
        b.panel_bytes = self.steps * self.panel_pixels * item
        # an odd number of lines, or all rows of a tile would share few sets of L1
        b.weight_bytes = (ceil_div(self.steps * item, L1_LINE) | 1) * L1_LINE
        weights = self.filter.slab_width * b.weight_bytes
        most = max(1, l2_bytes() // 4 // weights)
        b.chunks = 1
        best.cycles = -1
        while True:
            b.chunk = ceil_div(slabs, b.chunks)
            b.chunks = ceil_div(slabs, b.chunk)
            b.held = ceil_div(b.chunk, ceil_div(b.chunk, most))
            b.blocks = ceil_div(self.panels, max(1, self.most_panels()))
            while True:
                b.panels = ceil_div(self.panels, b.blocks)
                b.blocks = ceil_div(self.panels, b.panels)
                self.measure(&b, threads)
                if best.cycles < 0 or b.cycles < best.cycles:
                    best = b
                if b.panels == 1 or b.items > MOST_ITEMS * threads:
                    break
                b.blocks = ceil_div(self.panels, b.panels - 1)
            if b.chunk == 1 or b.chunks >= 2 * threads:
                break
            b.chunks = ceil_div(slabs, b.chunk - 1)
        best.chunks *= self.filter.sets
        best.bytes = best.panels * best.panel_bytes + L1_LINE + best.held * weights
        return best

    cdef void measure(self, Blocking *b, ptrdiff_t threads) noexcept nogil:
        """Find a blocking's items, and the cycles until the last thread has finished."""
        cdef ptrdiff_t rows = min(b.held * self.filter.slab_width, self.filter.set_width)
        cdef ptrdiff_t calls = ceil_div(rows, self.filter.table.pixels)
        cdef double vectors = self.steps * ceil_div(rows, self.filter.table.lanes), one
        b.items = self.size.n * b.blocks * b.chunks * self.filter.sets
        one = costs().item + b.panels * 2 * self.steps * costs().copy + ceil_div(
            b.chunk, b.held) * (vectors * costs().copy + b.panels * calls * tile_cycles(
                self.filter.table, <double>rows / calls, self.filter.table.vectors, 1, self.steps))
        b.cycles = one * ceil_div(b.items, threads) + (
            one * TAIL_PERCENT / 100 if threads > 1 else 0)

    cdef int execute(self, const Arrays *arrays, ptrdiff_t threads) except -1:
        cdef Call call
        if threads != self.last_threads:
            self.last_block = self.cut(threads)
            self.last_threads = threads
        call.arrays, call.block = arrays, self.last_block
        return self.share_out(&call, call.block.items, threads, call.block.bytes)

    cdef void run_item(self, const void *the_call, ptrdiff_t index, char *work,
                       int thread) noexcept nogil:
        """One block of panels for one chunk of slabs."""
        cdef const Arrays *arrays = (<const Call *>the_call).arrays
        cdef const Blocking *b = &(<const Call *>the_call).block
        cdef ptrdiff_t chunks = b.chunks // self.filter.sets
        cdef ptrdiff_t chunk = index // (b.blocks * self.size.n)
        cdef ptrdiff_t n = index // b.blocks % self.size.n
        cdef ptrdiff_t first = index % b.blocks * b.panels * self.panel_pixels
        cdef ptrdiff_t pixels = min(
            self.size.oh * self.size.ow - first, b.panels * self.panel_pixels)
        cdef ptrdiff_t s = chunk // chunks, j = chunk % chunks * b.chunk
        cdef ptrdiff_t end = min(j + b.chunk, self.filter.slabs), some, rows
        cdef char *panels = work + (-<ptrdiff_t>work & (L1_LINE - 1))
        cdef char *weights = panels + b.panels * b.panel_bytes
        cdef Timer timer = start_timer(arrays, thread)
        self.pack_panels(b, arrays, n, s * self.filter.depth, first, pixels, panels)
        while j < end:
            some = min(b.held, end - j)
            rows = self.pack_weights(b, s, j, j + some, weights)
            lap(&timer, COPIES)
            self.multiply(
                b, rows, pixels, weights, panels,
                at(&arrays.out, n, 0, first, s * self.filter.set_width + self.filter.start(j)),
                arrays.out.c)
            lap(&timer, PRODUCTS)
            j += some

    cdef ptrdiff_t pack_weights(self, const Blocking *b, ptrdiff_t s, ptrdiff_t j, ptrdiff_t end,
                                char *weights) noexcept nogil:
        """Of each output channel of some slabs: bias, then weights. Returns how many channels."""
        cdef ptrdiff_t item = self.filter.table.itemsize, lanes = self.filter.table.lanes
        cdef ptrdiff_t width, position, rows = 0
        for j in range(j, end):
            width, position = self.filter.width(j), self.filter.position(s, j)
            self.filter.table.copy(weights, item, b.weight_bytes, self.filter.bias + position,
                                   lanes * item, item, 1, width)
            self.filter.table.copy(
                weights + item, item, b.weight_bytes,
                self.filter.memory + position * self.filter.reduction(),
                ceil_div(width, lanes) * lanes * item, item, self.filter.depth, width)
            weights += width * b.weight_bytes
            rows += width
        return rows

    cdef void pack_panels(self, const Blocking *b, const Arrays *arrays, ptrdiff_t n,
                          ptrdiff_t channel, ptrdiff_t first, ptrdiff_t pixels,
                          char *panels) noexcept nogil:
        """Ones, then pixels from `first` on of each input from `channel` on."""
        cdef const fc_table *table = self.filter.table
        cdef ptrdiff_t item = table.itemsize, size = self.panel_pixels, line = size * item, i
        cdef ptrdiff_t whole = pixels // size, rest = pixels % size
        cdef ptrdiff_t last_line = ceil_div(rest, table.lanes) * table.lanes * item
        cdef double one64 = 1
        cdef float one32 = 1
        cdef const char *one = <char *>&one32 if item == 4 else <char *>&one64
        cdef const char *src
        cdef char *last = panels + whole * b.panel_bytes
        table.copy(panels, b.panel_bytes, item, one, 0, 0, whole, size)
        if rest:   # lanes without a pixel are multiplied, too
            memset(last, 0, b.panel_bytes)
            table.copy(last, line, item, one, 0, 0, 1, rest)
        for i in range(self.filter.depth):
            panels += line
            last += last_line
            src = at(&arrays.x, n, 0, first, channel + i)
            table.copy(panels, b.panel_bytes, item, src, line, item, whole, size)
            if rest:
                table.copy(last, line, item, src + whole * line, line, item, 1, rest)

    cdef void multiply(self, const Blocking *b, ptrdiff_t rows, ptrdiff_t pixels,
                       const char *weights, const char *panels, char *out,
                       ptrdiff_t out_channel) noexcept nogil:
        """Weights of so many output channels with all panels, a tile's one after another: so the
        outputs of a channel are written in the order in which they lie."""
        cdef const fc_table *table = self.filter.table
        cdef Split split = split_pixels(rows, table.pixels)
        cdef ptrdiff_t i, size, left, lanes = table.lanes
        cdef fc_tile tile
        tile.rows = tile.taps = 1
        tile.run = self.steps
        tile.x_pixel, tile.x_row, tile.x_tap = b.weight_bytes, 0, 0
        tile.bias = self.zeros
        tile.resume = tile.filter_skip = tile.fetch_out = tile.next_step = 0
        tile.residual_pixel = 0
        tile.activation = &self.activation if self.activated else NULL
        tile.out_pixel = out_channel
        for i in range(split.larger + split.smaller):
            size = split.size + (i < split.larger)
            tile.filter = panels
            left = pixels
            while left > 0:
                tile.next = tile.filter
                tile.last = lanes if left >= self.panel_pixels else (left - 1) % lanes + 1
                run_row(&tile, <fc_tile_function *>table.dense[FC_TWO if left > lanes else FC_ONE], 1,
                        size, weights, out + (pixels - left) * table.itemsize, NULL)
                tile.filter += b.panel_bytes
                left -= self.panel_pixels
            weights += size * b.weight_bytes
            out += size * out_channel
