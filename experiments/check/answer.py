"""What a run that was handed in is told: where it lies, whether that is noise, what gives it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.check import stored
from experiments.check.ranking import Candidate, rank, verdict
from experiments.check.stored import Runs
from experiments.check.submission import Submission, number
from experiments.reported import read

_SHOWN = 6  # candidates that are named one by one
_NEAREST = 3  # that are named where none fits
_LIKELY = 0.01  # of likelihood: less is not worth a line
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_FROM = {"public": "other public reports", "reruns": "reruns by others", "spec": "the assignment"}


@dataclass(frozen=True)
class Answer:
    """What there is to say of a run.

    Attributes
    ----------
    submission : Submission
    runs : Runs
    candidates : tuple of Candidate
        The likeliest first.
    curve : bool
        Whether there was more than single numbers.
    """

    submission: Submission
    runs: Runs
    candidates: tuple[Candidate, ...]
    curve: bool

    @property
    def plausible(self) -> tuple[Candidate, ...]:
        """Those whose runs look like this one; where none does, none."""
        return tuple(each for each in self.candidates if each.plausible)

    @property
    def verdict(self) -> str:
        """``correct``, ``mistake`` or ``unknown``."""
        return verdict(self.candidates)

    @property
    def correct(self) -> bool:
        """Whether nothing says that the code is wrong."""
        return self.verdict == "correct"


def answer(submission: Submission) -> Answer:
    """Hold a run against all stored ones.

    Raises
    ------
    SubmissionError
        If it has no number that can be compared.
    """
    runs = stored.load(submission.setting)
    candidates = rank(runs, submission.numbers(runs))
    more = submission.curve is not None or bool(submission.weights)
    return Answer(submission, runs, tuple(candidates), more)


def lines(found: Answer, *, hide_mistakes: bool = False) -> list[str]:
    """The answer in words.

    Parameters
    ----------
    found : Answer
    hide_mistakes : bool
        Whether to keep to oneself which mistakes give the numbers.
    """
    setting = found.submission.setting
    chosen = _chosen(found.submission)
    shown = [f"{setting.assignment}, {setting.run.title}", *_where(found), *chosen]
    shown += ["", _verdict(found)]
    if not hide_mistakes:
        shown += ["", *_named(found)]
    curve = found.submission.curve
    if curve is not None and curve.passed_over:
        shown += ["", f"Columns that were passed over: {', '.join(curve.passed_over)}."]
    return shown


def _where(found: Answer) -> list[str]:
    """A line for each number of the last epoch: it, correct runs', the public band."""
    rows = []
    told = found.runs.told["none"].curves
    for each in found.submission.numbers(found.runs):
        if each.point not in (-1, len(found.runs.epochs) - 1) or each.column not in told:
            continue
        values = told[each.column][:, -1]
        per_cent = each.column.endswith("accuracy")
        own, mean, low, high = (
            _shown(value, per_cent)
            for value in (each.value, values.mean(), values.min(), values.max())
        )
        band = _band(found, each.value) if each.column == "test_accuracy" else ""
        rows.append(
            f"{each.column.replace('_', ' ')} {own}; correct code gives {mean} ({low} to {high} "
            f"over {len(values)} seeds{band})"
        )
    return rows


def _chosen(submission: Submission) -> list[str]:
    """Whether the test accuracy is the best of a curve that ends lower."""
    text, curve = submission.metrics.get("test_accuracy"), submission.curve
    if text is None or curve is None or "test_accuracy" not in curve.columns:
        return []
    told, series = number("test_accuracy", text), curve.columns["test_accuracy"]
    values, near = series.values, told.rounding + series.rounding + 1e-9
    if abs(values[-1] - told.value) <= near or abs(np.nanmax(values) - told.value) > near:
        return []
    epoch = series.epochs[np.nanargmax(values)]
    best, last = _shown(told.value, True), _shown(values[-1], True)
    said = f"{best} is the best of the curve, at epoch {epoch:g}, not its last, {last}: "
    return [f"{said}whoever chooses by test rows has none left to test with."]


