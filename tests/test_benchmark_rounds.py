"""Rounds, with peers that are played in this process: turns, failures, noise, resume, Ctrl-C."""

import json
from dataclasses import asdict
from itertools import count

import numpy as np
import pytest

from benchmarks import machine, rounds, team
from benchmarks.cases import Case
from benchmarks.processes import WorkerFailed
from benchmarks.reference import reference
from benchmarks.results import Results, load
from benchmarks.rounds import Layer, Network, Options
from benchmarks.team import Spec, Team

OPTIONS = Options(threads=1, dtype="float32", rounds=4, seconds=0.01, time_limit=9)


def case(name="a"):
    return Case(name, (5,), (3,), 2, 3, (1,), ((0, 0),), (1,), (0,))


class FakeWorker:
    """Right, and takes a second, unless a subclass says otherwise."""

    absent = None
    version = "1"
    forms = ("nhwc",)
    change = (0.0, 0.0)

    def __init__(self, spec, log):
        self.spec = spec
        self.log = log
        self.asked = 0
        self.closed = False

    def ask(self, request, limit):
        assert not self.closed
        assert limit == OPTIONS.time_limit
        self.log.append((request["do"], self.spec.label))
        return {"ok": True} | getattr(self, request["do"])(request)

    def close(self):
        self.closed = True

    def build(self, request):
        layer = Case.from_dict(request["case"])
        y = reference(layer, *layer.arrays("float32")).astype(np.float32)
        return self.saved(self.result(y), request["save"])

    def build_network(self, request):
        return self.saved(self.result(np.ones((1, 4), np.float32)), request["save"])

    def saved(self, y, prefix):
        forms = {}
        for form in self.forms:
            np.save(f"{prefix}-{form}.npy", y)
            forms[form] = {"status": "ok", "result": f"{prefix}-{form}.npy"}
        return {"forms": forms}

    def result(self, y):
        return y

    def time(self, request):
        self.asked += 1
        best = self.seconds(request["form"], self.asked)
        return {"best": best, "calls": 3, "change": self.change}

    def seconds(self, form, turn):
        return 1.0

    def drop(self, request):
        return {}


class Absent(FakeWorker):
    absent = "No module named 'x'"
    version = None


class CrashesInBuild(FakeWorker):
    def build(self, request):
        raise WorkerFailed("crashed", "SIGSEGV")


class CrashesInSecondRound(FakeWorker):
    forms = ("a", "b")

    def seconds(self, form, turn):
        if turn > 2:
            raise WorkerFailed("crashed", "SIGSEGV")
        return 1.0


class HangsOnce(FakeWorker):
    starts = count()

    def build(self, request):
        if next(self.starts) == 0:
            raise WorkerFailed("hung", "no answer within 9 s")
        return super().build(request)


class FailsToTimeOneForm(FakeWorker):
    forms = ("a", "b")

    def seconds(self, form, turn):
        if form == "a":
            raise WorkerFailed("failed", "RuntimeError: no")
        return 1.0


class Wrong(FakeWorker):
    def result(self, y):
        return y + 1


class Changing(FakeWorker):
    change = (1e-6, 0.1)


class NotFinite(FakeWorker):
    def result(self, y):
        return y * np.nan


class Unsupporting(FakeWorker):
    def build(self, request):
        return {"forms": {"nhwc": {"status": "unsupported", "note": "no 1-D"}}}


class OneSlowForm(FakeWorker):
    forms = ("good", "bad")

    def seconds(self, form, turn):
        return 1.0 if form == "good" else 3.5


class Slow(FakeWorker):
    def seconds(self, form, turn):
        return 11.0


class NoisyAtFirst(FakeWorker):
    def seconds(self, form, turn):
        return 1.5 if turn == 1 else 1.0


class AlwaysNoisy(FakeWorker):
    def seconds(self, form, turn):
        return 1.0 + turn % 2


