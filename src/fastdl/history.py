"""What a fit has recorded."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastdl import _check, _hints, _html, _needed

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

_PLACES = ("step", "epoch", "seconds")  # where in a fit a record was taken
_OF_NO_DATA = (*_PLACES, "learning_rate")
_FIGURES_IN_A_ROW = 3


class History(_hints.Hinted, Mapping[str, NDArray[Any]]):
    """The records of a fit, a column each: ``history["val_accuracy"]`` is an array.

    It is a mapping: ``list(history)`` are the names of the columns, ``len(history)`` is how many
    there are, ``dict(history)`` holds the arrays. Without a record there is no column, and the
    history is false. The arrays are copies.

    ``epoch`` and ``step`` count what was done; ``learning_rate`` is the last step's; ``loss`` is
    the mean data loss and ``cost`` adds the penalty; ``val_...`` are of the validation set;
    ``seconds`` is the time since the fit began. Whether ``loss`` is of the full training set or of
    the batches since the record before is the fit's ``train_metrics``.

    Attributes
    ----------
    stopped : str or None
        Why the fit ended before its last epoch, or None.

    Examples
    --------
    >>> x, y = np.linspace(-1, 1, 40)[:, None], np.arange(40) // 20
    >>> trainer = fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5))
    >>> history = trainer.fit(x, y, epochs=3)
    >>> list(history)
    ['epoch', 'step', 'learning_rate', 'loss', 'cost', 'accuracy', 'seconds']
    >>> history["epoch"]
    array([1, 2, 3])
    """

    stopped: str | None = None

    def __init__(self) -> None:
        self._records: list[dict[str, float]] = []

    def _elsewhere(self) -> dict[str, str]:
        columns = {name: f"history[{name!r}]" for name in self}
        return {"history": "history itself, such as history['loss']"} | columns

    def _hint(self, name: str) -> str:
        return (name not in self and in_place_of(name, self.columns)) or super()._hint(name)

    def append(self, record: Mapping[str, float]) -> None:
        """Add a record; every one has the same columns."""
        columns = self.columns or list(record)
        if set(record) != set(columns):
            raise ValueError(f"a record must have the columns {columns}; got {list(record)}")
        self._records.append({name: record[name] for name in columns})

    @property
    def n_records(self) -> int:
        """How many records there are."""
        return len(self._records)

    @property
    def records(self) -> list[dict[str, float]]:
        """The records, oldest first."""
        return [dict(record) for record in self._records]

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._records[0]) if self._records else []

    @property
    def last(self) -> dict[str, float]:
        """The newest record."""
        if not self._records:
            raise IndexError(
                "the history must hold a record; got none, use record='epoch' when you fit"
            )
        return dict(self._records[-1])

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def __getitem__(self, column: str) -> NDArray[Any]:
        if column not in self:
            rule = f"one of {', '.join(self)}" if self else "of a history that has records"
            remedy = ", use record='epoch' when you fit"
            if self:
                remedy = in_place_of(column, self.columns)
            raise KeyError(f"a column must be {rule}; got {column!r}{remedy}")
        return np.array([record[column] for record in self._records])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        return (
            (self.stopped, self.columns, self.n_records)
            == (other.stopped, other.columns, other.n_records)
        ) and all(np.array_equal(self[name], other[name], equal_nan=True) for name in self)

    def __add__(self, other: History) -> History:
        """The records of both, where ``other`` is of a fit that went on after this one.

        ``seconds`` go on where this one's end, so the time between the two is not counted;
        ``epoch`` and ``step`` stay as they are, for those of a trainer go on by themselves.
        ``stopped`` is the later one's.
        """
        if not isinstance(other, History):
            return NotImplemented
        if self and other and set(self) != set(other):
            differ = ", ".join(sorted(set(self) ^ set(other)))
            raise ValueError(
                f"histories must have the same columns to be joined; got {differ} in one alone, "
                "use pd.concat([first.to_frame(), second.to_frame()])"
            )
        result = History()
        for record in self._records:
            result.append(record)
        before = self.last.get("seconds", 0.0) if self else 0.0
        for record in other._records:
            later = {"seconds": before + record["seconds"]} if "seconds" in record else {}
            result.append(record | later)
        result.stopped = other.stopped
        return result

    def __repr__(self) -> str:
        what = f"{self.n_records} records" + (f" of {', '.join(self)}" if self else "")
        return f"<History: {what}{f'; stopped: {self.stopped}' if self.stopped else ''}>"

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        """Refused: pandas and NumPy would take the names of the columns for the data."""
        raise TypeError(
            "a history must be asked for its columns or its table; "
            "use history['loss'], or history.to_frame(), or dict(history)"
        )

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the records to a CSV file, a line each under a line of names."""
        with open(_check.new_file(_check.written(path, ".csv")), "w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self._records)

    def to_frame(self) -> DataFrame:
        """The records as a table of pandas, a row each; needs pandas.

        Returns
        -------
        pandas.DataFrame
        """
        frame: DataFrame = _needed.module("pandas", "History.to_frame").DataFrame(dict(self))
        return frame

    def plot(self, x: str = "step") -> Figure:
        """Every metric over the steps, training and validation; needs matplotlib.

        The figure is pyplot's: ``plt.show()`` shows it, ``figure.savefig(path)`` writes it,
        ``plt.close(figure)`` lets it go.

        Parameters
        ----------
        x : {"step", "epoch", "seconds"}

        Returns
        -------
        matplotlib.figure.Figure
        """
        _check.choice("x", x, _PLACES)
        shown = self._metrics()
        if not shown:
            raise ValueError(
                "the history must hold a metric to plot; got none, use record='epoch' when you fit"
            )
        self[x]  # refused before there is a figure
        plt = _needed.module("matplotlib.pyplot", "History.plot")
        figure: Figure = plt.figure(figsize=_size(shown), layout="constrained")
        self._draw(figure, x, shown)
        return figure

    def _repr_html_(self) -> str:
        shown = self._metrics() if "step" in self else []
        drawn = ""
        if shown:
            width, height = (0.75 * inches for inches in _size(shown))  # beside text
            drawn = _html.figure(width, height, lambda to: self._draw(to, "step", shown))
        why = [f"stopped: {self.stopped}"] if self.stopped else []
        rows = [list(record.values()) for record in self._records]
        return drawn + _html.table(self.columns, rows, why)

    def _draw(self, figure: Any, x: str, shown: list[str]) -> None:
        columns = min(len(shown), _FIGURES_IN_A_ROW)
        at, rows = self[x], -(-len(shown) // _FIGURES_IN_A_ROW)
        for i, name in enumerate(shown):
            axes = figure.add_subplot(rows, columns, i + 1)
            axes.set(xlabel=x, ylabel=name)
            self._draw_metric(axes, at, name)

    def _metrics(self) -> list[str]:
        """What there is to draw; training and validation share a name."""
        names = [name for name in self if name not in _OF_NO_DATA]
        numbers = [name for name in names if self._has_numbers(name)]
        return list(dict.fromkeys(name.removeprefix("val_") for name in numbers))

    def _has_numbers(self, column: str) -> bool:
        return column in self and bool(np.isfinite(self[column]).any())

    def _draw_metric(self, axes: Any, at: NDArray[Any], name: str) -> None:
        marker = "o" if len(at) == 1 else ""  # a line of one point shows nothing
        for column, label in ((name, "training"), (f"val_{name}", "validation")):
            if self._has_numbers(column):
                axes.plot(at, self[column], marker=marker, label=label)
        axes.xaxis.get_major_locator().set_params(integer=at.dtype.kind == "i")
        axes.legend()


def in_place_of(column: object, columns: Sequence[str]) -> str:
    """The end of a sentence about a column that there is not."""
    held_out: list[str] = []
    if not any(each.startswith("val_") for each in columns):
        held_out = [f"val_{each}" for each in columns if each not in _OF_NO_DATA]
    possible = [*columns, *held_out]
    near = _hints.nearest(column, possible) if isinstance(column, str) else None
    if near is None or near in columns:
        return "" if near is None else f", did you mean {near!r}?"
    return f", use {near.removeprefix('val_')!r}, or give fit a validation set for {near!r}"


def _size(shown: list[str]) -> tuple[float, float]:
    """The inches of a figure of so many metrics."""
    return 4.2 * min(len(shown), _FIGURES_IN_A_ROW), 3.4 * -(-len(shown) // _FIGURES_IN_A_ROW)
