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


# Neighbouring lines or columns of a copy, from its `first` on, that come from the image's `source` on.
cdef struct Run:
    ptrdiff_t first, source, count


cdef inline ptrdiff_t appended(Run *runs, ptrdiff_t count, ptrdiff_t first, ptrdiff_t source,
                               ptrdiff_t length) noexcept nogil:
    """Add a run, unless it is empty; returns how many there are."""
    if length <= 0:
        return count
    runs[count] = Run(first, source, length)
    return count + 1


cdef inline ptrdiff_t extended(Run *runs, ptrdiff_t count, ptrdiff_t i, ptrdiff_t source,
                               ptrdiff_t step) noexcept nogil:
    """Add a line or column to runs whose sources are `step` apart; returns how many there are."""
    cdef Run *run = runs + count - 1
    if source < 0:
        return count
    if count and i == run.first + run.count and source == run.source + step * run.count:
        run.count += 1
        return count
    runs[count] = Run(i, source, 1)
    return count + 1


cdef inline ptrdiff_t first_inside(ptrdiff_t distance, ptrdiff_t dilation) noexcept nogil:
    """The first tap at least `distance` from the first."""
    if distance <= 0:
        return 0
    return distance if dilation == 1 else ceil_div(distance, dilation)


cdef inline ptrdiff_t tap_of(ptrdiff_t i, ptrdiff_t start, const Axis *a, ptrdiff_t kernel,
                             ptrdiff_t stride, ptrdiff_t dilation) noexcept nogil:
    """The coordinate of a block's i-th copied input, which may lie in the padding."""
    return start + (i if a.every else i // kernel * stride + i % kernel * dilation)
