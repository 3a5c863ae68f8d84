# Channel-first images, copied to planes (src/drivers/planes.pyx), as those who read them so use it.
from fastconv._native.axes cimport Axis, Run
from fastconv._native.levels cimport fc_planewise, fc_planewise_function
from fastconv._native.plan cimport Array, Arrays, Plan as Base


# The planes of a block of rows x cols outputs: a channel's padded lines, of each every stride-th column
# together, so that the inputs of neighbouring outputs are neighbours.
cdef struct Planes:
    ptrdiff_t rows
    Axis down
    ptrdiff_t columns           # of a line that lie together: whole vectors
    ptrdiff_t line, bytes       # of a line, of a channel
    ptrdiff_t runs_bytes


# Where a block's lines and columns come from.
cdef struct Sources:
    Run *lines
    Run *columns
    ptrdiff_t line_runs, column_runs
    bint padded                 # some are padding


# Neighbouring output rows that read the same filter rows, [low, high).
cdef struct Band:
    ptrdiff_t row, rows, low, high


# How a call is cut. `rows` x `cols` output pixels to a block, `chunk` groups.
cdef struct Blocking:
    ptrdiff_t rows, cols, chunk
    ptrdiff_t row_blocks, col_blocks, chunks
    ptrdiff_t items
    ptrdiff_t copies_bytes, bytes   # workspace of a thread: its first part, and all


# An item: rows of outputs of an image, from `row` and `col` on, and groups.
cdef struct Block:
    ptrdiff_t n, row, rows, col
    ptrdiff_t group, last


cdef struct Call:
    const Arrays *arrays
    Blocking block


cdef class Planar(Base):
    cdef bint takes(self, const Arrays *arrays) noexcept nogil
    cdef Planes planes_of(self, ptrdiff_t rows, ptrdiff_t cols) noexcept nogil
    cdef Sources find_sources(self, const Planes *p, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t col,
                              ptrdiff_t cols, Run *runs) noexcept nogil
    cdef void find_inputs(self, const Planes *p, bint taps_first, ptrdiff_t *inputs) noexcept nogil
    cdef void copy_planes(self, const Planes *p, const Sources *sources, const Array *x, ptrdiff_t n,
                          ptrdiff_t channel, ptrdiff_t count, char *dst) noexcept nogil


cdef class Plan(Planar):
    cdef bint skips_padding     # a filter row that lies wholly in the padding adds nothing
    cdef ptrdiff_t groups, width   # and the outputs of a group
    cdef fc_planewise_function rows_function   # for whole rows, or NULL
    cdef bint in_place             # which reads the image itself
    # the cut last used: most calls repeat it
    cdef Blocking last_block
    cdef ptrdiff_t last_threads

    cdef Blocking cut(self, ptrdiff_t threads) noexcept nogil
    cdef fc_planewise_function find_rows_function(self) noexcept nogil
    cdef ptrdiff_t find_bands(self, ptrdiff_t row, ptrdiff_t rows, Band *bands) noexcept nogil
    cdef void run_in_place(self, const Arrays *arrays, const Block *block, fc_planewise *t,
                           int thread) noexcept nogil
    cdef void find_filter(self, fc_planewise *t, ptrdiff_t s, ptrdiff_t slab,
                          ptrdiff_t lane) noexcept nogil
    cdef void run_copied(self, const Arrays *arrays, const Blocking *b, const Block *block,
                         fc_planewise *t, char *work, int thread) noexcept nogil
