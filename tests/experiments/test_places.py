"""Names that are wrong are told what may be meant; paths that cannot be used, why, at once."""

import json
import os
import stat

import pytest

from experiments import places
from experiments.commands import main

CHECK = ["check", "dd2424_a1", "--run", "lambda=.1, eta=.001"]
WORKER = ["worker", "--storage", "sqlite:///trials.db"]
# Every option that takes a path: a command that has it, and what it is given.
READS = {
    "--curve": CHECK,
    "--weights": CHECK,
    "--folder": ["check"],
    "--data-dir": ["run", "dd2424_a1"],
    "search --data-dir": ["search", "dd2424_a2"],
    "worker --data-dir": WORKER,
    "check --data-dir": ["check", "dd2424_a1", "--make"],
    "compare --out": ["compare"],
    "report --out": ["report"],
}
WRITES = {
    "run --out": ["run", "dd2424_a1"],
    "search --out": ["search", "dd2424_a2"],
    "worker --out": WORKER,
    "--csv": ["check", "--folder", "."],
    "--page": ["check", "dd2424_a1"],
}
FILES = ("--curve", "--weights", "--csv", "--page")


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """refused(*arguments): the one sentence by which a command ends, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTDL_DATA_DIR", str(tmp_path / "no data"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    def there():
        return {path for path in tmp_path.iterdir() if path.name != "out"}

    before = there()

    def do(*arguments):
        try:
            code = main([*map(str, arguments)])
        except SystemExit as stop:
            code = stop.code
        assert code in (1, 2)
        line, *more = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert len(more) <= 1  # where help is
        assert there() == before  # nothing has begun
        return line

    return do


@pytest.mark.parametrize("name", READS)
def test_what_cannot_be_read_is_refused(name, refused):
    option = name.split()[-1]
    kind = "file" if option in FILES else "folder"
    for given in ("none", "none/at all", "folder" if kind == "file" else "file"):
        line = refused(*READS[name], option, given)
        assert f"{option}: must be a {kind} that can be read; got {given!r} (" in line
        assert line.endswith("give the path of one")


@pytest.mark.needs("proc")
@pytest.mark.parametrize("name", WRITES)
def test_what_cannot_be_written_is_refused(name, refused):
    option = name.split()[-1]
    kind = "file" if option in FILES else "folder"
    for given in ("/proc/mine", "file/mine", "folder" if kind == "file" else "file"):
        line = refused(*WRITES[name], option, given)
        assert f"{option}: must be a {kind} that can be written; got {given!r} (" in line
        assert "give another path" in line


@pytest.mark.needs("posix")
def test_what_is_closed_is_refused(refused, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("nothing is closed to root")
    closed = tmp_path / "folder"
    closed.chmod(stat.S_IRUSR)
    assert "(Permission denied)" in refused("run", "dd2424_a1", "--out", closed)
    closed.chmod(stat.S_IRWXU)


@pytest.mark.needs("proc")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "dd2424_a1", "--storage", "sqlite:////proc/a/b.db"], "give another --storage"),
        (["run", "dd2424_a1", "--storage", "sqlit:///b.db"], "did you mean sqlite?"),
        (["worker", "--storage", "postgres://x/y"], "did you mean postgresql?"),
        (["worker", "--storage", "sqlite:///none.db"], "give the --storage of a search"),
        (["new", "none/mine"], "the folder of a new assignment must be there; got 'none', make it"),
        (["new", "/proc/mine"], "/proc/mine.py cannot be (No such file or directory)"),
        (["run", "none/mine.py"], "the file of an assignment must be there; got 'none/mine.py'"),
    ],
)
def test_other_places(arguments, message, refused, tmp_path):
    out = ["--out", "out"] if arguments[0] != "new" and "mine" not in arguments[1] else []
    assert message in refused(*arguments, *out)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["chect"], "check"),
        (["run", "dd2424a1"], "dd2424_a1"),
        (["search", "hw2_regresion"], "hw2_regression"),
        (["check", "dd2424_A1"], "dd2424_a1"),
        (["run", "dd2424_a1", "--sedes", "3"], "--seeds"),
        ([*CHECK, "--test-acuracy", "35.9"], "--test-accuracy"),
        (["check", "dd2424_a1", "--run", "lamda=.1"], "lambda"),
        (["check", "dd2424_a1", "--run", "lambda0.1_eta.001"], "lambda0.1_eta0.001"),
        (["check", "dd2424_a1", "--run", "lambda=.2, eta=.001"], "lambda0.1_eta0.001"),
        ([*CHECK, "--curve", "fil"], "file"),
        (["run", "dd2424_a1", "--data-dir", "foldr"], "folder"),
    ],
)
def test_a_wrong_name_is_told_what_may_be_meant(arguments, meant, refused):
    assert refused(*arguments).endswith(f"; did you mean {meant}?")


def test_what_else_may_be_meant(tmp_path, capsys):
    (tmp_path / "my.csv").write_text("epoch,tset_accuracy,train_accuracy\n40,35.9,45\n")
    assert main([*CHECK, "--curve", str(tmp_path / "my.csv")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "not compared: tset_accuracy (did you mean test_accuracy?)." in said
    held = {"assignment": "dd2424_a1", "test_acuracy": 35.9}
    (tmp_path / "ann.json").write_text(json.dumps(held))
    assert main(["check", "--folder", str(tmp_path)]) == 0
    assert "got 'test_acuracy'; did you mean test_accuracy?" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["session.json", "results.json"])
def test_a_damaged_file_of_results_is_named(name, tmp_path, capsys, monkeypatch):
    (tmp_path / "dd2424_a1").mkdir()
    (tmp_path / "dd2424_a1" / name).write_text("{")
    monkeypatch.setenv("FASTDL_DATA_DIR", str(tmp_path / "no data"))
    assert main(["run", "dd2424_a1", "--quick", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'dd2424_a1' / name} must be as run has written it; it is damaged" in said
    assert f"remove {tmp_path / 'dd2424_a1'} and run again" in said


def test_what_can_be_written_is_left_as_it_was(tmp_path):
    assert places.new_folder(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert places.new_file(str(tmp_path / "c.csv")) == tmp_path / "c.csv"
    assert not list(tmp_path.iterdir())
