"""Estimators over a network and a trainer of one's own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastdl import inputs
from fastdl._intake import is_frame
from fastdl._warnings import warn
from fastdl.core import Core
from fastdl.network import Network, core_of
from fastdl.run import Callback
from fastdl.sklearn._base import INTERRUPTED, flat
from fastdl.sklearn._onnx import ToOnnx
from fastdl.trainer import Trainer

Array = NDArray[Any]
Maker = Callable[[int, int], Trainer]


class _Estimator(ToOnnx, BaseEstimator):
    """What both have: a copy of the trainer that is given, or one that is made for the data."""

    def __init__(
        self,
        trainer: Trainer | Maker,
        *,
        epochs: int = 10,
        validation_split: float | None = None,
        callbacks: Sequence[Callback] = (),
        progress: bool | None = False,
    ) -> None:
        self.trainer = trainer
        self.epochs = epochs
        self.validation_split = validation_split
        self.callbacks = callbacks
        self.progress = progress

    def _begin(self, d: int, k: int) -> None:
        """Have a trainer, which no other fit knows, of a network that knows the columns."""
        given: Any = self.trainer
        made = copy.deepcopy(given) if isinstance(given, Trainer) else given
        if not isinstance(made, Trainer):
            if isinstance(made, Network) or not callable(made):
                raise TypeError(
                    "trainer must be a Trainer, or a function of the inputs and outputs that gives "
                    f"one; got {given!r:.100}, use lambda d, k: fd.Trainer(fd.Network([d, 50, k]), "
                    "fd.Adam())"
                )
            made = made(d, k)
            if not isinstance(made, Trainer):
                raise TypeError(
                    "trainer must be a function that gives a Trainer; got one that gives "
                    f"{made!r:.100}, use lambda d, k: fd.Trainer(fd.Network([d, 50, k]), fd.Adam())"
                )
        self._tell_columns(core_of(made.network))
        self.trainer_: Trainer = made

    def _tell_columns(self, core: Core) -> None:
        """Have the network know the names of a frame's columns, which trains on their array."""
        if hasattr(self, "feature_names_in_"):
            columns = tuple(self.feature_names_in_)
            inputs.refuse_other_columns("X", columns, core.inputs)
            core.inputs = inputs.with_columns(core.inputs, columns)

    @property
    def network_(self) -> Network:
        """What was trained."""
        check_is_fitted(self, "trainer_")
        return self.trainer_.network

    def _train(self, x: Array, y: Array, sample_weight: ArrayLike | None) -> Self:
        self.history_ = self.trainer_.fit(
            x, y, epochs=self.epochs, validation_split=self.validation_split,
            sample_weight=sample_weight, callbacks=copy.deepcopy(self.callbacks),
            progress=self.progress,
        )  # fmt: skip
        if (self.history_.stopped or "").startswith("interrupted"):
            warn(INTERRUPTED)  # what follows, a score, say, would take it for a whole fit
        return self

    def _rows(self, X: Any) -> Array:
        check_is_fitted(self, "trainer_")
        rows: Array = validate_data(self, X, dtype=_types(X), reset=False)
        return rows

    def _read(self, X: Any, y: Any, reset: bool, **more: Any) -> tuple[Array, Array]:
        x, y = validate_data(self, X, y, dtype=_types(X), multi_output=True, reset=reset, **more)
        return x, flat(y)


def _types(X: Any) -> tuple[Any, ...]:
    """What rows are taken as they come: uint8 are pixels, but in a frame, as for a network."""
    return (np.float32, np.float64) if is_frame(X) else (np.float32, np.float64, np.uint8)


def _given(sample_weight: ArrayLike | None, x: Array) -> Array | None:
    if sample_weight is None:
        return None
    weights: Array = _check_sample_weight(sample_weight, x, dtype=np.float64)
    return weights


