"""How a network does on a data set: its loss, and how right it is, by the library and by others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from numbers import Real
from typing import NamedTuple

import numpy as np

from fastdl import _check, _html
from fastdl._check import Array
from fastdl._epoch import Rows, Workspace
from fastdl.core import Core
from fastdl.data import Data, compiled
from fastdl.losses import Loss, Own

Metric = Callable[[Array, Array], float]

_BLOCK = 4096  # rows


class Evaluation(NamedTuple):
    """How a network does on a data set with labels, or with targets that are 0 or 1.

    Attributes
    ----------
    loss : float
        The mean data loss, weighted by the sample weights if there are any.
    cost : float
        The loss plus the penalties of all layers.
    accuracy : float
        The share of rows classified rightly, in all outputs; every row counts once.

    Examples
    --------
    >>> fd.Network([2, 3]).evaluate(np.zeros((4, 2)), [0, 0, 0, 1]).accuracy
    0.75
    """

    loss: float
    cost: float
    accuracy: float

    def _repr_html_(self) -> str:
        return _html.table(self._fields, [self])


class RegressionEvaluation(NamedTuple):
    """How a network does on a data set whose targets are numbers.

    R2 and the absolute error are weighted as the loss is; of several outputs they are the mean.

    Attributes
    ----------
    loss : float
        The mean data loss, weighted by the sample weights if there are any.
    cost : float
        The loss plus the penalties of all layers.
    r2 : float
        One minus the squared errors over those of the best constant; NaN for a single row.
    mean_absolute_error : float

    Examples
    --------
    >>> net = fd.Network([2, 1], loss="mse")
    >>> net.evaluate(np.zeros((2, 2)), [1.0, 3.0]).mean_absolute_error
    2.0
    """

    loss: float
    cost: float
    r2: float
    mean_absolute_error: float

    def _repr_html_(self) -> str:
        return _html.table(self._fields, [self])


class OwnEvaluation(NamedTuple):
    """How a network with a loss of your own does on a data set.

    Attributes
    ----------
    loss : float
        The mean of the rows' losses, weighted by the sample weights if there are any.
    cost : float
        The loss plus the penalties of all layers.
    """

    loss: float
    cost: float

    def _repr_html_(self) -> str:
        return _html.table(self._fields, [self])


AnyEvaluation = Evaluation | RegressionEvaluation | OwnEvaluation

RISING = ("accuracy", "r2")
KNOWN = (
    *("epoch", "step", "learning_rate", "seconds"),
    *dict.fromkeys((*Evaluation._fields, *RegressionEvaluation._fields)),
)


_EXAMPLE = "lambda y, predicted: float((y == predicted).sum())"


def own_metrics(given: Mapping[str, Metric] | None) -> dict[str, Metric]:
    """Functions by the names of the columns that they give, checked."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(
            f"metrics must be a mapping of names to functions; got {given!r:.100}, "
            f"use {{'hits': {_EXAMPLE}}}"
        )
    for name, function in given.items():
        if not isinstance(name, str):
            raise TypeError(
                f"a key of metrics must be a string; got {name!r:.100}, use {str(name)!r:.100}"
            )
        if not name or name in KNOWN or name.startswith("val_"):
            raise ValueError(
                "a key of metrics must be a name that no other column has, without val_; "
                f"got {name!r}, "
                f"use {'my_' + name.removeprefix('val_')!r}"
            )
        if not _check.takes_two(function):
            raise TypeError(
                f"metrics[{name!r}] must be a function of y and what is predicted; "
                f"got {function!r:.100}, use {_EXAMPLE}"
            )
    return dict(given)


def answers(loss: Loss, outputs: Array) -> Array:
    """What outputs (n, k) say: labels (n,), the outputs themselves, or whether each is above 0."""
    if loss.y == "labels":
        labels: Array = outputs.argmax(axis=1)
        return labels
    said = (outputs > 0).astype(np.int64) if loss.y == "binary" else outputs
    return said[:, 0] if said.shape[1] == 1 else said


_FIELDS = {"numbers": RegressionEvaluation._fields, "own": OwnEvaluation._fields}


