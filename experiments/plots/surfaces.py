"""Fitted surfaces."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments import data
from experiments.plots import sheet
from experiments.results import Results, RunResult
from experiments.spec import Surface, Surfaces

CELLS = 25  # of a drawn surface, along each side
LINE, ROW, BARS = 0.2, 2.3, 0.75  # inches: of a line of the title, a row, the colour bars


def surfaces(wanted: Surfaces, drawn: Figure, results: Results) -> None:
    """The true surface, the fitted one and their difference, a row a run."""
    runs = sheet.runs(results, wanted.of)
    heights = [_heights(run) for run in runs]
    limit = max(float(np.abs(z).max()) for pair in heights for z in pair)
    limits = (limit, limit, max(float(np.abs(fitted - true).max()) for true, fitted in heights))
    top = LINE * (2 + drawn.get_suptitle().count("\n"))
    height = top + ROW * len(runs) + BARS
    drawn.set_size_inches(sheet.WIDTH, height)
    drawn.set_layout_engine("none")  # none of them knows how little of its place a 3-D axes fills
    for i, (run, (true, fitted)) in enumerate(zip(runs, heights, strict=True)):
        bottom = height - top - ROW * (i + 1)
        title = f"{run.run.title}, the first seed"
        drawn.text(0.02, (bottom + ROW) / height, title, va="top", weight="bold")
        shown = (true, fitted, fitted - true)
        for j, (z, name) in enumerate(zip(shown, ("true", "fitted", "fitted − true"), strict=True)):
            place = (j / 3, (bottom + 0.1) / height, 0.29, (ROW - 0.5) / height)
            axes = drawn.add_axes(place, projection="3d")
            surface = _surface(axes, z, limits[j])
            axes.set_title(name, loc="center", y=0.95)
            if i == 0 and j > 0:
                left, width = ((0.1, 0.46), (0.7, 0.26))[j - 1]
                bar = drawn.add_axes((left, 0.55 / height, width, 0.12 / height))
                drawn.colorbar(surface, cax=bar, orientation="horizontal")
                bar.set_xlabel("height y" if j == 1 else "difference of y")


def _heights(run: RunResult) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The true heights over the grid, and the fitted ones of the first seed."""
    fitted = sheet.array(run, "predictions")
    assert run.first
    assert isinstance(run.run.data, Surface)
    true = data.load(run.run.data, run.first.seed, None).test[1]
    side = run.run.data.side
    return true.reshape(side, side), fitted.reshape(side, side)


def _surface(axes: Any, z: NDArray[np.float64], limit: float) -> Any:
    """Draw on a 3-D axes, whose module has no type hints."""
    side = np.linspace(-2, 2, len(z))
    x1, x2 = np.meshgrid(side, side, indexing="ij")
    axes.set_box_aspect(None, zoom=0.9)
    axes.set(xlabel="x₁", ylabel="x₂", zlim=(-limit, limit))
    axes.locator_params(nbins=4)
    axes.tick_params(labelsize=8, pad=-3)
    axes.tick_params(axis="z", pad=1)
    axes.xaxis.labelpad = axes.yaxis.labelpad = -8
    return axes.plot_surface(
        x1, x2, z, rcount=CELLS, ccount=CELLS, cmap="RdBu_r", vmin=-limit, vmax=limit, linewidth=0,
        antialiased=False,
    )  # fmt: skip
