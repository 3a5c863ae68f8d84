"""Direct convolution of channel-first images without transposing them: lanes are pixels.

A register tile of some output channels x one or two vectors of neighbouring pixels (a panel) reads the
inputs of these where they lie: in the image, if a filter has one tap and its pixels are all there, else in
planes (planes.pyx). It broadcasts weights as they are packed for the tile of direct.pyx, and stores outputs
where they belong. Those of few outputs, packed for dot.pyx, are put side by side first; their panels are
wider.
"""
from libc.math cimport hypot
from libc.string cimport memset

from fastconv._native.axes cimport Run
from fastconv._native.costs cimport costs
from fastconv._native.levels cimport (
    FC_PANEL_AHEAD, fc_panel, fc_panel_function, fc_table, fc_tile, fc_tile_function, l2_bytes,
)
from fastconv._native.packing cimport Filter, ceil_div
from fastconv._native.plan cimport (
    COPIES, L1_LINE, PRODUCTS, TAIL_PERCENT, Array, Arrays, Sizes, Timer, at, lap, start_timer,
    streaming, tile_cycles,
)
from fastconv._native.planes cimport Block, Blocking, Call, Planar, Planes, Sources
from fastconv._native.tiles cimport Split, run_pixels, split_pixels


cdef enum:
    LEAST_WIDTH = 8       # output channels of a group
    MOST_STEPS = 64       # inputs of an output: with more, an image is transposed rather than copied
    SHORT_STEPS = 160     # where a vector is no whole line: they read more for a multiply-add
    FEW_INPUTS = 4        # of a group, which are soon copied for any filter
    MOST_SPAN = 512       # they are no further apart than so many columns
    SPARE_PERCENT = 5     # more pixels than there are that vectors may hold; of few steps or one tap,
    MOST_SPARE = 10       # as transposing would take longer
    LEAST_PIXELS = 2      # that fill no vector: so many take as long as fewer
    SHARING = 5           # so many taps gain from inputs in L1, where channels must lie apart by no
    SHARED_SETS = 1024    # multiple of this
    BLOCK_PERCENT = 50    # of L2 for a block's inputs
    MOST_ITEMS = 8        # for a thread; more are not considered


cdef double vectors_of(const fc_table *table, ptrdiff_t cols, bint pointwise) noexcept nogil:
    """How many vectors of neighbouring pixels take as long as those of a row."""
    cdef ptrdiff_t rest = cols % table.lanes
    if not pointwise:
        return ceil_div(cols, table.lanes)
    # a step of the others: as many multiply-adds, but no fewer than hide their latency
    return cols // table.lanes + (<double>max(rest, LEAST_PIXELS) / table.lanes if rest else 0)


cdef inline bint whole_lines(Filter filter) noexcept nogil:
    """Whether vectors are as long as cache lines."""
    return filter.table.lanes * filter.table.itemsize == L1_LINE


cdef bint pay(Filter filter, bint pointwise, bint in_place, ptrdiff_t stride, ptrdiff_t dilation,
              ptrdiff_t rows, ptrdiff_t cols) noexcept nogil:
    """Whether panels should be faster than to transpose the image. `in_place`: most is not copied."""
    cdef ptrdiff_t spare = MOST_SPARE
    cdef bint few = filter.depth <= FEW_INPUTS or filter.reduction() <= MOST_STEPS
    if pointwise:
        rows, cols = 1, rows * cols
    # what is left out of an image, or read for many outputs, takes longer from planes
    if stride > 2 and (filter.kw == 1 or filter.reduction() > MOST_STEPS):
        return False
    if filter.dot:   # a tile loads inputs for few multiply-adds, again for each tap unless L1 holds them
        if not few and filter.kh * filter.kw >= SHARING and (
                filter.depth > filter.table.lanes * filter.table.itemsize
                or (filter.set_width == 1 and filter.kh > 1)):
            return False
    elif filter.set_width < LEAST_WIDTH:
        return False
    elif pointwise:
        if not whole_lines(filter) and filter.reduction() > SHORT_STEPS:
            return False
    elif not few:
        if not whole_lines(filter) or not in_place:
            return False
        spare = SPARE_PERCENT
    return ((pointwise or filter.depth_parts == 1) and (filter.kw - 1) * dilation <= MOST_SPAN
            and 100 * vectors_of(filter.table, cols, pointwise) * filter.table.lanes <= (
                (100 + spare) * cols))


