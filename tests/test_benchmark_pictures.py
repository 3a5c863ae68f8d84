"""Pictures of the benchmarks: which are drawn of what, and that there is something in them."""

import pytest

pytest.importorskip("tabulate")
pytest.importorskip("matplotlib")

import numpy as np
from benchmark_runs import layer, results, small, synthetic, variants
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from benchmarks import pictures
from benchmarks.cases import ALL, KINDS
from benchmarks.peers import NAMES
from benchmarks.pictures import bars, style
from benchmarks.results import Form


def of_one_kind(kind):
    return [case for case in ALL if set(case.tags).intersection(KINDS) == {kind}]


def drawn(made, folder):
    """The files drawn; each is a picture of some size with more than paper in it."""
    found = pictures.draw(made, folder)
    assert {picture.file for picture in found} == {path.name for path in folder.iterdir()}
    for picture in found:
        pixels = imread(folder / picture.file)
        height, width = pixels.shape[:2]
        assert 500 < width < 1400
        assert 120 < height < 1600
        assert 0.005 < np.mean(pixels[..., :3].min(axis=-1) < 0.9) < 0.8
        assert picture.caption
    return [picture.file for picture in found]


def has(path, colour):
    pixels = imread(path)[..., :3]
    return bool(np.any(np.all(np.abs(pixels - to_rgb(colour)) < 0.02, axis=-1)))


def test_a_run_of_layers_and_networks(tmp_path):
    few, many = of_one_kind("dense3x3")[:3], of_one_kind("pointwise")[:20]
    assert len(few) < bars.FEW < len(many)
    made = synthetic([*few, *many])
    assert drawn(made, tmp_path) == [
        "bars-dense3x3.png",
        "bars-pointwise.png",
        "roofline.png",
        "error-speed.png",
        "networks.png",
    ]
    for file in ("bars-dense3x3.png", "bars-pointwise.png", "roofline.png", "networks.png"):
        assert has(tmp_path / file, style.STRONG)


def test_many_cases_are_split(tmp_path):
    made = results(["fastconv"])
    made.cases = [layer(case, fastconv=1e-3) for case in of_one_kind("pointwise")[: bars.ROWS + 1]]
    assert drawn(made, tmp_path)[:2] == ["bars-pointwise-1.png", "bars-pointwise-2.png"]


def test_threads_and_levels(tmp_path):
    for folder, names in (("a", ["1", "2", "4"]), ("b", ["baseline", "x86_64_v3"])):
        (tmp_path / folder).mkdir()
        made = variants(names, range(1, len(names) + 1), of_one_kind("dense3x3")[:2])
        file = "scaling-fastconv.png" if folder == "a" else "levels-fastconv.png"
        assert drawn(made, tmp_path / folder) == [file]


@pytest.mark.parametrize("peers", [["fastconv"], ["torch"], ["fastconv", "torch"]])
def test_one_case(tmp_path, peers):
    made = results(peers)
    made.cases = [layer(small("a", "conv1d"), **dict.fromkeys(peers, 1e-6))]
    assert drawn(made, tmp_path) == ["bars-conv1d.png", "roofline.png", "error-speed.png"]


def test_without_limits_peak_and_errors(tmp_path):
    made = results(["fastconv", "torch"], dtype="float64")
    made.limits = {}
    made.cases = [layer(small("a", "conv1d"), fastconv=Form([1e-6]), torch=Form([1e-6], 0.0))]
    made.cases[0].peak = []
    assert drawn(made, tmp_path) == ["bars-conv1d.png", "roofline.png"]


def test_nothing_to_draw(tmp_path):
    made = results(["fastconv", "torch"])
    wrong = Form([1e-6], 0.5, 0.1, "wrong")
    made.cases = [layer(small("a", "conv1d"), fastconv=Form(status="crashed"), torch=wrong)]
    assert drawn(made, tmp_path) == []
    assert drawn(results([]), tmp_path) == []
    assert drawn(variants(["2"], [1], ALL[:2]), tmp_path) == []


def test_colours_are_one_to_each_peer():
    assert len({style.colour(name) for name in NAMES}) == len(NAMES)
    assert len({style.marker(name) for name in NAMES}) == len(NAMES)
    assert style.colour("fastconv") == style.STRONG
