"""``new`` begins an assignment that runs as it stands, with bands of its own."""

import csv
import sys

import pytest

from experiments import assignments, new, reported
from experiments.commands import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, where new assignments go."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("mine", "other"):
        sys.modules.pop(f"experiments.assignments.{name}", None)


@pytest.mark.usefixtures("no_data", "sketches")
def test_what_it_writes_runs_and_is_judged_by_its_own_bands(folder, capsys):
    assert main(["new", "mine"]) == 0
    advice = "python -m experiments run ./mine.py --quick"
    assert advice in capsys.readouterr().out
    assert advice in (folder / "mine.py").read_text()
    out = folder / "out"
    assert main(["run", "./mine.py", "--quick", "--out", str(out)]) == 0
    with (out / "mine" / "table.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["band_low"], row["band_high"]) == ("mine-1", "0.36", "0.4")
    figures = {"first_curves.png", "first_templates.png", "penalties_scatter.png"}
    assert figures <= {path.name for path in (out / "mine").iterdir()}


def test_bands_are_those_of_one_assignment(folder):
    for name in ("mine", "other"):
        new.write(name)
        assert assignments.named(f"./{name}.py") == name
    assert "mine-1" in {row.id for row in reported.of("mine")}
    assert "other-1" not in {row.id for row in reported.of("mine")}
    assert reported.of("dd2424_a1") == reported.read()


@pytest.mark.parametrize("name", ["", "Mine", "a b", "9a", "class", "_mine", "../9a"])
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


def test_a_path_is_the_folder_and_the_name(folder):
    (folder / "course").mkdir()
    assert main(["new", "course/mine.py"]) == 0
    assert {path.name for path in (folder / "course").iterdir()} == {"mine.py", "mine.csv"}


@pytest.mark.usefixtures("no_data", "sketches")
def test_results_find_their_file_again(folder, capsys):
    """In another process, that is, where no command has taken it in."""
    new.write("mine")
    out = ["--out", str(folder / "out")]
    assert main(["run", "./mine.py", "--quick", "--seeds", "1", *out]) == 0
    for name in ([], ["mine"], ["./mine.py"]):
        sys.modules.pop("experiments.assignments.mine")
        capsys.readouterr()
        assert main(["compare", *name, *out]) == 0
        assert "mine-1" in capsys.readouterr().out
    sys.modules.pop("experiments.assignments.mine")
    (folder / "mine.py").rename(folder / "other.py")
    assert main(["compare", *out]) == 1
    said = capsys.readouterr().err
    assert "the file of an assignment must be there" in said
    assert f"remove {folder / 'out' / 'mine'} to leave its results out" in said


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("mine.py", None, "the file of an assignment must be there; got './mine.py'"),
        ("9.py", "", "must be named like one of Python"),
        ("dd2424_a1.py", "", "dd2424_a1 is one of the project's: rename the file"),
        ("mine.py", "x = 1 / 0", "mine.py ends with ZeroDivisionError in line 1: division by zero"),
        ("mine.py", "x = (", "ends with SyntaxError"),
        ("mine.py", "", "mine.py must hold SPEC = Assignment(...); got None"),
        (
            "mine.py",
            "class Assignment: pass\nSPEC = Assignment()",
            "import Assignment; it has that",
        ),
    ],
)
def test_a_file_that_is_no_assignment(name, text, message, folder, capsys):
    if text is not None:
        (folder / name).write_text(text)
    with pytest.raises(SystemExit) as stop:
        main(["run", f"./{name}"])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_name_that_is_a_file_here(folder, capsys):
    new.write("mine")
    with pytest.raises(SystemExit):
        main(["run", "mine"])
    assert "did you mean ./mine.py?" in capsys.readouterr().err
