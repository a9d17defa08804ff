"""A worker: does the trials that wait in queues, one after another."""

import contextlib
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

import optuna
from optuna.trial import TrialState
from tqdm import tqdm

from .. import coding, trial
from ..storage import SearchError, opened
from ..store import Outcome, Store
from .queue import (
    LIVE,
    POLL,
    Shared,
    create,
    enqueue,
    fail_stale,
    newest,
    retry,
)

_FEW = 8  # workers: with more of them, some find nothing where they have seen waiting trials


def work(
    shared: Shared,
    *,
    study: str | None = None,
    idle: float = 0.0,
    position: int = 0,
    parent: int | None = None,
) -> int:
    """Do waiting trials until none has waited or run for a while.

    Parameters
    ----------
    shared : Shared
        As for ``do``; an SQLite file must be there.
    study : str or None
        The queue to work on; None: every one in the storage.
    idle : float
        Seconds to wait for more.
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
    workers: dict[str, Worker] = {}
    with opened(shared.storage, shared.heartbeat, retry, create=False) as database:
        last = time.monotonic()
        while parent in (None, os.getppid()):
            for name in optuna.get_all_study_names(database):
                if name not in workers and study in (None, name):
                    workers[name] = Worker(create(database, name), shared, position)
            took = sum([worker.take() for worker in workers.values()])
            taken += took
            if took or any(newest(worker.queue, LIVE) for worker in workers.values()):
                last = time.monotonic()
            elif time.monotonic() - last >= idle:
                return taken
            if not took:
                time.sleep(POLL)
    return taken


class Worker:
    """Does the waiting trials of a queue, one after another."""

    def __init__(self, queue: optuna.Study, shared: Shared, position: int) -> None:
        self.queue = queue
        self._shared = shared
        self._position = position
        self._ctrl_c = _CtrlC()
        self._sure = 0
        self._took = False

    def take(self) -> bool:
        """Do one trial; False where none waits."""
        if self._sure == 0:
            waiting = len(self.queue.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
            if waiting == 0:
                fail_stale(self.queue)
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
            enqueue(self.queue, carried)
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
        outcome = Store(self._shared.store.folder, carried["since"]).load(run, seed)
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
                    data_dir=self._shared.data_dir,
                    progress=lambda share: bar.update(share - bar.n),
                )
            self._shared.store.save(outcome)
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
