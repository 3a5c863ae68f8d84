# Along one axis of a block of outputs: the inputs that it reads, and where its taps find them.
from fastconv._native.packing cimport ceil_div


# How a tap of an output is found among the copied inputs.
cdef struct Axis:
    ptrdiff_t count      # inputs that the block's outputs read
    ptrdiff_t per_output, per_tap
    bint every           # all inputs of the span (else: taps of each output, one by one)


cdef inline Axis axis_of(ptrdiff_t outputs, ptrdiff_t kernel, ptrdiff_t stride,
                         ptrdiff_t dilation) noexcept nogil:
    cdef Axis a
    cdef ptrdiff_t span = (outputs - 1) * stride + (kernel - 1) * dilation + 1
    a.every = span <= outputs * kernel
    a.count = span if a.every else outputs * kernel
    a.per_output = stride if a.every else kernel
    a.per_tap = dilation if a.every else 1
    return a


cdef inline ptrdiff_t first_inside(ptrdiff_t distance, ptrdiff_t dilation) noexcept nogil:
    """The first tap at least `distance` from the first."""
    if distance <= 0:
        return 0
    return distance if dilation == 1 else ceil_div(distance, dilation)


cdef inline ptrdiff_t tap_of(ptrdiff_t i, ptrdiff_t start, const Axis *a, ptrdiff_t kernel,
                             ptrdiff_t stride, ptrdiff_t dilation) noexcept nogil:
    """The coordinate of a block's i-th copied input, which may lie in the padding."""
    return start + (i if a.every else i // kernel * stride + i % kernel * dilation)
