"""Runs an assignment; the only place that trains."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial, singledispatch
from pathlib import Path

import fastdl as fd
from experiments.data import Loaded, load
from experiments.spec import Assignment, GradientCheck, Run, Training


@dataclass(frozen=True, eq=False)
class Result:
    """What a run has given.

    Attributes
    ----------
    run : Run
    data : Loaded
    network : fd.Network
        As the run has left it.
    metrics : dict of str to float
        Named as in ``reported.csv``; accuracies from 0 to 1.
    seconds : float
        Of the fit or the check alone, without loading, figures and the evaluation on the test rows.
    summary : str
        What a terminal shows.
    history : fd.History or None
    """

    run: Run
    data: Loaded
    network: fd.Network
    metrics: dict[str, float]
    seconds: float
    summary: str
    history: fd.History | None = None


def run(assignment: Assignment, *, seed: int = 0, data_dir: Path | None = None) -> Iterator[Result]:
    """Do the runs of an assignment, in order, each when its result is asked for.

    Parameters
    ----------
    assignment : Assignment
    seed : int
        Of initialisation and shuffling.
    data_dir : Path or None
        See ``load``.

    Raises
    ------
    KeyboardInterrupt
        Also where fastdl has ended a fit because of Ctrl-C.
    """
    loaded = lru_cache(maxsize=1)(partial(load, data_dir=data_dir))
    for each in assignment.runs:
        yield execute(each, loaded(each.data), seed)


@singledispatch
def execute(run: Run, data: Loaded, seed: int) -> Result:
    """Do one run.

    Parameters
    ----------
    run : Run
        Of a kind that has a function below.
    data : Loaded
    seed : int
    """
    raise TypeError(f"run must be of a kind that the runner knows; got {type(run).__name__}")


@execute.register
def _gradient_check(run: GradientCheck, data: Loaded, seed: int) -> Result:
    network = _network(run, data, seed)
    x, y = data.train
    began = time.perf_counter()
    check = fd.check_gradients(network, x[: run.samples], y[: run.samples])
    seconds = time.perf_counter() - began
    metrics = {}
    for kind in ("weight", "bias"):
        found = check.of(kind)
        metrics[f"percent_{kind}_errors_below_1e-6"] = found.percent_below
        metrics[f"max_{kind}_error"] = found.max_absolute
    summary = f"the first {run.samples} training rows, {seconds:.2f} s\n{check}"
    return Result(run, data, network, metrics, seconds, summary)


@execute.register
def _training(run: Training, data: Loaded, seed: int) -> Result:
    network = _network(run, data, seed)
    trainer = fd.Trainer(
        network,
        run.optimiser,
        batch_size=run.batch_size,
        l2=run.l2,
        shuffle=run.shuffle,
        seed=seed,
    )
    began = time.perf_counter()
    history = trainer.fit(*data.train, epochs=run.epochs, validation=data.validation)
    seconds = time.perf_counter() - began
    if history.stopped is not None:  # these fits have no callback: it was Ctrl-C
        raise KeyboardInterrupt(f"{run.title}: {history.stopped}")
    test = network.evaluate(*data.test)
    metrics = {f"test_{name}": value for name, value in test._asdict().items()}
    for name in test._fields:
        metrics[f"train_{name}"] = history.last[name]
        metrics[f"validation_{name}"] = history.last[f"val_{name}"]
    summary = f"test accuracy {test.accuracy:.2%}, {run.epochs} epochs, {seconds:.2f} s"
    return Result(run, data, network, metrics, seconds, summary, history)


def _network(run: Run, data: Loaded, seed: int) -> fd.Network:
    model = run.model
    return fd.Network(
        model.widths, loss=model.loss, init=model.init, scaling=data.scaling, seed=seed
    )