class NetworkClassifier(ClassifierMixin, _Estimator):
    """A classifier over a trainer of your own.

    Parameters
    ----------
    trainer : Trainer, or a function
        A copy of it is trained, so that what is given stays as it is; or ``function(d, k)`` makes
        one for d columns and k classes. With one output and ``binary_cross_entropy`` there are two
        classes.
    epochs : int
    validation_split : float, optional
        As for ``Trainer.fit``, and so are
    callbacks : sequence of Callback
        of which copies are called,
    progress : bool, optional
        and None shows a bar where a terminal looks on.

    Attributes
    ----------
    classes_ : array (k,)
    trainer_ : Trainer
    network_ : Network
    history_ : History
        Of the last ``fit``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastdl as fd
    >>> from fastdl.sklearn import NetworkClassifier
    >>> x = np.random.RandomState(0).normal(size=(200, 4))
    >>> y = np.where(x[:, 0] > 0, "right", "left")
    >>> net = fd.Network([4, 16, 2])
    >>> clf = NetworkClassifier(fd.Trainer(net, fd.Adam(0.01)), epochs=50).fit(x, y)
    >>> clf.score(x, y) > 0.95
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train a copy of the trainer on rows (n, d) and labels (n,) of any kind."""
        x, y = self._read(X, y, True)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        self._begin(x.shape[1], len(self.classes_))
        self._check_outputs(y)
        return self._train(x, self._encoded(y), _given(sample_weight, x))

    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Take one step, by the rows as its batch; the first one needs all classes."""
        first = not hasattr(self, "trainer_")
        x, y = self._read(X, y, first)
        if first:
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            self.classes_ = np.unique(np.asarray(classes))
            self._begin(x.shape[1], len(self.classes_))
            self._check_outputs(y)
        self.trainer_.step(x, self._encoded(y), sample_weight=_given(sample_weight, x))
        return self

    def predict(self, X: Any) -> Array:
        """The likeliest label of each row."""
        found = self.network_.predict(self._rows(X))
        return found if found.ndim == 2 else np.asarray(self.classes_.take(found))

    @available_if(lambda self: self._has_probabilities())
    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, in the order of ``classes_``."""
        likely = self.network_.predict_proba(self._rows(X))
        return np.hstack([1 - likely, likely]) if likely.shape[1] == 1 else likely

    def _has_probabilities(self) -> bool:
        trainer = self.__dict__.get("trainer_", self.trainer)
        return not isinstance(trainer, Trainer) or (
            trainer.network.loss_function.probabilities is not None
        )

    def _check_outputs(self, y: Array) -> None:
        """Refuse a network whose outputs are not the classes of labels (n,)."""
        network, k = self.trainer_.network, len(self.classes_)
        loss, h = network.loss_function, network.layers[-1].h
        if y.ndim == 1 and loss.y == "numbers":
            del self.trainer_  # which has fitted nothing
            raise ValueError(
                f"trainer must have a loss of labels; got {loss.name}, use "
                "loss='softmax_cross_entropy' in its network, or a NetworkRegressor"
            )
        if loss.y == "labels" and h != max(k, 2):  # one class alone has two outputs, too
            del self.trainer_
            raise ValueError(
                f"trainer must have an output for each of {k} classes; got {h} outputs, use a "
                "function that is told how many: lambda d, k: fd.Trainer(fd.Network([d, 50, k]), "
                "fd.Adam())"
            )

    def _encoded(self, y: Array) -> Array:
        """Numbers of classes, but for 0 and 1 of several labels a row."""
        if y.ndim == 2:
            return y
        numbers = np.searchsorted(self.classes_, y)
        known = self.classes_.take(numbers, mode="clip") == y
        if not known.all():
            raise ValueError(
                f"y must hold the classes {self.classes_}; got {y[~known][0]!r}, "
                "use partial_fit(..., classes=all of them) at first"
            )
        return numbers


class NetworkRegressor(RegressorMixin, _Estimator):
    """A regressor over a trainer of your own.

    Parameters
    ----------
    trainer, epochs, validation_split, callbacks, progress
        As for ``NetworkClassifier``; a function is called with the columns and the targets a row.

    Attributes
    ----------
    trainer_ : Trainer
    network_ : Network
    history_ : History
        Of the last ``fit``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastdl as fd
    >>> from fastdl.sklearn import NetworkRegressor
    >>> x = np.random.RandomState(0).normal(size=(200, 4))
    >>> def made(d, k):
    ...     return fd.Trainer(fd.Network([d, 16, k], loss="mse"), fd.Adam(0.01))
    >>> NetworkRegressor(made, epochs=50).fit(x, x[:, 0]).score(x, x[:, 0]) > 0.9
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train a copy of the trainer on rows (n, d) and numbers (n,) or (n, k)."""
        x, y = self._read(X, y, True, y_numeric=True)
        self._begin(x.shape[1], 1 if y.ndim == 1 else y.shape[1])
        return self._train(x, y, _given(sample_weight, x))

    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Take one step, by the rows as its batch."""
        first = not hasattr(self, "trainer_")
        x, y = self._read(X, y, first, y_numeric=True)
        if first:
            self._begin(x.shape[1], 1 if y.ndim == 1 else y.shape[1])
        self.trainer_.step(x, y, sample_weight=_given(sample_weight, x))
        return self

    def predict(self, X: Any) -> Array:
        """What the network gives for each row."""
        return self.network_.predict(self._rows(X))
