"""All figures, in the one style of ``fastdl.mplstyle``."""

from functools import singledispatch
from pathlib import Path

import numpy as np
from matplotlib import figure, style
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from experiments.runner import Result
from experiments.spec import Curves, Figure, Templates

STYLE = Path(__file__).with_name("fastdl.mplstyle")
NOTE_COLOUR = "#D55E00"

_PANELS = {
    "loss": "loss: mean cross-entropy (nats)",
    "cost": "cost: loss + λ ΣW² (nats)",
    "accuracy": "accuracy",
}


def draw(wanted: Figure, result: Result, title: str) -> figure.Figure:
    """Draw a figure.

    Parameters
    ----------
    wanted : Figure
    result : Result
        Of the run that the figure is of.
    title : str
        Of the assignment.

    Returns
    -------
    matplotlib.figure.Figure
        With ``result.data.note``, if there is one, among its texts.
    """
    with style.context(STYLE):
        drawn = figure.Figure()
        drawn.suptitle(f"{title}\n{result.run.title}: {wanted.caption}")
        _fill(wanted, drawn, result)
        if result.data.note:
            drawn.supxlabel(result.data.note, color=NOTE_COLOUR, weight="bold")
    return drawn


@singledispatch
def _fill(wanted: Figure, drawn: figure.Figure, result: Result) -> None:
    raise TypeError(f"a figure must be of a kind that plots knows; got {type(wanted).__name__}")


@_fill.register
def _curves(wanted: Curves, drawn: figure.Figure, result: Result) -> None:
    history = result.history
    assert history is not None, f"{result.run.name} has no history to draw"
    drawn.set_size_inches(11, 4.2)
    for axes, (metric, label) in zip(drawn.subplots(1, 3), _PANELS.items(), strict=True):
        axes.plot(history["epoch"], history[metric], label="training")
        axes.plot(history["epoch"], history[f"val_{metric}"], label="validation")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if metric == "accuracy":
            test = result.metrics["test_accuracy"]
            axes.axhline(test, color="black", linestyle=":", label=f"test, at the end: {test:.2%}")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
        axes.legend()


@_fill.register
def _templates(wanted: Templates, drawn: figure.Figure, result: Result) -> None:
    images = templates(result.network.parameters["layers.0.weight"])
    drawn.set_size_inches(9, 4.6)
    for axes, image, name in zip(
        drawn.subplots(2, 5).flat, images, result.data.classes, strict=True
    ):
        axes.imshow(image)
        axes.set_title(name)
        axes.set_axis_off()


def templates(weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """Weights as colour images, each stretched to [0, 1] over its three channels together.

    Parameters
    ----------
    weight : float array (3072, k)

    Returns
    -------
    float64 array (k, 32, 32, 3)
    """
    images = np.asarray(weight, np.float64).T.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    low = images.min(axis=(1, 2, 3), keepdims=True)
    high = images.max(axis=(1, 2, 3), keepdims=True)
    stretched: NDArray[np.float64] = (images - low) / (high - low)
    return stretched
