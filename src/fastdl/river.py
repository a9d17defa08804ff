"""Networks that learn row by row as River's models do: dictionaries in, one answer out.

River itself is not needed; where it is installed, these are its estimators, which its pipelines,
``evaluate`` and ``clone`` take as any other.

>>> from fastdl import river
>>> model = river.Regressor([3, 8, 1], fd.SGD(0.01))
>>> model.learn_one({"a": 1.0, "b": 2.0, "c": 0.5}, 3.0)
"""

from __future__ import annotations

import copy
import math
import struct
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastdl import _check
from fastdl.inputs import with_columns
from fastdl.layers import Layer, has_norms
from fastdl.network import Network, core_of
from fastdl.optim import Optimiser
from fastdl.trainer import Trainer

try:
    from river.base import (  # type: ignore[import-not-found,unused-ignore]
        MiniBatchClassifier,
        MiniBatchRegressor,
    )
except ImportError:  # what they have is all here
    MiniBatchClassifier = MiniBatchRegressor = object

__all__ = ["Classifier", "Regressor"]

Model = Trainer | Sequence[int] | Sequence[Layer]


def _trainer(model: Model, optimiser: Optimiser | None, loss: Callable[[int], str]) -> Trainer:
    """A copy of the trainer that is given, or one for the layers."""
    if isinstance(model, Trainer):
        if optimiser is not None:
            raise ValueError(
                "optimiser must go with layers; got a trainer, which has its own, use "
                "optimiser=None"
            )
        return copy.deepcopy(model)
    if optimiser is None or isinstance(model, Network):
        raise TypeError(
            f"model must be a Trainer, or layers with an optimiser; got {model!r:.100} and "
            f"{optimiser!r:.100}, use fd.Trainer(fd.Network([20, 32, 2]), fd.SGD(0.1)) with yours"
        )
    last = model[-1] if isinstance(model, Sequence) and len(model) else None
    k = getattr(last, "h", last)
    return Trainer(Network(model, loss=loss(k if isinstance(k, int) else 0)), optimiser)


def _columns(network: Network) -> tuple[str, ...]:
    """The names of its inputs, where it was fitted on a frame."""
    return () if network.inputs is None else network.inputs.columns or ()


def _refuse_norms() -> NoReturn:
    raise ValueError(
        "model must be without BatchNorm to learn one row, which has no variance; got one with it, "
        "use learn_many, or leave it out of the layers"
    )


