"""``python -m benchmarks``: bad arguments, compare, and a run of this checkout alone."""

import shutil
import sys
from importlib.util import find_spec

import pytest

pytest.importorskip("tabulate")
pytest.importorskip("matplotlib")
pytest.importorskip("rich")

from benchmark_runs import synthetic

from benchmarks import __main__ as cli
from benchmarks import commandline, machine, overhead
from benchmarks.cases import ALL
from benchmarks.results import FILE, CaseResult, Form, Results, load, save

MANY = str(10**6)


def error_of(capsys, *argv):
    with pytest.raises(SystemExit) as exit:
        cli.main(argv)
    assert exit.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--cases", "no such"], "cases must be groups or parts of cases' names; got 'no such'"),
        (["--peers", "torch,tensorflow"], "peers must be of fastconv, torch"),
        (["networks", "--peers", "scipy"], "got 'scipy'"),
        (["gradients", "--peers", "numpy"], "peers must be of fastconv, torch, jax; got 'numpy'"),
        (["networks", "--cases", "lenet"], "networks must be of vgg16"),
        (["networks", "--dtype", "float64"], "invalid choice: 'float64'"),
        (["--dtype", "float16"], "invalid choice: 'float16'"),
        (["--threads", "0"], "must be a whole number, 1 to"),
        (["--threads", MANY], f"got '{MANY}'"),
        (["--threads", "two"], "got 'two'"),
        (["--batch", "0"], "must be a whole number, 1 or more; got '0'"),
        (["--rounds", "0"], "must be a whole number, 1 or more; got '0'"),
        (["--seconds", "nan"], "must be a number, 0.001 or more; got 'nan'"),
        (["--time-limit", "-1"], "must be a number, 0.1 or more; got '-1'"),
        (["--python", "torch"], "the path must be of an interpreter; got 'torch'"),
        (["--python", "torch=/nowhere/python"], "got 'torch=/nowhere/python'"),
        (["--python", f"pytorch={sys.executable}"], "or PEER=PATH with a peer of fastconv"),
        (["levels", "--peers", "torch"], "unrecognized arguments: --peers torch"),
        (["layer"], "invalid choice: 'layer'"),
        (["--python", "/nowhere/python"], "got '/nowhere/python'"),
        (["--resume", "/nowhere"], "argument --resume: must be a results.json or a folder"),
        (["report", "/nowhere"], "got /nowhere: No such file"),
        (["compare", "/nowhere.json", "/nowhere.json"], "No such file"),
        (["compare"], "required: OLD.json, NEW.json"),
        (["profile", "no such"], "got 'no such'"),
    ],
)
def test_bad_arguments(capsys, argv, message):
    assert message in error_of(capsys, *argv)


def test_what_is_not_installed(capsys, monkeypatch):
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == "rich" else True)
    message = 'rich must be installed, in the checkout: pip install -e ".[bench]"'
    assert message in error_of(capsys, "--quick")


def parsed(*argv):
    return commandline.parse(argv)[0]


def test_layers_is_the_default():
    options = parsed()
    assert (options.command, options.rounds, options.seconds) == ("layers", 7, 0.05)
    assert options.threads == machine.usable_cores()
    assert len(options.peers) == 9 and "max" not in options.peers


def test_quick():
    options = parsed("--quick", "--seconds", "0.1")
    assert (options.rounds, options.seconds) == (3, 0.1)
    assert parsed("--quick", "--peers", "max").peers == ["max"]
    assert 0 < len(options.cases) < 20
    assert all("quick" in case.tags for case in options.cases)
    assert parsed("networks", "--quick").cases == ["mobilenetv2"]


def test_gradients():
    options = parsed("gradients")
    assert (options.batch, options.peers) == (8, ["fastconv", "torch", "jax"])
    assert all("training" in case.tags for case in options.cases)
    job = cli._jobs(parsed("gradients", "--cases", "3x3 512>512 @7", "--batch", "2"))[0]
    assert job.case.name == "3x3 512>512 @7 n2 gradients"
    assert job.case.gradients and job.request["case"]["gradients"]
    assert not cli._jobs(parsed("--quick"))[0].case.gradients


def test_no_path_goes_into_the_results():
    text = parsed("--out", "a/b", "--quick", f"--python=torch={sys.executable}").text
    assert text == "python -m benchmarks layers --quick"


