"""What a fit records: when a record is due, and what is measured for it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from fastdl._epoch import Rows, Workspace
from fastdl.core import Core
from fastdl.data import Data, rows_of_fit
from fastdl.evaluation import Evaluator, Metric
from fastdl.history import History


class Asked(NamedTuple):
    """What a call of ``fit`` asks for; see there."""

    epochs: int = 1
    record: Literal["epoch"] | int | None = None
    train_metrics: str = "batches"
    metrics: Mapping[str, Metric] | None = None

    def refuse_metrics_of_nothing(self, held_out: Data | None) -> None:
        """Refuse metrics of one's own where there is nothing for them to be of."""
        if self.metrics and self.record is None:
            raise ValueError("metrics must go with records; got None, use record='epoch'")
        if self.metrics and self.train_metrics == "batches" and held_out is None:
            raise ValueError(
                "metrics must have a whole data set to be of; got train_metrics='batches', "
                "use train_metrics='full', with arrays, or give a validation set"
            )


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

    def __init__(self, core: Core, asked: Asked, n_threads: int) -> None:
        self._core, self._asked, self._n_threads = core, asked, n_threads
        self.history, self.began = History(), time.perf_counter()
        self.sums = np.zeros(3)
        self._tells_right = core.loss.y in ("labels", "binary")
        self.last_step: float | None = None
        self.columns: list[str] = []
        self._on_training: Evaluator | None = None
        self._on_validation: Evaluator | None = None

    def measure(
        self, train: Data | None, rows: Rows | None, validation: Data | None, workspace: Workspace
    ) -> None:
        """Measure these data sets, of the first one if it is there; rows are those trained on."""
        trained = ["loss", "cost", "accuracy"] if self._tells_right else ["loss", "cost"]
        held_out: list[str] = []
        if train is not None and rows is not None and self._asked.train_metrics == "full":
            self._on_training = self._evaluator(train, rows, workspace)
            trained = self._on_training.columns
        if validation is not None:
            rows = rows_of_fit(self._core, validation)
            self._on_validation = self._evaluator(validation, rows, workspace)
            held_out = [f"val_{name}" for name in self._on_validation.columns]
        self.columns = ["epoch", "step", "learning_rate", *trained, *held_out, "seconds"]

    def _evaluator(self, data: Data, rows: Rows, workspace: Workspace) -> Evaluator:
        metrics = self._asked.metrics
        return Evaluator(self._core, data, self._n_threads, metrics, workspace, rows)

    def read_by(self, rows: Rows) -> None:
        """Read the training set by other rows from now on."""
        if self._on_training is not None:
            self._on_training.rows = rows

    def go_on(self, history: History, sums: list[float], seconds: float) -> None:
        """Go on with those of a fit that was stopped."""
        self.history = history
        if history:
            self.last_step = history.last.get("step")
        self.sums[:] = sums
        self.began -= seconds

    def are_due(self, step: int, epoch_ends: bool, fit_ends: bool) -> bool:
        """Whether a record is to be taken after this step."""
        every = self._asked.record
        if every is None or self.last_step == step:
            return False
        return epoch_ends if every == "epoch" else step % every == 0 or fit_ends

    def trained(self, penalty: float) -> list[float]:
        """Loss, cost and more of the training set, or of the batches since the last record."""
        if self._on_training is not None:
            return self._on_training.measure(penalty)
        loss, correct, rows = self.sums.tolist()
        mean = loss / rows
        return [mean, mean + penalty, *([correct / rows] if self._tells_right else [])]

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

    def told_loss(self, step: int) -> float | None:
        """The training loss in the history after this step, whatever it is of."""
        return self.history.last["loss"] if self.history and self.last_step == step else None