class Interrupts(FakeWorker):
    def seconds(self, form, turn):
        if turn > OPTIONS.rounds + 1:
            raise KeyboardInterrupt
        return 1.0


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """run(FakeWorker, ...) -> results, with the log of requests and the events as attributes."""
    monkeypatch.setattr(machine, "peak", lambda threads, itemsize: 1e9)
    monkeypatch.setattr(rounds, "SETTLE", 0)
    path = tmp_path / "results.json"

    def run(*workers, jobs=None, results=None, options=OPTIONS):
        log, run.events = [], []
        run.log = log
        classes = {worker.__name__: worker for worker in workers}
        specs = [Spec(name, name, 1, "float32", "python") for name in classes]
        jobs = jobs or [Layer(case(), "float32")]
        results = results or Results("d", "c", {}, {}, {}, {})
        with Team(specs, lambda spec: classes[spec.label](spec, log)) as crew:
            results.peers = crew.start()
            run.finished = rounds.run(
                results,
                jobs,
                crew,
                options,
                path,
                lambda kind, **data: run.events.append((kind, data)),
            )
        assert path.read_text() == json.dumps(asdict(results), indent=1) + "\n"
        return load(path)

    return run


def layers(*names):
    return [Layer(case(name), "float32") for name in names]


def test_every_peer_has_a_turn_in_every_round_in_changing_order(measured):
    class Other(FakeWorker):
        pass

    (result,) = measured(FakeWorker, Other).cases
    assert result.peak == [1e9] * OPTIONS.rounds
    for peer in ("FakeWorker", "Other"):
        form = result.peers[peer]["nhwc"]
        assert form.seconds == [1.0] * OPTIONS.rounds
        assert form.status == "ok"
        assert form.error < 1e-6
    turns = [label for what, label in measured.log if what == "time"]
    pairs = list(zip(turns[::2], turns[1::2], strict=True))
    assert all(set(pair) == {"FakeWorker", "Other"} for pair in pairs)
    assert len(set(pairs)) == 2
    assert not result.wide


def test_events(measured):
    measured(FakeWorker, jobs=layers("a", "b"))
    kinds = [kind for kind, _ in measured.events if kind != "phase"]
    assert kinds == ["start", "case", "case_done", "case", "case_done", "end"]
    assert measured.events[0] == ("start", {"total": 2})
    assert measured.events[-2][1]["result"].name == "b"


def test_a_peer_that_is_absent_is_listed(measured):
    results = measured(FakeWorker, Absent)
    assert results.present == ["FakeWorker"]
    assert results.peers["Absent"] == {"version": None, "absent": "No module named 'x'"}
    assert list(results.cases[0].peers) == ["FakeWorker"]


def test_a_crash_is_reported_and_the_rest_goes_on(measured):
    results = measured(CrashesInBuild, FakeWorker, jobs=layers("a", "b", "c", "d"))
    forms = [result.peers["CrashesInBuild"][""] for result in results.cases]
    assert [form.status for form in forms] == ["crashed"] * 3 + ["failed"]
    assert forms[0].note == "SIGSEGV"
    assert forms[3].note == "left out after 3 crashes or hangs in a row"
    assert all(len(result.seconds("FakeWorker")) == OPTIONS.rounds for result in results.cases)


def test_a_crash_in_a_round_takes_all_forms_of_the_peer(measured):
    (result,) = measured(CrashesInSecondRound, FakeWorker).cases
    forms = result.peers["CrashesInSecondRound"].values()
    assert [form.status for form in forms] == ["crashed", "crashed"]
    assert result.timed_peers() == ["FakeWorker"]


def test_a_worker_that_hung_is_started_again_for_the_next_case(measured):
    results = measured(HangsOnce, jobs=layers("a", "b"))
    assert results.cases[0].peers["HangsOnce"][""].status == "hung"
    assert results.cases[1].figure("HangsOnce") == 1


def test_an_error_costs_its_form_only(measured):
    (result,) = measured(FailsToTimeOneForm).cases
    forms = result.peers["FailsToTimeOneForm"]
    assert (forms["a"].status, forms["a"].note) == ("failed", "RuntimeError: no")
    assert forms["b"].seconds == [1.0] * OPTIONS.rounds


def test_a_wrong_result_is_not_timed(measured):
    (result,) = measured(Wrong, NotFinite, FakeWorker).cases
    wrong, nan = result.peers["Wrong"]["nhwc"], result.peers["NotFinite"]["nhwc"]
    assert wrong.status == nan.status == "wrong"
    assert wrong.error > 0.1
    assert "must be at most" in wrong.note
    assert nan.error is None
    assert wrong.seconds == nan.seconds == []
    assert result.timed_peers() == ["FakeWorker"]
    json.dumps(result.peers["NotFinite"]["nhwc"].__dict__, allow_nan=False)


