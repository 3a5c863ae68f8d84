"""Instruction-set levels: forcing one, refusing one, and what show_config tells."""

import ast
from dataclasses import replace

import numpy as np
import pytest
from cases import Case, judge

import fastconv
from fastconv import levels
from fastconv._native import levels as native
from fastconv._native import packing

CASE = Case((12, 20), 33, 40, (3, 3), padding=1, data="normal", bias=True)
CASES = [replace(CASE, algorithm=name) for name in CASE.algorithms()]
REPORT = """
import fastconv, fastconv.levels
print([fastconv.levels.running(), fastconv.show_config(mode="dicts")["level"]["running"]])
"""


def test_levels_are_in_order():
    assert native.COMPILED[0] == "baseline"
    assert native.runnable()[0] == "baseline"
    assert [name for name in native.COMPILED if name in native.runnable()] == [*native.runnable()]


@pytest.mark.parametrize("level", native.runnable())
def test_forced_level_runs(python, level):
    done = python("-c", REPORT, FASTCONV_LEVEL=level)
    assert ast.literal_eval(done.stdout) == [level, level]


def test_default_is_the_fastest(python):
    done = python("-c", REPORT, FASTCONV_LEVEL="")
    assert ast.literal_eval(done.stdout) == [native.runnable()[-1]] * 2


def test_unknown_level_raises_at_import(python):
    done = python("-c", "import fastconv", FASTCONV_LEVEL="pentium")
    assert done.returncode == 1
    assert "ValueError: FASTCONV_LEVEL must be" in done.stderr
    assert done.stderr.rstrip().endswith("got FASTCONV_LEVEL=pentium")
    assert native.runnable()[-1] in done.stderr


@pytest.mark.parametrize("level", ["", "pentium", "Baseline", "x86_64_v4"])
def test_level_that_does_not_run_here_raises(monkeypatch, level):
    """On a machine that runs no more than the baseline."""
    before = levels.running()
    monkeypatch.setattr(levels.native, "runnable", lambda: ("baseline",))
    rule = r"must be a level that runs here: baseline; got level="
    with pytest.raises(ValueError, match=rule), levels.use(level):
        pass
    assert levels.running() == before


def test_use_restores_the_level_after_an_error():
    before = levels.running()
    with pytest.raises(KeyError), levels.use("baseline"):
        assert levels.running() == "baseline"
        raise KeyError
    assert levels.running() == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_level_is_close(level, dtype, case):
    arrays = case.arrays(dtype)
    judge(case, case.run(*arrays), *arrays)


@pytest.mark.skipif(len(native.runnable()) < 2, reason="one level only")
@pytest.mark.skipif("x86_64_v3" not in native.runnable(), reason="needs FMA beside a baseline")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_another_level_is_other_code(dtype, case):
    """The baseline of x86-64 has no fused multiply-add, so its last bits differ."""
    arrays = case.arrays(dtype)
    layer = case.layer(arrays[1], arrays[2])
    results = {}
    for level in ("baseline", "x86_64_v3"):
        with levels.use(level):
            results[level] = case.run(*arrays)
            np.testing.assert_array_equal(case.layer(*arrays[1:3])(arrays[0]), results[level])
            np.testing.assert_array_equal(layer(arrays[0]), results[level])
    assert (results["baseline"] != results["x86_64_v3"]).any()


def test_a_packed_filter_knows_its_level(level):
    weight = np.zeros((1, 1, 4, 4), np.float32)
    packed = packing.Filter(weight.shape, 1, "dense", weight.itemsize, level)
    packed.pack(weight, None, 1)
    assert packed.level == level
    assert packed.nbytes >= weight.nbytes


def test_register_tile_fits_the_level(level):
    for itemsize in (4, 8):
        lanes, pixels, vectors = native.tile(level, itemsize)
        width = {"baseline": 16, "x86_64_v3": 32, "x86_64_v4": 64}[level]
        assert lanes * itemsize == width
        assert pixels >= 1
        assert vectors >= 1


def test_show_config_as_dictionary():
    config = fastconv.show_config(mode="dicts")
    assert config["fastconv"] == fastconv.__version__
    assert config["numpy"] == np.__version__
    assert config["level"] == {
        "running": levels.running(),
        "runnable": [*native.runnable()],
        "compiled": [*native.COMPILED],
    }
    assert config["threads"]["default"] >= 1
    assert config["threads"]["reason"]
    assert config["compiler"] == native.compiler() != ""
    assert ("serial" in config["openmp"]) == (native.openmp() == 0)
    assert {"caches", "python"} <= config.keys()


def test_show_config_prints(capsys):
    assert fastconv.show_config() is None
    printed = capsys.readouterr().out
    for expected in (fastconv.__version__, levels.running(), np.__version__, native.compiler()):
        assert expected in printed


def test_show_config_names_the_openmp_runtime():
    if native.openmp():
        assert "omp" in fastconv.show_config(mode="dicts")["openmp"]


def test_show_config_rejects_another_mode():
    with pytest.raises(ValueError, match=r"mode must be 'stdout' or 'dicts'; got mode='json'"):
        fastconv.show_config(mode="json")
