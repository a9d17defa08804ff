"""Why a fit has learnt nothing: inputs or targets that lie orders of magnitude from unit size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastdl import ops
from fastdl._check import Array
from fastdl.core import Core
from fastdl.data import Data, part
from fastdl.evaluation import Evaluator
from fastdl.losses import Hinge, Loss, MeanSquared

_LARGE, _SMALL = 8.0, 0.03  # the root of a mean square that is far from one
LEAST_STEPS = 10  # of a fit that may be expected to have learnt something
_SAMPLE = 300  # about the rows that are looked at
_BETTER = 0.98  # the share of the best constant answer's loss below which something was learnt


class ScalingWarning(UserWarning):
    """A fit has learnt nothing, and its data lie orders of magnitude from unit size.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", fd.ScalingWarning)  # a fit that learnt nothing raises
    """


class Words(NamedTuple):
    """How a warning speaks to whoever called a fit.

    Attributes
    ----------
    told : float or None
        The training loss as the caller knows it; None: nobody has told it.
    unit, more : float
        It is so many times the loops', and more by this.
    x : str
        What the caller calls the rows.
    scale_x, scale_y : str
        How they are scaled, and how targets are.
    """

    told: float | None = None
    unit: float = 1.0
    more: float = 0.0
    x: str = "x"
    scale_x: str = "make the network with scaling=fd.Scaling.standard(x)"
    scale_y: str = "train on (y - y.mean(axis=0)) / y.std(axis=0)"


def learnt_nothing(core: Core, data: Data, about: float, words: Words) -> str | None:
    """A sentence where a network is no better than a constant answer for want of scaling.

    Parameters
    ----------
    core : Core
        Of the core.
    data : Data
        What it was trained on; some hundred rows of it are looked at.
    about : float
        The loss as training has shown it; only where that is no better are rows looked at.
    words : Words
    """
    if core.loss.y == "own":  # of which nobody knows the best constant
        return None
    rows = _sample(data)
    constant = constant_loss(core, data, rows)
    if constant == 0 or about <= _BETTER * constant:  # 0: there is nothing to learn
        return None
    some = part(core, data, rows)
    remedy = _of_scale(core, some, data, words)
    if remedy is None:
        return None
    with core.serial_blas(len(rows)):
        loss = Evaluator(core, some, 1).evaluate(0.0).loss
    if loss <= _BETTER * constant:
        return None
    return f"the network has learnt nothing: {_told(core, data, len(rows), loss, words)}; {remedy}"


def _told(core: Core, data: Data, n: int, loss: float, words: Words) -> str:
    """The training loss as the caller knows it beside a constant's; else that of n rows."""
    if words.told is None:
        of, rows, found = f" on {n} of its rows", _sample(data), words.unit * loss + words.more
    else:
        of, rows, found = "", _counted(data), words.told
    constant = words.unit * constant_loss(core, data, rows) + words.more
    how = "no" if found >= constant else "hardly"
    return (
        f"its training loss of {found:.4g}{of} is {how} better than the {constant:.4g} of the best "
        "constant answer"
    )


def of_scale(core: Core, data: Data) -> str | None:
    """What to scale and how, as the end of a sentence; None where all is near unit size."""
    return _of_scale(core, part(core, data, _sample(data)), data, Words())


def _counted(data: Data) -> Array:
    """The numbers of all rows of weight."""
    return np.arange(len(data.x)) if data.weights is None else np.flatnonzero(data.weights)


def _sample(data: Data) -> Array:
    """The numbers of some of them."""
    counted = _counted(data)
    return counted[:: -(-len(counted) // _SAMPLE)]


def constant_loss(core: Core, data: Data, rows: Array) -> float:
    """The least loss of one answer for some rows, or the lesser of two plain answers."""
    k = core.layers[-1].h
    weights = np.ones(len(rows)) if data.weights is None else data.weights[rows].astype(np.float64)
    if data.targets is not None:
        return _of_targets(core.loss, data.targets[rows].astype(np.float64), weights)
    assert data.labels is not None
    share = np.bincount(data.labels[rows], weights, k) / weights.sum()
    if isinstance(core.loss, Hinge):
        return float(core.loss.margin * min(k - 1, k * (1 - share.max())))
    if core.loss.probabilities == "sigmoid":
        return float((_entropy(share) + _entropy(1 - share)) / k)
    smoothing = core.loss.settings["label_smoothing"]
    return float(_entropy((1 - smoothing) * share + smoothing / k))


def _of_targets(loss: Loss, targets: Array, weights: Array) -> float:
    """The least loss of the mean, or of a quantile, for all rows."""
    mean = np.average(targets, axis=0, weights=weights)
    if loss.y == "binary":
        return float((_entropy(mean) + _entropy(1 - mean)) / len(mean))
    if isinstance(loss, MeanSquared):
        variance = np.average(np.square(targets - mean), axis=0, weights=weights)
        return float(np.where(np.ptp(targets, axis=0) > 0, variance, 0.0).mean())
    q, share = loss.settings.get("q", 0.5), weights / weights.mean()
    middle = np.quantile(targets, q, axis=0, weights=weights, method="inverted_cdf")
    function = getattr(ops, loss.name)
    plain = (np.broadcast_to(each, targets.shape) for each in (mean, middle))
    return min(
        float(function(each, targets, sample_weight=share, **loss.settings)[0]) for each in plain
    )


def _entropy(share: Array) -> float:
    some = share[share > 0]
    return -float(some @ np.log(some))


def _of_scale(core: Core, some: Data, data: Data, words: Words) -> str | None:
    rows, scaling = some.x.astype(np.float64), core.applied.of(some.x)
    if scaling is not None:
        rows = (rows - scaling[0]) * scaling[1]
    advice = []
    if (column := _far(rows)) is not None:
        advice.append(
            f"{_range(f'column {column} of {words.x}', data.x[:, column])}: {words.scale_x}"
        )
    scaled = core.loss.y == "numbers" and not core.loss.outputs  # which others need as they are
    if scaled and data.targets is not None and some.targets is not None:
        column = _far(some.targets.astype(np.float64))
        if column is not None:
            advice.append(f"{_range('y', data.targets[:, column])}: {words.scale_y}")
    return " and ".join(advice) or None


def _range(name: str, values: Array) -> str:
    low, high, digits = float(values.min()), float(values.max()), 4
    if low == high:
        return f"{name} is always {low:.4g}"
    while f"{low:.{digits}g}" == f"{high:.{digits}g}":
        digits += 1
    return f"{name} reaches from {low:.{digits}g} to {high:.{digits}g}"


def _far(rows: Array) -> int | None:
    """The column that is farthest from unit size, if it is far.

    Large columns drown others, small ones do not, so they are far only if all are small; nothing
    makes what is small and always the same larger.
    """
    with np.errstate(over="ignore"):
        size = np.sqrt(np.square(rows).mean(axis=0))
    largest = int(size.argmax())
    is_small = size[largest] < _SMALL and np.ptp(rows[:, largest]) > 0
    return largest if size[largest] > _LARGE or is_small else None
