"""The report of the benchmarks, tables in Markdown and HTML, and what a terminal shows."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("tabulate")
pytest.importorskip("matplotlib")
pytest.importorskip("rich")

from benchmark_runs import by_hand, layer, results, small, synthetic, variants
from rich.console import Console

from benchmarks import progress, report, tables
from benchmarks.cases import ALL, select
from benchmarks.results import Form


class Checker(HTMLParser):
    """Every element closed in turn; gathers text."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.sources, self.tags = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name == "src"]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


CASES = select("3x3 64>64 @56, dw 3x3 144 @56, 1-D k3 80>384, 1x1 64>256 @56, 3x3 d2 256")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("report")
    files = report.write(synthetic(CASES), path)
    assert sorted(files) == sorted(file for file in path.rglob("*") if file.is_file())
    return path


def test_html_is_well_formed_and_complete(folder):
    page = checked((folder / "report.html").read_text())
    text = "".join(page.text)
    assert all(case.name in text for case in CASES)
    assert page.sources
    assert all((folder / source).is_file() for source in page.sources)
    assert page.tags.count("h1") == 1


def test_markdown_is_complete(folder):
    text = (folder / "report.md").read_text()
    assert all(case.name in text for case in CASES)
    images = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert {folder / image for image in images} == set((folder / "pictures").iterdir())
    for what in ("Some &lt;CPU>", "No module named 'mlx'", "python -m benchmarks layers"):
        assert what in text
    for heading in ("How to read", "What to look at", "Wrong results", "cannot compute"):
        assert re.search(rf"^##.*{heading}", text, re.MULTILINE)
    assert "no <such>" not in text
    assert "None" not in text
    assert "nan" not in text.split()


def test_the_same_results_give_the_same_report(folder, tmp_path):
    report.write(synthetic(CASES), tmp_path)
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        assert path.read_bytes() == (folder / path.relative_to(tmp_path)).read_bytes()


@pytest.mark.parametrize(
    "made",
    [results(["fastconv"]), variants(["1", "2"], [1, 2], ALL[:2]), by_hand()],
    ids=["no cases", "threads", "by hand"],
)
def test_other_runs(made, tmp_path):
    report.write(made, tmp_path)
    page = checked((tmp_path / "report.html").read_text())
    assert not re.search(r"\bNone\b", "".join(page.text))


def shown(events, terminal=False):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=90)
    with progress.Display(console) as display:
        for kind, data in events:
            display(kind, **data)
    return console.file.getvalue()


def events():
    yield "phase", {"text": "starting"}
    yield "start", {"total": 3}
    for result in by_hand().cases:
        yield "case", {"name": result.name}
        yield "phase", {"text": "rounds: 1 of 7"}
        yield "case_done", {"result": result}
    yield "end", {}


def test_progress_in_a_file_is_plain_lines():
    lines = shown(events()).splitlines()
    assert lines == [
        "[1/3] a: fastconv 2.00x torch; 0 s left",
        "[2/3] b: fastconv 0.50x torch; 0 s left",
        "[3/3] c ~: fastconv 2.00x jax; 0 s left",
    ]


def test_progress_in_a_terminal_shows_case_phase_and_results():
    text = shown(events(), terminal=True)
    for what in ("starting", "rounds: 1 of 7", "2/3", "a: fastconv 2.00x torch", "time left"):
        assert what in text
    assert text.endswith("\x1b[2K")


def test_outcome_without_a_ratio():
    alone = layer(small("a"), fastconv=1e-6, torch=Form(status="hung"))
    assert progress.outcome(alone) == "a: fastconv is the fastest"
    nobody = layer(small("a"), fastconv=Form(status="crashed"))
    assert progress.outcome(nobody) == "a: nobody has a figure"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (99, "99 s"), (125, "2 min"), (3570, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_duration(seconds, text):
    assert progress.duration(seconds) == text


@pytest.mark.parametrize("terminal", [False, True])
def test_tables_in_a_terminal_fit_and_elsewhere_are_whole(terminal):
    made = synthetic(CASES)
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    progress.show_tables(console, tables.everything(made))
    text = console.file.getvalue()
    assert ("\x1b" in text) == terminal
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    for case in CASES:
        assert any(line.strip().startswith(case.name) for line in lines)
    if terminal:
        assert max(map(len, lines)) <= 80
    else:
        header = next(line for line in lines if line.split()[:1] == ["layer"])
        assert header.split()[-1] == "scipy"


def test_markdown_and_html_show_any_text_as_it_is():
    texts = ["<b>&amp;", "a|b", "*x* `y` _z_", "x86_64_v3", "two\nlines", "~1~ [l](u)"]
    table = tables.Table("T | <t>", "", ["a", "b"], [[text, "1"] for text in texts], [["m", "2"]])
    lines = tables.markdown(table).splitlines()
    assert lines[0] == "### T \\| &lt;t>"
    cells = [re.split(r"(?<!\\)\|", line)[1].strip() for line in lines[4:-1]]
    assert cells == [
        "&lt;b>&amp;amp;",
        "a\\|b",
        "\\*x\\* \\`y\\` \\_z\\_",
        "x86_64_v3",
        "two lines",
        "\\~1\\~ \\[l\\](u)",
    ]
    html = checked(tables.html(table))
    assert set(texts) < set(html.text)


def test_marked_cells_are_bold():
    table = tables.layers(by_hand(), intervals=False)["conv1d"]
    assert "**10.0**" in tables.markdown(table)
    assert "**\\*0.50x**" in tables.markdown(table)
    assert tables.html(table).count("<strong>") == 3


def test_every_table_is_rectangular_and_renders():
    made = synthetic(ALL[::5])
    shown = [*tables.everything(made), *tables.machine(made), *tables.errors(made).values()]
    for table in shown:
        assert {len(row) for row in [*table.rows, *table.footer]} == {len(table.headers)}
        assert table.rows
        lines = [line for line in tables.markdown(table).splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
        assert checked(tables.html(table)).tags.count("tr") == len(lines) - 1
    names = {row[0].removesuffix(" ~") for table in shown for row in table.rows}
    assert {case.name for case in ALL[::5]} <= names
