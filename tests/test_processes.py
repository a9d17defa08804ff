"""What docs/promises.md says of processes: a child works whatever the parent did before, and
processes beside each other do not get in each other's way."""

import statistics
import subprocess
import sys

import pytest

from fastdl import _kernels, _threads
from tests import nightly
from tests.fresh import run_file, run_python

pytestmark = pytest.mark.timeout(nightly.count(300, 3600))

# Where threads hang, the alarm ends the process: the child fails instead of the test waiting.
WORK = """
import multiprocessing, os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import fastdl as fd

SECONDS = 5

def work():
    signal.alarm(SECONDS)
    x, y = np.random.default_rng(0).standard_normal((600, 60)), np.arange(600) % 10
    network = fd.Network([60, 140, 10])
    fd.Trainer(network, fd.SGD(0.1), batch_size=150, n_threads=2).fit(x, y)
    fd.ops.softmax(x, n_threads=2)
    answer = network.logits(x, n_threads=2).tobytes()
    signal.alarm(0)
    return answer

def child(expected):
    os._exit(work() != expected)

def fork(expected):
    pid = os.fork()
    if pid == 0:
        child(expected)
    return os.waitpid(pid, 0)[1] == 0

def process(method):
    def start(expected):
        process = multiprocessing.get_context(method).Process(target=child, args=(expected,))
        process.start()
        process.join()
        return process.exitcode == 0
    return start

def thread(expected):
    with ThreadPoolExecutor(2) as pool:
        return all(pool.submit(work).result() == expected for _ in range(2))

def loky(expected):
    from joblib import Parallel, delayed
    return Parallel(2, backend="loky")([delayed(work)()] * 2) == [expected] * 2

if __name__ == "__main__":
    name, times = sys.argv[1], int(sys.argv[2])
    start = {"os.fork": fork, "threads": thread, "loky": loky}.get(name) or process(name)
    expected = work()
    good = sum(start(expected) for _ in range(times))
    assert work() == expected
    print(good)
"""
METHODS = ["os.fork", "fork", "spawn", "forkserver", "loky", "threads"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.needs("fork", "signals")
def test_a_child_trains_and_predicts_within_5_seconds(method, tmp_path):
    """After its parent has had threads, and with the parent's bits."""
    if method == "loky":
        pytest.importorskip("joblib")
    times = nightly.count(2, 50)
    script = tmp_path / "script.py"  # what is spawned imports its parent's file
    script.write_text(WORK)
    good = int(run_file(script, method, str(times), timeout=30 + 10 * times))
    nightly.report(f"children by {method}", children=times, good=good)
    assert good == times


FORKED_DURING_A_FIT = """
import os, signal, threading
import numpy as np
from threadpoolctl import threadpool_info
import fastdl as fd

def blas():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

class Wait(fd.Callback):
    def on_epoch(self, run):
        begun.set()
        go_on.wait()

x, y = np.ones((50, 5)), np.zeros(50, int)
trainer = fd.Trainer(fd.Network([5, 20, 2]), fd.SGD(0.1))
begun, go_on, before = threading.Event(), threading.Event(), blas()
thread = threading.Thread(target=trainer.fit, args=(x, y), kwargs={"callbacks": [Wait()]})
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    signal.alarm(5)
    trainer.fit(x, y)
    os._exit(blas() != before)
status = os.waitpid(child, 0)[1]
go_on.set()
thread.join()
trainer.fit(x, y)
assert status == 0 and blas() == before
"""


@pytest.mark.needs("fork", "signals")
def test_a_child_forked_during_a_fit_of_another_thread_holds_nothing():
    run_python(FORKED_DURING_A_FIT)


FORKED_AFTER_THREADS = """
import os, signal
import numpy as np
import fastdl as fd

def started():
    before = len(os.listdir("/proc/self/task"))
    fd.ops.softmax(np.ones((2000, 10)), n_threads=3)
    return len(os.listdir("/proc/self/task")) - before

assert started() == 2 and started() == 0
child = os.fork()
if child == 0:
    signal.alarm(5)
    os._exit(10 * started() + started())
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.needs("fork", "proc")
def test_a_forked_child_starts_its_own_threads_unless_they_are_those_of_openmp():
    assert int(run_python(FORKED_AFTER_THREADS)) == (0 if _kernels.OPENMP else 20)


FORKED_DURING_CALLS = """
import os, signal, threading
import numpy as np
import fastdl as fd

x = np.random.default_rng(0).standard_normal((2000, 60))
y, network = np.arange(2000) % 10, fd.Network([60, 140, 10])
expected, ended = network.logits(x).tobytes(), threading.Event()

def call():
    own = network.copy()
    while not ended.is_set():
        fd.Trainer(own, fd.SGD(0.1), n_threads=3).fit(x, y)

threads = [threading.Thread(target=call) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range({times}):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(network.logits(x, n_threads=3).tobytes() != expected)
    assert os.waitpid(child, 0)[1] == 0
ended.set()
for thread in threads:
    thread.join()
"""


@pytest.mark.needs("fork", "signals")
def test_a_child_forked_while_threads_are_at_work_has_its_own():
    run_python(FORKED_DURING_CALLS.format(times=nightly.count(10, 500)), timeout=3000)


# --- processes beside each other -------------------------------------------------------------

WORKER = """
import sys, time
import numpy as np
import fastdl as fd

x = np.random.default_rng(0).standard_normal((2560, 784)).astype(np.float32)
y, network = np.arange(2560) % 10, fd.Network([784, 128, 10])
print("ready", flush=True)
for line in sys.stdin:
    trainer = fd.Trainer(network, fd.SGD(1e-3), n_threads=eval(line))
    began, end = time.process_time(), time.perf_counter() + 0.3
    while time.perf_counter() < end:
        trainer.fit(x, y, record=None)
    print(trainer.n_steps, time.process_time() - began, flush=True)
"""


def steps_a_second(workers, n_threads):
    """Of all workers at once, a second of a core: others that want the cores change it little."""
    for worker in workers:
        worker.stdin.write(f"{n_threads}\n")
        worker.stdin.flush()
    found = [map(float, worker.stdout.readline().split()) for worker in workers]
    steps, seconds = map(sum, zip(*found, strict=True))
    return steps / seconds


@pytest.mark.alone
def test_processes_with_default_threads_keep_up_with_the_best_setting():
    """As many processes as cores: as many threads as cores in each, or one, or two."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", WORKER]
    workers = [subprocess.Popen(command, **pipes) for _ in range(_threads.available())]
    try:
        assert {worker.stdout.readline() for worker in workers} == {"ready\n"}
        shares = []  # the three take turns: a median of ratios, as others want the cores at times
        for _ in range(40):
            steps = {n_threads: steps_a_second(workers, n_threads) for n_threads in (None, 1, 2)}
            shares.append(steps[None] / max(steps[1], steps[2]))
            share = statistics.median(shares)
            if len(shares) > 2 and share >= 0.9 and not nightly.LONG:
                break
    finally:
        for worker in workers:
            worker.communicate()
    nightly.report("processes side by side", processes=len(workers), share=share)
    assert share >= 0.9
