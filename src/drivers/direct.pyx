"""Direct convolution: register tiles over blocks of output pixels.

A call is cut into items: a block of output pixels x a chunk of slabs. A slab is the output
channels of one register tile, all of one group. An item reads its input in place where the
receptive field lies inside the image, else from a padded copy made once for the whole chunk.
No reduction is split between items, so the result does not depend on the cut.
"""
from libc.math cimport hypot
from libc.string cimport memset

from fastconv._native cimport panels
from fastconv._native.axes cimport Axis, Run, appended, axis_of, first_inside, tap_of
from fastconv._native.costs cimport costs
from fastconv._native.levels cimport (
    FC_FOUR, fc_table, fc_tile, fc_tile_function, l2_bytes, multiply_cycles,
)
from fastconv._native.packing cimport Filter, ceil_div
from fastconv._native.plan cimport (
    COPIES, L1_LINE, L1_PERIOD, PRODUCTS, TAIL_PERCENT, THREAD_CYCLES, Array, Arrays, Plan as Base,
    Sizes, Timer, at, lap, put_rows, scattered, source_of, start_timer, step_cycles,
    streaming, tile_cycles, writing,
)
from fastconv._native.planes cimport Planar
from fastconv._native.tiles cimport Split, launch, run_pixels, split_pixels


cdef enum:
    LEAST_PIXELS = 4        # of a tile two vectors wide: 8 accumulators, latency 4, two a cycle
    PAIRING = 8             # more tiles by one in so many take longer than two rows at once
    MOST_ITEMS = 16         # for a thread; more are not considered
    COPIED_BYTES = 256      # of a pixel, if few channels of each set are copied,
    SET_ITEMS = 4           # and a thread has so many items yet
    STREAMED_L2 = 3         # outputs of so many times L2 and more find no room in L3 either
    JOINED_BYTES = 24 << 10 # of two slabs' filters, which L1 holds beside inputs
    SHARED_CYCLES = 150     # of writing a pixel's lines that another thread writes, too


cdef inline bint same_sizes(const Sizes *a, const Sizes *b) noexcept nogil:
    return a.n == b.n and a.h == b.h and a.w == b.w and a.oh == b.oh and a.ow == b.ow


cdef inline bint finds_no_room(double bytes, ptrdiff_t threads) noexcept nogil:
    """Whether so many bytes of outputs leave the caches, so that they are fetched first."""
    return bytes > <double>STREAMED_L2 * l2_bytes() * threads


