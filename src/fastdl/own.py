"""A batch whose loss is a function of one's own: forward, that function, and back."""

from __future__ import annotations

import numpy as np

from fastdl._epoch import Steps
from fastdl.core import Core
from fastdl.data import Data, rows_of_fit
from fastdl.losses import Own


def take(core: Core, steps: Steps, batch: Data, rate: float, n_threads: int) -> float:
    """One step; the mean loss of the batch, before it. Where that is not finite none is taken."""
    assert isinstance(core.loss, Own)
    rows = rows_of_fit(core, batch, check_finite=True)
    logits = steps.outputs(rows, n_threads)
    if logits is None or not np.isfinite(logits).all():
        return np.nan
    loss, dlogits = core.loss.of(logits, batch.targets, batch.weights)
    return loss + steps.follow(rows, dlogits, rate, n_threads)  # which is 0, or no finite norm
