"""What reports say against what we get, row by row, each with a verdict.

Noise first: ours is a mean over seeds. Where public reports of the same assignment give a band, our
mean lies in it or not. Where none is known, the reported number has one of its own: a tolerance by
the kind of number or, if that is wider, the interval that one more seed of ours would fall into.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

from experiments import noise
from experiments.results import GroupResult, Results, RunResult
from experiments.spec import Best, Group, Item, Surface
from experiments.tables import DASH, label, shown

REPORTED = Path(__file__).with_name("reported.csv")
CHOICES = ("winner", "best_decay")  # what a search is answered by: settings, not a mean
_SECONDS = "Theirs are of another machine; after ours, how many times as fast it is."
_ROUNDING = 0.0005  # bands of accuracies are given to a tenth of a point


class Verdict(StrEnum):
    """What is said of a row."""

    REPRODUCED = "reproduced"
    OUTSIDE = "outside"
    WRONG = "report wrong"
    NOT_COMPARABLE = "not comparable"
    DRAWN = "drawn"
    NOT_JUDGED = "not judged"
    NOT_RUN = "not run"


_JUDGED = (Verdict.REPRODUCED, Verdict.OUTSIDE, Verdict.WRONG)


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One row of ``reported.csv``.

    Attributes
    ----------
    id : str
        Several rows may have one: the numbers of one row of a report's table.
    report : str
        "000" to "004"; empty where none of the five has it.
    setting, output, metric : str
        ``output`` is the figure or table of the report that shows it.
    reported : float, str or None
        Words for what was chosen; None where the report shows a figure but no number.
    band_low, band_high : float or None
        What public reports of the same assignment and reruns give.
    ours : str
        The metric of our runs; empty where there is only a figure.
    wrong : str
        Why the number, or what is claimed by it, is wrong; empty where it is not.
    shown_by : sequence of str
        Metrics of our runs that show what ``wrong`` or ``note`` says, each as ``run:metric``.
    note : str
        What else must be known; the number stands.
    """

    id: str
    report: str = ""
    setting: str = ""
    output: str = ""
    metric: str
    reported: float | str | None = None
    band_low: float | None = None
    band_high: float | None = None
    ours: str
    wrong: str = ""
    shown_by: Sequence[str] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A reported row beside what we get.

    Attributes
    ----------
    row : Reported
    run, run_name : str
        Title and name of the run or search that ours is from.
    mean, sd : float or None
    n : int
        Seeds.
    text : str
        Ours, where a number alone does not say it.
    band : (float, float) or None
    band_from : {"reports", "tolerance", "noise", ""}
    verdict : Verdict
    why : str
        What explains the verdict.
    evidence : str
        What other runs of ours show.
    """

    row: Reported
    run: str
    run_name: str
    mean: float | None
    sd: float | None
    n: int
    text: str
    band: tuple[float, float] | None
    band_from: str
    verdict: Verdict
    why: str
    evidence: str

    @property
    def reason(self) -> str:
        """All that explains the verdict."""
        return " ".join(filter(None, (self.why, self.evidence)))


# --- the reported rows ----------------------------------------------------------------------------


def read(path: Path = REPORTED) -> list[Reported]:
    """Read the reported rows, in the order of the file."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Reported(
                id=line["id"],
                report=line["report"],
                setting=line["setting"],
                output=line["output"],
                metric=line["metric"],
                reported=_number_or_words(line["reported"]),
                band_low=_number(line["band_low"]),
                band_high=_number(line["band_high"]),
                ours=line["ours"],
                wrong=line["wrong"],
                shown_by=tuple(line["shown_by"].split()),
                note=line["note"],
            )
            for line in csv.DictReader(file)
        ]


def _number(text: str) -> float | None:
    return float(text) if text else None


def _number_or_words(text: str) -> float | str | None:
    try:
        return _number(text)
    except ValueError:
        return text


# --- what we have for them ------------------------------------------------------------------------


class _Ours(NamedTuple):
    """A metric of a run, or of the best run of a search; ``run`` is None before it is known."""

    title: str
    name: str
    metric: str
    run: RunResult | None = None
    group: GroupResult | None = None
    mean: float | None = None
    text: str = ""

    @property
    def sd(self) -> float | None:
        return self.run.sd(self.metric) if self.run else None

    @property
    def n(self) -> int:
        return len(self.run.good) if self.run else 0


