"""Epochs over the rows of a fit, in the loops; and the loss of all of them with its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from scipy.special import xlogy

from fastdl import losses
from fastdl._check import Array
from fastdl._epoch import Batches, Rows, Workspace
from fastdl.layers import dense_of, penalised
from fastdl.losses import Loss
from fastdl.sklearn._engine import Engine, block_rows, dense
from fastdl.sklearn._optimizer import Optimizer


class Rule(NamedTuple):
    """How a loss is counted in scikit-learn's way, where the loops take the mean over outputs.

    Attributes
    ----------
    loss : Loss
    of_gradient : float
        The gradient is so many times the loops'.
    of_loss : float
        The loss is so many times what then follows.
    """

    loss: Loss
    of_gradient: float = 1.0
    of_loss: float = 1.0


@dataclass(frozen=True)
class LogLoss(losses.SoftmaxCrossEntropy):
    """That of scikit-learn, which takes no probability for less than is told from 0 beside 1.

    Parameters
    ----------
    most : float
        What a row's loss counts for, at most; its gradient stays as it is.
    """

    most: float = 0.0


@dataclass(frozen=True)
class BinaryLogLoss(losses.BinaryCrossEntropy):
    """The same of outputs that are questions of their own.

    Parameters
    ----------
    most : float
        What an output's loss counts for, at most; its gradient stays as it is.
    """

    most: float = 0.0


def rule(name: str | Loss, k: int, dtype: np.dtype[Any]) -> Rule:
    """That of k outputs: gradients are summed over them; losses too, or their mean is taken."""
    if name in ("log_loss", "binary_log_loss"):
        most = -float(np.log(np.finfo(dtype).eps))
        return Rule(LogLoss(most=most)) if name == "log_loss" else Rule(BinaryLogLoss(most), k)
    if name == "poisson" or isinstance(name, losses.Poisson):
        return Rule(losses.Poisson(), k)
    if name == "squared_error" or isinstance(name, losses.MeanSquared):
        return Rule(losses.MeanSquared(), k / 2, 1 / k)
    if name == "absolute_error":
        return Rule(losses.MeanAbsolute(), k, 1 / k)
    return Rule(losses.get(name), k, 1 / k)


class Data(NamedTuple):
    """Rows, what is right for them, and what they weigh, if they do not weigh alike.

    Attributes
    ----------
    x : array (n, d), or sparse by row
    labels : C int array (n,) or None
    targets : array (n, k) or None
        Of the network's dtype.
    weights : float64 array (n,) or None
    """

    x: Any
    labels: Array | None
    targets: Array | None
    weights: Array | None

    def some(self, rows: Array) -> Data:
        """Some of the rows."""
        labels, targets, weights = (None if each is None else each[rows] for each in self[1:])
        return Data(self.x[rows], labels, targets, weights)


class Training:
    """Trains an engine on some rows, of which a batch's penalty is alpha ||W||^2 / 2n.

    Parameters
    ----------
    engine : Engine
    rule : Rule
    data : Data
    alpha : float
    batch : int
        Rows of a batch.
    n : int
        How many rows an epoch takes.
    n_jobs : int or None
    seed : int
        Of what is dropped out.
    """

    def __init__(
        self,
        engine: Engine,
        rule: Rule,
        data: Data,
        alpha: float,
        batch: int,
        n: int,
        n_jobs: int | None,
        seed: int = 0,
    ) -> None:
        core = engine.core
        self._engine, self._rule, self._seed = engine, rule, seed
        self._data = data._replace(x=engine.readable(data.x))
        self._alpha, self._batch = alpha, batch
        self._program = core.compiled(penalised(core.layers, None, alpha / 2))
        self._starts = np.arange(0, n, batch, dtype=np.intp)
        self._stops = np.minimum(self._starts + batch, n)
        self._sizes = self._stops - self._starts
        self._threads = engine.threads(n_jobs, batch)
        self._workspace: Workspace | None = None
        self._weights: Array | None = None
        if data.weights is not None or rule.of_gradient != 1:
            self._weights = np.full(data.x.shape[0], rule.of_gradient, core.dtype)
        self._constants = constants_of(rule, data)
        self._rows: Rows | None = None

    def epoch(self, order: Array | None, optimizer: Optimizer) -> float:
        """Train on all batches; the mean of their losses, NaN where one was not finite.

        order: the rows, in the order in which they are taken; None: as they lie.
        """
        sizes = self._sizes
        shares, constants = self._weigh(order, sizes)
        found = np.empty(len(sizes))
        with self._engine.core.serial_blas(self._batch, trains=True):
            for first, last in self._blocks():
                if not self._train(order, optimizer, shares, found, first, last):
                    return np.nan
        found = found * self._rule.of_loss + constants + self._penalties
        return float(found @ sizes) / int(self._stops[-1])

    def _weigh(self, order: Array | None, sizes: Array) -> tuple[Array, Array | float]:
        """One over what each batch weighs, and its part of the loss that no output changes.

        The loops divide by the rows of a batch, so their weights are brought to a mean of one.
        """
        given, constants = self._data.weights, self._constants
        if given is None and constants is None:
            return 1 / sizes, 0.0
        taken = slice(int(self._stops[-1])) if order is None else order
        weights = np.ones(int(self._stops[-1])) if given is None else given[taken]
        sums = np.add.reduceat(weights, self._starts)
        if not sums.all():
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        if given is not None:
            assert self._weights is not None
            self._weights[taken] = weights * np.repeat(sizes / sums, sizes) * self._rule.of_gradient
        if constants is None:
            return 1 / sums, 0.0
        return 1 / sums, np.add.reduceat(weights * constants[taken], self._starts) / sums

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """The batches of each call: all of them but where rows are sparse."""
        n = len(self._starts)
        step = n
        if issparse(self._data.x):
            step = max(1, block_rows(self._data.x) // self._batch)
        self._penalties = np.empty(n)
        for first in range(0, n, step):
            yield first, min(first + step, n)

    def _train(
        self, order: Array | None, optimizer: Optimizer, shares: Array, found: Array, first: int,
        last: int,
    ) -> bool:  # fmt: skip
        """Train on some batches; whether all their losses were finite."""
        if self._workspace is None:
            self._workspace = Workspace(
                self._program, batch=self._batch, moments=optimizer.moments, seed=self._seed
            )
        rows, order, shift = self._taken(order, first, last)
        n = last - first
        penalties, rates = np.empty((2, n)), np.empty(n)
        penalties[0], rates[:] = shares[first:last], optimizer.rate
        batches = Batches(
            order, self._starts[first:last] - shift, self._stops[first:last] - shift, rates,
            found[first:last], np.empty(n, np.intp), np.zeros(3), penalties,
        )  # fmt: skip
        flat, hyper, t = self._engine.core.flat, optimizer.hyper, optimizer.t
        self._program.train(rows, self._workspace, batches, hyper, t, flat, self._threads)
        optimizer.t += batches.done
        self._penalties[first:last] = penalties[1]
        return batches.done == n

    def _taken(self, order: Array | None, first: int, last: int) -> tuple[Rows, Array | None, int]:
        """The rows of some batches, their order, and how many rows were left out before them."""
        data, engine = self._data, self._engine
        if not issparse(data.x):
            if self._rows is None:
                self._rows = engine.rows(data.x, data.labels, data.targets, self._weights)
            return self._rows, order, 0
        start, stop = int(self._starts[first]), int(self._stops[last - 1])
        taken = np.arange(start, stop) if order is None else order[start:stop]
        some = data._replace(weights=self._weights).some(taken)
        return engine.rows(dense(some.x), *some[1:]), None, start

    def gradient(self) -> tuple[float, Array]:
        """The loss of all rows, and its gradient, laid out as the network's parameters are."""
        core, n = self._engine.core, self._data.x.shape[0]
        shares, constants = self._weigh(None, np.array([n]))
        loss, total = 0.0, np.zeros_like(core.flat)
        step = block_rows(self._data.x)
        with core.serial_blas(min(step, n), trains=True):
            for start in range(0, n, step):
                rows = np.arange(start, min(start + step, n))
                found, grads = self._gradient_of(rows if step < n else None)
                loss += found * len(rows) / n
                total += grads * (len(rows) / n)
        loss = loss * self._rule.of_loss + float(np.sum(constants))
        views, weights = core.places.views(total), core.parameters
        for i in dense_of(core.layers):
            weight = weights[f"layers.{i}.weight"]
            views[f"layers.{i}.weight"] += (self._alpha * shares[0]) * weight
            loss += 0.5 * self._alpha * shares[0] * float(np.vdot(weight, weight))
        return loss, total

    def _gradient_of(self, rows: Array | None) -> tuple[float, Array]:
        """The mean loss of a block of rows in the loops' way, and its gradient; None: of all."""
        engine, data = self._engine, self._data._replace(weights=self._weights)
        some = data if rows is None else data.some(rows)
        if self._workspace is None:
            self._workspace = Workspace(self._program, batch=self._batch)
        if self._rows is None or rows is not None:
            self._rows = engine.rows(dense(some.x), *some[1:])
        loss = self._program.gradient(self._rows, self._workspace, engine.core.flat)
        return loss, self._workspace.grads


