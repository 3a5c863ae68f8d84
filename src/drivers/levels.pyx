"""The instruction-set levels this build has, and what all drivers share."""
from cpython.buffer cimport PyBUF_SIMPLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from libc.stdlib cimport free


cdef extern from "levels.h":
    ctypedef struct fc_level:
        const char *name
        const fc_table *const *tables
        bint runnable
    int fc_find_levels(fc_level *levels)
    int fc_max_threads()
    int FC_OPENMP
    const char *FC_COMPILER
    ptrdiff_t fc_l2_bytes()
    ptrdiff_t fc_l3_bytes()
    char *fc_allocate(size_t bytes)


cdef fc_level levels[3]
cdef int level_count = fc_find_levels(levels)
cdef ptrdiff_t l2 = fc_l2_bytes()
cdef ptrdiff_t l3 = fc_l3_bytes()

COMPILED = tuple([levels[i].name.decode() for i in range(level_count)])


def runnable():
    return tuple([levels[i].name.decode() for i in range(level_count) if levels[i].runnable])


def tile(str level, int itemsize):
    cdef const fc_table *table = find_table(level, itemsize)
    return table.lanes, table.pixels, table.vectors


def openmp():
    return FC_OPENMP


def max_threads():
    return fc_max_threads()


def compiler():
    return FC_COMPILER.decode()


def address(array):
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    start = <size_t>view.buf
    PyBuffer_Release(&view)
    return start


cdef const fc_table *find_table(str level, int itemsize) except NULL:
    cdef int i
    for i in range(level_count):
        if levels[i].name.decode() == level:
            if not levels[i].runnable:
                raise ValueError(f"this CPU cannot run level {level!r}")
            if itemsize == 4:
                return levels[i].tables[0]
            if itemsize == 8:
                return levels[i].tables[1]
            raise ValueError(f"itemsize must be 4 or 8; got {itemsize}")
    raise ValueError(f"level must be one of {COMPILED}; got {level!r}")


cdef ptrdiff_t l2_bytes() noexcept nogil:
    return l2


cdef ptrdiff_t l3_bytes() noexcept nogil:
    return l3


cdef char *allocate(size_t bytes) except NULL:
    cdef char *memory = fc_allocate(bytes)
    if memory == NULL:
        raise MemoryError(f"cannot allocate {bytes} bytes")
    return memory


# Workspaces that no call is using. The GIL guards the list, so calls take one before they
# release it and give it back after; as many are kept as calls have run at once, at most four.
cdef enum:
    KEPT = 4
    KEPT_BYTES = 1 << 28   # of one; a larger one is not kept
cdef char *kept[KEPT]
cdef size_t kept_size[KEPT]
cdef int kept_count = 0


cdef char *take_workspace(size_t bytes, size_t *size) except NULL:
    global kept_count
    cdef char *memory
    cdef int i
    for i in range(kept_count - 1, -1, -1):
        if kept_size[i] >= bytes:
            memory = kept[i]
            size[0] = kept_size[i]
            kept_count -= 1
            kept[i] = kept[kept_count]
            kept_size[i] = kept_size[kept_count]
            return memory
    if kept_count:  # too small for this call: grow it rather than keep both
        kept_count -= 1
        free(kept[kept_count])
    memory = allocate(bytes)
    size[0] = bytes
    return memory


cdef void give_workspace(char *memory, size_t size) noexcept:
    global kept_count
    if kept_count == KEPT or size > KEPT_BYTES:
        free(memory)
        return
    kept[kept_count] = memory
    kept_size[kept_count] = size
    kept_count += 1
