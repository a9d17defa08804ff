"""Small charts as SVG: in a page they have its colours, a file of its own brings them along."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

Array = NDArray[np.float64]
WIDTH, HEIGHT = 240, 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 6, 10, 18
_FLOOR = HEIGHT - _BOTTOM - 5  # of the curves, above the axis
_GAP, _LINE, _LETTERS = 20, 15, 37  # of a sheet: between charts, of its text, letters in a line
_TICK = Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>')
# The colours of Okabe and Ito that the other figures have; lighter ones where the page is dark.
_STYLE = """
text { font: 12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1b2127; }
.axis { stroke: #8a949e; fill: none; } .tick, .soft { fill: #55606b; } .bold { font-weight: 600; }
.line { fill: none; stroke-width: 1.8; } .area { stroke: none; opacity: .25; }
.right, .train { stroke: #0072b2; fill: #0072b2; } .test { stroke: #009e73; fill: #009e73; }
.wrong, .validation { stroke: #d55e00; fill: #d55e00; stroke-dasharray: 6 3; }
.test { stroke-dasharray: 2 2; } .line { fill: none; } .paper { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e3e7eb; } .tick, .soft { fill: #a4aeb8; } .paper { fill: #14181c; }
  .right, .train { stroke: #62b5ea; fill: #62b5ea; } .test { stroke: #4fd1a5; fill: #4fd1a5; }
  .wrong, .validation { stroke: #ff9d57; fill: #ff9d57; } .line { fill: none; }
}
"""


class Line(NamedTuple):
    """A curve with its spread.

    Attributes
    ----------
    kind : {"right", "wrong", "train", "validation", "test"}
        Gives the colour and the dashes.
    values : array (r, e)
    """

    kind: str
    values: Array


class Cell(NamedTuple):
    """A chart of a sheet, below its heading and some words."""

    heading: str
    words: str
    chart: Markup


def chart(lines: Sequence[Line], epochs: Sequence[int], *, per_cent: bool) -> Markup:
    """The elements of a chart of ``WIDTH`` by ``HEIGHT``: axes, spreads as areas, means as lines.

    Parameters
    ----------
    lines : sequence of Line
    epochs : sequence of int
    per_cent : bool
        Whether values from 0 to 1 are shown as per cent.
    """
    x = np.interp(epochs, (epochs[0], epochs[-1]), (_LEFT, WIDTH - _RIGHT))
    low, high = _ends([line.values for line in lines])
    floor, roof = (low, high) if high > low else (low - 1, high + 1)

    def y(values: Array) -> Array:
        share = (values - floor) / (roof - floor)
        return _FLOOR + share * (_TOP - _FLOOR)

    marks = [_axes(epochs), *_ticks(y(np.array([low, high])), (low, high), per_cent)]
    for line in lines:
        marks += _drawn(line.kind, x, y(line.values))
    return Markup("").join(marks)


def svg(marks: Markup, label: str) -> Markup:
    """A chart as an element of a page."""
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, marks
    )


def sheet(cells: Sequence[Cell], columns: int, key: Sequence[tuple[str, str]], label: str) -> str:
    """A file of charts, row by row, each as high as its words need.

    Parameters
    ----------
    cells : sequence of Cell
    columns : int
    key : sequence of (str, str)
        The kinds of lines, and what they are.
    label : str
        What the figure is, for those who do not see it.
    """
    width = columns * (WIDTH + _GAP) - _GAP
    marks, top = list(_key(key)), 2 * _LINE
    for at in range(0, len(cells), columns):
        row = [(cell, _wrapped(cell)) for cell in cells[at : at + columns]]
        room = max(len(text) for _, text in row) * _LINE
        for i, (cell, text) in enumerate(row):
            place = Markup('<g transform="translate({} {})">').format(i * (WIDTH + _GAP), top)
            words = [
                Markup('<text class="{}" y="{}">{}</text>').format(kind, (n + 1) * _LINE - 3, each)
                for n, (kind, each) in enumerate(text)
            ]
            below = Markup('<g transform="translate(0 {})">').format(room)
            marks += [place, *words, below, cell.chart, Markup("</g></g>")]
        top += room + HEIGHT + _GAP
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -8 {0} {1}" width="{0}" height="{1}" '
        'role="img" aria-label="{2}">\n<style>{3}</style>\n'
        '<rect class="paper" x="-8" y="-8" width="{0}" height="{1}"/>\n'
    ).format(width + 16, top + 8, label, Markup(_STYLE))
    return f"{head}{Markup(chr(10)).join(marks)}\n</svg>\n"


def _ends(values: Sequence[Array]) -> tuple[float, float]:
    """The least and the greatest; runs that are lost do not count."""
    finite = np.concatenate([each[np.isfinite(each)] for each in values])
    return float(finite.min()), float(finite.max())


def _axes(epochs: Sequence[int]) -> Markup:
    low, end = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    return Markup("").join([
        Markup('<path class="axis" d="M{} {}V{}H{}"/>').format(_LEFT, _TOP, low, end),
        _TICK.format(_LEFT, HEIGHT - 4, "start", f"epoch {epochs[0]}"),
        _TICK.format(end, HEIGHT - 4, "end", str(epochs[-1])),
    ])  # fmt: skip


def _ticks(places: Array, values: Sequence[float], per_cent: bool) -> Iterator[Markup]:
    """The least and the greatest value, where they lie."""
    for y, value in zip(places, values, strict=True):
        yield _TICK.format(_LEFT - 4, f"{y + 4:.0f}", "end", _tick(value, per_cent))


def _tick(value: float, per_cent: bool) -> str:
    if per_cent:
        return f"{100 * value:.3g} %"
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}"


def _drawn(kind: str, x: Array, y: Array) -> Iterator[Markup]:
    """The area between the least and the greatest of the seeds, and the line of their mean."""
    lost = ~np.isfinite(y).all(axis=0)
    kept = int(lost.argmax()) if lost.any() else len(x)  # up to where the first run is lost
    if not kept:
        return
    x, y = x[:kept], y[:, :kept]
    edge = [*zip(x, y.min(axis=0), strict=True), *zip(x[::-1], y.max(axis=0)[::-1], strict=True)]
    mean = zip(x, y.mean(axis=0), strict=True)
    yield Markup('<path class="area {}" d="{}Z"/>').format(kind, _path(edge))
    yield Markup('<path class="line {}" d="{}"/>').format(kind, _path(mean))


def _path(points: Iterator[tuple[float, float]] | Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.0f} {y:.1f}" for x, y in points)


def _key(key: Sequence[tuple[str, str]]) -> Iterator[Markup]:
    x = 0
    for kind, says in key:
        yield Markup('<path class="line {}" d="M{} 8H{}"/>').format(kind, x, x + 22)
        yield Markup('<text x="{}" y="12">{}</text>').format(x + 28, says)
        x += 44 + 7 * len(says)


def _wrapped(cell: Cell) -> list[tuple[str, str]]:
    """Heading and words as lines, each with its kind."""
    heads = textwrap.wrap(cell.heading, _LETTERS - 3)
    return [("bold", each) for each in heads] + [
        ("soft", each) for each in textwrap.wrap(cell.words, _LETTERS)
    ]
