"""Warnings that name the line of whoever called fastdl, through however many functions."""

import inspect
import warnings

# Packages whose functions stand between that line and a warning: pipelines and searches that fit
# for a caller, and what a with statement calls.
_BETWEEN = {"fastdl", "sklearn", "joblib", "river", "contextlib"}


def warn(what: str, kind: type[Warning] = UserWarning) -> None:
    """Warn of the nearest line that is none of these packages'."""
    frame, level = inspect.currentframe(), 1
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(what, kind, stacklevel=level)
