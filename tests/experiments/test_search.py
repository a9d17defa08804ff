import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy
from optuna.trial import TrialState

import fastdl as fd
from experiments import coding, search, trial
from experiments.results import Trial
from experiments.search import helpers
from experiments.search import queue as queues
from experiments.search.worker import Worker
from experiments.spec import Cifar10, GradientCheck, Model, Surface, Training
from experiments.storage import SearchError, default_storage, opened
from experiments.store import Store

ROOT = Path(__file__).parents[2]
DATA = Cifar10(train=(1,), validation=(2,), rows=200, stand_in=True)
MODEL = Model(widths=(3072, 10), init=fd.init.Normal(0.01))
FIT = Training(
    name="fit", title="fit", data=DATA, model=MODEL, optimiser=fd.SGD(0.001), batch_size=50,
    epochs=2,
)  # fmt: skip
LONG = replace(FIT, name="long", epochs=1_000, record=200)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "trials")


@pytest.fixture
def do(store):
    storage = default_storage(store.folder.parent)

    def do(trials, *, jobs=1, **changes):
        search.do(trials, replace(do.shared, **changes), study="s", jobs=jobs)

    do.shared = search.Shared(storage=storage, store=store, data_dir=None, heartbeat=1)
    do.storage = storage
    return do


def seeds(run, n):
    return [Trial(run, seed) for seed in range(n)]


def trials_of(storage):
    with opened(storage, 1, queues.retry) as database:
        return queues.create(database, "s").get_trials()


def states(storage):
    return dict(Counter(trial.state.name for trial in trials_of(storage)))


def files(store):
    """What changes when a result is written again."""
    return {path.name: path.stat().st_ino for path in store.folder.glob("*.npz")}


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_it_does_what_has_no_result(do, store):
    small = Model(widths=(2, 4, 1), activations=("relu",), loss="mse")
    points = Surface(target="sum", m=10, side=2)
    check = GradientCheck(name="check", title="check", data=points, model=small, samples=2)
    do([*seeds(FIT, 2), Trial(check, 0)])
    first = files(store)
    assert set(first) == {f"{t.key}.npz" for t in [*seeds(FIT, 2), Trial(check, 0)]}
    do(seeds(FIT, 2))
    assert states(do.storage) == {"COMPLETE": 3}
    do(seeds(FIT, 3))
    assert states(do.storage) == {"COMPLETE": 4}
    assert first.items() < files(store).items()


def test_a_trial_shows_its_settings_to_optuna(do, store):
    run = replace(FIT, l2=0.1)
    do([Trial(run, 1)])
    (trial,) = trials_of(do.storage)
    assert trial.params == {"l1": 0, "l2": 0.1, "batch_size": 50, "rate": 0.001, "seed": 1}
    assert trial.value == store.load(run, 1).metrics["validation_accuracy"]


def test_it_leaves_no_empty_trial_and_does_nothing_without_trials(do):
    do([])
    do(seeds(FIT, 20))
    assert states(do.storage) == {"COMPLETE": 20}


def test_a_worker_works_on_all_queues(do, store):
    with opened(do.storage, 1, queues.retry) as database:
        for seed, name in enumerate("ab"):
            queues.enqueue_missing(queues.create(database, name), [Trial(FIT, seed)], 0.0)
    assert search.work(do.shared, study="c") == 0
    assert search.work(do.shared) == 2
    assert len(files(store)) == 2


def test_a_worker_of_another_version_does_no_trial(store):
    shared = SimpleNamespace(store=store, data_dir=None)
    carried = {"run": coding.plain(FIT), "seed": 0, "since": 0.0, "key": "of another version"}
    with pytest.raises(SearchError, match="must have the version of fastdl that its trials are"):
        Worker(None, shared, 0)._outcome(carried)
    assert not store.folder.exists()


def test_a_fit_that_diverges_is_done(do, store):
    trial = Trial(replace(FIT, optimiser=fd.SGD(1e30), l2=1e30), 0)
    do([trial])
    assert store.load(*trial).failure
    do([trial])
    assert states(do.storage) == {"PRUNED": 1}


def test_a_trial_that_fails_is_named_after_the_others_are_done(do, store, monkeypatch, tmp_path):
    monkeypatch.setenv("FASTDL_DATA_DIR", str(tmp_path / "nothing"))
    missing = replace(FIT, name="real", data=replace(DATA, stand_in=False))
    with pytest.raises(SearchError, match=r"1 failed.* real with seed 7: cifar10 was"):
        do([Trial(missing, 7), *seeds(FIT, 2)])
    assert len(files(store)) == 2


def test_a_result_on_another_host_is_named(do, store, tmp_path):
    class Elsewhere(Store):
        def save(self, outcome):
            Store(tmp_path / "elsewhere").save(outcome)

    (trial,) = seeds(FIT, 1)
    with pytest.raises(SearchError, match=rf"{trial.key}\.npz of fit with seed 0.*--resume"):
        do([trial], store=Elsewhere(store.folder))
    shutil.copytree(tmp_path / "elsewhere", store.folder)
    do([trial])


