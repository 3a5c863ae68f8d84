"""What calibrate writes is the costs' module."""

import pytest

import fastconv.costs

pytest.importorskip("tabulate")
pytest.importorskip("rich")

from benchmarks import calibrate


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
