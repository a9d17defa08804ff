"""All figures, in the style of ``fastdl.mplstyle``; every kind has a function in this folder."""

from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any

from matplotlib import figure, style

from ..compare import Comparison
from ..results import Results
from ..spec import Figure, Snapshots
from . import (
    architectures,
    curves,
    gradients,
    images,
    overview,
    searches,
    sheet,
    surfaces,
)
from .sheet import Undrawable

__all__ = ["Undrawable", "draw", "snapshots", "verdicts"]


def draw(wanted: Figure, results: Results, *, dark: bool = False) -> figure.Figure:
    """Draw a figure.

    Parameters
    ----------
    wanted : Figure
        Of a kind that has a function in this folder.
    results : Results
        Of the assignment that the figure is of.
    dark : bool
        Whether it is for a dark page.

    Returns
    -------
    matplotlib.figure.Figure
        With why its runs may not be compared with a report's, if so, among its texts.

    Raises
    ------
    Undrawable
        If no trial has given what the figure shows.
    """
    with style.context(_style(dark)):
        drawn = sheet.new(sheet.title(wanted, results), sheet.note(wanted, results))
        _fill(wanted, drawn, results)
        sheet.settle(drawn)
    return drawn


def _style(dark: bool) -> list[Any]:
    return [sheet.STYLE, sheet.DARK] if dark else [sheet.STYLE]


def snapshots(
    wanted: Snapshots, results: Results, *, dark: bool = False
) -> Iterator[tuple[int, figure.Figure]]:
    """The curves up to every snapshot of a run and the templates at it, a figure each.

    Yields
    ------
    epoch : int
    drawn : matplotlib.figure.Figure
    """
    run = sheet.run(results, wanted.of[0])
    for epoch, templates in images.snapshots(run):
        with style.context(_style(dark)):
            drawn = sheet.new(sheet.title(wanted, results), sheet.note(wanted, results))
            drawn.set_size_inches(sheet.WIDTH, 8.6)
            above, below = drawn.subfigures(2, 1, squeeze=False, height_ratios=(3, 2))[:, 0]
            curves.fill(above, run, window=curves.Window(until=epoch))
            images.fill(below, templates, run)
            sheet.settle(drawn)
        yield epoch, drawn


def verdicts(comparisons: Sequence[Comparison], results: Results) -> figure.Figure | None:
    """Every reported accuracy beside ours and the band.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Of the assignment.
    results : Results

    Returns
    -------
    matplotlib.figure.Figure or None
        None where there is no accuracy to show.
    """
    shown = [each for each in comparisons if overview.shows(each)]
    if not shown:
        return None
    with style.context(sheet.STYLE):
        head = results.assignment.title.partition(":")[0]
        drawn = sheet.new(f"{head}: accuracies, reported and ours", results.note)
        overview.fill(drawn, shown)
        sheet.settle(drawn)
    return drawn


@singledispatch
def _fill(wanted: Figure, drawn: figure.Figure, results: Results) -> None:
    raise TypeError(f"a figure must be of a kind that plots knows; got {type(wanted).__name__}")


for _kind in (
    curves.curves, images.templates, images.snapshot_rows, gradients.histograms, searches.scatter,
    searches.heat_map, searches.sweep, architectures.accuracy_against_seconds, surfaces.surfaces,
):  # fmt: skip
    _fill.register(_kind)
