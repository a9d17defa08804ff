"""What an assignment is: its runs, the data they meet, its figures, the reported rows it answers.

A new kind of run is a dataclass here and a function in ``runner``; a new kind of figure a dataclass
here and a function in ``plots``.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import fastdl as fd

QUICK_ROWS = 2_000
QUICK_EPOCHS = 3


@dataclass(frozen=True, kw_only=True)
class Cifar10:
    """CIFAR-10 by its training batches, every pixel z-scored by the rows of ``train``.

    Attributes
    ----------
    train, validation : tuple of int
        Batches 1 to 5.
    rows : int or None
        Of every set, the first so many; None: all of them.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network before it is trained: layer widths, inputs first, loss and initialisation."""

    widths: tuple[int, ...]
    loss: str
    init: fd.init.Init


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
    any_rows : bool
        Whether its metrics may be judged whatever the rows were.
    """

    any_rows: ClassVar[bool] = False

    name: str
    title: str
    answers: tuple[str, ...]
    data: Cifar10
    model: Model

    def quick(self) -> Self:
        """The same run on a few rows."""
        return replace(self, data=replace(self.data, rows=QUICK_ROWS))


@dataclass(frozen=True, kw_only=True)
class GradientCheck(Run):
    """The compiled gradients against centred differences on the first ``samples`` rows."""

    any_rows = True

    samples: int


@dataclass(frozen=True, kw_only=True)
class Training(Run):
    """One fit, evaluated on training and validation rows after every epoch."""

    optimiser: fd.SGD
    l2: float
    batch_size: int
    epochs: int
    shuffle: Literal["rows", "batches"] | None

    def quick(self) -> Self:
        """The same run on a few rows for a few epochs."""
        return replace(super().quick(), epochs=min(self.epochs, QUICK_EPOCHS))


@dataclass(frozen=True)
class Figure:
    """A figure of one run; its file is called after the run and the kind of figure."""

    caption: ClassVar[str]

    run: str

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return f"{self.run}_{type(self).__name__.lower()}"


class Curves(Figure):
    """Loss, cost and accuracy per epoch, an axis each, on training and validation rows."""

    caption = "learning curves"


class Templates(Figure):
    """The weights of the first layer as colour images, one a unit."""

    caption = "the weights of every class, from the least (dark) to the greatest (bright)"


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """An assignment; its name is that of its module in ``experiments/assignments``."""

    title: str
    runs: tuple[Run, ...]
    figures: tuple[Figure, ...]

    def quick(self) -> "Assignment":
        """The same assignment, small."""
        return replace(self, runs=tuple(run.quick() for run in self.runs))
