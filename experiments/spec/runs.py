"""Runs: what is trained or checked, on which data, and what is kept of it."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

import fastdl as fd
from experiments.spec.data import Data, Surface

QUICK_ROWS = 1_000
QUICK_EPOCHS = 3
QUICK_RECORDS = 8


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network before it is trained.

    Attributes
    ----------
    widths : tuple of int
        Inputs first.
    activations : tuple of str
        Of the hidden layers.
    loss : str
    init : fd.init.Init
    """

    widths: tuple[int, ...]
    activations: tuple[str, ...] = ()
    loss: str = "softmax_cross_entropy"
    init: fd.init.Init = field(default_factory=fd.init.Normal)

    @property
    def n_weights(self) -> int:
        """The weights, without biases."""
        return sum(d * h for d, h in zip(self.widths, self.widths[1:], strict=False))


@dataclass(frozen=True, kw_only=True)
class Run:
    """What every run has.

    Attributes
    ----------
    name : str
        Of its files.
    title : str
        What figures and tables call it.
    answers : tuple of str
        The ids in ``reported.csv`` that its metrics are compared with.
    seeds : int or None
        At most so many; None: as many as the command line asks for.
    any_rows : bool
        Whether its metrics may be judged whatever the rows were.
    """

    any_rows: ClassVar[bool] = False

    name: str
    title: str
    answers: tuple[str, ...] = ()
    seeds: int | None = None
    data: Data
    model: Model

    def quick(self) -> Self:
        """The same run on a few rows."""
        return replace(self, data=replace(self.data, rows=QUICK_ROWS))

    def on_stand_in(self, sources: Collection[str]) -> Self:
        """The same run on made-up rows where its data set is one of these."""
        return replace(self, data=replace(self.data, stand_in=self.data.source in sources))


@dataclass(frozen=True, kw_only=True)
class GradientCheck(Run):
    """The compiled gradients against centred differences on the first ``samples`` rows.

    Attributes
    ----------
    samples : int
    l2 : float
    """

    any_rows = True

    samples: int
    l2: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Training(Run):
    """One fit, and what is kept of it.

    Attributes
    ----------
    optimiser : fd.SGD or fd.Adam
    l1, l2 : float
        Penalties l1 Σ|W| + l2 ΣW².
    batch_size, epochs : int
    shuffle : {"rows", "batches"} or None
    drop_last : bool
        Whether a last batch of fewer rows is left out.
    record : "epoch" or int
        How often curves get a point: every epoch or so many steps.
    train_metrics : {"full", "batches"}
        Whether the training curve is of all rows, or of the batches since the point before.
    validate : bool
        Whether every record has the validation rows.
    test_curve : bool
        Whether every record has the test rows.
    marks : tuple of int
        Epochs whose metrics are kept as ``train_cost@10``.
    watch : float or None
        Keep ``max_abs_gap`` and warn where training and validation cost are further apart.
    keep : tuple of {"weights", "gradients", "predictions", "snapshots"}
        Arrays for figures: the first weight; its gradient over the training set; the logits of the
        test rows; the first weight every ``every`` epochs.
    every : int
        Epochs between two snapshots.
    """

    optimiser: fd.SGD | fd.Adam
    batch_size: int
    epochs: int
    l1: float = 0.0
    l2: float = 0.0
    shuffle: Literal["rows", "batches"] | None = "rows"
    drop_last: bool = False
    record: Literal["epoch"] | int = "epoch"
    train_metrics: Literal["full", "batches"] = "full"
    validate: bool = True
    test_curve: bool = False
    marks: tuple[int, ...] = ()
    watch: float | None = None
    keep: tuple[str, ...] = ()
    every: int = 100

    def quick(self) -> Self:
        """The same run on a few rows for a few epochs, with as many snapshots as epochs."""
        epochs = min(self.epochs, QUICK_EPOCHS)
        small = replace(super().quick(), epochs=epochs, every=1)
        if isinstance(small.data, Surface):
            return small
        batch = min(self.batch_size, QUICK_ROWS // 5)
        steps = epochs * QUICK_ROWS // batch
        record = self.record if self.record == "epoch" else max(1, steps // QUICK_RECORDS)
        schedule = self.optimiser.learning_rate
        optimiser = self.optimiser
        if isinstance(schedule, fd.schedules.Triangular):
            all_steps = self.epochs * self.data.n_train / self.batch_size
            cycles = max(1, round(all_steps / (2 * schedule.half_cycle)))
            half = max(1, steps // (2 * cycles))
            optimiser = replace(optimiser, learning_rate=replace(schedule, half_cycle=half))
        return replace(small, batch_size=batch, record=record, optimiser=optimiser)

    @property
    def cost(self) -> float:
        """About the multiplications of the fit, to tell a long one from a short one."""
        return self.epochs * self.data.n_train * self.model.n_weights
