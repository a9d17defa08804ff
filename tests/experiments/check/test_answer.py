"""What a run is told, for runs whose truth is known; by the command line, in a second, no data."""

import csv
import json
import re
import time

import numpy as np
import pytest

from experiments.check import classroom, mistakes, stored
from experiments.check.ranking import Number, rank, verdict
from experiments.check.report import TOLD
from experiments.commands import main

WANTED = stored.settings("dd2424_a1")["lambda0.1_eta0.001"]
RUN = ["check", "dd2424_a1", "--run", "lambda=.1, eta=.001"]


@pytest.fixture(autouse=True)
def _without_data(no_data):
    """Nothing here needs data."""


@pytest.fixture
def runs():
    return stored.load(WANTED)


def curves(runs, name, run=0):
    """All that a stored run tells, as numbers."""
    told = runs.told[name].curves
    return [
        Number(column, float(told[column][run, point]), point)
        for column in TOLD
        for point in range(len(runs.epochs))
    ]


def write(path, runs, name, run=0, columns=TOLD):
    told = runs.told[name].curves
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *columns])
        writer.writerows(zip(runs.epochs, *(told[each][run] for each in columns), strict=True))
    return path


@pytest.mark.parametrize("name", list(mistakes.SETTINGS))
def test_every_setting_has_its_runs(name):
    for setting in stored.settings(name).values():
        held = stored.load(setting)
        assert {*held.told} == {each.name for each in setting.mistakes}
        assert all(len(told.curves["test_accuracy"]) >= 2 for told in held.told.values())
        assert len(held.told["none"].curves["test_accuracy"]) >= 4


def test_the_stored_runs_are_small():
    assert sum(path.stat().st_size for path in stored.FOLDER.rglob("*.npz")) < 700_000


@pytest.mark.parametrize(
    "name", ["gradient_summed", "penalty_half", "pixels_raw", "last_batch", "labels_next", "log10"]
)
def test_a_mistake_is_first_by_its_curves(name, runs):
    found = rank(runs, curves(runs, name))
    assert found[0].mistake.name == name
    assert found[0].plausible
    assert verdict(found) == "mistake"
    assert sum(each.likelihood for each in found) == pytest.approx(1)


def test_correct_code_is_correct(runs):
    for run in range(3):
        assert verdict(rank(runs, curves(runs, "none", run))) == "correct"


def test_what_is_far_from_everything_is_of_unknown_origin(runs):
    found = rank(runs, [Number("test_accuracy", 0.9), Number("train_loss", 0.01)])
    assert verdict(found) == "unknown"


def test_a_run_that_was_lost(runs):
    found = rank(runs, [Number("train_loss", float("nan")), Number("test_accuracy", 0.1)])
    lost = {each.mistake.name for each in found if each.plausible}
    assert "none" not in lost
    assert lost


def test_a_rounded_number_says_less(runs):
    sizes = [
        sum(each.plausible for each in rank(runs, [Number("test_accuracy", 0.36, rounding=r)]))
        for r in (0.0, 0.05)
    ]
    assert sizes[0] < sizes[1]


# Test accuracies of published reports of the assignments, some of which have a fault.
PUBLISHED = {
    ("dd2424_a1", "lambda0_eta0.1"): (27.84, 28.70, 29.71, 29.49, 28.77, 28.29, 27.27),
    ("dd2424_a1", "lambda0_eta0.001"): (39.08, 38.86, 38.88, 38.61, 39.32, 39.11, 35.89),
    ("dd2424_a1", "lambda0.1_eta0.001"): (39.46, 39.01, 39.02, 39.15, 39.40, 38.93, 37.63),
    ("dd2424_a1", "lambda1_eta0.001"): (37.38, 37.50, 37.49, 37.49, 37.38, 37.53),
    ("dd2424_a1_2019", "lambda0_eta0.1"): (22.11, 27.07, 25.01, 30.14),
    ("dd2424_a1_2019", "lambda0_eta0.01"): (37.02, 36.65, 36.72, 37.05),
    ("dd2424_a1_2019", "lambda0.1_eta0.01"): (33.40, 33.37, 33.38),
    ("dd2424_a1_2019", "lambda1_eta0.01"): (22.46, 21.92, 21.91),
    ("dd2424_a2", "figure3"): (46.23, 46.16, 45.9, 45.61, 46.00, 45.92),
    ("dd2424_a2", "figure4"): (46.88, 46.45, 46.70, 46.75, 48.09, 47.60),
    ("hw2_batch_size", "batch128"): (97.56,),
    ("hw2_batch_size", "batch1024"): (96.91,),
}
FAULTY = (35.89, 37.63)


