# What the drivers weigh when they choose a blocking, and the planner an algorithm: cycles of one
# core (src/drivers/costs.pyx). The values are those of fastconv/costs.py.
cdef struct Costs:
    double step           # a step of a register tile: its loads and counters, beside the multiply-adds
    double latency        # of a multiply-add: the least that a step takes
    double call           # calling a register tile
    double store          # a vector of outputs
    double tile           # finding a tile's inputs, or outputs, and calling a transform
    double input_point    # transforming inputs: a point of a tile of a vector of channels
    double output_point   # transforming products to outputs, likewise
    double copy           # copying a cache line into a block
    double stream         # streaming a cache line from beyond L2
    double item           # starting an item


cdef const Costs *costs() noexcept nogil
