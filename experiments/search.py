"""Does trials: they wait in an Optuna study, and worker processes, here or elsewhere, take them.

A trial carries its run in its user attributes, so a worker needs a storage's URL and the data. Its
result is a file under the trial's key; the database holds who has what to do, and nothing else.
"""

import contextlib
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Self

import optuna
from optuna.distributions import FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from experiments import coding, trial
from experiments.results import Trial
from experiments.storage import SearchError, opened
from experiments.store import Outcome, Store, environment

ATTEMPTS = 4
_POLL = 0.5  # seconds between two looks at the queue
_FEW = 8  # workers: with more of them, some find nothing where they have seen waiting trials
_REST = 20  # times what a look at the queue took, until the next one: many trials take long
_LOOKS = 3  # at a dead worker's trial that nobody enqueues again, before this process does
_PATIENCE = 1.0  # seconds for workers to leave by themselves
_LAST_PATIENCE = 15.0  # and once they were told to
_LIVE = (TrialState.WAITING, TrialState.RUNNING)


def do(
    trials: Sequence[Trial],
    *,
    study: str,
    storage: str,
    store: Store,
    jobs: int,
    data_dir: Path | None,
    done: int = 0,
    heartbeat: int = 10,
) -> None:
    """Have trials done and wait for their results; those that have one are left alone.

    Parameters
    ----------
    trials : sequence of Trial
    study : str
        The queue in the storage; other processes may work on it too.
    storage : str
        A URL that SQLAlchemy knows.
    store : Store
        The folder ``trials`` of the folder of results.
    done : int
        Trials that the command has done before these, for the progress bar.
    jobs : int
        Worker processes with a share of the cores each. 1: this process works; 0: it only waits
        for workers elsewhere.
    data_dir : Path or None
        See ``trial.do``.
    heartbeat : int
        Seconds between two signs of life; a trial whose worker misses three is done again.

    Raises
    ------
    SearchError
        If trials fail, their results are on another host, or the storage cannot be used.
    KeyboardInterrupt
        When the workers have ended and their trials wait again.
    """
    left = {each.key: each for each in trials}
    total = done + len(left)
    _drop_done(left, store)
    if not left:
        return
    jobs = min(jobs, len(left))
    helpers = _Helpers(
        jobs if jobs > 1 else 0, _command(study, storage, store, data_dir, heartbeat)
    )
    with opened(storage, heartbeat, _retry) as database:
        queue = _create(database, study)
        worker = _Worker(queue, store, data_dir, position=1) if jobs == 1 else None
        _enqueue_missing(queue, left.values(), store.since)
        bar = tqdm(total=total, initial=total - len(left), desc=study, unit="trial", disable=None)
        with bar, helpers:
            _wait(queue, left, store, worker, helpers, bar)
        if left:
            raise SearchError(_reason(_newest(queue), left, store))


def work(
    *,
    storage: str,
    store: Store,
    data_dir: Path | None,
    study: str | None = None,
    idle: float = 0.0,
    heartbeat: int = 10,
    position: int = 0,
    parent: int | None = None,
) -> int:
    """Do waiting trials until none has waited or run for a while.

    Parameters
    ----------
    storage : str
        A URL that SQLAlchemy knows.
    store : Store
    data_dir : Path or None
        See ``trial.do``.
    study : str or None
        The queue to work on; None: every one in the storage.
    idle : float
        Seconds to wait for more.
    heartbeat : int
        As in ``do``, and the same for all workers.
    position : int
        The line of the progress bar.
    parent : int or None
        Leave when this is no longer the process that has started this one.

    Returns
    -------
    int
        Trials taken.

    Raises
    ------
    SearchError
        If the storage cannot be used.
    """
    taken = 0
    workers: dict[str, _Worker] = {}
    with opened(storage, heartbeat, _retry) as database:
        last = time.monotonic()
        while parent in (None, os.getppid()):
            for name in optuna.get_all_study_names(database):
                if name not in workers and study in (None, name):
                    queue = _create(database, name)
                    workers[name] = _Worker(queue, store, data_dir, position)
            took = sum([worker.take() for worker in workers.values()])
            taken += took
            if took or any(_newest(worker.queue, _LIVE) for worker in workers.values()):
                last = time.monotonic()
            elif time.monotonic() - last >= idle:
                return taken
            if not took:
                time.sleep(_POLL)
    return taken


# --- the loop of do -------------------------------------------------------------------------------


def _wait(
    queue: optuna.Study,
    left: dict[str, Trial],
    store: Store,
    worker: "_Worker | None",
    helpers: "_Helpers",
    bar: "tqdm[Any]",
) -> None:
    """Wait, or work, until no trial is left, or none of those left waits or runs."""
    calm = 0
    next_look = 0.0
    while left:
        took = worker is not None and worker.take()
        done = _drop_done(left, store)
        bar.update(done)
        if took or not left:
            continue
        helpers.keep(progress=done > 0)
        time.sleep(_POLL)
        if done or time.monotonic() < next_look:
            continue
        began = time.monotonic()
        _fail_stale(queue)
        newest = _newest(queue)
        next_look = began + _REST * (time.monotonic() - began)
        if any(newest[key].state in _LIVE for key in left):
            calm = 0
        elif lost := [each for key, each in left.items() if _lost(newest[key])]:
            calm += 1
            if calm > _LOOKS:
                _enqueue_missing(queue, lost, store.since)
        else:
            bar.update(_drop_done(left, store))
            return


