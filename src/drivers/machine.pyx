"""What this machine can do at most, measured in the run that is compared with it."""
from cython.parallel cimport prange

from libc.stdlib cimport free
from libc.string cimport memset

from fastconv._native.levels cimport fc_table, find_table
from fastconv._native.memory cimport allocate


def multiply_adds(str level, int itemsize, ptrdiff_t steps, int num_threads):
    """Run multiply-adds only on every thread; returns the floating-point operations done."""
    cdef const fc_table *table = find_table(level, itemsize)
    cdef double operations = 0
    cdef int i
    if num_threads == 1:
        return table.peak(steps)
    for i in prange(num_threads, nogil=True, schedule="static", num_threads=num_threads):
        operations += table.peak(steps)
    return operations


def read(str level, ptrdiff_t bytes_per_thread, ptrdiff_t repeats, int num_threads):
    """Read a buffer of its own on every thread, `repeats` times; returns the bytes read."""
    cdef const fc_table *table = find_table(level, 4)
    cdef ptrdiff_t size = max(1, bytes_per_thread // 1024) * 1024
    cdef char *memory = allocate(num_threads * size)
    cdef int i
    for i in prange(num_threads, nogil=True, schedule="static", num_threads=num_threads):
        memset(memory + i * size, 0, size)   # its pages come to the thread that reads them
        table.read(memory + i * size, size, repeats)
    free(memory)
    return num_threads * size * repeats
