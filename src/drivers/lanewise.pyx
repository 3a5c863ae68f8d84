"""Depthwise and grouped convolution: channels, or groups of few, side by side in a vector.

A call is cut into items: a block of output pixels x a chunk of vectors of channels. An item first
writes down where each of its inputs is: an input pixel, or for padding a pixel of the pad value. So
every padding, pad mode, stride and dilation is the same code, and nothing is copied unless channels
do not lie together. Then row after row it runs some outputs at a time through all vectors, which
is the order in which the image lies in memory.
"""
from libc.stdlib cimport free
from libc.string cimport memcpy

from fastconv._native cimport planes
from fastconv._native.axes cimport Axis, axis_of, tap_of
from fastconv._native.costs cimport costs
from fastconv._native.levels cimport (
    fc_lanewise, fc_lanewise_function, l2_bytes, multiply_cycles,
)
from fastconv._native.memory cimport allocate
from fastconv._native.packing cimport Filter, ceil_div, find_lanes
from fastconv._native.plan cimport (
    COPIES, L1_LINE, PRODUCTS, TAIL_PERCENT, THREAD_CYCLES, Array, Arrays, Plan as Base, Timer, at,
    lap, put_rows, source_of, start_timer, streaming, writing,
)


cdef enum:
    ITEMS = 4                  # for a thread, where there is work enough
    TABLE_ENTRIES = 8192       # pointers of an item, if that can be
    LEAST_COLS = 32            # of a block that does not have whole rows
    LEAST_VECTORS = 4          # of a chunk
    SPLIT_TAPS = 25            # that read an input, from which on one that lies in two lines is copied


# How a call is cut. `rows` x `cols` output pixels to a block, `chunk` vectors of a set.
cdef struct Blocking:
    ptrdiff_t rows, cols, chunk
    ptrdiff_t row_blocks, col_blocks, chunks   # chunks: over all sets
    ptrdiff_t items
    bint chunks_first  # all chunks of a block before the next block
    ptrdiff_t staged   # rows of outputs that are spread together; 0: channels lie together
    ptrdiff_t table_bytes, copies_bytes, stage_bytes, bytes   # workspace of a thread
    double cycles


cdef struct Call:
    const Arrays *arrays
    Blocking block