class Evaluator:
    """Measures a network on one data set, again and again; its memory is made once.

    Parameters
    ----------
    core : Core
        Of the network.
    data : Data
    n_threads : int
    metrics : dict of str to callable, optional
        Functions of one's own.
    workspace : Workspace, optional
        That of another evaluator of the same network and threads.
    rows : Rows, optional
        The data set as the loops take it; by default what is not finite is not looked for.

    Attributes
    ----------
    columns : list of str
        The names of what ``measure`` gives.
    rows : Rows
        May be replaced by the same data set read in another way.
    """

    def __init__(
        self,
        core: Core,
        data: Data,
        n_threads: int,
        metrics: Mapping[str, Metric] | None = None,
        workspace: Workspace | None = None,
        rows: Rows | None = None,
    ) -> None:
        program, n, k = core.program, len(data.x), core.layers[-1].h
        self._program, self._flat, self._data = program, core.flat, data
        self._loss, self._threads, self._metrics = core.loss, n_threads, metrics or {}
        self._workspace = workspace or Workspace(program, n_threads=n_threads)
        self.rows = rows or compiled(core, data)
        self._results = np.empty((program.chunks(n), 2))
        self._residuals = None
        if core.loss.y == "numbers":
            assert data.targets is not None
            self._residuals = _Residuals(data.targets, data.weights)
        needed = core.loss.y in ("numbers", "own") or self._metrics
        self._outputs = np.empty((n, k), core.dtype) if needed else None
        self.columns = [*_FIELDS.get(core.loss.y, Evaluation._fields), *self._metrics]

    def evaluate(self, penalty: float) -> AnyEvaluation:
        """By the library alone; penalty is the cost's part that is not the loss."""
        if isinstance(self._loss, Own):
            return self._by_own(self._loss, penalty)
        n = len(self._data.x)
        loss, n_correct = self._program.evaluate(
            self.rows, self._workspace, self._flat, self._outputs, self._results, self._threads,
        )  # fmt: skip
        loss /= n
        if self._residuals is None:
            return Evaluation(loss, loss + penalty, n_correct / n)
        assert self._outputs is not None
        return RegressionEvaluation(loss, loss + penalty, *self._residuals.of(self._outputs))

    def _by_own(self, loss: Own, penalty: float) -> OwnEvaluation:
        """By a loss of one's own, of all outputs at once, if they are finite."""
        outputs, data = self._outputs, self._data
        self._program.evaluate(self.rows, self._workspace, self._flat, outputs, None, self._threads)
        assert outputs is not None
        mean = np.nan
        if np.isfinite(outputs).all():
            mean = loss.of(outputs.copy(), data.targets, data.weights)[0]
        return OwnEvaluation(mean, mean + penalty)

    def measure(self, penalty: float) -> list[float]:
        """Also by functions of one's own, which are NaN where the loss is not finite."""
        measured = self.evaluate(penalty)
        if not np.isfinite(measured.loss):
            return [*measured, *(np.nan for _ in self._metrics)]
        return [*measured, *(self._by(name) for name in self._metrics)]

    def _by(self, name: str) -> float:
        """A function's answer, to which nothing is handed that it may change."""
        assert self._outputs is not None
        predicted = answers(self._loss, self._outputs.copy())
        y: Array
        if self._data.targets is None:
            assert self._data.labels is not None
            y = self._data.labels.view()
        elif self._loss.y == "own":
            y = self._data.targets.view()
        else:
            y = self._data.targets.reshape(predicted.shape)
        y.flags.writeable = False
        value: object = self._metrics[name](y, predicted)
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(
                f"metrics[{name!r}] must return a real number; got {value!r:.100}, "
                f"use {_EXAMPLE}, or float(...) of what it returns"
            )
        return float(value)


class _Residuals:
    """R2 and the mean absolute error against the same targets, as scikit-learn defines them."""

    def __init__(self, y: Array, weights: Array | None) -> None:
        self._y, self._weights = y, weights
        self._weight = float(len(y) if weights is None else weights.sum(dtype=np.float64))
        first = y[0 if weights is None else weights.argmax()].astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            # From the first row on: exactly that row where all are alike, so that nothing is left.
            off = sum(weighted.sum(axis=0) for weighted, _ in self._differences(first))
            total = self._errors(first + off / self._weight)[1]
        self._alike = np.flatnonzero(total == 0)  # outputs whose targets are
        self._total = np.where(total == 0, 1.0, total)

    def of(self, outputs: Array) -> tuple[float, float]:
        """R2 and the mean absolute error, each the mean over the outputs."""
        with np.errstate(invalid="ignore", over="ignore"):
            absolute, squares = self._errors(outputs)
            left = squares / self._total
        if len(self._alike):
            left[self._alike] = np.sign(left[self._alike])
        r2 = 1 - float(left.sum()) / len(left) if len(self._y) > 1 else np.nan
        return r2, absolute / (self._weight * len(left))

    def _errors(self, predicted: Array) -> tuple[float, Array]:
        """The sum of absolute errors over all outputs, and of squared ones for each."""
        absolute, squares = 0.0, np.zeros(self._y.shape[1])
        for weighted, each in self._differences(predicted):
            absolute += float(np.abs(weighted).sum())
            squares += (weighted * each).sum(axis=0)
        return absolute, squares

    def _differences(self, predicted: Array) -> Iterator[tuple[Array, Array]]:
        """y - predicted, a block of rows at a time, with their weights and without."""
        rows_apart = predicted.ndim == 2
        for start in range(0, len(self._y), _BLOCK):
            rows = slice(start, start + _BLOCK)
            here = predicted[rows] if rows_apart else predicted
            each = np.subtract(self._y[rows], here, dtype=np.float64)
            yield each if self._weights is None else self._weights[rows, None] * each, each
