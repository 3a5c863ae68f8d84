"""The instruction-set levels this build has, and what all drivers share."""

cdef extern from "levels.h":
    ctypedef struct fc_level:
        const char *name
        const fc_table *const *tables
        bint runnable
    int fc_find_levels(fc_level *levels)
    int fc_max_threads()
    int FC_OPENMP
    const char *FC_COMPILER
    bint fc_is_amd()
    ptrdiff_t fc_unit_bytes()
    ptrdiff_t fc_l2_bytes()
    ptrdiff_t fc_l3_bytes()


cdef fc_level levels[3]
cdef int level_count = fc_find_levels(levels)
cdef ptrdiff_t unit = fc_unit_bytes()
cdef ptrdiff_t l2 = fc_l2_bytes()
cdef ptrdiff_t l3 = fc_l3_bytes()

COMPILED = tuple([levels[i].name.decode() for i in range(level_count)])


def runnable():
    return tuple([levels[i].name.decode() for i in range(level_count) if levels[i].runnable])


def tile(str level, int itemsize):
    cdef const fc_table *table = find_table(level, itemsize)
    return table.lanes, table.pixels, table.vectors


def maker():
    return "AMD" if fc_is_amd() else "other"


def cycles_of_multiply_add(str level, int itemsize):
    return multiply_cycles(find_table(level, itemsize))


def openmp():
    return FC_OPENMP


def max_threads():
    return fc_max_threads()


def compiler():
    return FC_COMPILER.decode()


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


cdef double multiply_cycles(const fc_table *table) noexcept nogil:
    return 0.5 * max(1.0, <double>table.lanes * table.itemsize / unit)


cdef ptrdiff_t l2_bytes() noexcept nogil:
    return l2


cdef ptrdiff_t l3_bytes() noexcept nogil:
    return l3
