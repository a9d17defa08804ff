"""Fitted surfaces as heat maps."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from .. import data
from ..results import Results, RunResult
from ..spec import Surface, Surfaces
from . import sheet

HIGH, AROUND = 2.3, 0.8  # inches: of a row, and of title and colour bar


def surfaces(wanted: Surfaces, drawn: Figure, results: Results) -> None:
    """The true surface, the fitted one and their difference on one scale, a row a run."""
    runs = sheet.runs(results, wanted.of)
    heights = [_heights(run) for run in runs]
    limit = max(float(np.abs(z).max()) for pair in heights for z in pair)
    drawn.set_size_inches(sheet.WIDTH, AROUND + HIGH * len(runs))
    grid = drawn.subplots(len(runs), 3, sharex=True, sharey=True, squeeze=False)
    for row, run, (true, fitted) in zip(grid, runs, heights, strict=True):
        size = f"m = {run.run.data.n_train:,}"
        shown = {f"true, {size}": true, "fitted": fitted, "fitted − true": fitted - true}
        for axes, (name, z) in zip(row, shown.items(), strict=True):
            image = _heat(axes, z, limit)
            axes.set_title(name)
            axes.set_xlabel("x₁")
            axes.set_ylabel("x₂")
            axes.label_outer()
    bar = drawn.colorbar(image, ax=grid, location="bottom", shrink=0.6, aspect=40)
    bar.set_label("height y, and its difference; the first seed", fontsize=9)


def _heights(run: RunResult) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The true heights over the grid, and the fitted ones of the first seed."""
    fitted = sheet.array(run, "predictions")
    assert run.first
    assert isinstance(run.run.data, Surface)
    true = data.load(run.run.data, run.first.seed, None).test[1]
    side = run.run.data.side
    return true.reshape(side, side), fitted.reshape(side, side)


def _heat(axes: Axes, z: NDArray[np.float64], limit: float) -> AxesImage:
    """Heights over [-2, 2]², x₁ to the right and x₂ upwards."""
    axes.grid(False)
    axes.set_xticks((-2, 0, 2))
    axes.set_yticks((-2, 0, 2))
    return axes.imshow(
        z.T, origin="lower", extent=(-2, 2, -2, 2), cmap="RdBu_r", vmin=-limit, vmax=limit
    )
