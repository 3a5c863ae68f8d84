"""What the plans of all algorithms share: the problem as native code knows it, and its arrays."""
from cpython.buffer cimport PyBUF_STRIDES, PyBUF_WRITABLE, PyObject_GetBuffer, PyBuffer_Release
from libc.string cimport memset


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

    def run(self, x, out, residual, ptrdiff_t num_threads):
        """Convolve x into out. All are 4-D NHWC views; a residual's channels lie together.

        Those of out may be two axes, so that no single stride need lead through them.
        """
        self._run(x, out, residual, num_threads, NULL)

    def cost(self, ptrdiff_t num_threads):
        """Estimated cycles of a call."""
        raise NotImplementedError

    def workspace(self, ptrdiff_t num_threads):
        """Bytes of workspace a thread uses."""
        raise NotImplementedError

    def profile(self, x, out, residual, ptrdiff_t num_threads, double[:, ::1] times):
        """`run`, adding the seconds that each thread spends in each phase to `times`."""
        self._run(x, out, residual, num_threads, &times[0, 0])

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
            arrays.residual = Array(NULL, 0, 0, 0, 0, 0, 0)
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

    cdef const char *pad(self) noexcept nogil:
        """The pad value as an element of the problem's type."""
        return <const char *>&self.pad32 if self.filter.table.itemsize == 4 else (
            <const char *>&self.pad64)
