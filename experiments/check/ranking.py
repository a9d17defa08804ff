"""How likely correct code and every known mistake are, given some numbers of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, gammaln, ndtri, stdtr

from ..spec import Cifar10
from . import traits
from .mistakes import RIGHT, Mistake
from .stored import Runs, Told

PLAUSIBLE = 0.01  # of a mistake's runs are further off than what it is still named for
_PRIOR_RIGHT = 0.5  # what correct code is given before any number is seen
_PRIOR_FREEDOM = 2  # seeds that the spread of correct code is worth, beside those of a mistake
# The points of a curve hang together and count as one number; so do the curves of a run, which
# count as a few at most.
_CURVES = 4.0
# What no seed shows, as a standard deviation, of losses and weights relative: the arithmetic, and
# that copies of CIFAR-10 have different pixels.
_OF_ARITHMETIC = {"accuracy": 0.0002, "loss": 0.0001, "cost": 0.0001, "weights": 0.0005}
_OF_PIXELS = {"accuracy": 0.0025, "loss": 0.0005, "cost": 0.0005, "weights": 0.002}
_CERTAIN = 0.98  # of likelihood for mistakes, where the noise of correct code reaches so far too
_SAME = 0.5  # standard deviations that two mistakes differ by, at most, to give the same numbers


@dataclass(frozen=True)
class Number:
    """One number of a run.

    Attributes
    ----------
    column : str
        ``test_accuracy`` for instance, or ``weight1`` of the weights.
    value : float
        Accuracies from 0 to 1; NaN for a run that diverged.
    point : int
        Which of the stored epochs; -1 for the last.
    rounding : float
        Half a unit of its last digit.
    """

    column: str
    value: float
    point: int = -1
    rounding: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """Correct code or a mistake, held against a run.

    Attributes
    ----------
    mistake : Mistake
    log_density : float
        The logarithm of how densely its runs lie about this one.
    fit : float
        The share of its own runs that are further off than this one.
    likelihood : float
        From 0 to 1; those of all candidates add up to 1.
    twins : tuple of str
        Names of others that give the same numbers up to half of the noise.
    untouched : bool
        Whether its numbers are exactly those of correct code: they say nothing of it.
    """

    mistake: Mistake
    log_density: float
    fit: float
    likelihood: float = 0.0
    twins: tuple[str, ...] = ()
    untouched: bool = False

    @property
    def plausible(self) -> bool:
        """Whether its own runs look like this one."""
        return self.fit > PLAUSIBLE


def verdict(candidates: Sequence[Candidate]) -> str:
    """Whether numbers are ``correct``, those of a ``mistake``, or of ``unknown`` origin.

    Parameters
    ----------
    candidates : sequence of Candidate
        As ``rank`` gives them.
    """
    right = [each for each in candidates if not each.mistake.wrong]
    wrong = 1 - sum(each.likelihood for each in right)
    if any(each.plausible for each in right) and wrong < _CERTAIN:
        return "correct"
    return "mistake" if any(each.plausible for each in candidates) else "unknown"


def grouped(candidates: Sequence[Candidate]) -> list[tuple[Candidate, ...]]:
    """The candidates, in one group where they give the same numbers; the likeliest group first.

    Parameters
    ----------
    candidates : sequence of Candidate
        As ``rank`` gives them; all ways of correct code are in one group.
    """
    right = {each.mistake.name for each in candidates if not each.mistake.wrong}
    left, groups = list(candidates), []
    while left:
        first = left[0]
        names = {first.mistake.name, *first.twins}
        if names & right:
            names |= right
        groups.append(tuple(each for each in left if each.mistake.name in names))
        left = [each for each in left if each.mistake.name not in names]
    return sorted(groups, key=lambda group: -sum(each.likelihood for each in group))


@dataclass(frozen=True, eq=False)
class _Expected:
    """What a mistake's runs give for some numbers, (f,) each."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    freedom: float
    lost: NDArray[np.float64]  # the share of runs that are not finite
    alike: NDArray[np.float64]  # for each trait, the share of runs that are as the run at hand


