"""Does one trial, a run with a seed; the only place that trains."""

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastdl as fd

from .data import Loaded, load
from .spec import GradientCheck, Run, Surface, Training
from .store import Outcome, environment

Progress = Callable[[float], None]


def do(
    run: Run, seed: int, *, data_dir: Path | None, progress: Progress = lambda share: None
) -> Outcome:
    """Do a trial.

    Parameters
    ----------
    run : Run
        Of a kind that has a function below.
    seed : int
        Of the initialisation, the shuffling and, where they are drawn, the rows.
    data_dir : Path or None
        See ``load``.
    progress : callable
        Called now and then with the share that is done.

    Raises
    ------
    KeyboardInterrupt
        Also where fastdl has ended a fit because of Ctrl-C.
    """
    data = load(run.data, seed, data_dir)
    return replace(_do(run, data, seed, progress), environment=environment())


@singledispatch
def _do(run: Run, data: Loaded, seed: int, progress: Progress) -> Outcome:
    raise TypeError(f"run must be of a kind that trial knows; got {type(run).__name__}")


@_do.register
def _gradient_check(run: GradientCheck, data: Loaded, seed: int, progress: Progress) -> Outcome:
    network = _network(run, data, seed)
    network.set_penalty(l2=run.l2)
    x, y = data.train
    began = time.perf_counter()
    check = fd.check_gradients(network, x[: run.samples], y[: run.samples])
    seconds = time.perf_counter() - began
    metrics = {}
    for kind in ("weight", "bias"):
        found = check.of(kind)
        metrics[f"percent_{kind}_errors_below_1e-6"] = found.percent_below
        metrics[f"max_{kind}_error"] = found.max_absolute
    return _outcome(run, data, seed, metrics, seconds)


@_do.register
def _training(run: Training, data: Loaded, seed: int, progress: Progress) -> Outcome:
    network = _network(run, data, seed)
    # Not as the trainer's: the evaluations at the end are to have them, too.
    network.set_penalty(l1=run.l1, l2=run.l2)
    trainer = _trainer(run, network, seed)
    watch = None if run.watch is None else fd.OverfitWatch(run.watch)
    recorder = _Recorder(run, data, progress)
    began = time.perf_counter()
    try:
        history = trainer.fit(
            *data.train,
            epochs=run.epochs,
            validation=data.validation if run.validate else None,
            record=run.record,
            train_metrics=run.train_metrics,
            callbacks=[recorder] if watch is None else [recorder, watch],
            progress=False,
        )
    except fd.DivergenceError as error:
        seconds = time.perf_counter() - began
        return replace(_outcome(run, data, seed, {}, seconds), failure=str(error))
    seconds = time.perf_counter() - began
    if history.stopped is not None:  # no callback of ours stops a fit: it was Ctrl-C
        raise KeyboardInterrupt(f"{run.title}: {history.stopped}")
    columns = dict(history) | recorder.columns
    metrics = _metrics(run, network, data, columns)
    if watch is not None:
        metrics["max_abs_gap"] = watch.largest_gap
        _warn_of_gap(run, watch)
    arrays = recorder.arrays | _arrays(run, network, data)
    progress(1.0)
    return replace(_outcome(run, data, seed, metrics, seconds), history=columns, arrays=arrays)


def _warn_of_gap(run: Training, watch: fd.OverfitWatch) -> None:
    if watch.epoch is not None:
        warnings.warn(
            f"{run.title}: training and validation cost are {watch.largest_gap:.3g} apart, "
            f"over {run.watch:g} from epoch {watch.epoch:g} on",
            stacklevel=1,  # a worker does trials: there is no caller's line to name
        )


