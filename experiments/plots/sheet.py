"""What all figures have in common: title, note, legend, axes, and what to do without numbers."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from .. import spec
from ..results import GroupResult, Results, RunResult

STYLE = Path(__file__).parents[1] / "fastdl.mplstyle"
INK = dict.fromkeys(
    ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), "#e3e7eb"
)
DARK = {"figure.facecolor": "#14181c", "axes.facecolor": "#14181c", "grid.color": "#363e46", **INK}
WIDTH = 6.5  # inches, of every figure
NOTE_COLOUR = "#D55E00"
TRAINING, VALIDATION, TEST = range(3)  # of the style's colours and dashes
WIDE = 25  # greatest over least of what still fits a linear axis
LINES = 62  # letters of a title on a line


class Undrawable(ValueError):
    """Raised where no trial has given what a figure shows."""


def new(title: str, note: str) -> Figure:
    """A figure with its title and, in a warning colour, why its numbers may not be compared."""
    drawn = Figure()
    lines = textwrap.wrap(title, LINES)
    if note:
        # Layouts know the place of a title, and so keep this line of it free.
        lines.insert(0, "")
        top = ScaledTranslation(0, -0.06, drawn.dpi_scale_trans)
        drawn.text(
            0.5, 1, note, color=NOTE_COLOUR, weight="bold", ha="center", va="top",
            transform=drawn.transFigure + top,
        )  # fmt: skip
    drawn.suptitle("\n".join(lines))
    return drawn


def settle(drawn: Figure) -> None:
    """Lay out the figure while its style holds: what is drawn later has ticks of its own.

    Twice, for the first time moves the axes, which may then have other and longer ticks.
    """
    engine = drawn.get_layout_engine()
    assert engine is not None
    engine.execute(drawn)
    engine.execute(drawn)
    drawn.set_layout_engine("none")


def colour(i: int) -> str:
    """The style's colour with this number; matplotlib's "C0" would forget the style."""
    return str(_cycled("color", i))


def dashes(i: int) -> Any:
    """The style's line style with this number."""
    return _cycled("linestyle", i)


def _cycled(name: str, i: int) -> Any:
    values = rcParams["axes.prop_cycle"].by_key()[name]
    return values[i % len(values)]


def note(wanted: spec.Figure, results: Results) -> str:
    """Why the runs of a figure may not be compared with a report's; empty where they may."""
    found = [results.runs[name] for name in wanted.of if name in results.runs]
    for name in wanted.of:
        found += results.groups[name].runs if name in results.groups else ()
    return next((each.note for each in found if each.note), "")


def title(wanted: spec.Figure, results: Results) -> str:
    """The assignment, and the run or group where there is one alone."""
    if len(wanted.of) > 1:
        return results.assignment.title
    (name,) = wanted.of
    group, one = results.groups.get(name), results.runs.get(name)
    found = one.run.title if one else group.group.title if group else name
    return f"{results.assignment.title.partition(':')[0]}: {found}"


def run(results: Results, name: str) -> RunResult:
    """A run that has an outcome.

    Raises
    ------
    Undrawable
        If it has none.
    """
    found = results.runs.get(name)
    if found is None or found.first is None:
        why = found.outcomes[0].failure if found and found.outcomes else "it was not run"
        raise Undrawable(f"a figure of {name} must have an outcome; got none ({why})")
    return found


def runs(results: Results, names: Iterable[str]) -> list[RunResult]:
    """Those of the runs that have an outcome, one at least."""
    wanted = list(names)
    found = [results.runs[name] for name in wanted if name in results.runs]
    return [each for each in found if each.first is not None] or [run(results, wanted[0])]


def group(results: Results, name: str) -> GroupResult:
    """A group that has a run with an outcome."""
    found = results.groups.get(name)
    if found is None or not found.ranked():
        raise Undrawable(f"a figure of {name} must have runs with an outcome; got none")
    return found


def array(run: RunResult, name: str) -> NDArray[Any]:
    """What the first seed of a run has kept."""
    if run.first is None or name not in run.first.arrays:
        raise Undrawable(f"a figure of {run.run.name} must have {name}; got none, keep them")
    return run.first.arrays[name]


def seeds(found: Sequence[RunResult]) -> str:
    """What a mean and a spread are of."""
    n = max(len(each.good) for each in found)
    lost = sum(len(each.outcomes) - len(each.good) for each in found)
    failed = f" ({lost} failed)" if lost else ""
    return mean_of(n) + failed


def mean_of(n: int) -> str:
    """What dots and bars are where so many seeds are shown."""
    return f"mean of {n} seeds ± sd" if n > 1 else "one seed"


def legend(drawn: FigureBase, axes: Iterable[Axes], note: str, columns: int = 4) -> None:
    """One legend under all axes, every label once."""
    handles: dict[str, Artist] = {}
    for each in axes:
        for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    drawn.legend(
        list(handles.values()), list(handles), loc="outside lower center", title=note,
        ncols=columns, title_fontsize=9,
    )  # fmt: skip


def percent(axis: Axis) -> None:
    """An axis of shares, in per cent."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.6g}"))


def wide(axes: Axes, means: Iterable[float]) -> None:
    """A logarithmic y axis where the least of the means would be lost beside the greatest."""
    known = [mean for mean in means if math.isfinite(mean)]
    if known and 0 < WIDE * min(known) < max(known):
        axes.set_yscale("log")
        axes.set_ylim(bottom=min(known) / 2)
        axes.set_ylabel(axes.get_ylabel().replace(")", ", log scale)"))


def log(axes: Axes, path: str, values: Iterable[float]) -> None:
    """The x axis of a setting, logarithmic, ticks that can be told apart even within a decade."""
    known = sorted(set(values))
    above = [value for value in known if value > 0]
    if known[0] > 0:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=above[0] if above else 1.0)
    axes.set_xlabel(f"{spec.symbol(path)} (log scale)")
    if 0 < known[-1] < 10 * known[0]:
        axes.xaxis.set_major_locator(FixedLocator(list(np.linspace(known[0], known[-1], 5))))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        axes.xaxis.set_minor_locator(NullLocator())
