"""Searches: accuracies over one setting, or over three."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ..results import GroupResult, Results, RunResult
from ..spec import HeatMap, Scatter, Sweep, symbol
from . import sheet
from .curves import LOSSES

TOP = 3
NEAR = 0.05  # of an axis: what two circles need
_RANKINGS = (
    ("train_accuracy", "training", sheet.TRAINING, "o"),
    ("validation_accuracy", "validation", sheet.VALIDATION, "s"),
)


def scatter(wanted: Scatter, drawn: Figure, results: Results) -> None:
    """Accuracies over one setting; the best by either ranking are marked."""
    group = sheet.group(results, wanted.of[0])
    (path,) = _paths(group, 1)
    drawn.set_size_inches(sheet.WIDTH, 4.6)
    axes = drawn.subplots()
    sheet.log(axes, path, [run.settings[path] for run in group.runs])
    for metric, split, i, shape in _RANKINGS:
        runs, colour = group.ranked(metric), sheet.colour(i)
        at = np.array([run.settings[path] for run in runs])
        means = _means(runs, metric)
        axes.errorbar(
            at, means, _spread(runs, metric), fmt=shape, color=colour, markersize=4, elinewidth=1,
            label=split,
        )  # fmt: skip
        face, edge = ("white", colour) if split == "training" else (colour, "black")
        label = f"the best {len(at[:TOP])} by {split} accuracy"
        axes.scatter([], [], s=120, facecolor=face, edgecolor=edge, linewidth=1.4, label=label)
        _mark(axes, at, means, face, edge)
    axes.set_ylabel("accuracy (%)")
    axes.margins(y=0.12)
    sheet.percent(axes.yaxis)
    sheet.legend(drawn, [axes], sheet.seeds(group.runs), columns=2)


def _mark(
    axes: Axes, at: NDArray[np.float64], means: NDArray[np.float64], face: str, edge: str
) -> None:
    """The places 1, 2, 3 in circles, raised where they would cover a better one."""
    places = axes.xaxis.get_transform().transform(at)
    near = NEAR * np.ptp(places)
    for i, where in enumerate(zip(at[:TOP], means, strict=False)):
        covered = int((np.abs(places[:i] - places[i]) <= near).sum())
        axes.annotate(
            str(i + 1), where, (0, 20 * covered), textcoords="offset points", fontsize=9,
            ha="center", va="center", weight="bold", color=edge if face == "white" else "white",
            bbox={"boxstyle": "circle", "facecolor": face, "edgecolor": edge, "linewidth": 1.4},
            arrowprops={"arrowstyle": "-", "color": edge}, zorder=4,
        )  # fmt: skip


def sweep(wanted: Sweep, drawn: Figure, results: Results) -> None:
    """Loss, and accuracy where there is one, over one setting."""
    group = sheet.group(results, wanted.of[0])
    (path,) = _paths(group, 1)
    best = group.ranked()[0]
    metrics = [name for name in ("loss", "accuracy") if len(best.values(f"{wanted.metric}_{name}"))]
    drawn.set_size_inches(sheet.WIDTH, 3.4)
    axes = drawn.subplots(1, len(metrics), squeeze=False)[0]
    colour = sheet.colour(sheet.TEST if wanted.metric == "test" else sheet.VALIDATION)
    loss, unit = LOSSES[best.run.model.loss]
    rank = group.group.rank.replace("_", " ")
    label = f"best by {rank}: {symbol(path)} = {best.settings[path]:.3g}"
    for each, metric in zip(axes, metrics, strict=True):
        values = [run.settings[path] for run in group.runs]
        key = f"{wanted.metric}_{metric}"
        means = _means(group.runs, key)
        each.errorbar(
            values, means, _spread(group.runs, key), fmt="o-", color=colour, markersize=4,
            label=wanted.metric,
        )  # fmt: skip
        each.axvline(best.settings[path], color="black", linestyle=":", label=label)
        sheet.log(each, path, values)
        each.set_title(f"loss: {loss}" if metric == "loss" else "accuracy")
        each.set_ylabel(f"{metric} ({unit if metric == 'loss' else '%'})")
        if metric == "accuracy":
            sheet.percent(each.yaxis)
        else:
            sheet.wide(each, means)
    sheet.legend(drawn, axes, sheet.seeds(group.runs))


def heat_map(wanted: HeatMap, drawn: Figure, results: Results) -> None:
    """A panel a value of the second of three settings; the best cell has a frame."""
    group = sheet.group(results, wanted.of[0])
    columns, panels, rows = _paths(group, 3)
    metric = group.group.rank
    means = _means(group.ranked(), metric)
    norm = Normalize(means.min(), means.max())
    values = _values(group, panels)
    drawn.set_size_inches(sheet.WIDTH, 3.6)
    axes = drawn.subplots(1, len(values), sharey=True, squeeze=False)[0]
    for each, value in zip(axes, values, strict=True):
        shown = [run for run in group.runs if run.settings[panels] == value]
        _cells(each, group, shown, (columns, rows), norm)
        each.set_title(f"{symbol(panels)} = {value:g}")
        each.set_xlabel(symbol(columns))
    axes[0].set_ylabel(symbol(rows))
    factor, unit = _unit(metric)
    bar = drawn.colorbar(
        axes[0].images[0], ax=axes, orientation="horizontal", shrink=0.6, aspect=30,
        format=lambda value, _: f"{factor * value:.4g}",
    )  # fmt: skip
    name = metric.replace("_", " ")
    bar.set_label(f"{name}{unit}, {sheet.seeds(group.runs)}; the frame is the best", fontsize=9)


def _cells(
    axes: Axes,
    group: GroupResult,
    shown: Sequence[RunResult],
    paths: tuple[str, str],
    norm: Normalize,
) -> None:
    """Means as colours and as numbers, of a run a cell."""
    metric = group.group.rank
    factor, _ = _unit(metric)
    xs, ys = (_values(group, path) for path in paths)
    means = np.full((len(ys), len(xs)), np.nan)
    for run in shown:
        j, i = xs.index(run.settings[paths[0]]), ys.index(run.settings[paths[1]])
        mean, sd = run.mean(metric), run.sd(metric)
        if mean is None:
            axes.text(j, i, "failed", ha="center", va="center", fontsize=9)
            continue
        means[i, j] = mean
        text = f"{factor * mean:.1f}" + ("" if sd is None else f"\n±{factor * sd:.1f}")
        colour = "white" if norm(mean) < 0.5 else "black"
        axes.text(j, i, text, ha="center", va="center", color=colour)
        if run is group.ranked()[0]:
            frame = Rectangle((j - 0.47, i - 0.47), 0.94, 0.94, fill=False, linewidth=3)
            frame.set_edgecolor(sheet.colour(1))
            axes.add_patch(frame)
    axes.imshow(means, norm=norm, aspect="auto")
    axes.set_xticks(range(len(xs)), [f"{x:g}" for x in xs])
    axes.set_yticks(range(len(ys)), [f"{y:g}" for y in ys])
    axes.grid(False)


def _unit(metric: str) -> tuple[float, str]:
    """By what a metric is multiplied, and the unit that it has then."""
    return (100.0, " (%)") if metric.endswith("accuracy") else (1.0, "")


def _paths(group: GroupResult, n: int) -> list[str]:
    """The settings that the runs of a group differ in."""
    paths = list(group.runs[0].settings)
    if len(paths) != n:
        raise ValueError(
            f"this kind of figure must be of a search over {n} settings; got {len(paths)} "
            f"in {group.group.name}"
        )
    return paths


def _values(group: GroupResult, path: str) -> list[float]:
    return sorted({run.settings[path] for run in group.runs})


def _means(runs: Sequence[RunResult], metric: str) -> NDArray[np.float64]:
    """A number a run; NaN where it has failed."""
    return np.array([run.mean(metric) for run in runs], np.float64)


def _spread(runs: Sequence[RunResult], metric: str) -> list[float] | None:
    """Error bars; none where there is one seed."""
    sds = [run.sd(metric) for run in runs]
    return [sd or 0.0 for sd in sds] if any(sd is not None for sd in sds) else None
