"""A peer whose result is right at first and wrong later."""

from benchmarks.peers.common import Call
from benchmarks.reference import reference

from .crashing import forms
from .good import setup, version

__all__ = ["build", "forms", "setup", "version"]


def build(case, x, weight, bias, form, threads):
    y = reference(case, x, weight, bias)
    calls = []

    def compute():
        calls.append(None)
        return y + (len(calls) > 4)

    return Call(compute)