def _shown(value: float, per_cent: bool) -> str:
    return f"{100 * value:.2f} %" if per_cent else f"{value:.4g}"


def _band(found: Answer, value: float) -> str:
    """What other people get, and whether this lies outside."""
    for row in read():
        wanted = row.id in found.submission.setting.run.answers and row.ours == "test_accuracy"
        if wanted and row.band is not None and row.band_from in _FROM:
            low, high = row.band
            outside = "" if low <= value <= high else ", which this is not"
            return f"; {_FROM[row.band_from]}: {100 * low:g} to {100 * high:g} %{outside}"
    return ""


def _verdict(found: Answer) -> str:
    right = [each for each in found.plausible if not each.mistake.wrong]
    first = found.candidates[0]
    if found.correct:
        if first.mistake.wrong:
            return (
                "Correct code gives this, but a mistake fits better: look at it, and give a curve "
                "(--curve) or weights (--weights) if you have not."
            )
        other = right[0].mistake
        plain = any(each.mistake.name == "none" for each in right)
        how = "" if plain else f" ({other.says})"
        return f"This is what correct code gives{how}: what is left is the noise of the seed."
    if not found.plausible:
        return "Neither correct code nor a known mistake gives this."
    if right:
        return "Correct code could give this by chance, but a mistake fits far better."
    return "This is not the noise of correct code."


def _named(found: Answer) -> list[str]:
    """The mistakes that give it, or the nearest ones."""
    wrong = [each for each in found.candidates if each.mistake.wrong]
    plausible = [each for each in wrong if each.plausible]
    if not plausible:
        if found.correct:
            return ["No known mistake gives it too."]
        names = ", ".join(each.mistake.name for each in wrong[:_NEAREST])
        return [f"The nearest known mistakes, none of which fits: {names}."]
    count = _count(len(plausible))
    if found.correct:
        return [_hidden(plausible) + ("" if found.curve else " A curve (--curve) tells more.")]
    head = f"{count} give{'s this:' if len(plausible) == 1 else ' this, the likeliest first:'}"
    likely = [each for each in plausible if each.likelihood >= _LIKELY] or plausible
    rest = len(plausible) - len(likely[:_SHOWN])
    more = [f"  and {rest} more, less likely"] if rest else []
    silent = _silent(found)
    return [head, *_listed(likely[:_SHOWN], found), *more, *silent]


def _hidden(plausible: Sequence[Candidate]) -> str:
    """Which mistakes correct numbers may hide."""
    near = [each.mistake.name for each in plausible if not each.untouched]
    rest = len(plausible) - len(near)
    said = [f"{_count(len(near))} cannot be told from it by these numbers: {', '.join(near)}."]
    said = said if near else []
    if rest:
        others = " others" if near else " known mistakes"
        said.append(f"{rest}{others} do not touch them.")
    return " ".join(said)


def _listed(candidates: Sequence[Candidate], found: Answer) -> list[str]:
    rows = []
    told = found.runs.told
    for each in candidates:
        values = told[each.mistake.name].curves["test_accuracy"][:, -1]
        finite = values[np.isfinite(values)]
        gives = (
            f"test accuracy {_shown(finite.mean(), True)}, {_shown(finite.min(), True)} to "
            f"{_shown(finite.max(), True)}"
        )
        rows.append(f"  {each.likelihood:4.0%}  {each.mistake.says}")
        rows.append(f"        ({each.mistake.name}; {gives})")
    return rows


def _silent(found: Answer) -> list[str]:
    """What gives the same numbers as the first candidate whatever the noise."""
    first = found.candidates[0]
    wrong = {each.mistake.name for each in found.candidates if each.mistake.wrong}
    twins = [name for name in first.twins if name in wrong]
    if not twins or not found.curve:
        return []
    return [f"  No such run can tell {first.mistake.name} from {', '.join(twins)}."]


def _count(n: int) -> str:
    word = _WORDS[n] if n < len(_WORDS) else str(n)
    return f"{word.capitalize()} known mistake{'' if n == 1 else 's'}"
