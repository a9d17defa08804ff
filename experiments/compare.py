"""What reports say against what we get, row by row, each with a verdict."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from . import spread
from .reported import Reported
from .results import Results, RunResult
from .spec import Best, Group, Item, Surface
from .tables import DASH, label, shown
from .verdicts import Ours, Verdict, band, judge, only_setting


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
    band_from : {"public", "reruns", "spec", "limit", "noise", "tolerance", ""}
        As of a row, or ours around the reported number.
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
        _compared(row, item, items, results)
        for item in items.values()
        for row in rows
        if row.id in item.answers and _is_about(row, item)
    ]


def _is_about(row: Reported, item: Item) -> bool:
    """Whether a row of an id that items of several sizes answer means this one."""
    data = item.data
    _, named, points = row.ours.rpartition("_mse_m")
    return not (named and isinstance(data, Surface)) or data.m == int(points)


def _compared(row: Reported, item: Item, items: Mapping[str, Item], results: Results) -> Comparison:
    ours = _ours(item, row.ours, results)
    ours = ours._replace(known=spread.read().get((results.name, item.name, row.ours)))
    if row.noise_of and ours.run and ours.n == 1:
        ours = ours._replace(spread=_named(row.noise_of, items, results).spread)
    others = [_named(each, items, results) for each in row.shown_by]
    verdict, why, evidence = judge(row, ours, others)
    expected, origin = band(row, ours)
    text = ours.text
    if verdict is Verdict.NOT_COMPARABLE and ours.mean and isinstance(row.reported, float):
        text = f"{shown(row.ours, ours.mean, ours.sd)}; {row.reported / ours.mean:.3g} ×"
    return Comparison(
        row=row,
        run=ours.title,
        run_name=ours.name,
        mean=ours.mean,
        sd=ours.sd,
        n=ours.n,
        text=text,
        band=expected,
        band_from=origin,
        verdict=verdict,
        why=why,
        evidence=evidence,
    )


def _named(name: str, items: Mapping[str, Item], results: Results) -> Ours:
    """What is called ``run:metric``."""
    item, _, metric = name.partition(":")
    return _ours(items[item], metric, results) if item in items else Ours(item, item, metric)


def _ours(item: Item, metric: str, results: Results) -> Ours:
    if not isinstance(item, Group):
        run = results.runs[item.name]
        return _of_run(Ours(run.run.title, item.name, metric), run)
    group = results.groups.get(item.name)
    unknown = Ours(item.title, item.name, metric)
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
        value = only_setting(best)
        return found._replace(mean=value, text=f"{value:g}")
    title = best.run.title if isinstance(item, Best) else f"{item.title}: {best.run.title}"
    return _of_run(found._replace(title=title), best)


def _of_run(ours: Ours, run: RunResult) -> Ours:
    """The same with the numbers of a run."""
    sd, n = run.sd(ours.metric), len(run.values(ours.metric))
    spread = None if sd is None else (sd, n)
    return ours._replace(run=run, mean=run.mean(ours.metric), spread=spread)


# --- tables ---------------------------------------------------------------------------------------

_WIDTH = 110
_HEADS = ("id", "quantity", "reported", "ours", "band", "from", "verdict")
_KEY = (
    "Ours is the mean ± standard deviation over the seeds. A band is from other public reports, "
    "from reruns by others, from the specification of the assignment, or the limit that a report "
    "has set itself; else it is the reported number ± our noise (the 95 % interval for one more "
    "seed, on CIFAR-10 half a point and 0.1 % of a cost wider, as copies of its pixels differ) or, "
    "with fewer than three seeds, ± a tolerance."
)


def reasons(comparisons: Iterable[Comparison]) -> list[str]:
    """Why verdicts are what they are, each reason once."""
    return list(dict.fromkeys(each.why for each in comparisons if each.why))


def cells(each: Comparison) -> list[str]:
    """Id, quantity, reported, ours, band, its source and the verdict as tables show them."""
    row, reported = each.row, each.row.reported
    if isinstance(reported, float):
        decay = row.ours == "best_decay"
        reported = f"{reported:g}" if decay else shown(row.ours, reported)
    ours = each.text or shown(row.ours, each.mean, each.sd)
    words = [text.replace(" = ", "=") for text in (reported or DASH, ours)]
    quantity = label(row.ours if "@" in row.ours else row.metric) or DASH  # with its epoch
    origin = each.band_from or DASH
    return [row.id, quantity, *words, _band_cell(each), origin, each.verdict]


def _band_cell(each: Comparison) -> str:
    if each.band is None:
        return DASH
    low, high = (shown(each.row.ours, end) for end in each.band)
    return high if low == high else f"{low.removesuffix(' %')}{DASH}{high}"


def table(comparisons: Sequence[Comparison]) -> list[str]:
    """The comparisons as lines for a terminal, run by run, the reasons numbered below.

    Parameters
    ----------
    comparisons : sequence of Comparison
    """
    if not comparisons:
        return ["no reported number is answered"]
    numbered = reasons(comparisons)
    rows = [[*cells(each)[:-1], _marked(each, numbered)] for each in comparisons]
    widths = [max(map(len, column)) for column in zip(_HEADS, *rows, strict=True)]
    lines = [_line(_HEADS, widths)]
    for i, (each, row) in enumerate(zip(comparisons, rows, strict=True)):
        if i == 0 or each.run_name != comparisons[i - 1].run_name:
            seeds = f" ({each.n} seed{'s' * (each.n != 1)})" if each.n else ""
            lines += ["", f"{each.run}{seeds}"]
        lines += [_line(row, widths), *_wrapped(each.evidence, 8)]
    lines.append("")
    for number, reason in enumerate(numbered, 1):
        lines += _wrapped(f"[{number}] {reason}", 4, first=0)
    return [*lines, *_wrapped(_KEY, 0)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _wrapped(text: str, indent: int, first: int | None = None) -> list[str]:
    begin = " " * (indent if first is None else first)
    return wrap(text, _WIDTH, initial_indent=begin, subsequent_indent=" " * indent)


def _marked(each: Comparison, numbered: Sequence[str]) -> str:
    return f"{each.verdict} [{numbered.index(each.why) + 1}]" if each.why else each.verdict


def markdown(comparisons: Sequence[Comparison]) -> str:
    """The comparisons as a table in Markdown, the reasons in a list below it.

    Parameters
    ----------
    comparisons : sequence of Comparison
    """
    numbered = reasons(comparisons)
    heads = ("id", "our run", *_HEADS[1:])
    rows = [heads, ["---"] * len(heads)]
    for each in comparisons:
        first, *rest, _ = cells(each)
        verdict = " ".join(filter(None, (_marked(each, numbered), each.evidence)))
        rows.append([first, each.run, *rest, verdict])
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    listed = [f"{number}. {reason}" for number, reason in enumerate(numbered, 1)]
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
