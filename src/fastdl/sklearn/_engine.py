"""The network under an estimator: its loops, and the weights of which ``coefs_`` are views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import is_
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from fastdl import _kernels, _threads
from fastdl._check import Array
from fastdl._epoch import Rows, Workspace, often_sparse
from fastdl.core import Core
from fastdl.inputs import Inputs
from fastdl.layers import Activation, BatchNorm, Dense, Dropout, Given, Layer, joined
from fastdl.losses import Loss, get
from fastdl.network import Network, core_of
from fastdl.parameters import OF_NORM

_ITEMS = 1 << 22  # of sparse rows that are made dense at once


class Shape(NamedTuple):
    """What a network is, but for its weights.

    Attributes
    ----------
    sizes : tuple of int
        Inputs first.
    activations : tuple of str
        Of every layer, as ``Dense`` names them.
    dropout : tuple of float
        After each hidden layer.
    batch_norm : bool
        Whether each hidden layer is normalised before its activation.
    loss : Loss
    dtype : dtype
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    dropout: tuple[float, ...]
    batch_norm: bool
    loss: Loss
    dtype: np.dtype[Any]

    def layers(self) -> tuple[Layer, ...]:
        """The layers of a network."""
        result: list[Given] = []
        for i, (d, h) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            is_hidden = i < len(self.dropout)
            result.append(Dense(d, h))
            if is_hidden and self.batch_norm:
                result.append(BatchNorm())
            result.append(Activation(self.activations[i]))
            if is_hidden and self.dropout[i] > 0:
                result.append(Dropout(self.dropout[i]))
        return joined(result)


Norms = Sequence[Mapping[str, Array]]


def _all(coefs: Sequence[Array], intercepts: Sequence[Array], norms: Norms) -> list[Array]:
    return [*coefs, *intercepts, *(norm[name] for norm in norms for name in OF_NORM)]


class Engine:
    """A network whose weights are written by whoever holds views of them.

    Attributes
    ----------
    shape : Shape
    core : Core
    coefs, intercepts : list of array
        Views of the weights (d, h) and biases (h,).
    norms : list of dict
        Of each hidden layer that is normalised the views of what its norm has, by name.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.core = Core(shape.layers(), shape.loss, shape.dtype, None)
        self.core.inputs = Inputs("numbers")
        views = self.core.parameters
        self.coefs = [view for name, view in views.items() if name.endswith(".weight")]
        self.intercepts = [view for name, view in views.items() if name.endswith(".bias")]
        self.norms = [
            {name: views[f"layers.{i}.{name}"] for name in OF_NORM}
            for i, layer in enumerate(self.core.layers)
            if isinstance(layer, BatchNorm)
        ]

    def holds(self, coefs: Sequence[Array], intercepts: Sequence[Array], norms: Norms = ()) -> bool:
        """Whether these are its own views."""
        given = _all(coefs, intercepts, norms)
        own = _all(self.coefs, self.intercepts, self.norms)
        return len(given) == len(own) and all(map(is_, given, own))

    def take(self, coefs: Sequence[Array], intercepts: Sequence[Array], norms: Norms = ()) -> None:
        """Have these weights; without norms its own stay."""
        given = _all(coefs, intercepts, norms)
        own = _all(self.coefs, self.intercepts, self.norms if norms else ())
        for view, values in zip(own, [np.array(each) for each in given], strict=True):
            view[...] = values

    def lose(self) -> None:
        """Have no weights that are numbers any more."""
        for view in (*self.coefs, *self.intercepts):
            view.fill(np.nan)

    @property
    def is_finite(self) -> bool:
        """Whether all weights are."""
        return bool(_kernels.finite(self.core.flat))

    def network(self, columns: Iterable[str] | None) -> Network:
        """A ``Network`` of its own with these weights, and a loss that it can save.

        columns: the names of those that it was fitted on; None: nobody knows any.
        """
        loss = self.shape.loss
        if type(loss) is not type(get(loss.name)):
            loss = get(loss.name)
        result = Network(self.core.layers, loss=loss, dtype=self.shape.dtype)
        result.parameters.update(self.core.parameters)
        core_of(result).inputs = Inputs("numbers", None if columns is None else tuple(columns))
        return result

    def threads(self, n_jobs: int | None, n: int) -> int:
        """The threads for so many rows at once, as joblib counts them."""
        if n_jobs is not None and n_jobs < 0:
            n_jobs = max(1, _threads.available() + 1 + n_jobs)
        return self.core.threads(n_jobs, n)

    def readable(self, x: Any) -> Any:
        """Rows as the loops take them; sparse ones by row."""
        if x.shape[1] != self.shape.sizes[0]:
            raise ValueError(
                f"X must have the {self.shape.sizes[0]} features of coefs_[0]; got {x.shape[1]}, "
                "fit anew"
            )
        if x.dtype not in (np.float32, np.float64):
            x = x.astype(self.shape.dtype)
        if issparse(x):
            return x.tocsr()
        return x if x.strides[1] == x.itemsize or x.shape[1] == 1 else np.ascontiguousarray(x)

    def rows(
        self, x: Array, labels: Array | None, targets: Array | None, weights: Array | None
    ) -> Rows:
        """A data set as the loops take it, which will be read many times."""
        applied = self.core.applied.as_read(x)
        often = often_sparse(x, self.core.dtype.itemsize)
        return Rows(x, applied, labels, targets, weights, often, False)

    def outputs(self, x: Any, n_jobs: int | None) -> Array:
        """The outputs (n, k) of rows, before a softmax or sigmoid."""
        found = self.core.answer(x, None, "outputs")
        if found is not None:
            return found
        x = self.readable(x)
        out = np.empty((x.shape[0], self.shape.sizes[-1]), self.shape.dtype)
        step = block_rows(x)
        for start in range(0, len(out), step):
            self._answer(x[start : start + step], out[start : start + step], n_jobs)
        return out

    def _answer(self, x: Any, out: Array, n_jobs: int | None) -> None:
        core, n = self.core, len(out)
        threads = self.threads(n_jobs, n)
        rows = self.rows(dense(x), None, None, None)
        with core.serial_blas(n):
            workspace = Workspace(core.program, n_threads=threads)
            core.program.evaluate(rows, workspace, core.flat, out, None, threads)


def dense(x: Any) -> Array:
    """Rows as an array."""
    result: Array = x.toarray() if issparse(x) else x
    return result


def block_rows(x: Any) -> int:
    """How many rows are taken at once: all but of sparse ones."""
    n, d = x.shape
    return max(1, _ITEMS // d if issparse(x) else int(n))
