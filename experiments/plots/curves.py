"""Learning curves."""

import textwrap
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from ..results import Results, RunResult
from ..spec import Curves, Training
from . import sheet

LOSSES = {
    "softmax_cross_entropy": ("mean cross-entropy", "nats"),
    "sigmoid_cross_entropy": ("mean binary cross-entropy", "nats"),
    "hinge": ("mean hinge loss", "score"),
    "mse": ("mean squared error", "y²"),
}
MANY = 300  # records, whose lines would cover each other if they were thick
_SPLITS = (
    ("", "training", sheet.TRAINING),
    ("val_", "validation", sheet.VALIDATION),
    ("test_", "test", sheet.TEST),
)


@dataclass(frozen=True)
class Window:
    """Which records are shown, and against what.

    Attributes
    ----------
    x : {"epoch", "step"}
    zoom : (first, last) or None
        The part of the x axis.
    until : int or None
        The last epoch.
    """

    x: str = "epoch"
    zoom: tuple[int, int] | None = None
    until: int | None = None

    def of(self, run: RunResult) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The numbers of the records, and where they lie on the x axis."""
        epochs, places = run.curve("epoch"), run.curve(self.x)
        assert epochs is not None
        assert places is not None
        at = places[0]
        shown = epochs[0] <= (np.inf if self.until is None else self.until)
        if self.zoom:
            # A shorter run has fewer steps: the same share of them.
            first, last = (end * min(1.0, at[-1] / self.zoom[1]) for end in self.zoom)
            shown &= (at >= first) & (at <= last)
        return np.flatnonzero(shown), at[shown]


def curves(wanted: Curves, drawn: Figure, results: Results) -> None:
    """The metrics of one run."""
    run = sheet.run(results, wanted.of[0])
    fill(drawn, run, wanted.panels, Window(wanted.x, wanted.zoom))
    drawn.set_size_inches(sheet.WIDTH, 5.4 if len(drawn.axes) > 2 else 3.5)


def fill(
    drawn: FigureBase,
    run: RunResult,
    panels: tuple[str, ...] = ("loss", "cost", "accuracy"),
    window: Window = Window(),
) -> None:
    """A panel a metric, and one legend."""
    training = _training(run)
    # Without a penalty cost is loss, and one panel does for both.
    same = not (training.l1 or training.l2) and {"loss", "cost"} <= set(panels)
    shown = [panel for panel in panels if not (same and panel == "cost")]
    rows = [shown] if len(shown) < 3 else [shown[:2], shown[2:] * 2]
    axes = drawn.subplot_mosaic([list(row) for row in rows])
    for metric in shown:
        _lines(axes[metric], run, metric, window)
        _label(axes[metric], training, metric, same)
        axes[metric].set_xlabel(window.x)
    sheet.legend(drawn, axes.values(), sheet.seeds([run]))


def _lines(axes: Axes, run: RunResult, metric: str, window: Window) -> None:
    """Mean and spread over the seeds of training, validation and test rows."""
    shown, at = window.of(run)
    batches = _training(run).train_metrics == "batches"
    for prefix, name, i in _SPLITS:
        values = run.curve(f"{prefix}{metric}")
        if values is None or np.isnan(values).all():
            continue
        values = values[:, shown]
        mean, colour, noisy = values.mean(axis=0), sheet.colour(i), batches and not prefix
        thin = noisy or len(at) > MANY
        axes.plot(
            at, mean, color=colour, linestyle=sheet.dashes(i), marker="." if len(at) < 10 else "",
            linewidth=0.8 if thin else None, label=f"{name} batch" if noisy else name,
        )  # fmt: skip
        if len(values) > 1:
            sd = values.std(axis=0, ddof=1)
            axes.fill_between(at, mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0)
    at_the_end = not (window.zoom or window.until)
    if metric == "accuracy" and at_the_end and run.curve("test_accuracy") is None:
        _test_line(axes, run)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=(1, 2, 5, 10)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _test_line(axes: Axes, run: RunResult) -> None:
    mean, sd = run.mean("test_accuracy"), run.sd("test_accuracy")
    if mean is not None:
        spread = "" if sd is None else f" ± {100 * sd:.2f}"
        label = f"test, at the end: {100 * mean:.2f}{spread} %"
        axes.axhline(mean, color="black", linestyle=":", label=label)


def _label(axes: Axes, training: Training, metric: str, same: bool) -> None:
    """Title, unit and ticks of a panel."""
    loss, unit = LOSSES[training.model.loss]
    penalties = {"λ₁ Σ|W|": training.l1, "λ ΣW²": training.l2}
    terms = ["loss", *(term for term, strength in penalties.items() if strength)]
    title = {
        "loss": f"loss = cost (λ = 0): {loss}" if same else f"loss: {loss}",
        "cost": f"cost: {' + '.join(terms)}",
        "accuracy": "accuracy",
    }[metric]
    name = "loss = cost" if same and metric == "loss" else metric
    axes.set_title(textwrap.fill(title, 40, break_on_hyphens=False))
    axes.set_ylabel(f"{name} ({'%' if metric == 'accuracy' else unit})")
    if metric == "accuracy":
        sheet.percent(axes.yaxis)
    else:
        sheet.wide(axes, [float(y) for line in axes.lines for y in np.ravel(line.get_ydata())])


def _training(run: RunResult) -> Training:
    if not isinstance(run.run, Training):
        raise sheet.Undrawable(f"curves must be of a training; got {run.run.name}")
    return run.run
