"""What a student's code does, line by line: the assignment's way, or with something gone wrong."""

from dataclasses import dataclass, fields, replace
from typing import Literal, Self

import fastdl as fd

from ..spec import Cifar10, Training

Schedule = fd.schedules.Constant | fd.schedules.Triangular


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to write the assignment's training loop.

    The first fields are the setting's, taken from a run. The others stand at what the assignment
    asks for; a mistake is one of them, or a few, at another value.

    Attributes
    ----------
    widths, init, schedule, l2, batch_size, epochs, drop_last
        As of the run.
    order : {"file", "rows", "batches", "first batch", "x alone"}
        How rows are drawn in an epoch: as they lie, all shuffled, the order of the batches
        shuffled, the same batch at every step, or x shuffled and y not.
    scaling : str
        How pixels become inputs: ``student.SCALINGS``.
    init_factor : float or tuple of float
        What the weights are drawn times, one for all layers or one each.
    gradient : {"mean", "sum", "twice"}
        Over the rows of a batch; twice: divided by their number two times.
    penalty : float
        The gradient of the penalty is ``penalty * l2 * W``.
    penalty_over_batch : bool
        Whether it is divided by the number of rows.
    penalised : tuple of str
        Of ``"W1"``, ``"b1"``, ``"W2"``, ...; empty: every weight and no bias.
    biases : bool
        Whether there are any.
    softmax : {"classes", "rows", "unshifted"}
        Normalised over the classes, over the rows of a batch, or without the maximum taken off.
    derivative : {"relu", "one", "sigmoid"}
        By which the gradient goes back through a ReLU.
    activation : {"relu", "identity"}
        Of hidden layers.
    output_relu : bool
        Whether the last layer has a ReLU too.
    trained : tuple of int
        The layers that take steps; empty: all.
    rate_factor : float
        What the learning rate is taken times.
    clock : {"step", "epoch", "peak", "half", "fall"}
        A cyclical rate counts steps; or epochs; or stays at its peak; or has ``n_s`` steps for the
        whole of a cycle; or falls from peak to base over a cycle and jumps back.
    labels : {"right", "train next"}
        Those of the training rows counted one too high.
    reported : str
        What of the trained networks is told: ``report.REPORTS``.
    """

    widths: tuple[int, ...]
    init: fd.init.Init
    schedule: Schedule
    l2: float
    batch_size: int
    epochs: int
    drop_last: bool = False
    order: Literal["file", "rows", "batches", "first batch", "x alone"] = "file"
    scaling: str = "standard"
    init_factor: float | tuple[float, ...] = 1.0
    gradient: Literal["mean", "sum", "twice"] = "mean"
    penalty: float = 2.0
    penalty_over_batch: bool = False
    penalised: tuple[str, ...] = ()
    biases: bool = True
    softmax: Literal["classes", "rows", "unshifted"] = "classes"
    derivative: Literal["relu", "one", "sigmoid"] = "relu"
    activation: Literal["relu", "identity"] = "relu"
    output_relu: bool = False
    trained: tuple[int, ...] = ()
    rate_factor: float = 1.0
    clock: Literal["step", "epoch", "peak", "half", "fall"] = "step"
    labels: Literal["right", "train next"] = "right"
    reported: str = "all rows"

    @property
    def cyclical(self) -> bool:
        """Whether the learning rate goes up and down."""
        return isinstance(self.schedule, fd.schedules.Triangular)

    @property
    def training(self) -> Self:
        """The same recipe with a plain report: recipes that train alike have it in common."""
        return replace(self, reported="all rows")


FIELDS = tuple(field.name for field in fields(Recipe))


def of(run: Training) -> Recipe:
    """The recipe of an assignment's run, as it should be.

    Raises
    ------
    ValueError
        For a run that the plain trainer does not know: another loss, optimiser or schedule.
    """
    schedule = getattr(run.optimiser, "learning_rate", None)
    if isinstance(schedule, int | float):
        schedule = fd.schedules.Constant(schedule)
    known = (
        isinstance(run.optimiser, fd.SGD)
        and not run.optimiser.momentum
        and isinstance(schedule, Schedule)
        and run.model.loss == "softmax_cross_entropy"
        and set(run.model.activations) <= {"relu"}
        and not run.l1
    )
    if not known or not isinstance(schedule, Schedule):
        raise ValueError(
            "a run that is checked must have softmax, ReLU, plain SGD with a constant or a "
            f"triangular rate, and no L1; got {run.name}"
        )
    scaling = run.data.scaling if isinstance(run.data, Cifar10) else "centred"
    return Recipe(
        widths=run.model.widths,
        init=run.model.init,
        schedule=schedule,
        l2=run.l2,
        batch_size=run.batch_size,
        epochs=run.epochs,
        drop_last=run.drop_last,
        order=run.shuffle or "file",
        scaling=scaling,
    )
