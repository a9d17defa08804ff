"""How well a number is known: the noise of a mean over seeds, of a difference, and without any."""

import re
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from experiments.results import RunResult

LEVEL = 0.95
LEAST_SEEDS = 3  # fewer say too little of their own spread

# What a number may be off, by the end of its name: about what two of our seeds differ by at most,
# 2√2 of their standard deviation. Whatever is not here must agree exactly.
_POINTS = {"accuracy": 0.01}
_SHARES = {"last_batch_loss": 0.3, "mse": 0.5, "loss": 0.08, "cost": 0.02}


def _quantile(n: int) -> float:
    """Student's t of n values, both tails outside ``LEVEL`` together."""
    return float(stdtrit(n - 1, (1 + LEVEL) / 2))


def of_mean(sd: float, n: int) -> float:
    """Half the width of the confidence interval of a mean of n values."""
    return _quantile(n) * sd / float(np.sqrt(n))


def of_next(sd: float, n: int) -> float:
    """Half the width of the interval that one more value falls into after n of them."""
    return _quantile(n) * sd * float(np.sqrt(1 + 1 / n))


def tolerance(metric: str, value: float) -> float:
    """What a number may be off where no band is known.

    Parameters
    ----------
    metric : str
        A point of accuracy; 30 % of the loss of a single batch, 50 % of the squared error of a
        small net, 8 % of another loss, 2 % of a cost; nothing for counts.
    value : float
        The reported number.
    """
    name = re.sub(r"@.*|_m\d+$", "", metric)
    for ending, points in _POINTS.items():
        if name.endswith(ending):
            return points
    for ending, share in _SHARES.items():
        if name.endswith(ending):
            return share * abs(value)
    return 0.0


@dataclass(frozen=True)
class Difference:
    """How much larger a metric of one run is than that of another, seed by seed.

    Attributes
    ----------
    mean : float
    error : float or None
        The standard error of the mean; None with fewer than two seeds.
    n : int
        Seeds that both runs have.
    """

    mean: float
    error: float | None
    n: int

    @property
    def noise(self) -> float | None:
        """Half the width of the confidence interval of the mean; None with one seed."""
        return None if self.error is None else _quantile(self.n) * self.error

    @property
    def beyond_noise(self) -> bool | None:
        """Whether it is a difference at all; None with one seed, which cannot tell."""
        return None if self.noise is None else abs(self.mean) > self.noise


def difference(a: RunResult, b: RunResult, metric: str) -> Difference | None:
    """The paired difference a - b of a metric; the same seeds see the same rows.

    Parameters
    ----------
    a, b : RunResult
    metric : str
        Or two, as in ``"test_loss - train_loss"``.

    Returns
    -------
    Difference or None
        None where no seed has given both numbers.
    """
    ours, theirs = _values(a, metric), _values(b, metric)
    pairs = np.array([ours[seed] - theirs[seed] for seed in ours if seed in theirs])
    n = len(pairs)
    if n == 0:
        return None
    error = float(pairs.std(ddof=1) / np.sqrt(n)) if n > 1 else None
    return Difference(float(pairs.mean()), error, n)


def _values(run: RunResult, metric: str) -> dict[int, float]:
    names = metric.split(" - ")
    return {
        outcome.seed: outcome.metrics[names[0]] - sum(outcome.metrics[each] for each in names[1:])
        for outcome in run.good
        if set(names) <= set(outcome.metrics)
    }
