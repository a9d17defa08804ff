import sys
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import compare, reported, screen
from experiments.page import Page
from experiments.verdicts import Verdict


@pytest.fixture
def page(found, tmp_path):
    return Page(tmp_path / "made_up", found, compare.compare(found, reported.read()))


def overview(page, *said):
    return screen.overview([page], Path("results/report.html"), said, 61.0)


def test_a_run_is_told_on_one_screen(page):
    lines = overview(page, "An old sentence.")
    assert lines[0].startswith("made_up  test accuracy ")
    assert lines[0].endswith("1 not judged")
    assert "An old sentence." in "\n".join(lines)
    assert "stands out:" not in lines
    assert lines[-2:] == [
        "6 trials in 1 min 1 s; -v prints every number",
        "report, figures and tables: results/report.html",
    ]
    assert len(lines) < 20


def test_many_verdicts_go_on_below(page):
    (each,) = page.comparisons
    every = replace(page, comparisons=[replace(each, verdict=verdict) for verdict in Verdict])
    first, second, *_ = overview(every)
    assert first.startswith("made_up  test accuracy ")
    assert second.startswith(" " * 9)
    assert max(map(len, (first, second))) <= 100


def test_what_stands_out_is_told_and_the_rest_is_counted(page):
    (each,) = page.comparisons
    odd = replace(each, verdict=Verdict.ONE_SEED, mean=0.3, sd=None, band=(0.4, 0.5))
    text = "\n".join(overview(replace(page, comparisons=[odd])))
    assert "one seed: cannot tell" in text
    assert "30.00 %" in text
    assert "40.00–50.00 %" in text
    out = replace(odd, verdict=Verdict.OUTSIDE)
    many = overview(replace(page, comparisons=[*[odd] * 49, out]))
    assert many[many.index("stands out:") + 1].endswith(": outside")
    assert "  and 40 more, all in the report" in many
    assert len(many) < 50


def test_missing_and_failed_trials_stand_out(page):
    fit = page.results.runs["fit"]
    failed = tuple(replace(each, metrics={}, failure="cost was nan") for each in fit.outcomes)
    runs = {"fit": replace(fit, outcomes=failed)}
    results = replace(page.results, runs=runs, groups={}, missing=[None] * 3)
    text = "\n".join(overview(replace(page, results=results, comparisons=[])))
    assert "2 trials failed, fit, seed 0: cost was nan" in text
    assert "3 trials are missing" in text
    lines = screen.summary(results, [])
    assert "no result" in "\n".join(lines)
    assert lines[-1] == "3 trials are missing: verdicts are provisional"


def test_the_one_command_that_gets_the_data_is_offered(page, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(Path.cwd() / ".venv" / "bin" / "python"))
    text = " ".join(" ".join(overview(page)).split())
    assert "images stand in for cifar10" in text
    assert ".venv/bin/python -m fastdl.datasets download cifar10 gets the real ones" in text


def test_what_a_quick_look_cuts_is_told(page):
    results = replace(page.results, assignment=page.results.assignment.quick())
    assert "  2 runs and searches are cut, as the report tells; all others are whole" in overview(
        replace(page, results=results)
    )


def test_what_a_terminal_shows(found, page):
    lines = screen.summary(found, page.comparisons)
    assert lines[0] == "made up (made_up)"
    assert any(line.startswith("data: made-up images") for line in lines)
    assert f"note: {found.note}" in lines
    starts = [line.split("  ")[0] for line in lines]
    assert [each for each in starts if each in ("check", "fit")] == ["check", "fit"]
    assert any(line.startswith("search, best of 2: λ = ") for line in lines)
    assert "not judged" in lines[-1]


def test_a_search_says_of_what_it_is_and_on_which_rows(found):
    lines = screen.rankings(found)
    assert lines[0] == "made up (made_up)"
    assert lines[1].startswith("data: made-up images")
    assert "trials" in lines[2]
    assert "search: best by training accuracy" in lines


def test_lines_fit_a_terminal(found):
    long = {
        name: replace(run, run=replace(run.run, title="title " * 30))
        for name, run in found.runs.items()
    }
    lines = screen.summary(replace(found, runs=long), [])
    assert max(len(line) for line in lines if not line.startswith("data:")) <= 100
    assert sum("…" in line for line in lines) == 3
