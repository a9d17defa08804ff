"""_threads.py and what it promises: BLAS gets its threads back, several threads may use one model,
a forked child works, Ctrl-C is heard."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import fastdl as fd
from fastdl import _kernels, _threads

WIDTHS = [60, 140, 10]


@pytest.fixture
def problem(rng):
    return rng.standard_normal((600, 60)).astype(np.float32), rng.integers(0, 10, 600)


def trained(problem, seed=0, n_threads=2, callbacks=()):
    """The bits of a network after two epochs, and the network."""
    network = fd.Network(WIDTHS, seed=seed)
    trainer = fd.Trainer(network, fd.SGD(0.1, momentum=0.9), batch_size=150, n_threads=n_threads)
    trainer.fit(*problem, epochs=2, callbacks=callbacks)
    return [p.tobytes() for p in network.parameters.values()], network


def run_python(code, timeout=60, **environment):
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, timeout=timeout,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- how many threads ------------------------------------------------------------------------


def test_resolve_takes_a_wish_and_else_as_many_as_help(monkeypatch):
    monkeypatch.setattr(_kernels, "OPENMP", True)
    monkeypatch.setattr(_threads, "available", lambda: 4)
    assert [_threads.resolve(wish, 0) for wish in (1, 3, 64)] == [1, 3, 64]
    work = _threads.WORK_PER_THREAD
    found = [_threads.resolve(None, int(work * share)) for share in (0, 0.5, 1, 2.5, 3, 1e6)]
    assert found == [1, 1, 1, 2, 3, 4]
    monkeypatch.setattr(_threads, "available", lambda: 1000)
    assert _threads.resolve(None, 10**12) == _threads.MOST


@pytest.mark.parametrize(("module", "name", "value"), [
    (_threads, "_forked", True), (_kernels, "OPENMP", False),
])  # fmt: skip
def test_resolve_gives_one_thread_where_there_can_be_no_more(monkeypatch, module, name, value):
    monkeypatch.setattr(module, name, value)
    assert [_threads.resolve(wish, 10**12) for wish in (None, 1, 8)] == [1, 1, 1]
    with pytest.raises(ValueError, match="n_threads"):
        _threads.resolve(0, 1)


@pytest.mark.parametrize(
    ("wish", "found"), [("1", 1), ("2,1", 2), ("9", 4), ("", 4), ("many", 4), ("0", 1)]
)
def test_no_more_threads_than_cores_or_the_environment_wants(monkeypatch, wish, found):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", wish)
    assert _threads.available() == found


SAME = """
import numpy as np, os, zlib
import fastdl as fd
if {cores} and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:{cores}])
    assert fd._threads.available() == {cores}
x = np.random.default_rng(0).standard_normal((600, 60))
network = fd.Network([60, 140, 10])
fd.Trainer(network, fd.SGD(0.1), batch_size=150, n_threads={n_threads}).fit(x, np.arange(600) % 10)
print(zlib.crc32(network.logits(x, n_threads={n_threads}).tobytes()))
"""


def test_what_the_system_grants_changes_no_bits():
    """Fewer threads than asked for, fewer cores than threads."""
    expected = run_python(SAME.format(cores=0, n_threads=1))
    for environment in ({"OMP_THREAD_LIMIT": "1"}, {"OMP_DYNAMIC": "true", "OMP_NUM_THREADS": "1"}):
        assert run_python(SAME.format(cores=0, n_threads=3), **environment) == expected
    assert run_python(SAME.format(cores=1, n_threads=5)) == expected


# --- who owns the cores ----------------------------------------------------------------------


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def two_blas_threads():
    with threadpool_limits(2, user_api="blas"):
        yield
        assert blas_threads() == {2}


class Watch(fd.Callback):
    """Looks at BLAS after an epoch, and raises if told to."""

    def __init__(self, error=None):
        self.error, self.seen = error, []

    def on_epoch(self, run):
        self.seen.append(blas_threads())
        if self.error:
            raise self.error


@pytest.mark.usefixtures("two_blas_threads")
@pytest.mark.parametrize("error", [None, ZeroDivisionError("mine"), KeyboardInterrupt()])
def test_a_fit_holds_blas_to_one_thread_and_gives_it_back(problem, error):
    watch = Watch(error)
    with pytest.raises(type(error)) if isinstance(error, Exception) else ExitStack():
        trained(problem, callbacks=[watch])
    assert watch.seen == [{1}] * (2 if error is None else 1)


@pytest.mark.usefixtures("two_blas_threads")
@pytest.mark.parametrize("how", ["predict", "predict_proba", "logits", "evaluate", "gradients"])
def test_every_answer_gives_blas_back(problem, how):
    x = problem[0]
    network = fd.Network(WIDTHS)
    arguments = problem if how in ("evaluate", "gradients") else [x]
    getattr(network, how)(*arguments)
    assert blas_threads() == {2}
    if how == "predict":
        with pytest.raises(ValueError, match="row 0"):
            network.predict(x * np.nan)


@pytest.mark.usefixtures("two_blas_threads")
def test_the_last_of_several_holders_gives_blas_back():
    first, second = ExitStack(), ExitStack()
    first.enter_context(_threads.serial_blas())
    second.enter_context(_threads.serial_blas())
    first.close()
    assert blas_threads() == {1}
    second.close()
    assert blas_threads() == {2}


# --- several threads of Python ---------------------------------------------------------------


def test_predictions_of_eight_threads_are_the_serial_ones(problem):
    x, _ = problem
    network = fd.Network(WIDTHS)
    labels, logits = network.predict(x).tobytes(), network.logits(x).tobytes()

    def answer(_):
        return network.predict(x).tobytes() == labels and network.logits(x).tobytes() == logits

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(answer, range(40)))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_two_networks_train_at_once(problem, n_threads):
    expected = [trained(problem, seed)[0] for seed in range(4)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda seed: trained(problem, seed, n_threads)[0], range(4)))
    assert found == expected


def test_a_second_fit_at_the_same_time_is_refused(problem):
    begun, go_on = threading.Event(), threading.Event()

    class Wait(fd.Callback):
        def on_epoch(self, run):
            begun.set()
            assert go_on.wait(60)

    network = fd.Network(WIDTHS)
    trainer, other = (fd.Trainer(network, fd.SGD(0.1)) for _ in range(2))
    thread = threading.Thread(target=lambda: trainer.fit(*problem, callbacks=[Wait()]))
    thread.start()
    assert begun.wait(60)
    try:
        for refused in (trainer.fit, other.fit, other.range_test):
            with pytest.raises(RuntimeError, match="being fitted already"):
                refused(*problem)
        assert len(network.predict(problem[0])) == 600
        assert len(fd.Trainer(network.copy(), fd.SGD(0.1)).fit(*problem)) == 1
    finally:
        go_on.set()
        thread.join()
    assert other.fit(*problem)["epoch"].tolist() == [1]


# --- other processes -------------------------------------------------------------------------

FORKED = """
import os, signal
import numpy as np
import fastdl as fd

