"""Gradients as histograms."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from ..results import Results
from ..spec import Histograms
from . import sheet

BINS = 80
TAIL = 0.5  # per cent of the gradients beyond the outermost bins, at either end


def histograms(wanted: Histograms, drawn: Figure, results: Results) -> None:
    """The gradients of several runs in the same bins."""
    runs = sheet.runs(results, wanted.of)
    gradients = [sheet.array(run, "gradients").ravel() for run in runs]
    low = min(float(np.percentile(each, TAIL)) for each in gradients)
    high = max(float(np.percentile(each, 100 - TAIL)) for each in gradients)
    edges = np.linspace(low, high, BINS + 1)
    drawn.set_size_inches(sheet.WIDTH, 3.6)
    axes = drawn.subplots()
    for i, (run, values) in enumerate(zip(runs, gradients, strict=True)):
        counts, _ = np.histogram(values, edges)
        colour = sheet.colour(i)
        axes.stairs(counts, edges, fill=True, color=colour, alpha=0.2)
        axes.stairs(
            counts, edges, color=colour, linestyle=sheet.dashes(i), linewidth=1.6,
            label=f"{run.run.title}: sd {values.std():.2g}",
        )  # fmt: skip
    axes.set_xlabel("gradient of the loss by a weight (nats)")
    axes.set_ylabel("weights (count)")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    beyond = f"the first seed; {2 * TAIL:g} % of the weights lie beyond the axis"
    sheet.legend(drawn, [axes], beyond, columns=2)
