"""A peer that is right: the reference itself."""

from benchmarks.peers import Unsupported
from benchmarks.peers.common import Call
from benchmarks.reference import reference


def version():
    return "1.0"


def setup(threads):
    pass


def forms(case):
    return ("plain", "impossible", "broken")


def build(case, x, weight, bias, form, threads):
    if form == "impossible":
        raise Unsupported("no /some/where/layout.py for it")
    if form == "broken":
        raise RuntimeError("see /some/where/else.py")
    return Call(lambda: reference(case, x, weight, bias).astype(x.dtype))
