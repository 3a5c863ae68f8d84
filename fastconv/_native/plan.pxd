# What the plans of all algorithms share (src/drivers/plan.pyx), as the drivers see it.
from cpython.buffer cimport Py_buffer
from libc.stdint cimport int64_t

from fastconv._native.costs cimport costs
from fastconv._native.levels cimport fc_activation, fc_table, l2_bytes, l3_bytes, multiply_cycles
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


cdef inline double step_cycles(const fc_table *table, double pixels,
                               double vectors) noexcept nogil:
    """Cycles of a step of a register tile."""
    return max(pixels * vectors * multiply_cycles(table) + costs().step, costs().latency)


cdef inline double tile_cycles(const fc_table *table, double pixels, double vectors, double runs,
                               double steps) noexcept nogil:
    """Cycles of a register tile whose reduction is so many steps, in some runs."""
    return (costs().call + runs * costs().run + pixels * vectors * costs().store
            + steps * step_cycles(table, pixels, vectors))


cdef inline double beyond(double bytes, double cache) noexcept nogil:
    """The share of what is used again and again that does not stay in a cache, half of which other
    data takes: none of it up to that half, all of it from its whole size on."""
    return min(max(2 * bytes / cache - 1, 0.0), 1.0)


cdef inline double streaming(double bytes, double all=0) noexcept nogil:
    """Cycles of reading so many bytes from beyond L2, of `all` that are read before they come again."""
    return bytes / L1_LINE * (costs().stream + costs().memory * beyond(all, l3_bytes()))


cdef inline double writing(double bytes, double all) noexcept nogil:
    """Cycles of writing so many bytes beyond L2, of `all` that are used before they come again.

    Lines that come from memory go back there, too.
    """
    return bytes / L1_LINE * (costs().write * beyond(all, l2_bytes())
                              + 2 * costs().memory * beyond(all, l3_bytes()))


# An image of any strides, in bytes. An output's channels may come in runs of `run` of them, `c` from
# one to the next, and these in rows of `runs`: `next_run` is from run to run, `next_row` from row to
# row. 0: in one.
cdef struct Array:
    char *data
    ptrdiff_t n, h, w, c
    ptrdiff_t run, next_run, runs, next_row


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


# Numbers that threads take, from `next` on.
cdef extern from "queue.h":
    ctypedef struct fc_queue:
        ptrdiff_t next
    ptrdiff_t fc_take(fc_queue *queue) nogil


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


cdef inline Array array_of(const Py_buffer *view) noexcept nogil:
    """A 4-D view; or one of more axes, whose last ones are runs of channels and rows of those."""
    cdef Array a = Array(<char *>view.buf, view.strides[0], view.strides[1], view.strides[2],
                         view.strides[view.ndim - 1], 0, 0, 0, 0)
    cdef ptrdiff_t[3] sizes, steps
    cdef int count = 0, i
    if view.shape[1] == 1:   # of axes of one element NumPy gives any stride
        a.h = view.shape[2] * a.w
    for i in range(3, view.ndim):   # as few axes as lead to all channels
        if view.shape[i] == 1:
            continue
        if count and steps[count - 1] == view.shape[i] * view.strides[i]:
            count -= 1
            sizes[count] *= view.shape[i]
        else:
            sizes[count] = view.shape[i]
        steps[count] = view.strides[i]
        count += 1
    if count > 0:
        a.c = steps[count - 1]
    if count > 1:
        a.run, a.next_run = sizes[count - 1], steps[count - 2]
    if count > 2:
        a.runs, a.next_row = sizes[1], steps[0]
    return a


cdef inline ptrdiff_t channel_at(const Array *a, ptrdiff_t channel) noexcept nogil:
    """Bytes from a pixel's first channel to another."""
    cdef ptrdiff_t run, row
    if a.run == 0:
        return channel * a.c
    run, row = channel // a.run, 0
    if a.runs > 0:
        run, row = run % a.runs, run // a.runs
    return row * a.next_row + run * a.next_run + channel % a.run * a.c


