"""The weights of a first layer as images."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from numpy.typing import NDArray

from ..results import Results, RunResult
from ..spec import Snapshots, Templates, Training
from . import sheet

SIDE = 32
GAP = 3  # pixels between two images
NAME = 8  # pixels more, for a name above an image
TAIL = 1.0  # per cent of an image's values that are cut off at either end
COLUMNS = 5

Image = NDArray[np.float64]


def templates(wanted: Templates, drawn: Figure, results: Results) -> None:
    """One image a unit, of the first seed."""
    run = sheet.run(results, wanted.of[0])
    drawn.set_size_inches(sheet.WIDTH, 3.6)
    fill(drawn, sheet.array(run, "weights"), run)


def snapshot_rows(wanted: Snapshots, drawn: Figure, results: Results) -> None:
    """A row of images a snapshot."""
    run = sheet.run(results, wanted.of[0])
    epochs, weights = zip(*snapshots(run), strict=True)
    images = np.stack([pictures(each, _scale(run)) for each in weights])
    axes = drawn.subplots()
    drawn.set_size_inches(sheet.WIDTH, 1.3 + 0.56 * len(epochs))
    centres = _show(axes, images)
    axes.set_yticks(centres[: len(epochs)], [f"{epoch:,}" for epoch in epochs])
    axes.set_ylabel("epoch")
    names = _names(run, images.shape[1])
    axes.set_xticks(centres[: len(names)], names, rotation=40, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()


def snapshots(run: RunResult) -> Iterator[tuple[int, NDArray[np.floating]]]:
    """The epochs and weights of every snapshot of the first seed."""
    assert isinstance(run.run, Training)
    for i, weight in enumerate(sheet.array(run, "snapshots"), 1):
        yield i * run.run.every, weight


def fill(drawn: FigureBase, weight: NDArray[np.floating], run: RunResult) -> None:
    """Images in rows of five, with their names."""
    images = pictures(weight, _scale(run))
    rows = -(-len(images) // COLUMNS)
    padded = np.full((rows * COLUMNS, *images.shape[1:]), np.nan)
    padded[: len(images)] = images
    axes = drawn.subplots()
    centres = _show(axes, padded.reshape(rows, COLUMNS, *images.shape[1:]), above=NAME)
    axes.set_axis_off()
    for i, name in enumerate(_names(run, len(images))):
        top = (i // COLUMNS) * (SIDE + GAP + NAME)
        axes.text(centres[i % COLUMNS], top - 3, name, ha="center")


def pictures(weight: NDArray[np.floating], scale: NDArray[np.floating] | None = None) -> Image:
    """Weights as colour images, each stretched to [0, 1] over its three channels together.

    Parameters
    ----------
    weight : float array (3072, k)
    scale : float array (3072,), optional
        By which raw pixels were multiplied: the inverse of it gives weights the unit of a pixel.

    Returns
    -------
    float64 array (k, 32, 32, 3)
    """
    raw = np.asarray(weight, np.float64) / (1.0 if scale is None else scale[:, np.newaxis])
    low, high = np.percentile(raw, (TAIL, 100 - TAIL), axis=0)
    stretched: Image = np.clip((raw - low) / np.where(high > low, high - low, 1.0), 0, 1)
    return stretched.T.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)


def _names(run: RunResult, n: int) -> list[str]:
    """The classes, where there is an image of each."""
    assert run.first
    classes = run.first.classes
    return list(classes) if len(classes) == n else [f"unit {i}" for i in range(1, n + 1)]


def _scale(run: RunResult) -> NDArray[np.floating] | None:
    assert run.first
    return run.first.arrays.get("scale")


def _show(axes: Axes, images: NDArray[np.float64], above: int = 0) -> list[float]:
    """Rows of images (rows, columns, side, side, 3), and the centres of the columns.

    One picture of all is drawn many times as quickly as an axes each. Between images, and where
    they are NaN, the page is seen.
    """
    rows, columns = images.shape[:2]
    high, wide = SIDE + GAP + above, SIDE + GAP
    whole = np.full((rows * high - GAP - above, columns * wide - GAP, 3), np.nan)
    for i, j in np.ndindex(rows, columns):
        whole[i * high : i * high + SIDE, j * wide : j * wide + SIDE] = images[i, j]
    seen = np.isfinite(whole).all(axis=2, keepdims=True)
    axes.imshow(np.concatenate([np.nan_to_num(whole), seen], axis=2), interpolation="nearest")
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return [SIDE / 2 - 0.5 + wide * i for i in range(max(rows, columns))]
