"""Tables of the benchmarks: marks, ratios and means by hand; made-up results."""

import pytest

pytest.importorskip("tabulate")

from benchmark_runs import by_hand, layer, results, small, synthetic, variants

from benchmarks import tables
from benchmarks.cases import ALL
from benchmarks.results import Form


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
