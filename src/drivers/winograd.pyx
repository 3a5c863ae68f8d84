"""Winograd convolution: transforms of tiles, and between them products of matrices.

An image is a grid of tiles of m_h x m_w outputs, each from n_h x n_w inputs. Transformed, tile and
filter are n_h * n_w numbers per channel, and the convolution of a tile is as many products of matrices,
tiles x channels by channels x output channels. A filter longer than r taps is cut into pieces of r = m
taps: piece i of a tile reads the transformed inputs of the i-th tile to its right (below), so the grid
has pieces - 1 tiles more than outputs. With stride 2 a tile reads 2 m inputs further than the one before,
and products of odd inputs (points.py) share a filter.

A dilated convolution is one on every dilation-th pixel, for each first pixel (phase) an image of its own.
Tiles of neighbouring first columns follow one another, as their pixels do, unless these are too many.

A call is cut into items: a block of tiles x a chunk of slabs (packing.pyx). An item transforms its
inputs, then for each slab multiplies and transforms back, all in its own L2: where few tiles make
several chunks, threads transform the same inputs rather than wait for one another.

An item has several groups where these are small, as their channels are neighbours in the image. Where
a group's inputs fill a vector, and its outputs one (square), products take the place of the inputs.
"""
from libc.math cimport hypot
from libc.stdlib cimport free
from libc.string cimport memset

from fastconv._native.axes cimport Run, extended
from fastconv._native.costs cimport costs
from fastconv._native.levels cimport (
    FC_ONE_AND_HALF, FC_ONE_AND_SHORT, FC_WINOGRADS, fc_table, fc_tile, fc_tile_function,
    fc_winograd, fc_winograd_input, fc_winograd_output, fc_winograd_square, find_table, l2_bytes,
)
from fastconv._native.memory cimport allocate
from fastconv._native.packing cimport Filter, ceil_div
from fastconv._native.plan cimport (
    INPUTS, L1_LINE, OUTPUTS, PRODUCTS, TAIL_PERCENT, THREAD_CYCLES, Array, Arrays, Plan as Base,
    Timer, at, beyond, lap, put, scattered, source_of, start_timer, streaming, tile_cycles, writing,
)
from fastconv._native.tiles cimport Split, run_pixels, split_pixels


cdef enum:
    MOST_COLUMNS = 64         # input columns of tiles that are transformed together,
    COLUMN_PHASES = 3         # so many for each of so many phases
    MOST_PHASES = 16          # whose tiles follow one another
    GATHERED_BYTES = 24 << 10 # of inputs whose channels had to be brought together for it
    STAGED_BYTES = 1 << 14    # of outputs whose channels will be spread, if that holds a tile
    SETS_BYTES = 512          # of a pixel: an item has as many sets as have so many
    SQUARE_TILES = 16         # of a block of square products
    ZEROS = 256               # bytes of zeros: the bias of products, two vectors at least
    MOST_BYTES = 4 << 20      # of a thread's workspace
    NOTHING = -2              # a row or column that no output reads; what tiles read there is 0


def transforms(str level, int itemsize):
    """Outputs of a tile, then points, of each transform that there is: pairs of rows and columns."""
    cdef const fc_table *table = find_table(level, itemsize)
    return tuple([
        ((table.winograd[i].m_h, table.winograd[i].m_w),
         (table.winograd[i].n_h, table.winograd[i].n_w))
        for i in range(FC_WINOGRADS)
    ])


