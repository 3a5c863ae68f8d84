"""Channel-first convolution of groups of few channels: lanes are neighbouring outputs of a row.

Inputs of a block of outputs are copied to planes, a channel's lines with their padding: then any input
of neighbouring outputs is a vector, and padding, pad mode, stride and dilation are the same code. Outputs
are stored where they lie. Depthwise convolution of the usual sizes reads the image itself, where the level
can leave out lanes that are padding. `Pixels` is for images whose channels lie together, so few that lanes are
neighbouring pixels all the same.
"""
from fastconv._native.axes cimport Run, appended, axis_of, extended, first_inside, tap_of
from fastconv._native.costs cimport costs
from fastconv._native.levels cimport (
    fc_pixelwise, fc_planewise, fc_planewise_function, fc_separate, fc_table, multiply_cycles,
)
from fastconv._native.packing cimport Filter, ceil_div
from fastconv._native.plan cimport (
    COPIES, L1_LINE, PRODUCTS, Array, Arrays, Plan as Base, Sizes, Timer, at, lap, source_of,
    start_timer, writing,
)


cdef enum:
    ITEMS = 4                  # for a thread, where there is work enough
    LEAST_VECTORS = 4          # of a block's columns: as many as a kernel takes at a time
    MOST_SPAN = 16             # blocks of so few columns that a filter may reach over
    PLANE_BYTES = 24 << 10     # of a group's planes, if that can be
    LEAST_PHASES = 3           # that are transposed
    LEAST_COLUMNS = 32         # of outputs whose inputs are apart
    MOST_ROWS = 7              # of a filter that functions for whole rows are for
    PIXEL_BYTES = 96 << 10     # of a block's planes of pixels
    LEAST_REPEATS = 3          # pixels of a vector, with stride 2
cdef double LOADS = 0.5        # cycles of a multiply-add's loads, if pixels lie together


