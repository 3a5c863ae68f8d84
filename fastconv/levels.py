"""Which instruction-set level runs, and what this installation is made of."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, overload

from . import threads
from ._native import levels as native


def runnable() -> tuple[str, ...]:
    """The levels that this machine can run, slowest first."""
    return native.runnable()


def _checked(level: str, name: str) -> str:
    if level not in runnable():
        raise ValueError(
            f"{name} must be a level that runs here: {', '.join(runnable())}; got {name}={level}"
        )
    return level


_running = _checked(os.environ.get("FASTCONV_LEVEL") or runnable()[-1], "FASTCONV_LEVEL")


def running() -> str:
    """The level that runs: the fastest this machine has, or what FASTCONV_LEVEL said at import."""
    return _running


@contextmanager
def use(level: str) -> Iterator[None]:
    """Run another level inside a ``with`` block, in the whole process: for tests and benchmarks.

    Raises
    ------
    ValueError
        If `level` is unknown or this machine cannot run it.
    """
    global _running
    before, _running = _running, _checked(level, "level")
    try:
        yield
    finally:
        _running = before


def _caches() -> dict[str, str]:
    """The caches of CPU 0, such as ``{"L1 Data": "32K"}``; empty where Linux's /sys is missing."""
    folders = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    try:
        read = [[(f / n).read_text().strip() for n in ("level", "type", "size")] for f in folders]
    except OSError:
        return {}
    return {f"L{level} {kind}": size for level, kind, size in read}


def _openmp() -> str:
    if not native.openmp():
        return "none: this build is serial"
    try:
        pools = import_module("threadpoolctl").threadpool_info()
    except ImportError:
        return f"{native.openmp()} (install threadpoolctl to see the runtime)"
    runtimes = [
        f"{pool['prefix']}, {pool['num_threads']} threads, {pool['filepath']}"
        for pool in pools
        if pool["user_api"] == "openmp"
    ]
    return f"{native.openmp()} ({'; '.join(runtimes) or 'runtime unknown to threadpoolctl'})"


def _config() -> dict[str, Any]:
    import platform

    import numpy

    from . import __version__

    number, reason = threads.explain()
    return {
        "fastconv": __version__,
        "level": {
            "running": _running,
            "runnable": list(runnable()),
            "compiled": list(native.COMPILED),
        },
        "threads": {"default": number, "reason": reason},
        "openmp": _openmp(),
        "compiler": native.compiler(),
        "caches": _caches() or "unknown",
        "numpy": numpy.__version__,
        "python": f"{platform.python_version()}, {platform.platform()}",
    }


@overload
def show_config(mode: Literal["stdout"] = "stdout") -> None: ...
@overload
def show_config(mode: Literal["dicts"]) -> dict[str, Any]: ...
def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Show what runs here and why: level, threads, OpenMP, compiler, caches, versions.

    Parameters
    ----------
    mode : {"stdout", "dicts"}
        Print it, or return it as a dictionary, as `numpy.show_config` does.

    Returns
    -------
    dict or None

    Raises
    ------
    ValueError
        If `mode` is neither.
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"mode must be 'stdout' or 'dicts'; got mode={mode!r}")
    config = _config()
    if mode == "dicts":
        return config
    for name, value in config.items():
        if isinstance(value, dict):
            items = value.items()
            value = "; ".join(f"{k} {', '.join(v) if isinstance(v, list) else v}" for k, v in items)
        print(f"{name:>9}: {value}")
    return None