cdef class Plan(Planar):
    """Direct convolution, with a filter of the dense form."""

    def __cinit__(self, Filter filter, input_shape, output_size, stride, padding, dilation,
                  double pad_value, row_map, col_map, activation, bint pointwise):
        cdef Sizes *z = &self.size
        self.pointwise = pointwise
        self.image_row = z.w * filter.table.itemsize
        if pointwise:
            z.h, z.w = 1, z.h * z.w
            z.oh, z.ow = self.rows, self.cols = z.h, z.w
            self.joined = z.w * filter.table.itemsize > self.image_row
        self.steps = filter.kh * filter.kw * filter.depth
        self.panel_pixels = filter.table.vectors * filter.table.lanes
        if filter.dot:
            self.panel_pixels = filter.table.few_vectors[filter.slab_width - 1] * filter.table.lanes
        self.panel_bytes = self.panel_pixels * filter.table.itemsize
        # an odd number of lines, or all pixels would share few sets of L1
        self.pitch = (ceil_div(filter.depth * filter.table.itemsize, L1_LINE) | 1) * L1_LINE

    cdef bint takes(self, const Arrays *arrays) noexcept nogil:
        if self.joined and not arrays.x.h == arrays.out.h == self.image_row:
            return False
        # tiles of short vectors read all inputs more often
        return (self.filter.dot or whole_lines(self.filter) or not self.pointwise
                or arrays.x.c % SHARED_SETS != 0)

    cdef Blocking cut(self, ptrdiff_t threads) noexcept nogil:
        """The blocking that should take least time: L2 holds a block's inputs and some weights."""
        cdef Blocking b, best
        cdef ptrdiff_t slabs = self.filter.slabs, panels
        b.chunks = 1
        best.cycles = -1
        while True:
            b.chunk = ceil_div(slabs, b.chunks)
            b.chunks = ceil_div(slabs, b.chunk)
            panels = ceil_div(self.cols, self.panel_pixels) * self.rows
            while panels > 0:
                panels = self.cut_rows(&b, panels)
                if panels == 1 or 100 * self.input_bytes(&b) <= BLOCK_PERCENT * l2_bytes():
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
        best.bytes = L1_LINE + self.inputs_bytes() + self.weights_bytes(best.chunk)
        if self.pointwise and self.filter.dot:
            best.bytes += self.inputs_bytes() + (
                self.filter.depth * self.filter.table.lanes * self.filter.table.itemsize)
        elif self.pointwise:
            best.bytes += self.filter.table.lanes * (
                self.pitch + self.filter.slab_width * self.filter.table.itemsize)
        else:
            best.bytes += self.input_bytes(&best) + self.planes_of(best.rows, best.cols).runs_bytes
        return best

    cdef ptrdiff_t inputs_bytes(self) noexcept nogil:
        """Of the places of a pixel's inputs."""
        return (self.steps + FC_PANEL_AHEAD) * sizeof(ptrdiff_t)

    cdef ptrdiff_t weights_bytes(self, ptrdiff_t slabs) noexcept nogil:
        """Of weights that are packed for dot products, unpacked."""
        if not self.filter.dot:
            return 0
        return slabs * self.filter.slab_width * self.steps * self.filter.table.itemsize

    cdef ptrdiff_t input_bytes(self, const Blocking *b) noexcept nogil:
        """Of a block's inputs."""
        return self.planes_of(b.rows, b.cols).group_bytes

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
        cdef const fc_table *table = self.filter.table
        cdef ptrdiff_t width = min(self.filter.slab_width, self.filter.set_width)
        cdef ptrdiff_t tiles = ceil_div(width, table.pixels)
        cdef double wide = self.panel_pixels / table.lanes
        cdef double panels = b.rows * vectors_of(
            table, min(b.cols, self.cols), self.pointwise) / wide
        # of the mean block over the largest
        cdef double mean = self.rows * vectors_of(table, self.cols, self.pointwise) / (
            wide * panels * b.row_blocks * b.col_blocks)
        cdef double filters = <double>b.chunk * self.filter.slab_width * table.itemsize * (
            self.filter.reduction())
        cdef double streamed = streaming(self.input_bytes(b), self.image_bytes())
        cdef double one = costs().item + panels * b.chunk * tiles * tile_cycles(
            table, <double>width / tiles * wide / table.vectors, table.vectors, 1, self.steps)
        b.items = self.size.n * b.row_blocks * b.col_blocks * b.chunks * self.filter.sets
        if not self.pointwise:
            one += self.input_bytes(b) / L1_LINE * costs().copy
        if self.filter.nbytes > l2_bytes() // 2:   # leaves L2 before the next block comes
            streamed += streaming(filters, self.filter.nbytes)
        one = hypot(one, streamed)
        b.cycles = one * max(1.0, mean * ceil_div(b.items, threads) + (1 - mean) / 2) + (
            one * TAIL_PERCENT / 100 if threads > 1 else 0)

    cdef void run_item(self, const void *the_call, ptrdiff_t index, char *work,
                       int thread) noexcept nogil:
        """One block of pixels for one chunk of slabs."""
        cdef const Arrays *arrays = (<const Call *>the_call).arrays
        cdef const Blocking *b = &(<const Call *>the_call).block
        cdef Block block = self.block_of(b, index)
        cdef ptrdiff_t chunks = b.chunks // self.filter.sets
        cdef ptrdiff_t s = block.chunk // chunks, first = block.chunk % chunks * b.chunk
        cdef ptrdiff_t end = min(first + b.chunk, self.filter.slabs), rest = 0, i
        cdef ptrdiff_t *inputs = <ptrdiff_t *>work
        cdef char *weights = work + self.inputs_bytes()
        cdef char *copies = weights + self.weights_bytes(b.chunk)
        cdef char *out = at(&arrays.out, block.n, block.row, block.col,
                            s * self.filter.set_width + self.filter.start(first))
        cdef Pixels pixels
        cdef Timer timer = start_timer(arrays, thread)
        copies += -<ptrdiff_t>copies & (L1_LINE - 1)
        pixels.rows, pixels.inputs = block.rows, inputs
        if self.pointwise:
            rest = block.cols % self.filter.table.lanes
        if self.readable_in_place(&arrays.x, &block):
            self.find_in_place(&arrays.x, inputs)
            pixels.x = at(&arrays.x, block.n, block.row * self.stride_h - self.top,
                          block.col - self.left, s * self.filter.depth)
            pixels.x_row, pixels.fetch = self.stride_h * arrays.x.h, self.panel_bytes
            if self.filter.dot and not self.pointwise:
                pixels.fetch = 0   # neighbouring taps read the same lines
        else:
            pixels.x, pixels.fetch = copies, 0
            pixels.x_row = self.copy_block(arrays, b, &block, s, inputs, copies)
            lap(&timer, COPIES)
        for i in range(FC_PANEL_AHEAD):
            inputs[self.steps + i] = inputs[self.steps - 1]
        if self.filter.dot:
            self.unpack(s, first, end, weights)
        pixels.cols = block.cols - rest
        if pixels.cols:
            self.multiply(&pixels, s, first, end, weights, out, &arrays.out)
        i = pixels.cols * self.filter.table.itemsize
        if rest and self.filter.dot:
            self.copy_rest(&pixels, rest, arrays.x.c, copies)
            self.multiply(&pixels, s, first, end, weights, out + i, &arrays.out)
        elif rest:
            self.multiply_rest(rest, pixels.x + i, arrays.x.c, s, first, end, copies, out + i,
                               arrays.out.c)
        lap(&timer, PRODUCTS)

    cdef bint readable_in_place(self, const Array *x, const Block *block) noexcept nogil:
        """Whether all inputs of whole vectors are in the image, side by side, and L1 may hold what
        neighbouring taps share."""
        cdef ptrdiff_t row = block.row * self.stride_h - self.top, col = block.col - self.left
        cdef ptrdiff_t down = (block.rows - 1) * self.stride_h + (self.filter.kh - 1) * self.dilation_h
        cdef ptrdiff_t across = block.cols - 1 + (self.filter.kw - 1) * self.dilation_w
        return self.stride_w == 1 and row >= 0 and col >= 0 and row + down < self.size.h and (
            col + across < self.size.w) and (
            self.pointwise or block.cols % self.filter.table.lanes == 0) and (
            self.filter.kh * self.filter.kw < SHARING or x.c % SHARED_SETS != 0)

    cdef void find_in_place(self, const Array *x, ptrdiff_t *inputs) noexcept nogil:
        """Bytes from the first input of an output in the image to all, in the order of the filter."""
        cdef ptrdiff_t i, j, c
        for i in range(self.filter.kh):
            for j in range(self.filter.kw):
                for c in range(self.filter.depth):
                    inputs[c] = i * self.dilation_h * x.h + j * self.dilation_w * x.w + c * x.c
                inputs += self.filter.depth

    cdef ptrdiff_t copy_block(self, const Arrays *arrays, const Blocking *b, const Block *block,
                              ptrdiff_t s, ptrdiff_t *inputs, char *copies) noexcept nogil:
        """Copy a block's inputs to planes. Returns the bytes from row to row."""
        cdef Planes p = self.planes_of(b.rows, b.cols)
        cdef Sources sources
        sources = self.begin_planes(&p, block, <Run *>(copies + p.group_bytes), copies, False)
        self.copy_planes(&p, &sources, &arrays.x, block.n, s * self.filter.depth, copies)
        self.find_inputs(&p, False, inputs)
        return p.down.per_output * p.line

    cdef void unpack(self, ptrdiff_t s, ptrdiff_t first, ptrdiff_t end, char *dst) noexcept nogil:
        """Weights of few outputs as panels read them: those of an input side by side."""
        cdef const fc_table *table = self.filter.table
        cdef ptrdiff_t item = table.itemsize, lanes = table.lanes, row = self.filter.kw * self.filter.depth
        cdef ptrdiff_t j, i, r, width, some
        cdef const char *src
        for j in range(first, end):
            width = self.filter.width(j)
            src = self.filter.memory + self.filter.position(s, j) * self.filter.reduction()
            for r in range(self.filter.kh):
                for i in range(ceil_div(row, lanes)):
                    some = min(lanes, row - i * lanes)
                    table.copy(dst, width * item, item, src, item, lanes * item, some, width)
                    src += width * lanes * item
                    dst += some * width * item

    cdef void multiply(self, const Pixels *pixels, ptrdiff_t s, ptrdiff_t first, ptrdiff_t end,
                       const char *weights, char *out, const Array *image) noexcept nogil:
        """The output channels of some slabs, a tile's one after another: so those of a channel are
        written in the order in which they lie."""
        cdef const fc_table *table = self.filter.table
        cdef ptrdiff_t item = table.itemsize, lanes = table.lanes, j, i, y, size, position, width
        cdef Split split
        cdef fc_panel t
        t.inputs, t.steps = pixels.inputs, self.steps
        t.fetch = pixels.fetch
        t.out_channel = image.c
        t.activation = &self.activation if self.activated else NULL
        for j in range(first, end):
            width = self.filter.width(j)
            split = split_pixels(width, table.pixels)
            position = self.filter.position(s, j)
            t.bias = self.filter.bias + position
            if self.filter.dot:
                t.filter, t.filter_step = weights, width * item
                weights += self.steps * t.filter_step
            else:
                t.filter = self.filter.memory + position * self.filter.reduction()
                t.filter_step = ceil_div(width, lanes) * lanes * item
            for i in range(split.larger + split.smaller):
                size = split.size + (i < split.larger)
                for y in range(pixels.rows):
                    t.x, t.out = pixels.x + y * pixels.x_row, out + y * image.h
                    self.run_panels(&t, size, pixels.cols)
                t.filter += size * item
                t.bias += size * item
                t.fetch = 0   # L2 has them
                out += size * t.out_channel

    cdef void run_panels(self, fc_panel *t, ptrdiff_t channels, ptrdiff_t cols) noexcept nogil:
        """Pixels of a row: whole panels, then the rest by narrower ones."""
        cdef const fc_table *table = self.filter.table
        cdef ptrdiff_t lanes = table.lanes, pair = table.vectors * lanes
        t.last = lanes
        if self.filter.dot:
            cols = self.advance(t, table.few[channels - 1], table.few_vectors[channels - 1] * lanes,
                                cols)
        cols = self.advance(t, table.panel[1][channels - 1], pair, cols)
        if cols:
            t.count, t.last = 1, (cols - 1) % lanes + 1
            table.panel[cols > lanes][channels - 1](t)

    cdef ptrdiff_t advance(self, fc_panel *t, fc_panel_function function, ptrdiff_t pixels,
                           ptrdiff_t cols) noexcept nogil:
        """As many panels of so many pixels as there are; returns how many pixels are left."""
        t.count = cols // pixels
        if t.count:
            function(t)
            t.x += t.count * pixels * self.filter.table.itemsize
            t.out += t.count * pixels * self.filter.table.itemsize
        return cols % pixels

    cdef void copy_rest(self, Pixels *pixels, ptrdiff_t rest, ptrdiff_t x_channel,
                        char *work) noexcept nogil:
        """Copy pixels behind others, that fill no vector, to where one may be read."""
        cdef ptrdiff_t item = self.filter.table.itemsize, c
        cdef ptrdiff_t vector = self.filter.table.lanes * item
        cdef ptrdiff_t *inputs = <ptrdiff_t *>work
        work += self.inputs_bytes()
        self.filter.table.copy(work, vector, item, pixels.x + pixels.cols * item, x_channel, item,
                               self.filter.depth, rest)
        for c in range(self.filter.depth + FC_PANEL_AHEAD):
            inputs[c] = min(c, self.filter.depth - 1) * vector
        pixels.x, pixels.inputs, pixels.cols, pixels.fetch = work, inputs, rest, 0

    cdef void multiply_rest(self, ptrdiff_t pixels, const char *x, ptrdiff_t x_channel, ptrdiff_t s,
                            ptrdiff_t first, ptrdiff_t end, char *work, char *out,
                            ptrdiff_t out_channel) noexcept nogil:
        """The same of pixels that fill no vector: transposed, by the tile of direct.pyx."""
        cdef const fc_table *table = self.filter.table
        cdef ptrdiff_t item = table.itemsize, j, width, position
        cdef char *stage = work + table.lanes * self.pitch
        cdef Split split = split_pixels(pixels, table.pixels)
        cdef fc_tile tile
        memset(&tile, 0, sizeof(tile))
        table.copy(work, self.pitch, item, x, item, x_channel, pixels, self.filter.depth)
        tile.rows = tile.taps = 1
        tile.run = self.filter.depth
        tile.x_pixel, tile.out_pixel = self.pitch, self.filter.slab_width * item
        tile.activation = &self.activation if self.activated else NULL
        for j in range(first, end):
            width, position = self.filter.width(j), self.filter.position(s, j)
            tile.filter = tile.next = self.filter.memory + position * tile.run
            tile.bias = self.filter.bias + position
            tile.last = (width - 1) % table.lanes + 1
            run_pixels(&tile, <fc_tile_function *>table.dense[self.filter.form(j)], &split, work, stage,
                       NULL)
            table.copy(out, item, out_channel, stage, tile.out_pixel, item, pixels, width)
            out += width * out_channel