class _Features:
    """The features of a row by their names, which are learnt up to the network's inputs."""

    def __init__(self, d: int, dtype: np.dtype[Any], names: tuple[Hashable, ...] = ()) -> None:
        self._d, self._dtype = d, dtype
        self._know(names)

    def _know(self, names: tuple[Hashable, ...]) -> None:
        """Have rows of these names, and zeros in the place of what is not known yet."""
        self.names, self._known, self._n = names, frozenset(names), len(names)
        self.are_new = self._n == self._d
        self._array = np.zeros((1, self._d), self._dtype)
        self._most = float(np.finfo(self._dtype).max)
        code = "f" if self._dtype == np.float32 else "d"
        self._pack = struct.Struct(f"{self._n}{code}").pack_into
        self._memory = self._array.data.cast("B")
        self._take: Callable[[Any], Any] = itemgetter(*names) if self._n > 1 else self._slowly

    def tell(self, network: Network) -> None:
        """Have a network that has learnt know the names of all its inputs."""
        core = core_of(network)
        core.inputs = with_columns(core.inputs, map(str, self.names))
        self.are_new = False

    def __getstate__(self) -> tuple[Any, ...]:
        return self._d, self._dtype, self.names

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def row(self, x: Mapping[Hashable, Any], learns: bool) -> NDArray[Any]:
        """The row (1, d) of a dictionary, in an array that the next one overwrites."""
        try:
            if len(x) == self._n:
                self._pack(self._memory, 0, *self._take(x))
                return self._array
            if self._known.issuperset(x):
                self._pack(self._memory, 0, *[x.get(name, 0.0) for name in self.names])
                return self._array
        except (AttributeError, LookupError, TypeError, OverflowError, struct.error):
            pass  # a name that is new, or no number
        self._admit("x", x, learns)
        self._pack(self._memory, 0, *self._slowly(x))
        return self._array

    def rows(self, frame: Any, learns: bool) -> NDArray[Any]:
        """The rows (n, d) of a data frame."""
        names = list(getattr(frame, "columns", ()))
        if not names:
            raise TypeError(
                f"X must be a data frame whose columns are the features; got {frame!r:.100}, use "
                "pandas.DataFrame(X), of dictionaries with .fillna(0)"
            )
        self._admit("X", dict.fromkeys(names), learns)
        given = _check.table("X", frame).array
        if not np.isfinite(given).all():
            i, j = np.argwhere(~np.isfinite(given))[0]
            raise ValueError(
                f"X must be finite; got {given[i, j]} at row {i} in {names[j]!r}, use X.fillna(0) "
                "for what counts as missing, or leave such rows out"
            )
        rows = np.zeros((len(given), self._d), self._dtype)
        at = {name: i for i, name in enumerate(self.names)}
        for column, name in zip(given.T, names, strict=True):
            if name in at:
                rows[:, at[name]] = column
        return rows

    def _admit(self, argument: str, x: Mapping[Hashable, Any], learns: bool) -> None:
        """Learn the names that are new, if there is room for them."""
        if not isinstance(x, Mapping):
            raise TypeError(
                f"{argument} must be a dictionary of features; got {x!r:.100}, use "
                f"dict(enumerate({argument}))"
            )
        labels = {str(name): name for name in x if not isinstance(name, str)}
        if not self._known.isdisjoint(labels):  # a network knows a frame's labels as words
            self._know(tuple(labels.get(str(name), name) for name in self.names))
        new = tuple(name for name in x if name not in self._known)
        if self._n + len(new) > self._d:
            beside = ", ".join(map(repr, self.names + new[: self._d - self._n]))
            raise ValueError(
                f"{argument} must have features that the network's {self._d} inputs are for; got "
                f"{new[self._d - self._n]!r} beside {beside}"[:400]
                + ", leave it out or make a network with more inputs"
            )
        if new and learns:
            self._know(self.names + new)

    def refuse(self, x: object, error: Exception, names: tuple[Hashable, ...]) -> None:
        """Forget the names that a refused row has brought; tell what is not finite by its name.

        names: those from before the row.
        """
        try:
            if type(error) is ValueError and isinstance(x, Mapping):
                for name, number in zip(self.names, self._slowly(x), strict=True):
                    if not abs(number) <= self._most:
                        raise ValueError(
                            f"x must be finite in {self._dtype}; got {x[name]!r:.100} as "
                            f"{name!r}, leave it out: what is missing counts as 0"
                        ) from None
        finally:
            if self.names is not names:
                self._know(names)

    def _slowly(self, x: Mapping[Hashable, Any]) -> list[float]:
        """The numbers of a dictionary, each looked at."""
        numbers = []
        for name in self.names:
            value = x.get(name, 0.0)
            try:
                if isinstance(value, str):
                    raise TypeError
                number = float(value)
            except (TypeError, ValueError):
                raise TypeError(
                    f"x must have numbers as features; got {value!r:.100} as {name!r}, leave it "
                    "out or encode it, say by river.preprocessing.OneHotEncoder"
                ) from None
            # What the dtype has no room for is no finite number, which the network refuses.
            numbers.append(number if abs(number) <= self._most else number * math.inf)
        return numbers


def _like(frame: Any, values: Any, columns: Sequence[Any] | None = None) -> Any:
    """A series, or with columns a frame, of the library that a frame is of."""
    library = sys.modules[type(frame).__module__.partition(".")[0]]
    if columns is None:
        made = library.Series
        return made(values, index=frame.index) if hasattr(frame, "index") else made(values)
    if hasattr(frame, "index"):
        return library.DataFrame(values, index=frame.index, columns=list(columns))
    return library.DataFrame(values, schema=[str(name) for name in columns])


