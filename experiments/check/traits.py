"""What a run's curves tell beside their values: columns that are one, steps of whole batches.

No seed changes most of these, so they tell mistakes apart whose values lie within the noise.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .report import TOLD
from .stored import Runs
from .student import SPLITS

Curves = dict[str, NDArray[np.float64]]
_POINTS = 3  # that a curve must have, at least
_DIGITS = 3e-5  # of a stored number that are lost
_PAIRS = (
    *(
        (f"{a}_{what}", f"{b}_{what}")
        for what in ("loss", "cost", "accuracy")
        for a, b in combinations(SPLITS, 2)
    ),
    *((f"{split}_loss", f"{split}_cost") for split in SPLITS),
)
_OF_A_BATCH = "the training accuracy is that of one batch"
_NEVER_FALLS = "the test accuracy never falls"
# Runs that might have a trait, or lack it, though no stored one does: of chance and of exact ones.
_DOUBT = {_NEVER_FALLS: 1.0}
_NO_DOUBT = 0.02


def shares(
    runs: Runs, given: Mapping[str, Mapping[int, tuple[float, float]]]
) -> dict[str, NDArray[np.float64]]:
    """By mistake, the share of its runs that are as a run is, one for each trait.

    Parameters
    ----------
    runs : Runs
    given : mapping of str to mapping of int to tuple of float
        By column and point, the value and its rounding.
    """
    points = {name: sorted(at) for name, at in given.items() if name in TOLD and len(at) >= _POINTS}
    own = {name: np.array([[given[name][i][0] for i in at]]) for name, at in points.items()}
    own = {name: values for name, values in own.items() if np.isfinite(values).all()}
    rounding = {name: max(given[name][i][1] for i in points[name]) for name in own}
    batch = _last_batch(runs)
    seen = _of(own, rounding, batch)
    if _OF_A_BATCH in seen and not seen[_OF_A_BATCH]:
        del seen[_OF_A_BATCH]  # a value between two points of a curve does not have it either
    found = {}
    for name, told in runs.told.items():
        held = _of({each: told.curves[each][:, points[each]] for each in own}, rounding, batch)
        found[name] = np.array([_share(held[trait] == seen[trait], trait) for trait in seen])
    return found


def _last_batch(runs: Runs) -> int:
    """The rows of the last mini-batch of an epoch."""
    recipe = runs.setting.recipe
    rest = 0 if recipe.drop_last else runs.rows["train"] % recipe.batch_size
    return rest or recipe.batch_size


def _share(alike: NDArray[np.bool_], trait: str) -> float:
    doubt = _DOUBT.get(trait, _NO_DOUBT)
    return float((alike.sum() + doubt) / (len(alike) + 2 * doubt))


def _of(curves: Curves, rounding: Mapping[str, float], batch: int) -> dict[str, NDArray[np.bool_]]:
    """Which of r runs have each trait that their curves (r, p) can show."""
    found: dict[str, NDArray[np.bool_]] = {}
    with np.errstate(invalid="ignore"):  # of runs that are lost
        for a, b in _PAIRS:
            if a in curves and b in curves and curves[a].shape == curves[b].shape:
                near = rounding[a] + rounding[b] + 1e-6 * np.abs(curves[a])
                found[f"{a} is {b}"] = _everywhere(np.abs(curves[a] - curves[b]) <= near)
        of_rows = batch * (rounding.get("train_accuracy", np.inf) + _DIGITS)
        if of_rows < 0.1:
            rows = batch * curves["train_accuracy"]
            found[_OF_A_BATCH] = _everywhere(np.abs(rows - np.round(rows)) <= of_rows)
        if "test_accuracy" in curves:
            steps = np.diff(curves["test_accuracy"], axis=1)
            found[_NEVER_FALLS] = _everywhere(steps >= -rounding["test_accuracy"])
    return found


def _everywhere(held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The runs for which it holds at all points."""
    return np.asarray(held.all(axis=1))
