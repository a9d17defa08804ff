"""Does trials: they wait in an Optuna study, and worker processes, here or elsewhere, take them.

A trial carries its run in its user attributes, so a worker needs a storage's URL and the data. Its
result is a file under the trial's key; the database holds who has what to do, and nothing else.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from ..results import Trial
from ..storage import SearchError, opened
from ..store import Store
from .helpers import Helpers, command
from .queue import (
    ATTEMPTS,
    LIVE,
    POLL,
    Shared,
    create,
    enqueue_missing,
    fail_stale,
    is_lost,
    newest,
    retry,
)
from .worker import Worker, work

__all__ = ["Shared", "do", "work"]

_REST = 20  # times what a look at the queue took, until the next one: many trials take long
_LOOKS = 3  # at a dead worker's trial that nobody enqueues again, before this process does


def do(trials: Sequence[Trial], shared: Shared, *, study: str, jobs: int, done: int = 0) -> None:
    """Have trials done and wait for their results; those that have one are left alone.

    Parameters
    ----------
    trials : sequence of Trial
    shared : Shared
    study : str
        The queue in the storage; other processes may work on it too.
    jobs : int
        Worker processes with a share of the cores each. 1: this process works; 0: it only waits
        for workers elsewhere.
    done : int
        Trials that the command has done before these, for the progress bar.

    Raises
    ------
    SearchError
        If trials fail, their results are on another host, or the storage cannot be used.
    KeyboardInterrupt
        When the workers have ended and their trials wait again.
    """
    left = {each.key: each for each in trials}
    total = done + len(left)
    store = shared.store
    _drop_done(left, store)
    if not left:
        return
    jobs = min(jobs, len(left))
    helpers = Helpers(jobs if jobs > 1 else 0, command(shared, study))
    with opened(shared.storage, shared.heartbeat, retry) as database:
        queue = create(database, study)
        worker = Worker(queue, shared, position=1) if jobs == 1 else None
        bar = tqdm(total=total, initial=total - len(left), desc=study, unit="trial", disable=None)
        with bar, helpers:
            # To enqueue many takes seconds: helpers begin with the first ones meanwhile.
            waiting = list(left.values())
            enqueue_missing(queue, waiting[:jobs], store.since)
            helpers.keep(progress=True)
            enqueue_missing(queue, waiting[jobs:], store.since)
            _wait(queue, left, store, worker, helpers, bar)
        if left:
            raise SearchError(_reason(newest(queue), left, store))


def _wait(
    queue: optuna.Study,
    left: dict[str, Trial],
    store: Store,
    worker: Worker | None,
    helpers: Helpers,
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
        time.sleep(POLL)
        if done or time.monotonic() < next_look:
            continue
        began = time.monotonic()
        fail_stale(queue)
        found = newest(queue)
        next_look = began + _REST * (time.monotonic() - began)
        if any(found[key].state in LIVE for key in left):
            calm = 0
        elif lost := [each for key, each in left.items() if is_lost(found[key])]:
            calm += 1
            if calm > _LOOKS:
                enqueue_missing(queue, lost, store.since)
        else:
            bar.update(_drop_done(left, store))
            return


def _drop_done(left: dict[str, Trial], store: Store) -> int:
    """Take away trials that have a result, and say how many."""
    done = [key for key in left if store.has(key)]
    for key in done:
        del left[key]
    return len(done)


def _reason(found: Mapping[str, FrozenTrial], left: dict[str, Trial], store: Store) -> str:
    """Why trials have no result."""
    failed = [key for key in left if found[key].state == TrialState.FAIL]
    key = next(iter(failed or left))
    which = f"{left[key].run.name} with seed {left[key].seed}"
    if failed:
        died = f"its worker died {ATTEMPTS} times, out of memory perhaps (try fewer jobs)"
        why = found[key].user_attrs.get("error", died)
        return f"every trial must succeed; {len(failed)} failed, the first being {which}: {why}"
    return (
        f"every result must be in {store.folder}; {len(left)} are not, {key}.npz of {which} for "
        "one: give workers the --out of the search, or copy the folder trials of another host "
        "there, and run with --resume"
    )
