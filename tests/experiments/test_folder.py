import csv
import json
import os
from dataclasses import replace

import pytest

from experiments import compare, folder, plots, reported
from experiments.results import Results, Trial


@pytest.fixture(scope="module")
def written(tmp_path_factory, found):
    """The folder of a finished assignment."""
    path = tmp_path_factory.mktemp("out") / "made_up"
    comparisons = compare.compare(found, reported.read())
    assert set(folder.write(path, found, comparisons)) == set(path.iterdir())
    return path


def content(path):
    return json.loads((path / "results.json").read_text("utf-8"))


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_run_and_figure_has_a_file(written, found):
    names = {path.name for path in written.iterdir()}
    curves = {f"{name}.csv" for name in found.runs if name != "check"}
    assert names >= {"results.json", "table.csv", "runs.csv", *curves}
    assert names >= {f"{figure.name}.png" for figure in found.assignment.figures}
    assert names == {*content(written)["files"], "results.json"}


def test_json_holds_what_it_takes_to_judge_the_numbers(written, found):
    described = content(written)
    assert described["complete"] is True
    assert described["stand_in"] is True
    assert described["quick"] is True
    assert described["seeds"] == 2
    assert described["began"] <= described["ended"]
    assert described["trials"] == len(found.outcomes)
    assert {"versions", "machine", "threads", "fastdl"} <= set(described["environments"][0])
    fit = described["runs"]["fit"]
    assert fit["settings"]["optimiser"]["kind"] == "SGD"
    assert fit["metrics"]["test_accuracy"] == {
        "mean": found.runs["fit"].mean("test_accuracy"),
        "sd": found.runs["fit"].sd("test_accuracy"),
        "n": 2,
    }


def test_tables(written, found):
    curves = rows(written / "fit.csv")
    assert [line["seed"] for line in curves] == ["0", "0", "1", "1"]
    losses = [float(line["val_loss"]) for line in curves]
    assert losses == found.runs["fit"].curve("val_loss").ravel().tolist()
    runs = {line["run"]: line for line in rows(written / "runs.csv")}
    assert set(runs) == set(found.runs)
    assert float(runs["fit"]["test_accuracy_sd"]) == found.runs["fit"].sd("test_accuracy")
    assert runs["check"]["test_accuracy"] == ""
    assert "1-2" in {line["id"] for line in rows(written / "table.csv")}


def test_a_failed_seed_is_in_no_curve_and_no_count(tmp_path, found):
    fit = found.runs["fit"]
    failed = replace(fit.outcomes[0], metrics={}, history={}, failure="it blew up")
    runs = found.runs | {"fit": replace(fit, outcomes=(failed, fit.outcomes[1]))}
    folder.write(tmp_path, replace(found, runs=runs), [])
    assert {line["seed"] for line in rows(tmp_path / "fit.csv")} == {"1"}
    assert {line["run"]: line["n"] for line in rows(tmp_path / "runs.csv")}["fit"] == "1"
    described = content(tmp_path)["runs"]["fit"]
    assert described["failures"] == {"0": "it blew up"}
    assert described["metrics"]["test_accuracy"]["n"] == 1


def test_one_quick_run_makes_an_assignment_quick_and_a_missing_trial_incomplete(tmp_path, found):
    check = found.runs["check"]
    whole = replace(check, run=replace(check.run, data=replace(check.run.data, rows=None)))
    results = replace(found, runs=found.runs | {"check": whole})
    folder.write(tmp_path, results, [])
    described = content(tmp_path)
    assert (described["quick"], described["complete"]) == (True, True)
    trial = Trial(found.runs["fit"].run, 2)
    folder.write(tmp_path, replace(results, missing=[trial]), [])
    assert content(tmp_path)["complete"] is False


def test_what_an_earlier_command_left_is_removed_and_nothing_else(tmp_path, found):
    folder.write(tmp_path, found, [])
    (tmp_path / "mine.csv").write_text("kept")
    empty = Results("made_up", found.assignment, 2, {}, {}, list(found.missing))
    folder.write(tmp_path, empty, [])
    assert set(os.listdir(tmp_path)) == {"results.json", "runs.csv", "table.csv", "mine.csv"}


def test_an_interrupted_write_says_what_it_has_left(tmp_path, found, monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(plots, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        folder.write(tmp_path, found, [])
    described = content(tmp_path)
    assert described["complete"] is False
    assert {*described["files"], "results.json"} == set(os.listdir(tmp_path))