def test_workers_of_variants():
    def specs(*argv):
        return {spec.label: spec for spec in cli._specs(parsed(*argv))}

    most = machine.usable_cores()
    threads = specs("threads")
    assert next(iter(threads)) == "fastconv/1"
    assert list(threads)[-1] == f"fastconv/{most}"
    assert threads["fastconv/1"].threads == 1
    levels = specs("levels", "--threads", "1")
    assert levels["fastconv/baseline"].environment == {"FASTCONV_LEVEL": "baseline"}


def test_interpreters():
    def pythons(*argv):
        specs = cli._specs(parsed("--peers", "torch,jax,fastconv", *argv))
        return {spec.label: spec.python for spec in specs}

    here, there = sys.executable, shutil.which("true")
    assert pythons() == {"fastconv": here, "torch": here, "jax": here}
    assert pythons("--python", f"jax={there}") == {"fastconv": here, "torch": here, "jax": there}
    for order in ([f"jax={here}", there], [there, f"jax={here}"]):
        words = [word for python in order for word in ("--python", python)]
        assert pythons(*words) == {"fastconv": here, "torch": there, "jax": here}


def run(seconds):
    forms = {"nhwc": Form([seconds] * 5)}
    cases = [CaseResult({"name": "a"}, "layer", {"fastconv": forms}, [1e9] * 5)]
    peers = {"fastconv": {"version": "1", "absent": None}}
    return Results("d", "layers", {}, {}, {}, peers, cases)


def test_compare(capsys, tmp_path):
    save(run(1.0), tmp_path / FILE)
    new = tmp_path / "new.json"
    save(run(2.0), new)
    assert cli.main(["compare", str(tmp_path), str(new)]) == 0
    printed = capsys.readouterr().out
    assert "slower" in printed
    assert "fastconv: 0.500 times as fast" in printed


def test_report(capsys, tmp_path):
    save(synthetic(ALL[:2]), tmp_path / FILE)
    assert cli.main(["report", str(tmp_path)]) == 0
    assert str(tmp_path / "report.md") in capsys.readouterr().out
    assert (tmp_path / "report.html").is_file()


def test_overhead(capsys, monkeypatch):
    for name, value in {"ROUNDS": 1, "IMPORTS": 1}.items():
        monkeypatch.setattr(overhead, name, value)
    assert cli.main(["overhead"]) == 0
    assert "us overhead" in capsys.readouterr().out


@pytest.fixture
def quick_limits(monkeypatch):
    monkeypatch.setattr(
        machine,
        "limits",
        lambda threads, itemsize, measurements: {
            "threads": threads,
            "itemsize": itemsize,
            "peak_flops": [1e11],
            **{f"{name}_bytes": 1 << 20 for name in ("l1", "l2", "l3")},
            **{f"{name}_bytes_per_s": [1e10] for name in ("l1", "l2", "l3", "memory")},
        },
    )


RUN = ["--cases", "3x3 256>256 @14", "--peers", "fastconv", "--threads", "1"]
RUN += ["--rounds", "2", "--seconds", "0.001"]


def test_a_run_and_its_resume(capsys, tmp_path, quick_limits):
    out = tmp_path / "out"
    assert cli.main([*RUN, "--out", str(out)]) == 0
    results = load(out / FILE)
    assert str(tmp_path) not in (out / FILE).read_text()
    assert [result.name for result in results.cases] == ["3x3 256>256 @14"]
    assert results.cases[0].figure("fastconv") > 0
    assert "must have no results.json yet" in error_of(capsys, *RUN, "--out", str(out))
    for again in (RUN, ["layers"], []):
        assert cli.main([*again, "--resume", str(out)]) == 0
        assert load(out / FILE) == results
    resume = ["--resume", str(out)]
    assert "must be a run of networks; got one of layers" in error_of(capsys, "networks", *resume)
    assert "not allowed with argument" in error_of(capsys, *resume, "--out", "b")
    assert cli.main([*resume, "--cases", "3x3 512>512 @7"]) == 0
    assert len(load(out / FILE).cases) == 2
    other = error_of(capsys, *RUN, "--rounds", "3", "--resume", str(out))
    assert "must have the options of the run that it goes on with" in other
    assert "with rounds=2; got rounds=3" in other


@pytest.mark.skipif(find_spec("ncnn") is not None, reason="ncnn is installed")
def test_no_peer_is_an_error(capsys, tmp_path, quick_limits):
    argv = ["--cases", "3x3 256>256 @14", "--peers", "ncnn", "--out", str(tmp_path)]
    assert "one must be installed at least" in error_of(capsys, *argv)
