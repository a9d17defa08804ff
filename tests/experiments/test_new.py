"""``new`` begins an assignment that runs as it stands, with bands of its own."""

import csv
import sys

import pytest

from experiments import assignments, new, reported
from experiments.__main__ import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of assignments beside the project's own, where new ones go."""
    monkeypatch.setattr(assignments, "__path__", [*assignments.__path__, str(tmp_path)])
    monkeypatch.setattr(assignments, "__file__", str(tmp_path / "__init__.py"))
    yield tmp_path
    sys.modules.pop("experiments.assignments.mine", None)


@pytest.mark.usefixtures("no_data")
def test_what_it_writes_runs_and_is_judged_by_its_own_bands(folder, capsys):
    assert main(["new", "mine"]) == 0
    assert "python -m experiments run mine --quick" in capsys.readouterr().out
    out = folder / "out"
    assert main(["run", "mine", "--quick", "--out", str(out)]) == 0
    with (out / "mine" / "table.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["band_low"], row["band_high"]) == ("mine-1", "0.36", "0.4")
    figures = {"first_curves.png", "first_templates.png", "penalties_scatter.png"}
    assert figures <= {path.name for path in (out / "mine").iterdir()}


def test_bands_are_those_of_one_assignment(folder):
    new.write("mine")
    new.write("other")
    assert "mine-1" in {row.id for row in reported.of("mine")}
    assert "other-1" not in {row.id for row in reported.of("mine")}
    assert reported.of("dd2424_a1") == reported.read()


@pytest.mark.parametrize("name", ["", "Mine", "a b", "9a", "class", "_mine", "a/b", "../a"])
def test_a_name_that_is_none(name, folder, capsys):
    with pytest.raises(SystemExit):
        main(["new", name])
    assert "a name must be small letters" in capsys.readouterr().err
    assert not list(folder.iterdir())


def test_nothing_is_written_over(folder, capsys):
    assert main(["new", "mine"]) == 0
    (folder / "mine.py").write_text("mine")
    with pytest.raises(SystemExit):
        main(["new", "mine"])
    assert "a name must be new; got 'mine'" in capsys.readouterr().err
    assert (folder / "mine.py").read_text() == "mine"


def test_a_folder_that_cannot_be_written(folder, monkeypatch, capsys):
    monkeypatch.setattr(assignments, "__file__", str(folder / "none" / "__init__.py"))
    assert main(["new", "mine"]) == 1
    assert str(folder / "none") in capsys.readouterr().err
