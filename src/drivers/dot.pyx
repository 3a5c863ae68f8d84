"""Direct convolution to few output channels: dot products, the reduction in the lanes of vectors.

Everything but the register tile is as in direct.pyx. As a filter row is packed without gaps
between its taps, so its inputs must lie, or else whole vectors of them.
"""
from fastconv._native.costs cimport costs
from fastconv._native.direct cimport Item, Plan as Direct, Slab, Strip
from fastconv._native.levels cimport FC_MAX_DOTS, fc_table, fc_tile_function, multiply_cycles
from fastconv._native.packing cimport Filter, ceil_div
from fastconv._native.plan cimport Array, Sizes


cdef enum:
    ROW = 3        # calls' time of finding the tiles of a row
    LAST = 3       # runs' time of one whose last step may be of fewer inputs
    COUNTERS = 1   # cycles of a step, beside its loads and multiply-adds


cdef class Plan(Direct):
    """Direct convolution with a filter of the dot form."""
    cdef bint whole    # the inputs of a tap are whole vectors

    def __cinit__(self, Filter filter, input_shape, output_size, stride, padding, dilation,
                  double pad_value, row_map, col_map, activation):
        self.whole = filter.depth % filter.table.lanes == 0
        self.take_tiles(filter.table.dot_pixels[filter.slab_width - 1])

    cdef bint readable_in_place(self, const Array *x) noexcept nogil:
        return Direct.readable_in_place(self, x) and (
            self.whole or self.filter.kw == 1
            or x.w == self.filter.depth * self.filter.table.itemsize)

    cdef int tap_strips(self, const Sizes *z, const Item *it, Strip *strips,
                        bint tiled) noexcept nogil:
        return Direct.tap_strips(self, z, it, strips, tiled) if self.whole else 0

    cdef double cycles(self, const Sizes *z) noexcept nogil:
        """A step of a tile has as many multiply-adds as dots, and loads inputs and filters."""
        cdef ptrdiff_t tiles = ceil_div(z.ow, self.tile_pixels), width = self.filter.slab_width
        cdef double pixels = <double>z.ow / tiles
        cdef bint joined = self.dilation_w == 1
        cdef ptrdiff_t runs = self.filter.kh * (1 if joined else self.filter.kw)
        cdef double steps = <double>self.filter.reduction() / self.filter.table.lanes
        cdef double step = COUNTERS + max(
            pixels * width, pixels + width) * multiply_cycles(self.filter.table)
        return <double>z.n * z.oh * ceil_div(self.filter.out_channels, width) * (
            ROW * costs().call + tiles * (
                costs().call + self.share * (LAST * runs * costs().run + steps * step)))

    cdef void find_filter(self, const Item *it, ptrdiff_t j, ptrdiff_t part, ptrdiff_t parts,
                          Slab *slab) noexcept nogil:
        cdef ptrdiff_t width = self.filter.width(j)
        cdef ptrdiff_t packed = self.filter.position(it.set, j)
        slab.filter = self.filter.memory + packed * self.filter.reduction()
        slab.filter_row = (
            self.filter.reduction() // self.filter.kh * width * self.filter.table.itemsize)
        slab.first_row, slab.last_row = 0, self.filter.kh
        slab.first_tap, slab.last_tap = 0, self.filter.kw
        slab.functions = <fc_tile_function *>self.filter.table.dot[width - 1]
        slab.tile_pixels = self.tile_pixels
        slab.tile.bias = self.filter.bias + packed
        slab.tile.next = slab.filter
        slab.tile.next_step = 0
