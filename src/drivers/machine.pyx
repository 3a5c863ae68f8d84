"""What this machine can do at most, measured in the run that is compared with it."""
from cython.parallel cimport prange

from fastconv._native.levels cimport fc_table, find_table


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
