"""What a fit records: when a record is due, and what is measured for it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from fastdl.core import Core
from fastdl.data import Data
from fastdl.evaluation import Evaluator, Metric
from fastdl.history import History


class Asked(NamedTuple):
    """What a call of ``fit`` asks for; see there."""

    epochs: int = 1
    record: Literal["epoch"] | int | None = None
    train_metrics: str = "batches"
    metrics: Mapping[str, Metric] | None = None


class Records:
    """The records of one fit.

    Attributes
    ----------
    history : History
    columns : list of str
        None in a fit without records.
    began : float
        When the fit did, by ``time.perf_counter``.
    sums : float64 array
        Loss, hits and rows of the batches since the last record.
    last_step : float or None
        That of the last record.
    """

    def __init__(
        self, core: Core, train: Data, validation: Data | None, asked: Asked, n_threads: int
    ) -> None:
        self.history, self.began = History(), time.perf_counter()
        self.sums = np.zeros(3)
        self.last_step: float | None = None
        self.columns: list[str] = []
        self._every, self._labelled = asked.record, train.labels is not None
        self._on_training: Evaluator | None = None
        self._on_validation: Evaluator | None = None
        if asked.record is None:
            return
        trained = ["loss", "cost", "accuracy"] if self._labelled else ["loss", "cost"]
        held_out: list[str] = []
        workspace = None
        if asked.train_metrics == "full":
            self._on_training = Evaluator(core, train, n_threads, asked.metrics)
            trained, workspace = self._on_training.columns, self._on_training.workspace
        if validation is not None:
            self._on_validation = Evaluator(core, validation, n_threads, asked.metrics, workspace)
            held_out = [f"val_{name}" for name in self._on_validation.columns]
        self.columns = ["epoch", "step", "learning_rate", *trained, *held_out, "seconds"]

    def go_on(self, history: History, sums: list[float], seconds: float) -> None:
        """Go on with those of a fit that was stopped."""
        self.history = history
        if history:
            self.last_step = history.last.get("step")
        self.sums[:] = sums
        self.began -= seconds

    def are_due(self, step: int, epoch_ends: bool, fit_ends: bool) -> bool:
        """Whether a record is to be taken after this step."""
        if self._every is None or self.last_step == step:
            return False
        return epoch_ends if self._every == "epoch" else step % self._every == 0 or fit_ends

    def trained(self, penalty: float) -> list[float]:
        """Loss, cost and more of the training set, or of the batches since the last record."""
        if self._on_training is not None:
            return self._on_training.measure(penalty)
        loss, correct, rows = self.sums.tolist()
        mean = loss / rows
        return [mean, mean + penalty, *([correct / rows] if self._labelled else [])]

    def complete(
        self, place: list[float], trained: list[float], penalty: float
    ) -> dict[str, float]:
        """A whole record: epoch, step and rate, what was measured, what still is, the seconds."""
        held_out = [] if self._on_validation is None else self._on_validation.measure(penalty)
        values = [*place, *trained, *held_out, time.perf_counter() - self.began]
        return dict(zip(self.columns, values, strict=True))

    def add(self, record: dict[str, float]) -> None:
        """Add a record."""
        self.history.append(record)
        self.last_step = record["step"]
        self.sums = np.zeros(3)

    def last_loss(self) -> float | None:
        """The training set's, where it is measured as a whole."""
        measured = self._on_training is not None and self.history
        return self.history.last["loss"] if measured else None
