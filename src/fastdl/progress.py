"""The progress bar of a fit, in a terminal or a notebook."""

import math
import os
import shutil
import sys
import time
from typing import Any

from fastdl.history import History

_INTERVAL = 0.2  # seconds between two looks at the bar
_MANY = 2**62  # steps
_ROWS = 24  # tqdm hides a bar that has no row to be in, as where the terminal tells of none


def _columns() -> int:
    """As wide as the terminal but for a column; 100 where nothing tells how wide it is."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError, AttributeError):
        columns = 0
    return (columns or shutil.get_terminal_size((100, _ROWS)).columns) - 1


class Progress:
    """A bar over the steps of a fit, with the last record's loss and accuracy and the rate.

    Parameters
    ----------
    show : bool or None
        None: where a terminal or a notebook looks on. Never where there is no ``sys.stderr``.
    total : int or None
        Steps; None where nobody knows.

    Attributes
    ----------
    span : int
        About the steps of one interval; all that there may be where nothing is shown.
    """

    def __init__(self, show: bool | None, total: int | None) -> None:
        self._bar: Any = None
        self._done, self._began = 0, time.perf_counter()
        self._history: History | None = None
        self._next = 0.0
        self.span = _MANY if total is None else total
        self._terminal = show is not False and sys.stderr is not None and sys.stderr.isatty()
        if show is None:
            show = "ipykernel" in sys.modules or self._terminal
        if show and sys.stderr is not None:
            from tqdm.auto import tqdm

            self.span = 1
            shape = {"ncols": _columns(), "nrows": _ROWS} if self._terminal else {}
            self._bar = tqdm(total=total, unit="step", mininterval=_INTERVAL, **shape)

    def advance(self, steps: int, history: History) -> None:
        """Count steps as done; looks at the bar no more often than anybody can."""
        self._done += steps
        self._history = history
        if self._bar is not None and time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL
            self._show()

    def _show(self) -> None:
        if self._terminal:
            self._bar.ncols = _columns()
        if self._history:
            self._bar.set_postfix_str(_text(self._history.last), refresh=False)
        self._bar.update(self._done - self._bar.n)
        seconds = time.perf_counter() - self._began
        self.span = max(1, int(self._done / seconds * _INTERVAL))

    def close(self) -> None:
        """Show what is done, and leave the bar as it is."""
        if self._bar is not None:
            self._show()
            self._bar.close()


def _text(record: dict[str, float]) -> str:
    """The loss, one thing more, of the validation set where there is one, and the rate."""
    more = [name for name in ("val_accuracy", "accuracy", "val_loss") if name in record]
    parts = [f"loss {record['loss']:.4f}"]
    for name in [name for name in more if not math.isnan(record[name])][:1]:
        parts.append(f"{name} {record[name]:{'.4f' if name == 'val_loss' else '.2%'}}")
    return ", ".join([*parts, f"rate {record['learning_rate']:.3g}"])
