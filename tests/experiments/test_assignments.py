import csv
import json
import os
from pathlib import Path

import pytest

from experiments import assignments, compare, runner
from experiments.__main__ import main
from experiments.spec import Training

SIGNATURE = b"\x89PNG"


@pytest.mark.parametrize("name", assignments.names())
@pytest.mark.usefixtures("no_data")
def test_every_assignment_runs_quickly_on_a_stand_in(name, tmp_path):
    assert main(["run", name, "--quick", "--out", str(tmp_path)]) == 0
    spec, folder = assignments.get(name).quick(), tmp_path / f"{name}_quick"
    content = json.loads((folder / "results.json").read_text("utf-8"))
    assert content["complete"]
    assert list(content["runs"]) == [run.name for run in spec.runs]
    for figure in spec.figures:
        image = (folder / f"{figure.name}.png").read_bytes()
        assert image.startswith(SIGNATURE)
        assert len(image) > 10_000
    for run in spec.runs:
        if isinstance(run, Training):
            with (folder / f"{run.name}.csv").open(newline="") as file:
                assert len(list(csv.DictReader(file))) == run.epochs
    with (folder / "table.csv").open(newline="", encoding="utf-8") as file:
        answered = {line["id"] for line in csv.DictReader(file)}
    assert answered == {row for run in spec.runs for row in run.answers}
    assert set(content["files"]) == set(os.listdir(folder)) - {"results.json"}


@pytest.mark.parametrize("name", assignments.names())
def test_every_assignment_is_a_short_file_that_names_its_command(name):
    text = Path(assignments.__path__[0], f"{name}.py").read_text("utf-8")
    assert len(text.splitlines()) <= 40
    assert f"python -m experiments run {name}\n" in text


@pytest.mark.parametrize("name", assignments.names())
def test_names_within_an_assignment_are_its_own(name):
    spec = assignments.get(name)
    runs = [run.name for run in spec.runs]
    figures = [figure.name for figure in spec.figures]
    assert len(set(runs)) == len(runs)
    assert len(set(figures)) == len(figures)
    assert {figure.run for figure in spec.figures} <= set(runs)


def test_an_unknown_name_is_told_which_there_are():
    with pytest.raises(ValueError, match=r"must be one of .*dd2424_a1.*; got 'dd2424_a9'"):
        assignments.get("dd2424_a9")


@pytest.mark.real_data
@pytest.mark.skipif("FASTDL_DATA_DIR" not in os.environ, reason="FASTDL_DATA_DIR is not set")
def test_dd2424_a1_is_inside_its_bands():
    results = list(runner.run(assignments.get("dd2424_a1")))
    comparisons = compare.compare(results, compare.read())
    assert len(comparisons) == 12
    outside = [each for each in comparisons if each.verdict != "inside the band"]
    assert not outside
