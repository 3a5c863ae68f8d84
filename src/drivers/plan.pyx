"""What the plans of all algorithms share: the problem as native code knows it, and its arrays."""
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cython.parallel cimport prange
from libc.string cimport memset

from fastconv._native.axes cimport first_inside
from fastconv._native.levels cimport l2_bytes
from fastconv._native.memory cimport give_workspace, take_workspace


# What short calls with several threads have met of late. While another program, or another library's
# threads that wait for their next work, hold a CPU, what should run there comes late and all wait for
# it, for milliseconds. `alone`: calls yet to be made without; the more, the oftener it was so.
cdef enum:
    SHORT = 160                          # threads that a short call is worth, at most
    MOST_FAILURES = 7
cdef double LATE = 3, LATENESS = 3e-4    # with which estimates, and waking a thread, do not count
cdef double CLOCK = 2e9                  # of processors, about
cdef int failures = 0
cdef ptrdiff_t alone = 0


cpdef void learn(double seconds, ptrdiff_t worthwhile_threads) noexcept:
    """Hear how long a call with several threads took."""
    global failures, alone
    if worthwhile_threads > SHORT:
        return
    if seconds > LATE * worthwhile_threads * THREAD_CYCLES / CLOCK + LATENESS:
        failures = min(failures + 2, MOST_FAILURES)
        alone = 2 << failures
    elif failures:
        failures -= 1


def prefers_one(ptrdiff_t worthwhile_threads):
    """Whether a call should do without other threads."""
    global alone
    if alone == 0 or worthwhile_threads > SHORT:
        return False
    alone -= 1
    return True


