"""One batch that Python hands over: through the loops alone, or by way of a loss of one's own."""

from __future__ import annotations

import numpy as np

from fastdl._epoch import Steps
from fastdl.core import Core
from fastdl.data import Data, rows_of_fit
from fastdl.losses import Own


def take(core: Core, steps: Steps, batch: Data, rate: float, n_threads: int | None) -> float:
    """One step; the mean loss of the batch, before it. Where that is not finite none is taken."""
    n = len(batch.x)
    threads = core.threads(n_threads, n)
    rows = rows_of_fit(core, batch, check_finite=True)
    with core.serial_blas(n, trains=True):
        if not isinstance(core.loss, Own):
            return steps.take(rows, rate, threads)
        logits = steps.outputs(rows, threads)
        if logits is None or not np.isfinite(logits).all():
            return np.nan
        loss, dlogits = core.loss.of(logits, batch.targets, batch.weights)
        return loss + steps.follow(rows, dlogits, rate, threads)  # which is 0, or no finite norm
