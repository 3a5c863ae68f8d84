"""A peer with the mistakes that a library could make: one tap missing, or all one output late."""

import numpy as np

from benchmarks.peers.common import Call
from benchmarks.reference import reference

from .good import setup, version

__all__ = ["build", "forms", "setup", "version"]


def forms(case):
    return ("tap", "shift", "shape", "infinite")


def build(case, x, weight, bias, form, threads):
    if form == "tap":
        weight = weight.copy()
        weight[(-1,) * case.dims] = 0

    def compute():
        y = reference(case, x, weight, bias)
        if form == "shift":
            return np.roll(y, 1, axis=1)
        if form == "infinite":
            y[..., -1] = np.inf
        return y[:, 1:] if form == "shape" else y

    return Call(compute)
