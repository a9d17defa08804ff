"""Figures: of which runs or groups, and what they show."""

from dataclasses import dataclass
from typing import ClassVar, Literal


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
    lead : bool
        Whether the first page of a report shows it.
    several : bool
        Whether it may be of several runs.
    pictures : bool
        Whether it holds images, whose colours must stay as they are.
    """

    several: ClassVar[bool] = False
    pictures: ClassVar[bool] = False

    of: tuple[str, ...]
    caption: str
    suffix: str = ""
    lead: bool = False

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

    pictures = True


@dataclass(frozen=True, kw_only=True)
class Snapshots(Figure):
    """The templates at every snapshot of a run, a row each; each with its curves in a file."""

    pictures = True


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
    """The true surface, the fitted one and their difference as heat maps, a row a run."""

    several = True
