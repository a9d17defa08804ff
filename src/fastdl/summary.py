"""A network as a table."""

from __future__ import annotations

from collections.abc import Sequence

from fastdl import _html
from fastdl.layers import Dense, Layer

_COLUMNS = ("layer", "kind", "inputs", "units", "activation", "parameters", "penalty")
_NUMBERS = ("inputs", "units", "parameters")


class Summary(str):
    """A text of several lines, which the prompt shows as print does."""

    __slots__ = ()
    __repr__ = str.__str__


def summary(layers: Sequence[Layer], facts: Sequence[str]) -> Summary:
    """A line for each layer, one for all of them, and the facts below."""
    rows = [_COLUMNS, *_rows(layers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(_COLUMNS, row, widths, strict=True)
        adjusted = [c.rjust(w) if name in _NUMBERS else c.ljust(w) for name, c, w in cells]
        lines.append("  ".join(adjusted).rstrip())
    rule = "-" * max(map(len, lines))
    return Summary("\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *facts]))


def html(layers: Sequence[Layer], facts: Sequence[str]) -> str:
    """The same for a notebook."""
    return _html.table(_COLUMNS, _rows(layers), facts)


def _rows(layers: Sequence[Layer]) -> list[tuple[str, ...]]:
    total = sum(layer.n_parameters for layer in layers)
    return [
        *(_row(str(i), layer) for i, layer in enumerate(layers)),
        ("all", "", f"{layers[0].d:,}", f"{layers[-1].h:,}", "", f"{total:,}", ""),
    ]


def _row(name: str, layer: Layer) -> tuple[str, ...]:
    penalties = {"l1": layer.l1, "l2": layer.l2} if isinstance(layer, Dense) else {}
    return (
        name,
        type(layer).__name__,
        f"{layer.d:,}",
        f"{layer.h:,}",
        layer.title,
        f"{layer.n_parameters:,}",
        ", ".join(f"{norm} {factor:g}" for norm, factor in penalties.items() if factor) or "none",
    )
