"""The filter's gradient by Winograd's transforms.

A convolution of transformed tiles is y = A^T [(G w) (B^T x)]: for each product, a matrix of tiles x
inputs times one of inputs x outputs. Its gradient is dw = G^T [sum over tiles of (B^T x) (A dy)]:
for each product, inputs x tiles times tiles x outputs. So inputs are transformed as in the
convolution, gradients of outputs by the transpose of its output transform, and the sums, once, by
that of the filter transform (Lavin & Gray, "Fast algorithms for convolutional neural networks",
arXiv:1509.09308, section 4.1.1, has F(3, 2) for it).

An item is a chunk of tiles x a part of the inputs x a slab of outputs, or several groups where these
are small. Block by block it transforms tiles and adds their products to its sums, all in its own L2;
threads that need the same tiles transform them each. Chunks are made where the filter is small; their
gradients are added at the end. Blocks and chunks, so the order of all additions, depend on the problem
alone.
"""
from libc.string cimport memset

from fastconv._native.costs cimport costs
from fastconv._native.levels cimport (
    fc_gradient, fc_winograd_collect, fc_winograd_spread, fc_winograd_square_gradient,
    l2_bytes,
)
from fastconv._native.memory cimport give_workspace, take_workspace
from fastconv._native.packing cimport Filter, ceil_div
from fastconv._native.plan cimport L1_LINE, THREAD_CYCLES, Array, Arrays, at, tile_cycles
from fastconv._native.winograd cimport (
    Plan as Winograd, Reading, Steps, Tiles, square_cycles,
)


cdef enum:
    MOST_TILES = 128        # of a block; halved until
    LEAST_INPUTS = 48       # so many inputs fit into L2 with it,
    LEAST_TILES = 16        # or so few are left
    CHUNKS = 16             # of a call, at most, and only so many that there are as many items
    CHUNK_BLOCKS = 3        # of a chunk, at least


cdef struct Call:
    Array x, dy
    char *out
    char *gradients         # of chunks, if there are several
    bint adds               # items are slabs whose chunks are added
    Reading reading


