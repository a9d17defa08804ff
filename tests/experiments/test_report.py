import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from experiments import claims, compare, folder, report, reported
from experiments.page import Page
from experiments.results import Results

VOID = {"meta", "img", "br"}


class Outline(HTMLParser):
    """What a test asks of an HTML file: it is nested well, its ids, links and pictures."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.pictures, self.headings = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        if "href" in values:
            self.links.append(values["href"])
        if tag == "img":
            self.pictures.append(values)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("out") / "made_up"
    made = Page(path, found, compare.compare(found, reported.read()))
    folder.write(path, found, made.comparisons)
    return made


@pytest.fixture(scope="module")
def text(page):
    return report.html(page.folder.parent, [page], 3.0).read_text("utf-8")


def test_the_report_is_one_well_formed_file_that_needs_no_other(text, page):
    outline = Outline(text)
    assert len(set(outline.ids)) == len(outline.ids)
    assert all(link[0] == "#" and link[1:] in outline.ids for link in outline.links)
    assert len(outline.pictures) >= len(page.results.assignment.figures)
    for picture in outline.pictures:
        assert picture["src"].startswith("data:image/png;base64,")
        assert picture["alt"]
    assert outline.headings[0] == 1
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(deeper - heading <= 1 for heading, deeper in steps)
    assert "http" not in re.sub("http-equiv", "", text)


def test_the_report_says_what_it_takes_to_judge_the_numbers(text, found):
    assert found.assignment.asked in text
    assert found.note in text
    assert found.outcomes[0].provenance in text.replace("&#39;", "'")
    assert "threads a trial" in text
    for figure in found.assignment.figures:
        assert figure.caption in text
    for each in ("Best by validation accuracy", "Best by training accuracy", "1-2", "not judged"):
        assert each in text


def test_claims_about_differences_are_told(page, tmp_path):
    claim = next(each for each in claims.read() if each.assignment == "dd2424_a1")
    runs = {claim.first: page.results.runs["fit"], claim.second: page.results.runs["fit"]}
    results = replace(page.results, name=claim.assignment, runs=runs)
    text = report.html(tmp_path, [Page(tmp_path, results, [])]).read_text("utf-8")
    assert claim.claim.replace(" = ", "\u00a0=\u00a0") in text
    assert "not judged: stand-in data" in text


def test_texts_are_escaped(page):
    spec = replace(page.results.assignment, asked="<script>alert(1)</script>")
    results = replace(page.results, assignment=spec)
    path = report.html(page.folder / "escaped", [replace(page, results=results)])
    assert "<script" not in path.read_text("utf-8")


def test_failures_and_missing_trials_are_told(page, tmp_path):
    fit = page.results.runs["fit"]
    failed = tuple(replace(each, metrics={}, failure="cost was nan") for each in fit.outcomes)
    runs = {"fit": replace(fit, outcomes=failed)}
    results = Results("made_up", page.results.assignment, 2, runs, {}, [None] * 3)
    text = report.html(tmp_path, [Page(tmp_path / "made_up", results, [])]).read_text("utf-8")
    assert "fit, seed 0: cost was nan" in text
    assert "3 trials are missing" in text
    assert "Not drawn, for lack of results:</b> Curves." in text
    lines = report.summary(results, [])
    assert "no result" in "\n".join(lines)
    assert lines[-1] == "3 trials are missing: verdicts are provisional"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.25, "0.2 s"), (59.94, "59.9 s"), (90, "1 min 30 s"), (7320, "2 h 2 min")],
)
def test_durations(seconds, said):
    assert report.duration(seconds) == said


def test_what_a_terminal_shows(found, page):
    lines = report.summary(found, page.comparisons)
    assert lines[0] == "made up (made_up)"
    assert any(line.startswith("data: made-up images") for line in lines)
    assert f"note: {found.note}" in lines
    starts = [line.split("  ")[0] for line in lines]
    assert [each for each in starts if each in ("check", "fit")] == ["check", "fit"]
    assert any(line.startswith("search, best of 2: λ = ") for line in lines)
    assert "not judged" in lines[-1]
    assert "search: best by training accuracy" in report.rankings(found)


def test_lines_fit_a_terminal(found):
    long = {
        name: replace(run, run=replace(run.run, title="title " * 30))
        for name, run in found.runs.items()
    }
    lines = report.summary(replace(found, runs=long), [])
    assert max(len(line) for line in lines if not line.startswith("data:")) <= 100
    assert sum("…" in line for line in lines) == 3
