"""What an assignment is: its data, runs, searches and figures, and the reported rows they answer.

All of it is data: frozen dataclasses that ``coding`` writes as JSON. A new kind of run is a
dataclass here and a function in ``trial``; a new kind of figure one here and a function in
``plots``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import product
from typing import Any, ClassVar, Literal, Self

import numpy as np

import fastdl as fd

QUICK_ROWS = 1_000
QUICK_EPOCHS = 3
QUICK_RECORDS = 8

# --- data ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Data:
    """What every data set has.

    Attributes
    ----------
    rows : int or None
        Of every split, the first so many; None: all of them.
    stand_in : bool
        Whether to take made-up rows; the command line says so where the real ones are missing.
    """

    source: ClassVar[str | None]

    rows: int | None = None
    stand_in: bool = False

    @property
    def n_train(self) -> int:
        """Training rows, about."""
        return 50_000 if self.rows is None else self.rows

    @property
    def depends_on_seed(self) -> bool:
        """Whether rows differ from seed to seed."""
        return False


@dataclass(frozen=True, kw_only=True)
class Cifar10(Data):
    """CIFAR-10 by its training batches.

    Attributes
    ----------
    train : tuple of int
        Batches 1 to 5.
    validation : tuple of int, or int
        Batches too; or how many rows to draw out of those of ``train``, others for every seed.
    train_rows : int or None
        Of the training rows alone, the first so many.
    scaling : {"standard", "divided"}
        Every pixel z-scored by the training rows, or divided by 255.
    """

    source = "cifar10"

    train: tuple[int, ...]
    validation: tuple[int, ...] | int
    train_rows: int | None = None
    scaling: Literal["standard", "divided"] = "standard"

    @property
    def n_train(self) -> int:
        """Training rows, about."""
        return min(self.train_rows or 50_000, self.rows or 10_000 * len(self.train))

    @property
    def depends_on_seed(self) -> bool:
        """Whether validation rows are drawn."""
        return isinstance(self.validation, int)


@dataclass(frozen=True, kw_only=True)
class Mnist(Data):
    """MNIST, 50,000 / 10,000 / 10,000, pixels / 255 less the mean of the training rows."""

    source = "mnist"


@dataclass(frozen=True, kw_only=True)
class Surface(Data):
    """Points of a surface over [-2, 2]², made for every seed; the test rows are a grid.

    Attributes
    ----------
    target : {"product", "sum"}
        x₁ exp(-x₁² - x₂²), or x₁ + exp(-x₁² - x₂²).
    m : int
        Training rows; half as many to validate on.
    side : int
        Of the grid, in points.
    """

    source = None

    target: Literal["product", "sum"]
    m: int
    side: int = 100

    @property
    def n_train(self) -> int:
        """Training rows."""
        return self.m

    @property
    def depends_on_seed(self) -> bool:
        """Always."""
        return True


# --- runs ---------------------------------------------------------------------------------------


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


# --- groups of runs -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Group:
    """Trainings that differ in some settings, ranked by what they reach.

    Attributes
    ----------
    name, title, answers
        As of a run.
    base : Training
        What all have in common.
    rank : str
        The metric by which they are ranked; one that ends in ``accuracy`` the higher the better.
    """

    name: str
    title: str
    answers: tuple[str, ...] = ()
    base: Training
    rank: str = "validation_accuracy"

    def quick(self) -> Self:
        """The same group of quick runs."""
        return replace(self, base=self.base.quick())

    def run(self, settings: Mapping[str, Any]) -> Training:
        """The training with these settings."""
        changed: Training = self.base
        for path, value in settings.items():
            changed = with_setting(changed, path, value)
        shown = ", ".join(f"{symbol(path)} = {value:.4g}" for path, value in settings.items())
        label = "_".join(f"{path.rpartition('.')[2]}{value!r}" for path, value in settings.items())
        return replace(changed, name=f"{self.name}_{label}", title=shown, answers=())


@dataclass(frozen=True, kw_only=True)
class Search(Group):
    """Every combination of some values.

    Attributes
    ----------
    axes : mapping of str to tuple of numbers
        Values by the path of a setting of the base: ``l2``, ``optimiser.learning_rate.rate``.
    """

    axes: Mapping[str, tuple[Any, ...]]

    def settings(self) -> list[dict[str, Any]]:
        """Every combination, the last axis changing fastest."""
        return [
            dict(zip(self.axes, values, strict=True)) for values in product(*self.axes.values())
        ]


@dataclass(frozen=True, kw_only=True)
class Between(Group):
    """Values of one setting drawn uniformly between the extremes of the best of a search.

    Attributes
    ----------
    of : str
        The search.
    top : int
        How many of its best.
    draws : int
    """

    of: str
    top: int = 3
    draws: int

    def settings(self, best: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The draws, least first, between the settings of the search's best runs."""
        (axis,) = best[0]
        values = [each[axis] for each in best[: self.top]]
        drawn = np.random.default_rng(0).uniform(min(values), max(values), self.draws)
        return [{axis: value} for value in sorted(drawn.tolist())]