def rank(runs: Runs, numbers: Sequence[Number]) -> list[Candidate]:
    """Correct code and all mistakes, the likeliest first.

    Parameters
    ----------
    runs : Runs
    numbers : sequence of Number
        At least one.
    """
    values = _scaled(np.array([each.value for each in numbers]), numbers)
    lost = np.isnan(values)
    expected = _expected(runs, numbers)
    worth = _worths(numbers)
    usual = expected[RIGHT.name].mean
    found = []
    for mistake in runs.setting.mistakes:
        own = expected[mistake.name]
        z = (values - own.mean) / own.spread
        density = _log_t(z, own.freedom) - np.log(own.spread) + np.log1p(-own.lost)
        found.append(
            Candidate(
                mistake,
                log_density=float((worth * np.where(lost, np.log(own.lost), density)).sum())
                + float(np.log(own.alike).sum()),
                fit=min([_fit(z, lost, own, worth), *own.alike]),
                twins=_twins(mistake.name, expected, worth),
                untouched=mistake.wrong and np.array_equal(own.mean, usual),
            )
        )
    return _weighed(found)


def together(rankings: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """The candidates for several runs of one code, by all of them.

    Parameters
    ----------
    rankings : sequence of sequence of Candidate
        As ``rank`` gives them; where a mistake does not show it is as good as correct code.
    """
    by_name = [{each.mistake.name: each for each in ranking} for ranking in rankings]
    found = {}
    for known in by_name:
        for name, candidate in known.items():
            own = [each.get(name, each[RIGHT.name]) for each in by_name]
            found[name] = replace(
                candidate,
                log_density=sum(each.log_density for each in own),
                fit=min(1.0, len(own) * min(each.fit for each in own)),
                twins=(),
                untouched=all(each.untouched for each in own),
            )
    return _weighed(list(found.values()))


def _weighed(found: list[Candidate]) -> list[Candidate]:
    """The candidates with their likelihoods, the likeliest first."""
    right = sum(not each.mistake.wrong for each in found)
    priors = [
        (1 - _PRIOR_RIGHT) / (len(found) - right) if each.mistake.wrong else _PRIOR_RIGHT / right
        for each in found
    ]
    logs = np.array([each.log_density for each in found]) + np.log(priors)
    shares = np.exp(logs - logs.max())
    shares /= shares.sum()
    likely = [
        replace(each, likelihood=float(share)) for each, share in zip(found, shares, strict=True)
    ]
    return sorted(likely, key=lambda each: -each.likelihood)


def _expected(runs: Runs, numbers: Sequence[Number]) -> dict[str, _Expected]:
    known = _OF_PIXELS if isinstance(runs.setting.run.data, Cifar10) else _OF_ARITHMETIC
    data = np.array([_unseen(each, known) for each in numbers])
    samples = {name: _scaled(_sample(told, numbers), numbers) for name, told in runs.told.items()}
    usual = _spread(next(iter(samples.values())))  # of correct code
    given: dict[str, dict[int, tuple[float, float]]] = {}
    for each in numbers:
        given.setdefault(each.column, {})[each.point] = (each.value, each.rounding)
    alike = traits.shares(runs, given)
    found = {}
    for name, sample in samples.items():
        n = len(sample)
        finite = np.isfinite(sample)
        count = finite.sum(axis=0)
        mean = np.where(finite, sample, 0).sum(axis=0) / np.maximum(count, 1)
        own = _spread(sample)
        freedom = n - 1 + _PRIOR_FREEDOM
        variance = ((n - 1) * own**2 + _PRIOR_FREEDOM * np.maximum(own, usual) ** 2) / freedom
        spread = np.sqrt(variance * (1 + 1 / np.maximum(count, 1)) + data**2)
        lost = (n - count + 0.02) / (n + 0.04)
        found[name] = _Expected(mean, spread, freedom, lost, alike[name])
    return found


def _sample(told: Told, numbers: Sequence[Number]) -> NDArray[np.float64]:
    """The numbers of every stored run, (r, f)."""
    return np.stack(
        [
            told.weights[each.column]
            if each.column in told.weights
            else told.curves[each.column][:, each.point]
            for each in numbers
        ],
        axis=1,
    )


def _scaled(values: NDArray[np.float64], numbers: Sequence[Number]) -> NDArray[np.float64]:
    """Losses and weights by their logarithm, which their noise goes by; NaN for what is lost."""
    by_size = np.array([not each.column.endswith("accuracy") for each in numbers])
    with np.errstate(all="ignore"):
        scaled = np.where(by_size, np.log(np.maximum(values, 1e-12)), values)
        return np.where(np.isfinite(values) & np.isfinite(scaled), scaled, np.nan)


def _unseen(number: Number, known: Mapping[str, float]) -> float:
    """The standard deviation of what no seed shows, rounding among it."""
    kind = number.column.rpartition("_")[2]
    rounding = number.rounding / np.sqrt(3)
    if kind != "accuracy":
        rounding /= max(abs(number.value), 1e-12) if np.isfinite(number.value) else 1.0
    return float(np.hypot(known.get(kind, known["weights"]), rounding))


def _spread(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = np.isfinite(sample)
    count = finite.sum(axis=0)
    held = np.where(finite, sample, 0.0)
    mean = held.sum(axis=0) / np.maximum(count, 1)
    squares = (np.where(finite, sample - mean, 0.0) ** 2).sum(axis=0)
    spread: NDArray[np.float64] = np.sqrt(squares / np.maximum(count - 1, 1))
    return spread


def _worths(numbers: Sequence[Number]) -> NDArray[np.float64]:
    """What each number counts: those of one curve one together, all curves a few."""
    columns = [each.column for each in numbers]
    curves = len({column for column in columns if columns.count(column) > 1})
    share = min(1.0, _CURVES / max(curves, 1))
    return np.array(
        [share / columns.count(column) if columns.count(column) > 1 else 1.0 for column in columns]
    )


def _log_t(z: NDArray[np.float64], freedom: float) -> NDArray[np.float64]:
    """The logarithm of the density of Student's t."""
    scale = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - np.log(freedom * np.pi) / 2
    logs: NDArray[np.float64] = scale - (freedom + 1) / 2 * np.log1p(z**2 / freedom)
    return logs


def _fit(
    z: NDArray[np.float64],
    lost: NDArray[np.bool_],
    expected: _Expected,
    worth: NDArray[np.float64],
) -> float:
    """The share of the runs of a mistake that are further off than these numbers."""
    tail = np.clip(stdtr(expected.freedom, -np.abs(z)), 1e-300, 0.5)
    squares = np.where(lost, -2 * np.log(expected.lost), ndtri(tail) ** 2)
    certain = np.where(lost, 0.0, -2 * np.log1p(-expected.lost))
    return float(chdtrc(worth.sum(), (worth * (squares + certain)).sum()))


def _twins(
    name: str, expected: dict[str, _Expected], worth: NDArray[np.float64]
) -> tuple[str, ...]:
    """Those whose means lie well within the noise of this one."""
    own = expected[name]
    twins = []
    for other, each in expected.items():
        apart = (each.mean - own.mean) / np.maximum(own.spread, each.spread)
        apart = np.where(np.maximum(own.lost, each.lost) > 0.5, 8 * (own.lost - each.lost), apart)
        near = float(np.sqrt((worth * apart**2).sum() / worth.sum())) < _SAME
        alike = np.abs(own.alike - each.alike).max(initial=0.0) <= 0.5
        if other != name and near and alike:
            twins.append(other)
    return tuple(twins)