def _ours(item: Item, metric: str, results: Results) -> _Ours:
    if not isinstance(item, Group):
        run = results.runs[item.name]
        return _Ours(run.run.title, item.name, metric, run, mean=run.mean(metric))
    group = results.groups.get(item.name)
    unknown = _Ours(item.title, item.name, metric)
    if group is None or any(not each.outcomes for each in group.runs):
        return unknown
    kind, _, rank = metric.partition("_by_")  # winner_by_train_accuracy, for instance
    ranked = group.ranked(rank or None)
    if not ranked:
        return unknown._replace(run=group.runs[0])
    best = ranked[0]
    found = unknown._replace(run=best, group=group)
    if kind == "winner":
        return found._replace(text=best.run.title)
    if kind == "best_decay":
        value = _only_setting(best)
        return found._replace(mean=value, text=f"{value:g}")
    title = best.run.title if isinstance(item, Best) else f"{item.title}: {best.run.title}"
    return found._replace(title=title, mean=best.mean(metric))


def _only_setting(run: RunResult) -> float:
    (value,) = run.settings.values()
    return float(value)


# --- verdicts -------------------------------------------------------------------------------------


def compare(results: Results, rows: Sequence[Reported]) -> list[Comparison]:
    """Put what we have of an assignment beside the reported rows that it answers.

    Parameters
    ----------
    results : Results
    rows : sequence of Reported

    Returns
    -------
    list of Comparison
        In the order of the assignment's items: one for every row that an item answers, so two
        where two items answer one row.
    """
    items = {item.name: item for item in results.assignment.items}
    return [
        _judged(row, item, items, results)
        for item in items.values()
        for row in rows
        if row.id in item.answers and _is_about(row, item)
    ]


def _is_about(row: Reported, item: Item) -> bool:
    """Whether a row of an id that items of several sizes answer means this one."""
    data = item.base.data if isinstance(item, Group) else item.data
    _, named, points = row.ours.rpartition("_mse_m")
    return not (named and isinstance(data, Surface)) or data.m == int(points)


def _judged(row: Reported, item: Item, items: Mapping[str, Item], results: Results) -> Comparison:
    ours = _ours(item, row.ours, results)
    band, origin = _band(row, ours)
    verdict, sentences = _verdict(row, ours, band, origin)
    text = ours.text
    if verdict is Verdict.NOT_COMPARABLE and ours.mean and isinstance(row.reported, float):
        text = f"{shown(row.ours, ours.mean, ours.sd)}; {row.reported / ours.mean:.3g} ×"
    evidence = _evidence(row, items, results) if verdict in _JUDGED else []
    return Comparison(
        row=row,
        run=ours.title,
        run_name=ours.name,
        mean=ours.mean,
        sd=ours.sd,
        n=ours.n,
        text=text,
        band=band,
        band_from=origin,
        verdict=verdict,
        why=" ".join(filter(None, sentences)),
        evidence=" ".join(evidence),
    )


def _verdict(
    row: Reported, ours: _Ours, band: tuple[float, float] | None, origin: str
) -> tuple[Verdict, list[str]]:
    """The verdict, and the sentences that explain it."""
    run = ours.run
    if run is None or not run.outcomes:
        return Verdict.NOT_RUN, []
    if run.note:
        return Verdict.NOT_JUDGED, [run.note]
    if not row.ours:
        return Verdict.DRAWN if run.good else Verdict.NOT_RUN, [row.note, _failures(run)]
    if row.ours == "seconds" and ours.mean is not None:
        return Verdict.NOT_COMPARABLE, [_SECONDS]
    if row.ours in CHOICES:
        fits, why = _chosen(row, ours)
        same = fits
    else:
        fits, why = _in_band(row, ours, band, origin)
        same = _agrees(row, ours)
    if row.wrong and same:
        return Verdict.REPRODUCED, ["Reproduced, but:", row.wrong, row.note, why]
    verdict = Verdict.WRONG if row.wrong else Verdict.REPRODUCED if fits else Verdict.OUTSIDE
    return verdict, [row.wrong, row.note, why, _failures(run)]