class Classifier(MiniBatchClassifier):  # type: ignore[misc,valid-type,unused-ignore]
    """A classifier that learns row by row.

    Parameters
    ----------
    model : Trainer, or layers
        A copy of the trainer learns, so that what is given stays as it is; layers as a ``Network``
        takes them. A network of one output, with ``binary_cross_entropy``, tells two classes.
    optimiser : Optimiser, optional
        With layers.
    classes : sequence, optional
        What the outputs stand for. None: they are learnt as they come up, as many as there are
        outputs.

    Attributes
    ----------
    trainer : Trainer
        What learns.

    Notes
    -----
    Features are known by their names, whatever their order, and learnt as they come up, as many as
    the network has inputs; one more is refused. One that is missing counts as 0, as it does for
    River's linear models, and so does one that has not come up yet. A row that is refused brings
    no names and no class. A row is a step: the rows of ``learn_many`` are one together, so a
    network with ``BatchNorm`` learns by ``learn_many`` alone. Probabilities are those of the
    classes that have come up.

    Examples
    --------
    >>> import fastdl as fd
    >>> from fastdl import river
    >>> model = river.Classifier([2, 16, 2], fd.SGD(0.1))
    >>> for _ in range(200):
    ...     model.learn_one({"a": 1.0, "b": 0.0}, "left")
    ...     model.learn_one({"a": 0.0, "b": 1.0}, "right")
    >>> model.predict_one({"b": 1.0})
    'right'
    """

    def __init__(
        self,
        model: Model,
        optimiser: Optimiser | None = None,
        *,
        classes: Iterable[Hashable] | None = None,
    ) -> None:
        self.model, self.optimiser, self.classes = model, optimiser, classes
        self.trainer = _trainer(
            model, optimiser,
            lambda k: "binary_cross_entropy" if k == 1 else "softmax_cross_entropy",
        )  # fmt: skip
        network = self.trainer.network
        loss, k = network.loss_function, network.layers[-1].h
        if loss.probabilities is None or (loss.y == "binary" and k > 1):
            raise ValueError(
                "model must have a loss that gives each class a probability; got "
                f"{loss}, use loss='softmax_cross_entropy'"
            )
        self._features = _Features(network.layers[0].d, network.dtype, _columns(network))
        self._has_norms = has_norms(network.layers)
        self._binary = loss.y == "binary"
        self._sums = self._binary or loss.probabilities == "softmax"
        self._k = 2 if self._binary else k
        self._y = np.zeros((1, 1), network.dtype) if self._binary else np.zeros(1, np.int64)
        self._numbers: dict[Hashable, int] = {}
        for each in classes or ():
            self._number(each)

    def learn_one(self, x: Mapping[Hashable, Any], y: Hashable) -> None:
        """Take one step, by the row of a dictionary of features and its class."""
        if self._has_norms:
            _refuse_norms()
        names, known = self._features.names, len(self._numbers)
        try:
            row = self._features.row(x, True)
            self._y[0] = self._number(y)
            self.trainer.step(row, self._y)
        except Exception as error:
            self._refuse(x, error, names, known)
            raise
        if self._features.are_new:
            self._features.tell(self.trainer.network)

    def predict_proba_one(self, x: Mapping[Hashable, Any]) -> dict[Any, float]:
        """The probability of each class that has come up."""
        try:
            found = self.trainer.network.predict_proba(self._features.row(x, False))[0].tolist()
        except Exception as error:
            self._features.refuse(x, error, self._features.names)
            raise
        if self._binary:
            found = [1 - found[0], found[0]]
        if not (self._sums and len(self._numbers) == self._k):
            found = found[: len(self._numbers)]
            total = sum(found) or 1.0
            found = [each / total for each in found]
        return dict(zip(self._numbers, found, strict=True))

    def predict_one(self, x: Mapping[Hashable, Any]) -> Any:
        """The likeliest class; None before the first one has come up."""
        likely = self.predict_proba_one(x)
        return max(likely, key=likely.__getitem__) if likely else None

    def learn_many(self, X: Any, y: Any) -> None:
        """Take one step, by the rows of a data frame and a series of their classes."""
        names, known = self._features.names, len(self._numbers)
        try:
            x = self._features.rows(X, True)
            numbers = np.array([self._number(each) for each in y], np.int64)
            self.trainer.step(x, numbers.astype(x.dtype)[:, None] if self._binary else numbers)
        except Exception as error:
            self._refuse(X, error, names, known)
            raise
        if self._features.are_new:
            self._features.tell(self.trainer.network)

    def predict_proba_many(self, X: Any) -> Any:
        """The probabilities as a data frame with a column a class."""
        found = self._probabilities(self._features.rows(X, False))
        return _like(X, found, list(self._numbers))

    def predict_many(self, X: Any) -> Any:
        """The likeliest classes as a series."""
        found = self._probabilities(self._features.rows(X, False))
        classes = list(self._numbers) or [None]
        likeliest = found.argmax(axis=1) if self._numbers else np.zeros(len(found), int)
        return _like(X, [classes[i] for i in likeliest])

    def _number(self, y: Hashable) -> int:
        """Which output stands for a class; a new one takes the next."""
        try:
            number = self._numbers.get(y)
        except TypeError:
            raise TypeError(
                f"y must be a class, such as a word or a number; got {y!r:.100}"
            ) from None
        if number is None:
            if y is None or y != y:
                raise ValueError(f"y must be a class; got {y}, leave out rows that have none")
            if len(self._numbers) == self._k:
                known = ", ".join(map(repr, self._numbers))
                raise ValueError(
                    f"y must be one of the {self._k} classes that the network has outputs for, "
                    f"{known:.200}; got {y!r:.100}, make a network with more outputs"
                )
            number = self._numbers[y] = len(self._numbers)
        return number

    def _refuse(self, x: object, error: Exception, names: tuple[Hashable, ...], known: int) -> None:
        """Forget the names and classes that refused rows have brought."""
        while len(self._numbers) > known:
            self._numbers.popitem()
        self._features.refuse(x, error, names)

    def _probabilities(self, x: NDArray[Any]) -> NDArray[Any]:
        """Of the classes that have come up (n, classes), which sum to 1."""
        likely: NDArray[Any] = self.trainer.network.predict_proba(x)
        if self._binary:
            likely = np.hstack([1 - likely, likely])
        likely = likely[:, : len(self._numbers)]
        if not (self._sums and len(self._numbers) == self._k):
            likely /= np.maximum(likely.sum(axis=1, keepdims=True), np.finfo(likely.dtype).tiny)
        return likely

    @property
    def _multiclass(self) -> bool:
        return self._k > 2