cdef class Plan(Winograd):
    """The gradient of a filter of one piece by transform `kind`; `filter` has its shape."""
    cdef ptrdiff_t taps                     # of a filter
    cdef ptrdiff_t inputs, parts            # of a part, and how many
    cdef ptrdiff_t tiles, blocks, chunks    # of a block; of a call
    cdef ptrdiff_t vectors, row_bytes       # of a slab's sums for one input, at most
    cdef Steps x, dy
    cdef ptrdiff_t x_bytes, dy_bytes, sums_product
    cdef ptrdiff_t gradient_bytes           # of a slab of one chunk: [taps][inputs][row_bytes]
    cdef readonly double cycles             # of all items, on one thread

    def __cinit__(self, Filter filter, input_shape, output_size, stride, padding, dilation,
                  double pad_value, row_map, col_map, activation, int kind, kernel, pieces):
        cdef ptrdiff_t item = filter.table.itemsize
        self.taps = kernel[0] * kernel[1]
        self.vectors = min(filter.table.vectors, ceil_div(filter.set_width, filter.table.lanes))
        self.row_bytes = self.vectors * filter.table.lanes * item
        self.item_sets = max(1, self.item_sets // 2)   # tiles are not all that L2 holds
        self.find_parts()
        # several sets only where each is whole, and whole vectors
        if filter.slabs > 1 or filter.set_width * item < self.row_bytes or self.parts > 1:
            self.item_sets = 1
            self.find_parts()
        self.x.vector = self.dy.vector = filter.table.lanes * item
        self.x.tile = ceil_div(self.item_sets * self.inputs * item, L1_LINE) * L1_LINE
        self.dy.tile = self.item_sets * self.row_bytes
        if self.square:
            self.x.tile = self.dy.tile = self.x.vector
        self.x.product = self.tiles * self.x.tile + L1_LINE
        self.dy.product = self.tiles * self.dy.tile + L1_LINE
        self.x_bytes, self.dy_bytes = self.points * self.x.product, self.points * self.dy.product
        if self.square:
            self.x.vector = self.dy.vector = self.x_bytes
            self.x_bytes *= self.item_sets
            self.dy_bytes *= self.item_sets
        self.sums_product = self.inputs * self.row_bytes + L1_LINE
        self.gradient_bytes = self.taps * filter.depth * self.row_bytes
        self.cycles = self.count_cycles()
        self.worthwhile_threads = max(1, <ptrdiff_t>self.cycles // THREAD_CYCLES)

    cdef void find_parts(self) noexcept nogil:
        """Blocks of tiles and parts of the inputs, so that an item's transformed tiles and sums fit
        into L2; and chunks."""
        cdef ptrdiff_t lanes = self.filter.table.lanes, item = self.filter.table.itemsize
        cdef ptrdiff_t budget = l2_bytes() * 3 // 4, depth = self.filter.depth, most, items
        self.tiles = MOST_TILES
        while True:
            # beside a slab's tiles: of each input, tiles and sums
            most = (budget - self.item_sets * self.points * self.tiles * self.row_bytes) // (
                self.item_sets * self.points * (self.tiles * item + self.row_bytes))
            if most >= min(depth, LEAST_INPUTS) or self.tiles == LEAST_TILES:
                break
            self.tiles //= 2
        self.parts = ceil_div(depth, max(most // lanes, 1) * lanes)
        self.inputs = min(depth, ceil_div(ceil_div(depth, self.parts), lanes) * lanes)
        self.parts = ceil_div(depth, self.inputs)
        self.blocks = ceil_div(self.total, self.tiles)
        self.tiles = ceil_div(ceil_div(self.total, self.blocks), self.phases) * self.phases
        self.blocks = ceil_div(self.total, self.tiles)
        self.set_items = ceil_div(self.filter.sets, self.item_sets)
        items = self.set_items * self.filter.slabs * self.parts
        self.chunks = max(1, min(ceil_div(CHUNKS, items), self.blocks // CHUNK_BLOCKS))

    cdef double count_cycles(self) noexcept nogil:
        """Cycles of all items."""
        cdef ptrdiff_t lanes = self.filter.table.lanes
        cdef ptrdiff_t calls = ceil_div(self.inputs, self.filter.table.pixels)
        cdef double wide = self.filter.slab_vectors()
        # of a tile's vectors, which go from and to L2
        cdef double moved = <double>(lanes * self.filter.table.itemsize) / L1_LINE * (
            self.points * costs().write + self.m_h * self.m_w * costs().stream)
        cdef double transforms = (
            ceil_div(self.inputs, lanes) * (self.points * self.n_w * costs().input_term + moved)
            + wide * (self.points * self.m_w * costs().input_term + moved) + 2 * costs().tile)
        # sums are loaded and stored
        cdef double products = self.points * calls * (
            tile_cycles(self.filter.table, <double>self.inputs / calls, wide, 1, self.tiles)
            + costs().store * self.inputs / calls * wide)
        if self.square:
            products = square_cycles(self.filter.table, self.points * self.tiles * lanes)
        return (self.tiles * transforms + products) * (
            self.blocks * self.parts * self.filter.sets * self.filter.slabs)

    def run(self, x, dy, out, ptrdiff_t num_threads):
        """Fill out, [taps][inputs][outputs] without gaps, from NHWC views.

        The channels of dy lie together.
        """
        self._run(x, out, dy, num_threads, NULL)

    cdef int execute(self, const Arrays *arrays, ptrdiff_t threads) except -1:
        """The items; then what chunks of them have found is added. dy is in the residual's place."""
        cdef ptrdiff_t slabs = self.filter.sets * self.filter.slabs
        cdef ptrdiff_t items = self.set_items * self.filter.slabs * self.parts
        cdef ptrdiff_t bytes = (L1_LINE + self.x_bytes + self.dy_bytes
                                + self.item_sets * self.points * self.sums_product)
        cdef Call call
        cdef size_t size = 0
        call.x, call.dy, call.out = arrays.x, arrays.residual, arrays.out.data
        call.reading = self.find_reading(call.x.c != self.filter.table.itemsize)
        bytes += call.reading.bytes + self.taps * self.inputs * self.row_bytes
        bytes = ceil_div(bytes, L1_LINE) * L1_LINE
        call.adds = False
        if self.chunks == 1:
            return self.share_out(&call, items, threads, bytes)
        call.gradients = take_workspace(self.chunks * slabs * self.gradient_bytes, &size)
        try:
            self.share_out(&call, items * self.chunks, threads, bytes)
            call.adds = True
            self.share_out(&call, slabs, threads, 0)
        finally:
            give_workspace(call.gradients, size)
        return 0

    cdef void run_item(self, const void *the_call, ptrdiff_t index, char *work,
                       int thread) noexcept nogil:
        cdef const Call *call = <const Call *>the_call
        cdef ptrdiff_t chunk = index % self.chunks, slabs = self.set_items * self.filter.slabs
        cdef ptrdiff_t slab = index // self.chunks % slabs
        cdef ptrdiff_t input = index // self.chunks // slabs * self.inputs
        cdef ptrdiff_t inputs = min(self.inputs, self.filter.depth - input)
        cdef ptrdiff_t j = slab % self.filter.slabs
        cdef ptrdiff_t set = slab // self.filter.slabs * self.item_sets
        cdef ptrdiff_t sets = min(self.item_sets, self.filter.sets - set)
        cdef ptrdiff_t block, first, last, s
        cdef char *x = work + (-<ptrdiff_t>work & (L1_LINE - 1))
        cdef char *dy = x + self.x_bytes
        cdef char *sums = dy + self.dy_bytes
        cdef char *gradient = sums + self.item_sets * self.points * self.sums_product
        if call.adds:
            self.add_chunks(call, index)
            return
        work = gradient + self.taps * self.inputs * self.row_bytes
        memset(sums, 0, sets * self.points * self.sums_product)
        for block in range(chunk * self.blocks // self.chunks,
                           (chunk + 1) * self.blocks // self.chunks):
            first = block * self.tiles
            last = min(first + self.tiles, self.total)
            self.transform(&call.x, &call.reading, set * self.filter.depth + input, sets * inputs,
                           first, last, work, x, &self.x)
            self.spread(call, set, sets, j, first, last, dy)
            for s in range(sets):
                if self.square:
                    self.add_squares(last - first, x + s * self.x.vector, dy + s * self.dy.vector,
                                     sums + s * self.points * self.sums_product)
                else:
                    self.add_products(
                        j, inputs, last - first, x + s * inputs * self.filter.table.itemsize,
                        dy + s * self.row_bytes, sums + s * self.points * self.sums_product)
        for s in range(sets):
            self.collect(call, chunk, (set + s) * self.filter.slabs + j, input, inputs,
                         sums + s * self.points * self.sums_product, gradient)

    cdef void collect(self, const Call *call, ptrdiff_t chunk, ptrdiff_t slab, ptrdiff_t input,
                      ptrdiff_t inputs, const char *sums, char *gradient) noexcept nogil:
        """Transform the sums of a slab, and put the result where it belongs."""
        cdef fc_winograd_collect t
        t.sums, t.product = sums, self.sums_product
        t.vectors = inputs * self.vectors
        t.out, t.out_tap = gradient, self.inputs * self.row_bytes
        if self.chunks > 1:
            t.out = (call.gradients + input * self.row_bytes + self.gradient_bytes * (
                chunk * self.filter.sets * self.filter.slabs + slab))
            t.out_tap = self.filter.depth * self.row_bytes
        self.kind.collect(&t)
        if self.chunks == 1:
            self.put(call, slab, input, inputs, t.out, t.out_tap)

    cdef void spread(self, const Call *call, ptrdiff_t set, ptrdiff_t sets, ptrdiff_t j,
                     ptrdiff_t first, ptrdiff_t last, char *products) noexcept nogil:
        """Transform the gradients of some tiles' outputs for one slab, or for that of each set."""
        cdef fc_winograd_spread t
        cdef Tiles tiles
        cdef ptrdiff_t lanes = self.filter.table.lanes, width = sets * self.filter.width(j)
        cdef ptrdiff_t y, x, phase
        t.vectors = ceil_div(width, lanes)
        t.last = width - (t.vectors - 1) * lanes
        t.dy_row, t.dy_pixel = self.dilation_h * call.dy.h, self.dilation_w * call.dy.w
        t.out_tile, t.out_product = self.phases * self.dy.tile, self.dy.product
        t.out_vector = self.dy.vector
        while first < last:
            tiles = self.tiles_at(first, last)
            y = tiles.phase_h + self.dilation_h * tiles.row * self.m_h
            t.tiles = tiles.cols
            # phases may have a tile less than there is room for
            t.rows = ceil_div(max(self.size.oh - y, 0), self.dilation_h)
            for phase in range(self.phases):
                x = tiles.phase_w + phase + self.dilation_w * tiles.col * self.m_w
                t.cols = ceil_div(max(self.size.ow - x, 0), self.dilation_w)
                t.dy = at(&call.dy, tiles.n, y, x,
                          set * self.filter.set_width + self.filter.start(j))
                t.out = products + phase * self.dy.tile
                self.kind.spread(&t)
            products += tiles.count * self.dy.tile
            first += tiles.count

    cdef void add_products(self, ptrdiff_t j, ptrdiff_t inputs, ptrdiff_t tiles, const char *x,
                           const char *dy, char *sums) noexcept nogil:
        """Add a block's products to a slab's sums."""
        cdef ptrdiff_t calls = ceil_div(inputs, self.filter.table.pixels), e, i, height
        cdef ptrdiff_t item = self.filter.table.itemsize
        cdef ptrdiff_t vectors = ceil_div(self.filter.width(j), self.filter.table.lanes)
        cdef fc_gradient t
        t.images = t.rows = 1
        t.cols, t.x_pixel, t.dy_pixel = tiles, self.x.tile, self.dy.tile
        t.x_image = t.x_row = t.x_tap = t.dy_image = t.dy_row = t.out_tap = 0
        t.out_input = self.row_bytes
        t.lane_of, t.next, t.next_step = NULL, x, 0
        for e in range(self.points):
            t.x, t.dy = x + e * self.x.product, dy + e * self.dy.product
            t.out = sums + e * self.sums_product
            for i in range(calls):
                height = inputs // calls + (i < inputs % calls)
                self.filter.table.gradient[vectors - 1][height - 1](&t)
                t.x += height * item
                t.out += height * self.row_bytes

    cdef void add_squares(self, ptrdiff_t tiles, const char *x, const char *dy,
                          char *sums) noexcept nogil:
        """The same of a set whose inputs and outputs are a vector each."""
        cdef fc_winograd_square_gradient t
        t.points, t.tiles, t.x, t.dy, t.product = self.points, tiles, x, dy, self.x.product
        t.sums, t.sums_product = sums, self.sums_product
        self.filter.table.winograd_square_gradient(&t)

    cdef void add_chunks(self, const Call *call, ptrdiff_t slab) noexcept nogil:
        """Add the gradients of all chunks to that of the first, for one slab."""
        cdef ptrdiff_t slabs = self.filter.sets * self.filter.slabs, c
        cdef char *total = call.gradients + slab * self.gradient_bytes
        for c in range(1, self.chunks):
            self.filter.table.add(
                total, total + c * slabs * self.gradient_bytes, self.gradient_bytes)
        self.put(call, slab, 0, self.filter.depth, total, self.filter.depth * self.row_bytes)

    cdef void put(self, const Call *call, ptrdiff_t slab, ptrdiff_t input, ptrdiff_t inputs,
                  const char *gradient, ptrdiff_t tap_bytes) noexcept nogil:
        """Copy the gradient of some inputs for a slab to the output."""
        cdef ptrdiff_t item = self.filter.table.itemsize, row = self.filter.out_channels * item
        cdef ptrdiff_t set = slab // self.filter.slabs, j = slab % self.filter.slabs, tap
        cdef ptrdiff_t channel = set * self.filter.set_width + self.filter.start(j)
        for tap in range(self.taps):
            self.filter.table.copy(
                call.out + (tap * self.filter.depth + input) * row + channel * item, row, item,
                gradient + tap * tap_bytes, self.row_bytes, item, inputs, self.filter.width(j))
