"""The queue of trials: an Optuna study in which each waits with its whole run as JSON."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from .. import coding
from ..results import Trial
from ..store import Store

ATTEMPTS = 4
LIVE = (TrialState.WAITING, TrialState.RUNNING)
POLL = 0.5  # seconds between two looks at the queue


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all processes that work on a queue have in common.

    Attributes
    ----------
    storage : str
        A URL that SQLAlchemy knows.
    store : Store
        The folder ``trials`` of the folder of results.
    data_dir : Path or None
        See ``trial.do``.
    heartbeat : int
        Seconds between two signs of life; a trial whose worker misses three is done again.
    """

    storage: str
    store: Store
    data_dir: Path | None
    heartbeat: int


def create(database: RDBStorage, name: str) -> optuna.Study:
    """The study of this name, made where there is none."""
    return optuna.create_study(
        study_name=name,
        storage=database,
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(),  # draws nothing: all values are given
        pruner=optuna.pruners.NopPruner(),
    )


def newest(
    queue: optuna.Study, states: tuple[TrialState, ...] | None = None
) -> dict[str, FrozenTrial]:
    """The newest trial of every key; trials without one are the empty ones that Optuna makes."""
    trials = queue.get_trials(deepcopy=False, states=states)
    return {each.user_attrs["trial"]["key"]: each for each in trials if "trial" in each.user_attrs}


def enqueue_missing(queue: optuna.Study, trials: Iterable[Trial], since: float) -> None:
    """Enqueue those that neither wait nor run; results before ``since`` do not count."""
    live = {
        key
        for key, each in newest(queue, LIVE).items()
        if each.user_attrs["trial"]["since"] >= since
    }
    for each in trials:
        if each.key not in live:
            run = each.run
            labels = {"key": each.key, "seed": each.seed, "name": run.name, "title": run.title}
            rest = {"since": since, "attempt": 1, "run": coding.plain(run)}
            enqueue(queue, labels | rest)


def enqueue(queue: optuna.Study, carried: Mapping[str, Any]) -> None:
    """Add a trial that carries what a worker must know of it."""
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


def retry(queue: optuna.Study, died: FrozenTrial) -> None:
    """Enqueue the trial of a dead worker again, unless it may be what kills them."""
    if is_lost(died):
        carried = died.user_attrs["trial"]
        enqueue(queue, {**carried, "attempt": carried["attempt"] + 1})


def is_lost(each: FrozenTrial) -> bool:
    """Whether a trial has failed only because its worker died, and not too often."""
    if each.state != TrialState.FAIL or "error" in each.user_attrs:
        return False
    return "trial" in each.user_attrs and each.user_attrs["trial"]["attempt"] < ATTEMPTS


def fail_stale(queue: optuna.Study) -> None:
    """Fail trials whose workers give no sign of life, which enqueues them again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(queue)
