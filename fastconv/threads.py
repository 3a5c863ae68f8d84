"""How many threads a call uses, and why that many."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from ._native.levels import max_threads, openmp
from ._native.plan import prefers_one
from .problem import integer


def _grants(root: Path) -> Iterator[float]:
    """The CPU quota of each control group around this process, in CPUs (cgroup v1 and v2)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount, files = "sys/fs/cgroup", ["cpu.max"]
        elif "cpu" in controllers.split(","):
            mount, files = "sys/fs/cgroup/cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        group = Path(path.lstrip("/"))
        for folder in (group, *group.parents):
            try:
                words = " ".join((root / mount / folder / file).read_text() for file in files)
                quota, period = map(int, words.split())
            except (OSError, ValueError):  # no such controller here, or "max": no quota
                continue
            if quota > 0:
                yield quota / period


def _limits(root: Path = Path("/")) -> list[tuple[int, str]]:
    """What bounds the threads of this process, apart from OpenMP, each with its reason."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = min(_grants(root), default=math.inf)
    limits = [(cpus, "the CPUs that this process may run on")]
    if quota < math.inf:
        limits.append((math.ceil(quota), f"the CPU quota of its control group ({quota:g} CPUs)"))
    return limits


MOST = 1024  # threads of one call: OpenMP ends the process when it cannot start one

_LIMITS = _limits()
_CEILING = min(number for number, _ in _LIMITS)
_in_child = False


def _mark_child() -> None:
    global _in_child
    _in_child = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_child)


def check(requested: int | None) -> None:
    """Refuse a `num_threads` that is not None or an int from 1 to `MOST`."""
    if requested is not None:
        integer(requested, "num_threads", 1, MOST)


def count(requested: int | None, worthwhile: int) -> int:
    """The number of threads of one call.

    Parameters
    ----------
    requested : int or None
        What the caller asked for, checked, used as it is; None for the default, at most
        `worthwhile`.
    worthwhile : int
        The plan's estimate of how many can gain.

    Returns
    -------
    int
        Always 1 in a forked child: GNU OpenMP's threads do not survive a fork, and a parallel
        region would wait for them for ever.
    """
    if _in_child:
        return 1
    if requested is not None:
        return requested
    return 1 if worthwhile == 1 else min(worthwhile, _CEILING, max_threads())


def team(requested: int | None, worthwhile: int) -> int:
    """`count`, for a call that is made now.

    By default a short call has one thread where the threads of others, such as those of NumPy's
    matrix products that wait for the next, have of late held the CPUs that more would need.
    """
    if requested is None and (worthwhile == 1 or prefers_one(worthwhile)):
        return 1
    return count(requested, worthwhile)


def explain() -> tuple[int, str]:
    """The default number of threads of a large call, and what sets it."""
    if not openmp():
        return 1, "built without OpenMP: serial"
    if _in_child:
        return 1, "a forked child, where OpenMP's threads are gone"
    openmps = (max_threads(), "OpenMP's maximum (OMP_NUM_THREADS, threadpoolctl, CPU affinity)")
    return min([openmps, *_LIMITS], key=lambda limit: limit[0])
