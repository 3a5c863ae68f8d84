"""Two runs: verdicts at equal peak, what only one has, warnings."""

import pytest

from benchmarks import compare
from benchmarks.results import CaseResult, Form, Results


def case(name, peak=1e9, wide=False, **seconds):
    peers = {
        peer: {"nhwc": Form([best * (1 + 0.001 * i) for i in range(5)])}
        for peer, best in seconds.items()
    }
    return CaseResult({"name": name}, "layer", peers, [peak] * 5, wide)


def run(*cases, threads=2, version="1"):
    peers = {"fastconv": {"version": version, "absent": None}}
    return Results("d", "layers", {"cpu": "c"}, {}, {"threads": threads}, peers, list(cases))


def verdicts(old, new):
    return {
        (change.case, change.peer): change.verdict for change in compare.compare(old, new).changes
    }


def test_verdicts():
    old = run(case("a", fastconv=1.0, torch=1.0), case("b", fastconv=1.0))
    new = run(case("a", fastconv=0.5, torch=1.01), case("b", fastconv=1.5))
    assert verdicts(old, new) == {
        ("a", "fastconv"): "faster",
        ("a", "torch"): "same",
        ("b", "fastconv"): "slower",
    }
    comparison = compare.compare(old, new)
    assert comparison.means["fastconv"] == pytest.approx(((2 / 1.5) ** 0.5,) * 2)
    assert comparison.means["torch"] == pytest.approx((1 / 1.01,) * 2)


def test_a_machine_that_runs_slower_is_no_regression():
    comparison = compare.compare(run(case("a", 2e9, fastconv=1.0)), run(case("a", fastconv=2.0)))
    (change,) = comparison.changes
    assert change.raw == pytest.approx(0.5)
    assert change.ratio.value == pytest.approx(1)
    assert change.verdict == "same"


def test_a_disturbed_peak_is_no_change():
    assert verdicts(run(case("a", 9e9, fastconv=1.0)), run(case("a", fastconv=1.0))) == {
        ("a", "fastconv"): "same"
    }


def test_what_only_one_run_has():
    crashed = case("a", fastconv=1.0)
    crashed.peers["torch"] = {"": Form(status="crashed")}
    old = run(case("a", fastconv=1.0, torch=1.0), case("b", fastconv=1.0))
    old.peers["jax"] = {"version": "1", "absent": None}
    comparison = compare.compare(old, run(crashed, case("c", fastconv=1.0)))
    assert comparison.vanished == [
        "peer jax",
        "torch in a, which is crashed in the other",
        "case b",
    ]
    assert comparison.appeared == ["case c"]


def test_warnings():
    old, new = run(case("a", fastconv=1.0)), run(case("a", fastconv=1.0), threads=4, version="2")
    new.machine["cpu"] = "d"
    assert compare.compare(old, new).warnings == [
        "machine: cpu was c, is d",
        "option: threads was 2, is 4",
        "version: fastconv was 1, is 2",
    ]
    assert compare.compare(old, old).warnings == []


def test_rows_and_summary():
    old = run(case("a", fastconv=1.0), case("b", fastconv=1.0), case("c", fastconv=1.0))
    new = run(case("a", fastconv=0.5), case("b", wide=True, fastconv=2.0))
    comparison = compare.compare(old, new)
    headers, rows = compare.rows(comparison)
    assert [len(row) for row in rows] == [len(headers)] * 2
    assert [(row[1], row[4], row[-1]) for row in rows] == [
        ("b", "0.50", "slower (wide)"),
        ("a", "2.00", "faster"),
    ]
    assert compare.summary(comparison) == [
        "fastconv: 1.000 times as fast, at equal peak 1.000; 1 faster, 1 slower, 0 same",
        "only in the old run: case c",
    ]


def test_runs_with_nothing_in_common():
    comparison = compare.compare(run(case("a", fastconv=1.0)), run())
    assert compare.rows(comparison)[1] == []
    assert compare.summary(comparison) == ["only in the old run: case a"]
