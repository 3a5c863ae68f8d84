# Direct convolution as the driver of few output channels extends it (src/drivers/direct.pyx).
from fastconv._native.axes cimport Axis, Run
from fastconv._native.levels cimport fc_tile, fc_tile_function
from fastconv._native.plan cimport Array, Arrays, Plan as Base, Sizes
from fastconv._native.planes cimport Planar
from fastconv._native.tiles cimport Split


cdef enum:
    MOST_STRIPS = 11        # of a block


# How a call is cut. `rows` x `cols` output pixels to a block, `chunk` slabs of a set; or all slabs of
# `sets` of them.
cdef struct Blocking:
    ptrdiff_t rows, cols, chunk, sets
    ptrdiff_t row_blocks, col_blocks, chunks   # chunks: over all sets
    ptrdiff_t items
    bint chunks_first                           # all chunks of a block before the next block
    bint clipped                                # copies leave out the padding
    bint staged                                 # outputs are computed elsewhere first
    ptrdiff_t runs_bytes, stage_bytes, bytes    # workspace of a thread, its first parts
    double cycles                               # until the last thread has finished


cdef struct Call:
    const Arrays *arrays
    Sizes size
    Array x, out, residual
    Blocking block
    bint streams_out        # no cache holds the outputs


# The output pixels of an item, the slabs of sets from `set` on it computes for them, and which part
# of the inputs it is at.
cdef struct Item:
    ptrdiff_t n, row, rows, col, cols
    ptrdiff_t set, sets, first_slab, last_slab
    ptrdiff_t depth_part


# Columns of a block that find their input in the same place: the image, or a copy.
cdef struct Strip:
    ptrdiff_t col, cols           # from the block's first column
    char *x                       # the first input of the first output
    ptrdiff_t x_row, x_pixel      # from output row to row, pixel to pixel
    ptrdiff_t next_set            # from the inputs of a set to those of the next
    ptrdiff_t tap_row, tap        # from filter row to row, tap to tap
    ptrdiff_t first_tap, last_tap # of a filter row, those that are read; x belongs to tap 0


# Where one slab of an item, or two that are joined, reads its filter and writes its outputs.
cdef struct Slab:
    ptrdiff_t count
    fc_tile tile                  # what its tiles have in common
    fc_tile_function *functions   # by pixels - 1,
    ptrdiff_t tile_pixels         # of so many at most
    const char *filter
    ptrdiff_t filter_row, first_row, last_row, first_tap, last_tap
    char *out
    ptrdiff_t out_row
    const char *residual
    ptrdiff_t residual_row
    bint fetches_inputs           # of the next tile, as it is the first to read them


cdef class Plan(Base):
    cdef double share           # of multiplications that is left without those with padding
    cdef bint strips_taps       # tiles of a row leave out taps in the padding
    cdef bint pointwise         # no pixel reads another, so rows may be joined
    cdef bint slabs_join        # there are tiles of two slabs
    cdef bint panels_pay        # channel-first images should not be transposed
    cdef Planar planes          # for them, once there were some
    cdef ptrdiff_t tile_pixels  # of the tallest register tile
    cdef ptrdiff_t depth        # inputs of a group that are worked through at a time
    # the cut last used: most calls repeat it
    cdef Blocking last_block
    cdef Sizes last_size
    cdef ptrdiff_t last_threads
    cdef bint last_in_place

    cdef Blocking usual_cut(self, ptrdiff_t num_threads) noexcept nogil
    cdef int execute(self, const Arrays *arrays, ptrdiff_t threads) except -1
    cdef bint readable_in_place(self, const Array *x) noexcept nogil
    cdef void join_rows(self, Call *call) noexcept nogil
    cdef double cycles(self, const Sizes *z) noexcept nogil
    cdef void take_tiles(self, ptrdiff_t pixels) noexcept nogil
    cdef double share_read(self) noexcept nogil
    cdef ptrdiff_t channel(self, const Item *it) noexcept nogil
    cdef bint leaves_out_taps(self) noexcept nogil
    cdef bint reads_padding(self, const Sizes *z) noexcept nogil
    cdef ptrdiff_t input_bytes(self, const Sizes *z, ptrdiff_t rows, ptrdiff_t cols,
        bint clipped) noexcept nogil
    cdef ptrdiff_t pitch(self, ptrdiff_t step) noexcept nogil
    cdef Blocking cut(self, const Sizes *z, ptrdiff_t threads, bint elsewhere,
        bint staged) noexcept nogil
    cdef double time_of(self, const Sizes *z, const Blocking *b, ptrdiff_t threads,
        ptrdiff_t slab_bytes, double budget, double total, bint copies,
        bint elsewhere) noexcept nogil
    cdef bint chunks_first(self, const Sizes *z, const Blocking *b,
        ptrdiff_t threads) noexcept nogil
    cdef bint shares_lines(self, const Sizes *z, const Blocking *b,
        ptrdiff_t threads) noexcept nogil
    cdef bint joins_slabs(self, const Sizes *z, const Blocking *b) noexcept nogil
    cdef void find_slab(self, const Call *call, const Item *it, ptrdiff_t j, ptrdiff_t part,
        ptrdiff_t parts, Slab *slab, char *stage) noexcept nogil
    cdef void find_filter(self, const Item *it, ptrdiff_t j, ptrdiff_t part, ptrdiff_t parts,
                          Slab *slab) noexcept nogil
    cdef void unstage(self, const Call *call, const Item *it, ptrdiff_t j,
        const Slab *slab) noexcept nogil
    cdef bint paired(self, const Sizes *z) noexcept nogil
    cdef int find_strips(self, const Call *call, const Item *it, Strip *strips,
        char *work) noexcept nogil
    cdef int copied_strips(self, const Sizes *z, const Item *it, Strip *strips) noexcept nogil
    cdef int tap_strips(self, const Sizes *z, const Item *it, Strip *strips,
        bint tiled) noexcept nogil
    cdef ptrdiff_t next_change(self, const Sizes *z, ptrdiff_t col) noexcept nogil
    cdef double row_cycles(self, ptrdiff_t cols) noexcept nogil
    cdef bint sides_are_smaller(self, ptrdiff_t left, ptrdiff_t right,
        ptrdiff_t cols) noexcept nogil
    cdef void place_strip(self, const Call *call, const Item *it, Strip *t) noexcept nogil
    cdef char *copy_strip(self, const Call *call, const Item *it, Strip *t,
        char *work, char *copy) noexcept nogil
    cdef void copy_rows(self, const Call *call, const Item *it, Strip *strips, int count,
        char *copy) noexcept nogil
    cdef ptrdiff_t find_columns(self, const Call *call, ptrdiff_t left, const Axis *h,
                                Run *runs) noexcept nogil
    cdef void copy_input(self, const Call *call, char *work, char *dst, ptrdiff_t pixel,
        ptrdiff_t n, ptrdiff_t top, const Axis *v, ptrdiff_t left, const Axis *h,
        ptrdiff_t channel, ptrdiff_t sets) noexcept nogil
    cdef void run_tiles(self, const Sizes *z, const Item *it, const Strip *strip,
        Slab *slab) noexcept nogil
    cdef void run_two_rows(self, fc_tile *tile, const Split *split, ptrdiff_t x_row,
        const Slab *slab, char *x, char *out, const char *residual) noexcept nogil
