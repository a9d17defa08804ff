import csv
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from experiments import assignments, runner
from experiments.commands import main
from experiments.spec import Group
from experiments.store import Store

SIGNATURE = b"\x89PNG"
LONGEST = 120  # lines; a test adds an assignment in fewer than 40


@pytest.mark.parametrize("name", assignments.names())
@pytest.mark.usefixtures("no_data", "tiny_assignments")
def test_every_assignment_runs_quickly_on_a_stand_in(name, tmp_path, capsys):
    assert main(["run", name, "--quick", "--out", str(tmp_path)]) == 0
    (session,) = runner.sessions(tmp_path)
    found = session.collect(Store(tmp_path / "trials"))
    assert not found.missing
    # The widest nets of the regression start so large that some seeds diverge.
    failed = {outcome.run.name for outcome in found.outcomes if outcome.failure}
    assert all(name.endswith("_400") for name in failed), failed
    assert set(found.groups) == {item.name for item in found.assignment.items if is_group(item)}
    folder = tmp_path / name
    for figure in found.assignment.figures:
        image = (folder / f"{figure.name}.png").read_bytes()
        assert image.startswith(SIGNATURE)
        assert len(image) > 2_000
    with (folder / "table.csv").open(newline="", encoding="utf-8") as file:
        answered = {line["id"] for line in csv.DictReader(file)}
    assert answered == {row for item in found.assignment.items for row in item.answers}
    content = json.loads((folder / "results.json").read_text("utf-8"))
    assert set(content["files"]) <= set(os.listdir(folder))
    page = (tmp_path / "report.html").read_text("utf-8")
    assert found.assignment.title in page.replace("&#39;", "'")
    assert name in capsys.readouterr().out


def is_group(item):
    return isinstance(item, Group)


@pytest.mark.parametrize("name", assignments.names())
def test_every_assignment_is_a_short_file_that_names_its_command(name):
    text = Path(assignments.__path__[0], f"{name}.py").read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST
    command = "dd2424_a1 --year 2019" if name == "dd2424_a1_2019" else name
    assert f"python -m experiments run {command}\n" in text


def test_the_sections_of_a_course_are_in_their_order():
    titles = [assignments.get(name).title for name in assignments.names()]
    sections = [title for title in titles if title.startswith("HW2")]
    assert sections == sorted(sections)
    assert titles[:5] == [title for title in titles if title.startswith("DD2424")]


@pytest.mark.parametrize("name", assignments.names())
def test_names_within_an_assignment_are_its_own(name):
    spec = assignments.get(name)
    items = [item.name for item in spec.items]
    figures = [figure.name for figure in spec.figures]
    assert not [each for each, times in Counter(items + figures).items() if times > 1]
    assert {of for figure in spec.figures for of in figure.of} <= set(items)
    before = set()
    for item in spec.items:
        assert getattr(item, "of", None) in {None, *before}
        before.add(item.name)


def test_an_unknown_name_is_told_which_there_are():
    with pytest.raises(ValueError, match=r"must be one of .*dd2424_a1.*; got 'dd2424_a9'"):
        assignments.get("dd2424_a9")


@pytest.mark.real_data
@pytest.mark.skipif("FASTDL_DATA_DIR" not in os.environ, reason="FASTDL_DATA_DIR is not set")
def test_dd2424_a1_is_inside_its_bands(tmp_path):
    assert main(["run", "dd2424_a1", "--out", str(tmp_path)]) == 0
    (session,) = runner.sessions(tmp_path)
    comparisons = runner.compared(session.collect(Store(tmp_path / "trials")))
    banded = [each for each in comparisons if each.row.band_low is not None]
    assert len(banded) == 13
    for each in banded:
        assert each.row.band_low <= each.mean <= each.row.band_high
