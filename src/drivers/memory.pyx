"""Memory that is used again. The system gives and zeroes new pages one by one as they are written to,
which can take as long as a convolution does; so what calls, filters and results no longer need is kept
for the next of their size, within limits.

The GIL guards what is kept: calls take memory before they release it and give it back after.
"""
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdlib cimport free


cdef extern from "memory.h":
    char *fc_allocate(size_t bytes)


cdef enum:
    MOST = 8                # pieces kept, of each kind


# The oldest first.
cdef struct Pool:
    int count
    size_t total, limit     # bytes, and the most
    char *memory[MOST]
    size_t size[MOST]


cdef Pool workspaces, blocks
workspaces.limit = 1 << 29
blocks.limit = 1 << 26
cdef size_t SMALL = 1 << 16   # the C library does these well


cdef char *allocate(size_t bytes) except NULL:
    cdef char *memory = fc_allocate(bytes)
    if memory == NULL:
        raise MemoryError(f"cannot allocate {bytes} bytes")
    return memory


cdef char *take(Pool *pool, int i) noexcept:
    """Remove the i-th."""
    cdef char *memory = pool.memory[i]
    pool.total -= pool.size[i]
    pool.count -= 1
    for i in range(i, pool.count):
        pool.memory[i], pool.size[i] = pool.memory[i + 1], pool.size[i + 1]
    return memory


cdef void give(Pool *pool, char *memory, size_t size) noexcept:
    """Keep it, and what was kept before as far as there is room, the newest."""
    if size > pool.limit:
        free(memory)
        return
    while pool.count == MOST or pool.total + size > pool.limit:
        free(take(pool, 0))
    pool.memory[pool.count], pool.size[pool.count] = memory, size
    pool.count += 1
    pool.total += size


cdef char *take_workspace(size_t bytes, size_t *size) except NULL:
    """At least so many bytes; `size` is what there are."""
    cdef int i
    for i in range(workspaces.count - 1, -1, -1):
        if workspaces.size[i] >= bytes:
            size[0] = workspaces.size[i]
            return take(&workspaces, i)
    if workspaces.count:   # too small for this call: grow it rather than keep both
        free(take(&workspaces, workspaces.count - 1))
    size[0] = bytes
    return allocate(bytes)


cdef void give_workspace(char *memory, size_t size) noexcept:
    give(&workspaces, memory, size)


cdef char *take_block(size_t bytes) except NULL:
    """Exactly so many bytes, for a filter or a result."""
    cdef int i
    for i in range(blocks.count - 1, -1, -1):
        if blocks.size[i] == bytes:
            return take(&blocks, i)
    return allocate(bytes)


cdef void give_block(char *memory, size_t bytes) noexcept:
    if memory == NULL or bytes < SMALL:
        free(memory)
    else:
        give(&blocks, memory, bytes)


cdef class Block:
    """The memory of an array, which has it for as long as it lives."""
    cdef char *memory
    cdef size_t size

    def __cinit__(self, size_t size):
        self.memory = take_block(size)
        self.size = size

    def __dealloc__(self):
        give_block(self.memory, self.size)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.memory, self.size, 0, flags)