@dataclass(frozen=True, kw_only=True)
class Best(Group):
    """One training with the settings of the best run of a search or of draws.

    Attributes
    ----------
    of : str
        The group.
    """

    of: str

    def settings(self, best: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Those of the best."""
        return [dict(best[0])]

    def run(self, settings: Mapping[str, Any]) -> Training:
        """The training, under the name of the group."""
        run = super().run(settings)
        return replace(run, name=self.name, title=f"{self.title}: {run.title}")


def with_setting(value: Any, path: str, new: Any) -> Any:
    """A copy of a dataclass with the setting at a dotted path replaced."""
    name, _, rest = path.partition(".")
    return replace(value, **{name: with_setting(getattr(value, name), rest, new) if rest else new})


def symbol(path: str) -> str:
    """How figures call a setting: ``optimiser.learning_rate.rate`` is η."""
    return {"l1": "λ₁", "l2": "λ", "rate": "η", "learning_rate": "η", "batch_size": "batch"}.get(
        path.rpartition(".")[2], path
    )


def log_uniform(n: int, low: float, high: float, seed: int) -> tuple[float, ...]:
    """n draws of 10^U(low, high), least first."""
    return tuple(sorted((10 ** np.random.default_rng(seed).uniform(low, high, n)).tolist()))


# --- figures --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of one run or group, or of several.

    Attributes
    ----------
    of : tuple of str
        Names of runs or groups; one of them, but for the kinds that show several.
    caption : str
        What it shows and how to read it, in a sentence or two.
    suffix : str
        Tells apart two figures of one kind and run.
    """

    several: ClassVar[bool] = False

    of: tuple[str, ...]
    caption: str
    suffix: str = ""

    def __post_init__(self) -> None:
        if not self.of or (len(self.of) > 1 and not self.several):
            wanted = "at least one run" if self.several else "exactly one run or group"
            raise ValueError(f"{type(self).__name__} must be of {wanted}; got {self.of!r}")

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return "_".join(filter(None, (*self.of[:1], type(self).__name__.lower(), self.suffix)))


@dataclass(frozen=True, kw_only=True)
class Curves(Figure):
    """Some metrics of one run against epochs or steps, an axis each, with the spread over seeds.

    Attributes
    ----------
    x : {"epoch", "step"}
    panels : tuple of {"loss", "cost", "accuracy"}
    zoom : (first, last) or None
        Of the x axis; the y axis follows what is seen.
    """

    x: Literal["epoch", "step"] = "epoch"
    panels: tuple[str, ...] = ("loss", "cost", "accuracy")
    zoom: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Templates(Figure):
    """The weights of the first layer as colour images, one a unit (of the first seed)."""


@dataclass(frozen=True, kw_only=True)
class Snapshots(Figure):
    """The templates at every snapshot of a run, a row each; each with its curves in a file."""


@dataclass(frozen=True, kw_only=True)
class Histograms(Figure):
    """The gradient of the first weight over the training set, after training, a run each."""

    several = True


@dataclass(frozen=True, kw_only=True)
class Scatter(Figure):
    """A search over one axis: accuracies over its logarithm, the top three marked."""


@dataclass(frozen=True, kw_only=True)
class HeatMap(Figure):
    """A search over three axes: a panel a value of the second, first against third axis."""


@dataclass(frozen=True, kw_only=True)
class Sweep(Figure):
    """Loss and accuracy of a search over one axis against its logarithm, with the spread."""

    metric: Literal["validation", "test"] = "validation"


@dataclass(frozen=True, kw_only=True)
class AccuracyAgainstSeconds(Figure):
    """Test accuracy of some runs against the seconds of their fits; areas show weights."""

    several = True


@dataclass(frozen=True, kw_only=True)
class Surfaces(Figure):
    """The true surface, the fitted one and their difference, a row a run (of the first seed)."""

    several = True


# --- an assignment --------------------------------------------------------------------------------

Item = Run | Group


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """An assignment; its name is that of its module in ``experiments/assignments``.

    Attributes
    ----------
    title : str
    asked : str
        What the assignment asks for, in some sentences.
    items : tuple of Run or Group
        A group that goes by another one comes after it.
    figures : tuple of Figure
    """

    title: str
    asked: str
    items: tuple[Item, ...]
    figures: tuple[Figure, ...]

    def __post_init__(self) -> None:
        names = [item.name for item in self.items]
        unknown = {name for figure in self.figures for name in figure.of} - set(names)
        if unknown:
            raise ValueError(
                f"figures must be of items, {', '.join(names)}; got {', '.join(sorted(unknown))}"
            )
        if len(set(names)) < len(names):
            raise ValueError(f"items must have names of their own; got {', '.join(names)}")

    def quick(self) -> "Assignment":
        """The same assignment, small."""
        return replace(self, items=tuple(item.quick() for item in self.items))

    def on_stand_in(self, sources: frozenset[str]) -> "Assignment":
        """The same assignment with made-up rows for these data sets."""

        def changed(value: Any) -> Any:
            if isinstance(value, Data):
                return replace(value, stand_in=value.source in sources)
            inner = {
                each.name: changed(getattr(value, each.name))
                for each in fields(value)
                if is_dataclass(getattr(value, each.name))
            }
            return replace(value, **inner)

        return replace(self, items=tuple(changed(item) for item in self.items))

    @property
    def sources(self) -> frozenset[str]:
        """The data sets that it needs."""
        needed = [item.base.data if isinstance(item, Group) else item.data for item in self.items]
        return frozenset(data.source for data in needed if data.source is not None)
