import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import assignments, search
from experiments.commands import main

ROOT = Path(__file__).parents[2]
MADE_UP = '''
"""Made up in a test: two learning rates for a linear classifier.

    python -m experiments run ./mine.py
"""

from dataclasses import replace

import fastdl as fd

from ..spec import Assignment, Curves, Scatter, Search, Templates
from . import dd2424_a1

RUN = replace(
    dd2424_a1.FIRST, name="mine", title="my run", answers=("1-2",), optimiser=fd.SGD(0.001),
    data=replace(dd2424_a1.DATA, rows=200), epochs=2,
)
SEARCH = Search(name="penalties", title="my search", base=RUN, axes={"l2": (0.001, 0.01, 0.1)})

SPEC = Assignment(
    title="My assignment",
    asked="Whether a new file is enough.",
    items=(RUN, SEARCH),
    figures=(
        Curves(of=("mine",), caption="Learning curves."),
        Templates(of=("mine",), caption="The weights."),
        Scatter(of=("penalties",), caption="Accuracy against the penalty."),
    ),
)
'''
# The shell may have told its children to ignore Ctrl-C.
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from experiments.commands import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with an assignment in it: ``mine.py``."""
    (tmp_path / "mine.py").write_text(MADE_UP)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("experiments.assignments.mine", None)


def test_list(capsys):
    assert main(["list"]) == 0
    assert "dd2424_a1  " in capsys.readouterr().out


def test_a_file_that_is_no_assignment_is_named(folder, monkeypatch, capsys):
    """Of those of the project, while somebody writes a new one there."""
    (folder / "mine.py").write_text("SPEC = 3\n")
    assignments.named("./mine.py")
    monkeypatch.setattr(assignments, "names", lambda: ["mine", "dd2424_a1"])
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "mine.py must hold SPEC = Assignment(...); got 3" in said
    assert "DD2424 assignment 1" in said


@pytest.mark.usefixtures("no_data", "sketches")
def test_a_new_file_is_a_new_assignment(folder, capsys):
    assert len(MADE_UP.strip().splitlines()) <= 40
    out = folder / "out"
    arguments = ["--out", str(out)]
    assert main(["run", "./mine.py", "--quick", "--seeds", "2", "-v", *arguments]) == 0
    figures = {"mine_curves.png", "mine_templates.png", "penalties_scatter.png"}
    assert figures <= {path.name for path in (out / "mine").iterdir()}
    with (out / "mine" / "table.csv").open(newline="", encoding="utf-8") as file:
        assert [line["id"] for line in csv.DictReader(file)] == ["1-2"]
    page = (out / "report.html").read_text("utf-8")
    assert "Whether a new file is enough." in page
    assert page.count("<img") >= len(figures)
    said = capsys.readouterr().out
    assert "My assignment (mine)" in said
    assert "not judged" in said
    assert "1 runs and searches are cut" in said
    assert "my search: 2 of 3 settings" in page
    assert "-m fastdl.datasets download cifar10" in said

    (out / "report.html").unlink()
    assert main(["compare", *arguments]) == 0
    assert "1-2" in capsys.readouterr().out
    assert main(["report", "mine", *arguments]) == 0
    assert (out / "report.html").exists()


@pytest.mark.usefixtures("no_data", "sketches")
def test_resume_does_only_what_is_missing(folder, monkeypatch, capsys):
    done = []
    original = search.do

    def counted(trials, shared, **settings):
        done.append(len(trials))
        original(trials, shared, **settings)

    monkeypatch.setattr(search, "do", counted)
    arguments = ["./mine.py", "--out", str(folder / "out"), "--seeds"]
    assert main(["search", *arguments, "1"]) == 0
    said = capsys.readouterr().out
    assert "My assignment (mine)" in said
    assert "my search: best by validation accuracy" in said
    assert f"results of the trials: {folder / 'out' / 'trials'}" in said
    assert main(["run", *arguments, "1", "--resume"]) == 0
    assert done == [4]
    assert main(["run", *arguments, "2", "--resume"]) == 0
    assert "shown with all" not in capsys.readouterr().out
    assert main(["run", *arguments, "1"]) == 0
    assert done == [4, 4, 4]
    assert "mine is shown with all 2 seeds that are stored" in capsys.readouterr().out
    assert main(["compare", "--out", str(folder / "out")]) == 0
    assert "my run (2 seeds)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "dd2424_a9"], "must be one of dd2424_a1"),
        (["run", "dd2424_a2", "--year", "2019"], "--year must be left out with dd2424_a2"),
        (["run", "dd2424_a1", "--year", "2018"], "--year must be 2019 with dd2424_a1"),
        (["run", "--all", "--year", "2019"], "--year goes with names"),
        (["compare", "--quick", "--out", "."], "not allowed with"),
        (["run"], "either names of assignments or --all"),
        (["run", "dd2424_a1", "--all"], "either names of assignments or --all"),
        (["run", "dd2424_a1", "--seeds", "0"], "whole number from 1 on; got '0'"),
        (["run", "dd2424_a1", "--jobs", "-1"], "whole number from 0 on; got '-1'"),
        (["worker"], "--storage"),
        (["search", "dd2424_a1"], "dd2424_a1 has no searches; use run"),
        ([], "required"),
    ],
)
@pytest.mark.usefixtures("no_data")
def test_wrong_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_what_was_not_run_cannot_be_compared(tmp_path, capsys):
    assert main(["compare", "dd2424_a1", "--out", str(tmp_path)]) == 1
    assert "must hold results of dd2424_a1; got none, run it first" in capsys.readouterr().err


@pytest.mark.needs("signals")
def test_ctrl_c_keeps_what_is_finished(tmp_path):
    command = [sys.executable, "-c", COMMAND, "run", "dd2424_a1", "--out", str(tmp_path)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "FASTDL_DATA_DIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "trials").glob("*.npz")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in error
    assert "Traceback" not in error
    finished = list((tmp_path / "trials").iterdir())
    assert finished
    assert not [path for path in finished if path.name.startswith(".")]


def test_what_shows_no_trials_starts_without_the_packages_for_them():
    code = (
        "import sys; from experiments.commands import main\n"
        "main(['check', 'dd2424_a1', '--test-accuracy', '39', '--run', 'lambda=0, eta=.001'])\n"
        "sys.exit(bool({'optuna', 'sqlalchemy', 'matplotlib'} & {*sys.modules}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