def test_ctrl_c_in_this_process_puts_the_trial_back(do, store, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trial, "do", interrupted)
        with pytest.raises(KeyboardInterrupt):
            do(seeds(FIT, 2))
    assert states(do.storage) == {"FAIL": 1, "WAITING": 2}
    do(seeds(FIT, 2))
    assert states(do.storage) == {"FAIL": 1, "COMPLETE": 2}


def test_ctrl_c_in_a_query_is_told_without_a_traceback(do, caplog):
    do(seeds(FIT, 1))

    def on_text(_):
        raise KeyboardInterrupt

    def on_checkout(connection, *_):
        connection.text_factory = on_text

    with opened(do.storage, 1, queues.retry) as database:
        sqlalchemy.event.listen(database.engine, "checkout", on_checkout)
        with pytest.raises(KeyboardInterrupt):
            database.get_all_studies()
    assert "Error closing cursor" not in caplog.text
    assert states(do.storage) == {"COMPLETE": 1}


def test_workers_that_die_before_the_first_heartbeat(do, store):
    trials = seeds(FIT, 2)
    with opened(do.storage, 1, queues.retry) as database:
        queue = queues.create(database, "s")
        queues.enqueue_missing(queue, trials[:1], 0.0)
        carried = queue.trials[0].user_attrs["trial"]
        last = {**carried, "key": trials[1].key, "seed": 1, "attempt": queues.ATTEMPTS}
        queues.enqueue(queue, last)
        with pytest.warns(UserWarning, match="Heartbeat"):
            queue.ask(), queue.ask()  # as if killed here
    with pytest.raises(SearchError, match=r"1 failed.* fit with seed 1: its worker died 4"):
        do(trials)
    assert states(do.storage) == {"FAIL": 2, "COMPLETE": 1}
    do(trials)
    assert states(do.storage) == {"FAIL": 2, "COMPLETE": 2}


def test_workers_that_always_die_are_not_started_for_ever(do, monkeypatch):
    monkeypatch.setattr(search, "command", lambda *_: [sys.executable, "-c", "import nothing"])
    monkeypatch.setattr(search, "POLL", 0.01)
    with pytest.raises(SearchError, match=r"died 9 times.* exit code 1;"):
        do(seeds(FIT, 2), jobs=2)


def test_a_host_that_slept_keeps_its_result(do, store, monkeypatch):
    with opened(do.storage, 1, queues.retry) as database:
        queue = queues.create(database, "s")
        queues.enqueue_missing(queue, seeds(FIT, 1), 0.0)
        really = trial.do

        def slept(*args, **kwargs):
            queue.tell(0, state=TrialState.FAIL)
            return really(*args, **kwargs)

        monkeypatch.setattr(trial, "do", slept)
        assert Worker(queue, do.shared, 0).take()
    assert len(files(store)) == 1


def test_five_trials_for_four_workers(do, store):
    do(seeds(FIT, 5), jobs=4)
    assert Counter(state for trial in trials_of(do.storage) if "trial" in trial.user_attrs
                   for state in [trial.state.name]) == {"COMPLETE": 5}  # fmt: skip
    assert len(files(store)) == 5
    assert store.load(FIT, 0).environment["threads"] == 1


@pytest.mark.needs("signals")
def test_sigkill_loses_no_trial_and_repeats_none(do, store, monkeypatch):
    workers, popen = [], subprocess.Popen
    monkeypatch.setattr(
        helpers.subprocess,
        "Popen",
        lambda *args, **kw: workers.append(popen(*args, **kw)) or workers[-1],
    )
    kept = {}

    def kill():
        until(in_the_middle)
        kept.update(files(store))
        workers[0].kill()
        workers[1].send_signal(signal.SIGCONT)

    def in_the_middle():
        """Whether both workers are at a trial, and some are finished; they hold still then."""
        if len(files(store)) < 2:
            return False
        for worker in workers:
            worker.send_signal(signal.SIGSTOP)
        with contextlib.closing(sqlite3.connect(store.folder.parent / "trials.db")) as database:
            found = dict(database.execute("SELECT state, count(*) FROM trials GROUP BY state"))
        if found.get("RUNNING") == 2 and found.get("COMPLETE") == len(files(store)):
            return True
        for worker in workers:
            worker.send_signal(signal.SIGCONT)
        return False

    killer = threading.Thread(target=kill)
    killer.start()
    do(seeds(LONG, 5), jobs=2)
    killer.join()
    assert workers[0].returncode == -signal.SIGKILL
    assert states(do.storage) == {"COMPLETE": 5, "FAIL": 1}
    assert len(kept) >= 2
    assert kept.items() < files(store).items()


DRIVER = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup has it ignored
from pathlib import Path
from types import SimpleNamespace
from experiments import coding, search
from experiments.results import Trial
from experiments.storage import default_storage
from experiments.store import Store

