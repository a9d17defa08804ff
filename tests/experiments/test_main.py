import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import assignments
from experiments.__main__ import main

ROOT = Path(__file__).parents[2]
MADE_UP = """
from dataclasses import replace
from experiments.assignments.dd2424_a1 import FIRST
from experiments.spec import Assignment, Curves
RUN = replace(FIRST, name="mine", title="my run", answers=())
SPEC = Assignment(title="My assignment", runs=(RUN,), figures=(Curves("mine"),))
"""
# The shell may have told its children to ignore Ctrl-C.
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from experiments.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of assignments beside the project's own, with one in it: ``mine``."""
    (tmp_path / "mine.py").write_text(MADE_UP)
    monkeypatch.setattr(assignments, "__path__", [*assignments.__path__, str(tmp_path)])
    yield tmp_path
    sys.modules.pop("experiments.assignments.mine", None)


def test_list(capsys):
    assert main(["list"]) == 0
    assert "dd2424_a1  " in capsys.readouterr().out


@pytest.mark.usefixtures("no_data")
def test_a_new_file_is_a_new_assignment(folder, capsys):
    assert main(["run", "mine", "--quick", "--seed", "3", "--out", str(folder / "out")]) == 0
    assert {path.name for path in (folder / "out" / "mine_quick").iterdir()} == {
        "results.json", "table.csv", "mine.csv", "mine_curves.png"
    }  # fmt: skip
    out = capsys.readouterr().out
    assert "My assignment (mine)" in out
    assert "my run: test accuracy" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "dd2424_a9"], "must be one of dd2424_a1"),
        (["run"], "either names of assignments or --all"),
        (["run", "dd2424_a1", "--all"], "either names of assignments or --all"),
        (["run", "dd2424_a1", "--seed", "-1"], "whole number from 0 on; got '-1'"),
        ([], "required"),
    ],
)
def test_wrong_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["data", "out"])
@pytest.mark.usefixtures("no_data")
def test_failures_are_one_sentence(name, tmp_path, capsys):
    (tmp_path / "file").touch()
    where = {"data": ["--data-dir", str(tmp_path)], "out": ["--out", str(tmp_path / "file")]}
    assert main(["run", "dd2424_a1", "--quick", *where[name]]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert str(tmp_path) in line


def test_ctrl_c_keeps_what_is_finished(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "run", "dd2424_a1", "--out", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "FASTDL_DATA_DIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    described = tmp_path / "dd2424_a1" / "results.json"
    deadline = time.monotonic() + 60
    while not described.exists():  # the gradient check is finished
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in error
    assert str(tmp_path) in error
    assert "Traceback" not in error
    content = json.loads(described.read_text("utf-8"))
    assert not content["complete"]
    assert "gradient_check" in content["runs"]
    assert not list(described.parent.glob(".*"))
