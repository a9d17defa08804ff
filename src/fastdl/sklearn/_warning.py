"""Warnings of an estimator, which name the line of the caller."""

import inspect
import warnings

INTERRUPTED = "Training interrupted by user."  # in the words of scikit-learn
_BETWEEN = {"fastdl", "sklearn", "joblib"}  # the caller and what warns


def warn(what: str, kind: type[Warning] = UserWarning) -> None:
    """Warn of the line that began the fit, through whatever pipelines and searches it came."""
    frame, level = inspect.currentframe(), 1
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(what, kind, stacklevel=level)
