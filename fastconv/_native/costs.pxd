# What the drivers weigh when they choose a blocking, and the planner an algorithm: cycles of one
# core (src/drivers/costs.pyx). The values are those of fastconv/costs.py.
cdef struct Costs:
    double step           # a step of a register tile: its loads and counters, beside the multiply-adds
    double latency        # of a multiply-add: the least that a step takes
    double call           # calling a register tile
    double run            # a run of a reduction: a filter row, or with dilation a tap
    double store          # a vector that a register tile stores
    double tile           # finding a tile's inputs, or outputs, and calling a transform
    double input_term     # transforming a vector of inputs: of a sum of n terms for each point
    double output         # transforming products to a vector of outputs, and storing it
    double copy           # copying a cache line into a block
    double stream         # streaming a cache line from beyond L2
    double memory         # what it takes longer from beyond L3
    double write          # writing a cache line that leaves L2
    double item           # starting an item, or a slab of one


cdef const Costs *costs() noexcept nogil
