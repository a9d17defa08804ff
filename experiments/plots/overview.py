"""All accuracies that reports give beside ours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..compare import Comparison
from ..tables import shortened
from ..verdicts import Verdict
from . import sheet

LETTERS, LEAST = 40, 20  # of a row's name, and of the run's in it
SHAPES = ("o", "P", "D", "v", "s", "h", "H", "^", "X", "<", ">")  # one a verdict
_FILLED = {"facecolor": "lightgrey", "edgecolor": "none"}
_HATCHED = {"facecolor": "none", "edgecolor": "silver", "hatch": "////"}
_DOTTED = {"facecolor": "none", "edgecolor": "grey", "linestyle": ":"}
BANDS: dict[str, tuple[str, dict[str, Any]]] = {  # by where a band is from
    "public": ("band of other public reports", _FILLED),
    "reruns": ("band of reruns", _HATCHED),
    "noise": ("reported ± our noise", _DOTTED),
    "tolerance": ("reported ± tolerance", _DOTTED),
}


def shows(comparison: Comparison) -> bool:
    """Whether a comparison is of accuracies, and ours is known."""
    return "accuracy" in comparison.row.metric and comparison.mean is not None


def fill(drawn: Figure, shown: Sequence[Comparison]) -> None:
    """A row a reported accuracy: it, its band, and ours with the spread."""
    drawn.set_size_inches(sheet.WIDTH, 1.6 + 0.24 * len(shown))
    axes = drawn.subplots()
    axes.use_sticky_edges = False
    _bands(axes, shown)
    for i, verdict in enumerate(Verdict):
        rows = [row for row, each in enumerate(shown) if each.verdict == verdict]
        means = np.array([shown[row].mean for row in rows], np.float64)
        sds = [shown[row].sd or 0.0 for row in rows]
        if rows:
            axes.errorbar(
                means, rows, xerr=sds if any(sds) else None, fmt=SHAPES[i], markersize=5,
                color=sheet.colour(i), label=f"ours: {verdict}",
            )  # fmt: skip
    reported = {row: each.row.reported for row, each in enumerate(shown)}
    known = {row: value for row, value in reported.items() if isinstance(value, float)}
    if known:
        axes.scatter(
            list(known.values()), list(known), s=50, marker="d", facecolor="none",
            edgecolor="black", label="reported", zorder=3,
        )  # fmt: skip
    axes.set_yticks(range(len(shown)), [_name(each) for each in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel("accuracy (%)")
    sheet.percent(axes.xaxis)
    n = max(each.n for each in shown)
    sheet.legend(drawn, [axes], sheet.mean_of(n), columns=3)


def _bands(axes: Axes, shown: Sequence[Comparison]) -> None:
    """What is expected, by where that is from."""
    for origin, (name, style) in BANDS.items():
        bands = {row: each.band for row, each in enumerate(shown) if each.band_from == origin}
        low, high = np.array(list(bands.values()), np.float64).reshape(-1, 2).T
        if bands:
            axes.barh(list(bands), high - low, left=low, height=0.6, label=name, **style)


def _name(comparison: Comparison) -> str:
    split = (
        comparison.row.ours.replace("@", " at epoch ").replace("_accuracy", "").replace("_", " ")
    )
    head = f"{comparison.row.id} {split}: "
    return head + shortened(comparison.run, max(LETTERS - len(head), LEAST))
