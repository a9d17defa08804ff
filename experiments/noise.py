"""How well a number is known: the noise of a mean over seeds, of a difference, and without any."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from .results import RunResult
from .spec import Cifar10, Run

LEVEL = 0.95
LEAST_SEEDS = 3  # fewer say too little of their own spread

# What a number may be off where too few seeds tell their spread, by the end of its name: round
# numbers, chosen and not measured. Steady fits scatter less over five seeds, those with a high
# learning rate or on few points more. What is not here must agree exactly.
_POINTS = {"accuracy": 0.01, "gap": 0.01}
_SHARES = {"last_batch_loss": 0.3, "mse": 0.5, "loss": 0.08, "cost": 0.005}

# What no seed shows: copies of CIFAR-10 have different pixels, ours may have gone through JPEG.
# Independent reruns on such pixels expect half a point of accuracy. The costs of λ = 1, where seeds
# differ by 5e-6, are 0.06 % off those of report 000.
_OF_PIXELS = {"accuracy": 0.005}
_SHARE_OF_PIXELS = {"cost": 0.001}


def _quantile(freedom: float) -> float:
    """Student's t, both tails outside ``LEVEL`` together."""
    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def of_mean(sd: float, n: int) -> float:
    """Half the width of the confidence interval of a mean of n values."""
    return _quantile(n - 1) * sd / float(np.sqrt(n))


def of_next(sd: float, n: int, of: int | None = None) -> float:
    """Half the width of the interval around a mean that one more value falls into.

    Parameters
    ----------
    sd : float
    n : int
        Values that the mean is of.
    of : int, optional
        Values that the standard deviation is of; as many by default.
    """
    return _quantile((of or n) - 1) * sd * float(np.sqrt(1 + 1 / n))


def of_known(sd: float, m: int, n: int) -> float:
    """How far a mean of n values may be off where m earlier ones have told the deviation."""
    return _quantile(m - 1) * sd / float(np.sqrt(n))


def tolerance(metric: str, value: float) -> float:
    """What a number may be off where too few seeds tell the noise.

    Parameters
    ----------
    metric : str
        A point of accuracy; 30 % of the loss of a single batch, 50 % of the squared error of a
        small net, 8 % of another loss, 0.5 % of a cost; nothing for counts.
    value : float
        The reported number.
    """
    return _allowed(metric, value, _POINTS, _SHARES)


def of_data(run: Run, metric: str, value: float) -> float:
    """What a number may be off, beside the noise, where another copy of the data was used.

    Parameters
    ----------
    run : Run
    metric : str
        On CIFAR-10 half a point of accuracy and 0.1 % of a cost; nothing for others.
    value : float
        The reported number.
    """
    if not isinstance(run.data, Cifar10):
        return 0.0
    return _allowed(metric, value, _OF_PIXELS, _SHARE_OF_PIXELS)


def _allowed(
    metric: str, value: float, points: dict[str, float], shares: dict[str, float]
) -> float:
    name = re.sub(r"@.*|_m\d+$", "", metric)
    for ending, absolute in points.items():
        if name.endswith(ending):
            return absolute
    return next(
        (share * abs(value) for ending, share in shares.items() if name.endswith(ending)), 0.0
    )


@dataclass(frozen=True)
class Difference:
    """How much larger a metric of one run is than that of another.

    Attributes
    ----------
    mean : float
    noise : float or None
        Half the width of its 95 % interval; None where one seed each is all there is.
    n : int
        Seeds that the noise is known from.
    """

    mean: float
    noise: float | None
    n: int

    @property
    def beyond_noise(self) -> bool:
        """Whether it is a difference at all."""
        return self.noise is not None and abs(self.mean) > self.noise


def difference(a: RunResult, b: RunResult, metric: str) -> Difference | None:
    """The difference a - b of the means of a metric.

    Seed by seed where both runs have the same rows, as different fits of equal data do; between
    different data by Welch's interval. One seed beside several is held against their spread.

    Parameters
    ----------
    a, b : RunResult
    metric : str
        Or two, as in ``"test_loss - train_loss"``.

    Returns
    -------
    Difference or None
        None where a run has not given the number.
    """
    ours, theirs = _values(a, metric), _values(b, metric)
    if not ours or not theirs:
        return None
    common = [seed for seed in ours if seed in theirs] if a.run.data == b.run.data else []
    if len(common) > 1:
        pairs = np.array([ours[seed] - theirs[seed] for seed in common])
        return Difference(float(pairs.mean()), of_mean(_sd(pairs), len(pairs)), len(pairs))
    x, y = np.array(list(ours.values())), np.array(list(theirs.values()))
    mean = float(x.mean() - y.mean())
    fewer, more = sorted((x, y), key=len)
    if len(fewer) > 1:
        return Difference(mean, _welch(x, y), len(fewer))
    noise = of_next(_sd(more), len(more)) if len(more) > 1 else None
    return Difference(mean, noise, len(more))


def _welch(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Half the width of the confidence interval of a difference of means, unpaired."""
    parts = np.array([_sd(each) ** 2 / len(each) for each in (x, y)])
    if not parts.any():
        return 0.0
    freedom = parts.sum() ** 2 / (parts[0] ** 2 / (len(x) - 1) + parts[1] ** 2 / (len(y) - 1))
    return _quantile(float(freedom)) * float(np.sqrt(parts.sum()))


def _sd(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1))


def _values(run: RunResult, metric: str) -> dict[int, float]:
    names = metric.split(" - ")
    return {
        outcome.seed: outcome.metrics[names[0]] - sum(outcome.metrics[each] for each in names[1:])
        for outcome in run.good
        if set(names) <= set(outcome.metrics)
    }
