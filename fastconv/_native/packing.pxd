# The packed filter of src/drivers/packing.pyx, as the drivers see it.
from libc.stdint cimport int32_t, int64_t

from fastconv._native.levels cimport fc_table, fc_winograd


cdef inline ptrdiff_t ceil_div(ptrdiff_t a, ptrdiff_t b) noexcept nogil:
    return (a + b - 1) // b


cdef inline void find_lanes(char *dst, const fc_table *table, ptrdiff_t inputs, ptrdiff_t outputs,
                            ptrdiff_t width, ptrdiff_t depth) noexcept nogil:
    """[inputs][lanes]: which lane of a vector of groups' inputs each of the first lanes reads."""
    cdef ptrdiff_t lanes = table.lanes, i, l, lane
    for i in range(inputs):
        for l in range(lanes):
            lane = l // width * depth + i if l < outputs else 0
            if table.itemsize == 4:
                (<int32_t *>dst)[i * lanes + l] = <int32_t>lane
            else:
                (<int64_t *>dst)[i * lanes + l] = lane


# The transform of a filter: `rows` x `cols` taps of a piece, `across` pieces side by side.
cdef struct Transform:
    const fc_winograd *kind
    ptrdiff_t rows, cols, across
    ptrdiff_t blocks   # of inputs
    ptrdiff_t bytes    # of a thread's workspace


cdef class Filter:
    cdef readonly str level
    cdef readonly Py_ssize_t nbytes
    cdef const fc_table *table
    cdef char *memory
    cdef char *bias
    cdef bint lanewise, dot
    cdef ptrdiff_t kh, kw, depth       # depth: input channels that one output reads
    cdef ptrdiff_t out_channels
    cdef ptrdiff_t sets, set_width     # slabs never cross a set: a group, or all (lanewise)
    cdef ptrdiff_t slab_width          # output channels of the widest slab
    cdef ptrdiff_t slabs, twos         # slabs of a set, those of two vectors
    cdef bint halves                   # the last is of one and a half
    cdef ptrdiff_t parts               # of a wide slab, filter rows, each small enough for L2,
    cdef ptrdiff_t row_parts           # or so many parts of each row
    cdef ptrdiff_t depth_parts         # of the inputs, where `parts` is 1
    cdef ptrdiff_t repeats             # of the channels in a vector, if they are few (depthwise)

    cdef ptrdiff_t padded_width(self) noexcept nogil
    cdef double slab_vectors(self) noexcept nogil
    cdef ptrdiff_t reduction(self) noexcept nogil
    cdef ptrdiff_t start(self, ptrdiff_t j) noexcept nogil
    cdef ptrdiff_t width(self, ptrdiff_t j) noexcept nogil
    cdef ptrdiff_t position(self, ptrdiff_t s, ptrdiff_t j) noexcept nogil
    cdef int form(self, ptrdiff_t j) noexcept nogil
    cdef void _pack(self, char *dst, const char *weight, const Py_ssize_t *strides, ptrdiff_t kh,
                    ptrdiff_t kw, ptrdiff_t depth, int num_threads) noexcept nogil
    cdef int _transform(self, char *dst, const Py_buffer *weight, int kind,
                        int num_threads) except -1
    cdef void _transform_block(self, const Transform *t, ptrdiff_t slab, ptrdiff_t first,
                               char *dst, const Py_buffer *weight, char *work) noexcept nogil
    cdef void _pack_inputs(self, ptrdiff_t i, ptrdiff_t first, ptrdiff_t slabs, ptrdiff_t parts,
                           char *dst, const char *weight, const Py_ssize_t *strides, ptrdiff_t kh,
                           ptrdiff_t kw, ptrdiff_t depth) noexcept nogil
    cdef ptrdiff_t _pixel(self, ptrdiff_t j) noexcept nogil
    cdef void _pack_tap(self, ptrdiff_t j, char *dst, ptrdiff_t channel, const char *src,
                        const Py_ssize_t *strides, ptrdiff_t inputs) noexcept nogil
    cdef void _pack_slab(self, ptrdiff_t s, ptrdiff_t j, ptrdiff_t parts, char *dst,
                         const char *weight, const Py_ssize_t *strides, ptrdiff_t kh,
                         ptrdiff_t kw, ptrdiff_t depth) noexcept nogil
    cdef void _pack_dots(self, ptrdiff_t s, ptrdiff_t j, char *dst, const char *weight,
                         const Py_ssize_t *strides) noexcept nogil