cdef inline char *at(const Array *a, ptrdiff_t n, ptrdiff_t h, ptrdiff_t w,
                     ptrdiff_t c) noexcept nogil:
    return NULL if a.data == NULL else a.data + n * a.n + h * a.h + w * a.w + channel_at(a, c)


cdef inline bint scattered(const Array *out, ptrdiff_t item, ptrdiff_t slab_width) noexcept nogil:
    """Whether a slab's outputs are computed elsewhere first, as they do not lie together."""
    return out.c != item or (out.run > 0 and out.run % slab_width > 0)


cdef inline void put(const fc_table *table, const Array *out, char *pixel, ptrdiff_t next_pixel,
                     const char *src, ptrdiff_t src_pixel, ptrdiff_t pixels, ptrdiff_t channel,
                     ptrdiff_t channels) noexcept nogil:
    """Copy channels, from `channel` on, to their places in the output's pixels from `pixel` on."""
    cdef ptrdiff_t run = out.run if out.run > 0 else channel + channels, count
    while channels > 0:
        count = min(channels, run - channel % run)
        table.copy(pixel + channel_at(out, channel), next_pixel, out.c, src, src_pixel,
                   table.itemsize, pixels, count)
        src += count * table.itemsize
        channel += count
        channels -= count


cdef inline void put_rows(const fc_table *table, const Array *out, char *pixel, const char *src,
                          ptrdiff_t src_pixel, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t channel,
                          ptrdiff_t channels) noexcept nogil:
    """The same of rows of pixels, which lie together in src; at once if they do in the output."""
    if out.h == cols * out.w:
        cols *= rows
        rows = 1
    for _ in range(rows):
        put(table, out, pixel, out.w, src, src_pixel, cols, channel, channels)
        pixel += out.h
        src += cols * src_pixel


cdef inline ptrdiff_t source_of(ptrdiff_t i, ptrdiff_t size, const int64_t *padded_map,
                                ptrdiff_t before) noexcept nogil:
    """The input that a padded coordinate shows, -1 for the pad value."""
    if padded_map != NULL:
        return padded_map[i + before]
    return i if 0 <= i < size else -1


cdef class Plan:
    cdef readonly Filter filter
    cdef readonly Py_ssize_t worthwhile_threads
    cdef Sizes size
    cdef ptrdiff_t channels
    cdef ptrdiff_t stride_h, stride_w, dilation_h, dilation_w, top, left
    cdef double pad64
    cdef float pad32
    cdef bint skips_padding     # taps in the padding add nothing, and may be left out
    cdef bint activated
    cdef fc_activation activation
    cdef int64_t *row_map
    cdef int64_t *col_map
    cdef Py_buffer row_view, col_view

    cdef tuple arguments(self)
    cdef bint channel_first(self, const Arrays *arrays) noexcept nogil
    cdef int _run(self, x, out, residual, ptrdiff_t num_threads, double *times) except -1
    cdef int execute(self, const Arrays *arrays, ptrdiff_t threads) except -1
    cdef int share_out(self, const void *call, ptrdiff_t items, ptrdiff_t threads,
                       ptrdiff_t bytes) except -1
    cdef void filter_rows(self, ptrdiff_t y, ptrdiff_t outputs, ptrdiff_t *low,
                          ptrdiff_t *high) noexcept nogil
    cdef double share_of_rows(self) noexcept nogil
    cdef bint chunks_meet(self, ptrdiff_t chunk) noexcept nogil
    cdef double image_bytes(self) noexcept nogil
    cdef double output_bytes(self) noexcept nogil
    cdef void run_team(self, const void *call, ptrdiff_t items, ptrdiff_t threads, ptrdiff_t bytes,
                       char *memory) noexcept nogil
    cdef void run_thread(self, const void *call, ptrdiff_t items, fc_queue *queues,
                         ptrdiff_t threads, char *work, int thread) noexcept nogil
    cdef void run_item(self, const void *call, ptrdiff_t index, char *work,
                       int thread) noexcept nogil
    cdef const char *pad(self) noexcept nogil