def _drop_done(left: dict[str, Trial], store: Store) -> int:
    """Take away trials that have a result, and say how many."""
    done = [key for key in left if store.has(key)]
    for key in done:
        del left[key]
    return len(done)


def _reason(newest: Mapping[str, FrozenTrial], left: dict[str, Trial], store: Store) -> str:
    """Why trials have no result."""
    failed = [key for key in left if newest[key].state == TrialState.FAIL]
    key = next(iter(failed or left))
    which = f"{left[key].run.name} with seed {left[key].seed}"
    if failed:
        died = f"its worker died {ATTEMPTS} times, out of memory perhaps (try fewer jobs)"
        why = newest[key].user_attrs.get("error", died)
        return f"every trial must succeed; {len(failed)} failed, the first being {which}: {why}"
    return (
        f"every result must be in {store.folder}; {len(left)} are not, {key}.npz of {which} for "
        "one: give workers the --out of the search, or copy the folder trials of another host "
        "there, and run with --resume"
    )


# --- the queue ------------------------------------------------------------------------------------


def _create(database: RDBStorage, name: str) -> optuna.Study:
    """The study of this name, made where there is none."""
    return optuna.create_study(
        study_name=name,
        storage=database,
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(),  # draws nothing: all values are given
        pruner=optuna.pruners.NopPruner(),
    )


def _newest(
    queue: optuna.Study, states: tuple[TrialState, ...] | None = None
) -> dict[str, FrozenTrial]:
    """The newest trial of every key; trials without one are the empty ones that Optuna makes."""
    trials = queue.get_trials(deepcopy=False, states=states)
    return {each.user_attrs["trial"]["key"]: each for each in trials if "trial" in each.user_attrs}


def _enqueue_missing(queue: optuna.Study, trials: Iterable[Trial], since: float) -> None:
    """Enqueue those that neither wait nor run; results before ``since`` do not count."""
    live = {
        key
        for key, each in _newest(queue, _LIVE).items()
        if each.user_attrs["trial"]["since"] >= since
    }
    for run, seed in trials:
        key = coding.key(run, seed)
        if key not in live:
            labels = {"key": key, "seed": seed, "name": run.name, "title": run.title}
            rest = {"since": since, "attempt": 1, "run": coding.plain(run)}
            _enqueue(queue, labels | rest)


def _enqueue(queue: optuna.Study, carried: Mapping[str, Any]) -> None:
    parameters = _parameters(carried)
    queue.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=parameters,
            distributions={name: FloatDistribution(x, x) for name, x in parameters.items()},
            # One attribute: Optuna reads those of all waiting trials whenever a worker takes one.
            user_attrs={"trial": dict(carried)},
        )
    )