def mean_loss(engine: Engine, rule: Rule, data: Data, n_jobs: int | None) -> float:
    """The loss of a data set as the network answers, without a penalty."""
    core, total, n = engine.core, 0.0, data.x.shape[0]
    weights = np.ones(n) if data.weights is None else data.weights
    data = data._replace(x=engine.readable(data.x), weights=weights.astype(core.dtype))
    step, threads = block_rows(data.x), engine.threads(n_jobs, n)
    for start in range(0, n, step):
        some = data.some(np.arange(start, min(start + step, n))) if step < n else data
        rows = engine.rows(dense(some.x), *some[1:])
        results = np.empty((core.program.chunks(some.x.shape[0]), 2))
        with core.serial_blas(n):
            workspace = Workspace(core.program, n_threads=threads)
            total += core.program.evaluate(rows, workspace, core.flat, None, results, threads)[0]
    constants = constants_of(rule, data)
    more = 0.0 if constants is None else float(weights @ constants)
    return (total * rule.of_gradient * rule.of_loss + more) / float(weights.sum())


def constants_of(rule: Rule, data: Data) -> Array | None:
    """What scikit-learn's loss of each row has beside what outputs change, if anything."""
    if not isinstance(rule.loss, losses.Poisson):
        return None
    assert data.targets is not None
    y = data.targets.astype(np.float64)
    result: Array = (xlogy(y, y) - y).sum(axis=1)
    return result
