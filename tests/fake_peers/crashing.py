"""A peer that aborts in its first call."""

import os
import sys

from benchmarks.peers.common import Call

from .good import setup, version

__all__ = ["build", "forms", "setup", "version"]


def forms(case):
    return ("plain",)


def crash():
    print("assertion failed in /some/where/kernel.cpp", file=sys.stderr, flush=True)
    os.abort()


def build(case, x, weight, bias, form, threads):
    return Call(crash)
