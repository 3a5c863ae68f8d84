"""Tables of the benchmarks: marks, ratios and means by hand; made-up results."""

from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("tabulate")

from benchmarks import tables
from benchmarks.cases import ALL, Case
from benchmarks.results import WHOLE, CaseResult, Form, Results

LIMITS = {
    "threads": 2,
    "itemsize": 4,
    "peak_flops": [2.5e11, 2.4e11, 2.6e11],
    "l1_bytes": 98304,
    "l2_bytes": 4 << 20,
    "l3_bytes": 64 << 20,
    "l1_bytes_per_s": [6e11],
    "l2_bytes_per_s": [3e11],
    "l3_bytes_per_s": [9e10],
    "memory_bytes_per_s": [2e10],
}
SPEEDS = {  # share of the roofline, and error
    "fastconv": (0.85, 4e-7),
    "torch": (0.6, 5e-7),
    "onnxruntime": (0.5, 6e-7),
    "openvino": (0.75, 9e-7),
    "ncnn": (0.4, 2e-6),
    "mnn": (0.45, 8e-6),
    "jax": (0.3, 5e-7),
    "max": (0.55, 6e-7),
    "scipy": (0.05, 3e-7),
}
FAILURES = (("mnn", "wrong"), ("ncnn", "crashed"), ("max", "unsupported"))


def results(peers: Sequence[str] = tuple(SPEEDS), **options: object) -> Results:
    """A run without cases in which these peers are here, and mlx is not."""
    about: dict[str, dict[str, str | None]] = {
        peer: {"version": "1.2.3", "absent": None} for peer in peers
    }
    about["mlx"] = {"version": None, "absent": "No module named 'mlx'"}
    return Results(
        date="2026-01-02T03:04:05+00:00",
        command="python -m benchmarks layers",
        machine={"cpu": "Some <CPU> | 2.0", "cores": 2, "caches": {"l1": 49152}, "memory": 1 << 34},
        limits=dict(LIMITS),
        options={
            "threads": 2, "dtype": "float32", "batch": 1, "rounds": 7, "seconds": 0.05, **options
        },
        peers=about,
    )  # fmt: skip


def layer(case: Case, **seconds: float | Form) -> CaseResult:
    """A layer with a figure for each peer: the seconds of its only form, or the form."""
    forms = {
        peer: value if isinstance(value, Form) else Form([value] * 3, 1e-7, 1e-8)
        for peer, value in seconds.items()
    }
    return CaseResult(
        case.to_dict(), "layer", {peer: {"plain": form} for peer, form in forms.items()}, [2.5e11]
    )


def synthetic(cases: Sequence[Case] = ALL, seed: int = 1) -> Results:
    """A run of many peers over layers and two networks, with every kind of failure in it."""
    made = results()
    rng = np.random.default_rng(seed)
    for number, case in enumerate(cases):
        intensity = 2 * case.multiplications / case.minimal_bytes(4)
        least = max(2 * case.multiplications / 2.5e11, case.minimal_bytes(4) / 9e10)
        peers: dict[str, dict[str, Form]] = {}
        for peer, (speed, error) in SPEEDS.items():
            typical = least / (speed * rng.lognormal(-0.2, 0.3) * min(1, intensity / 10) ** 0.3)
            seconds = [float(typical * rng.lognormal(0, 0.03)) for _ in range(7)]
            size = float(error * rng.lognormal(0, 0.4))
            form = Form(seconds, size, size / 5)
            peers[peer] = {"channels_first": form}
        peers["torch"]["channels_last"] = Form(
            [1.2 * s for s in peers["torch"]["channels_first"].seconds], 6e-7, 1e-7
        )
        for i, (peer, status) in enumerate(FAILURES):
            if number % 5 == i:
                note = (
                    "error 0.7, must be at most 1e-5" if status == "wrong" else "no | <such> layer"
                )
                error = 0.7 if status == "wrong" else None
                peers[peer] = {"channels_first": Form([], error, error, status, note)}
        made.cases.append(
            CaseResult(
                case.to_dict(),
                "layer",
                peers,
                [2.5e11 + 1e9 * i for i in range(7)],
                number % 9 == 8,
            )
        )
    for name, time in (("resnet50", 0.06), ("mobilenetv2", 0.01)):
        peers = {
            peer: {"plain": Form([time / speed * (1 + 0.01 * i) for i in range(5)], 1e-5, 1e-6)}
            for peer, (speed, _) in list(SPEEDS.items())[:4]
        }
        peers["openvino"]["plain"] = Form([], None, None, "hung", "no answer within 60 s")
        peers["fastconv"]["plain"].error = None
        case = {"name": name, "batch": 1, "multiplications": 10**9, "reference": "fastconv"}
        made.cases.append(CaseResult(case, "network", peers, [2.5e11] * 5))
    return made


