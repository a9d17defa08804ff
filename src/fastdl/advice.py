"""Why a fit has learnt nothing: inputs or targets that lie orders of magnitude from unit size."""

from __future__ import annotations

import numpy as np

from fastdl import losses
from fastdl._check import Array
from fastdl.network import Data, Network

_FAR = 30.0  # times larger or smaller than one, for the root of a mean square
_SAMPLE = 1000  # about the rows that are looked at
_BETTER = 0.98  # the share of the best constant answer's loss below which something was learnt


class ScalingWarning(UserWarning):
    """A fit has learnt nothing, and its data lie orders of magnitude from unit size."""


def learnt_nothing(network: Network, data: Data, loss: float) -> str | None:
    """A sentence where a training loss is no better than a constant answer's for want of scaling.

    Parameters
    ----------
    network : Network
    data : Data
        What it was trained on.
    loss : float
        The training loss at the end.
    """
    constant = constant_loss(network, data)
    if constant == 0 or not loss > _BETTER * constant:  # 0: there is nothing to learn
        return None
    remedy = of_scale(network, data)
    if remedy is None:
        return None
    return (
        f"the network has learnt nothing: its training loss of {loss:.4g} is no better than the "
        f"{constant:.4g} of the best constant answer; {remedy}"
    )


def constant_loss(network: Network, data: Data) -> float:
    """The least loss of one answer for all rows; of the hinge the lesser of two plain answers."""
    n = len(data.x)
    weights = np.full(n, 1 / n) if data.weights is None else data.weights / (n + 0.0)
    if data.targets is not None:
        targets = data.targets.astype(np.float64)
        variance = weights @ np.square(targets - weights @ targets)
        return float(np.where(np.ptp(targets, axis=0) > 0, variance, 0.0).mean())
    assert data.labels is not None
    k = network.layers[-1].h
    share = np.bincount(data.labels, weights, k) / weights.sum()
    if network.loss == "hinge":
        return float(network.margin * min(k - 1, k * (1 - share.max())))
    if losses.LOSSES[network.loss].probabilities == "sigmoid":
        return float((_entropy(share) + _entropy(1 - share)) / k)
    return float(_entropy(share))


def _entropy(share: Array) -> float:
    some = share[share > 0]
    return -float(some @ np.log(some))


def of_scale(network: Network, data: Data) -> str | None:
    """What to scale and how, as the end of a sentence; None where all is near unit size."""
    counted = data.x if data.weights is None else data.x[data.weights > 0]
    rows = counted[:: -(-len(counted) // _SAMPLE)].astype(np.float64)
    scaling = network._scaling_of(data.x)
    if scaling is not None:
        rows = (rows - scaling[0]) * scaling[1]
    advice = []
    if (column := _far(rows)) is not None:
        advice.append(
            f"{_range(f'column {column} of x', counted[:, column])}: make the network with "
            "scaling=fd.Scaling.standard(x)"
        )
    if data.targets is not None and (column := _far(data.targets.astype(np.float64))) is not None:
        advice.append(
            f"{_range('y', data.targets[:, column])}: train on (y - y.mean(axis=0)) / y.std(axis=0)"
        )
    return " and ".join(advice) or None


def _range(name: str, values: Array) -> str:
    return f"{name} reaches from {values.min():.4g} to {values.max():.4g}"


def _far(rows: Array) -> int | None:
    """The column that is farthest from unit size, if it is far.

    Small columns do no harm beside one of unit size, large ones do; nothing makes what is small
    and always the same larger.
    """
    size = np.sqrt(np.square(rows).mean(axis=0))
    largest = int(size.argmax())
    is_small = size[largest] < 1 / _FAR and np.ptp(rows[:, largest]) > 0
    return largest if size[largest] > _FAR or is_small else None
