"""Costs of the planner's model: every driver's follow them, and calibrate's file is Python."""

import numpy as np
import pytest
from cases import Case

import fastconv.costs
from fastconv import levels
from fastconv._native.costs import set_costs
from fastconv.algorithms import candidates
from fastconv.problem import ConvProblem

pytest.importorskip("rich")
calibrate = pytest.importorskip("benchmarks.calibrate")


@pytest.fixture
def restored():
    """The costs as they were, after the test."""
    yield
    set_costs(fastconv.costs.CYCLES)


def test_every_cost_follows_the_costs(restored):
    case = Case((28, 28), 32, 32, (3, 3), padding=1)
    spec = case.spec(np.float32)
    problem = ConvProblem.build(spec, (1, *case.size, case.channels))
    plans = {
        a.name: a.bind(problem, a.filter(spec, levels.running())).plan
        for a in candidates(spec, "auto")
    }
    assert {"direct", "winograd_4x4_3x3"} <= plans.keys()
    before = {name: plan.cost(1) for name, plan in plans.items()}
    set_costs({name: 2 * cycles for name, cycles in fastconv.costs.CYCLES.items()})
    for name, plan in plans.items():
        assert plan.cost(1) > 1.05 * before[name], name


def test_file(monkeypatch):
    monkeypatch.setattr(fastconv.costs, "MAKER", "other")
    costs = {**fastconv.costs.CYCLES, "step": 1.23456}
    old = calibrate.FILE.read_text()
    new = calibrate.text(costs, old)
    names: dict = {}
    exec(new[new.index("FITTED") : new.index("MAKER")], {"Any": object}, names)
    fitted = names["FITTED"]
    assert fitted["other"]["cycles"]["step"] == 1.23
    assert fitted["other"]["cycles"]["item"] == costs["item"]
    assert fitted["AMD"] == fastconv.costs.FITTED["AMD"]
    assert new.count("\n") == old.count("\n")