def variants(names: Sequence[str], speeds: Sequence[float], cases: Sequence[Case]) -> Results:
    """A run of fastconv in variants, each so many times as fast as a millisecond a call."""
    labels = [f"fastconv/{name}" for name in names]
    made = results(labels)
    rng = np.random.default_rng(2)
    for case in cases:
        times = {
            label: {
                "plain": Form([float(1e-3 / s * rng.lognormal(0, 0.05)) for _ in range(5)], 4e-7)
            }
            for label, s in zip(labels, speeds, strict=True)
        }
        made.cases.append(CaseResult(case.to_dict(), "layer", times, [2.5e11] * 5))
    return made


def small(name: str, *tags: str) -> Case:
    """A layer of 5000 multiplications: 10 GFLOP/s in a microsecond."""
    return Case(name, (10,), (1,), 10, 50, (1,), ((0, 0),), (1,), (0,), tags=tags)


def by_hand() -> Results:
    made = results(["fastconv", "torch", "jax", "mnn"])
    made.cases = [
        layer(small("a", "conv1d"), fastconv=1e-6, torch=2e-6, jax=4e-6, mnn=2e-6),
        layer(small("b", "conv1d", "dilated", "tcn"), fastconv=1e-6, torch=0.5e-6, jax=4e-6),
        layer(small("c", "conv1d"), fastconv=2e-6, torch=16e-6, jax=4e-6),
    ]
    made.cases[1].peers["mnn"] = {"plain": Form([1e-9] * 3, 0.5, 0.1, "wrong")}
    made.cases[2].peers["mnn"] = {WHOLE: Form(status="crashed")}
    made.cases[2].wide = True
    for result in made.cases:
        result.peak = [2e10]
    return made


def test_a_table_by_hand():
    table = tables.layers(by_hand(), intervals=False)["conv1d"]
    assert table.headers == [
        "layer", "fastconv GFLOP/s", "share of roofline", "error", "torch", "jax", "mnn"
    ]  # fmt: skip
    assert table.rows == [
        ["a", "10.0", "0.50", "1.0e-07", "*2.00x", "4.00x", "2.00x"],
        ["b", "10.0", "0.50", "1.0e-07", "*0.50x", "4.00x", "wrong"],
        ["c ~", "5.00", "0.25", "1.0e-07", "8.00x", "*2.00x", "crashed"],
    ]
    # 2 * 0.5 * 8 = 2^3; 4 * 4 * 2 = 3.17^3; 0.5 * 0.5 * 0.25 = 0.397^3
    means = ["", "0.40", "", "2.00x (3)", "3.17x (3)", "2.00x (1)"]
    assert table.footer == [["geometric mean (cases)", *means]]
    assert table.marked == {(0, 1), (1, 4), (2, 1)}
    assert table.title == "conv1d (float32, 2 threads)"


def test_intervals_are_the_quartiles_of_the_rounds():
    made = results(["fastconv", "torch"])
    times = {"fastconv": Form([1.0, 1.0, 1.0, 1.0, 1.0]), "torch": Form([1.0, 2.0, 3.0, 4.0, 5.0])}
    made.cases = [layer(small("a", "conv1d"), **times)]
    assert tables.layers(made)["conv1d"].rows[0][4] == "*3.00x (2.00-4.00)"


def test_a_case_comes_in_each_of_its_kinds_and_networks_have_means_only():
    kinds, networks = tables.summary(by_hand())
    assert [row[:3] for row in kinds.rows] == [["dilated", "1", "0"], ["conv1d", "3", "2"]]
    assert [row[0] for row in networks.rows] == ["tcn"]
    assert networks.rows[0][3:] == ["0.50", "0.50x (1)", "4.00x (1)", "-"]
    assert list(tables.layers(by_hand())) == ["dilated", "conv1d"]


def test_a_layer_of_no_kind_is_not_lost():
    made = results(["fastconv"])
    made.cases = [layer(small("a"), fastconv=1e-6)]
    assert tables.layers(made)["other"].rows[0][0] == "a"


@pytest.mark.parametrize("seed", range(3))
def test_wrong_peers_are_neither_best_nor_in_means(seed):
    made = synthetic(ALL[::9], seed)
    for result in made.cases:
        for form in result.peers.get("mnn", {}).values():
            form.seconds, form.status = [1e-12] * 5, "wrong"
    for table in tables.layers(made).values():
        column = table.headers.index("mnn")
        assert {row[column] for row in table.rows} == {"wrong"}
        assert column not in {j for _, j in table.marked}
        assert table.footer[0][column] == "-"
    assert "mnn" not in {row[1] for table in tables.behind(made) for row in table.rows}
    assert {"mnn"} <= {row[0] for row in tables.failures(made)[0].rows}