class _Recorder(fd.Callback):
    """The test rows at every record, the first weight at every snapshot, the share done."""

    def __init__(self, run: Training, data: Loaded, progress: Progress) -> None:
        self.run, self.data, self.progress = run, data, progress
        self.test: list[fd.Evaluation | fd.RegressionEvaluation] = []
        self.snapshots: list[NDArray[Any]] = []
        self._shown = 0.0

    def on_record(self, run: fd.Run) -> None:
        if self.run.test_curve:
            self.test.append(run.network.evaluate(*self.data.test))
        share = run.history.last["epoch"] / run.last_epoch
        if time.monotonic() - self._shown > 0.1:
            self._shown = time.monotonic()
            self.progress(share)

    def on_epoch(self, run: fd.Run) -> None:
        if "snapshots" in self.run.keep and run.epoch % self.run.every == 0:
            self.snapshots.append(run.network.parameters["layers.0.weight"].copy())

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """Of the history."""
        if not self.test:
            return {}
        names = (f"test_{name}" for name in self.test[0]._fields)
        return dict(zip(names, np.array(self.test).T, strict=True))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """For figures."""
        return {"snapshots": np.stack(self.snapshots)} if self.snapshots else {}


def _metrics(
    run: Training, network: fd.Network, data: Loaded, history: dict[str, NDArray[Any]]
) -> dict[str, float]:
    """All numbers that a table may show; accuracies from 0 to 1."""
    metrics: dict[str, float] = {"weights": float(run.model.n_weights)}
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    for split, rows in splits.items():
        for name, value in network.evaluate(*rows)._asdict().items():
            if np.isfinite(value):
                metrics[f"{split}_{name}"] = value
    if isinstance(run.data, Surface):
        for split in splits:
            metrics[f"{split}_mse_m{run.data.m}"] = metrics[f"{split}_loss"]
    if run.record == 1 and run.train_metrics == "batches":
        for name in {"loss", "accuracy"} & {*history}:
            metrics[f"last_batch_{name}"] = float(history[name][-1])
    columns = {"train_cost": "cost", "val_cost": "val_cost", "test_accuracy": "test_accuracy"}
    for epoch in run.marks:
        for i in np.flatnonzero(history["epoch"] == epoch):
            for name, column in columns.items():
                if column in history:
                    metrics[f"{name}@{epoch}"] = float(history[column][i])
    return metrics


def _arrays(run: Training, network: fd.Network, data: Loaded) -> dict[str, NDArray[Any]]:
    """What figures need of the trained network."""
    made: dict[str, Callable[[], NDArray[Any]]] = {
        "weights": lambda: network.parameters["layers.0.weight"].copy(),
        "gradients": lambda: network.gradients(*data.train)["layers.0.weight"],
        "predictions": lambda: network.logits(data.test[0]),
    }
    arrays = {name: make() for name, make in made.items() if name in run.keep}
    if {"weights", "snapshots"} & {*run.keep} and data.scaling is not None:
        arrays["scale"] = data.scaling.scale
    return arrays


def _network(run: Run, data: Loaded, seed: int) -> fd.Network:
    model = run.model
    activations = (*model.activations, "identity")
    layers = [
        fd.Dense(d, h, activation)
        for d, h, activation in zip(model.widths[:-1], model.widths[1:], activations, strict=True)
    ]
    return fd.Network(layers, loss=model.loss, init=model.init, scaling=data.scaling, seed=seed)


def _trainer(run: Training, network: fd.Network, seed: int) -> fd.Trainer:
    return fd.Trainer(
        network,
        run.optimiser,
        batch_size=run.batch_size,
        shuffle=run.shuffle,
        drop_last=run.drop_last,
        seed=seed,
    )


def _outcome(
    run: Run, data: Loaded, seed: int, metrics: dict[str, float], seconds: float
) -> Outcome:
    return Outcome(
        run=run,
        seed=seed,
        metrics=metrics | {"seconds": seconds},
        provenance=data.provenance,
        note=data.note,
        rows={name: len(getattr(data, name)[1]) for name in ("train", "validation", "test")},
        classes=data.classes,
    )
