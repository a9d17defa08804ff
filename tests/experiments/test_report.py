import csv
import json
import os
import shutil

import pytest

from experiments import report
from experiments.compare import Comparison, Reported


@pytest.fixture(scope="module")
def said():
    return []


@pytest.fixture(scope="module")
def made(tmp_path_factory, made_up, results, said):
    """The folder of a finished report."""
    folder = tmp_path_factory.mktemp("out") / "made_up"
    made = report.Report(folder, "made_up", made_up, seed=1, say=said.append)
    for result in results:
        made.add(result)
    made.close()
    return folder


def test_files(made):
    names = {"results.json", "table.csv", "fit.csv", "fit_curves.png", "fit_templates.png"}
    assert set(os.listdir(made)) == names
    for name in names:
        assert (made / name).stat().st_size > (10_000 if name.endswith(".png") else 100)


def test_json_holds_what_it_takes_to_judge_the_numbers(made, results):
    content = json.loads((made / "results.json").read_text("utf-8"))
    assert content["complete"]
    assert content["stand_in"] is True
    assert content["seed"] == 1
    assert content["training_seconds"] == results[1].seconds
    assert {"versions", "machine", "threads", "fastdl"} <= set(content["environment"])
    fit = content["runs"]["fit"]
    assert fit["metrics"] == results[1].metrics
    assert fit["data"]["stand_in"] is True
    assert fit["data"]["rows"] == {"train": 200, "validation": 200, "test": 200}
    assert fit["settings"]["optimiser"]["kind"] == "SGD"


def test_tables(made, results):
    with (made / "fit.csv").open(newline="") as file:
        assert [float(line["val_loss"]) for line in csv.DictReader(file)] == list(
            results[1].history["val_loss"]
        )
    with (made / "table.csv").open(newline="", encoding="utf-8") as file:
        (line,) = csv.DictReader(file)
    assert (line["id"], line["verdict"], line["reported_verdict"]) == (
        "1-2", "not judged", "outside"
    )  # fmt: skip


@pytest.mark.usefixtures("made")
def test_what_is_printed(said):
    text = "\n".join(said)
    assert "data: made-up images" in text
    assert "note: stand-in data, not CIFAR-10; quick look at 200 rows" in text
    assert "35.89% (outside)" in text
    assert "1-2: the report is" in text
    assert "Not judged (stand-in data" in text
    # The folders that the line on the data names may be as long as they like.
    assert max(len(line) for line in text.splitlines() if not line.startswith("data:")) <= 110


def test_an_unfinished_assignment_replaces_the_files_of_an_earlier_one(
    made, made_up, results, tmp_path
):
    folder = tmp_path / "made_up"
    shutil.copytree(made, folder)
    (folder / "mine.csv").write_text("kept")
    again = report.Report(folder, "made_up", made_up, seed=2, say=print)
    assert len(os.listdir(folder)) == 6
    again.add(results[0])
    assert set(os.listdir(folder)) == {"results.json", "mine.csv"}
    assert not json.loads((folder / "results.json").read_text("utf-8"))["complete"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")

    def write():
        with report.whole(path) as part:
            part.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_rows_without_number_or_band():
    row = Reported("9-1", "s", "o", "test_accuracy", None, None, None, "why")
    lines = report.table([Comparison("fit", row, 0.5, "")])
    assert lines[2].split() == ["9-1", "fit", "test", "accuracy", "50.00%", "–", "–", "no", "band"]
    assert lines[3] == "9-1: why."