run, out = coding.restore(json.loads(sys.argv[1])), Path(sys.argv[2])
shared = search.Shared(
    storage=default_storage(out), store=Store(out / "trials"), data_dir=None, heartbeat=1
)
search.do([Trial(run, seed) for seed in range(5)], shared, study="s", jobs=2)
"""


@pytest.mark.needs("signals")
def test_ctrl_c_ends_the_workers_and_keeps_what_is_finished(do, store):
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, json.dumps(coding.plain(LONG)), str(store.folder.parent)],
        cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: files(store))
    driver.send_signal(signal.SIGINT)
    _, errors = driver.communicate(timeout=30)
    assert driver.returncode != 0
    assert "KeyboardInterrupt" in errors
    with pytest.raises(ProcessLookupError):
        os.killpg(driver.pid, 0)
    kept = files(store)
    assert len(kept) < 5
    left = states(do.storage)
    assert "RUNNING" not in left
    assert left["WAITING"] == 5 - len(kept)
    do(seeds(LONG, 5))
    assert kept.items() < files(store).items()
    assert states(do.storage)["COMPLETE"] == 5


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("trials.db", "must be a URL such as"),
        ("mysql+mysqlconnector://nobody@localhost/x", "pip install"),
        ("postgresql+psycopg2://me:secret@127.0.0.1:1/x", r"me:\*\*\*@.*refused"),
    ],
)
def test_a_storage_that_is_of_no_use_is_named(do, url, message):
    if "psycopg2" in url:
        pytest.importorskip("psycopg2")
    with pytest.raises(SearchError, match=message) as caught:
        do(seeds(FIT, 1), storage=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite:///{}/trails.db", "sqlite:///{}", "sqlite://"])
def test_a_worker_makes_no_file_to_wait_in(do, tmp_path, url):
    mistyped = replace(do.shared, storage=url.format(tmp_path))
    with pytest.raises(SearchError, match="SQLite file of a worker must be there; got sqlite:"):
        search.work(mistyped)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def postgres():
    """The URL of a server on the loopback address."""
    pytest.importorskip("psycopg2")
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *os.environ["PATH"].split(os.pathsep)]
    tools = next((Path(f) for f in folders if Path(f, "initdb").exists()), None)
    if tools is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    as_user = []
    folder = tempfile.mkdtemp(prefix="fastdl-postgres-")
    if os.geteuid() == 0:  # which PostgreSQL refuses
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"

    def call(tool, *arguments):
        command = [*as_user, str(tools / tool), "-D", f"{folder}/data", *arguments]
        subprocess.run(command, cwd="/", check=True, stdout=subprocess.DEVNULL)

    try:
        call("initdb", "-A", "trust", "-U", "postgres", "--no-sync")
        call("pg_ctl", "-w", "-l", f"{folder}/log", "-o", options, "start")
        yield f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres"
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            call("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def connections(url):
    import psycopg2

    with contextlib.closing(psycopg2.connect(url.replace("+psycopg2", ""))) as own:
        cursor = own.cursor()
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE client_port IS NOT NULL")
        return cursor.fetchone()[0] - 1


def test_two_hosts_share_a_queue_in_postgresql(do, store, postgres, tmp_path, monkeypatch):
    other = Store(tmp_path / "other host" / "trials")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shared = replace(do.shared, storage=postgres)
    commands = [helpers.command(replace(shared, store=each), "s") for each in (store, other)]
    workers = [
        subprocess.Popen([*command, "--idle", "600"], cwd=ROOT)
        for command in commands
        for _ in range(2)
    ]
    try:
        until(lambda: connections(postgres) >= len(workers))
        trials = seeds(LONG, 6)
        with pytest.raises(SearchError, match="or copy the folder trials of another host"):
            do(trials, storage=postgres, jobs=0)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    here, there = files(store), files(other)
    assert here
    assert there
    assert not here.keys() & there.keys()
    assert len(here) + len(there) == 6
    shutil.copytree(other.folder, store.folder, dirs_exist_ok=True)
    do(trials, storage=postgres, jobs=0)


def test_results_that_are_too_old_are_made_again(do, store):
    (trial,) = trials = [Trial(FIT, 0)]
    do(trials)
    first = store.path(trial.key).stat()
    do(trials)
    assert store.path(trial.key).stat() == first
    later = Store(store.folder, since=first.st_mtime + 0.001)
    time.sleep(0.05)
    do(trials, store=later)
    assert later.has(trial.key)
    assert not list(store.folder.glob(".*"))


@pytest.mark.needs("signals")
def test_workers_leave_with_the_command_that_started_them(store):
    command = [json.dumps(coding.plain(LONG)), str(store.folder.parent)]
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, *command], cwd=ROOT, start_new_session=True
    )
    until(lambda: files(store))
    driver.kill()
    driver.wait()

    def gone():
        try:
            os.killpg(driver.pid, 0)
        except ProcessLookupError:
            return True
        return False

    until(gone)
    # Each has finished the trial at hand, whose result counts; some of the five still wait.
    assert 1 <= len(files(store)) < 5
