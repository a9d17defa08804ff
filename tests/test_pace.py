"""_loops/pace.pxd: one thread or all, by times that are given instead of measured."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
if not (SOURCE / "fastdl" / "_loops/pace.pxd").exists():
    pytest.skip("compiles a file of the source tree", allow_module_level=True)
MODULE = """
from fastdl._loops.pace cimport LOOK, STRETCH, Pace, learn, looks, takes_all

cdef class Worker:
    cdef Pace pace

    def stretch(self, one, everyone):
        takes = takes_all(&self.pace)
        seconds = LOOK if looks(&self.pace, takes) else STRETCH
        learn(&self.pace, takes, seconds, max(1, int(seconds / (everyone if takes else one))))
        return bool(takes), seconds
"""
BUILD = """
import sys
from Cython.Build import cythonize
from setuptools import Extension, setup

source = sys.argv.pop()
worker = Extension("pace_worker", ["pace_worker.pyx"], include_dirs=[f"{source}/fastdl"])
setup(ext_modules=cythonize([worker], include_path=[source], language_level=3, quiet=True))
"""
FAST, SLOW = 1e-6, 3e-6  # seconds a row


@pytest.fixture(scope="module")
def new_worker(tmp_path_factory):
    """Makes who works in stretches, and asks _loops/pace.pxd for the threads of each."""
    folder = tmp_path_factory.mktemp("pace")
    (folder / "pace_worker.pyx").write_text(MODULE)
    command = [sys.executable, "-c", BUILD, "-q", "build_ext", "--inplace", str(SOURCE)]
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    pipes = {"capture_output": True, "text": True}
    done = subprocess.run(command, cwd=folder, env=plain, check=False, **pipes)
    assert done.returncode == 0, done.stderr
    spec = importlib.util.spec_from_file_location("pace_worker", next(folder.glob("*.so")))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Worker


def work(worker, seconds, one, everyone):
    """Work for so long; the stretches, each as who did it and its seconds."""
    stretches, left = [], seconds
    while left > 0:
        stretches.append(worker.stretch(one, everyone))
        left -= stretches[-1][1]
    return stretches


def time_of(stretches, everyone):
    return sum(seconds for who, seconds in stretches if who == everyone)


@pytest.mark.parametrize("everyone_is_faster", [True, False])
def test_the_faster_is_taken_and_the_slower_looked_at_now_and_then(new_worker, everyone_is_faster):
    costs = (SLOW, FAST) if everyone_is_faster else (FAST, SLOW)
    stretches = work(new_worker(), 20, *costs)
    slower = not everyone_is_faster
    assert {seconds for who, seconds in stretches if who == everyone_is_faster} == {0.05, 0.005}
    assert time_of(stretches, slower) < 0.03 * 20
    assert sum(who == slower for who, _ in stretches[10:]) >= 10


@pytest.mark.parametrize("everyone_is_faster", [True, False])
def test_a_change_is_noticed_within_seconds(new_worker, everyone_is_faster):
    worker, costs = new_worker(), (SLOW, FAST) if everyone_is_faster else (FAST, SLOW)
    work(worker, 10, *costs)
    work(worker, 3, *costs[::-1])
    after = work(worker, 10, *costs[::-1])
    assert time_of(after, everyone_is_faster) < 0.03 * 10


def test_one_slow_stretch_changes_nothing(new_worker):
    worker = new_worker()
    work(worker, 0.5, SLOW, FAST)
    assert worker.stretch(SLOW, 100 * FAST) == (True, 0.05)
    assert {who for who, _ in work(worker, 0.3, SLOW, FAST)} == {True}


def test_a_lasting_slowness_is_one(new_worker):
    """The faster has become the slower, though nobody has looked at the other meanwhile."""
    worker = new_worker()
    work(worker, 0.5, 2 * FAST, FAST)
    stretches = work(worker, 2, 2 * FAST, 20 * FAST)
    assert not stretches[-1][0]
    assert time_of(stretches, True) < 0.5


def test_the_first_stretch_tells_nothing(new_worker):
    """It starts threads and touches memory: slow, and not for its rows."""
    worker = new_worker()
    assert worker.stretch(SLOW, 1.0)[0]
    assert time_of(work(worker, 0.5, SLOW, FAST), True) > 0.4