cdef class Plan(Base):
    """Winograd convolution by transform `kind`, of pieces_h x pieces_w pieces of a filter."""

    def __cinit__(self, Filter filter, input_shape, output_size, stride, padding, dilation,
                  double pad_value, row_map, col_map, activation, int kind, kernel, pieces):
        cdef ptrdiff_t item = filter.table.itemsize, lanes = filter.table.lanes
        cdef ptrdiff_t kh, kw
        self.kind = &filter.table.winograd[kind]
        self.pieces_h, self.pieces_w = pieces
        kh, kw = kernel
        self.rows_read = (self.size.oh - 1) * self.stride_h + (kh - 1) * self.dilation_h + 1
        self.cols_read = (self.size.ow - 1) * self.stride_w + (kw - 1) * self.dilation_w + 1
        self.m_h, self.n_h = self.kind.m_h, self.kind.n_h
        self.m_w, self.n_w = self.kind.m_w, self.kind.n_w
        self.points = self.n_h * self.n_w
        self.tile_rows = ceil_div(ceil_div(self.size.oh, self.dilation_h), self.m_h)
        self.phases = self.dilation_w if self.dilation_w <= MOST_PHASES else 1
        self.apart = self.dilation_w // self.phases
        self.tile_cols = ceil_div(ceil_div(self.size.ow, self.dilation_w), self.m_w)
        self.grid_rows = self.tile_rows + self.pieces_h - 1
        self.grid_cols = self.tile_cols + self.pieces_w - 1
        self.total = (self.size.n * self.dilation_h * self.dilation_w
                      * self.grid_rows * self.grid_cols)
        self.square = (
            filter.depth == filter.set_width == lanes and filter.kw == 1
            and self.kind.unique == self.n_w)
        self.item_sets = max(1, min(filter.sets, SETS_BYTES // (filter.depth * item)))
        self.set_items = ceil_div(filter.sets, self.item_sets)
        self.pixel = ceil_div(self.item_sets * filter.depth * item, L1_LINE) * L1_LINE
        self.constants = allocate(ZEROS + 2 * self.pixel)
        memset(self.constants, 0, ZEROS + 2 * self.pixel)
        filter.table.copy(self.constants + ZEROS, item, item, self.pad(), 0, 0,
                          self.item_sets * filter.depth, 1)
        self.worthwhile_threads = max(
            1, <ptrdiff_t>self.usual_cut(1, False, False).cycles // THREAD_CYCLES)

    def __dealloc__(self):
        free(self.constants)

    cdef ptrdiff_t halo(self) noexcept nogil:
        """Transformed tiles that a block reads beyond its own."""
        return self.phases * ((self.pieces_h - 1) * self.grid_cols + self.pieces_w - 1)

    cdef ptrdiff_t finished(self) noexcept nogil:
        """Output channels that are transformed back together, at most."""
        return self.item_sets * self.filter.table.lanes if self.square else self.filter.slab_width

    cdef Blocking cut(self, ptrdiff_t threads, bint gathered, bint staged) noexcept nogil:
        """The blocking that should take least time with this many threads.

        Blocks are as long as some of the tallest register tiles, or a share of a thread's work, in
        whole columns of tiles.
        """
        cdef Blocking b, best
        cdef ptrdiff_t tall = self.filter.table.pixels, i, share, spare
        memset(&best, 0, sizeof(best))
        best.cycles = -1
        b.chunks = 1
        while True:
            b.chunk = ceil_div(self.filter.slabs, b.chunks)
            b.chunks = ceil_div(self.filter.slabs, b.chunk)
            share = ceil_div(threads, b.chunks * self.set_items)
            for i in range(1, 2 if self.square else 9):   # blocks of squares have one size
                b.tiles = tall * i if i < 5 else ceil_div(self.total, share * (i - 4))
                b.blocks = ceil_div(self.total, b.tiles)
                b.tiles = SQUARE_TILES if self.square else ceil_div(self.total, b.blocks)
                spare = 0 if i < 5 else self.phases - 1   # no less than a share, no more than tall tiles
                b.tiles = max(1, (b.tiles + spare) // self.phases) * self.phases
                b.blocks = ceil_div(self.total, b.tiles)
                self.measure(&b, threads, gathered, staged)
                if best.cycles < 0 or b.cycles < best.cycles:
                    best = b
            if b.chunk == 1 or b.chunks >= 2 * threads:
                return best
            b.chunks = ceil_div(self.filter.slabs, b.chunk - 1)

    cdef void measure(self, Blocking *b, ptrdiff_t threads, bint gathered,
                      bint staged) noexcept nogil:
        """Find a blocking's workspace and the cycles until the last thread has finished."""
        cdef ptrdiff_t item = self.filter.table.itemsize, lanes = self.filter.table.lanes
        cdef ptrdiff_t slab = self.filter.slab_width * item
        cdef ptrdiff_t written = self.finished() * item
        cdef ptrdiff_t calls = ceil_div(b.tiles, self.filter.table.pixels)
        cdef ptrdiff_t inputs = b.tiles + self.halo()
        cdef ptrdiff_t steps = self.filter.kw * self.filter.depth
        cdef double wide = self.filter.slab_vectors(), one, product, streamed, used
        cdef double panels = wide * lanes * item * self.filter.reduction()   # bytes of a slab's filter
        cdef double filters = panels * self.filter.slabs * self.item_sets
        # of a tile's inputs, as they are read and transformed, and of its outputs
        cdef double read = self.m_h * self.m_w * self.stride_h * self.stride_w * self.pixel
        cdef double vectors = self.points * ceil_div(self.item_sets * self.filter.depth, lanes)
        cdef double outputs = self.m_h * self.m_w * wide
        b.reading = self.find_reading(gathered)
        b.products_bytes = self.points * (b.tiles * slab + L1_LINE)
        b.staged = self.phases * max(
            1, STAGED_BYTES // (self.m_h * self.m_w * written * self.phases)) if staged else 0
        b.outputs_bytes = b.staged * self.m_h * self.m_w * written
        # odd numbers of lines, or all products and all tiles would share few sets of L1
        b.inputs.vector, b.inputs.product = lanes * item, (self.pixel // L1_LINE | 1) * L1_LINE
        b.inputs.tile = (self.points * b.inputs.product // L1_LINE | 1) * L1_LINE
        b.inputs_bytes = inputs * b.inputs.tile
        if self.square:
            b.inputs.tile, b.inputs.product = lanes * item, (b.tiles | 1) * lanes * item
            b.inputs.vector = self.points * b.inputs.product
            b.inputs_bytes, b.products_bytes = self.item_sets * b.inputs.vector, 0
        b.bytes = (b.reading.bytes + b.products_bytes + b.outputs_bytes + b.inputs_bytes
                   + L1_LINE)
        # each slab reads its filter and the inputs from beyond L2, as far as that does not hold them
        used = b.inputs_bytes + b.products_bytes
        streamed = streaming(panels * beyond(filters, l2_bytes()), filters * self.set_items)
        streamed += streaming((b.inputs_bytes + b.products_bytes) * beyond(used, l2_bytes()))
        # those that products share are read once more for each
        streamed += streaming(panels * beyond(panels, l2_bytes())) * (
            <double>self.points / self.filter.kh - 1)
        product = self.points * calls * tile_cycles(
            self.filter.table, <double>b.tiles / calls, wide, self.pieces_h * self.pieces_w, steps)
        if self.square:
            product = square_cycles(self.filter.table, self.points * b.tiles * steps)
        one = costs().item + inputs * (
            costs().tile + vectors * self.n_w * costs().input_term
            + streaming(read, self.image_bytes())
            + writing(vectors * lanes * item, used + filters))
        one += self.item_sets * b.chunk * (costs().item + hypot(product, streamed) + b.tiles * (
            costs().tile + outputs * costs().output
            # where a pixel is written in pieces, lines do not come in order
            + writing(outputs * lanes * item, self.output_bytes()) * (
                2 if self.filter.slabs * self.filter.sets > 1 else 1)))
        b.cycles = one * ceil_div(b.blocks * b.chunks * self.set_items, threads)
        if threads > 1:
            b.cycles += one * TAIL_PERCENT / 100
        if b.bytes > MOST_BYTES:
            b.cycles *= <double>b.bytes / MOST_BYTES * 1000

    def cost(self, ptrdiff_t num_threads):
        """Estimated cycles of a call, by the costs of the moment: `calibrate` changes them."""
        return self.cut(num_threads, False, False).cycles

    def workspace(self, ptrdiff_t num_threads):
        """Bytes of workspace a thread uses when x and out are contiguous NHWC arrays."""
        return self.usual_cut(num_threads, False, False).bytes

    cdef Blocking usual_cut(self, ptrdiff_t threads, bint gathered, bint staged) noexcept:
        """What `cut` finds, which is kept: most calls repeat it. Under the GIL."""
        if (threads != self.last_threads or gathered != self.last_gathered
                or staged != self.last_staged):
            self.last_block = self.cut(threads, gathered, staged)
            self.last_threads, self.last_gathered, self.last_staged = threads, gathered, staged
        return self.last_block

    cdef int execute(self, const Arrays *arrays, ptrdiff_t threads) except -1:
        cdef ptrdiff_t item = self.filter.table.itemsize
        cdef bint gathered = arrays.x.c != item
        cdef bint staged = scattered(&arrays.out, item, self.finished())
        cdef Call call
        call.arrays, call.block = arrays, self.usual_cut(threads, gathered, staged)
        return self.share_out(
            &call, call.block.blocks * call.block.chunks * self.set_items, threads,
            call.block.bytes)

    cdef void run_item(self, const void *call, ptrdiff_t index, char *work,
                       int thread) noexcept nogil:
        """One block of tiles, from inputs to the outputs of some sets or one chunk of slabs."""
        cdef const Arrays *arrays = (<const Call *>call).arrays
        cdef const Blocking *b = &(<const Call *>call).block
        cdef ptrdiff_t s = index // (b.blocks * b.chunks) * self.item_sets
        cdef ptrdiff_t last_set = min(s + self.item_sets, self.filter.sets)
        cdef ptrdiff_t first = index % b.blocks * b.tiles
        cdef ptrdiff_t last = min(first + b.tiles, self.total)
        cdef ptrdiff_t j = index // b.blocks % b.chunks * b.chunk
        cdef ptrdiff_t end = min(j + b.chunk, self.filter.slabs), item = self.filter.table.itemsize
        cdef ptrdiff_t width, k
        cdef Steps steps
        # the parts whose size is a multiple of a line come first
        cdef char *products = work + (-<ptrdiff_t>work & (L1_LINE - 1))
        cdef char *inputs = products + b.products_bytes
        cdef Timer timer = start_timer(arrays, thread)
        work = inputs + b.inputs_bytes
        self.transform(&arrays.x, &b.reading, s * self.filter.depth,
                       (last_set - s) * self.filter.depth, first,
                       min(last + self.halo(), self.total), work, inputs, &b.inputs)
        lap(&timer, INPUTS)
        if self.square:   # sets' outputs follow one another
            for k in range(s, last_set):
                self.multiply_square(k, last - first, inputs + (k - s) * b.inputs.vector,
                                     b.inputs.product)
            lap(&timer, PRODUCTS)
            width = self.filter.table.lanes
            self.finish(arrays, b, s * width * item, s * width, (last_set - s) * width,
                        first, last, inputs, &b.inputs, work)
            lap(&timer, OUTPUTS)
            return
        for s in range(s, last_set):
            for k in range(j, end):
                width = self.filter.width(k)
                steps.vector = self.filter.table.lanes * item
                steps.tile = ceil_div(width, self.filter.table.lanes) * steps.vector
                steps.product = (last - first) * steps.tile + L1_LINE
                self.multiply(s, k, last - first, inputs, &b.inputs, products, &steps)
                lap(&timer, PRODUCTS)
                self.finish(arrays, b, self.filter.position(s, k),
                            s * self.filter.set_width + self.filter.start(k), width, first,
                            last, products, &steps, work)
                lap(&timer, OUTPUTS)
            inputs += self.filter.depth * item

    cdef Tiles tiles_at(self, ptrdiff_t first, ptrdiff_t last) noexcept nogil:
        """The tiles of a row, as many as there are from the first on: of whole columns."""
        cdef Tiles t
        cdef ptrdiff_t rest = first // self.phases
        t.col = rest % self.grid_cols
        t.cols = min(self.grid_cols - t.col, (last - first) // self.phases)
        t.count = t.cols * self.phases
        rest //= self.grid_cols
        t.row = rest % self.grid_rows
        rest //= self.grid_rows
        t.phase_w = rest % self.apart
        rest //= self.apart
        t.phase_h = rest % self.dilation_h
        t.n = rest // self.dilation_h
        return t

    cdef Reading find_reading(self, bint gathered) noexcept nogil:
        cdef Reading r
        cdef ptrdiff_t vector = self.filter.table.lanes * self.filter.table.itemsize
        r.columns = MOST_COLUMNS * min(self.phases, COLUMN_PHASES)
        if gathered:
            r.columns = GATHERED_BYTES // (self.n_h * vector)
        r.columns = max(r.columns, self.phases * self.n_w)
        r.taps_bytes = r.columns * (self.n_h * sizeof(char *) + sizeof(Run))
        r.stage_bytes = max(GATHERED_BYTES, r.columns * self.n_h * vector) if gathered else 0
        r.bytes = r.taps_bytes + r.stage_bytes
        return r

    cdef void transform(self, const Array *x, const Reading *b, ptrdiff_t channel,
                        ptrdiff_t depth, ptrdiff_t first, ptrdiff_t last, char *work,
                        char *inputs, const Steps *steps) noexcept nogil:
        """Transform inputs of some tiles, `depth` channels from `channel` on."""
        cdef const char **taps = <const char **>work
        cdef Run *runs = <Run *>(taps + b.columns * self.n_h)
        cdef char *stage = work + b.taps_bytes
        cdef fc_winograd_input t
        cdef Tiles tiles
        cdef bint together
        cdef ptrdiff_t item = self.filter.table.itemsize, lanes = self.filter.table.lanes
        cdef ptrdiff_t chunk = 0, c, i, j, tap, column, phase
        cdef ptrdiff_t row, col, count, width, run_count, low, high, phases = self.phases
        cdef ptrdiff_t step = self.m_w * self.stride_w   # from tile to tile
        cdef ptrdiff_t most = phases * ((b.columns // phases - self.n_w) // step + 1)
        cdef ptrdiff_t rows[9]
        # of each row the first pixel, and bytes from column to column: rows of padding are a pixel
        cdef const char *pixels[9]
        cdef ptrdiff_t next_pixel[9]
        cdef const char *padding = self.constants + ZEROS
        cdef const char *unread = padding + self.pixel
        t.out_tile, t.out_product, t.out_vector = phases * steps.tile, steps.product, steps.vector
        while first < last:
            tiles = self.tiles_at(first, min(last, first + most))
            count = (tiles.cols - 1) * step + self.n_w   # columns of a phase
            width = count * phases
            low, high = self.size.h, -1   # rows of the image
            for i in range(self.n_h):
                row = tiles.phase_h + self.dilation_h * (
                    tiles.row * self.m_h * self.stride_h + i)
                rows[i] = NOTHING
                if row < self.rows_read and tiles.phase_h < self.size.oh:   # phases may have no output
                    rows[i] = source_of(row - self.top, self.size.h, self.row_map, self.top)
                if rows[i] >= 0:
                    low, high = min(low, rows[i]), max(high, rows[i])
            # rows that lie together are copied at once, without padding
            together = (b.stage_bytes > 0 and self.size.w <= width and high - low < self.n_h
                        and x.h == self.size.w * x.w)
            if together:
                width = self.size.w
            if b.stage_bytes:   # some channels at a time, so that L1 holds them
                chunk = min(depth, b.stage_bytes // (self.n_h * width * lanes * item) * lanes)
            for i in range(self.n_h):
                pixels[i], next_pixel[i] = unread if rows[i] == NOTHING else padding, 0
                if rows[i] >= 0 and b.stage_bytes:
                    pixels[i] = stage + (rows[i] - low if together else i) * width * chunk * item
                    next_pixel[i] = chunk * item
                elif rows[i] >= 0:
                    pixels[i], next_pixel[i] = at(x, tiles.n, rows[i], 0, channel), x.w
            run_count = 0
            for column in range(count):
                for phase in range(phases):
                    j = column * phases + phase
                    col = NOTHING
                    if tiles.phase_w + phase < self.size.ow:   # phases may have no output
                        col = self.column_of(&tiles, j)
                    tap = (phase * count + column) * self.n_h
                    if col < 0:
                        for i in range(self.n_h):
                            taps[tap + i] = (
                                unread if col == NOTHING or rows[i] == NOTHING else padding)
                        continue
                    if b.stage_bytes and not together:
                        run_count = extended(runs, run_count, j, col, self.apart)
                        col = j
                    for i in range(self.n_h):
                        taps[tap + i] = pixels[i] + col * next_pixel[i]
            t.tiles = tiles.cols
            c = 0
            while c < depth:
                t.channels = depth - c
                if b.stage_bytes:
                    t.channels = min(chunk, t.channels)
                if together and high >= 0:
                    self.filter.table.copy(
                        stage, chunk * item, item, at(x, tiles.n, low, 0, channel + c), x.w, x.c,
                        (high + 1 - low) * width, t.channels)
                elif b.stage_bytes:
                    for i in range(self.n_h):
                        if rows[i] >= 0:
                            self.gather(x, tiles.n, rows[i], channel + c, t.channels, runs, run_count,
                                        stage + i * width * chunk * item, chunk * item)
                for j in range(phases):
                    t.taps = <const char *const *>(taps + j * count * self.n_h)
                    t.out = inputs + j * steps.tile + c // lanes * steps.vector
                    self.kind.input(&t)
                c += t.channels
            inputs += tiles.count * steps.tile
            first += tiles.count

    cdef ptrdiff_t column_of(self, const Tiles *tiles, ptrdiff_t j) noexcept nogil:
        """The image's column that the j-th of a row of tiles is; -1 or NOTHING for none."""
        cdef ptrdiff_t col = (tiles.phase_w + self.dilation_w * tiles.col * self.m_w * self.stride_w
                              + self.apart * j)
        if col >= self.cols_read:
            return NOTHING
        return source_of(col - self.left, self.size.w, self.col_map, self.left)

    cdef void gather(self, const Array *x, ptrdiff_t n, ptrdiff_t row, ptrdiff_t channel,
                     ptrdiff_t channels, const Run *runs, ptrdiff_t count, char *stage,
                     ptrdiff_t pixel) noexcept nogil:
        """Copy some channels of a row of pixels, so that they lie side by side."""
        cdef ptrdiff_t i
        for i in range(count):
            self.filter.table.copy(
                stage + runs[i].first * pixel, pixel, self.filter.table.itemsize,
                at(x, n, row, runs[i].source, channel), self.apart * x.w, x.c, runs[i].count, channels)

    cdef void multiply_square(self, ptrdiff_t s, ptrdiff_t count, char *inputs,
                              ptrdiff_t product) noexcept nogil:
        """Multiply a set's filter with `count` tiles, in their place."""
        cdef fc_winograd_square t
        t.points, t.tiles, t.x, t.product = self.points, count, inputs, product
        t.filter = self.filter.memory + self.filter.position(s, 0) * self.filter.reduction()
        self.filter.table.winograd_square(&t)

    cdef void multiply(self, ptrdiff_t s, ptrdiff_t j, ptrdiff_t count, const char *inputs,
                       const Steps *read, char *products, const Steps *written) noexcept nogil:
        """Multiply a slab of a set with `count` tiles."""
        cdef fc_tile tile
        cdef fc_tile_function *functions
        cdef ptrdiff_t item = self.filter.table.itemsize, lanes = self.filter.table.lanes
        cdef ptrdiff_t most = self.filter.table.pixels, width = self.filter.width(j), e
        cdef ptrdiff_t vectors = ceil_div(width, lanes)
        cdef ptrdiff_t panel = self.filter.kw * self.filter.depth * vectors * lanes * item
        cdef const char *filter = (
            self.filter.memory + self.filter.position(s, j) * self.filter.reduction())
        cdef int form = self.filter.form(j)
        cdef Split split = split_pixels(count, most)
        tile.last = width - lanes if form in (FC_ONE_AND_HALF, FC_ONE_AND_SHORT) else lanes
        functions = <fc_tile_function *>self.filter.table.dense[form]
        tile.bias = self.constants
        tile.resume = tile.filter_skip = tile.fetch_out = 0
        tile.activation = NULL
        tile.residual_pixel = 0
        tile.rows, tile.taps, tile.run = self.pieces_h, self.pieces_w, self.filter.depth
        tile.x_pixel, tile.x_tap = read.tile, self.phases * read.tile
        tile.x_row = self.grid_cols * tile.x_tap
        tile.out_pixel = written.tile
        # meanwhile fetch the filter of the product that comes next
        tile.next_step = ceil_div(vectors * lanes * item, split.larger + split.smaller)
        for e in range(self.points):
            tile.filter = filter + self.panel_of(e) * panel
            tile.next = filter + self.panel_of(e + 1) * panel
            run_pixels(&tile, functions, &split, inputs + e * read.product,
                       products + e * written.product, NULL)

    cdef ptrdiff_t panel_of(self, ptrdiff_t e) noexcept nogil:
        """The transformed filter of product e."""
        cdef ptrdiff_t unique = self.kind.unique
        if unique == self.n_w:
            return e
        return min(e // self.n_w, unique - 1) * unique + min(e % self.n_w, unique - 1)

    cdef void finish(self, const Arrays *arrays, const Blocking *b, ptrdiff_t position,
                     ptrdiff_t channel, ptrdiff_t width, ptrdiff_t first, ptrdiff_t last,
                     const char *products, const Steps *steps, char *stage) noexcept nogil:
        """Transform products to `width` outputs from `channel` on, whose bias is at `position`."""
        cdef fc_winograd_output t
        cdef Tiles tiles
        cdef const Array *out = &arrays.out
        cdef ptrdiff_t item = self.filter.table.itemsize, lanes = self.filter.table.lanes
        cdef ptrdiff_t y, x, cols, i, k, phase, phases = self.phases, pixel
        cdef char *outputs
        t.vectors = ceil_div(width, lanes)
        t.last = width - (t.vectors - 1) * lanes
        t.bias = self.filter.bias + position
        t.activation = &self.activation if self.activated else NULL
        t.product, t.vector = steps.product, steps.vector
        t.residual_row = self.dilation_h * arrays.residual.h
        t.residual_pixel = self.dilation_w * arrays.residual.w
        while first < last:
            tiles = self.tiles_at(first, min(last, first + b.staged) if b.staged else last)
            first += tiles.count
            y = tiles.phase_h + self.dilation_h * tiles.row * self.m_h
            x = tiles.phase_w + self.dilation_w * tiles.col * self.m_w
            t.rows = min(self.m_h, ceil_div(self.size.oh - y, self.dilation_h))
            cols = min(tiles.count * self.m_w, ceil_div(self.size.ow - x, self.apart))   # of all phases
            if t.rows <= 0 or cols <= 0:   # only pieces of other tiles read them
                products += tiles.count * steps.tile
                continue
            if b.staged:
                outputs, pixel = stage, width * item
                t.out_row = cols * pixel
            else:
                outputs, pixel = at(out, tiles.n, y, x, channel), self.apart * out.w
                t.out_row = self.dilation_h * out.h
            t.out_pixel = phases * pixel
            for i in range(tiles.cols):
                for phase in range(phases):
                    k = i * phases * self.m_w + phase   # its first pixel
                    t.cols = min(self.m_w, ceil_div(cols - k, phases))
                    t.products = products
                    products += steps.tile
                    if t.cols <= 0:
                        continue
                    t.out = outputs + k * pixel
                    t.residual = at(&arrays.residual, tiles.n, y, x + self.apart * k, channel)
                    self.kind.output(&t)
            if b.staged:
                self.put_staged(out, at(out, tiles.n, y, x, 0), stage, pixel, t.rows, cols, channel,
                                width)

    cdef void put_staged(self, const Array *out, char *first, const char *stage, ptrdiff_t pixel,
                         ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t channel,
                         ptrdiff_t width) noexcept nogil:
        """Spread the channels of some rows of outputs, all at once if they lie together in the image."""
        cdef ptrdiff_t next_row = self.dilation_h * out.h, next_pixel = self.apart * out.w
        if next_row == cols * next_pixel:
            cols *= rows
            rows = 1
        for _ in range(rows):
            put(self.filter.table, out, first, next_pixel, stage, pixel, cols, channel, width)
            first += next_row
            stage += cols * pixel
