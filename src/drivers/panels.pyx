"""Direct convolution of channel-first images without transposing them: lanes are pixels.

The register tile of direct.pyx with filter and image exchanged: what it broadcasts are the filters of
some output channels, and its vectors are two of neighbouring outputs' inputs. A panel has those of all
inputs that an output has, [inputs][pixels], each copied as it lies, and outputs are stored so; only filters
are transposed, which is soon done. Inputs of several taps come from planes (planes.pyx). A tile's bias goes
by lanes, so here it is one weight more, of an input that is 1.
"""
from libc.stdlib cimport free
from libc.string cimport memset

from fastconv._native.costs cimport costs
from fastconv._native.levels cimport FC_ONE, FC_TWO, fc_table, fc_tile, fc_tile_function, l2_bytes
from fastconv._native.memory cimport allocate
from fastconv._native.packing cimport Filter, ceil_div
from fastconv._native.plan cimport (
    COPIES, L1_LINE, PRODUCTS, TAIL_PERCENT, Arrays, Timer, at, lap, start_timer, tile_cycles,
)
from fastconv._native.axes cimport Run
from fastconv._native.planes cimport Block, Blocking, Call, Planar, Planes, Sources
from fastconv._native.tiles cimport Split, run_row, split_pixels


cdef enum:
    LEAST_WIDTH = 8       # output channels of a group
    MOST_DEPTH = 192      # inputs of a group: with more, an image is transposed as soon as copied
    MOST_STEPS = 64       # likewise inputs of an output, where it has several taps,
    MOST_SPAN = 512       # no further apart than so many columns
    SPARE_PERCENT = 5     # more pixels than there are that vectors may hold,
    MOST_SPARE = 10       # or, of groups or several taps, which take longer to transpose
    PANELS_PERCENT = 50   # of L2 for a block's panels
    MOST_ITEMS = 8        # for a thread; more are not considered


cdef bint pay(Filter filter, bint pointwise, ptrdiff_t dilation, ptrdiff_t rows,
              ptrdiff_t cols) noexcept nogil:
    """Whether panels should be faster than to transpose the image."""
    cdef ptrdiff_t lanes = filter.table.lanes, depth = filter.depth, width = filter.set_width
    cdef ptrdiff_t spare = SPARE_PERCENT if pointwise and filter.sets == 1 else MOST_SPARE
    if pointwise:
        rows, cols = 1, rows * cols
    return (width >= LEAST_WIDTH and filter.depth_parts == 1
            and filter.reduction() <= (MOST_DEPTH if pointwise else MOST_STEPS)
            and (filter.kw - 1) * dilation <= MOST_SPAN
            and 100 * ceil_div(cols, lanes) * lanes <= (100 + spare) * cols
            # a filter is transposed for each block, or the image for as many channels
            and rows * cols * (depth + width) >= filter.reduction() * width)


