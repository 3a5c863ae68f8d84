COMPILED: tuple[str, ...]
"""Names of the levels that were compiled in, slowest first."""

def runnable() -> tuple[str, ...]:
    """Those of `COMPILED` that this CPU and operating system can run, in the same order."""

def tile(level: str, itemsize: int) -> tuple[int, int, int]:
    """Lanes of a vector; pixels and vectors of the register tile."""

def maker() -> str:
    """Who made this CPU, "AMD" or "other"."""

def cycles_of_multiply_add(level: str, itemsize: int) -> float:
    """Cycles of a core for a vector's multiply-add, by what is known of this CPU."""

def openmp() -> int:
    """The ``_OPENMP`` date of the build, 0 if it is serial."""

def max_threads() -> int:
    """OpenMP's maximum, at most the CPUs of the affinity mask as it is now; 1 when serial."""

def compiler() -> str:
    """The compiler that built this package, with its version."""
