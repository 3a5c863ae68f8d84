"""results.json: what is written comes back, what is something else is refused."""

import json

import pytest

from benchmarks import results
from benchmarks.results import CaseResult, Form, Results


def case(**peers):
    forms = {
        peer: {name: Form(**form) for name, form in forms.items()} for peer, forms in peers.items()
    }
    return CaseResult({"name": "a"}, "layer", forms, [1e9, 2e9, 3e9])


EXAMPLE = case(
    fastconv={"nhwc": {"seconds": [1.0, 1.1, 1.2], "error": 1e-7, "rms_error": 1e-8}},
    torch={
        "contiguous": {"seconds": [4.0, 5.0, 6.0]},
        "channels_last": {"seconds": [2.0, 2.2, 2.4]},
        "compiled": {"seconds": [0.1], "status": "wrong", "note": "error 3, must be at most 1e-3"},
    },
    ncnn={"": {"status": "crashed", "note": "SIGSEGV"}},
)


def run(*cases):
    peers = {"torch": {"version": "2", "absent": None}, "mlx": {"version": None, "absent": "no"}}
    return Results("2026-01-02", "layers", {"cpu": "c"}, {}, {"threads": 2}, peers, list(cases))


def test_round_trip(tmp_path):
    path = tmp_path / results.FILE
    results.save(run(EXAMPLE), path)
    assert results.load(path) == run(EXAMPLE)
    assert [file.name for file in tmp_path.iterdir()] == [results.FILE]


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / results.FILE
    results.save(run(), path)
    with pytest.raises(TypeError):
        results.save(run(CaseResult({"name": object()}, "layer", {})), path)
    assert results.load(path) == run()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be a results file"),
        ("[]", "must have format=1; got format=None"),
        ('{"format": 99}', "must have format=1; got format=99"),
        ('{"format": 1}', "must have the fields of format 1"),
        ('{"format": 1, "cases": [3]}', "must have the fields of format 1"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / results.FILE
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        results.load(path)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("peers",), []),
        (("peers", "torch"), {}),
        (("machine",), "c"),
        (("cases", 0, "case"), {}),
        (("cases", 0, "peak", 0), 0),
        (("cases", 0, "peers", "torch", "compiled", "seconds"), "abc"),
        (("cases", 0, "peers", "torch", "compiled", "seconds"), [None]),
    ],
)
def test_fields_of_another_kind_are_refused(tmp_path, where, value):
    path = tmp_path / results.FILE
    results.save(run(EXAMPLE), path)
    whole = json.loads(path.read_text())
    part = whole
    for step in where[:-1]:
        part = part[step]
    part[where[-1]] = value
    path.write_text(json.dumps(whole))
    with pytest.raises(ValueError, match="must have the fields of format 1"):
        results.load(path)


def test_json_has_no_derived_figures(tmp_path):
    results.save(run(EXAMPLE), tmp_path / results.FILE)
    values = json.loads((tmp_path / results.FILE).read_text())["cases"][0]
    assert set(values) == {"case", "kind", "peers", "peak", "wide"}


def test_figures():
    assert EXAMPLE.name == "a"
    assert EXAMPLE.flops == 3e9
    assert EXAMPLE.figure("torch") == 2.2
    assert EXAMPLE.best_form("torch")[0] == "channels_last"
    assert EXAMPLE.figure("ncnn") is None
    assert EXAMPLE.figure("jax") is None
    assert EXAMPLE.timed_peers() == ["fastconv", "torch"]
    assert EXAMPLE.best_peer() == "fastconv"
    assert EXAMPLE.best_peer(exclude=["fastconv"]) == "torch"
    assert EXAMPLE.best_peer(exclude=["fastconv", "torch"]) is None
    assert EXAMPLE.ratio("fastconv", "torch").value == 2
    assert EXAMPLE.ratio("fastconv", "ncnn") is None
    assert run().present == ["torch"]
