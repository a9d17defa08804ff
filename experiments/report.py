"""Puts assignments into one HTML file that needs nothing else."""

import base64
import io
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from . import findings, sources
from .check import course
from .check import pages as courses
from .compare import cells
from .page import DARK, Page, stand_ins, verdicts
from .store import whole
from .tables import duration, machines, seconds

REPORT = "report.html"
_SMALL = 360, 270  # pixels, at most, of a picture of the gallery
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
    "mislabelled": "The same, but the number belongs to another quantity than the report names.",
    "report wrong": "The number contradicts itself, lies outside a band that ours lies in, or is "
    "what another run of ours gives; the reason stands below the table.",
    "outside, explained": "Our mean lies outside; the reason below the table may explain it.",
    "outside": "Our mean lies outside, and we do not know why.",
    "not comparable": "Seconds on another machine, for instance: shown, not judged.",
    "drawn": "The report shows a figure without a number, and so do we.",
    "one seed: cannot tell": "Ours lies outside, by less than one seed may be off: run three.",
    "two seeds: cannot tell": "The same of the mean of two.",
    "not judged": "Ours was got with stand-in data or in a quick look, or is too noisy to tell.",
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
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cells": cells, "duration": duration, "mark": mark, "picture": picture,
        "small": small, "whole": unbroken,
    }  # fmt: skip
    environment.filters |= courses.FILTERS
    text = environment.get_template(REPORT).render(
        pages=pages,
        courses=[
            course.course(page.results.name)
            for page in pages
            if page.results.name in course.names()
        ],
        contents=True,
        correct=courses.CORRECT,
        beside=courses.BESIDE,
        sources=sources.read(),
        verdicts=verdicts([each for page in pages for each in page.comparisons]),
        findings=findings.sentences(pages),
        made_up=findings.names(stand_ins(pages)),
        download=f"python -m fastdl.datasets download {' '.join(stand_ins(pages))}",
        cuts={title: cut for page in pages for title, cut in page.results.cut.items()},
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
    """A PNG file as an element that holds it, with the one for a dark page if there is one."""
    return _element(path, alt, Path.read_bytes)


def small(path: Path, alt: str) -> Markup:
    """The same, as small as a gallery needs it."""
    return _element(path, alt, _shrunk)


def _element(path: Path, alt: str, read: Callable[[Path], bytes]) -> Markup:
    dark = path.with_name(path.stem + DARK)
    content = read(path)
    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
    shown = Markup(
        '<img{} src="{}" width="{}" height="{}" alt="{}" style="--pixels: {}">'
    ).format("" if dark.exists() else Markup(' class="chart"'), _data(content), width, height,
             alt, width)  # fmt: skip
    if not dark.exists():
        return shown
    source = Markup('<source media="screen and (prefers-color-scheme: dark)" srcset="{}">')
    return Markup("<picture>{}{}</picture>").format(source.format(_data(read(dark))), shown)


def _data(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _shrunk(path: Path) -> bytes:
    with Image.open(path) as image:
        few = image.convert("RGB")
    few.thumbnail(_SMALL)
    written = io.BytesIO()
    few.quantize(64, Image.Quantize.FASTOCTREE).save(written, "png", optimize=True)
    return written.getvalue()


def unbroken(text: str) -> str:
    """A text whose "λ = 1" stays on one line."""
    return text.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")


def mark(verdict: str) -> Markup:
    """A verdict with its symbol and its colour."""
    symbol, tone = _MARKS.get(verdict, ("·", "plain"))
    return Markup('<span class="verdict {}"><span aria-hidden="true">{}</span> {}</span>').format(
        tone, symbol, verdict
    )
