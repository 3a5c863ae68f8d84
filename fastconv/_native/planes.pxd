# Images copied to planes (src/drivers/planes.pyx), as those who read them so use it.
from fastconv._native.axes cimport Axis, Run
from fastconv._native.levels cimport fc_pixelwise, fc_planewise, fc_planewise_function
from fastconv._native.packing cimport Filter
from fastconv._native.plan cimport Array, Arrays, Plan as Base


# The planes of a block of rows x cols outputs: a channel's padded lines, of each every stride-th column
# together, so that the inputs of neighbouring outputs are neighbours.
cdef struct Planes:
    ptrdiff_t rows
    Axis down
    ptrdiff_t column            # bytes of one: of an element, or of all channels of a pixel
    ptrdiff_t phases            # first columns whose every stride-th are read
    ptrdiff_t columns           # of a phase of a line: whole vectors
    ptrdiff_t line, bytes       # of a line, of a channel
    ptrdiff_t group_bytes       # of a group's channels, and of vectors that reach beyond
    ptrdiff_t runs_bytes


# Where a block's lines and columns come from.
cdef struct Sources:
    Run *lines
    Run *columns
    Run all                     # columns of all phases that are copied together: a transposition
    ptrdiff_t line_runs, column_runs
    bint gaps                   # padding is filled in with each channel


# How a call is cut: `rows` x `cols` output pixels to a block, and a chunk of groups or slabs.
cdef struct Blocking:
    ptrdiff_t rows, cols, chunk
    ptrdiff_t row_blocks, col_blocks, chunks   # chunks: over all sets
    ptrdiff_t held                             # slabs of a chunk whose weights are packed at a time
    ptrdiff_t items
    ptrdiff_t bytes                            # workspace of a thread
    double cycles


# The outputs of an item.
cdef struct Block:
    ptrdiff_t n, row, rows, col, cols
    ptrdiff_t chunk


cdef struct Call:
    const Arrays *arrays
    Blocking block


# Neighbouring output rows that read the same filter rows, [low, high).
cdef struct Band:
    ptrdiff_t row, rows, low, high


cdef class Planar(Base):
    cdef ptrdiff_t rows, cols   # of outputs, which may be one long row
    cdef ptrdiff_t together     # channels of a plane: one, or all, pixel by pixel
    # the cut last used: most calls repeat it
    cdef Blocking last_block
    cdef ptrdiff_t last_threads

    cdef bint takes(self, const Arrays *arrays) noexcept nogil
    cdef Blocking cut(self, ptrdiff_t threads) noexcept nogil
    cdef Block block_of(self, const Blocking *b, ptrdiff_t index) noexcept nogil
    cdef Planes planes_of(self, ptrdiff_t rows, ptrdiff_t cols) noexcept nogil
    cdef Sources begin_planes(self, const Planes *p, const Block *block, Run *runs, char *copies,
                              bint again) noexcept nogil
    cdef void find_columns(self, const Planes *p, const Block *block, Sources *s) noexcept nogil
    cdef void find_inputs(self, const Planes *p, bint taps_first, ptrdiff_t *inputs) noexcept nogil
    cdef void fill_gaps(self, const Planes *p, const Sources *sources, char *dst) noexcept nogil
    cdef void copy_planes(self, const Planes *p, const Sources *sources, const Array *x, ptrdiff_t n,
                          ptrdiff_t channel, char *dst) noexcept nogil
    cdef ptrdiff_t find_bands(self, const Block *block, Band *bands) noexcept nogil


cdef class Plan(Planar):
    cdef ptrdiff_t groups, width   # and the outputs of a group
    cdef fc_planewise_function rows_function   # for whole rows, or NULL
    cdef bint in_place             # which reads the image itself

    cdef fc_planewise_function find_rows_function(self) noexcept nogil
    cdef void run_in_place(self, const Arrays *arrays, const Blocking *b, const Block *block,
                           fc_planewise *t, int thread) noexcept nogil
    cdef void find_filter(self, fc_planewise *t, ptrdiff_t s, ptrdiff_t slab,
                          ptrdiff_t lane) noexcept nogil
    cdef void run_copied(self, const Arrays *arrays, const Blocking *b, const Block *block,
                         fc_planewise *t, char *work, int thread) noexcept nogil


cdef bint pixels_pay(Filter filter, ptrdiff_t stride, ptrdiff_t dilation) noexcept nogil


cdef class Pixels(Planar):
    cdef ptrdiff_t step   # elements of a vector: whole pixels

    cdef double cycles(self) noexcept nogil
    cdef void copy_pixels(self, const Planes *p, const Sources *sources, const Array *x, ptrdiff_t n,
                          char *dst) noexcept nogil
    cdef void run_band(self, fc_pixelwise *t, const Planes *p, const Band *band, const char *x,
                       char *out, ptrdiff_t out_row) noexcept nogil
