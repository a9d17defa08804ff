"""The rules by which a reported number beside ours gets its verdict.

Noise first: ours is a mean over seeds. Where a band is given, our mean lies in it or not. Where
none is, the reported number has one of its own: the interval that one more seed would fall into or,
with too few seeds, a tolerance by the kind of number. Too few seeds raise no alarm: outside by less
than what is known of their spread, they tell nothing. A report is called wrong only where its
number contradicts itself or its band, or where a run of ours shows what it did instead.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from . import noise
from .reported import CHOICES, Reported
from .results import GroupResult, RunResult
from .tables import label, shown

Range = tuple[float, float]
_SECONDS = "Theirs are of another machine; after ours, how many times as fast it is."
_DOUBTFUL = "Ours is outside the band by less than the noise of our mean."
_TOO_NOISY = "Our seeds differ too much to tell."
_WITHIN_SPREAD = "Ours is outside the band by {off}, and {seeds} may be {spread} off."
_FEW_SEEDS = f"A choice needs {noise.LEAST_SEEDS} seeds: with fewer it is noise."
_BANDS = {
    "public": "the band of other public reports",
    "reruns": "the band of reruns",
    "spec": "what the assignment asks for",
    "limit": "the report's own limit",
}


class Verdict(StrEnum):
    """What is said of a row."""

    REPRODUCED = "reproduced"
    MISLABELLED = "mislabelled"
    WRONG = "report wrong"
    EXPLAINED = "outside, explained"
    OUTSIDE = "outside"
    NOT_COMPARABLE = "not comparable"
    DRAWN = "drawn"
    ONE_SEED = "one seed: cannot tell"
    TWO_SEEDS = "two seeds: cannot tell"
    NOT_JUDGED = "not judged"
    NOT_RUN = "not run"


class Ours(NamedTuple):
    """A metric of a run, or of the best run of a search; ``run`` is None before it is known.

    Attributes
    ----------
    title, name : str
        Of the run or search.
    metric : str
    run : RunResult or None
    group : GroupResult or None
        The search.
    mean : float or None
    text : str
        What a search has chosen.
    spread : (float, int) or None
        A standard deviation, and of how many seeds it is.
    known : (float, int) or None
        The same of earlier runs on the real data; None where there were none.
    """

    title: str
    name: str
    metric: str
    run: RunResult | None = None
    group: GroupResult | None = None
    mean: float | None = None
    text: str = ""
    spread: tuple[float, int] | None = None
    known: tuple[float, int] | None = None

    @property
    def n(self) -> int:
        """Seeds."""
        return len(self.run.good) if self.run else 0

    @property
    def sd(self) -> float | None:
        """Of our own seeds; None with one."""
        return self.run.sd(self.metric) if self.run else None

    @property
    def next_seed(self) -> float | None:
        """Half the width of the interval that one more falls into; None where unknown."""
        return noise.of_next(self.spread[0], self.n, self.spread[1]) if self.spread else None


class Judgement(NamedTuple):
    """A verdict, what explains it, and what other runs show of it."""

    verdict: Verdict
    why: str
    evidence: str = ""


class _Fit(NamedTuple):
    """Whether ours and the reported number agree; ``ours`` is None where noise hides it.

    Attributes
    ----------
    ours : bool or None
        Whether ours lies in the band.
    theirs : bool
        Whether the reported number does.
    why : str
    unknown : Verdict
        What is said where ``ours`` is None.
    """

    ours: bool | None
    theirs: bool = True
    why: str = ""
    unknown: Verdict = Verdict.NOT_JUDGED


def judge(row: Reported, ours: Ours, others: Sequence[Ours]) -> Judgement:
    """The verdict on a row.

    Parameters
    ----------
    row : Reported
    ours : Ours
    others : sequence of Ours
        What the row's ``shown_by`` names.
    """
    run = ours.run
    if run is None or not run.outcomes:
        return Judgement(Verdict.NOT_RUN, "")
    if run.note:
        return Judgement(Verdict.NOT_JUDGED, run.note)
    failures = _failures(run)
    if not row.ours:
        verdict = Verdict.DRAWN if run.good else Verdict.NOT_RUN
        return Judgement(verdict, _text(row.note, failures))
    if not run.good:
        n = len(run.outcomes)
        return Judgement(Verdict.OUTSIDE if _enough(n) else _too_few(n), failures)
    is_known = ours.mean is not None or bool(ours.text)
    if not is_known and not row.wrong:
        return Judgement(Verdict.NOT_RUN, f"Our run has no {label(row.ours)}.")
    if row.ours == "seconds":
        return Judgement(Verdict.NOT_COMPARABLE, _SECONDS)
    fit = _fit(row, ours) if is_known else _Fit(False)
    same = bool(fit.ours and fit.theirs) or _is_near(row, ours)
    evidence, is_shown = _evidence(row, ours, others, same=same)
    verdict, reason = _verdict(row, fit, is_shown)
    return Judgement(verdict, _text(fit.why, reason, row.note, failures), evidence)


def _verdict(row: Reported, fit: _Fit, is_shown: bool) -> tuple[Verdict, str]:
    """The verdict and the row's own reason for it."""
    if row.wrong:
        return Verdict.WRONG, row.wrong
    if fit.ours is None:
        return fit.unknown, ""
    if fit.ours and fit.theirs:
        verdict = Verdict.MISLABELLED if row.mislabelled else Verdict.REPRODUCED
        return verdict, row.mislabelled
    if fit.ours or (row.explains and is_shown):
        return Verdict.WRONG, _text(row.explains, row.mislabelled)
    verdict = Verdict.EXPLAINED if row.explains else Verdict.OUTSIDE
    return verdict, _text(row.explains, row.mislabelled)


