# Direct convolution of channel-first images by panels (src/drivers/panels.pyx), as direct convolution
# uses it.
from fastconv._native.packing cimport Filter
from fastconv._native.plan cimport Arrays
from fastconv._native.planes cimport Planar, Planes


# How a call is cut: blocks of `rows`, `across` panels of each; `chunk` slabs of a set, `held` of which
# have their weights packed at a time.
cdef struct Blocking:
    ptrdiff_t rows, across, row_blocks, col_blocks
    ptrdiff_t chunk, chunks              # chunks: over all sets
    ptrdiff_t held
    ptrdiff_t items
    ptrdiff_t panel_bytes, weight_bytes  # of a panel; from output channel to output channel
    ptrdiff_t weights_bytes, bytes       # workspace of a thread: for weights, and all
    double cycles


cdef struct Call:
    const Arrays *arrays
    Blocking block


cdef bint pay(Filter filter, bint pointwise, ptrdiff_t dilation, ptrdiff_t rows,
              ptrdiff_t cols) noexcept nogil


cdef class Plan(Planar):
    cdef bint pointwise                  # of one tap, stride 1 and no padding
    cdef ptrdiff_t rows, cols, across    # of outputs, which may be one long row; panels of a row
    cdef ptrdiff_t panel_pixels
    cdef ptrdiff_t steps                 # inputs of an output, and one for the bias
    cdef char *zeros                     # a tile's bias
    # the cut last used: most calls repeat it
    cdef Blocking last_block
    cdef ptrdiff_t last_threads

    cdef ptrdiff_t most_panels(self) noexcept nogil
    cdef Blocking cut(self, ptrdiff_t threads) noexcept nogil
    cdef ptrdiff_t cut_rows(self, Blocking *b, ptrdiff_t panels) noexcept nogil
    cdef void measure(self, Blocking *b, ptrdiff_t threads) noexcept nogil
    cdef const char *fill_planes(self, const Planes *p, const Arrays *arrays, ptrdiff_t n,
                                 ptrdiff_t channel, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t col,
                                 ptrdiff_t cols, char *work) noexcept nogil
    cdef ptrdiff_t pack_weights(self, const Blocking *b, ptrdiff_t s, ptrdiff_t j, ptrdiff_t end,
                                char *weights) noexcept nogil
    cdef void pack_panels(self, const Blocking *b, const char *x, const ptrdiff_t *inputs,
                          ptrdiff_t pixels, char *panels) noexcept nogil
    cdef void gather_panels(self, const Blocking *b, const char *x, const ptrdiff_t *inputs,
                            ptrdiff_t pixels, char *panels) noexcept nogil
    cdef void multiply(self, const Blocking *b, ptrdiff_t channels, ptrdiff_t rows, ptrdiff_t cols,
                       const char *weights, const char *panels, char *out, ptrdiff_t out_row,
                       ptrdiff_t out_channel) noexcept nogil
