"""What both multilayer perceptrons have: fitting, and the network that answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastdl._warnings import warn
from fastdl.advice import LEAST_STEPS, ScalingWarning
from fastdl.network import Network
from fastdl.sklearn import _lbfgs
from fastdl.sklearn._engine import Engine, Shape
from fastdl.sklearn._onnx import ToOnnx
from fastdl.sklearn._optimizer import Optimizer
from fastdl.sklearn._parameters import CONSTRAINTS, NAMES
from fastdl.sklearn._scale import why_nothing_was_learnt
from fastdl.sklearn._training import Data, Rule, Training, mean_loss, rule

Array = NDArray[Any]
_OUTPUTS = {"softmax": "identity", "logistic": "identity"}  # the losses are of logits
INTERRUPTED = "Training interrupted by user."  # in the words of scikit-learn


def flat(y: Any) -> Any:
    """What is in one column (n, 1) as (n,), with scikit-learn's warning; else as it is."""
    if y.ndim != 2 or y.shape[1] != 1:
        return y
    result = column_or_1d(y)
    warn(
        "A column-vector y was passed when a 1d array was expected: use y.ravel()",
        DataConversionWarning,
    )
    return result


class Fold(NamedTuple):
    """What a fit is watched by beside its loss: rows that are held out, or given."""

    data: Data
    truth: Array