def _in_band(
    row: Reported, ours: _Ours, band: tuple[float, float] | None, origin: str
) -> tuple[bool, str]:
    """Whether our mean lies in a band, and what to know where it does not."""
    if band is None or ours.mean is None:
        return False, ""
    slack = _ROUNDING if origin == "reports" and row.ours.endswith("accuracy") else 0.0
    outside = max(band[0] - ours.mean, ours.mean - band[1])
    if outside <= slack:
        return True, ""
    doubtful = ours.sd is not None and outside < noise.of_mean(ours.sd, ours.n)
    by_less = "Ours is outside by less than the noise of our mean."
    return False, by_less if doubtful and not row.wrong else ""


def _chosen(row: Reported, ours: _Ours) -> tuple[bool, str]:
    """Whether our choice is the reported one, or no better than it beyond the noise."""
    theirs = _reported_choice(row, ours)
    if theirs is None or ours.run is None or ours.group is None:
        return False, ""
    if theirs is ours.run:
        return True, ""
    rank = ours.group.group.rank
    found = noise.difference(ours.run, theirs, rank)
    if found is None:
        return False, f"The reported choice, {theirs.run.title}, gives no number here."
    limit, kind = found.noise, "noise"
    if limit is None:
        limit, kind = noise.tolerance(rank, theirs.mean(rank) or 0.0), "tolerance"
    by = shown(rank, abs(found.mean), found.noise)
    said = f"In {label(rank)} our choice and the reported one ({theirs.run.title}) are {by} apart"
    if abs(found.mean) <= limit:
        return True, f"{said}: no difference beyond the {kind}."
    return False, f"{said}, ours the better one."


def _reported_choice(row: Reported, ours: _Ours) -> RunResult | None:
    runs = ours.group.runs if ours.group else ()
    if row.reported == "minimal":
        return min(runs, key=_only_setting, default=None)
    for run in runs:
        choice = run.run.title if row.ours == "winner" else _only_setting(run)
        if choice == row.reported:
            return run
    return None


def _failures(run: RunResult) -> str:
    failures = [outcome.failure for outcome in run.outcomes if outcome.failure]
    if not failures:
        return ""
    why, _, _ = failures[0].partition(" (")
    return f"{len(failures)} of our {len(run.outcomes)} seeds failed: {why}."


# --- bands ----------------------------------------------------------------------------------------


def _around(metric: str, reported: float, ours: _Ours) -> tuple[float, str]:
    """What ours may be off a reported number, and whether by tolerance or by noise."""
    allowed = noise.tolerance(metric, reported)
    if ours.sd is not None and ours.n >= noise.LEAST_SEEDS:
        spread = min(noise.of_next(ours.sd, ours.n), abs(reported))  # a wider one says nothing
        if spread > allowed:
            return spread, "noise"
    return allowed, "tolerance"


def _band(row: Reported, ours: _Ours) -> tuple[tuple[float, float] | None, str]:
    if row.band_low is not None and row.band_high is not None:
        return (row.band_low, row.band_high), "reports"
    if not isinstance(row.reported, float) or row.ours in (*CHOICES, "seconds"):
        return None, ""
    half, origin = _around(row.ours, row.reported, ours)
    most = 1.0 if row.ours.partition("@")[0].endswith("accuracy") else math.inf
    return (row.reported - half, min(row.reported + half, most)), origin


def _agrees(row: Reported, ours: _Ours, *, unsigned: bool = False) -> bool:
    """Whether ours is the reported number, its sign apart if wanted."""
    if ours.mean is None or not isinstance(row.reported, float):
        return False
    reported = abs(row.reported) if unsigned else row.reported
    if reported < 0 < ours.mean:
        return False
    return abs(ours.mean - reported) <= _around(row.ours, reported, ours)[0]


def _evidence(row: Reported, items: Mapping[str, Item], results: Results) -> list[str]:
    """What the runs that a row names show, a sentence each."""
    sentences = []
    for each in row.shown_by:
        name, _, metric = each.partition(":")
        ours = _ours(items[name], metric, results) if name in items else None
        if ours is None or not (ours.text or ours.mean is not None):
            continue
        found = ours.text or shown(metric, ours.mean, ours.sd)
        end = ""
        if _agrees(row, ours, unsigned=True):
            end = ", as reported" if _agrees(row, ours) else ", as reported but for the sign"
        name = " by ".join(map(label, metric.split("_by_")))
        sentences.append(f"{ours.title} gives {name} {found}{end}.")
    return sentences


