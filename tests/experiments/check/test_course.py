"""The page of a course: what is told apart, its figures, and that the pages of docs are these."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from experiments import assignments, reported, sources
from experiments.check import course, drawing, pages
from experiments.check.drawing import Cell, Line
from experiments.check.mistakes import RIGHT
from experiments.check.report import TOLD
from experiments.commands import main


@pytest.fixture(scope="module", params=course.names())
def found(request):
    return course.course(request.param)


def test_every_mistake_is_in_one_group(found):
    for shown in found.settings:
        names = [each.name for each in shown.hidden]
        names += [each.name for group in shown.groups for each in group.mistakes]
        wanted = [each.name for each in shown.setting.mistakes if each is not RIGHT]
        assert len(names) == len({*names})
        assert {*names} <= {*wanted}
        left_out = {*wanted} - {*names}  # what is right too, and looks like it
        assert not {each.name for each in shown.setting.mistakes if each.wrong} & left_out


def test_what_tells_another_curve_is_told_apart(found):
    for shown in found.settings:
        hidden = {each.name for each in shown.hidden}
        assert not hidden & {"wrong_sign", "never_updated", "mean_twice"}
        for group in shown.groups:
            assert group.column in TOLD
            assert group.curves.shape[1] == len(shown.runs.epochs)


def test_what_changes_nothing_is_not_told_apart():
    shown = next(each for each in course.course("dd2424_a1").settings if "=1," in each.words)
    assert "softmax_unshifted" in {each.name for each in shown.hidden}


def test_the_bands_are_those_of_correct_code(found):
    for shown in found.settings:
        bands = {each.column: each for each in shown.bands}
        last = shown.correct["test_accuracy"][:, -1]
        assert bands["test_accuracy"].mean == pytest.approx(last.mean())
        assert bands["test_accuracy"].low <= last.mean() <= bands["test_accuracy"].high
        assert ("test_cost" in bands) == bool(shown.setting.recipe.l2)


def test_the_pages_of_docs_are_what_is_stored(tmp_path):
    for path in pages.write(tmp_path, course.names()):
        assert path.read_text("utf-8") == (pages.DOCS / path.name).read_text("utf-8"), (
            f"{path.name} is out of date: python -m experiments.check.pages"
        )


def test_the_page_is_written_by_a_command(tmp_path, capsys):
    page = tmp_path / "a1.html"
    assert main(["check", "dd2424_a1", "--page", str(page)]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert text.count('class="line wrong"') > 100
    assert "λW in place of 2λW" in text
    assert 'href="#' not in text


def test_the_figures_are_whole_and_small(found):
    for path in pages.DOCS.glob(f"course_{found.name}_*.svg"):
        assert ET.parse(path).getroot().get("aria-label")
        assert path.stat().st_size < 100_000
    text = (pages.DOCS / f"course_{found.name}_mistakes.svg").read_text("utf-8")
    assert text.count("translate(") == 2 * len(found.main.groups)


def test_a_curve_ends_where_a_run_is_lost():
    values = np.array([[1.0, 2.0, np.nan], [1.0, 2.0, 3.0]])
    marks = str(drawing.chart([Line("wrong", values)], (1, 2, 3), per_cent=False))
    line = marks.rpartition('d="M')[2]
    assert line.count("L") == 1
    lost = drawing.chart([Line("right", values), Line("wrong", values * np.nan)], (1, 2, 3),
                         per_cent=False)  # fmt: skip
    assert 'class="line wrong"' not in lost


def test_what_is_written_into_a_figure_is_text():
    marks = drawing.chart([Line("right", np.ones((2, 3)))], (1, 2, 3), per_cent=True)
    text = drawing.sheet([Cell("a < b", "c & d", marks)], 2, [("right", "e")], 'f "g"')
    root = ET.fromstring(text)
    assert "a < b" in [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_reports_are_named_with_course_assignment_and_date():
    known = {each.report: each for each in sources.read() if each.report}
    assert {*known} == {row.report for row in reported.read() if row.report}
    for each in sources.read():
        assert each.course
        assert each.assignment
        assert not each.link or each.link.startswith("https://github.com/")
        assert {*each.bands.split()} <= {*assignments.names()}
        assert bool(each.report) != bool(each.bands)
    assert sources.public("dd2424_a1")
    assert [each.report for each in pages.reports("dd2424_a1")] == ["000", "001"]
