# Pointwise convolution of channel-first images (src/drivers/panels.pyx), as direct convolution uses it.
from fastconv._native.packing cimport Filter
from fastconv._native.plan cimport Arrays
from fastconv._native.planes cimport Planar


# How a call is cut: `panels` of an image to a block, `chunk` slabs of a set, `held` of which have their
# weights packed at a time.
cdef struct Blocking:
    ptrdiff_t panels, blocks, chunk, chunks   # chunks: over all sets
    ptrdiff_t held
    ptrdiff_t items
    ptrdiff_t panel_bytes, weight_bytes       # of a panel; from output channel to output channel
    ptrdiff_t bytes                           # workspace of a thread
    double cycles


cdef struct Call:
    const Arrays *arrays
    Blocking block


cdef bint pay(Filter filter, ptrdiff_t pixels) noexcept


cdef class Plan(Planar):
    cdef ptrdiff_t panel_pixels
    cdef ptrdiff_t steps                      # inputs, and one for the bias
    cdef ptrdiff_t panels                     # of an image
    cdef char *zeros                          # a tile's bias
    # the cut last used: most calls repeat it
    cdef Blocking last_block
    cdef ptrdiff_t last_threads

    cdef ptrdiff_t most_panels(self) noexcept nogil
    cdef Blocking cut(self, ptrdiff_t threads) noexcept nogil
    cdef void measure(self, Blocking *b, ptrdiff_t threads) noexcept nogil
    cdef ptrdiff_t pack_weights(self, const Blocking *b, ptrdiff_t s, ptrdiff_t j, ptrdiff_t end,
                                char *weights) noexcept nogil
    cdef void pack_panels(self, const Blocking *b, const Arrays *arrays, ptrdiff_t n,
                          ptrdiff_t channel, ptrdiff_t first, ptrdiff_t pixels,
                          char *panels) noexcept nogil
    cdef void multiply(self, const Blocking *b, ptrdiff_t rows, ptrdiff_t pixels,
                       const char *weights, const char *panels, char *out,
                       ptrdiff_t out_channel) noexcept nogil
