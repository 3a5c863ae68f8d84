"""A peer whose first call never returns."""

import time

from benchmarks.peers.common import Call

from .crashing import forms
from .good import setup, version

__all__ = ["build", "forms", "setup", "version"]


def build(case, x, weight, bias, form, threads):
    return Call(lambda: time.sleep(3600))