def test_every_status_has_a_word_and_the_legend_says_what_it_means():
    made = results(["fastconv", "torch"])
    words = {
        "wrong": "wrong",
        "unsupported": "n/a",
        "crashed": "crashed",
        "hung": "hung",
        "failed": "failed",
    }
    for status in words:
        form = Form(status=status, note=f"the {status} reason")
        made.cases.append(layer(small(status, "conv1d"), fastconv=1e-6, torch=form))
    rows = tables.layers(made)["conv1d"].rows
    assert {row[0]: row[-1] for row in rows} == words
    assert all(f"{word}: " in tables.legend(made) for word in words.values())
    assert tables.refusals(made)[0].rows == [["torch", "the unsupported reason", "1"]]
    counts = tables.libraries(made).rows[1]
    assert counts == ["torch", "1.2.3", "0", "1", "1", "1", "1", "1"]
    assert tables.libraries(made).rows[-1][1] == "absent: No module named 'mlx'"


def test_behind_has_the_worst_first_and_what_fastconv_cannot_do_before_that():
    made = by_hand()
    made.cases.append(layer(small("d"), fastconv=Form(status="hung"), torch=1e-6))
    made.cases.append(layer(small("e"), fastconv=1e-6, torch=0.9e-6))
    (table,) = tables.behind(made)
    assert table.title == "fastconv behind: 3 of 5 cases"
    assert [row[:2] for row in table.rows] == [["d", "torch"], ["b", "torch"], ["e", "torch"]]
    assert [row[2].split()[0] for row in table.rows] == ["hung", "0.50x", "0.90x"]
    other = tables.layers(made, intervals=False)["other"]
    assert other.rows[0][1:5] == ["hung", "-", "-", "10.0 GFLOP/s"]


def test_without_fastconv_the_first_peer_is_compared_with_the_others():
    made = results(["torch", "jax"])
    made.cases = [layer(small("a", "conv1d"), torch=1e-6, jax=2e-6)]
    table = tables.layers(made, intervals=False)["conv1d"]
    assert table.headers[1] == "torch GFLOP/s"
    assert table.rows[0][-1] == "*2.00x"


def test_errors_name_the_form_where_there_are_several():
    made = by_hand()
    made.cases[0].peers["torch"]["channels_last"] = Form([1e-6], 3e-7)
    rows = tables.errors(made)["conv1d"].rows
    assert rows[0][1:] == ["1.0e-07", "3.0e-07 channels_last", "1.0e-07", "1.0e-07"]
    assert [row[-1] for row in rows[1:]] == ["5.0e-01 wrong", "crashed"]


def test_networks():
    made = synthetic(())
    (table,) = tables.networks(made, intervals=False)
    assert table.headers == ["network", "fastconv, this run", "torch", "onnxruntime", "openvino"]
    assert table.rows[0] == ["resnet50", "72.0 ms", "*1.42x", "1.70x", "hung"]
    assert table.footer[0][2:] == ["1.42x (2)", "1.70x (2)", "-"]
    assert tables.errors(made)["networks"].rows[0][1] == "reference"


def test_threads_are_in_order_and_compared_with_the_fewest():
    made = results(["fastconv/8", "fastconv/1", "fastconv/2"])
    for name, times in (("a", (1e-6, 4e-6, 2e-6)), ("b", (2e-6, 4e-6, 2e-6))):
        labels = zip(made.present, times, strict=True)
        made.cases.append(layer(small(name, "conv1d"), **dict(labels)))
    means, each = tables.variants(made, intervals=False)
    assert means.headers == ["group", "2", "8"]
    assert means.rows == [["conv1d", "2.00x (2)", "2.83x (2)"]]
    assert each.rows == [["a", "2.50", "2.00x", "4.00x"], ["b", "2.50", "2.00x", "2.00x"]]
    assert tables.layers(made) == {}
    assert tables.summary(made) == tables.networks(made) == tables.behind(made) == []


def test_levels_keep_their_order():
    made = variants(["baseline", "x86_64_v3", "x86_64_v4"], [1, 2, 4], ALL[:3])
    means, each = tables.variants(made)
    assert means.title == "fastconv, levels: speed over baseline, geometric means (layers)"
    assert each.headers[2:] == ["x86_64_v3", "x86_64_v4"]
