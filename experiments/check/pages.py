"""Writes a page a course: how correct runs look, what mistakes look like beside them, the bands.

python -m experiments.check.pages    docs/course_NAME.md and its two figures again, from stored runs
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .. import assignments, sources
from ..calling import command
from ..reported import of as reported
from ..store import whole
from . import course
from .course import Band, Course, Group, Shown
from .drawing import Cell, Line, chart, sheet, svg
from .mistakes import Mistake
from .report import TOLD
from .student import SPLITS

DOCS = Path(__file__).parents[2] / "docs"
CORRECT = (("train", "training rows"), ("validation", "validation rows"), ("test", "test rows"))
BESIDE = (("right", "correct code"), ("wrong", "with the mistake"))
_WHAT = ("loss", "cost", "accuracy")
_PACKAGE = __package__.rpartition(".")[0]


def write(folder: Path, names: Sequence[str]) -> list[Path]:
    """Write the pages of some courses, and their figures beside them.

    Parameters
    ----------
    folder : Path
    names : sequence of str
        See ``course.names``.
    """
    template = _templates(autoescape=False).get_template("course.md")
    written = []
    for name in names:
        shown = course.course(name)
        files = {
            f"course_{name}_correct.svg": _correct_sheet(shown),
            f"course_{name}_mistakes.svg": _mistakes_sheet(shown),
            f"course_{name}.md": template.render(
                course=shown, others=sources.public(name), reports=reports(name)
            ),
        }
        for file, text in files.items():
            with whole(folder / file) as path:
                path.write_text(text, "utf-8")
            written.append(folder / file)
    return written


def html(name: str) -> str:
    """The page of a course as HTML that needs no other file."""
    return _templates(autoescape=True).get_template("course_page.html").render(
        course=course.course(name), others=sources.public(name), reports=reports(name),
        contents=False, correct=CORRECT, beside=BESIDE,
    )  # fmt: skip


def _templates(*, autoescape: bool) -> Environment:
    made = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= FILTERS
    return made


def reports(name: str) -> list[sources.Report]:
    """Those that an assignment is held against: they answer one of its ids."""
    ids = {id for item in assignments.get(name).items for id in item.answers}
    return sources.held_against(row for row in reported(name) if row.id in ids)


# --- figures --------------------------------------------------------------------------------------


def correct(shown: Shown) -> list[tuple[str, Markup]]:
    """The curves of correct code: a heading and a chart each of loss, cost and accuracy."""
    kinds = [each for each in _WHAT if each != "cost" or shown.setting.recipe.l2]
    return [(each, _correct_chart(shown, each)) for each in kinds]


def _correct_chart(shown: Shown, what: str) -> Markup:
    lines = [Line(split, shown.correct[f"{split}_{what}"]) for split in SPLITS]
    return chart(lines, shown.runs.epochs, per_cent=what == "accuracy")


def beside(group: Group, shown: Shown) -> Markup:
    """The curve of a mistake beside that of correct code, as an element of a page."""
    label = f"{words(group.column)} of {group.mistakes[0].name} beside correct code"
    return svg(_beside_chart(group, shown), label)


def _beside_chart(group: Group, shown: Shown) -> Markup:
    lines = [Line("right", group.correct), Line("wrong", group.curves)]
    return chart(lines, shown.runs.epochs, per_cent=group.column.endswith("accuracy"))


def charts(shown: Shown) -> list[tuple[str, Markup]]:
    """The charts of ``correct`` as elements of a page."""
    return [
        (what, svg(marks, f"{what} of correct code, {shown.words}"))
        for what, marks in correct(shown)
    ]


def _correct_sheet(found: Course) -> str:
    cells = [
        Cell(shown.words if i == 0 else "", what, marks)
        for shown in found.settings
        for i, (what, marks) in enumerate(_both(correct(shown)))
    ]
    return sheet(cells, 2, CORRECT, f"Loss and accuracy of correct runs of {found.name}")


def _both(charts: list[tuple[str, Markup]]) -> list[tuple[str, Markup]]:
    """Cost, or loss where there is no penalty, and accuracy: a row of a sheet."""
    return charts[-2:]


def _mistakes_sheet(found: Course) -> str:
    shown = found.main
    cells = [
        Cell(names(group.mistakes), words(group.column), _beside_chart(group, shown))
        for group in shown.groups
    ]
    label = f"Curves of known mistakes beside those of correct code, {found.name}, {shown.words}"
    return sheet(cells, 2, BESIDE, label)


# --- words ----------------------------------------------------------------------------------------


def words(column: str) -> str:
    """A column as people say it."""
    return column.replace("_", " ").replace("train ", "training ")


def names(group: Sequence[Mistake]) -> str:
    """The names of some mistakes."""
    return ", ".join(each.name for each in group)


def bands(found: Course) -> list[tuple[str, list[str]]]:
    """The rows of a table: a number, and what it is in every setting, mean and range."""
    held = [{each.column: _band(each) for each in shown.bands} for shown in found.settings]
    rows = [
        (words(column), [each.get(column, "as the loss") for each in held])
        for column in TOLD
        if any(column in each for each in held)
    ]
    others = [public(shown) for shown in found.settings]
    if any(others):
        rows.append(("test accuracy of other people", [each or "unknown" for each in others]))
    return rows


def _band(shown: Band) -> str:
    return f"{_number(shown.column, shown.mean)} ({_ends(shown)})"


def _ends(shown: Band) -> str:
    low, high = (_number(shown.column, each) for each in (shown.low, shown.high))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def reached(mistake: Mistake, shown: Shown) -> str:
    """The test accuracy that a mistake tells."""
    if mistake.name not in shown.runs.told:
        return "changes nothing"
    found = shown.reached(mistake)
    return "not a number" if found is None else _ends(Band("test_accuracy", np.nan, *found, 0))


def public(shown: Shown) -> str:
    """Where the test accuracies of others lie; empty where none is known."""
    row = shown.public
    if row is None or row.band is None:
        return ""
    low, high = row.band
    return f"{100 * low:g} to {100 * high:g} %"


def example(shown: Shown) -> str:
    """The command that checks a run of this setting."""
    last = shown.correct["test_accuracy"][:, -1].mean()
    run = f' --run "{shown.words}"' if "=" in shown.words else ""
    name = shown.setting.assignment
    return f"{command()} check {name}{run} --test-accuracy {100 * last:.1f} --curve my.csv"


def _number(column: str, value: float) -> str:
    return f"{100 * value:.2f} %" if column.endswith("accuracy") else f"{value:#.4g}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "bands": bands, "beside": beside, "charts": charts, "example": example, "names": names,
    "reached": reached, "words": words,
}  # fmt: skip


if __name__ == "__main__":
    print("\n".join(map(str, write(DOCS, course.names()))))
    sys.exit()
