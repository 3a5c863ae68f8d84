# What the plans of all algorithms share (src/drivers/plan.pyx), as the drivers see it.
from cpython.buffer cimport Py_buffer
from libc.stdint cimport int64_t

from fastconv._native.costs cimport costs
from fastconv._native.levels cimport fc_activation
from fastconv._native.packing cimport Filter

cdef enum:
    L1_LINE = 64
    L1_PERIOD = 4096        # bytes after which addresses fall into the same set of L1


# What `profile` times apart.
cdef enum:
    COPIES, INPUTS, PRODUCTS, OUTPUTS   # of padding and layouts; transforms of inputs and outputs
    PHASES


cdef enum:
    THREAD_CYCLES = 30000   # the least work that a further thread is worth
    TAIL_PERCENT = 3        # of an item, added to its cost: small ones win where nothing else decides


cdef inline double step_cycles(double pixels, double vectors) noexcept nogil:
    """Cycles of a step of a register tile: two multiply-adds a cycle."""
    return max(pixels * vectors / 2 + costs().step, costs().latency)


cdef inline double streaming(double bytes) noexcept nogil:
    """Cycles of reading so many bytes from beyond L2."""
    return bytes / L1_LINE * costs().stream


# An image of any strides, in bytes.
cdef struct Array:
    char *data
    ptrdiff_t n, h, w, c


# The sizes of a call: the problem's, or those of the problem seen as one long row.
cdef struct Sizes:
    ptrdiff_t n, h, w, oh, ow


# What a call works on; `times`, unless NULL, collects the seconds of [thread][phase].
cdef struct Arrays:
    Array x, out, residual
    double *times


# When the current phase of a thread began, and where its times are added up.
cdef struct Timer:
    double *times
    double start


cdef extern from "seconds.h":
    double fc_seconds() nogil


cdef inline Timer start_timer(const Arrays *arrays, int thread) noexcept nogil:
    cdef Timer timer = Timer(NULL, 0)
    if arrays.times != NULL:
        timer.times, timer.start = arrays.times + thread * PHASES, fc_seconds()
    return timer


cdef inline void lap(Timer *timer, int phase) noexcept nogil:
    """End a phase, and begin the next."""
    cdef double now
    if timer.times != NULL:
        now = fc_seconds()
        timer.times[phase] += now - timer.start
        timer.start = now


cdef inline char *at(const Array *a, ptrdiff_t n, ptrdiff_t h, ptrdiff_t w,
                     ptrdiff_t c) noexcept nogil:
    return NULL if a.data == NULL else a.data + n * a.n + h * a.h + w * a.w + c * a.c


cdef inline ptrdiff_t pitch(ptrdiff_t bytes) noexcept nogil:
    """Bytes from pixel to pixel in a copy whose pixels have this many bytes."""
    return bytes + L1_LINE if bytes % L1_PERIOD == 0 else bytes


cdef inline ptrdiff_t source_of(ptrdiff_t i, ptrdiff_t size, const int64_t *padded_map,
                                ptrdiff_t before) noexcept nogil:
    """The input that a padded coordinate shows, -1 for the pad value."""
    if padded_map != NULL:
        return padded_map[i + before]
    return i if 0 <= i < size else -1


cdef inline ptrdiff_t first_inside(ptrdiff_t distance, ptrdiff_t dilation) noexcept nogil:
    """The first tap at least `distance` from the first."""
    return (distance + dilation - 1) // dilation if distance > 0 else 0


# Along one dimension of a block: how a tap of an output is found among the inputs that it gathers.
cdef struct Axis:
    ptrdiff_t count      # inputs that the block's outputs read
    ptrdiff_t per_output, per_tap
    bint every           # all inputs of the span (else: taps of each output, one by one)


cdef inline Axis axis_of(ptrdiff_t outputs, ptrdiff_t kernel, ptrdiff_t stride,
                         ptrdiff_t dilation) noexcept nogil:
    cdef Axis a
    cdef ptrdiff_t span = (outputs - 1) * stride + (kernel - 1) * dilation + 1
    a.every = span <= outputs * kernel
    a.count = span if a.every else outputs * kernel
    a.per_output = stride if a.every else kernel
    a.per_tap = dilation if a.every else 1
    return a


cdef inline ptrdiff_t tap_of(ptrdiff_t i, ptrdiff_t start, const Axis *a, ptrdiff_t kernel,
                             ptrdiff_t stride, ptrdiff_t dilation) noexcept nogil:
    """The coordinate of a block's i-th input, which may lie in the padding."""
    return start + (i if a.every else i // kernel * stride + i % kernel * dilation)


cdef class Plan:
    cdef readonly Filter filter
    cdef readonly Py_ssize_t worthwhile_threads
    cdef Sizes size
    cdef ptrdiff_t channels
    cdef ptrdiff_t stride_h, stride_w, dilation_h, dilation_w, top, left
    cdef double pad64
    cdef float pad32
    cdef bint activated
    cdef fc_activation activation
    cdef int64_t *row_map
    cdef int64_t *col_map
    cdef Py_buffer row_view, col_view

    cdef int _run(self, x, out, residual, ptrdiff_t num_threads, double *times) except -1
    cdef int execute(self, const Arrays *arrays, ptrdiff_t threads) except -1
    cdef const char *pad(self) noexcept nogil