cdef class Plan(Base):
    """Convolution of groups that a vector holds several of, or that fill a few vectors."""
    cdef bint grouped           # lanes read others than themselves
    cdef ptrdiff_t x_vector     # bytes from vector to vector of a set
    cdef ptrdiff_t reach        # bytes read beyond the first channel of a vector
    cdef int stride_form        # 1, 2 or 0 for any: the function's
    cdef ptrdiff_t tile_pixels  # the most outputs that it does at a time
    cdef char *constants        # which lanes are read, then a pixel of padding
    cdef ptrdiff_t lanes_bytes
    cdef planes.Pixels pixels   # for so few channels that a vector holds several pixels
    cdef planes.Plan planes     # for channel-first images, once there were some
    # the cut last used: most calls repeat it
    cdef Blocking last_block
    cdef ptrdiff_t last_threads
    cdef bint last_copied

    def __cinit__(self, Filter filter, input_shape, output_size, stride, padding, dilation,
                  double pad_value, row_map, col_map, activation):
        cdef ptrdiff_t item = filter.table.itemsize, lanes = filter.table.lanes
        cdef ptrdiff_t width = filter.out_channels // (self.channels // filter.depth)
        cdef ptrdiff_t held = min(filter.depth, lanes), pixel
        self.grouped = filter.depth > 1 or width > 1
        # a vector holds so many whole groups, or it is part of one
        self.x_vector = 0
        if width <= lanes:
            self.x_vector = filter.slab_width // width * filter.depth * item
        self.reach = ceil_div(filter.depth, lanes) * lanes * item
        self.stride_form = self.stride_w if self.stride_w <= min(2, filter.kw) and (
            self.dilation_w == 1 or filter.kw == 1) else 0
        self.tile_pixels = filter.table.lanewise_pixels[self.grouped][self.stride_form]
        self.lanes_bytes = held * lanes * item
        pixel = self.chunk_bytes(filter.slabs)
        self.constants = allocate(self.lanes_bytes + pixel)
        find_lanes(self.constants, filter.table, held, filter.slab_width, width, filter.depth)
        filter.table.copy(self.constants + self.lanes_bytes, item, item, self.pad(), 0, 0,
                          pixel // item, 1)
        if planes.pixels_pay(filter, self.stride_w, self.dilation_w):
            self.pixels = planes.Pixels(*self.arguments())
        self.worthwhile_threads = max(1, <ptrdiff_t>self.cost(1) // THREAD_CYCLES)
        if self.pixels is not None:
            self.pixels.worthwhile_threads = self.worthwhile_threads

    def __dealloc__(self):
        free(self.constants)

    cdef ptrdiff_t chunk_bytes(self, ptrdiff_t vectors) noexcept nogil:
        """Bytes that some vectors read from the first one's first channel on."""
        return (vectors - 1) * self.x_vector + self.reach

    cdef Axis down(self, ptrdiff_t rows) noexcept nogil:
        """The rows of the table of so many output rows."""
        return axis_of(rows, self.filter.kh, self.stride_h, self.dilation_h)

    cdef Axis across(self, ptrdiff_t cols) noexcept nogil:
        return axis_of(cols, self.filter.kw, self.stride_w, self.dilation_w)

    cdef double cycles(self) noexcept nogil:
        """Cycles of all outputs: multiply-adds, or loads."""
        cdef ptrdiff_t pixels = min(self.size.ow, self.tile_pixels)
        cdef ptrdiff_t taps = min(
            self.filter.kw, self.filter.table.lanewise_taps[self.grouped][self.stride_form])
        # inputs loaded for a piece of a filter row, through a pointer each
        cdef double inputs = pixels if self.stride_form == 0 else (
            (pixels - 1) * min(self.stride_w, taps) + taps)
        cdef double vector = multiply_cycles(self.filter.table), piece
        # a permutation of each input, or a load of its pointer, is half a cycle
        piece = max(pixels * taps * vector + (inputs / 2 if self.grouped else 0),
                    (inputs * self.lines_read() + taps) * vector + inputs / 2)
        piece = max(piece, taps * costs().latency)
        cdef double one = costs().call + pixels * costs().store + (
            (piece + costs().run) / taps * self.filter.reduction() * self.share_of_rows())
        cdef double outputs = <double>self.size.n * self.size.oh * self.size.ow
        return one / pixels * outputs * self.filter.sets * self.filter.slabs

    cdef double lines_read(self) noexcept nogil:
        """Cache lines of a vector that is loaded, on average over pixels."""
        cdef ptrdiff_t item = self.filter.table.itemsize, pixel = self.channels * item
        cdef ptrdiff_t apart = min(L1_LINE, pixel & -pixel)   # of their places in lines, at least
        return 1 + <double>max(0, self.filter.table.lanes * item - apart) / L1_LINE

    def cost(self, ptrdiff_t num_threads):
        """Estimated cycles of a call."""
        if self.pixels is not None:
            return self.pixels.cut(num_threads).cycles
        return self.cut(num_threads, False, False).cycles

    def workspace(self, ptrdiff_t num_threads):
        """Bytes of workspace a thread uses when x and out are contiguous NHWC arrays."""
        if self.pixels is not None:
            return self.pixels.cut(num_threads).bytes
        return self.cut(num_threads, False, False).bytes

    cdef Blocking cut(self, ptrdiff_t threads, bint copied, bint staged) noexcept nogil:
        """Some items for each thread, of whole rows where there are enough of them."""
        cdef Blocking b
        cdef ptrdiff_t item = self.filter.table.itemsize
        cdef double total = self.cycles(), one, read, written
        cdef ptrdiff_t wanted = 1, entries
        # rows of a block, beside which those that it shares with its neighbours count little
        cdef ptrdiff_t least_rows = 2 * (self.filter.kh - 1) * self.dilation_h // self.stride_h
        if threads > 1:
            wanted = <ptrdiff_t>max(threads, min(ITEMS * threads, total / (4 * costs().item)))
        b.rows, b.cols, b.chunk = self.size.oh, self.size.ow, self.filter.slabs
        while True:
            b.row_blocks = ceil_div(self.size.oh, b.rows)
            b.col_blocks = ceil_div(self.size.ow, b.cols)
            b.chunks = ceil_div(self.filter.slabs, b.chunk) * self.filter.sets
            b.items = self.size.n * b.row_blocks * b.col_blocks * b.chunks
            entries = self.down(b.rows).count * self.across(b.cols).count
            b.table_bytes = entries * sizeof(char *)
            b.copies_bytes = self.chunk_bytes(b.chunk)
            if copied:
                b.copies_bytes *= entries
            else:   # the last pixels of x
                b.copies_bytes *= 1 + ceil_div(self.reach, self.channels * item)
            if b.items >= threads and b.rows < 2 * least_rows:
                wanted = 1
            if (b.items >= wanted and entries <= TABLE_ENTRIES
                    and b.copies_bytes <= l2_bytes() // 2):
                break
            if b.rows > 1 and (b.rows * b.cols > 2 * LEAST_COLS or b.chunk <= LEAST_VECTORS):
                b.rows = ceil_div(b.rows, 2)
            elif b.cols > LEAST_COLS:
                b.cols = ceil_div(ceil_div(b.cols, 2), self.tile_pixels) * self.tile_pixels
            elif b.chunk > LEAST_VECTORS:
                b.chunk = ceil_div(b.chunk, 2)
            else:
                break
        # threads whose chunks meet within a cache line would take it from one another
        b.chunks_first = self.chunks_meet(b.chunk)
        b.stage_bytes = b.cols * b.chunk * self.filter.slab_width * item if staged else 0
        b.staged = min(b.rows, max(1, l2_bytes() // 4 // b.stage_bytes)) if staged else 0
        b.stage_bytes *= b.staged
        b.stage_bytes = ceil_div(b.stage_bytes, L1_LINE) * L1_LINE
        b.copies_bytes = ceil_div(b.copies_bytes, L1_LINE) * L1_LINE
        b.bytes = b.stage_bytes + b.copies_bytes + b.table_bytes + L1_LINE
        read = <double>self.size.n * self.size.h * self.size.w * self.channels * item
        written = self.output_bytes()
        one = costs().item + (
            total + streaming(read, self.image_bytes()) + writing(written, written)) / b.items
        b.cycles = one * ceil_div(b.items, threads)
        if threads > 1:
            b.cycles += one * TAIL_PERCENT / 100
        return b

    cdef bint pixels_ascend(self, const Array *x) noexcept nogil:
        """Whether pixels lie one after another in memory, each with its channels together."""
        cdef ptrdiff_t pixel = self.channels * self.filter.table.itemsize
        cdef ptrdiff_t row = pixel + (self.size.w - 1) * x.w
        cdef ptrdiff_t image = row + (self.size.h - 1) * x.h
        return (x.c == self.filter.table.itemsize and (x.w >= pixel or self.size.w == 1)
                and (x.h >= row or self.size.h == 1) and (x.n >= image or self.size.n == 1))

    cdef bint readable_in_place(self, const Array *x) noexcept nogil:
        """Whether inputs are read where they are: if they can be, and do not lie in two lines each
        time that they are."""
        cdef ptrdiff_t vector = self.filter.table.lanes * self.filter.table.itemsize
        cdef bint split = vector == L1_LINE and <ptrdiff_t>x.data % L1_LINE != 0
        return self.pixels_ascend(x) and not (
            split and self.filter.kh * self.filter.kw >= SPLIT_TAPS * self.stride_h * self.stride_w)

    cdef int execute(self, const Arrays *arrays, ptrdiff_t threads) except -1:
        cdef Call call
        cdef bint copied, staged
        cdef planes.Plan plan   # which another thread may make anew
        if self.pixels is not None and self.pixels.takes(arrays):
            return self.pixels.execute(arrays, threads)
        if self.channel_first(arrays):
            plan = self.planes
            if plan is None:
                plan = planes.Plan(*self.arguments())
                plan.worthwhile_threads = self.worthwhile_threads
                self.planes = plan
            if plan.takes(arrays):
                return plan.execute(arrays, threads)
        copied = not self.readable_in_place(&arrays.x)
        staged = arrays.out.c != self.filter.table.itemsize or arrays.out.run > 0   # tiles cross slabs
        if (threads != self.last_threads or copied != self.last_copied
                or staged != (self.last_block.stage_bytes > 0)):
            self.last_block = self.cut(threads, copied, staged)
            self.last_threads, self.last_copied = threads, copied
        call.arrays, call.block = arrays, self.last_block
        return self.share_out(&call, call.block.items, threads, call.block.bytes)

    cdef void run_item(self, const void *the_call, ptrdiff_t index, char *work,
                       int thread) noexcept nogil:
        """Compute one block of output pixels for one chunk of vectors."""
        cdef const Arrays *arrays = (<const Call *>the_call).arrays
        cdef const Blocking *b = &(<const Call *>the_call).block
        cdef ptrdiff_t item = self.filter.table.itemsize, lanes = self.filter.table.lanes
        cdef ptrdiff_t chunks = b.chunks // self.filter.sets
        cdef ptrdiff_t blocks = self.size.n * b.row_blocks * b.col_blocks
        cdef ptrdiff_t chunk = index % b.chunks if b.chunks_first else index // blocks
        cdef ptrdiff_t block = index // b.chunks if b.chunks_first else index % blocks
        cdef ptrdiff_t col = block % b.col_blocks * b.cols
        cdef ptrdiff_t row = block // b.col_blocks % b.row_blocks * b.rows
        cdef ptrdiff_t n = block // (b.col_blocks * b.row_blocks)
        cdef ptrdiff_t s = chunk // chunks, j = chunk % chunks * b.chunk
        cdef ptrdiff_t last = min(j + b.chunk, self.filter.slabs) - 1
        cdef ptrdiff_t channel = s * self.filter.set_width + self.filter.start(j)
        cdef ptrdiff_t position = self.filter.position(s, j)
        cdef ptrdiff_t filter_row = (
            self.filter.kw * self.filter.depth * lanes * item)
        cdef ptrdiff_t rows = min(b.rows, self.size.oh - row)
        cdef ptrdiff_t cols = min(b.cols, self.size.ow - col)
        cdef ptrdiff_t channels, y, i, first, count, size, low, high
        cdef Axis down = self.down(b.rows), across = self.across(b.cols)
        cdef fc_lanewise t
        cdef const fc_lanewise_function *functions = (
            self.filter.table.lanewise[self.grouped][self.stride_form])
        cdef char *stage = work + (-<ptrdiff_t>work & (L1_LINE - 1))
        cdef char *copies = stage + b.stage_bytes
        cdef const char **table = <const char **>(copies + b.copies_bytes)
        cdef Timer timer = start_timer(arrays, thread)

        t.vectors = last - j + 1
        self.find_inputs(arrays, b, n, row, rows, col, cols,
                         (s * self.filter.depth * item if self.x_vector == 0
                          else j * self.x_vector), t.vectors, table, copies)
        lap(&timer, COPIES)
        t.columns_row = down.per_tap * across.count
        t.column, t.tap = across.per_output, across.per_tap
        t.depth, t.taps = self.filter.depth, self.filter.kw
        t.lane_of = self.constants
        t.x_vector, t.out_vector = self.x_vector, self.filter.slab_width * item
        t.filter_vector = self.filter.kh * filter_row
        t.bias = self.filter.bias + position
        t.residual_pixel = arrays.residual.w
        t.width, t.last = self.filter.slab_width, self.filter.width(last)
        t.activation = &self.activation if self.activated else NULL
        channels = self.filter.start(last) + t.last - self.filter.start(j)
        count = ceil_div(cols, self.tile_pixels)
        for y in range(rows):
            self.filter_rows(row + y, 1, &low, &high)
            t.rows = high - low
            t.filter = (self.filter.memory + position * self.filter.reduction() + low * filter_row)
            first = 0
            for i in range(count):
                size = cols // count + (i < cols % count)
                t.columns = (table + (y * down.per_output + low * down.per_tap) * across.count
                             + first * across.per_output)
                t.residual = at(&arrays.residual, n, row + y, col + first, channel)
                if b.stage_bytes:
                    t.out_pixel = channels * item
                    t.out = stage + (y % b.staged * cols + first) * t.out_pixel
                else:
                    t.out_pixel = arrays.out.w
                    t.out = at(&arrays.out, n, row + y, col + first, channel)
                functions[size - 1](&t)
                first += size
            lap(&timer, PRODUCTS)
            if b.stage_bytes and ((y + 1) % b.staged == 0 or y == rows - 1):
                first = y - y % b.staged
                put_rows(self.filter.table, &arrays.out, at(&arrays.out, n, row + first, col, 0),
                         stage, channels * item, y + 1 - first, cols, channel, channels)
                lap(&timer, COPIES)

    cdef void find_inputs(self, const Arrays *arrays, const Blocking *b, ptrdiff_t n,
                          ptrdiff_t row, ptrdiff_t rows, ptrdiff_t col, ptrdiff_t cols,
                          ptrdiff_t offset, ptrdiff_t vectors, const char **table,
                          char *copies) noexcept nogil:
        """Fill the table of an item: [row][column], where the channels from `offset` bytes on are.

        Vectors are loaded whole. Of the last pixels of x, behind which memory may end, there is a
        copy each; of all pixels that are read, where they do not ascend.
        """
        cdef const Array *x = &arrays.x
        cdef const char *padding = self.constants + self.lanes_bytes
        cdef ptrdiff_t item = self.filter.table.itemsize, channel = offset // item, i, j
        cdef Axis down = self.down(b.rows), across = self.across(b.cols)
        cdef ptrdiff_t used = across.count - (b.cols - cols) * across.per_output
        cdef ptrdiff_t needed = self.chunk_bytes(vectors), source, column, left, step
        cdef ptrdiff_t held = min(needed, self.channels * item - offset)
        cdef bint copied = not self.readable_in_place(x)
        cdef ptrdiff_t whole = self.size.n * self.size.h * self.size.w - 1 - ceil_div(
            self.reach, self.channels * item)   # pixels that may be read beyond
        cdef ptrdiff_t first = col * self.stride_w - self.left
        cdef ptrdiff_t begin = min(used, max(0, -first))
        cdef ptrdiff_t end = max(begin, min(used, self.size.w - first))
        cdef const char *p
        cdef const char *src = NULL   # pixels to be copied to dst, none yet
        cdef char *dst = NULL
        cdef ptrdiff_t pixels = 0
        for i in range(down.count - (b.rows - rows) * down.per_output):
            source = source_of(
                tap_of(i, row * self.stride_h - self.top, &down, self.filter.kh, self.stride_h,
                       self.dilation_h), self.size.h, self.row_map, self.top)
            if across.every and self.col_map == NULL and source >= 0 and (
                    copied or (n * self.size.h + source + 1) * self.size.w <= whole):
                p = at(x, n, source, first + begin, channel)
                step = x.w
                if copied:
                    if p != src + pixels * x.w or copies != dst + pixels * needed:
                        if pixels:
                            self.filter.table.copy(dst, needed, item, src, x.w, x.c, pixels,
                                                   held // item)
                        src, dst, pixels = p, copies, 0
                    pixels += end - begin   # perhaps with those of the rows that follow
                    p, step = copies, needed
                    copies += (end - begin) * needed
                for j in range(begin):
                    table[j] = padding
                self.filter.table.line_up(table + begin, p, step, end - begin)
                for j in range(end, used):
                    table[j] = padding
            else:
                for j in range(used):
                    column = source_of(
                        tap_of(j, first, &across, self.filter.kw, self.stride_w, self.dilation_w),
                        self.size.w, self.col_map, self.left)
                    if source < 0 or column < 0:
                        table[j] = padding
                        continue
                    p = at(x, n, source, column, channel)
                    left = (n * self.size.h + source) * self.size.w + column - whole
                    if copied:
                        self.filter.table.copy(copies, item, item, p, x.c, 0, held // item, 1)
                        p = copies
                        copies += needed
                    elif left >= 0:
                        memcpy(copies + left * needed, p, held)
                        p = copies + left * needed
                    table[j] = p
            table += across.count
        if pixels:
            self.filter.table.copy(dst, needed, item, src, x.w, x.c, pixels, held // item)
