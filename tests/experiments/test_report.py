import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from experiments import claims, compare, findings, folder, report, reported, sources
from experiments.page import Page
from experiments.results import Results

VOID = {"meta", "img", "br", "source"}


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
    known = {each.link for each in sources.read()}  # for who wants to read on
    own = [link for link in outline.links if link not in known]
    assert all(link[0] == "#" and link[1:] in outline.ids for link in own)
    assert len(outline.pictures) >= len(page.results.assignment.figures)
    for picture in outline.pictures:
        assert picture["src"].startswith("data:image/png;base64,")
        assert picture["alt"]
    assert outline.headings[0] == 1
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(deeper - heading <= 1 for heading, deeper in steps)
    assert "http" not in re.sub('http-equiv|href="[^"]+"', "", text)


def test_the_report_says_what_it_takes_to_judge_the_numbers(text, page, found):
    assert found.assignment.asked in text
    assert "They stand in for CIFAR-10" in text
    assert found.outcomes[0].provenance in text.replace("&#39;", "'")
    assert "threads a trial" in text
    for figure in found.assignment.figures:
        assert figure.caption in text
    for sentence in findings.sentences([page]):
        assert report.unbroken(sentence) in text.replace("&#39;", "'")
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


def test_a_stand_in_and_a_quick_look_are_told_once_and_at_the_top(page, tmp_path):
    spec = page.results.assignment.quick()
    results = replace(page.results, assignment=spec)
    text = report.html(tmp_path, [replace(page, results=results)]).read_text("utf-8")
    assert text.count("<b>Made-up images.</b>") == text.count("<b>A quick look.</b>") == 1
    assert "search: 1 of 2 settings" in text
    top, _, rest = text.partition("What was found")
    assert "Made-up" in top
    assert "A quick look" in top
    assert "Not judged:" not in rest
    real = report.html(tmp_path, []).read_text("utf-8")
    assert "Made-up" not in real


def test_every_figure_is_in_the_gallery_and_its_link_leads_to_it(text, page):
    outline = Outline(text)
    for figure in page.results.assignment.figures:
        at = f"{page.results.name}-{figure.name}"
        assert at in outline.ids
        assert f"#{at}" in outline.links
    assert "#top" in outline.links
    small = [each for each in outline.pictures if int(each["width"]) <= 360]
    assert len(small) == len(page.results.assignment.figures)


def test_pictures_have_a_dark_twin_and_charts_are_turned_round(text):
    # Weights, large and small.
    assert text.count("<source media") == text.count("<picture>") == 2
    assert text.count('<img class="chart"') >= 2


def test_an_assignment_that_can_be_checked_has_the_page_of_its_course(found, page, tmp_path):
    known = replace(page, results=replace(found, name="dd2424_a1"))
    text = report.html(tmp_path, [known]).read_text("utf-8")
    outline = Outline(text)
    assert "course-dd2424_a1" in outline.ids
    assert "#course-dd2424_a1" in outline.links
    assert len(set(outline.ids)) == len(outline.ids)
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(deeper - heading <= 1 for heading, deeper in steps)
    assert "check dd2424_a1 --run" in text
    assert "λW in place of 2λW" in text
    assert "KTH DD2424, assignment 1, April 2022" in text
