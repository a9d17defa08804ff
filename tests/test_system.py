"""_system.py: what systems differ in, and that nothing else asks which one it is."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastdl as fd
from fastdl import _system
from tests.fresh import run_python

SOURCE = Path(fd.__file__).parent

WITHOUT = """
import os, sys
for name in ("register_at_fork", "fork", "sched_getaffinity", "sched_setaffinity"):
    vars(os).pop(name, None)
sys.modules["fcntl"] = sys.modules["resource"] = None
import fastdl as fd
from fastdl import _system
{test}
"""
WINDOWS = """
import types
held = []
def locking(descriptor, how, size):
    held.append((how, size))
    if len(held) < 3:
        raise PermissionError("another process has it")
sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=7, locking=locking)
from pathlib import Path
with _system.alone(Path({path!r})):
    assert Path({path!r}).exists() and held == [(7, 1)] * 3
assert not Path({path!r}).exists()
assert _system.cores() == os.cpu_count()
print("imported")
"""
SAVE = """
import numpy as np
folders = []
_system.os = type("nt", (), vars(os) | {{"name": "nt", "open": folders.append}})
fd.Network([2, 3]).save({path!r})
assert not folders
print(fd.Network.load({path!r}).logits(np.ones((1, 2))).shape)
"""


def test_the_package_imports_without_forks_fcntl_and_affinity(tmp_path):
    """As on Windows, where a lock is tried until it is free."""
    code = WITHOUT.format(test=WINDOWS.format(path=str(tmp_path / "lock")))
    assert run_python(code) == "imported\n"


def test_a_network_is_saved_where_folders_cannot_be_synced(tmp_path):
    code = WITHOUT.format(test=SAVE.format(path=str(tmp_path / "network")))
    assert run_python(code) == "(1, 3)\n"


HOLD = """
import sys, time
from pathlib import Path
from fastdl import _system
for _ in range(20):
    with _system.alone(Path(sys.argv[1])), open(sys.argv[2], "r+") as file:
        number = int(file.read())
        time.sleep(0.001)
        file.seek(0)
        file.write(str(number + 1))
"""


def test_one_process_at_a_time_holds_a_lock(tmp_path):
    lock, count = tmp_path / "lock", tmp_path / "count"
    count.write_text("0")
    command = [sys.executable, "-c", HOLD, str(lock), str(count)]
    started = [subprocess.Popen(command) for _ in range(4)]
    assert [one.wait(60) for one in started] == [0] * 4
    assert count.read_text() == "80"
    assert os.listdir(tmp_path) == ["count"]


def test_an_error_frees_the_lock(tmp_path):
    lock = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), _system.alone(lock):
        1 / 0  # noqa: B018 - it raises
    with _system.alone(lock):
        assert lock.exists()


def test_no_other_module_asks_which_system_it_is():
    asks = re.compile(r"os\.(name|fork|register_at_fork|sched_\w+|uname)\b|sys\.platform|\bfcntl\b")
    found = {p.name for p in SOURCE.rglob("*.py") if asks.search(p.read_text("utf-8"))}
    assert found - {"_system.py"} == set()


def test_no_file_of_tests_needs_what_windows_lacks_to_be_read():
    """What a test needs beyond that is said by the marker needs."""
    lacking = {"fcntl", "grp", "pty", "pwd", "resource", "termios"}
    for path in Path(__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Import):
                assert lacking.isdisjoint(name.name for name in node.names), path
