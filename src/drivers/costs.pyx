"""The measured costs by which drivers and planner choose, set once by fastconv/costs.py."""

cdef Costs current


cdef const Costs *costs() noexcept nogil:
    return &current


def set_costs(dict values):
    global current
    current = values
