"""A peer that prints on stdout, from Python and from below it."""

import os

from benchmarks.peers.common import Call
from benchmarks.reference import reference

from .crashing import forms

__all__ = ["build", "forms", "setup", "version"]


def version():
    print("hello", flush=True)
    return "1.0"


def setup(threads):
    os.write(1, b'{"ok": false}\n')


def build(case, x, weight, bias, form, threads):
    def compute():
        print("working", flush=True)
        os.write(1, b"half a line")
        return reference(case, x, weight, bias)

    return Call(compute)
