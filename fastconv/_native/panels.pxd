# Direct convolution of channel-first images by panels (src/drivers/panels.pyx), as direct convolution
# uses it.
from fastconv._native.packing cimport Filter
from fastconv._native.plan cimport Arrays
from fastconv._native.planes cimport Block, Blocking, Planar


cdef bint pay(Filter filter, bint pointwise, ptrdiff_t dilation, ptrdiff_t rows,
              ptrdiff_t cols) noexcept nogil


cdef class Plan(Planar):
    cdef bint pointwise                  # of one tap, stride 1 and no padding
    cdef ptrdiff_t steps                 # inputs of an output, and one for the bias
    cdef ptrdiff_t panel_pixels
    cdef ptrdiff_t panel_bytes, weight_bytes   # of a panel; from output channel to output channel
    cdef char *zeros                     # a tile's bias

    cdef ptrdiff_t row_bytes(self, const Blocking *b) noexcept nogil
    cdef ptrdiff_t cut_rows(self, Blocking *b, ptrdiff_t panels) noexcept nogil
    cdef void measure(self, Blocking *b, ptrdiff_t threads) noexcept nogil
    cdef void fill_ones(self, ptrdiff_t count, char *panels) noexcept nogil
    cdef void pack_row(self, const char *x, const ptrdiff_t *inputs, ptrdiff_t pixels,
                       char *panels) noexcept nogil
    cdef void gather_rows(self, const Arrays *arrays, const Blocking *b, const Block *block,
                          ptrdiff_t channel, ptrdiff_t *inputs, char *panels) noexcept nogil
    cdef void gather_row(self, const char *x, const ptrdiff_t *inputs, ptrdiff_t pixels,
                         char *panels) noexcept nogil
    cdef ptrdiff_t pack_weights(self, ptrdiff_t s, ptrdiff_t j, ptrdiff_t end,
                                char *weights) noexcept nogil
    cdef void multiply(self, const Blocking *b, const Block *block, ptrdiff_t channels,
                       const char *weights, const char *panels, char *out, ptrdiff_t out_row,
                       ptrdiff_t out_channel) noexcept nogil
