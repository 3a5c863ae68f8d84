"""The CPU benchmark suite: `python -m benchmarks`."""