@pytest.mark.parametrize(
    ("wanted", "per_cent"),
    [(each, value) for each, values in PUBLISHED.items() for value in values],
)
def test_what_other_people_got(wanted, per_cent):
    assignment, name = wanted
    held = stored.load(stored.settings(assignment)[name])
    found = rank(held, [Number("test_accuracy", per_cent / 100, rounding=5e-5)])
    assert verdict(found) == ("mistake" if per_cent in FAULTY else "correct")
    if per_cent in FAULTY:
        assert "init_times_4" in {each.mistake.name for each in found if each.plausible}


# --- the command ---------------------------------------------------------------------------------


def test_one_number_in_a_second(capsys):
    began = time.process_time()
    assert main([*RUN, "--test-accuracy", "35.9"]) == 0
    assert time.process_time() - began < 2
    said = capsys.readouterr().out
    assert re.search(r"test accuracy +35\.90 % +38\.9. % \(38\.81 to 39\.11 %\)", said)
    assert "other public reports: 38.7 to 39.7 %, yours is outside" in said
    assert "Correct code does not give this: " in said
    assert "known mistakes come within noise of this. How likely each is:" in said
    assert "pixels_centred: test accuracy 35.27 to 35.78 %" in said
    assert max(map(len, said.splitlines())) <= 80


def test_a_right_number(capsys):
    assert main([*RUN, "--test-accuracy", "38.9"]) == 0
    said = capsys.readouterr().out
    assert "Correct code gives this: the difference is the noise of the seed." in said
    assert "known mistakes give such numbers too: " in said
    assert "A curve (--curve) tells more." in said


def test_a_curve_tells_what_a_number_cannot(runs, tmp_path, capsys):
    path = write(tmp_path / "my.csv", runs, "penalty_half")
    assert main([*RUN, "--curve", str(path)]) == 0
    said = capsys.readouterr().out
    assert "One known mistake comes within noise of this:" in said
    assert "λW in place of 2λW" in said


def test_mistakes_that_nothing_tells_apart_are_said_to_be_so(runs, tmp_path, capsys):
    path = write(tmp_path / "my.csv", runs, "penalty_not_in_gradient")
    assert main([*RUN, "--curve", str(path)]) == 0
    said = capsys.readouterr().out
    assert "or what gives the same numbers here: penalty_" in said