cdef class Plan:
    """A packed filter bound to one input shape. Any number of threads may run it at once."""

    def __cinit__(self, Filter filter, input_shape, output_size, stride, padding, dilation,
                  double pad_value, row_map, col_map, activation, *of_the_algorithm):
        cdef Sizes *z = &self.size
        self.filter = filter
        z.n, z.h, z.w, self.channels = input_shape
        z.oh, z.ow = output_size
        self.stride_h, self.stride_w = stride
        self.top, self.left = padding
        self.dilation_h, self.dilation_w = dilation
        self.pad64 = pad_value
        self.pad32 = <float>pad_value
        self.skips_padding = row_map is None and pad_value == 0
        self.activated = activation is not None
        if self.activated:
            self.activation.slope, self.activation.upper = activation
        if row_map is not None:
            PyObject_GetBuffer(row_map, &self.row_view, PyBUF_STRIDES)
            self.row_map = <int64_t *>self.row_view.buf
        if col_map is not None:
            PyObject_GetBuffer(col_map, &self.col_view, PyBUF_STRIDES)
            self.col_map = <int64_t *>self.col_view.buf

    def __dealloc__(self):
        if self.row_map != NULL:
            PyBuffer_Release(&self.row_view)
        if self.col_map != NULL:
            PyBuffer_Release(&self.col_view)

    cdef tuple arguments(self):
        """What another plan for the same problem is made with."""
        cdef const Sizes *z = &self.size
        activation = (self.activation.slope, self.activation.upper) if self.activated else None
        return (
            self.filter, (z.n, z.h, z.w, self.channels), (z.oh, z.ow), (self.stride_h, self.stride_w),
            (self.top, self.left), (self.dilation_h, self.dilation_w), self.pad64,
            <object>self.row_view.obj if self.row_map != NULL else None,
            <object>self.col_view.obj if self.col_map != NULL else None, activation)

    cdef bint channel_first(self, const Arrays *arrays) noexcept nogil:
        """Whether the pixels of a row lie together, in x and out, and nothing is to be added."""
        cdef ptrdiff_t item = self.filter.table.itemsize
        return (arrays.x.w == item and arrays.out.w == item and arrays.out.run == 0
                and arrays.residual.data == NULL)

    def run(self, x, out, residual, ptrdiff_t num_threads):
        """Convolve x into out. All are NHWC views; a residual's channels lie together.

        Those of out may be up to three axes, so that no single stride need lead through them.
        """
        self._run(x, out, residual, num_threads, NULL)

    def cost(self, ptrdiff_t num_threads):
        """Estimated cycles of a call."""
        raise NotImplementedError

    def workspace(self, ptrdiff_t num_threads):
        """Bytes of workspace a thread uses."""
        raise NotImplementedError

    def profile(self, x, out, residual, ptrdiff_t num_threads, times):
        """`run`, adding the seconds that each thread spends in each phase to `times`, float64 in C order."""
        cdef Py_buffer view
        PyObject_GetBuffer(times, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
        try:
            if view.itemsize != sizeof(double) or view.len < num_threads * PHASES * view.itemsize:
                raise ValueError(
                    f"times must be float64 of {num_threads} threads x {PHASES} phases; "
                    f"got {view.len} bytes, {view.itemsize} an element")
            self._run(x, out, residual, num_threads, <double *>view.buf)
        finally:
            PyBuffer_Release(&view)

    cdef int _run(self, x, out, residual, ptrdiff_t num_threads, double *times) except -1:
        cdef Py_buffer x_view, out_view, residual_view
        cdef Arrays arrays
        # of an empty view there is nothing to release
        memset(&x_view, 0, sizeof(Py_buffer))
        memset(&out_view, 0, sizeof(Py_buffer))
        memset(&residual_view, 0, sizeof(Py_buffer))
        try:
            PyObject_GetBuffer(x, &x_view, PyBUF_STRIDES)
            PyObject_GetBuffer(out, &out_view, PyBUF_STRIDES | PyBUF_WRITABLE)
            arrays.x, arrays.out = array_of(&x_view), array_of(&out_view)
            arrays.residual = Array(NULL, 0, 0, 0, 0, 0, 0, 0, 0)
            arrays.times = times
            if residual is not None:
                PyObject_GetBuffer(residual, &residual_view, PyBUF_STRIDES)
                arrays.residual = array_of(&residual_view)
            self.execute(&arrays, num_threads)
        finally:
            PyBuffer_Release(&residual_view)
            PyBuffer_Release(&out_view)
            PyBuffer_Release(&x_view)
        return 0

    cdef int execute(self, const Arrays *arrays, ptrdiff_t threads) except -1:
        raise NotImplementedError

    cdef int share_out(self, const void *call, ptrdiff_t items, ptrdiff_t threads,
                       ptrdiff_t bytes) except -1:
        """Run all items of a call, with `bytes` of workspace for each thread.

        Each begins with neighbouring items, the same in every call: it may find in its cache what it
        wrote there, in the last call or in the layer before, and where items meet within cache lines
        no other thread holds these. Then it takes what others have left.
        """
        cdef size_t size
        cdef char *memory
        cdef double start
        threads = min(threads, items)
        start = fc_seconds() if threads > 1 else 0
        # the queues, then the workspaces
        memory = take_workspace(threads * (sizeof(fc_queue) + bytes), &size)
        with nogil:
            self.run_team(call, items, threads, bytes, memory)
        give_workspace(memory, size)
        if threads > 1:
            learn(fc_seconds() - start, self.worthwhile_threads)
        return 0

    cdef void filter_rows(self, ptrdiff_t y, ptrdiff_t outputs, ptrdiff_t *low,
                          ptrdiff_t *high) noexcept nogil:
        """The filter rows, [low, high), that any of some output rows from y on reads in the image."""
        cdef ptrdiff_t row = y * self.stride_h - self.top, kh = self.filter.kh
        low[0], high[0] = 0, kh
        if self.skips_padding:
            low[0] = min(kh, first_inside(-row - (outputs - 1) * self.stride_h, self.dilation_h))
            high[0] = max(low[0], min(kh, first_inside(self.size.h - row, self.dilation_h)))

    cdef double share_of_rows(self) noexcept nogil:
        """The share of filter rows that outputs read in the image."""
        cdef ptrdiff_t rows = 0, y, low, high
        for y in range(self.size.oh):
            self.filter_rows(y, 1, &low, &high)
            rows += high - low
        return <double>rows / max(1, self.size.oh * self.filter.kh)

    cdef bint chunks_meet(self, ptrdiff_t chunk) noexcept nogil:
        """Whether the outputs of chunks of so many slabs meet within cache lines, where those of a
        pixel lie together."""
        cdef ptrdiff_t item = self.filter.table.itemsize
        cdef ptrdiff_t width = min(chunk * self.filter.slab_width, self.filter.set_width)
        return width * item % L1_LINE != 0 or self.filter.out_channels * item % L1_LINE != 0

    cdef double image_bytes(self) noexcept nogil:
        """Of input and output."""
        cdef const Sizes *z = &self.size
        return self.output_bytes() + <double>z.n * z.h * z.w * (
            self.channels * self.filter.table.itemsize)

    cdef double output_bytes(self) noexcept nogil:
        return <double>self.size.n * self.size.oh * self.size.ow * (
            self.filter.out_channels * self.filter.table.itemsize)

    cdef void run_team(self, const void *call, ptrdiff_t items, ptrdiff_t threads, ptrdiff_t bytes,
                       char *memory) noexcept nogil:
        cdef fc_queue *queues = <fc_queue *>memory
        cdef char *work = memory + threads * sizeof(fc_queue)
        cdef ptrdiff_t i
        for i in range(threads):
            queues[i].next = i * items // threads
        if threads == 1:   # not worth entering a parallel region
            self.run_thread(call, items, queues, threads, work, 0)
            return
        for i in prange(threads, schedule="static", chunksize=1, num_threads=<int>threads):
            self.run_thread(call, items, queues, threads, work + i * bytes, <int>i)

    cdef void run_thread(self, const void *call, ptrdiff_t items, fc_queue *queues,
                         ptrdiff_t threads, char *work, int thread) noexcept nogil:
        """Empty the thread's own queue, then the others'."""
        cdef ptrdiff_t i, q, index, end
        for i in range(threads):
            q = (thread + i) % threads
            end = (q + 1) * items // threads
            while queues[q].next < end:
                index = fc_take(&queues[q])
                if index < end:
                    self.run_item(call, index, work, thread)

    cdef void run_item(self, const void *call, ptrdiff_t index, char *work,
                       int thread) noexcept nogil:
        """Compute one item of a call."""

    cdef const char *pad(self) noexcept nogil:
        """The pad value as an element of the problem's type."""
        return <const char *>&self.pad32 if self.filter.table.itemsize == 4 else (
            <const char *>&self.pad64)
