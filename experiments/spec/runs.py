"""Runs: what is trained or checked, on which data, and what is kept of it."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

import fastdl as fd

from .data import Data

# Multiplications: such as take a core a second or two, and more than some five seconds.
CHEAP, LONG = 2e10, 5e10
QUICK_EPOCHS, QUICK_SNAPSHOTS = 30, 5  # of a long run in a quick look, at most


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
    cut : str
        What a quick look has left out of it; empty where it is whole.
    any_rows : bool
        Whether its metrics may be judged whatever the rows were.
    """

    any_rows: ClassVar[bool] = False

    name: str
    title: str
    answers: tuple[str, ...] = ()
    seeds: int | None = None
    cut: str = ""
    data: Data
    model: Model

    def quick(self) -> Self:
        """The same run, cut where it is long."""
        return self

    def on_stand_in(self, sources: Collection[str]) -> Self:
        """The same run on made-up rows where its data set is one of these."""
        return replace(self, data=replace(self.data, stand_in=self.data.source in sources))

    @property
    def cost(self) -> float:
        """About the multiplications that it takes, to tell a long one from a short one."""
        return 0.0


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
    optimiser : fd.SGD, fd.Adam or fd.AdamW
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
    searched : bool
        Whether it is a part of a search, which a quick look cuts.
    """

    optimiser: fd.SGD | fd.Adam | fd.AdamW
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
    searched: bool = False

    def quick(self) -> Self:
        """The same run; a long one has a quarter of its epochs, or fewer, and its title says so."""
        if self.searched:
            return self.shorter()
        epochs = max(1, min(self.epochs // 4, QUICK_EPOCHS))
        if epochs == self.epochs or self.cost <= LONG:
            return self
        before, now = (f"{n:,} epochs" for n in (self.epochs, epochs))
        return replace(
            self, epochs=epochs, title=self.title.replace(before, now),
            cut=f"{epochs:,} of {before}", every=max(1, epochs // QUICK_SNAPSHOTS),
        )  # fmt: skip

    def shorter(self, left: str = "") -> Self:
        """The same as a part of a search that is cut: a sixth of the epochs of a long one.

        Parameters
        ----------
        left : str
            What else is left of the search.
        """
        epochs = self.epochs if self.cost <= CHEAP / 2 else max(1, self.epochs // 6)
        told = f"{epochs} of {self.epochs} epochs" if epochs < self.epochs else ""
        return replace(self, epochs=epochs, cut=", ".join(filter(None, (left, told))))

    @property
    def cost(self) -> float:
        """Of the steps, and of rows that are looked at: forward alone is a third of a step."""
        steps = self.epochs * self.data.n_train
        epoch = self.data.n_train if self.train_metrics == "full" else 0
        looked_at = epoch + self.validate * self.data.n_train / 5 + self.test_curve * 10_000
        every = self.data.n_train if self.record == "epoch" else self.record * self.batch_size
        return self.model.n_weights * (steps + steps / every * looked_at / 3)
