"""What a run that was handed in is told: where it lies, whether that is noise, what gives it."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..meant import meant
from ..reported import FROM, public_band
from . import stored
from .ranking import Candidate, grouped, rank, verdict
from .report import TOLD
from .stored import Runs
from .submission import Submission, number

_WIDTH = 80  # of a terminal
_SHOWN = 6  # candidates that are named one by one
_NEAREST = 3  # that are named where none fits
_LIKELY = 0.01  # of likelihood: less is not worth a line
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


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
    shown = [f"{setting.assignment}, {setting.run.title}", "", *_where(found), *chosen]
    shown += ["", _verdict(found)]
    if not hide_mistakes:
        shown += ["", *_named(found)]
    curve = found.submission.curve
    if curve is not None and curve.passed_over:
        near = {name: meant(name, TOLD).removeprefix("; ") for name in curve.passed_over}
        names = [f"{name} ({said})" if said else name for name, said in near.items()]
        shown += ["", f"Columns of the curve that are not compared: {', '.join(names)}."]
    return [wrapped for line in shown for wrapped in _wrapped(line)]


def _wrapped(line: str) -> list[str]:
    """A line as lines of a terminal; what belongs to a list goes on under its words."""
    indent = " " * 8 if line.startswith(" ") else ""
    return textwrap.wrap(line, _WIDTH, subsequent_indent=indent, break_long_words=False) or [""]


def _where(found: Answer) -> list[str]:
    """A table of the numbers of the last epoch, one's own beside correct runs'; the public band."""
    told, bands = found.runs.told["none"].curves, []
    seeds = len(told["test_accuracy"])
    rows = [f"{'':20}{'yours':>10}   correct code: mean (range over {seeds} seeds)"]
    for each in found.submission.numbers(found.runs):
        if each.point not in (-1, len(found.runs.epochs) - 1) or each.column not in told:
            continue
        values = told[each.column][:, -1]
        per_cent = each.column.endswith("accuracy")
        own, mean = _shown(each.value, per_cent), _shown(values.mean(), per_cent)
        name = each.column.replace("_", " ")
        rows.append(f"{name:20}{own:>10}   {mean} ({_range(values, per_cent)})")
        if each.column == "test_accuracy":
            bands = _band(found, each.value)
    return [*(rows if len(rows) > 1 else []), *bands]


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
    said = f"{best} is the best value of the curve, at epoch {epoch:g}, and not the last, {last}. "
    return [f"{said}An epoch must not be chosen by the test rows: choose it by validation rows."]


def _shown(value: float, per_cent: bool) -> str:
    return f"{100 * value:.2f} %" if per_cent else f"{value:#.4g}".rstrip(".")


def _range(values: NDArray[np.float64], per_cent: bool) -> str:
    low, high = _shown(values.min(), per_cent), _shown(values.max(), per_cent)
    return f"always {low}" if low == high else f"{low.removesuffix(' %')} to {high}"


def _band(found: Answer, value: float) -> list[str]:
    """What other people get, and whether this lies outside."""
    row = public_band(found.submission.setting.run.answers)
    if row is None or row.band is None:
        return []
    low, high = row.band
    where = "inside" if low <= value <= high else "outside"
    return [f"{FROM[row.band_from]}: {100 * low:g} to {100 * high:g} %, yours is {where}"]


def _verdict(found: Answer) -> str:
    right = [each for each in found.plausible if not each.mistake.wrong]
    first = found.candidates[0]
    if found.correct:
        if first.mistake.wrong:
            return "Correct code gives this too, but a known mistake fits better."
        other = right[0].mistake
        plain = any(each.mistake.name == "none" for each in right)
        how = "" if plain else f" ({other.says})"
        return f"Correct code gives this{how}: the difference is the noise of the seed."
    if not found.plausible:
        return "Neither correct code nor a known mistake gives this."
    if right:
        return "Correct code could give this by chance, but a mistake fits far better."
    return "Correct code does not give this: seeds alone make a smaller difference."


def _named(found: Answer) -> list[str]:
    """The mistakes that give it, or the nearest ones."""
    wrong = [each for each in found.candidates if each.mistake.wrong]
    plausible = [each for each in wrong if each.plausible]
    if not plausible:
        if found.correct:
            return ["No known mistake gives it."]
        names = ", ".join(each.mistake.name for each in wrong[:_NEAREST])
        return [f"The nearest known mistakes, none of which fits: {names}."]
    if found.correct:
        return _hidden(plausible, curve=found.curve)
    count = _count(len(plausible))
    head = f"{count} {'comes' if len(plausible) == 1 else 'come'} within noise of this"
    head += ":" if len(plausible) == 1 else ". How likely each is:"
    groups = grouped(plausible) if found.curve else [(each,) for each in plausible]
    likely = [each for each in groups if _likelihood(each) >= _LIKELY] or groups
    shown = likely[:_SHOWN]
    rest = len(plausible) - sum(map(len, shown))
    more = [f"        and {rest} more, less likely"] if rest else []
    return [head, *(line for group in shown for line in _listed(group, found)), *more]


def _hidden(plausible: Sequence[Candidate], *, curve: bool) -> list[str]:
    """Which mistakes correct numbers may hide."""
    near = [each.mistake.name for each in plausible if not each.untouched]
    same = [each.mistake.name for each in plausible if each.untouched]
    gives = "gives" if len(near) == 1 else "give"
    said = [f"{_count(len(near))} {gives} such numbers too: {', '.join(near)}."] if near else []
    if same:
        does = "does" if len(same) == 1 else "do"
        which = f": {', '.join(same)}" if curve else ""
        more = _count(len(same), "more " if near else "")
        said.append(f"{more} {does} not change these numbers at all{which}.")
    if curve:
        return said
    return [" ".join([*said, "A curve (--curve) tells more."])]


def _likelihood(group: Sequence[Candidate]) -> float:
    return sum(each.likelihood for each in group)


def _listed(group: Sequence[Candidate], found: Answer) -> list[str]:
    """The likeliest of a group, and which others nothing tells it from."""
    first, *others = group
    values = found.runs.told[first.mistake.name].curves["test_accuracy"][:, -1]
    finite = values[np.isfinite(values)]
    rows = [
        f"  {_likelihood(group):4.0%}  {first.mistake.says}",
        f"        ({first.mistake.name}: test accuracy {_range(finite, True)})",
    ]
    if others:
        names = ", ".join(each.mistake.name for each in others)
        rows.append(f"        or what gives the same numbers here: {names}")
    return rows


def _count(n: int, more: str = "") -> str:
    word = _WORDS[n] if n < len(_WORDS) else str(n)
    return f"{word.capitalize()} {more}known mistake{'' if n == 1 else 's'}"
