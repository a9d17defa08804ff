"""Networks against each other: accuracy, seconds and weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from ..results import Results, RunResult
from ..spec import AccuracyAgainstSeconds
from . import sheet

AREA = 400  # of the largest network's dot, in square points
SIZE = 9  # of a label, in points
SHAPES = ("D", "o", "s", "^")
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True)
class Dot:
    """A run where it is drawn.

    Attributes
    ----------
    title : str
    at, spread : (seconds, accuracy)
        Mean and standard deviation.
    weights, hidden : int
    """

    title: str
    at: tuple[float, float]
    spread: tuple[float, float]
    weights: int
    hidden: int

    @classmethod
    def of(cls, run: RunResult) -> "Dot":
        """The dot of a run."""
        x, y = run.mean("seconds"), run.mean("test_accuracy")
        if x is None or y is None:
            raise sheet.Undrawable(f"a dot must have a test accuracy; got none of {run.run.name}")
        spread = (run.sd("seconds") or 0.0, run.sd("test_accuracy") or 0.0)
        model = run.run.model
        return cls(run.run.title, (x, y), spread, model.n_weights, len(model.activations))


def accuracy_against_seconds(
    wanted: AccuracyAgainstSeconds, drawn: Figure, results: Results
) -> None:
    """Test accuracy against seconds, a dot a run, its area the weights."""
    runs = sheet.runs(results, wanted.of)
    dots = [Dot.of(run) for run in runs]
    area = AREA / max(dot.weights for dot in dots)
    drawn.set_size_inches(sheet.WIDTH, 5.0)
    axes = drawn.subplots()
    axes.set_xscale("log")
    for hidden in sorted({dot.hidden for dot in dots}):
        _scatter(axes, [dot for dot in dots if dot.hidden == hidden], area)
    many = 5 * 10 ** math.floor(math.log10(AREA / area / 5))
    for weights in (many // 10, many):
        axes.scatter([], [], s=area * weights, color="grey", label=f"{weights:,} weights")
    axes.set(xlabel="time of the fit (s, log scale)", ylabel="test accuracy (%)")
    axes.margins(x=0.2, y=0.15)
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_major_formatter(plain)
    axes.xaxis.set_minor_formatter(plain)
    axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.tick_params(which="both", length=3.5, pad=3.5, labelsize=SIZE)
    sheet.percent(axes.yaxis)
    sheet.legend(drawn, [axes], sheet.seeds(runs))
    _label(drawn, axes, dots, area)


def _scatter(axes: Axes, dots: Sequence[Dot], area: float) -> None:
    hidden = dots[0].hidden
    x, y = np.array([dot.at for dot in dots]).T
    dx, dy = np.array([dot.spread for dot in dots]).T
    colour, shape = sheet.colour(hidden), SHAPES[hidden % len(SHAPES)]
    sizes = [area * dot.weights for dot in dots]
    axes.scatter(x, y, sizes, color=colour, marker=shape, alpha=0.8, edgecolor="black")
    label = f"{hidden} hidden layer" + "s" * (hidden != 1)
    axes.scatter([], [], s=60, color=colour, marker=shape, edgecolor="black", label=label)
    if dx.any() or dy.any():
        axes.errorbar(x, y, dy, dx, fmt="none", ecolor="black", elinewidth=0.8)


def _label(drawn: Figure, axes: Axes, dots: Sequence[Dot], area: float) -> None:
    """The titles, each on that side of its dot where it covers least of all else."""
    sheet.settle(drawn)  # the limits and the place of the axes are known from here on

    def points(values: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        placed: NDArray[np.float64] = axes.transData.transform(values) * 72 / drawn.dpi
        return placed

    at = points([dot.at for dot in dots])
    reach = points([(dot.at[0] + dot.spread[0], dot.at[1] + dot.spread[1]) for dot in dots]) - at
    radii = np.sqrt([[area * dot.weights] for dot in dots]) / 2
    corners = axes.transAxes.transform([(0, 0), (1, 1)]) * 72 / drawn.dpi
    frame = Bbox(corners)
    taken = [Bbox([c - r, c + r]) for c, r in zip(at, radii, strict=True)]
    for bar in ((1, 0), (0, 1)):
        half = reach * bar + 1
        taken += [Bbox([c - r, c + r]) for c, r in zip(at, half, strict=True)]
    for dot, centre, radius in zip(dots, at, radii, strict=True):
        half_size = np.array([0.31 * len(dot.title), 0.6]) * SIZE
        middles = [centre + np.array(side) * (radius + 2 + half_size) for side in SIDES]
        boxes = [Bbox([middle - half_size, middle + half_size]) for middle in middles]
        best = int(np.argmin([_covered(box, taken, frame) for box in boxes]))
        taken.append(boxes[best])
        axes.annotate(
            dot.title, dot.at, middles[best] - centre, textcoords="offset points", fontsize=SIZE,
            ha="center", va="center",
        )  # fmt: skip


def _covered(box: Bbox, taken: Sequence[Bbox], frame: Bbox) -> float:
    """The area of a box that lies on others or out of the frame."""

    def common(other: Bbox) -> float:
        both = Bbox.intersection(box, other)
        return float(both.width * both.height) if both else 0.0

    return float(box.width * box.height) - common(frame) + sum(map(common, taken))
