"""Puts assignments into one HTML file that needs nothing else, and their runs into lines."""

import base64
import struct
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from experiments.compare import Comparison, cells
from experiments.page import Page, verdicts
from experiments.results import GroupResult, Results, RunResult
from experiments.store import whole
from experiments.tables import alone, label, machines, ranked_by, ranking, seconds, shown

REPORT = "report.html"
_MARKS = {
    "reproduced": ("✓", "good"),
    "mislabelled": ("✓", "wrong"),
    "report wrong": ("!", "wrong"),
    "outside, explained": ("✗", "wrong"),
    "outside": ("✗", "bad"),
}
_MEANINGS = {
    "reproduced": "Our mean lies in the band, or outside by less than its own noise; so does the "
    "reported number.",
    "mislabelled": "The same, but the number is not of what the report says.",
    "report wrong": "The number contradicts itself, lies outside a band that ours lies in, or is "
    "what another run of ours gives; the reason stands below the table.",
    "outside, explained": "Our mean lies outside; the reason below the table may explain it.",
    "outside": "Our mean lies outside, and we do not know why.",
    "not comparable": "Seconds on another machine, for instance: shown, not judged.",
    "drawn": "The report shows a figure without a number, and so do we.",
    "not judged": "Ours was got with few rows, with stand-in data, or is too noisy to tell.",
    "not run": "There is no result of ours.",
}


def html(out: Path, pages: Sequence[Page], wall: float | None = None) -> Path:
    """Write the report of some assignments.

    Parameters
    ----------
    out : Path
        The folder that it goes to.
    pages : sequence of Page
        An assignment each.
    wall : float or None
        Seconds that the command took for all of them, if that is known.

    Returns
    -------
    Path
        Of the report.
    """
    outcomes = list({o.key: o for page in pages for o in page.results.outcomes}.values())
    environment = Environment(
        loader=PackageLoader("experiments"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cells": cells, "duration": duration, "mark": mark, "picture": picture, "whole": unbroken
    }  # fmt: skip
    text = environment.get_template(REPORT).render(
        pages=pages,
        verdicts=verdicts([each for page in pages for each in page.comparisons]),
        trials=len(outcomes),
        seconds=seconds(outcomes),
        wall=wall,
        machines=machines(outcomes),
        meanings=_MEANINGS,
        version=version("fastdl"),
        written=datetime.now().astimezone(),
    )
    out.mkdir(parents=True, exist_ok=True)
    with whole(out / REPORT) as path:
        path.write_text(text, "utf-8")
    return out / REPORT


def picture(path: Path, alt: str) -> Markup:
    """A PNG file as an element that holds it."""
    content = path.read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    return Markup(
        '<img src="data:image/png;base64,{}" width="{}" height="{}" alt="{}" style="--pixels: {}">'
    ).format(base64.b64encode(content).decode(), width, height, alt, width)


def unbroken(text: str) -> str:
    """A text whose "λ = 1" stays on one line."""
    return text.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")


def mark(verdict: str) -> Markup:
    """A verdict with its symbol and its colour."""
    symbol, tone = _MARKS.get(verdict, ("·", "plain"))
    return Markup('<span class="verdict {}"><span aria-hidden="true">{}</span> {}</span>').format(
        tone, symbol, verdict
    )


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


# --- lines for a terminal -------------------------------------------------------------------------

_WIDTH = 100
_MAIN = ("test_accuracy", "test_loss", "percent_weight_errors_below_1e-6")


def summary(results: Results, comparisons: Sequence[Comparison]) -> list[str]:
    """What was run, on which data, what each run has reached, and how many verdicts say what.

    Parameters
    ----------
    results : Results
    comparisons : sequence of Comparison
    """
    lines = [f"{results.assignment.title} ({results.name})"]
    lines += [f"data: {text}" for text in dict.fromkeys(o.provenance for o in results.outcomes)]
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
    lines = []
    for group in results.groups.values():
        for metric in ranked_by(group):
            table = ranking(group, metric, top)
            lines += ["", f"{group.group.title}: {table.caption.lower()}"]
            lines += _aligned([table.heads, *table.rows])
    return lines


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
    """Rows as lines; where they are too long, their first cells are cut."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    room = _WIDTH - sum(2 + width for width in widths[1:])
    lines = []
    for first, *others in rows:
        cut = first if len(first) <= room else f"{first[: room - 1]}…"
        padded = zip([cut, *others], [min(widths[0], room), *widths[1:]], strict=True)
        lines.append("  ".join(f"{cell:{width}}" for cell, width in padded).rstrip())
    return lines
