"""What the commands say in a terminal: one screen of a run, or all of an assignment."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import wrap

from .compare import Comparison, cells
from .page import Page, stand_ins, verdicts
from .results import GroupResult, Results, RunResult
from .tables import (
    alone,
    duration,
    label,
    ranked_by,
    ranking,
    seconds,
    shortened,
    shown,
)
from .verdicts import Verdict

_WIDTH = 100
_GLUE = "\N{NO-BREAK SPACE}"
_NARROW = 24  # letters, at least, of a column
_MOST = 10  # lines of what stands out
_MAIN = ("test_accuracy", "test_loss", "percent_weight_errors_below_1e-6")
_STANDS_OUT = (Verdict.OUTSIDE, Verdict.EXPLAINED, Verdict.ONE_SEED, Verdict.TWO_SEEDS)


def overview(pages: Sequence[Page], report: Path, said: Sequence[str], wall: float) -> list[str]:
    """One screen: a line an assignment, what stands out, and where the report lies.

    Parameters
    ----------
    pages : sequence of Page
        Of the assignments that were run.
    report : Path
    said : sequence of str
        What else has to be told.
    wall : float
        Seconds that the command took.
    """
    lines = _lines(pages)
    lines += _paragraph("stands out:", _standing_out(pages))
    lines += _paragraph("note:", said)
    lines += _paragraph("made up:", _stand_ins(pages))
    lines += _paragraph("quick look:", _cut(pages))
    trials = {o.key for page in pages for o in page.results.outcomes}
    lines += ["", f"{len(trials)} trials in {duration(wall)}; -v prints every number"]
    return [*lines, f"report, figures and tables: {report}"]


def _lines(pages: Sequence[Page]) -> list[str]:
    """An assignment, what it reaches and its verdicts; what is too long goes on below."""
    rows = [(page.results.name, _reached(page.results), _counts(page)) for page in pages]
    names, reached = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
    lines = []
    for name, reach, counts in rows:
        head = f"{name:{names}}  {reach:{reached}}  "
        lines += wrap(counts, max(_WIDTH, len(head) + _NARROW), initial_indent=head,
                      subsequent_indent=" " * len(head))  # fmt: skip
    return [line.replace(_GLUE, " ") for line in lines]


def _counts(page: Page) -> str:
    counts = [f"{count} {verdict}" for verdict, count in page.verdicts.items()]
    return ", ".join(each.replace(" ", _GLUE) for each in counts) or "nothing to compare"


def _reached(results: Results) -> str:
    """The least and the most that the runs that stand alone reach on test rows."""
    for metric in _MAIN[:2]:
        means = [mean for run in alone(results) if (mean := run.mean(metric)) is not None]
        if means:
            ends = [shown(metric, end) for end in (min(means), max(means))]
            return f"{label(metric)} {ends[0].removesuffix(' %')} to {ends[1]}"
    return ""


def _standing_out(pages: Iterable[Page]) -> list[str]:
    """Numbers outside their bands, the worst verdicts first, and trials that gave none."""
    odd = [
        (_STANDS_OUT.index(each.verdict), page.results.name, each)
        for page in pages
        for each in page.comparisons
        if each.verdict in _STANDS_OUT
    ]
    found = [_told(name, each) for _, name, each in sorted(odd, key=lambda found: found[0])]
    for page in pages:
        name, failures, missing = page.results.name, page.failures, page.results.missing
        if failures:
            why, *_ = failures[0].split(", lower")  # the advice is for whoever trains
            found.append(f"{name}: {len(failures)} trials failed, {why}")
        if missing:
            found.append(f"{name}: {len(missing)} trials are missing")
    more = len(found) - _MOST
    return found if more <= 0 else [*found[:_MOST], f"and {more} more, all in the report"]


def _told(name: str, each: Comparison) -> str:
    row, quantity, reported, ours, band, *_ = cells(each)
    where = reported if each.band is None else f"{reported}, band {band}"
    return f"{name} {row} {quantity}: {ours} ({where}): {each.verdict}"


def _stand_ins(pages: Iterable[Page]) -> list[str]:
    """That there are stand-ins, and the one command that gets the data."""
    sources = stand_ins(pages)
    if not sources:
        return []
    found = " and ".join(sources)
    gets = f"with a network {download(sources)} gets the real ones"
    return [f"images stand in for {found}, so only gradients are judged; {gets}"]


def download(sources: Iterable[str]) -> str:
    """The command that gets data sets."""
    python = Path(sys.executable)
    near = os.path.relpath(python) if python.is_relative_to(Path.cwd()) else str(python)
    return f"{near} -m fastdl.datasets download {' '.join(sources)}"


def _cut(pages: Iterable[Page]) -> list[str]:
    n = sum(len(page.results.cut) for page in pages)
    return (
        [f"{n} runs and searches are cut, as the report tells; all others are whole"] if n else []
    )


def _paragraph(head: str, sentences: Iterable[str]) -> list[str]:
    """Sentences below a heading of their own; nothing without any."""
    lines = [
        line
        for text in sentences
        for line in wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ",
                         break_on_hyphens=False, break_long_words=False)
    ]  # fmt: skip
    return ["", head, *lines] if lines else []


# --- all of an assignment -------------------------------------------------------------------------


def summary(results: Results, comparisons: Sequence[Comparison]) -> list[str]:
    """What was run, on which data, what each run has reached, and how many verdicts say what.

    Parameters
    ----------
    results : Results
    comparisons : sequence of Comparison
    """
    lines = [f"{results.assignment.title} ({results.name})"]
    lines += _provenances(results)
    if results.note:
        lines.append(f"note: {results.note}")
    rows = [_row(run) for run in alone(results)] + [_best(group) for group in results.searches]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts(comparisons).items())
    lines += [*_aligned(rows), f"verdicts: {counts or 'none'}"]
    if results.missing:
        lines.append(f"{len(results.missing)} trials are missing: verdicts are provisional")
    return lines


def rankings(results: Results, top: int = 5) -> list[str]:
    """The best runs of every search, by validation rows and by training rows.

    Parameters
    ----------
    results : Results
    top : int
        How many.
    """
    lines = [f"{results.assignment.title} ({results.name})", *_provenances(results)]
    lines.append(f"{len(results.outcomes)} trials, {duration(seconds(results.outcomes))} of fits")
    for group in results.groups.values():
        for metric in ranked_by(group):
            table = ranking(group, metric, top)
            lines += ["", f"{group.group.title}: {table.caption.lower()}"]
            lines += _aligned([table.heads, *table.rows])
    return lines


def _provenances(results: Results) -> list[str]:
    return [f"data: {text}" for text in dict.fromkeys(o.provenance for o in results.outcomes)]


def _row(run: RunResult, title: str = "", metrics: Sequence[str] = _MAIN) -> list[str]:
    metric = next((name for name in metrics if run.mean(name) is not None), None)
    reached = "no result" if metric is None else shown(metric, run.mean(metric), run.sd(metric))
    spent = shown("seconds", run.mean("seconds"), run.sd("seconds"))
    return [title or run.run.title, label(metric or ""), reached, spent]


def _best(group: GroupResult) -> list[str]:
    ranked = group.ranked()
    title = f"{group.group.title}, best of {len(group.runs)}"
    if not ranked:
        return [title, "", "no result", ""]
    return _row(ranked[0], f"{title}: {ranked[0].run.title}", (group.group.rank,))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines; where they are too long, their first cells are shortened."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    room = _WIDTH - sum(2 + width for width in widths[1:])
    lines = []
    for first, *others in rows:
        padded = zip(
            [shortened(first, room), *others], [min(widths[0], room), *widths[1:]], strict=True
        )
        lines.append("  ".join(f"{cell:{width}}" for cell, width in padded).rstrip())
    return lines
