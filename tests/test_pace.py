"""_loops/pace.pxd: how many threads, by times that are given instead of measured."""

import importlib.util
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
if not (SOURCE / "fastdl" / "_loops/pace.pxd").exists():
    pytest.skip("compiles a file of the source tree", allow_module_level=True)
MODULE = """
from fastdl._loops.pace cimport Pace, Stretch, learn, next_stretch

cdef class Worker:
    cdef Pace pace

    def stretch(self, n_threads, cost, batch):
        cdef Stretch stretch = next_stretch(&self.pace, n_threads)
        row = cost(stretch.threads)
        stretch.seconds = max(stretch.seconds, batch * row)
        rows = int(stretch.seconds / row)
        learn(&self.pace, &stretch, rows)
        return stretch.threads, stretch.seconds, rows
"""
BUILD = """
import sys
from Cython.Build import cythonize
from setuptools import Extension, setup

source = sys.argv.pop()
headers = [f"{source}/fastdl", f"{source}/fastdl/c"]
worker = Extension("pace_worker", ["pace_worker.pyx"], include_dirs=headers)
setup(ext_modules=cythonize([worker], include_path=[source], language_level=3, quiet=True))
"""
ROW = 1e-6  # seconds on one thread
COSTS = {  # seconds a row, by the threads
    "scales": lambda threads: ROW / threads,
    "scales to 4": lambda threads: ROW / min(threads, 4),
    "scales, and 8 of 16 have a neighbour": lambda threads: ROW / threads * (1 + (threads > 8)),
    "scales half": lambda threads: ROW / threads**0.5,
    "is best on 4": lambda threads: ROW / threads * (1 + threads**2 / 16),
    "loses": lambda threads: ROW * threads**0.7,
}
MOST = [2, 3, 12, 16, 64]  # threads


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


def work(worker, seconds, n_threads, cost, batch=10):
    """Work for so long; the stretches, each as its threads, its seconds and its rows."""
    stretches, left = [], seconds
    while left > 0:
        stretches.append(worker.stretch(n_threads, cost, batch))
        left -= stretches[-1][1]
    return stretches


def share(stretches, *threads):
    """Of the time, for so many threads."""
    total = sum(seconds for _, seconds, _ in stretches)
    return sum(seconds for taken, seconds, _ in stretches if taken in threads) / total


def levels(n_threads):
    return sorted({min(2**i, n_threads) for i in range(7)})


def excess(stretches, cost):
    """Their time, in times of what it would have been at this cost of a row."""
    return sum(s for _, s, _ in stretches) / (sum(rows for _, _, rows in stretches) * cost)


@pytest.mark.parametrize("n_threads", MOST)
@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
def test_the_fewest_threads_that_are_as_fast_as_any_are_found_and_kept(new_worker, n_threads, cost):
    worker, fastest = new_worker(), min(cost(threads) for threads in levels(n_threads))
    best = next(threads for threads in levels(n_threads) if cost(threads) <= 1.03 * fastest)
    found = work(worker, 1, n_threads, cost)
    assert share(found, best) > 0.85
    assert excess(found, fastest) < 1.05
    later = work(worker, 10, n_threads, cost)
    assert share(later, best) > 0.98
    assert {threads for threads, seconds, _ in later if seconds > 0.02} == {best}
    assert {threads for threads, _, _ in later} <= {
        best // 2,
        best,
        2 * best,
        *levels(n_threads)[-2:],
    }


@pytest.mark.parametrize("n_threads", MOST)
@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
@pytest.mark.parametrize("noise", [0.1, 0.2])
def test_noise_costs_little(new_worker, n_threads, cost, noise):
    """Of some short fits, beside the best number of threads."""
    fastest, found = min(cost(threads) for threads in levels(n_threads)), []
    for seed in range(15):
        rng = random.Random(seed)

        def noisy(threads, rng=rng):
            return cost(threads) * math.exp(rng.gauss(0, noise))

        found.append(excess(work(new_worker(), 2, n_threads, noisy), fastest))
    assert sorted(found)[7] < 1 + noise / 2
    assert max(found) < 1 + 2 * noise


@pytest.mark.parametrize("n_threads", MOST)
@pytest.mark.parametrize(("before", "after"), [("scales", "loses"), ("loses", "scales")])
def test_a_change_is_noticed_within_seconds(new_worker, n_threads, before, after):
    worker, best = new_worker(), n_threads if after == "scales" else 1
    work(worker, 10, n_threads, COSTS[before])
    work(worker, 3, n_threads, COSTS[after])
    assert share(work(worker, 10, n_threads, COSTS[after]), best) > 0.97


def test_neighbours_that_come_and_go(new_worker):
    worker, busy = new_worker(), COSTS["scales, and 8 of 16 have a neighbour"]
    for cost, best in [(COSTS["scales"], 16), (busy, 8)] * 3:
        work(worker, 2, 16, cost)
        assert share(work(worker, 3, 16, cost), best) > 0.95


def test_one_slow_stretch_changes_nothing(new_worker):
    worker, cost = new_worker(), COSTS["scales half"]
    work(worker, 5, 4, cost)
    while worker.stretch(4, cost, 10)[0] == 4:  # the next look is far away
        pass
    assert worker.stretch(4, lambda threads: 100 * cost(threads), 10)[0] == 4
    assert share(work(worker, 0.3, 4, cost), 4) > 0.9


def test_a_lasting_slowness_is_one(new_worker):
    """Fewer have become faster, though nobody has looked at them meanwhile."""
    worker, cost = new_worker(), COSTS["scales"]
    work(worker, 5, 2, cost)
    stretches = work(worker, 2, 2, lambda threads: 20 * ROW if threads > 1 else ROW)
    assert stretches[-1][0] == 1
    assert share(stretches, 2) < 0.25


def test_the_first_stretch_tells_nothing(new_worker):
    """It starts threads and touches memory: slow, and not for its rows."""
    worker = new_worker()
    assert worker.stretch(2, lambda threads: 1.0, 1)[0] == 2
    assert share(work(worker, 0.5, 2, COSTS["scales"]), 2) > 0.9


def test_batches_that_take_long_are_seldom_tried_on_fewer_threads(new_worker):
    """A look takes at least a batch: here one of 16 seconds on one thread."""
    stretches = work(new_worker(), 1000, 16, COSTS["scales"], batch=16_000_000)
    assert excess(stretches, ROW / 16) < 1.03
    assert {threads for threads, _, _ in stretches} == {8, 16}


def test_calls_with_fewer_threads_forget_nothing(new_worker):
    worker, cost = new_worker(), COSTS["scales"]
    work(worker, 2, 16, cost)
    assert share(work(worker, 2, 1, cost), 1) == 1
    assert share(work(worker, 2, 4, cost), 4) > 0.95
    assert share(work(worker, 2, 16, cost), 16) > 0.9


def test_a_stretch_without_rows_tells_nothing(new_worker):
    """Its first batch has had a loss that is not finite."""
    worker = new_worker()
    work(worker, 1, 2, COSTS["scales"])
    assert worker.stretch(2, lambda threads: math.inf, 0)[2] == 0
    assert share(work(worker, 1, 2, COSTS["scales"]), 2) > 0.9
