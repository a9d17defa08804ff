"""The rows that a run asks for."""

from dataclasses import dataclass
from typing import ClassVar, Literal


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
        """Training rows."""
        return self.rows or 50_000

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
        """Training rows."""
        drawn = self.validation if isinstance(self.validation, int) else 0
        all_rows = 10_000 * len(self.train) - drawn
        return min(n for n in (all_rows, self.rows, self.train_rows) if n is not None)

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
