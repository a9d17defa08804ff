"""The progress bar of a fit, in a terminal or a notebook."""

import os
import sys
import time
from typing import Any

from fastdl.history import History

_INTERVAL = 0.2  # seconds between two looks at the bar


def _width() -> dict[str, Any]:
    """As wide as the terminal; 100 columns where it gives none, for tqdm would show no bar."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return {}
    return {"dynamic_ncols": True} if columns else {"ncols": 100}


class Progress:
    """A bar over the steps of a fit, with the last record's loss and accuracy and the rate.

    Parameters
    ----------
    show : bool or None
        None: where a terminal or a notebook looks on.
    total : int
        Steps.

    Attributes
    ----------
    span : int
        About the steps of one interval; all of them where nothing is shown.
    """

    def __init__(self, show: bool | None, total: int) -> None:
        self._bar: Any = None
        self._done, self._began = 0, time.perf_counter()
        self._history, self._next = History(), 0.0
        self.span = total
        if show is None:
            terminal = sys.stderr is not None and sys.stderr.isatty()
            show = "ipykernel" in sys.modules or terminal
        if show:
            from tqdm.auto import tqdm

            self.span = 1
            self._bar = tqdm(total=total, unit="step", mininterval=_INTERVAL, **_width())

    def advance(self, steps: int, history: History) -> None:
        """Count steps as done; looks at the bar no more often than anybody can."""
        self._done += steps
        self._history = history
        if self._bar is not None and time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL
            self._show()

    def _show(self) -> None:
        if len(self._history):
            last = self._history.last
            which = "val_" if "val_loss" in last else ""
            text = f"loss {last['loss']:.4f}"
            if f"{which}accuracy" in last:
                text += f", {which}accuracy {last[f'{which}accuracy']:.2%}"
            self._bar.set_postfix_str(f"{text}, rate {last['learning_rate']:.3g}", refresh=False)
        self._bar.update(self._done - self._bar.n)
        seconds = time.perf_counter() - self._began
        self.span = max(1, int(self._done / seconds * _INTERVAL))

    def close(self) -> None:
        """Show what is done, and leave the bar as it is."""
        if self._bar is not None:
            self._show()
            self._bar.close()
