# Memory (src/drivers/memory.pyx), as the drivers see it.
cdef char *allocate(size_t bytes) except NULL   # aligned to pages; free() releases it
cdef char *take_workspace(size_t bytes, size_t *size) except NULL
cdef void give_workspace(char *memory, size_t size) noexcept
cdef char *take_block(size_t bytes) except NULL
cdef void give_block(char *memory, size_t bytes) noexcept