def _text(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _failures(run: RunResult) -> str:
    failures = [outcome.failure for outcome in run.outcomes if outcome.failure]
    if not failures:
        return ""
    why, _, _ = failures[0].partition(" (")
    return f"{len(failures)} of our {len(run.outcomes)} seeds failed: {why}."


# --- bands ----------------------------------------------------------------------------------------


def band(row: Reported, ours: Ours) -> tuple[Range | None, str]:
    """Where our mean is expected, and by what: the row's source, "noise" or "tolerance".

    Parameters
    ----------
    row : Reported
    ours : Ours
    """
    if row.band is not None:
        return row.band, row.band_from
    if not isinstance(row.reported, float) or row.ours in (*CHOICES, "seconds"):
        return None, ""
    return _around(row, row.reported, ours)


def _around(row: Reported, reported: float, ours: Ours) -> tuple[Range, str]:
    """What ours may be beside a reported number, its sign apart."""
    size = abs(reported)
    origin, width = "tolerance", noise.tolerance(row.ours, size)
    if ours.run and ours.spread and _enough(ours.spread[1]):
        of_data = noise.of_data(ours.run.run, row.ours, size)
        origin, width = "noise", (ours.next_seed or 0.0) + of_data
    width += row.rounding + row.read_off
    most = 1.0 if "accuracy" in row.ours else float("inf")
    return (max(size - width, 0.0), min(size + width, most)), origin


def _enough(n: int) -> bool:
    return n >= noise.LEAST_SEEDS


def _too_few(n: int) -> Verdict:
    return Verdict.ONE_SEED if n == 1 else Verdict.TWO_SEEDS


def _fit(row: Reported, ours: Ours) -> _Fit:
    if row.ours in CHOICES:
        fits, why = _chosen(row, ours)
        return _Fit(fits, why=why)
    assert ours.mean is not None
    if row.band is None:
        return _near(row, ours)
    fits, why = _inside(row.band, ours)
    if fits is False and (unclear := _unclear(row, row.band, ours)):
        return unclear
    theirs, too = _reported_inside(row)
    if fits and row.band_from == "limit":  # that it is not passed says little: the number must fit
        return _near(row, ours)
    return _Fit(fits, theirs, _text(too if fits else "", why))


def _near(row: Reported, ours: Ours) -> _Fit:
    """Whether ours lies around the reported number; none of ours is negative."""
    if not isinstance(row.reported, float) or ours.mean is None or row.reported < 0:
        return _Fit(False)
    around, origin = _around(row, row.reported, ours)
    if origin == "noise" and (ours.next_seed or 0.0) > row.reported:
        return _Fit(None, why=_TOO_NOISY)
    if around[0] <= ours.mean <= around[1]:
        return _Fit(True)
    return _unclear(row, around, ours) or _Fit(False)


def _unclear(row: Reported, given: Range, ours: Ours) -> _Fit | None:
    """What too few seeds outside a band tell: nothing, if their spread reaches that far."""
    if _enough(ours.n) or ours.mean is None:
        return None
    off = max(given[0] - ours.mean, ours.mean - given[1])
    if ours.known:
        spread = noise.of_known(*ours.known, ours.n)
    else:
        spread = 0.0 if row.band is None else noise.tolerance(row.ours, ours.mean)
    if off > spread:
        return None
    seeds = "one seed" if ours.n == 1 else "the mean of two"
    why = _WITHIN_SPREAD.format(
        off=shown(row.ours, off), seeds=seeds, spread=shown(row.ours, spread)
    )
    return _Fit(None, why=why, unknown=_too_few(ours.n))


def _inside(given: Range, ours: Ours) -> tuple[bool | None, str]:
    """Whether our mean lies in a band, or outside by less than its own noise."""
    assert ours.mean is not None
    outside = max(given[0] - ours.mean, ours.mean - given[1])
    if outside <= 0:
        return True, ""
    of_mean = noise.of_mean(ours.spread[0], ours.n) if ours.spread and _enough(ours.n) else 0.0
    if outside > of_mean:
        return False, ""
    if of_mean > given[1] - given[0]:
        return None, _TOO_NOISY
    return True, _DOUBTFUL


def _reported_inside(row: Reported) -> tuple[bool, str]:
    """Whether the reported number lies in the row's band, and by how much it does not."""
    if row.band is None or not isinstance(row.reported, float):
        return True, ""
    below, above = row.band[0] - row.reported, row.reported - row.band[1]
    if max(below, above) <= 0:
        return True, ""
    side, off = ("below", below) if below > 0 else ("above", above)
    amount = f"{100 * off:.1f} points" if "accuracy" in row.ours else shown(row.ours, off)
    return False, f"The report's number is {amount} {side} {_BANDS[row.band_from]}."


# --- choices --------------------------------------------------------------------------------------


def _chosen(row: Reported, ours: Ours) -> tuple[bool | None, str]:
    """Whether our choice is the reported one, or no better than it beyond the noise."""
    if not _enough(ours.n):
        return None, _FEW_SEEDS
    theirs = _reported_choice(row, ours)
    if theirs is None or ours.run is None or ours.group is None:
        return False, ""
    if theirs is ours.run:
        return True, ""
    rank = ours.metric.partition("_by_")[2] or ours.group.group.rank
    found = noise.difference(ours.run, theirs, rank)
    if found is None:
        return False, f"The reported choice, {theirs.run.title}, gives no number here."
    by = shown(rank, abs(found.mean), found.noise)
    said = f"In {label(rank)} our choice and the reported one ({theirs.run.title}) are {by} apart"
    if found.beyond_noise:
        return False, f"{said}, ours the better one."
    return True, f"{said}: no difference beyond the noise."


def _reported_choice(row: Reported, ours: Ours) -> RunResult | None:
    runs = ours.group.runs if ours.group else ()
    if row.reported == "minimal":
        return min(runs, key=only_setting, default=None)
    for run in runs:
        choice = run.run.title if row.ours == "winner" else only_setting(run)
        if choice == row.reported:
            return run
    return None


def only_setting(run: RunResult) -> float:
    """The one setting that sets a run of a search apart."""
    (value,) = run.settings.values()
    return float(value)


# --- what other runs show -------------------------------------------------------------------------

_AS_REPORTED = ", as reported"


def _evidence(row: Reported, ours: Ours, others: Sequence[Ours], *, same: bool) -> tuple[str, bool]:
    """What other runs give, and whether one gives the reported number where ours does not."""
    sentences, is_shown = [], False
    for other in others:
        if not other.text and other.mean is None:
            continue
        name = " by ".join(map(label, other.metric.split("_by_")))
        title = other.title
        if other.name == ours.name:
            title = "The same search" if other.group else "The same run"
        told = "" if same else _told(row, other)
        is_shown = is_shown or told.startswith(_AS_REPORTED)
        found = other.text or shown(other.metric, other.mean, other.sd)
        sentences.append(f"{title} gives {name} {found}{told}.")
        if row.ours in CHOICES and other.text:
            sentences.append(_chosen(row, other)[1])
    return _text(*sentences), is_shown


def _told(row: Reported, other: Ours) -> str:
    """What a run says of the reported number: by the tolerance alone, never by its own spread."""
    if other.mean is None or not isinstance(row.reported, float):
        return ""
    spread = other.next_seed or 0.0
    if spread > _allowed(row, other) and abs(other.mean - abs(row.reported)) <= spread:
        return ", too noisy to tell"
    if not _is_near(row, other):
        return ""
    return _AS_REPORTED + (" but for the sign" if row.reported < 0 else "")


def _is_near(row: Reported, ours: Ours) -> bool:
    """Whether a run is within the tolerance of the reported number, its sign apart."""
    if ours.mean is None or not isinstance(row.reported, float):
        return False
    return abs(ours.mean - abs(row.reported)) <= _allowed(row, ours)


def _allowed(row: Reported, ours: Ours) -> float:
    assert isinstance(row.reported, float)
    return noise.tolerance(ours.metric, row.reported) + row.rounding + row.read_off