def _parameters(carried: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that searches are about, for whoever looks at the study with Optuna's tools."""
    run = carried["run"]
    rate = run.get("optimiser", {}).get("learning_rate")
    rate = rate.get("rate") if isinstance(rate, Mapping) else rate
    settings = {**run, "rate": rate, "seed": carried["seed"]}
    names = ("l1", "l2", "batch_size", "rate", "seed")
    return {name: settings[name] for name in names if settings.get(name) is not None}


def _retry(queue: optuna.Study, died: FrozenTrial) -> None:
    """Enqueue the trial of a dead worker again, unless it may be what kills them."""
    if _lost(died):
        carried = died.user_attrs["trial"]
        _enqueue(queue, {**carried, "attempt": carried["attempt"] + 1})


def _lost(each: FrozenTrial) -> bool:
    """Whether a trial has failed only because its worker died, and not too often."""
    if each.state != TrialState.FAIL or "error" in each.user_attrs:
        return False
    return "trial" in each.user_attrs and each.user_attrs["trial"]["attempt"] < ATTEMPTS


def _fail_stale(queue: optuna.Study) -> None:
    """Fail trials whose workers give no sign of life, which enqueues them again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(queue)


# --- a worker -------------------------------------------------------------------------------------


class _Worker:
    """Does the waiting trials of a queue, one after another."""

    def __init__(
        self, queue: optuna.Study, store: Store, data_dir: Path | None, position: int
    ) -> None:
        self.queue = queue
        self._store = store
        self._data_dir = data_dir
        self._position = position
        self._ctrl_c = _CtrlC()
        self._sure = 0
        self._took = False

    def take(self) -> bool:
        """Do one trial; False where none waits."""
        if self._sure == 0:
            waiting = len(self.queue.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
            if waiting == 0:
                _fail_stale(self.queue)
                return False
            self._sure = max(1, waiting // _FEW)  # to look takes long where many wait
        self._sure -= 1
        self._took = False
        try:
            with self._ctrl_c:
                self.queue.optimize(self._do, n_trials=1, catch=(Exception,))
        except (AssertionError, ValueError):
            # This host slept so long that others have taken the trial for dead: Optuna refuses its
            # value, but its result is stored.
            if not self._took:
                raise
        return self._took

    def _do(self, taken: optuna.Trial) -> float:
        carried = taken.user_attrs.get("trial")
        if carried is None:  # others were quicker: Optuna makes an empty trial where none waits
            raise optuna.TrialPruned
        self._took = True
        try:
            with self._ctrl_c.let_through():
                outcome = self._outcome(carried)
        except KeyboardInterrupt:
            _enqueue(self.queue, carried)
            raise
        except Exception as error:
            what = f"{error} ({type(error).__name__} on {platform.node()})"
            taken.set_user_attr("error", what)
            raise
        if outcome.failure:
            taken.set_user_attr("failure", outcome.failure)
            raise optuna.TrialPruned
        metrics = outcome.metrics
        return metrics.get("validation_accuracy", -metrics.get("validation_loss", 0.0))

    def _outcome(self, carried: Mapping[str, Any]) -> Outcome:
        """The result of a trial, which is in the store then."""
        run, seed = coding.restore(carried["run"]), carried["seed"]
        if coding.key(run, seed) != carried["key"]:
            raise SearchError("a worker must have the version of fastdl that its trials are for")
        outcome = Store(self._store.folder, carried["since"]).load(run, seed)
        if outcome is None:
            with tqdm(
                total=1.0,
                desc=f"{run.title}, seed {seed}",
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
                position=self._position,
                leave=False,
                disable=None,
            ) as bar:
                outcome = trial.do(
                    run,
                    seed,
                    data_dir=self._data_dir,
                    progress=lambda share: bar.update(share - bar.n),
                )
            self._store.save(outcome)
        return outcome


class _CtrlC:
    """Holds Ctrl-C back while Optuna writes who has which trial.

    A trial that was interrupted there would run for others until it counts as stale.
    """

    def __init__(self) -> None:
        self._came = False
        self._open = False
        self._installed = False

    def __enter__(self) -> None:
        main = threading.current_thread() is threading.main_thread()
        self._installed = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._installed:
            signal.signal(signal.SIGINT, self._handle)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        came, self._came = self._came, False
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if came and kind is not KeyboardInterrupt:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def let_through(self) -> Iterator[None]:
        """Where Ctrl-C may come, once."""
        self._open = True
        try:
            if self._came:
                raise KeyboardInterrupt
            yield
        finally:
            self._open = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._came = True
        if self._open:
            self._open = False
            raise KeyboardInterrupt


class _Helpers:
    """Worker processes; one that ends while there is work is started again."""

    def __init__(self, n: int, command: Sequence[str]) -> None:
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * n
        self._command = command
        self._deaths = 0

    def keep(self, progress: bool) -> None:
        """Start those that do not run.

        Parameters
        ----------
        progress : bool
            Whether trials were finished since the last call.

        Raises
        ------
        SearchError
            If they die again and again.
        """
        self._deaths = 0 if progress else self._deaths
        for i, process in enumerate(self._processes):
            code = None if process is None else process.poll()
            if process is not None and code is None:
                continue
            self._deaths += bool(code)
            if self._deaths > ATTEMPTS * len(self._processes):
                raise SearchError(
                    f"worker processes died {self._deaths} times without finishing a trial, the "
                    f"last with exit code {code}; see above, or try fewer jobs"
                )
            command = [*self._command, "--position", str(i + 1)]
            self._processes[i] = subprocess.Popen(command, env=self._variables())

    def _variables(self) -> dict[str, str]:
        """The environment of a worker: its share of the cores, and where this package lies."""
        threads = max(1, environment()["threads"] // len(self._processes))
        paths = (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))
        return {
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            # They leave when there is no work, and when a terminal has sent Ctrl-C to all.
            for process in self._alive(_PATIENCE):
                process.send_signal(signal.SIGINT)
            self._alive(_LAST_PATIENCE)
        finally:
            for process in self._alive(0):
                process.kill()
                process.wait()

    def _alive(self, patience: float) -> list[subprocess.Popen[bytes]]:
        """Those that have not ended after some seconds."""
        deadline = time.monotonic() + patience
        alive = []
        for process in filter(None, self._processes):
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                alive.append(process)
        return alive


def _command(
    study: str, storage: str, store: Store, data_dir: Path | None, heartbeat: int
) -> list[str]:
    """The command line of a worker process."""
    command = [sys.executable, "-m", "experiments", "worker", "--storage", storage]
    command += ["--study", study, "--out", str(store.folder.parent), "--idle", "0"]
    command += ["--heartbeat", str(heartbeat), "--parent", str(os.getpid())]
    return command if data_dir is None else [*command, "--data-dir", str(data_dir)]
