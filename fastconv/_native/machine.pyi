def multiply_adds(level: str, itemsize: int, steps: int, num_threads: int) -> float:
    """Run `steps` multiply-adds in 12 chains on every thread; the operations done in all."""

def read(level: str, bytes_per_thread: int, repeats: int, num_threads: int) -> int:
    """Fill a buffer on every thread, then load all of it `repeats` times; the bytes loaded."""