# --- tables ---------------------------------------------------------------------------------------

_WIDTH = 110
_HEADS = ("id", "quantity", "reported", "ours", "band", "verdict")
_KEY = (
    "Ours is the mean ± standard deviation over the seeds. A band is what public reports of the "
    "assignment and reruns give; after ≈, the reported number ± a tolerance or our noise."
)


def cells(each: Comparison) -> list[str]:
    """Id, quantity, reported, ours, band and verdict as tables show them."""
    row, reported = each.row, each.row.reported
    if isinstance(reported, float):
        decay = row.ours == "best_decay"
        reported = f"{reported:g}" if decay else shown(row.ours, reported)
    ours = each.text or shown(row.ours, each.mean, each.sd)
    words = [text.replace(" = ", "=") for text in (reported or DASH, ours)]
    quantity = label(row.ours if "@" in row.ours else row.metric) or DASH  # with its epoch
    return [row.id, quantity, *words, _band_cell(each), each.verdict]


def _band_cell(each: Comparison) -> str:
    if each.band is None:
        return DASH
    low, high = (shown(each.row.ours, end) for end in each.band)
    text = high if low == high else f"{low.removesuffix(' %')} to {high}"
    return text if each.band_from == "reports" or low == high else f"≈ {text}"


def table(comparisons: Sequence[Comparison]) -> list[str]:
    """The comparisons as lines for a terminal, run by run, the reasons numbered below.

    Parameters
    ----------
    comparisons : sequence of Comparison
    """
    if not comparisons:
        return ["no reported number is answered"]
    reasons = _reasons(comparisons)
    rows = [[*cells(each)[:-1], _marked(each, reasons)] for each in comparisons]
    widths = [max(map(len, column)) for column in zip(_HEADS, *rows, strict=True)]
    lines = [_line(_HEADS, widths)]
    for i, (each, row) in enumerate(zip(comparisons, rows, strict=True)):
        if i == 0 or each.run_name != comparisons[i - 1].run_name:
            seeds = f" ({each.n} seed{'s' * (each.n != 1)})" if each.n else ""
            lines += ["", f"{each.run}{seeds}"]
        lines += [_line(row, widths), *_wrapped(each.evidence, 8)]
    lines.append("")
    for number, reason in enumerate(reasons, 1):
        lines += _wrapped(f"[{number}] {reason}", 4, first=0)
    return [*lines, *_wrapped(_KEY, 0)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _wrapped(text: str, indent: int, first: int | None = None) -> list[str]:
    begin = " " * (indent if first is None else first)
    return wrap(text, _WIDTH, initial_indent=begin, subsequent_indent=" " * indent)


def _reasons(comparisons: Sequence[Comparison]) -> list[str]:
    return list(dict.fromkeys(each.why for each in comparisons if each.why))


def _marked(each: Comparison, reasons: Sequence[str]) -> str:
    return f"{each.verdict} [{reasons.index(each.why) + 1}]" if each.why else each.verdict


def markdown(comparisons: Sequence[Comparison]) -> str:
    """The comparisons as a table in Markdown, the reasons in a list below it.

    Parameters
    ----------
    comparisons : sequence of Comparison
    """
    reasons = _reasons(comparisons)
    heads = ("id", "our run", *_HEADS[1:])
    rows = [heads, ["---"] * len(heads)]
    for each in comparisons:
        first, *rest, _ = cells(each)
        verdict = " ".join(filter(None, (_marked(each, reasons), each.evidence)))
        rows.append([first, each.run, *rest, verdict])
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    listed = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    return "\n".join([*lines, "", *listed, "", _KEY]) + "\n"


def write_csv(path: Path, comparisons: Sequence[Comparison]) -> None:
    """Write the comparisons, a row each, numbers in full.

    Parameters
    ----------
    path : Path
    comparisons : sequence of Comparison
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["id", "report", "run", "metric", "reported", "ours", "sd", "n", "text", "band_low",
             "band_high", "band_from", "verdict", "reason"]
        )  # fmt: skip
        for each in comparisons:
            row = each.row
            writer.writerow(
                [row.id, row.report, each.run_name, row.ours or row.metric, row.reported,
                 each.mean, each.sd, each.n, each.text, *(each.band or (None, None)),
                 each.band_from, each.verdict, each.reason]
            )  # fmt: skip