class BaseMLP(ToOnnx, BaseEstimator, ABC):
    """A multilayer perceptron with scikit-learn's parameters, attributes and arithmetic."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS
    _optimizer: Optimizer
    _best: Array
    validation_scores_: Any  # lists and numbers, or None
    best_validation_score_: Any
    best_loss_: Any

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_engine", None)  # the weights are in coefs_ and intercepts_
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "_best"):
            self._best = self._best.copy()  # what was unpickled may be a file's memory
        if hasattr(self, "coefs_"):
            self._adopt()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def network_(self) -> Network:
        """A ``fastdl.Network`` with the weights that were fitted, which knows on what."""
        check_is_fitted(self)
        return self._held().network(getattr(self, "feature_names_in_", None))

    # --- what a subclass knows ---------------------------------------------------------------

    @abstractmethod
    def _read(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """Checked rows, and what is right for them as the loops take it, but for its dtype."""

    @abstractmethod
    def _read_more(self, X: Any, y: Any) -> tuple[Any, Any]:
        """The same of rows beside those of a fit."""

    @abstractmethod
    def _n_outputs(self, truth: Array) -> int:
        """Of a network for it."""

    @abstractmethod
    def _score_of(self, outputs: Array, fold: Fold) -> float:
        """How good outputs are on rows that were held out."""

    @abstractmethod
    def _out_activation(self) -> str:
        """As ``out_activation_`` tells it."""

    @property
    @abstractmethod
    def _loss_name(self) -> Any:
        """The loss by its name here, or itself."""

    # --- the network -------------------------------------------------------------------------

    def _rule(self, dtype: Any) -> Rule:
        return rule(self._loss_name, self.n_outputs_, np.dtype(dtype))

    def _hidden_sizes(self) -> list[int]:
        given: Any = self.hidden_layer_sizes
        sizes = list(given) if isinstance(given, Iterable) else [given]
        if np.any(np.array(sizes) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return sizes

    def _each(self, name: str, n: int) -> list[Any]:
        """A setting of every hidden layer."""
        given = getattr(self, name)
        if isinstance(given, str) or not isinstance(given, Iterable):
            return [given] * n
        each = list(given)
        if len(each) != n:
            raise ValueError(
                f"{name} must be one for all, or one for each of {n} hidden layers; got {each!r}"
            )
        return each

    def _shape(self, sizes: list[int], dtype: Any) -> Shape:
        n = len(sizes) - 2
        names = self._each("activation", n)
        last = _OUTPUTS.get(self.out_activation_, self.out_activation_)
        activations = (*(NAMES.get(name, name) for name in names), last)
        dropout = tuple(self._each("dropout", n))
        loss = self._rule(dtype).loss
        norm = bool(self.batch_norm)
        return Shape(tuple(sizes), activations, dropout, norm, loss, np.dtype(dtype))

    def _adopt(self) -> Engine:
        """Have a network with ``coefs_`` and ``intercepts_``, which become views of its weights."""
        coefs = self.coefs_
        sizes = [coefs[0].shape[0], *(each.shape[1] for each in coefs)]
        dtype = np.float32 if coefs[0].dtype == np.float32 else np.float64
        engine, shape = self.__dict__.get("_engine"), self._shape(sizes, dtype)
        if engine is None or engine.shape != shape:
            engine = Engine(shape)
        if not engine.holds(coefs, self.intercepts_, self._norms()):
            engine.take(coefs, self.intercepts_, self._norms() if shape.batch_norm else ())
        return self._have(engine)

    def _norms(self) -> Any:
        """What the layers that are normalised have, if there are any."""
        return self.__dict__.get("batch_norms_", ())

    def _have(self, engine: Engine) -> Engine:
        self._engine = engine
        self.coefs_, self.intercepts_ = list(engine.coefs), list(engine.intercepts)
        self.__dict__.pop("batch_norms_", None)
        if engine.norms:
            self.batch_norms_ = [dict(norm) for norm in engine.norms]
        return engine

    def _held(self) -> Engine:
        """The network with the weights as they are, whoever has set them."""
        engine: Engine | None = self.__dict__.get("_engine")
        if engine is not None and engine.holds(self.coefs_, self.intercepts_, self._norms()):
            return engine
        return self._adopt()

    def _initialize(self, sizes: list[int], dtype: Any) -> Engine:
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(sizes)
        self.out_activation_ = self._out_activation()
        engine = Engine(self._shape(sizes, np.float64 if self.solver == "lbfgs" else dtype))
        names = self._each("activation", len(sizes) - 2)
        names += names[-1:] or [self.activation]  # the last layer is drawn as the one before it
        drawn = [self._draw(engine, i, names[i], dtype) for i in range(len(sizes) - 1)]
        engine.take(*zip(*drawn, strict=True))
        self._have(engine)
        self._mask_seed = 0
        if any(engine.shape.dropout):
            self._mask_seed = int(self._random_state.randint(2**31))
        if self.solver != "lbfgs":
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            self._best = engine.core.flat.copy()
            self.validation_scores_ = [] if self.early_stopping else None
            self.best_validation_score_ = -np.inf if self.early_stopping else None
            self.best_loss_ = None if self.early_stopping else np.inf
        return engine

    def _draw(self, engine: Engine, i: int, name: str, dtype: Any) -> tuple[Array, Array]:
        """A layer's weights and biases, rounded to the dtype of the rows."""
        d, h = engine.shape.sizes[i : i + 2]
        bound = np.sqrt((2.0 if name in ("logistic", "sigmoid") else 6.0) / (d + h))
        weight = self._random_state.uniform(-bound, bound, (d, h))
        return weight.astype(dtype), self._random_state.uniform(-bound, bound, h).astype(dtype)

    # --- fitting -----------------------------------------------------------------------------

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation_set: Any = None
    ) -> Self:
        hidden = self._hidden_sizes()
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        X, truth = self._read(X, y, incremental, first)
        weights = self._weigh(X, y, sample_weight)
        if first:
            self.n_outputs_ = self._n_outputs(truth)
        self._random_state = check_random_state(self.random_state)
        if first:
            engine = self._initialize([X.shape[1], *hidden, self.n_outputs_], X.dtype)
        else:
            engine = self._adopt()
        if self.solver == "lbfgs":
            self._refuse_epochs(engine, validation_set)
        data = self._data(engine, X, truth, weights, first)
        if self.solver == "lbfgs":
            self._fit_lbfgs(engine, data)
        else:
            self._fit_stochastic(engine, data, truth, incremental, validation_set)
        if not engine.is_finite:
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may"
                " contain large values and need to be preprocessed."
            )
        if not incremental:
            self._tell_of_scale(engine, data)
        return self

    def _tell_of_scale(self, engine: Engine, data: Data) -> None:
        """Warn where nothing was learnt, and the rows or targets are the likely reason."""
        steps = self.n_iter_ if self.solver == "lbfgs" else self._optimizer.t
        if steps >= LEAST_STEPS:
            used, name = self._rule(engine.shape.dtype), type(self).__name__
            told = None if self.early_stopping else self.loss_  # that of other weights
            why = why_nothing_was_learnt(engine, used, data, told, name)
            if why is not None:
                warn(why, ScalingWarning)

    def _refuse_epochs(self, engine: Engine, validation_set: Any) -> None:
        """Refuse what only epochs have, which scikit-learn does not know."""
        given = {
            "validation_set": validation_set is not None,
            "callbacks": bool(self.callbacks),
            "dropout": any(engine.shape.dropout),
            "batch_norm": engine.shape.batch_norm,
        }
        for name in [name for name, is_given in given.items() if is_given]:
            raise ValueError(
                f"{name} must go with the solver sgd or adam; got lbfgs, use solver='adam'"
            )

    def _weigh(self, X: Any, y: Any, sample_weight: Any) -> Array | None:
        if sample_weight is None:
            return None
        weights: Array = _check_sample_weight(sample_weight, X, dtype=np.float64)
        return weights

    def _data(self, engine: Engine, X: Any, truth: Array, weights: Any, first: bool) -> Data:
        """Checked rows as the loops take them; labels are in one dimension, targets in two."""
        outputs, given = engine.shape.sizes[-1], self._n_outputs(truth)
        if given != outputs:
            raise ValueError(
                f"y must be for the {outputs} outputs that were fitted; got {given}, fit anew"
            )
        if truth.ndim == 1:
            return Data(X, truth.astype(np.intc), None, weights)
        scaled = self._scaled(truth, weights, first)
        return Data(X, None, np.ascontiguousarray(scaled, engine.shape.dtype), weights)

    def _scaled(self, truth: Array, weights: Array | None, first: bool) -> Array:
        return truth

    def _training(self, engine: Engine, data: Data, batch: int, n: int) -> Training:
        used, seed = self._rule(engine.shape.dtype), getattr(self, "_mask_seed", 0)
        return Training(engine, used, data, self.alpha, batch, n, self.n_jobs, seed)

    def _fit_lbfgs(self, engine: Engine, data: Data) -> None:
        n = data.x.shape[0]
        training = self._training(engine, data, n, n)
        settings = {"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol}
        self.loss_, self.n_iter_ = _lbfgs.minimise(engine, training, settings)

    def _fit_stochastic(
        self, engine: Engine, data: Data, truth: Array, incremental: bool, validation_set: Any
    ) -> None:
        flat = engine.core.flat
        if not incremental or not hasattr(self, "_optimizer") or not self._optimizer.fits(flat):
            self._optimizer = Optimizer(self, flat)
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        rows, fold = self._split(engine, data, truth, validation_set)
        n = data.x.shape[0] if rows is None else len(rows)
        training = self._training(engine, data, self._batch(n), n)
        try:
            with self._bar() as bar:
                self._epochs(engine, training, rows, n, fold, incremental, bar)
        except KeyboardInterrupt:
            warn(INTERRUPTED)
        if self.early_stopping:
            np.copyto(flat, self._best)

    def _split(
        self, engine: Engine, data: Data, truth: Array, given: Any
    ) -> tuple[Array | None, Fold | None]:
        """The rows to train on, None for all; and those to look at."""
        if given is not None:
            return None, self._given_fold(engine, given)
        if not self.early_stopping:
            return None, None
        alike = truth.astype(bool) if is_classifier(self) and self.n_outputs_ == 1 else None
        rows, held_out = train_test_split(
            np.arange(len(truth)), random_state=self._random_state,
            test_size=self.validation_fraction, stratify=alike,
        )  # fmt: skip
        return rows, self._fold(data.some(held_out), truth[held_out])

    def _given_fold(self, engine: Engine, given: Any) -> Fold:
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise TypeError(
                f"validation_set must be (X, y) or (X, y, sample_weight); got {given!r:.60}"
            )
        X, truth = self._read_more(given[0], given[1])
        weights = self._weigh(X, given[1], given[2] if len(given) == 3 else None)
        return self._fold(self._data(engine, X, truth, weights, False), truth)

    def _fold(self, data: Data, truth: Array) -> Fold:
        if data.x.shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' "
                "or the size of your dataset."
            )
        if not hasattr(self, "validation_loss_curve_") or not self.warm_start:
            self.validation_loss_curve_: list[float] = []
        return Fold(data, truth)

    def _batch(self, n: int) -> int:
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n:
            warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
            )
        return int(np.clip(self.batch_size, 1, n))

    @contextmanager
    def _bar(self) -> Iterator[Any]:
        """A progress bar over the epochs, if one is asked for."""
        if not self.progress:
            yield None
            return
        from tqdm.auto import tqdm

        with tqdm(total=self.max_iter, unit="epoch") as bar:
            yield bar

    def _epochs(
        self, engine: Engine, training: Training, rows: Array | None, n: int, fold: Fold | None,
        incremental: bool, bar: Any,
    ) -> None:  # fmt: skip
        taken = np.arange(n)
        self.n_iter_ = 0
        for _ in range(self.max_iter):
            if self.shuffle:
                taken = taken[self._shuffled(n)]
            order = taken if rows is None else rows[taken]
            whole = rows is None and not self.shuffle
            self.loss_ = training.epoch(None if whole else order, self._optimizer)
            if np.isnan(self.loss_):
                engine.lose()
            self._end_epoch(engine, n, fold)
            if bar is not None:
                bar.set_postfix_str(f"loss {self.loss_:.4f}", refresh=False)
                bar.update()
            if self._is_told_to_stop() or self._stops() or incremental:
                return
            if self.n_iter_ == self.max_iter:
                warn(
                    f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) "
                    "reached and the optimization hasn't converged yet.",
                    ConvergenceWarning,
                )

    def _shuffled(self, n: int) -> Array:
        """An order as ``sklearn.utils.shuffle`` draws it."""
        order = np.arange(n)
        self._random_state.shuffle(order)
        return order

    def _end_epoch(self, engine: Engine, n: int, fold: Fold | None) -> None:
        """Count it, and what has not become better."""
        self.n_iter_ += 1
        self.t_ += n
        self.loss_curve_.append(self.loss_)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
        if fold is not None:
            loss = mean_loss(engine, self._rule(engine.shape.dtype), fold.data, self.n_jobs)
            self.validation_loss_curve_.append(loss)
        if self.early_stopping:
            assert fold is not None
            self._count_by_score(engine, fold)
        else:
            self._no_improvement_count += 1
            if not self.loss_ > self.best_loss_ - self.tol:
                self._no_improvement_count = 0
            if self.loss_ < self.best_loss_:
                self.best_loss_ = self.loss_
        self._optimizer.end_epoch(self.t_)

    def _count_by_score(self, engine: Engine, fold: Fold) -> None:
        score = self._score_of(engine.outputs(fold.data.x, self.n_jobs), fold)
        self.validation_scores_.append(score)
        if self.verbose:
            print(f"Validation score: {score:f}")
        self._no_improvement_count += 1
        if not score < self.best_validation_score_ + self.tol:
            self._no_improvement_count = 0
        if score > self.best_validation_score_:
            self.best_validation_score_ = score
            np.copyto(self._best, engine.core.flat)

    def _is_told_to_stop(self) -> bool:
        """Whether a callback says so; all of them are called."""
        given = self.callbacks or ()
        told = [each(self) for each in ([given] if callable(given) else given)]
        return any(told)

    def _stops(self) -> bool:
        if self._no_improvement_count <= self.n_iter_no_change:
            return False
        what = "Validation score" if self.early_stopping else "Training loss"
        why = (
            f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} "
            "consecutive epochs."
        )
        if self._optimizer.stops(why, self.verbose):
            return True
        self._no_improvement_count = 0
        return False

    # --- answers -----------------------------------------------------------------------------

    def _quick(self, X: Any, kind: str) -> Array | None:
        """The answer to a few rows that need no look by Python; else None."""
        engine: Engine | None = self.__dict__.get("_engine")
        if engine is None or "feature_names_in_" in self.__dict__:
            return None
        if not engine.holds(self.coefs_, self.intercepts_):
            return None
        return engine.core.answer(X, None, kind)

    def _outputs(self, X: Any) -> Array:
        """What the last layer gives to checked rows, before a softmax or sigmoid."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return self._held().outputs(X, self.n_jobs)

    def _check_solver(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic"
                f" optimizers. {self.solver} is not stochastic."
            )
        return True