def test_the_choice_on_the_test_rows_shows_beside_the_curve(runs, tmp_path, capsys):
    path = write(tmp_path / "my.csv", runs, "none", columns=["test_accuracy"])
    lines = path.read_text().splitlines()
    lines[4] = f"{lines[4].split(',')[0]},0.399"
    path.write_text("\n".join(lines))
    assert main([*RUN, "--curve", str(path), "--test-accuracy", "39.9"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "39.90 % is the best value of the curve, at epoch 4, and not the last" in said


def test_weights_tell_too(tmp_path, rng, capsys):
    weight = 0.01 * rng.standard_normal((10, 3072))
    np.savez(tmp_path / "my.npz", W=weight, b=np.zeros((10, 1)))
    assert main([*RUN, "--weights", str(tmp_path / "my.npz")]) == 0
    assert "never_updated" in capsys.readouterr().out


def test_answers_can_be_hidden(capsys):
    assert main([*RUN, "--test-accuracy", "35.9", "--hide-answers"]) == 0
    said = capsys.readouterr().out
    assert "Correct code does not give this: " in said
    assert "mistake" not in said


def test_bands_are_json(capsys):
    assert main(["check", "dd2424_a1", "--bands"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert {*held} == {*mistakes.SETTINGS["dd2424_a1"]}
    assert 0.38 < held[WANTED.run.name]["test_accuracy"]["mean"] < 0.4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "must have an assignment or a --folder; try python -m experiments check"),
        (["check", "dd2424_a3"], "did you mean dd2424_a"),
        (RUN, "must have a number, a curve or weights"),
        ([*RUN, "--test-accuracy", "x"], "--test-accuracy must be a number; got 'x'"),
        (["check", "dd2424_a1", "--make", "--seeds", "1"], "--seeds must be at least 2; got 1"),
        (["check", "dd2424_a", "--bands"], "must be one of dd2424_a1"),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


# --- a class -------------------------------------------------------------------------------------


@pytest.fixture
def submissions(tmp_path, runs):
    folder = tmp_path / "submissions"
    folder.mkdir()
    write(folder / "curve.csv", runs, "gradient_summed", run=1)
    common = {"assignment": "dd2424_a1", "run": "lambda=.1, eta=.001"}
    (folder / "anna.json").write_text(json.dumps(common | {"test_accuracy": 38.9}))
    (folder / "ben.json").write_text(json.dumps([common | {"curve": "curve.csv", "name": "Ben"}]))
    (folder / "broken.json").write_text("{")
    (folder / "class.csv").write_text(
        "name,assignment,run,test_accuracy\n"
        'Carl,dd2424_a1,"lambda=.1, eta=.001",28\n'
        "Dora,dd2424_a9,,40\n"
        'Emil,dd2424_a1,"lambda=.1, eta=.001",\n'
    )
    (folder / "far.json").write_text(json.dumps(common | {"curve": "../curve.csv"}))
    (folder / "odd.json").write_text(json.dumps(common | {"acc": 3}))
    (folder / "notes.txt").write_text("not a submission")
    return folder


def test_a_class(submissions, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert main(["check", "--folder", str(submissions), "--csv", str(out)]) == 0
    with out.open(newline="", encoding="utf-8") as file:
        table = {line["name"]: line for line in csv.DictReader(file)}
    assert table["anna"]["verdict"] == "correct"
    assert table["anna"]["mistakes"] == ""
    assert table["Ben"]["verdict"] == "mistake"
    assert table["Ben"]["mistakes"].split()[0] == "gradient_summed"
    assert table["Carl"]["verdict"] == "mistake"
    problems = {name: line["problem"] for name, line in table.items() if line["problem"]}
    assert "must be one of dd2424_a1" in problems["Dora"]
    assert "must have a number" in problems["Emil"]
    assert "must be a file in the folder" in problems["far"]
    assert "must have keys among name, assignment" in problems["odd"]
    assert "broken.json must be a submission" in problems["broken.json"]
    assert {*problems} == {"Dora", "Emil", "far", "odd", "broken.json"}
    said = capsys.readouterr().out
    assert "Ben" in said
    assert "summed where their mean is asked for" in said

    assert main(["check", "--folder", str(submissions), "--csv", str(out), "--hide-answers"]) == 0
    assert "mistakes" not in out.read_text().splitlines()[0]
    assert "summed where" not in capsys.readouterr().out


def test_several_runs_of_one_code_tell_more_than_each(tmp_path):
    """The four test accuracies of a published report: two of them are noise alone."""
    (tmp_path / "report.csv").write_text(
        "name,assignment,run,test_accuracy\n"
        "R,dd2424_a1,lambda0_eta0.1,27.27\nR,dd2424_a1,lambda0_eta0.001,35.89\n"
        "R,dd2424_a1,lambda0.1_eta0.001,37.63\nR,dd2424_a1,lambda1_eta0.001,36.70\n"
    )
    *each, all_of_them = classroom.check(tmp_path)
    assert [line.verdict for line in each] == ["correct", "mistake", "mistake", "correct"]
    assert all_of_them.given["run"] == classroom.ALL
    assert all_of_them.verdict == "mistake"
    names = {each.mistake.name for each in all_of_them.mistakes[:2]}
    assert names == {"init_times_4", "pixels_by_image"}


def test_a_folder_without_submissions(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["check", "--folder", str(tmp_path)])
    assert "must hold submissions, JSON or CSV" in capsys.readouterr().err
