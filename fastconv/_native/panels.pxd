# Direct convolution of channel-first images by panels (src/drivers/panels.pyx), as direct convolution
# uses it.
from fastconv._native.levels cimport fc_panel, fc_panel_function
from fastconv._native.packing cimport Filter
from fastconv._native.plan cimport Array, Arrays
from fastconv._native.planes cimport Block, Blocking, Planar


cdef bint pay(Filter filter, bint pointwise, bint in_place, ptrdiff_t stride, ptrdiff_t dilation,
              ptrdiff_t rows, ptrdiff_t cols) noexcept nogil


# Rows of outputs, and where the inputs of the first are.
cdef struct Pixels:
    ptrdiff_t rows, cols
    const char *x
    ptrdiff_t x_row
    const ptrdiff_t *inputs
    ptrdiff_t fetch   # what lies so far on is fetched into L2


cdef class Plan(Planar):
    cdef bint pointwise                  # of one tap, stride 1 and no padding: one row
    cdef bint joined                     # of several
    cdef ptrdiff_t image_row             # bytes
    cdef ptrdiff_t steps                 # of a reduction
    cdef ptrdiff_t panel_pixels, panel_bytes
    cdef ptrdiff_t pitch                 # of transposed pixels

    cdef ptrdiff_t inputs_bytes(self) noexcept nogil
    cdef ptrdiff_t weights_bytes(self, ptrdiff_t slabs) noexcept nogil
    cdef ptrdiff_t input_bytes(self, const Blocking *b) noexcept nogil
    cdef ptrdiff_t cut_rows(self, Blocking *b, ptrdiff_t panels) noexcept nogil
    cdef void measure(self, Blocking *b, ptrdiff_t threads) noexcept nogil
    cdef bint readable_in_place(self, const Array *x, const Block *block) noexcept nogil
    cdef void find_in_place(self, const Array *x, ptrdiff_t *inputs) noexcept nogil
    cdef ptrdiff_t copy_block(self, const Arrays *arrays, const Blocking *b, const Block *block,
                              ptrdiff_t s, ptrdiff_t *inputs, char *copies) noexcept nogil
    cdef void unpack(self, ptrdiff_t s, ptrdiff_t first, ptrdiff_t end, char *dst) noexcept nogil
    cdef void multiply(self, const Pixels *pixels, ptrdiff_t s, ptrdiff_t first, ptrdiff_t end,
                       const char *weights, char *out, const Array *image) noexcept nogil
    cdef void run_panels(self, fc_panel *t, ptrdiff_t channels, ptrdiff_t cols) noexcept nogil
    cdef ptrdiff_t advance(self, fc_panel *t, fc_panel_function function, ptrdiff_t pixels,
                           ptrdiff_t cols) noexcept nogil
    cdef void copy_rest(self, Pixels *pixels, ptrdiff_t rest, ptrdiff_t x_channel,
                        char *work) noexcept nogil
    cdef void multiply_rest(self, ptrdiff_t pixels, const char *x, ptrdiff_t x_channel, ptrdiff_t s,
                            ptrdiff_t first, ptrdiff_t end, char *work, char *out,
                            ptrdiff_t out_channel) noexcept nogil