class Regressor(MiniBatchRegressor):  # type: ignore[misc,valid-type,unused-ignore]
    """A regressor that learns row by row.

    Parameters
    ----------
    model, optimiser
        As for ``Classifier``; a network of one output whose loss is of numbers, which of layers is
        ``mse``.

    Attributes
    ----------
    trainer : Trainer
        What learns.

    Notes
    -----
    Features as for ``Classifier``.

    Examples
    --------
    >>> import fastdl as fd
    >>> from fastdl import river
    >>> model = river.Regressor([1, 16, 1], fd.SGD(0.05))
    >>> for i in range(2000):
    ...     model.learn_one({"a": i % 10 / 10}, 2 * (i % 10) / 10)
    >>> abs(model.predict_one({"a": 0.5}) - 1) < 0.1
    True
    """

    def __init__(self, model: Model, optimiser: Optimiser | None = None) -> None:
        self.model, self.optimiser = model, optimiser
        self.trainer = _trainer(model, optimiser, lambda _: "mse")
        network = self.trainer.network
        k = network.layers[-1].h
        if network.loss_function.y != "numbers" or k != 1:
            raise ValueError(
                "model must have one output and a loss of numbers; got "
                f"{network.loss_function} and {k} outputs, use "
                f"fd.Trainer(fd.Network([{network.layers[0].d}, 32, 1], loss='mse'), fd.SGD(0.01))"
            )
        self._features = _Features(network.layers[0].d, network.dtype, _columns(network))
        self._has_norms = has_norms(network.layers)
        self._y = np.zeros((1, 1), network.dtype)

    def learn_one(self, x: Mapping[Hashable, Any], y: float) -> None:
        """Take one step, by the row of a dictionary of features and its number."""
        if self._has_norms:
            _refuse_norms()
        try:
            self._y[0, 0] = y
        except (TypeError, ValueError):
            raise TypeError(f"y must be a number; got {y!r:.100}") from None
        names = self._features.names
        try:
            self.trainer.step(self._features.row(x, True), self._y)
        except Exception as error:
            self._features.refuse(x, error, names)
            raise
        if self._features.are_new:
            self._features.tell(self.trainer.network)

    def predict_one(self, x: Mapping[Hashable, Any]) -> float:
        """The number for the row of a dictionary of features."""
        try:
            return float(self.trainer.network.predict(self._features.row(x, False))[0])
        except Exception as error:
            self._features.refuse(x, error, self._features.names)
            raise

    def learn_many(self, X: Any, y: Any) -> None:
        """Take one step, by the rows of a data frame and a series of their numbers."""
        names = self._features.names
        try:
            self.trainer.step(self._features.rows(X, True), np.asarray(y))
        except Exception as error:
            self._features.refuse(X, error, names)
            raise
        if self._features.are_new:
            self._features.tell(self.trainer.network)

    def predict_many(self, X: Any) -> Any:
        """The numbers as a series."""
        return _like(X, self.trainer.network.predict(self._features.rows(X, False)))