def test_a_result_that_changes_is_wrong(measured):
    (result,) = measured(Changing, FakeWorker).cases
    form = result.peers["Changing"]["nhwc"]
    assert form.status == "wrong"
    assert form.note == "rms error must be at most 4.9e-04; got 1.0e-01 between two calls"
    assert len(form.seconds) == 1
    assert result.timed_peers() == ["FakeWorker"]


def test_what_a_peer_cannot_do_is_reported(measured):
    (result,) = measured(Unsupporting, FakeWorker).cases
    form = result.peers["Unsupporting"]["nhwc"]
    assert (form.status, form.note, form.seconds) == ("unsupported", "no 1-D", [])


def test_slow_forms_and_peers_are_not_timed_to_the_end(measured):
    (result,) = measured(OneSlowForm, Slow).cases
    good, bad = result.peers["OneSlowForm"].values()
    assert (good.seconds, bad.seconds) == ([1.0] * 4, [3.5] * 2)
    assert bad.note == "timed in 2 rounds only: more than 3 times the best form's time"
    assert good.note == ""
    slow = result.peers["Slow"]["nhwc"]
    assert slow.seconds == [11.0] * 2
    assert slow.note == "timed in 2 rounds only: more than 10 times the best peer's time"
    assert result.figure("Slow") == 11


def test_a_wide_spread_is_measured_again(measured):
    (result,) = measured(NoisyAtFirst, FakeWorker).cases
    assert not result.wide
    assert len(result.peak) == 2 * OPTIONS.rounds
    assert len(result.seconds("FakeWorker")) == 2 * OPTIONS.rounds


def test_a_spread_that_stays_wide_is_marked(measured):
    (result,) = measured(AlwaysNoisy, FakeWorker).cases
    assert result.wide
    assert len(result.seconds("AlwaysNoisy")) == 2 * OPTIONS.rounds


def test_ctrl_c_keeps_whole_cases_and_the_run_goes_on(measured):
    jobs = layers("a", "b")
    results = measured(Interrupts, jobs=jobs)
    assert not measured.finished
    assert [result.name for result in results.cases] == ["a"]
    assert measured.events[-1] == ("end", {})

    class Patient(FakeWorker):
        pass

    results = measured(Patient, jobs=jobs, results=results)
    assert measured.finished
    assert [result.name for result in results.cases] == ["a", "b"]
    assert list(results.cases[1].peers) == ["Patient"]
    assert measured.events[0] == ("start", {"total": 1})


def test_networks_are_compared_with_the_first_peer_without_torch(measured):
    results = measured(FakeWorker, Wrong, jobs=[Network("resnet50", 2)])
    (result,) = results.cases
    assert (result.kind, result.name, result.case["batch"]) == ("network", "resnet50 n2", 2)
    assert result.case["reference"] == "FakeWorker"
    assert result.case["multiplications"] > 2 * 3e9
    assert result.peers["Wrong"]["nhwc"].status == "wrong"
    assert result.figure("FakeWorker") == 1


def test_networks_are_compared_with_torch_where_it_is(measured):
    torch = type("torch", (FakeWorker,), {})
    (result,) = measured(Wrong, torch, jobs=[Network("resnet50", 1)]).cases
    assert result.case["reference"] == "torch"
    assert result.timed_peers() == ["torch"]


def test_workers_are_closed():
    workers = []

    def start(spec):
        workers.append(FakeWorker(spec, []))
        return workers[-1]

    with Team([Spec("a", "a", 1, "float32", "python")], start) as crew:
        assert crew.start() == {"a": {"version": "1", "absent": None}}
    assert workers[0].closed


def test_a_worker_that_does_not_start_is_absent():
    def start(spec):
        raise WorkerFailed("crashed", "SIGILL")

    with Team([Spec("a", "a", 1, "float32", "python")], start) as crew:
        assert crew.start() == {"a": {"version": None, "absent": "crashed: SIGILL"}}
        assert crew.labels == []


def test_a_worker_that_does_not_start_again_is_left_out():
    class Worker(CrashesInBuild):
        pass

    starts = count()

    def start(spec):
        if next(starts):
            raise WorkerFailed("crashed", "SIGILL")
        return Worker(spec, [])

    request = {"do": "build"}
    with Team([Spec("a", "a", 1, "float32", "python")], start) as crew:
        crew.start()
        for note in ("SIGSEGV", "SIGILL", f"left out after {team.PATIENCE}"):
            with pytest.raises(WorkerFailed, match=note):
                crew.ask("a", request, OPTIONS.time_limit)
