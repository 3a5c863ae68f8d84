"""What ``algorithm="measure"`` has found out in this process: the fastest algorithm per problem.

A problem is written in one line, which is the key in memory and in files; `_text` and `_problem`
are each other's inverse. The bias, the activation and what is padded with do not count.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from . import measuring
from .algorithms import Algorithm, Call, candidates
from .problem import ConvProblem, ConvSpec

_MOST = 4096  # problems that are remembered, the latest
_FORMAT = {"format": "fastconv wisdom", "version": 1}

_known: dict[str, str] = {}  # read at any time, changed under the lock
_lock = RLock()


def _renew_lock() -> None:
    global _lock
    _lock = RLock()


if hasattr(os, "register_at_fork"):  # a thread that held it does not live on in the child
    os.register_at_fork(after_in_child=_renew_lock)


def _text(problem: ConvProblem, level: str, reused: bool) -> str:
    spec = problem.spec
    n, h, w, c = problem.input_shape
    (kh, kw), (sh, sw), (dh, dw) = spec.kernel, spec.stride, spec.dilation
    top, bottom, left, right = problem.padding
    return (
        f"{level} {'layer' if reused else 'function'} {spec.dtype.name} "
        f"{'nchw' if spec.channels_first else 'nhwc'} input {n},{h},{w},{c} kernel {kh},{kw} "
        f"filters {spec.out_channels} groups {spec.groups} stride {sh},{sw} dilation {dh},{dw} "
        f"padding {top},{bottom},{left},{right} {spec.pad_mode}"
    )


_PATTERN = (
    r"(?P<level>\w+) (?P<use>layer|function) (?P<dtype>float32|float64) (?P<layout>nhwc|nchw) "
    r"input (?P<input>\d+,\d+,\d+,\d+) kernel (?P<kernel>\d+,\d+) filters (?P<filters>\d+) "
    r"groups (?P<groups>\d+) stride (?P<stride>\d+,\d+) dilation (?P<dilation>\d+,\d+) "
    r"padding (?P<padding>\d+,\d+,\d+,\d+) (?P<mode>\w+)"
)


def _problem(text: str) -> ConvProblem:
    """The problem that a line describes.

    Raises
    ------
    ValueError
        If `_text` would not write that line.
    """
    found = re.fullmatch(_PATTERN, text, re.ASCII)
    if not found:
        raise ValueError(f"a problem must be written as save_wisdom does; got {text!r}")
    numbers = {
        name: tuple(map(int, found[name].split(",")))
        for name in ("input", "kernel", "stride", "dilation", "padding")
    }
    n, h, w, c = numbers["input"]
    first = found["layout"] == "nchw"
    spec = ConvSpec.build(
        2,
        kernel_size=numbers["kernel"],
        in_channels=c,
        out_channels=int(found["filters"]),
        dtype=found["dtype"],
        stride=numbers["stride"],
        padding=numbers["padding"],
        dilation=numbers["dilation"],
        groups=int(found["groups"]),
        pad_mode=found["mode"],
        pad_value=0.0,
        activation=None,
        channels_first=first,
    )
    problem = ConvProblem.build(spec, (n, c, h, w) if first else (n, h, w, c))
    normal = _text(problem, found["level"], found["use"] == "layer")
    if text != normal:
        raise ValueError(f"a problem must be written as {normal!r}; got {text!r}")
    return problem


def recall(problem: ConvProblem, level: str, reused: bool) -> str | None:
    """The name of the algorithm that was fastest, if that is known."""
    return _known.get(_text(problem, level, reused))


def choose(
    problem: ConvProblem,
    level: str,
    make: Callable[[Algorithm], Call],
    *,
    reused: bool,
    num_threads: int | None,
) -> Call:
    """A call by the algorithm that is known to be fastest; measured, if it is not known.

    One thread measures at a time. What it finds holds for calls with any number of threads, so that
    all of them give the same bits.
    """
    able = candidates(problem.spec, "measure")
    if len(able) == 1:
        return make(able[0])
    key = _text(problem, level, reused)
    name = _known.get(key)
    if name is None:
        with _lock:
            name = _known.get(key)  # another thread may have measured meanwhile
            if name is None:
                call = measuring.fastest(
                    problem, able, make, reused=reused, num_threads=num_threads
                )
                _learn({key: call.algorithm.name})
                return call
    return make(next(a for a in able if a.name == name))


def _learn(choices: Mapping[str, str]) -> None:
    """Add to what is known, the oldest giving way; the caller holds the lock."""
    for key, name in choices.items():
        _known.pop(key, None)
        _known[key] = name
    while len(_known) > _MOST:
        del _known[next(iter(_known))]


def save_wisdom(path: str | os.PathLike[str]) -> None:
    """Write to a file what ``algorithm="measure"`` has found out so far.

    The file is JSON, a line per problem, and replaces one of the same name all at once.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    OSError
        If it cannot be written; what was there is then still there.

    See Also
    --------
    load_wisdom, forget_wisdom
    """
    import json  # here, as importing fastconv should not take longer for it

    path = Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with _lock:
        text = json.dumps({**_FORMAT, "choices": dict(sorted(_known.items()))}, indent=2)
        try:
            temporary.write_text(text + "\n", encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def load_wisdom(path: str | os.PathLike[str]) -> None:
    """Add what `save_wisdom` wrote to what is known, so that it need not be measured.

    Where both know a problem, the file's choice holds from then on. Layers keep the choices that
    they have made, so load before the first call. What was measured at another level is kept, but
    does not apply. Of more than 4096 problems, those that came first are forgotten.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no wisdom, or of another version, or names an algorithm that "measure" would not
        choose for a problem. Nothing is then added.

    See Also
    --------
    save_wisdom, forget_wisdom
    """
    try:
        choices = _choices(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"path must lead to what save_wisdom wrote; got {path}: {error}"
        ) from error
    with _lock:
        _learn(choices)


def forget_wisdom() -> None:
    """Forget all that ``algorithm="measure"`` has found out; layers keep what they have chosen."""
    with _lock:
        _known.clear()


def _choices(data: bytes) -> dict[str, str]:
    """The algorithm of each problem of a file, all of it checked."""
    import json

    content: Any = json.loads(data)
    if not isinstance(content, dict) or content.keys() != {*_FORMAT, "choices"}:
        raise ValueError(f"it must be an object of {', '.join(_FORMAT)} and choices")
    for name, wanted in _FORMAT.items():
        if type(content[name]) is not type(wanted) or content[name] != wanted:
            raise ValueError(f"{name} must be {wanted!r}; got {name}={content[name]!r}")
    choices = content["choices"]
    if not isinstance(choices, dict):
        raise ValueError(f"choices must be an object; got {type(choices).__name__}")
    for text, algorithm in choices.items():
        names = [a.name for a in candidates(_problem(text).spec, "measure")]
        if algorithm not in names:
            raise ValueError(
                f"the algorithm of {text!r} must be one of {', '.join(names)}; got {algorithm!r}"
            )
    return choices