cdef class Plan(Base):
    """Direct convolution."""

    def __cinit__(self, Filter filter, input_shape, output_size, stride, padding, dilation,
                  double pad_value, row_map, col_map, activation):
        cdef Sizes *z = &self.size
        self.depth = filter.depth // filter.depth_parts
        self.pointwise = (
            filter.kh == 1 and filter.kw == 1 and self.stride_h == 1 and self.stride_w == 1
            and self.top == 0 and self.left == 0 and z.oh == z.h and z.ow == z.w
            and row_map is None and col_map is None)
        self.take_tiles(filter.table.pixels)
        # tiles of four vectors need twice the filter's bytes a cycle: where two multiply-adds start in
        # one, L2 would not do
        self.slabs_join = (
            filter.table.four_pixels > 0 and filter.twos > 1 and filter.parts * filter.depth_parts == 1
            and (multiply_cycles(filter.table) >= 1 or 2 * filter.reduction() * filter.slab_width * (
                filter.table.itemsize) <= JOINED_BYTES))
        # what lies in the padding would be multiplied
        self.panels_pay = (10 * self.share >= 9
                           and panels.pay(
                               filter, self.pointwise,
                               self.stride_w == 1 and (z.oh == 1 or not self.reads_padding(z)),
                               self.stride_w, self.dilation_w, z.oh, z.ow))

    cdef void take_tiles(self, ptrdiff_t pixels) noexcept nogil:
        """Find what depends on the tallest tile."""
        self.tile_pixels = pixels
        self.strips_taps = self.leaves_out_taps()
        self.share = self.share_read()
        self.worthwhile_threads = max(1, <ptrdiff_t>self.cycles(&self.size) // THREAD_CYCLES)

    def cost(self, ptrdiff_t num_threads):
        """Estimated cycles of a call when x and out are contiguous NHWC arrays."""
        return self.usual_cut(num_threads).cycles

    def workspace(self, ptrdiff_t num_threads):
        """Bytes of workspace a thread uses then."""
        return self.usual_cut(num_threads).bytes

    cdef Blocking usual_cut(self, ptrdiff_t num_threads) noexcept nogil:
        cdef Sizes z = self.size
        cdef ptrdiff_t item = self.filter.table.itemsize
        cdef Array x = Array(NULL, 0, 0, self.channels * item, item, 0, 0, 0, 0)
        if self.pointwise:
            z = Sizes(1, 1, z.n * z.h * z.w, 1, z.n * z.h * z.w)
        return self.cut(&z, num_threads, not self.readable_in_place(&x), False)

    cdef int execute(self, const Arrays *arrays, ptrdiff_t threads) except -1:
        cdef Call call_
        cdef Call *call = &call_
        cdef ptrdiff_t item = self.filter.table.itemsize
        cdef bint in_place, staged
        cdef Planar planes   # which another thread may make anew
        if self.panels_pay and self.channel_first(arrays):
            planes = self.planes
            if planes is None:
                planes = panels.Plan(*self.arguments(), self.pointwise)
                planes.worthwhile_threads = self.worthwhile_threads
                self.planes = planes
            if planes.takes(arrays):
                return planes.execute(arrays, threads)
        in_place = self.readable_in_place(&arrays.x)
        staged = scattered(&arrays.out, item, self.filter.slab_width)
        call.arrays = arrays
        # with the rows between its own, which others write in turn (of a transposed convolution)
        call.streams_out = finds_no_room(max(
            self.output_bytes(), <double>self.size.n * self.size.oh * abs(arrays.out.h)), threads)
        call.x, call.out, call.residual = arrays.x, arrays.out, arrays.residual
        call.size = self.size
        if self.pointwise:
            self.join_rows(call)
        if not (same_sizes(&call.size, &self.last_size) and threads == self.last_threads
                and in_place == self.last_in_place
                and staged == self.last_block.staged):
            self.last_block = self.cut(&call.size, threads, not in_place, staged)
            self.last_size = call.size
            self.last_threads = threads
            self.last_in_place = in_place
        call.block = self.last_block
        return self.share_out(call, call.block.items, threads, call.block.bytes)

    cdef bint readable_in_place(self, const Array *x) noexcept nogil:
        """Whether tiles may read x itself where no padding is read.

        Its channels must lie together, and a tile's pixels not all in the same set of L1.
        """
        return x.c == self.filter.table.itemsize and self.stride_w * x.w % L1_PERIOD != 0

    cdef void join_rows(self, Call *call) noexcept nogil:
        """See a pointwise problem as one long row where the arrays' strides allow it."""
        cdef Sizes *z = &call.size
        if (call.x.h == z.w * call.x.w and call.out.h == z.w * call.out.w
                and call.residual.h == z.w * call.residual.w) or z.h == 1:
            z.w *= z.h
            z.h = 1
            if (call.x.n == z.w * call.x.w and call.out.n == z.w * call.out.w
                    and call.residual.n == z.w * call.residual.w) or z.n == 1:
                z.w *= z.n
                z.n = 1
            z.oh, z.ow = z.h, z.w

    cdef double cycles(self, const Sizes *z) noexcept nogil:
        """Cycles of all register tiles."""
        cdef const fc_table *table = self.filter.table
        cdef ptrdiff_t vectors = self.filter.sets * self.filter.padded_width() // table.lanes
        cdef ptrdiff_t pixels = min(z.ow * (2 if self.paired(z) else 1), self.tile_pixels)
        cdef double outputs = <double>z.n * z.oh * z.ow * vectors
        cdef double wide = self.filter.slab_vectors()
        cdef bint joined = self.dilation_w == 1 and self.filter.sets == 1   # the taps of a filter row
        cdef ptrdiff_t runs = self.filter.kh * (1 if joined else self.filter.kw)
        pixels = ceil_div(pixels, ceil_div(pixels, self.tile_pixels))
        return outputs / (pixels * wide) * tile_cycles(
            table, pixels, wide, self.share * runs, self.share * self.filter.reduction())

    cdef double share_read(self) noexcept nogil:
        """The share of multiplications that is left when those with padding are left out."""
        cdef const Sizes *z = &self.size
        cdef Strip strips[MOST_STRIPS]
        cdef Item image = Item(0, 0, z.oh, 0, z.ow, 0, 1, 0, 0, 0)
        cdef ptrdiff_t taps = 0
        cdef int i, count
        if not self.skips_padding or not self.reads_padding(z) or z.oh * z.ow == 0:
            return 1
        count = self.copied_strips(z, &image, strips)
        for i in range(count):
            taps += strips[i].cols * (strips[i].last_tap - strips[i].first_tap)
        if count == 0:
            taps = z.ow * self.filter.kw
        return (1 if self.paired(z) else self.share_of_rows()) * taps / (z.ow * self.filter.kw)

    cdef ptrdiff_t channel(self, const Item *it) noexcept nogil:
        """The first of them."""
        return it.set * self.filter.depth + it.depth_part * self.depth

    cdef bint leaves_out_taps(self) noexcept nogil:
        """Whether tiles of whole rows leave out taps in the padding; of pixels alone they do not."""
        cdef const Sizes *z = &self.size
        cdef Strip strips[MOST_STRIPS]
        cdef Item image = Item(0, 0, z.oh, 0, z.ow, 0, 1, 0, 0, 0)
        return self.tap_strips(z, &image, strips, False) > 0

    cdef bint reads_padding(self, const Sizes *z) noexcept nogil:
        cdef ptrdiff_t bottom = (
            (z.oh - 1) * self.stride_h + (self.filter.kh - 1) * self.dilation_h - self.top)
        cdef ptrdiff_t right = (
            (z.ow - 1) * self.stride_w + (self.filter.kw - 1) * self.dilation_w - self.left)
        return self.top > 0 or self.left > 0 or bottom >= z.h or right >= z.w

    cdef ptrdiff_t input_bytes(self, const Sizes *z, ptrdiff_t rows, ptrdiff_t cols,
                               bint clipped) noexcept nogil:
        """The most bytes that a copy of the inputs of such a block can have, with its padding or
        without."""
        cdef Axis v = axis_of(rows, self.filter.kh, self.stride_h, self.dilation_h)
        cdef Axis h = axis_of(cols, self.filter.kw, self.stride_w, self.dilation_w)
        if clipped:
            h.count, h.per_output = z.w, self.stride_w
            if v.every:
                v.count = min(v.count, z.h)
        return v.count * h.count * self.pitch(h.per_output)

    cdef ptrdiff_t pitch(self, ptrdiff_t step) noexcept nogil:
        """Bytes from pixel to pixel in a copy whose readers go `step` pixels at a time.

        They should not all fall into one set of L1; nor into four, where channel-first images are
        transposed to them, unless that parts the taps of a filter row.
        """
        cdef ptrdiff_t bytes = self.depth * self.filter.table.itemsize
        cdef ptrdiff_t sets = 4 if self.filter.kw == 1 else 1
        return bytes + L1_LINE if sets * bytes * step % L1_PERIOD == 0 else bytes

    cdef Blocking cut(self, const Sizes *z, ptrdiff_t threads, bint elsewhere,
                      bint staged) noexcept nogil:
        """The blocking that should take least time with this many threads.

        Blocks and slabs share L2. Small blocks reread the filter, small chunks the input. Inputs
        that tiles read elsewhere than in x are all copied.
        """
        cdef ptrdiff_t item = self.filter.table.itemsize, tile = self.tile_pixels
        cdef ptrdiff_t slab_bytes = (
            self.filter.reduction() * self.filter.slab_width * item)
        cdef ptrdiff_t l2 = l2_bytes(), parts = self.filter.parts * self.filter.depth_parts
        # of a part of the inputs, which all filters of the part then pass by
        cdef ptrdiff_t most = l2 * 5 // 8 if self.filter.depth_parts > 1 else l2 // 2
        cdef ptrdiff_t budget = max(l2 // 8, min(most, l2 * 7 // 8 - slab_bytes // parts))
        # rows of narrow images are taken in pairs, so that a tile is full
        cdef ptrdiff_t unit = 2 if self.paired(z) else 1
        cdef bint in_columns = z.oh <= unit
        cdef ptrdiff_t slabs = self.filter.slabs, cols = z.ow, units, pieces, chunks, u, least
        cdef double total = self.cycles(z), cost, best_cost = -1
        cdef Blocking b, best
        cdef bint bounded = True   # whether a block's input must fit into L2
        cdef bint copies

        memset(&b, 0, sizeof(b))
        b.staged = staged
        best = b
        if not elsewhere and not in_columns and unit == 1:
            if not self.reads_padding(z) or self.strips_taps:
                bounded = staged   # it is read where it is
        b.clipped = elsewhere and not in_columns and unit == 1 and self.strips_taps
        copies = elsewhere or (bounded and self.reads_padding(z))
        while (bounded and not b.clipped and cols > tile
               and self.input_bytes(z, min(unit, z.oh), cols, False) > budget):
            cols = ceil_div(ceil_div(cols, 2), tile) * tile
        cols = ceil_div(z.ow, ceil_div(z.ow, cols))   # blocks of the same size
        units = ceil_div(cols, tile) if in_columns else ceil_div(z.oh, unit)
        pieces = 0
        while pieces < units:
            # the next number of pieces that makes them smaller
            pieces = 1 if pieces == 0 else ceil_div(units, ceil_div(units, pieces) - 1)
            u = ceil_div(units, pieces)
            b.rows = z.oh if in_columns else min(z.oh, u * unit)
            b.cols = ceil_div(z.ow, ceil_div(z.ow, u * tile)) if in_columns else cols
            least = self.input_bytes(z, b.rows, b.cols, b.clipped)
            if bounded and least > budget and u > 1:
                continue
            b.row_blocks = ceil_div(z.oh, b.rows)
            b.col_blocks = ceil_div(z.ow, b.cols)
            b.chunk = slabs + 1
            while b.chunk > 1:
                chunks = 1 if b.chunk > slabs else ceil_div(slabs, b.chunk - 1)
                b.chunk = ceil_div(slabs, chunks)
                b.chunks = chunks * self.filter.sets
                b.items = z.n * b.row_blocks * b.col_blocks * b.chunks
                b.chunks_first = self.chunks_first(z, &b, threads)
                cost = self.time_of(z, &b, threads, slab_bytes, budget, total, copies, elsewhere)
                if best_cost < 0 or cost < best_cost:
                    best, best_cost = b, cost
                    best.cycles = cost
                if b.items > MOST_ITEMS * threads:
                    break
            if z.n * b.row_blocks * b.col_blocks > MOST_ITEMS * threads:
                break
        best.sets = 1
        least = self.input_bytes(z, best.rows, best.cols, best.clipped)
        if copies and not best.clipped and best.chunk == slabs:
            while (2 * best.sets * self.filter.depth * item <= COPIED_BYTES
                   and 2 * best.sets * least <= budget
                   and best.items >= 2 * SET_ITEMS * threads):
                best.sets *= 2
                best.chunks = ceil_div(self.filter.sets, best.sets)
                best.items = z.n * best.row_blocks * best.col_blocks * best.chunks
        if staged:   # of a slab, or until all parts of the inputs have been added
            best.stage_bytes = best.rows * best.cols * self.filter.slab_width * item
            if self.filter.depth_parts > 1:
                best.stage_bytes *= best.chunk
        best.runs_bytes = sizeof(Run) * axis_of(
            best.cols, self.filter.kw, self.stride_w, self.dilation_w).count if copies else 0
        least = best.sets * least if copies else 0
        # vectors may be loaded, though not used, a line beyond the end
        best.bytes = ceil_div(best.stage_bytes + best.runs_bytes + least, L1_LINE) * L1_LINE
        best.bytes += L1_LINE
        return best

    cdef double time_of(self, const Sizes *z, const Blocking *b, ptrdiff_t threads,
                        ptrdiff_t slab_bytes, double budget, double total, bint copies,
                        bint elsewhere) noexcept nogil:
        """Cycles until the last thread has finished, as far as the blocking decides them."""
        cdef ptrdiff_t item = self.filter.table.itemsize, sets = self.filter.sets
        cdef ptrdiff_t pixel = self.filter.depth * item, sides = 2 * self.tile_pixels
        # of a group's pixels each is a line of its own
        cdef ptrdiff_t lines = ceil_div(pixel, L1_LINE) * L1_LINE if sets > 1 else pixel
        cdef double read = min(
            <double>self.filter.depth_parts * self.input_bytes(z, b.rows, b.cols, b.clipped),
            <double>z.h * z.w * pixel)
        cdef double written = self.output_bytes()
        cdef double filters = streaming(<double>b.chunk * slab_bytes, <double>self.filter.nbytes)
        cdef double part = (<double>b.rows * b.cols * b.chunk
                            / (z.n * z.oh * z.ow * self.filter.slabs * sets))
        # of the largest item
        cdef double one = costs().item + total * part, streamed
        cdef double once = 0, turns = ceil_div(b.items, threads)
        cdef double copied = 0   # share of the input
        cdef double disorder = 0
        cdef ptrdiff_t blocks
        if copies:   # of a block wider than three tiles only its sides, if the rest is read in x
            copied = <double>sides / b.cols if 2 * b.cols > 3 * sides and not elsewhere else 1
        one += b.chunk * self.filter.parts * self.filter.depth_parts * (
            costs().item + b.rows * costs().tile)
        one += read / pixel * copied * ceil_div(pixel, L1_LINE) * costs().copy
        if elsewhere and b.staged:   # rows of a channel begin and end within lines
            one += costs().copy * (b.rows * b.chunk * self.filter.slab_width + self.filter.depth * (
                axis_of(b.rows, self.filter.kh, self.stride_h, self.dilation_h).count))
        if self.shares_lines(z, b, threads):
            one += <double>z.n * z.oh * z.ow * SHARED_CYCLES * min(b.chunks, threads) / (
                threads * turns)
        if b.staged and threads > 1:   # neighbouring blocks share a line of each channel
            blocks = b.row_blocks * b.col_blocks
            if b.rows * b.cols * item % L1_LINE != 0 and blocks > 1:
                one += <double>z.n * self.filter.out_channels * SHARED_CYCLES * (
                    min(blocks, threads) - 1) / turns
        # where a pixel is written in pieces, lines do not come in order, unless they are fetched and
        # the pieces follow soon; staged outputs are written by rows of a channel
        if self.joins_slabs(z, b):
            disorder = 1.0 / b.chunk if b.chunk < self.filter.slabs * sets else 0
        elif sets > 1 or (b.chunk < self.filter.slabs and not b.staged) or (
                self.filter.slabs > 1 and not finds_no_room(written, threads)):
            disorder = 1
        one += writing(written * part, written) * (1 + disorder)
        streamed = streaming(read / pixel * lines * (1 - copied), self.image_bytes())
        if read > budget * self.filter.depth_parts:   # leaves L2 before the next part or slab comes
            streamed += streaming(read * (b.chunk * self.filter.parts - 1))
        if b.chunk * slab_bytes > l2_bytes() // 2:
            streamed += filters   # leaves L2 before the next block comes
        else:
            once = filters * ceil_div(b.chunks, threads)
        return hypot(turns * one, turns * streamed + once) + (
            one * TAIL_PERCENT / 100 if threads > 1 else 0)

    cdef bint chunks_first(self, const Sizes *z, const Blocking *b,
                           ptrdiff_t threads) noexcept nogil:
        """Whether all chunks of a block come before the next block: if each thread has its blocks,
        and its L2 holds the filters."""
        return self.filter.nbytes <= l2_bytes() // 2 and (
            z.n * b.row_blocks * b.col_blocks >= threads)

    cdef bint shares_lines(self, const Sizes *z, const Blocking *b,
                           ptrdiff_t threads) noexcept nogil:
        """Whether threads write to the same cache lines, if the outputs of pixels lie together."""
        return threads > 1 and b.chunks > 1 and not b.chunks_first and self.chunks_meet(b.chunk)

    cdef void run_item(self, const void *the_call, ptrdiff_t index, char *work,
                       int thread) noexcept nogil:
        """Compute one block of output pixels for one chunk of slabs."""
        cdef const Call *call = <const Call *>the_call
        cdef const Blocking *b = &call.block
        cdef Strip strips[MOST_STRIPS]
        cdef Item it
        cdef Slab slab
        cdef Timer timer = start_timer(call.arrays, thread)
        cdef int count, i
        cdef ptrdiff_t j, part, parts, blocks = call.size.n * b.row_blocks * b.col_blocks
        cdef ptrdiff_t chunk, chunks = ceil_div(self.filter.slabs, b.chunk)
        # where their outputs lie together
        cdef bint joined = self.joins_slabs(&call.size, b) and call.out.run == 0
        if b.chunks_first:
            chunk, index = index % b.chunks, index // b.chunks
        else:
            chunk, index = index // blocks, index % blocks
        it.n = index // (b.row_blocks * b.col_blocks)
        it.row = index // b.col_blocks % b.row_blocks * b.rows
        it.col = index % b.col_blocks * b.cols
        it.rows = min(b.rows, call.size.oh - it.row)
        it.cols = min(b.cols, call.size.ow - it.col)
        it.set = chunk // chunks * b.sets
        it.sets = min(b.sets, self.filter.sets - it.set)
        it.first_slab = chunk % chunks * b.chunk
        it.last_slab = min(it.first_slab + b.chunk, self.filter.slabs)

        for it.depth_part in range(self.filter.depth_parts):
            count = self.find_strips(call, &it, strips, work + b.stage_bytes)
            lap(&timer, COPIES)
            for _ in range(it.sets):
                j = it.first_slab
                while j < it.last_slab:
                    slab.count = 2 if joined and j + 1 < min(it.last_slab, self.filter.twos) else 1
                    parts = (
                        self.filter.parts if self.filter.width(j) > self.filter.table.lanes else 1)
                    for part in range(parts):
                        self.find_slab(call, &it, j, part, parts, &slab, work)
                        for i in range(count):
                            self.run_tiles(&call.size, &it, &strips[i], &slab)
                    lap(&timer, PRODUCTS)
                    if b.staged and it.depth_part == self.filter.depth_parts - 1:
                        self.unstage(call, &it, j, &slab)
                        lap(&timer, COPIES)
                    j += slab.count
                if it.sets > 1:
                    it.set += 1
                    for i in range(count):
                        strips[i].x += strips[i].next_set

    cdef bint joins_slabs(self, const Sizes *z, const Blocking *b) noexcept nogil:
        """Whether tiles have the outputs of two slabs, of those that are in a chunk."""
        return self.slabs_join and b.chunk > 1 and not b.staged and not self.paired(z)

    cdef void find_slab(self, const Call *call, const Item *it, ptrdiff_t j, ptrdiff_t part,
                        ptrdiff_t parts, Slab *slab, char *stage) noexcept nogil:
        """Point `slab` at its filter, bias, outputs and residual, for one part of its rows."""
        cdef bint finishes = part == parts - 1 and it.depth_part == self.filter.depth_parts - 1
        cdef ptrdiff_t item = self.filter.table.itemsize, width = self.filter.width(j)
        cdef ptrdiff_t channel = it.set * self.filter.set_width + self.filter.start(j)
        self.find_filter(it, j, part, parts, slab)
        slab.fetches_inputs = (
            self.pointwise and j == it.first_slab and slab.tile.next_step == 0)
        slab.tile.activation = &self.activation if self.activated and finishes else NULL
        slab.residual = NULL
        if finishes:
            slab.residual = at(&call.residual, it.n, it.row, it.col, channel)
        slab.residual_row, slab.tile.residual_pixel = call.residual.h, call.residual.w
        slab.tile.fetch_out = 0
        if call.block.staged:
            slab.out = stage
            if self.filter.depth_parts > 1:
                slab.out += (j - it.first_slab) * it.rows * it.cols * self.filter.slab_width * item
            slab.out_row, slab.tile.out_pixel = it.cols * width * item, width * item
        else:
            slab.out = at(&call.out, it.n, it.row, it.col, channel)
            slab.out_row, slab.tile.out_pixel = call.out.h, call.out.w
            slab.tile.fetch_out = call.streams_out

    cdef void find_filter(self, const Item *it, ptrdiff_t j, ptrdiff_t part, ptrdiff_t parts,
                          Slab *slab) noexcept nogil:
        cdef double tiles   # as if all read all taps
        cdef ptrdiff_t item = self.filter.table.itemsize, lanes = self.filter.table.lanes
        cdef ptrdiff_t width = self.filter.width(j), vectors = ceil_div(width, lanes)
        cdef ptrdiff_t packed = self.filter.position(it.set, j)
        slab.filter = self.filter.memory + packed * self.filter.reduction()
        slab.filter_row = self.filter.kw * self.depth * vectors * lanes * item
        slab.filter += it.depth_part * self.filter.kh * slab.filter_row
        slab.tile.bias = self.filter.bias + packed
        slab.tile.last = width - (vectors - 1) * lanes
        slab.functions = <fc_tile_function *>self.filter.table.dense[self.filter.form(j)]
        slab.tile_pixels, slab.tile.next_slab = self.tile_pixels, 0
        if slab.count == 2:
            slab.functions = <fc_tile_function *>self.filter.table.dense[FC_FOUR]
            slab.tile_pixels = self.filter.table.four_pixels
            slab.tile.next_slab = self.filter.reduction() * vectors * lanes * item
            slab.tile.last = self.filter.width(j + 1) - lanes
        slab.first_tap, slab.last_tap = 0, self.filter.kw
        if parts == 1 or self.filter.row_parts == 1:
            slab.first_row = part * self.filter.kh // parts
            slab.last_row = (part + 1) * self.filter.kh // parts
        else:
            slab.first_row = part // self.filter.row_parts
            slab.last_row = slab.first_row + 1
            part = part % self.filter.row_parts
            slab.first_tap = part * self.filter.kw // self.filter.row_parts
            slab.last_tap = (part + 1) * self.filter.kw // self.filter.row_parts
        slab.tile.resume = slab.first_row > 0 or slab.first_tap > 0 or it.depth_part > 0
        # fetch the filter that comes next, spread over the tiles, unless L2 holds all of it
        slab.tile.next = slab.filter + slab.tile.next_slab + (slab.last_row - 1) * slab.filter_row + (
            slab.last_tap * slab.filter_row // self.filter.kw)
        slab.tile.next_step = 0
        if (self.filter.slabs * self.filter.depth_parts * self.filter.kh * slab.filter_row
                > l2_bytes() // 2):
            tiles = self.share * it.rows * ceil_div(it.cols, slab.tile_pixels)
            slab.tile.next_step = <ptrdiff_t>(slab.count * vectors * lanes * item / max(1, tiles)) + 1

    cdef void unstage(self, const Call *call, const Item *it, ptrdiff_t j,
                      const Slab *slab) noexcept nogil:
        """Copy a slab's finished outputs to an array whose channels do not lie together."""
        cdef ptrdiff_t channel = it.set * self.filter.set_width + self.filter.start(j)
        put_rows(self.filter.table, &call.out, at(&call.out, it.n, it.row, it.col, 0), slab.out,
                 slab.tile.out_pixel, it.rows, it.cols, channel, self.filter.width(j))

    cdef bint paired(self, const Sizes *z) noexcept nogil:
        """Whether tiles take half their pixels from a row and half from the next.

        They do where tiles of one row are too small to hide a multiply-add's latency, or so many
        more that they take longer, unless those leave out taps in the padding.
        """
        cdef ptrdiff_t most = self.tile_pixels, tiles = ceil_div(z.ow, most)
        if 2 * z.ow <= most or z.ow // tiles < LEAST_PIXELS:
            return True
        return not self.strips_taps and z.oh > 1 and (
            PAIRING * 2 * tiles > (PAIRING + 1) * ceil_div(z.ow, most // 2))

    cdef int find_strips(self, const Call *call, const Item *it, Strip *strips,
                         char *work) noexcept nogil:
        """Where a block's input is: the image, padded copies at its sides, or one copy of all."""
        cdef const Sizes *z = &call.size
        cdef ptrdiff_t most = self.tile_pixels, left, right
        cdef char *copies = work + call.block.runs_bytes
        cdef ptrdiff_t top = it.row * self.stride_h - self.top
        cdef ptrdiff_t bottom = (
            top + (it.rows - 1) * self.stride_h + (self.filter.kh - 1) * self.dilation_h)
        cdef bint inside = self.readable_in_place(&call.x) and (
            (top >= 0 and bottom < z.h) or (self.skips_padding and not self.paired(z)))
        # output columns whose whole receptive field is in the image
        cdef ptrdiff_t first = first_inside(self.left, self.stride_w)
        cdef ptrdiff_t last = first_inside(
            z.w + self.left - (self.filter.kw - 1) * self.dilation_w, self.stride_w)
        cdef int count, i
        cdef Strip whole
        if inside:
            count = self.tap_strips(z, it, strips, False)
            for i in range(count):
                self.place_strip(call, it, &strips[i])
            if count:
                return count
        if call.block.clipped:
            count = self.tap_strips(z, it, strips, False)
            self.copy_rows(call, it, strips, count, copies)
            return count
        left = ceil_div(max(first - it.col, 0), most) * most
        right = ceil_div(max(it.col + it.cols - last, 0), most) * most
        if not inside or not self.sides_are_smaller(left, right, it.cols):
            whole.col, whole.cols = 0, it.cols
            self.copy_strip(call, it, &whole, work, copies)
            count = self.copied_strips(z, it, strips)
            if count == 0:
                strips[0] = whole
            for i in range(count):   # all read the one copy
                strips[i].x = whole.x + strips[i].col * whole.x_pixel
                strips[i].x_row, strips[i].x_pixel = whole.x_row, whole.x_pixel
                strips[i].tap_row, strips[i].tap = whole.tap_row, whole.tap
                strips[i].next_set = whole.next_set
            return max(count, 1)
        count = 1
        strips[0].col, strips[0].cols = left, it.cols - left - right
        strips[0].first_tap, strips[0].last_tap = 0, self.filter.kw
        self.place_strip(call, it, &strips[0])
        if left:
            strips[count].col, strips[count].cols = 0, left
            copies = self.copy_strip(call, it, &strips[count], work, copies)
            count += 1
        if right:
            strips[count].col, strips[count].cols = it.cols - right, right
            self.copy_strip(call, it, &strips[count], work, copies)
            count += 1
        return count

    cdef int copied_strips(self, const Sizes *z, const Item *it, Strip *strips) noexcept nogil:
        """Strips of a copy that has the padding."""
        cdef int count = self.tap_strips(z, it, strips, False)
        return count if count else self.tap_strips(z, it, strips, True)

    cdef int tap_strips(self, const Sizes *z, const Item *it, Strip *strips,
                        bint tiled) noexcept nogil:
        """Strips that leave out taps which lie in the padding; 0 if that takes longer.

        A strip ends where a tap comes in or goes out. Tiled, for rows of many taps: with a tile, of
        which some outputs read taps in the padding; the same columns, however the image is cut.
        """
        cdef ptrdiff_t end = it.col + it.cols, col = it.col, next_col, first, last
        cdef ptrdiff_t most = self.tile_pixels * ceil_div(
            ceil_div(z.ow, self.tile_pixels), MOST_STRIPS)
        cdef double cycles = 0
        cdef int count = 0
        # each tap comes in once and goes out once
        if not self.skips_padding or (not tiled and 2 * self.filter.kw + 1 > MOST_STRIPS):
            return 0
        while col < end:
            next_col = (col // most + 1) * most if tiled else self.next_change(z, col)
            next_col = min(end, next_col)
            # a tap that any of its outputs finds in the image
            first = first_inside(self.left - (next_col - 1) * self.stride_w, self.dilation_w)
            first = min(self.filter.kw, first)
            last = first_inside(z.w + self.left - col * self.stride_w, self.dilation_w)
            last = max(first, min(self.filter.kw, last))
            strips[count].col, strips[count].cols = col - it.col, next_col - col
            strips[count].first_tap, strips[count].last_tap = first, last
            cycles += (last - first) * self.row_cycles(next_col - col)
            count += 1
            col = next_col
        return count if cycles < self.filter.kw * self.row_cycles(it.cols) else 0

    cdef ptrdiff_t next_change(self, const Sizes *z, ptrdiff_t col) noexcept nogil:
        """The next output column where a tap comes into the image or goes out."""
        cdef ptrdiff_t x = col * self.stride_w - self.left, next_col = z.ow, k
        cdef ptrdiff_t first = min(self.filter.kw, first_inside(-x, self.dilation_w))
        cdef ptrdiff_t last = min(self.filter.kw, first_inside(z.w - x, self.dilation_w))
        if first > 0:
            k = (first - 1) * self.dilation_w - self.left
            next_col = min(next_col, ceil_div(-k, self.stride_w))
        if last > first:
            k = (last - 1) * self.dilation_w - self.left
            next_col = min(next_col, ceil_div(z.w - k, self.stride_w))
        return next_col

    cdef double row_cycles(self, ptrdiff_t cols) noexcept nogil:
        """Cycles of a step of all tiles of a row, as long as their number allows."""
        cdef ptrdiff_t tiles = ceil_div(cols, self.tile_pixels)
        return tiles * step_cycles(
            self.filter.table, <double>cols / tiles, self.filter.slab_vectors())

    cdef bint sides_are_smaller(self, ptrdiff_t left, ptrdiff_t right,
                                ptrdiff_t cols) noexcept nogil:
        """Whether copies for a block's side columns leave enough of it to be read in place."""
        cdef ptrdiff_t sides = 0
        if left:
            sides += axis_of(left, self.filter.kw, self.stride_w, self.dilation_w).count
        if right:
            sides += axis_of(right, self.filter.kw, self.stride_w, self.dilation_w).count
        return left + right == 0 or (
            left + right + self.tile_pixels <= cols
            and sides <= axis_of(cols, self.filter.kw, self.stride_w, self.dilation_w).count)

    cdef void place_strip(self, const Call *call, const Item *it, Strip *t) noexcept nogil:
        """Let a strip read the image itself."""
        cdef const Array *x = &call.x
        t.x = at(x, it.n, it.row * self.stride_h - self.top,
                 (it.col + t.col) * self.stride_w - self.left,
                 self.channel(it))
        t.x_row, t.x_pixel = self.stride_h * x.h, self.stride_w * x.w
        t.next_set = self.filter.depth * x.c
        t.tap_row, t.tap = self.dilation_h * x.h, self.dilation_w * x.w

    cdef char *copy_strip(self, const Call *call, const Item *it, Strip *t,
                          char *work, char *copy) noexcept nogil:
        """Copy a strip's input with its padding to `copy`; returns the end of the copy."""
        cdef Axis v = axis_of(it.rows, self.filter.kh, self.stride_h, self.dilation_h)
        cdef Axis h = axis_of(t.cols, self.filter.kw, self.stride_w, self.dilation_w)
        cdef ptrdiff_t row
        cdef ptrdiff_t pixel = self.pitch(h.per_output)
        row = h.count * pixel
        t.next_set = v.count * row
        self.copy_input(call, work, copy, pixel, it.n, it.row * self.stride_h - self.top, &v,
                        (it.col + t.col) * self.stride_w - self.left, &h,
                        self.channel(it), it.sets)
        t.x = copy
        t.first_tap, t.last_tap = 0, self.filter.kw
        t.x_row, t.x_pixel = v.per_output * row, h.per_output * pixel
        t.tap_row, t.tap = v.per_tap * row, h.per_tap * pixel
        return copy + it.sets * t.next_set

    cdef void copy_rows(self, const Call *call, const Item *it, Strip *strips, int count,
                        char *copy) noexcept nogil:
        """Copy a block's input without its padding, and let strips that leave that out read it."""
        cdef const Sizes *z = &call.size
        cdef ptrdiff_t item = self.filter.table.itemsize
        cdef ptrdiff_t pixel = self.pitch(self.stride_w)
        cdef Axis v = axis_of(it.rows, self.filter.kh, self.stride_h, self.dilation_h)
        cdef ptrdiff_t top = it.row * self.stride_h - self.top
        cdef ptrdiff_t left = it.col * self.stride_w - self.left
        cdef ptrdiff_t first = max(left, 0), row, i, source
        cdef ptrdiff_t cols = min(z.w, left + (it.cols - 1) * self.stride_w + 1
                                  + (self.filter.kw - 1) * self.dilation_w) - first
        cdef char *x = copy   # where the first row is, or would be
        row = cols * pixel
        for i in range(v.count):
            source = tap_of(i, top, &v, self.filter.kh, self.stride_h, self.dilation_h)
            if source < 0 and v.every:   # no place is kept for those before the first
                x -= row
            elif 0 <= source < z.h:
                self.filter.table.copy(x + i * row, pixel, item,
                                       at(&call.x, it.n, source, first, self.channel(it)),
                                       call.x.w, call.x.c, cols, self.depth)
        for i in range(count):
            strips[i].x = x + (left + strips[i].col * self.stride_w - first) * pixel
            strips[i].x_row, strips[i].x_pixel = v.per_output * row, self.stride_w * pixel
            strips[i].tap_row, strips[i].tap = v.per_tap * row, self.dilation_w * pixel

    cdef ptrdiff_t find_columns(self, const Call *call, ptrdiff_t left, const Axis *h,
                                Run *runs) noexcept nogil:
        """Where a copy's columns come from, -1 for padding; returns how many runs there are.

        Of a copy of each output's taps, a run has the same tap of neighbouring outputs.
        """
        cdef ptrdiff_t width = call.size.w, count = 0, i, source, low, high, tap, output
        cdef ptrdiff_t taps = 1 if h.every else self.filter.kw, step = 1 if h.every else self.stride_w
        cdef Run *run = runs
        if h.every and self.col_map == NULL:
            low = min(h.count, max(0, -left))
            high = max(low, min(h.count, width - left))
            count = appended(runs, count, 0, -1, low)
            count = appended(runs, count, low, left + low, high - low)
            return appended(runs, count, high, -1, h.count - high)
        for tap in range(taps):
            for output in range(h.count // taps):
                i = output * taps + tap
                source = source_of(
                    tap_of(i, left, h, self.filter.kw, self.stride_w, self.dilation_w),
                    width, self.col_map, self.left)
                if output and (run.source < 0 if source < 0
                               else run.source >= 0 and source == run.source + step * run.count):
                    run.count += 1
                else:
                    run = runs + count
                    count = appended(runs, count, i, source, 1)
        return count

    cdef void copy_input(self, const Call *call, char *work, char *dst, ptrdiff_t pixel,
                         ptrdiff_t n, ptrdiff_t top, const Axis *v, ptrdiff_t left, const Axis *h,
                         ptrdiff_t channel, ptrdiff_t sets) noexcept nogil:
        """Copy inputs to dst, padding filled in: [sets][rows][cols][channels].

        Row by row, as those of neighbouring sets lie together in the image.
        """
        cdef ptrdiff_t item = self.filter.table.itemsize
        cdef Run *runs = <Run *>work
        cdef const Run *run
        cdef const char *pad = self.pad()
        cdef const char *src
        cdef char *plane
        cdef ptrdiff_t count = self.find_columns(call, left, h, runs), i, j, s, source
        cdef ptrdiff_t src_pixel, src_channel
        # from column to column of a run
        cdef ptrdiff_t next_pixel = pixel * (1 if h.every else self.filter.kw)
        cdef ptrdiff_t next_source = call.x.w * (1 if h.every else self.stride_w)
        for i in range(v.count):
            source = tap_of(i, top, v, self.filter.kh, self.stride_h, self.dilation_h)
            source = source_of(source, call.size.h, self.row_map, self.top)
            for s in range(sets):
                plane = dst + s * v.count * h.count * pixel
                if source < 0:
                    self.filter.table.copy(plane, pixel, item, pad, 0, 0, h.count, self.depth)
                    continue
                for j in range(count):
                    run = runs + j
                    if run.source < 0:
                        src, src_pixel, src_channel = pad, 0, 0
                    else:
                        src = at(&call.x, n, source, run.source, channel + s * self.depth)
                        src_pixel, src_channel = next_source, call.x.c
                    self.filter.table.copy(plane + run.first * pixel, next_pixel, item, src, src_pixel,
                                           src_channel, run.count, self.depth)
            dst += h.count * pixel

    cdef void run_tiles(self, const Sizes *z, const Item *it, const Strip *strip,
                        Slab *slab) noexcept nogil:
        """All tiles of one strip for one slab."""
        cdef fc_tile *tile = &slab.tile
        cdef ptrdiff_t most = slab.tile_pixels, step = 2 if self.paired(z) else 1
        cdef ptrdiff_t y = 0, low, high, size
        cdef Split split = split_pixels(strip.cols, most), pairs = split
        cdef char *x
        cdef char *out
        cdef const char *residual = NULL
        cdef ptrdiff_t first = max(strip.first_tap, slab.first_tap)
        cdef ptrdiff_t tap_bytes = slab.filter_row // self.filter.kw
        if step == 2:
            pairs = split_pixels(strip.cols, most // 2)
        tile.x_pixel, tile.x_row, tile.x_tap = strip.x_pixel, strip.tap_row, strip.tap
        tile.taps = max(0, min(strip.last_tap, slab.last_tap) - first)
        tile.run = self.depth
        tile.filter_skip = (self.filter.kw - tile.taps) * tap_bytes
        if strip.tap == tile.run * self.filter.table.itemsize:   # one run of all taps
            tile.run *= tile.taps
            tile.taps = 1
        while y < it.rows:
            step = min(step, it.rows - y)
            self.filter_rows(it.row + y, step, &low, &high)
            low = max(low, slab.first_row)
            high = max(low, min(high, slab.last_row))
            tile.rows = high - low   # with none, a tile is its bias, or stays as it is
            tile.filter = slab.filter + low * slab.filter_row + first * tap_bytes
            x = strip.x + y * strip.x_row + low * strip.tap_row + first * strip.tap
            out = slab.out + y * slab.out_row + strip.col * tile.out_pixel
            if slab.residual != NULL:
                residual = (slab.residual + y * slab.residual_row
                            + strip.col * tile.residual_pixel)
            if step == 2:
                self.run_two_rows(tile, &pairs, strip.x_row, slab, x, out, residual)
            else:
                if slab.fetches_inputs:
                    size = split.size + (split.larger > 0)
                    tile.next = x + size * tile.x_pixel
                    tile.next_step = size * self.filter.table.itemsize
                run_pixels(tile, slab.functions, &split, x, out, residual)
            y += step

    cdef void run_two_rows(self, fc_tile *tile, const Split *split, ptrdiff_t x_row,
                           const Slab *slab, char *x, char *out,
                           const char *residual) noexcept nogil:
        """Tiles of which each has as many pixels in a row as in the next."""
        cdef ptrdiff_t i, size
        tile.count = 1
        for i in range(split.larger + split.smaller):
            size = split.size + (i < split.larger)
            tile.x[0], tile.x[1] = x, x + x_row
            tile.out[0], tile.out[1] = out, out + slab.out_row
            tile.residual[0], tile.residual[1] = residual, residual + slab.residual_row
            launch(slab.functions[2 * size - 1], tile)
            x += size * tile.x_pixel
            out += size * tile.out_pixel
            if residual != NULL:
                residual += size * tile.residual_pixel
