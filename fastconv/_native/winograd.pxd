# Winograd convolution (src/drivers/winograd.pyx), as that of its filter's gradient extends it.
from fastconv._native.axes cimport Run
from fastconv._native.levels cimport fc_table, fc_winograd, multiply_cycles
from fastconv._native.plan cimport Array, Arrays, Plan as Base


cdef inline double square_cycles(const fc_table *table, double multiply_adds) noexcept nogil:
    """Cycles of so many, of vectors, in square products."""
    return 1.5 * multiply_cycles(table) * multiply_adds


# Tiles of a row of the grid: of each of its columns one for each phase that follow one another.
cdef struct Tiles:
    ptrdiff_t n, phase_h, phase_w   # image, first row and column of its pixels
    ptrdiff_t row, col, cols        # tile row, first tile column, tile columns
    ptrdiff_t count                 # tiles


# How inputs are read: so many columns of all phases together, and the workspace for it, of
# pointers to them and of copies.
cdef struct Reading:
    ptrdiff_t columns, taps_bytes, stage_bytes, bytes


# Bytes between transformed tiles, points of a tile, and vectors of a point.
cdef struct Steps:
    ptrdiff_t tile, product, vector


# How a call is cut: `tiles` to a block, `chunk` slabs of a set.
cdef struct Blocking:
    ptrdiff_t tiles, blocks, chunk, chunks
    ptrdiff_t staged    # tiles whose outputs are spread together; 0: channels lie together
    Reading reading
    Steps inputs
    ptrdiff_t products_bytes, outputs_bytes, inputs_bytes
    ptrdiff_t bytes   # workspace of a thread: all of these
    double cycles


cdef struct Call:
    const Arrays *arrays
    Blocking block


cdef class Plan(Base):
    cdef const fc_winograd *kind
    cdef ptrdiff_t m_h, n_h, m_w, n_w
    cdef ptrdiff_t points                       # n_h * n_w, products of a tile
    cdef ptrdiff_t pieces_h, pieces_w
    cdef ptrdiff_t rows_read, cols_read         # of the padded image, by any output
    cdef ptrdiff_t tile_rows, tile_cols         # of outputs
    cdef ptrdiff_t grid_rows, grid_cols, total  # of inputs
    cdef ptrdiff_t phases, apart                # that follow one another; columns from one of theirs on
    cdef ptrdiff_t item_sets, set_items         # sets of an item; items for all sets
    cdef bint square                            # a set: a vector of inputs, one of outputs
    cdef ptrdiff_t pixel                        # bytes of an item's inputs, in whole lines
    cdef char *constants                        # ZEROS, then a pixel of padding, and one of zeros
    # the cut last used
    cdef Blocking last_block
    cdef ptrdiff_t last_threads
    cdef bint last_gathered, last_staged

    cdef ptrdiff_t halo(self) noexcept nogil
    cdef ptrdiff_t finished(self) noexcept nogil
    cdef Blocking cut(self, ptrdiff_t threads, bint gathered, bint staged) noexcept nogil
    cdef void measure(self, Blocking *b, ptrdiff_t threads, bint gathered,
                      bint staged) noexcept nogil
    cdef Blocking usual_cut(self, ptrdiff_t threads, bint gathered, bint staged) noexcept
    cdef Tiles tiles_at(self, ptrdiff_t first, ptrdiff_t last) noexcept nogil
    cdef Reading find_reading(self, bint gathered) noexcept nogil
    cdef void transform(self, const Array *x, const Reading *b, ptrdiff_t channel,
                        ptrdiff_t depth, ptrdiff_t first, ptrdiff_t last, char *work,
                        char *inputs, const Steps *steps) noexcept nogil
    cdef ptrdiff_t column_of(self, const Tiles *tiles, ptrdiff_t j) noexcept nogil
    cdef void gather(self, const Array *x, ptrdiff_t n, ptrdiff_t row, ptrdiff_t channel,
                     ptrdiff_t channels, const Run *runs, ptrdiff_t count, char *stage,
                     ptrdiff_t pixel) noexcept nogil
    cdef void multiply_square(self, ptrdiff_t s, ptrdiff_t count, char *inputs,
                              ptrdiff_t product) noexcept nogil
    cdef void multiply(self, ptrdiff_t s, ptrdiff_t j, ptrdiff_t count, const char *inputs,
                       const Steps *read, char *products, const Steps *written) noexcept nogil
    cdef ptrdiff_t panel_of(self, ptrdiff_t e) noexcept nogil
    cdef void finish(self, const Arrays *arrays, const Blocking *b, ptrdiff_t position,
                     ptrdiff_t channel, ptrdiff_t width, ptrdiff_t first, ptrdiff_t last,
                     const char *products, const Steps *steps, char *stage) noexcept nogil
    cdef void put_staged(self, const Array *out, char *first, const char *stage, ptrdiff_t pixel,
                         ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t channel,
                         ptrdiff_t width) noexcept nogil
