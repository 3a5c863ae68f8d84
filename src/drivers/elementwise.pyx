"""What layers do in train mode beside their convolutions: keep a copy of the input, and find the
gradient before the activation. All arrays of a call are contiguous, and in the same order."""
from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer, Py_buffer,
)
from cython.parallel cimport prange
from libc.string cimport memcpy, memset

from fastconv._native.levels cimport fc_table, find_table
from fastconv._native.packing cimport ceil_div


cdef enum:
    CHUNK_BYTES = 1 << 16   # of an element's type, that a thread takes at once


ctypedef enum Kind:
    COPY, MARK, DAMP


cdef struct Call:
    Kind kind
    const fc_table *table
    char *dst
    const char *src
    const char *damped
    double value            # the upper bound, or the slope
    ptrdiff_t count


cdef void run_chunk(const Call *call, ptrdiff_t index) noexcept nogil:
    cdef ptrdiff_t item = call.table.itemsize, chunk = CHUNK_BYTES // item
    cdef ptrdiff_t first = index * chunk, count = min(chunk, call.count - first)
    if call.kind == COPY:
        memcpy(call.dst + first * item, call.src + first * item, count * item)
    elif call.kind == MARK:
        call.table.mark(<unsigned char *>call.dst + first, call.src + first * item, call.value,
                        count)
    else:
        call.table.damp(call.dst + first * item, call.src + first * item,
                        <const unsigned char *>call.damped + first, call.value, count)


cdef int run(Kind kind, str level, dst, src, damped, double value, int num_threads) except -1:
    """Share out the elements of src to threads."""
    cdef Call call
    cdef Py_buffer to, source, flags
    cdef ptrdiff_t chunks, i
    memset(&to, 0, sizeof(Py_buffer))
    memset(&source, 0, sizeof(Py_buffer))
    memset(&flags, 0, sizeof(Py_buffer))
    try:
        PyObject_GetBuffer(dst, &to, PyBUF_SIMPLE | PyBUF_WRITABLE)
        PyObject_GetBuffer(src, &source, PyBUF_SIMPLE)
        if damped is not None:
            PyObject_GetBuffer(damped, &flags, PyBUF_SIMPLE)
        call.kind, call.value, call.table = kind, value, find_table(level, source.itemsize)
        call.dst, call.src, call.damped = <char *>to.buf, <char *>source.buf, <char *>flags.buf
        call.count = source.len // call.table.itemsize
        chunks = ceil_div(source.len, CHUNK_BYTES)
        with nogil:
            if num_threads == 1:   # not worth entering a parallel region
                for i in range(chunks):
                    run_chunk(&call, i)
            else:
                for i in prange(chunks, schedule="static", num_threads=num_threads):
                    run_chunk(&call, i)
    finally:
        PyBuffer_Release(&flags)
        PyBuffer_Release(&source)
        PyBuffer_Release(&to)
    return 0


def copy(str level, dst, src, int num_threads):
    run(COPY, level, dst, src, None, 0, num_threads)


def mark(str level, damped, y, double upper, int num_threads):
    run(MARK, level, damped, y, None, upper, num_threads)


def damp(str level, dz, dy, damped, double slope, int num_threads):
    run(DAMP, level, dz, dy, damped, slope, num_threads)