cdef class Plan(Planar):
    """Direct convolution, with a filter of the dense form."""

    def __cinit__(self, Filter filter, input_shape, output_size, stride, padding, dilation,
                  double pad_value, row_map, col_map, activation, bint pointwise):
        # to which the bias is added: -0 takes even the sign of 0
        cdef double minus64 = -0.0
        cdef float minus32 = -0.0
        cdef ptrdiff_t item = filter.table.itemsize
        self.pointwise = pointwise
        if pointwise:
            self.rows, self.cols = 1, self.rows * self.cols
        self.steps = filter.reduction() + 1
        self.panel_pixels = filter.table.vectors * filter.table.lanes
        self.panel_bytes = self.steps * self.panel_pixels * item
        # an odd number of lines, or all rows of a tile would share few sets of L1
        self.weight_bytes = (ceil_div(self.steps * item, L1_LINE) | 1) * L1_LINE
        self.zeros = allocate(self.panel_pixels * item)
        filter.table.copy(self.zeros, 0, item, <char *>&minus32 if item == 4 else <char *>&minus64,
                          0, 0, 1, self.panel_pixels)

    def __dealloc__(self):
        free(self.zeros)

    cdef bint takes(self, const Arrays *arrays) noexcept nogil:
        cdef ptrdiff_t item = self.filter.table.itemsize
        return not self.pointwise or self.size.h == 1 or (
            arrays.x.h == self.size.w * item and arrays.out.h == self.size.w * item)

    cdef ptrdiff_t row_bytes(self, const Blocking *b) noexcept nogil:
        """Of a row of a block's panels."""
        return b.cols // self.panel_pixels * self.panel_bytes

    cdef Blocking cut(self, ptrdiff_t threads) noexcept nogil:
        """The blocking that should take least time: a block's panels and some weights are in L2."""
        cdef Blocking b, best
        cdef Planes planes
        cdef ptrdiff_t slabs = self.filter.slabs, panels
        cdef ptrdiff_t weights = self.filter.slab_width * self.weight_bytes
        cdef ptrdiff_t most = max(1, l2_bytes() // 4 // weights)
        b.chunks = 1
        best.cycles = -1
        while True:
            b.chunk = ceil_div(slabs, b.chunks)
            b.chunks = ceil_div(slabs, b.chunk)
            b.held = ceil_div(b.chunk, ceil_div(b.chunk, most))
            panels = max(1, l2_bytes() * PANELS_PERCENT // 100 // self.panel_bytes)
            while panels > 0:
                panels = self.cut_rows(&b, panels)
                self.measure(&b, threads)
                if best.cycles < 0 or b.cycles < best.cycles:
                    best = b
                if b.items > MOST_ITEMS * threads:
                    break
                panels -= 1
            if b.chunk == 1 or b.chunks >= 2 * threads:
                break
            b.chunks = ceil_div(slabs, b.chunk - 1)
        best.chunks *= self.filter.sets
        best.bytes = L1_LINE + best.rows * self.row_bytes(&best) + best.held * weights + (
            self.steps * sizeof(ptrdiff_t))
        if not self.pointwise:
            planes = self.planes_of(best.rows, best.cols)
            best.bytes += planes.group_bytes + planes.runs_bytes + L1_LINE
        return best

    cdef ptrdiff_t cut_rows(self, Blocking *b, ptrdiff_t panels) noexcept nogil:
        """Blocks of at most so many panels: rows, or a part of one. Returns how many they have."""
        cdef ptrdiff_t whole = ceil_div(self.cols, self.panel_pixels)   # rows
        b.rows = min(self.rows, max(1, panels // whole))
        b.rows = ceil_div(self.rows, ceil_div(self.rows, b.rows))
        panels = ceil_div(whole, ceil_div(whole, min(whole, panels)))
        b.cols = panels * self.panel_pixels
        b.row_blocks = ceil_div(self.rows, b.rows)
        b.col_blocks = ceil_div(whole, panels)
        return b.rows * panels

    cdef void measure(self, Blocking *b, ptrdiff_t threads) noexcept nogil:
        """Find a blocking's items, and the cycles until the last thread has finished."""
        cdef ptrdiff_t rows = min(b.held * self.filter.slab_width, self.filter.set_width)
        cdef ptrdiff_t calls = ceil_div(rows, self.filter.table.pixels)
        cdef double vectors = self.steps * ceil_div(rows, self.filter.table.lanes), one
        cdef ptrdiff_t panels = b.rows * b.cols // self.panel_pixels
        b.items = self.size.n * b.row_blocks * b.col_blocks * b.chunks * self.filter.sets
        one = costs().item + panels * 2 * self.steps * costs().copy + ceil_div(
            b.chunk, b.held) * (vectors * costs().copy + panels * calls * tile_cycles(
                self.filter.table, <double>rows / calls, self.filter.table.vectors, 1, self.steps))
        b.cycles = one * ceil_div(b.items, threads) + (
            one * TAIL_PERCENT / 100 if threads > 1 else 0)

    cdef void run_item(self, const void *the_call, ptrdiff_t index, char *work,
                       int thread) noexcept nogil:
        """One block of panels for one chunk of slabs."""
        cdef const Arrays *arrays = (<const Call *>the_call).arrays
        cdef const Blocking *b = &(<const Call *>the_call).block
        cdef Block block = self.block_of(b, index)
        cdef ptrdiff_t chunks = b.chunks // self.filter.sets
        cdef ptrdiff_t s = block.chunk // chunks, j = block.chunk % chunks * b.chunk
        cdef ptrdiff_t end = min(j + b.chunk, self.filter.slabs), some, channels, i
        cdef char *panels = work + (-<ptrdiff_t>work & (L1_LINE - 1))
        cdef char *weights = panels + b.rows * self.row_bytes(b)
        cdef ptrdiff_t *inputs = <ptrdiff_t *>(
            weights + b.held * self.filter.slab_width * self.weight_bytes)
        cdef Timer timer = start_timer(arrays, thread)
        self.fill_ones(b.rows * b.cols // self.panel_pixels, panels)
        if self.pointwise:
            for i in range(self.filter.depth):
                inputs[i] = i * arrays.x.c
            self.pack_row(at(&arrays.x, block.n, 0, block.col, s * self.filter.depth), inputs,
                          block.cols, panels)
        else:
            self.gather_rows(arrays, b, &block, s * self.filter.depth, inputs, panels)
        while j < end:
            some = min(b.held, end - j)
            channels = self.pack_weights(s, j, j + some, weights)
            lap(&timer, COPIES)
            self.multiply(
                b, &block, channels, weights, panels,
                at(&arrays.out, block.n, block.row, block.col,
                   s * self.filter.set_width + self.filter.start(j)),
                arrays.out.h, arrays.out.c)
            lap(&timer, PRODUCTS)
            j += some

    cdef void fill_ones(self, ptrdiff_t count, char *panels) noexcept nogil:
        """Of panels the line that bias is multiplied with."""
        cdef const fc_table *table = self.filter.table
        cdef double one64 = 1
        cdef float one32 = 1
        table.copy(panels, self.panel_bytes, table.itemsize,
                   <char *>&one32 if table.itemsize == 4 else <char *>&one64, 0, 0, count,
                   self.panel_pixels)

    cdef void pack_row(self, const char *x, const ptrdiff_t *inputs, ptrdiff_t pixels,
                       char *panels) noexcept nogil:
        """Of a row of pixels each input, which begin so many bytes from x on: line by line."""
        cdef const fc_table *table = self.filter.table
        cdef ptrdiff_t item = table.itemsize, size = self.panel_pixels, line = size * item, i
        cdef ptrdiff_t whole = pixels // size, rest = pixels % size
        cdef ptrdiff_t last_line = ceil_div(rest, table.lanes) * table.lanes * item
        cdef char *last = panels + whole * self.panel_bytes
        if rest:   # lanes without a pixel are multiplied, too
            memset(last + last_line, 0, self.panel_bytes - last_line)
        for i in range(self.steps - 1):
            panels += line
            last += last_line
            table.copy(panels, self.panel_bytes, item, x + inputs[i], line, item, whole, size)
            if rest:
                table.copy(last, line, item, x + inputs[i] + whole * line, line, item, 1, rest)

    cdef void gather_rows(self, const Arrays *arrays, const Blocking *b, const Block *block,
                          ptrdiff_t channel, ptrdiff_t *inputs, char *panels) noexcept nogil:
        """The same of a block's rows, whose inputs come from planes. These begin behind `inputs`."""
        cdef Planes p = self.planes_of(b.rows, b.cols)
        cdef char *runs = <char *>(inputs + self.steps)
        cdef char *copies = runs + p.runs_bytes
        cdef Sources sources
        cdef ptrdiff_t i
        copies += -<ptrdiff_t>copies & (L1_LINE - 1)
        sources = self.begin_planes(&p, block, <Run *>runs, copies)
        self.copy_planes(&p, &sources, &arrays.x, block.n, channel, copies)
        self.find_inputs(&p, False, inputs)
        for i in range(block.rows):
            self.gather_row(copies + i * p.down.per_output * p.line, inputs, block.cols,
                            panels + i * self.row_bytes(b))

    cdef void gather_row(self, const char *x, const ptrdiff_t *inputs, ptrdiff_t pixels,
                         char *panels) noexcept nogil:
        """Of a row of planes, beyond which vectors may be loaded: panel by panel."""
        cdef const fc_table *table = self.filter.table
        cdef ptrdiff_t line, vectors
        while pixels > 0:
            vectors = min(table.vectors, ceil_div(pixels, table.lanes))
            line = vectors * table.lanes * table.itemsize
            table.gather(panels + line, x, inputs, self.steps - 1, vectors)
            x += line
            panels += self.panel_bytes
            pixels -= self.panel_pixels

    cdef ptrdiff_t pack_weights(self, ptrdiff_t s, ptrdiff_t j, ptrdiff_t end,
                                char *weights) noexcept nogil:
        """Of each output channel of some slabs: bias, then weights. Returns how many channels."""
        cdef ptrdiff_t item = self.filter.table.itemsize, lanes = self.filter.table.lanes
        cdef ptrdiff_t width, position, rows = 0
        for j in range(j, end):
            width, position = self.filter.width(j), self.filter.position(s, j)
            self.filter.table.copy(weights, item, self.weight_bytes, self.filter.bias + position,
                                   lanes * item, item, 1, width)
            self.filter.table.copy(
                weights + item, item, self.weight_bytes,
                self.filter.memory + position * self.filter.reduction(),
                ceil_div(width, lanes) * lanes * item, item, self.steps - 1, width)
            weights += width * self.weight_bytes
            rows += width
        return rows

    cdef void multiply(self, const Blocking *b, const Block *block, ptrdiff_t channels,
                       const char *weights, const char *panels, char *out, ptrdiff_t out_row,
                       ptrdiff_t out_channel) noexcept nogil:
        """Weights of so many output channels with all panels, a tile's one after another: so the
        outputs of a channel are written in the order in which they lie."""
        cdef const fc_table *table = self.filter.table
        cdef Split split = split_pixels(channels, table.pixels)
        cdef ptrdiff_t i, y, size, left, lanes = table.lanes
        cdef fc_tile tile
        tile.rows = tile.taps = 1
        tile.run = self.steps
        tile.x_pixel, tile.x_row, tile.x_tap = self.weight_bytes, 0, 0
        tile.bias = self.zeros
        tile.resume = tile.filter_skip = tile.fetch_out = tile.next_step = 0
        tile.residual_pixel = 0
        tile.activation = &self.activation if self.activated else NULL
        tile.out_pixel = out_channel
        for i in range(split.larger + split.smaller):
            size = split.size + (i < split.larger)
            for y in range(block.rows):
                tile.filter = panels + y * self.row_bytes(b)
                left = block.cols
                while left > 0:
                    tile.next = tile.filter
                    tile.last = lanes if left >= self.panel_pixels else (left - 1) % lanes + 1
                    run_row(&tile, <fc_tile_function *>table.dense[FC_TWO if left > lanes else FC_ONE],
                            1, size, weights, out + y * out_row + (block.cols - left) * table.itemsize, NULL)
                    tile.filter += self.panel_bytes
                    left -= self.panel_pixels
            weights += size * self.weight_bytes
            out += size * out_channel
