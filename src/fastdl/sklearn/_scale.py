"""Why an estimator has learnt nothing: rows or targets that lie far from unit size."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse

from fastdl import data as rows
from fastdl.advice import Words, learnt_nothing
from fastdl.inputs import Inputs
from fastdl.sklearn._engine import Engine
from fastdl.sklearn._training import Data, Rule, constants_of


def why_nothing_was_learnt(
    engine: Engine, rule: Rule, data: Data, told: float | None, name: str
) -> str | None:
    """A sentence where a network is no better than a constant answer for want of scaling, or None.

    Parameters
    ----------
    engine : Engine
    rule : Rule
    data : Data
        What it was fitted on; sparse rows are not looked at.
    told : float or None
        The estimator's loss; None: it is not that of these weights.
    name : str
        The estimator's.
    """
    if issparse(data.x):
        return None
    core, (x, labels, targets, weights) = engine.core, data
    given = rows.Data(engine.readable(x), Inputs("numbers"), labels, targets)
    if weights is not None and weights.any():
        given = rows.weighted(core, given, weights)
    more = constants_of(rule, data)
    words = Words(
        told, rule.of_gradient * rule.of_loss,
        0.0 if more is None else float(np.average(more, weights=weights)), "X",
        f"use make_pipeline(StandardScaler(), {name}(...))", "use target_scaling='standard'",
    )  # fmt: skip
    return learnt_nothing(core, given, np.inf, words)
