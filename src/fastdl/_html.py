"""How results show themselves in a notebook: as tables, and as figures by matplotlib."""

from __future__ import annotations

import base64
import html
import importlib
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

_MOST_ROWS = 12
_SHOWN = 5  # of a longer table, from its beginning and from its end


def table(names: Sequence[str], rows: Sequence[Sequence[object]], below: Iterable[str] = ()) -> str:
    """A table with a line of names; of many rows the first and last, with what lies below it."""
    shown = [*rows]
    if len(rows) > _MOST_ROWS:
        shown = [*rows[:_SHOWN], ["…"] * len(names), *rows[-_SHOWN:]]
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in shown
    )
    facts = "".join(f"<div>{_text(fact)}</div>" for fact in below)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{facts}"


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return html.escape(str(value))


def figure(width: float, height: float, draw: Callable[[Any], object]) -> str:
    """A figure of so many inches that a function has drawn, or nothing without matplotlib."""
    try:
        made = importlib.import_module("matplotlib.figure").Figure((width, height), layout="tight")
    except ModuleNotFoundError:
        return ""
    draw(made)  # beside pyplot, which would show it a second time
    file = io.BytesIO()
    made.savefig(file, format="png", dpi=96)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="" style="max-width:100%" src="data:image/png;base64,{data}">'