x, y = np.random.default_rng(0).standard_normal((600, 60)), np.arange(600) % 10
network = fd.Network([60, 140, 10])
trainer = fd.Trainer(network, fd.SGD(0.1), batch_size=150, n_threads=2)
trainer.fit(x, y)
fd.ops.softmax(x, n_threads=2)

def work():
    trainer.fit(x, y)
    fd.ops.softmax(x, n_threads=2)
    return network.logits(x, n_threads=2).tobytes()

read, write = os.pipe()
child = os.fork()
if child == 0:
    signal.alarm(5)
    os.write(write, work()[:1000])
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0, "the child hung or failed"
assert os.read(read, 1000) == work()[:1000]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_after_a_threaded_fit_predicts_and_trains():
    run_python(FORKED)


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_during_a_fit_of_another_thread_holds_nothing():
    run_python(FORKED_DURING_A_FIT)


POOL = """
import multiprocessing, sys
import numpy as np
import fastdl as fd

def work(seed):
    x, y = np.random.default_rng(seed).standard_normal((600, 60)), np.arange(600) % 10
    network = fd.Network([60, 140, 10], seed=seed)
    fd.Trainer(network, fd.SGD(0.1), batch_size=150, n_threads=2).fit(x, y)
    return network.logits(x).tobytes()

if __name__ == "__main__":
    expected = [work(seed) for seed in range(4)]
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        assert pool.map_async(work, range(4)).get(60) == expected
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_processes_trains(method, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(POOL)
    subprocess.run([sys.executable, script, method], check=True, timeout=120)


# --- Ctrl-C ----------------------------------------------------------------------------------

INTERRUPTED = """
import os, signal, threading, time
import numpy as np
from numpy.lib.stride_tricks import as_strided
import fastdl as fd

n, widths, size = {n}, {widths}, {size}
x = as_strided(np.ones(widths[0], np.float32), (n, widths[0]), (0, 4))
y = np.zeros(n, np.intc)
begun, sent = threading.Event(), []
handler = signal.getsignal(signal.SIGINT)

def interrupt():
    begun.wait()
    time.sleep(0.3)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)

class Begun(fd.Callback):
    def on_begin(self, run):
        begun.set()

def train(rows, **settings):
    network = fd.Network(widths)
    trainer = fd.Trainer(network, fd.SGD(1e-3), batch_size=size, shuffle=None)
    return network, trainer, trainer.fit(x[:rows], y[:rows], record=None, **settings)

threading.Thread(target=interrupt).start()
"""
FIT = """
network, trainer, history = train(n, callbacks=[Begun()])
took = time.perf_counter() - sent[0]
assert history.stopped == f"interrupted in epoch 1, after step {trainer.step}"
assert trainer.epoch == 0 and 0 < trainer.step < n // size
whole = train(trainer.step * size)[0]
assert all((whole.parameters[name] == p).all() for name, p in network.parameters.items())
assert signal.getsignal(signal.SIGINT) is handler
assert trainer.fit(x[:1000], y[:1000]).stopped is None and trainer.epoch == 1
print(took)
"""
EVALUATE = """
network = fd.Network(widths)
begun.set()
try:
    network.evaluate(x, y)
except KeyboardInterrupt:
    took = time.perf_counter() - sent[0]
assert np.isfinite(network.evaluate(x[:1000], y[:1000]).loss)
print(took)
"""
LONG = {  # of some seconds each
    "fit": (FIT, {"n": 2_000_000, "widths": [64, 512, 10], "size": 100}),
    "fit of a small network": (FIT, {"n": 20_000_000, "widths": [1, 2], "size": 10}),
    "evaluate": (EVALUATE, {"n": 8_000_000, "widths": [64, 512, 10], "size": 1}),
}


@pytest.mark.parametrize(("code", "settings"), LONG.values(), ids=LONG)
def test_ctrl_c_is_heard_at_once(code, settings):
    took = run_python(INTERRUPTED.format(**settings) + code)
    assert float(took) < 1
