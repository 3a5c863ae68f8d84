"""One module per library: `build(network, parameters, x, threads)` gives a runner per form."""