cdef class Planar(Base):
    """Plans whose lanes are neighbouring pixels."""

    def __cinit__(self, *problem):
        self.rows, self.cols = self.size.oh, self.size.ow
        self.together = 1

    cdef bint takes(self, const Arrays *arrays) noexcept nogil:
        """Whether the plan is for arrays that lie so, of channel-first ones."""

    cdef Blocking cut(self, ptrdiff_t threads) noexcept nogil:
        """The blocking for so many threads."""

    cdef int execute(self, const Arrays *arrays, ptrdiff_t threads) except -1:
        cdef Call call
        if threads != self.last_threads:
            self.last_block = self.cut(threads)
            self.last_threads = threads
        call.arrays, call.block = arrays, self.last_block
        return self.share_out(&call, call.block.items, threads, call.block.bytes)

    cdef Block block_of(self, const Blocking *b, ptrdiff_t index) noexcept nogil:
        """The outputs of an item."""
        cdef Block block
        block.col = index % b.col_blocks * b.cols
        index //= b.col_blocks
        block.row = index % b.row_blocks * b.rows
        index //= b.row_blocks
        block.n, block.chunk = index % self.size.n, index // self.size.n
        block.rows = min(b.rows, self.rows - block.row)
        block.cols = min(b.cols, self.cols - block.col)
        return block

    cdef Planes planes_of(self, ptrdiff_t rows, ptrdiff_t cols) noexcept nogil:
        cdef ptrdiff_t lanes = self.filter.table.lanes, item = self.filter.table.itemsize
        cdef ptrdiff_t whole = lanes if self.together == 1 else 1
        cdef Planes p
        p.rows = rows
        p.column = self.together * item
        p.down = axis_of(rows, self.filter.kh, self.stride_h, self.dilation_h)
        p.columns = whole * ceil_div(
            (cols - 1) * self.stride_w + (self.filter.kw - 1) * self.dilation_w + 1,
            self.stride_w * whole)
        p.phases = self.stride_w
        if self.dilation_w == 1:
            p.phases = min(p.phases, self.filter.kw)
        p.line = p.phases * p.columns * p.column
        # an odd number of lines, or channels would share few sets of L1
        p.bytes = (ceil_div(p.down.count * p.line, L1_LINE) | 1) * L1_LINE
        p.group_bytes = L1_LINE * ceil_div(self.filter.depth * p.bytes + 2 * lanes * item, L1_LINE)
        p.runs_bytes = (p.down.count + p.phases * p.columns) * sizeof(Run)
        return p

    cdef Sources begin_planes(self, const Planes *p, const Block *block, Run *runs, char *copies,
                              bint again) noexcept nogil:
        """Find where the inputs of a block come from, the same for all channels. Padding is filled in once
        if planes are for one group after another (`again`), else with each channel."""
        cdef ptrdiff_t item = self.filter.table.itemsize, i, source, found = 0, found_columns
        cdef ptrdiff_t lines = p.down.count - (p.rows - block.rows) * p.down.per_output
        cdef Sources s
        s.lines, s.columns = runs, runs + p.down.count
        s.line_runs = 0
        for i in range(lines):
            source = source_of(tap_of(i, block.row * self.stride_h - self.top, &p.down, self.filter.kh,
                                      self.stride_h, self.dilation_h),
                               self.size.h, self.row_map, self.top)
            s.line_runs = extended(s.lines, s.line_runs, i, source, 1)
            found += source >= 0
        self.find_columns(p, block, &s)
        found_columns = p.phases * s.all.count
        for i in range(s.column_runs):
            found_columns += s.columns[i].count
        # also what is multiplied, but no part of an output
        s.gaps = found < p.down.count or found_columns < p.phases * p.columns
        if s.gaps and (again or p.phases > 1):
            self.filter.table.copy(copies, item, item, self.pad(), 0, 0,
                                   self.filter.depth * p.bytes // item, 1)
            s.gaps = False
        return s

    cdef void find_columns(self, const Planes *p, const Block *block, Sources *s) noexcept nogil:
        """Where the columns of lines come from."""
        cdef ptrdiff_t step = self.stride_w, first = block.col * step - self.left, i, j, low, high
        cdef ptrdiff_t columns = (block.cols - 1) * step + (self.filter.kw - 1) * self.dilation_w + 1
        cdef ptrdiff_t right = self.size.w - first, count = 0
        s.all = Run(0, 0, 0)
        if self.col_map == NULL and p.phases >= (LEAST_PHASES if self.together == 1 else 2):
            low = first_inside(-first, step)
            high = min(ceil_div(columns, step), first_inside(right - p.phases + 1, step))
            if low + self.filter.table.lanes <= high:
                s.all = Run(low, first + low * step, high - low)
        for j in range(min(p.phases, columns)):   # every step-th from j on
            low, high = 0, ceil_div(columns - j, step)
            if self.col_map == NULL:
                low, high = first_inside(-first - j, step), min(high, first_inside(right - j, step))
                if s.all.count:
                    count = appended(s.columns, count, j * p.columns + low, first + j + low * step,
                                     s.all.first - low)
                    low = s.all.first + s.all.count
                count = appended(
                    s.columns, count, j * p.columns + low, first + j + low * step, high - low)
                continue
            for i in range(high):
                count = extended(
                    s.columns, count, j * p.columns + i,
                    source_of(first + j + i * step, self.size.w, self.col_map, self.left), step)
        s.column_runs = count

    cdef void find_inputs(self, const Planes *p, bint taps_first, ptrdiff_t *inputs) noexcept nogil:
        """Bytes from the first input of an output to all: [kh][kw][in], or [kh][in][kw]."""
        cdef ptrdiff_t depth = self.filter.depth, kw = self.filter.kw, i, j, c, o
        for i in range(self.filter.kh):
            for j in range(kw):
                o = j * self.dilation_w
                o = i * p.down.per_tap * p.line + (
                    o % self.stride_w * p.columns + o // self.stride_w) * p.column
                for c in range(depth):
                    inputs[c * kw + j if taps_first else j * depth + c] = o + c * p.bytes
            inputs += kw * depth

    cdef void copy_planes(self, const Planes *p, const Sources *sources, const Array *x, ptrdiff_t n,
                          ptrdiff_t channel, char *dst) noexcept nogil:
        """Copy what is not padding, of a group's channels from the first on."""
        cdef ptrdiff_t item = self.filter.table.itemsize, c, i, j
        cdef const Run *lines = sources.lines
        cdef const Run *columns = sources.columns
        cdef const Run *all = &sources.all
        for c in range(channel, channel + self.filter.depth):
            if sources.gaps:
                self.fill_gaps(p, sources, dst)
            for i in range(sources.line_runs):
                for j in range(lines[i].count if all.count else 0):
                    self.filter.table.copy(
                        dst + (lines[i].first + j) * p.line + all.first * item, item,
                        p.columns * item, at(x, n, lines[i].source + j, all.source, c),
                        self.stride_w * x.w, x.w, all.count, p.phases)
                for j in range(sources.column_runs):
                    self.filter.table.copy(
                        dst + lines[i].first * p.line + columns[j].first * item, p.line, item,
                        at(x, n, lines[i].source, columns[j].source, c), x.h, self.stride_w * x.w,
                        lines[i].count, columns[j].count)
            dst += p.bytes

    cdef void fill_gaps(self, const Planes *p, const Sources *sources, char *dst) noexcept nogil:
        """Fill in a channel's padding, where there is one phase: what no run covers."""
        cdef ptrdiff_t item = self.filter.table.itemsize, first, last, i
        first = 0
        for i in range(sources.column_runs + 1):
            last = sources.columns[i].first if i < sources.column_runs else p.columns
            self.filter.table.copy(dst + first * item, p.line, item, self.pad(), 0, 0, p.down.count,
                                   last - first)
            if i < sources.column_runs:
                first = last + sources.columns[i].count
        first = 0
        for i in range(sources.line_runs + 1):
            last = sources.lines[i].first if i < sources.line_runs else p.down.count
            self.filter.table.copy(dst + first * p.line, p.line, item, self.pad(), 0, 0, last - first,
                                   p.columns)
            if i < sources.line_runs:
                first = last + sources.lines[i].count

    cdef ptrdiff_t find_bands(self, const Block *block, Band *bands) noexcept nogil:
        """The bands of a block of output rows; returns how many there are."""
        cdef ptrdiff_t count = 0, y, low, high
        for y in range(block.rows):
            self.filter_rows(block.row + y, 1, &low, &high)
            if count and bands[count - 1].low == low and bands[count - 1].high == high:
                bands[count - 1].rows += 1
            else:
                bands[count] = Band(y, 1, low, high)
                count += 1
        return count


cdef class Plan(Planar):
    """Convolution with a filter of the lanewise form; the same bits as the lanewise driver's."""

    def __cinit__(self, Filter filter, input_shape, output_size, stride, padding, dilation,
                  double pad_value, row_map, col_map, activation):
        self.groups = self.channels // filter.depth
        self.width = filter.out_channels // self.groups
        self.rows_function = self.find_rows_function()
        self.in_place = (self.rows_function != NULL and filter.table.planes_in_place
                         and self.skips_padding and col_map is None)

    cdef bint takes(self, const Arrays *arrays) noexcept nogil:
        # outputs of a block share most of what they read, unless taps are far apart
        cdef ptrdiff_t lanes = self.filter.table.lanes
        if (self.stride_w > 2 and self.filter.depth == 1 and self.size.ow < LEAST_COLUMNS
                and self.filter.kw >= self.stride_w and self.filter.kh >= self.stride_h):
            return False   # short lines of phases take longer than to bring all channels together
        return 2 * self.size.ow > lanes and (
            (self.filter.kw - 1) * self.dilation_w <= MOST_SPAN * LEAST_VECTORS * lanes)

    cdef Blocking cut(self, ptrdiff_t threads) noexcept nogil:
        """Blocks whose inputs the cache holds, group by group; some items for each thread."""
        cdef Blocking b
        cdef Planes p
        cdef ptrdiff_t lanes = self.filter.table.lanes, vectors
        cdef ptrdiff_t wanted = ITEMS * threads if threads > 1 else 1, blocks
        b.rows, b.cols = self.size.oh, self.size.ow
        while True:
            b.row_blocks = ceil_div(self.size.oh, b.rows)
            b.col_blocks = ceil_div(self.size.ow, b.cols)
            blocks = self.size.n * b.row_blocks * b.col_blocks
            p = self.planes_of(b.rows, b.cols)
            if (self.in_place or self.filter.depth * p.bytes <= PLANE_BYTES) and (
                    blocks * self.groups >= wanted):
                break
            vectors = ceil_div(b.cols, LEAST_VECTORS * lanes)
            if b.rows > 2 * self.filter.kh or (b.rows > 1 and vectors == 1):
                b.rows = ceil_div(b.rows, 2)
            elif vectors > 1:
                b.cols = ceil_div(vectors, 2) * LEAST_VECTORS * lanes
            else:
                break
        b.chunk = ceil_div(self.groups, ceil_div(wanted, blocks))
        b.chunks = ceil_div(self.groups, b.chunk)
        b.items, b.held, b.cycles = blocks * b.chunks, b.chunk, 0   # no others are compared
        b.bytes = 0 if self.in_place else L1_LINE + p.group_bytes + p.runs_bytes + (
            b.rows * sizeof(Band) + self.filter.reduction() * sizeof(ptrdiff_t))
        return b

    cdef fc_planewise_function find_rows_function(self) noexcept nogil:
        """The kernel for whole rows of such a filter, or NULL."""
        cdef ptrdiff_t kernel = self.filter.kh, stride = self.stride_w
        # those that read the image itself read no copies of which every second column lies together
        if self.filter.table.planes_in_place and stride > 1 and not (
                self.skips_padding and self.col_map == NULL):
            return NULL
        if (self.filter.depth > 1 or self.width > 1 or stride != self.stride_h or stride > 2
                or self.dilation_h > 1 or self.dilation_w > 1):
            return NULL
        if kernel == 1 and self.filter.kw > 1 and stride == 1 and (
                self.size.ow >= LEAST_VECTORS * self.filter.table.lanes):
            return self.filter.table.plane_line
        if kernel != self.filter.kw or kernel % 2 == 0 or not 3 <= kernel <= MOST_ROWS:
            return NULL
        return self.filter.table.plane_rows[stride - 1][(kernel - 3) // 2]

    cdef void run_item(self, const void *the_call, ptrdiff_t index, char *work,
                       int thread) noexcept nogil:
        """Compute one block of output pixels for one chunk of groups."""
        cdef const Arrays *arrays = (<const Call *>the_call).arrays
        cdef const Blocking *b = &(<const Call *>the_call).block
        cdef Block block = self.block_of(b, index)
        cdef fc_planewise t
        t.cols = block.cols
        t.out_line, t.out_channel = arrays.out.h, arrays.out.c
        t.activation = &self.activation if self.activated else NULL
        if self.in_place:
            self.run_in_place(arrays, b, &block, &t, thread)
        else:
            self.run_copied(arrays, b, &block, &t, work, thread)

    cdef void run_in_place(self, const Arrays *arrays, const Blocking *b, const Block *block,
                           fc_planewise *t, int thread) noexcept nogil:
        """Channel by channel, reading the image itself."""
        cdef ptrdiff_t width = self.filter.slab_width, row, col, g
        cdef Timer timer = start_timer(arrays, thread)
        row, col = block.row * self.stride_h - self.top, block.col * self.stride_w - self.left
        t.low, t.high = -row, self.size.h - row
        t.left, t.right = -col, self.size.w - col
        t.x_row, t.lines = arrays.x.h, block.rows
        t.row = self.filter.kw
        for g in range(block.chunk * b.chunk, min((block.chunk + 1) * b.chunk, self.groups)):
            t.x = at(&arrays.x, block.n, row, col, g)
            t.out = at(&arrays.out, block.n, block.row, block.col, g)
            self.find_filter(t, 0, g // width, g % width)
            self.rows_function(t)
        lap(&timer, PRODUCTS)

    cdef void find_filter(self, fc_planewise *t, ptrdiff_t s, ptrdiff_t slab,
                          ptrdiff_t lane) noexcept nogil:
        """The filter and bias of an output channel."""
        cdef ptrdiff_t position = self.filter.position(s, slab)
        lane *= self.filter.table.itemsize
        t.bias = self.filter.bias + position + lane
        t.filter = self.filter.memory + position * self.filter.reduction() + lane

    cdef void run_copied(self, const Arrays *arrays, const Blocking *b, const Block *block,
                         fc_planewise *t, char *work, int thread) noexcept nogil:
        """Group by group, of whose inputs a copy is made."""
        cdef const fc_table *table = self.filter.table
        cdef ptrdiff_t item = table.itemsize, depth = self.filter.depth
        cdef ptrdiff_t channel, o, g, lane, position, i, bands
        cdef ptrdiff_t filter_row = self.filter.kw * depth * table.lanes * item
        cdef char *copies = work + (-<ptrdiff_t>work & (L1_LINE - 1))
        cdef Planes p = self.planes_of(b.rows, b.cols)
        cdef ptrdiff_t *inputs = <ptrdiff_t *>(copies + p.group_bytes)
        cdef Band *band = <Band *>(inputs + self.filter.reduction())
        cdef Sources sources
        cdef const char *filter
        cdef fc_planewise_function function = self.rows_function
        cdef Timer timer = start_timer(arrays, thread)

        sources = self.begin_planes(&p, block, <Run *>(band + b.rows), copies, True)
        self.find_inputs(&p, True, inputs)
        if function == NULL:
            function = table.planewise
            bands = self.find_bands(block, band)
        else:   # it leaves out rows of padding by itself
            band[0], bands = Band(0, block.rows, 0, self.filter.kh), 1
            t.low, t.high = 0, p.down.count
            t.left, t.right = 0, p.columns
            if self.skips_padding:
                t.low = self.top - block.row * self.stride_h
                t.high = min(t.low + self.size.h, p.down.count)
        t.row = self.filter.kw * depth
        t.x_row, t.x_phase = p.line, p.columns * item
        t.x_line = p.down.per_output * p.line
        for g in range(block.chunk * b.chunk, min((block.chunk + 1) * b.chunk, self.groups)):
            self.copy_planes(&p, &sources, &arrays.x, block.n, g * depth, copies)
            lap(&timer, COPIES)
            o = 0
            while o < self.width:
                channel = g * self.width + o
                position = channel % self.filter.set_width
                lane = position % self.filter.slab_width
                self.find_filter(
                    t, channel // self.filter.set_width, position // self.filter.slab_width, lane)
                filter = t.filter
                t.outs = min(self.width - o, self.filter.slab_width - lane)
                t.outs = 4 if t.outs >= 4 else 2 if t.outs >= 2 else 1
                for i in range(bands):
                    t.lines = band[i].rows
                    t.x = copies + band[i].row * t.x_line
                    t.inputs = inputs + band[i].low * t.row
                    t.rows = band[i].high - band[i].low
                    t.filter = filter + band[i].low * filter_row
                    t.out = at(&arrays.out, block.n, block.row + band[i].row, block.col, channel)
                    function(t)
                o += t.outs
            lap(&timer, PRODUCTS)


cdef bint pixels_pay(Filter filter, ptrdiff_t stride, ptrdiff_t dilation) noexcept nogil:
    """Whether a vector should hold several pixels. With longer strides pixels are as soon read where they are
    as brought together."""
    cdef ptrdiff_t span = (filter.kw - 1) * dilation
    return filter.repeats >= (2 if stride == 1 else LEAST_REPEATS) and stride <= 2 and (
        filter.repeats < filter.table.lanes or stride == 1) and (
        span <= MOST_SPAN * LEAST_VECTORS * filter.repeats)


cdef class Pixels(Planar):
    """Depthwise convolution of so few channels that a vector holds several pixels: for images whose
    channels lie together, with the same bits as the lanewise driver's."""

    def __cinit__(self, Filter filter, input_shape, output_size, stride, padding, dilation,
                  double pad_value, row_map, col_map, activation):
        self.together = self.channels
        self.step = filter.repeats * self.channels

    cdef bint takes(self, const Arrays *arrays) noexcept nogil:
        cdef ptrdiff_t item = self.filter.table.itemsize
        if self.channels == 1 and self.filter.kh <= MOST_ROWS:   # Plan is for these, too
            return False
        return (arrays.residual.data == NULL and arrays.out.run == 0 and arrays.out.c == item
                and arrays.out.w == self.together * item)

    cdef Blocking cut(self, ptrdiff_t threads) noexcept nogil:
        """Blocks whose inputs the cache holds; some items for each thread."""
        cdef Blocking b
        cdef Planes p
        cdef ptrdiff_t least = LEAST_VECTORS * self.filter.repeats
        cdef ptrdiff_t wanted = ITEMS * threads if threads > 1 else 1
        b.rows, b.cols = self.size.oh, self.size.ow
        while True:
            b.row_blocks = ceil_div(self.size.oh, b.rows)
            b.col_blocks = ceil_div(self.size.ow, b.cols)
            b.items = self.size.n * b.row_blocks * b.col_blocks
            p = self.planes_of(b.rows, b.cols)
            if p.bytes <= PIXEL_BYTES and b.items >= wanted:
                break
            if b.rows > 2 * self.filter.kh or (b.rows > 1 and b.cols <= least):
                b.rows = ceil_div(b.rows, 2)
            elif b.cols > least:
                b.cols = ceil_div(b.cols, 2)
            else:
                break
        b.chunk = b.chunks = b.held = 1
        b.cycles = (costs().item * b.items + self.cycles()) / b.items * ceil_div(b.items, threads)
        b.bytes = L1_LINE + p.group_bytes + p.runs_bytes + (
            b.rows * sizeof(Band) + self.filter.reduction() * sizeof(ptrdiff_t))
        return b

    cdef double cycles(self) noexcept nogil:
        """Cycles of all outputs, and of copying all inputs."""
        cdef const Sizes *z = &self.size
        cdef double vectors = <double>z.n * z.oh * ceil_div(z.ow, self.filter.repeats)
        return (vectors * (costs().store + self.filter.reduction() * self.share_of_rows() * (
            LOADS + multiply_cycles(self.filter.table)))
            + (self.image_bytes() - self.output_bytes()) / L1_LINE * costs().copy
            + writing(self.output_bytes(), self.output_bytes()))

    cdef void run_item(self, const void *the_call, ptrdiff_t index, char *work,
                       int thread) noexcept nogil:
        """Compute one block of output pixels."""
        cdef const Arrays *arrays = (<const Call *>the_call).arrays
        cdef const Blocking *b = &(<const Call *>the_call).block
        cdef Block block = self.block_of(b, index)
        cdef char *copies = work + (-<ptrdiff_t>work & (L1_LINE - 1))
        cdef Planes p = self.planes_of(b.rows, b.cols)
        cdef ptrdiff_t *inputs = <ptrdiff_t *>(copies + p.group_bytes)
        cdef Band *band = <Band *>(inputs + self.filter.reduction())
        cdef Timer timer = start_timer(arrays, thread)
        cdef Sources sources = self.begin_planes(&p, &block, <Run *>(band + b.rows), copies, True)
        cdef ptrdiff_t bands = self.find_bands(&block, band), i
        cdef fc_pixelwise t
        self.find_inputs(&p, True, inputs)
        self.copy_pixels(&p, &sources, &arrays.x, block.n, copies)
        lap(&timer, COPIES)
        t.inputs, t.taps = inputs, self.filter.kw
        t.cols, t.step = block.cols * self.together, self.step
        t.bias = self.filter.bias
        t.activation = &self.activation if self.activated else NULL
        for i in range(bands):
            self.run_band(&t, &p, &band[i], copies,
                          at(&arrays.out, block.n, block.row, block.col, 0), arrays.out.h)
        lap(&timer, PRODUCTS)

    cdef void run_band(self, fc_pixelwise *t, const Planes *p, const Band *band, const char *x,
                       char *out, ptrdiff_t out_row) noexcept nogil:
        """Rows of outputs whose filter rows meet: every `turns`-th, as many times."""
        cdef ptrdiff_t turns = 1, i
        while turns * p.down.per_output % p.down.per_tap:
            turns += 1
        t.x_row, t.apart = p.down.per_tap * p.line, turns * p.down.per_output // p.down.per_tap
        t.out_line = turns * out_row
        t.filter = self.filter.memory + (
            band.low * self.filter.kw * self.filter.table.lanes * self.filter.table.itemsize)
        t.rows = band.high - band.low
        x += band.low * t.x_row
        for i in range(band.row, band.row + min(turns, band.rows)):
            t.lines = ceil_div(band.row + band.rows - i, turns)
            t.x = x + i * p.down.per_output * p.line
            t.out = out + i * out_row
            self.filter.table.pixelwise(t)

    cdef void copy_pixels(self, const Planes *p, const Sources *sources, const Array *x, ptrdiff_t n,
                          char *dst) noexcept nogil:
        """Copy what is not padding, of each phase all channels of a pixel together."""
        cdef const Run *lines = sources.lines
        cdef const Run *columns = sources.columns
        cdef const Run *all = &sources.all
        cdef const fc_table *table = self.filter.table
        cdef ptrdiff_t i, j, row
        cdef char *line
        cdef fc_separate t
        t.dst_line, t.dst_phase = p.line, p.columns * p.column
        t.src_line, t.src_pixel, t.src_channel = x.h, x.w, x.c
        t.pixels, t.channels = all.count, self.together
        for i in range(sources.line_runs):
            line = dst + lines[i].first * p.line
            if all.count:
                t.dst, t.src = line + all.first * p.column, at(x, n, lines[i].source, all.source, 0)
                t.lines = lines[i].count
                table.separate(&t)
            for row in range(lines[i].source, lines[i].source + lines[i].count):
                for j in range(sources.column_runs):
                    table.copy(line + columns[j].first * p.column, p.column, table.itemsize,
                               at(x, n, row, columns[j].source, 0), self.stride_w * x.w, x.c,
                               columns[j].count, self.together)
                line += p.line
