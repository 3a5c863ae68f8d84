def multiply_adds(level: str, itemsize: int, steps: int, num_threads: int) -> float:
    """Run `steps` multiply-adds in 12 chains on every thread; the operations done in all."""
