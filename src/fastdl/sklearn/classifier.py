"""The classifier: labels of any kind, one or several a row."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from fastdl.sklearn._base import BaseMLP, Fold, flat
from fastdl.sklearn._parameters import CONSTRAINTS

Array = NDArray[Any]
_FLOATS = (np.float64, np.float32)


class MLPClassifier(ClassifierMixin, BaseMLP):
    """scikit-learn's multilayer perceptron for classes, trained by the library's loops.

    Parameters, attributes, warnings, errors and results are those of
    ``sklearn.neural_network.MLPClassifier``: the same ``random_state`` gives the same weights to
    begin with, the same rows held out and the same order of rows, and so the same fit but for
    rounding. What is described here is what that one does not have.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, or int
    activation : str, or a sequence of str
        Of all hidden layers, or of each: "identity", "logistic", "tanh", "relu", or another one of
        ``fastdl.Dense``.
    solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle
        As scikit-learn's.
    random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping
        As scikit-learn's.
    validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun
        As scikit-learn's.
    class_weight : "balanced", dict, list of dict (several labels a row) or None
        Weights of classes, by which those of their rows are multiplied.
    batch_norm : bool
        Whether every hidden layer's rows are normalised by their batch before the activation
        (``fastdl.BatchNorm``). A batch of one row teaches hidden layers nothing then: choose a
        ``batch_size`` that leaves more at the end, and give ``partial_fit`` several rows.
    dropout : float in [0, 1), or a sequence of float
        The share of every hidden layer's outputs, or of each one's, that is left out in training.
    callbacks : callable, or a sequence of them, or None
        Each is called with the estimator after every epoch; the fit ends where one returns true.
    n_jobs : int or None
        Threads, as joblib counts them; None: as many as help. The results are the same to the bit.
    progress : bool
        Show a progress bar over the epochs.

    Attributes
    ----------
    classes_, coefs_, intercepts_, n_iter_, n_layers_, n_outputs_, out_activation_, t_
        As scikit-learn's. ``coefs_`` and ``intercepts_`` are views of the network: what is written
        to them is what the estimator goes by.
    loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_
        As scikit-learn's.
    batch_norms_ : list of dict
        With ``batch_norm`` the ``gamma``, ``beta``, ``running_mean`` and ``running_variance`` of
        every hidden layer: views as ``coefs_`` are.
    n_features_in_, feature_names_in_
        As scikit-learn's.
    validation_loss_curve_ : list of float
        The loss of the rows that are held out or given, without the penalty, after each epoch.
    network_ : fastdl.Network
        A copy of what was fitted, whose labels are the numbers of ``classes_``. Its rows are
        numbers, as the estimator's are, of the same columns: it refuses uint8, which would be
        pixels, and a data frame of other columns.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdl.sklearn import MLPClassifier
    >>> x = np.random.RandomState(0).normal(size=(200, 4))
    >>> y = np.where(x[:, 0] > x[:, 1], "more", "less")
    >>> clf = MLPClassifier(hidden_layer_sizes=20, solver="lbfgs", random_state=0).fit(x, y)
    >>> clf.score(x, y)
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Literal["adam", "sgd", "lbfgs"] = "adam",
        alpha: float = 0.0001,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: Literal["constant", "invscaling", "adaptive"] = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: Any = None,
        batch_norm: bool = False,
        dropout: Any = 0.0,
        callbacks: Any = None,
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.class_weight = class_weight
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.callbacks = callbacks
        self.n_jobs = n_jobs
        self.progress = progress

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, *, validation_set: Any = None
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : array or sparse matrix (n, d), or data frame
            Sparse rows are made dense some thousands at a time.
        y : labels (n,), or of several labels a row 0 and 1 (n, k)
        sample_weight : array (n,), optional
        validation_set : (X, y) or (X, y, sample_weight), optional
            Rows for ``validation_loss_curve_`` and, with ``early_stopping``, instead of those that
            would be held out.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, False, validation_set)

    @available_if(lambda self: self._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on the rows, with the optimiser as it was left.

        Parameters
        ----------
        X, y, sample_weight
            As for ``fit``.
        classes : array (k,), optional
            All labels that will ever come; the first call needs it.

        Returns
        -------
        self
        """
        if _check_partial_fit_first_call(self, classes):
            several = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if several else classes)
        return self._fit(X, y, sample_weight, True)

    def predict(self, X: Any) -> Array:
        """The likeliest label of each row, or of several labels a row whether each is likely."""
        if self.__dict__.get("out_activation_") == "softmax":
            labels = self._quick(X, "labels")
            return self._labels(self._outputs(X)) if labels is None else self.classes_.take(labels)
        outputs = self._quick(X, "finite")
        return self._labels(self._outputs(X) if outputs is None else outputs)

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, in the order of ``classes_``."""
        outputs = self._quick(X, "finite")
        if outputs is None:
            outputs = self._outputs(X)
        if self.out_activation_ == "softmax":
            return np.asarray(softmax(outputs, axis=1))
        likely: Array = expit(outputs)
        return np.hstack([1 - likely, likely]) if likely.shape[1] == 1 else likely

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of ``predict_proba``."""
        likely = self.predict_proba(X)
        return np.log(likely, out=likely)

    # --- what the base asks for --------------------------------------------------------------

    @property
    def _loss_name(self) -> str:
        return "log_loss" if self.out_activation_ == "softmax" else "binary_log_loss"

    def _out_activation(self) -> str:
        several = self._label_binarizer.y_type_ == "multiclass"
        return "softmax" if several else "logistic"

    def _read(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        X, y = self._validated(X, y, reset)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y))
        return X, self._encoded(y)

    def _n_outputs(self, truth: Array) -> int:
        return len(self.classes_) if truth.ndim == 1 else truth.shape[1]

    def _read_more(self, X: Any, y: Any) -> tuple[Any, Array]:
        X, y = self._validated(X, y, False)
        self._check_known(unique_labels(y))
        return X, self._encoded(y)

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=_FLOATS, reset=reset,
        )  # fmt: skip
        return X, flat(y)

    def _check_classes(self, classes: Array) -> None:
        if not self.warm_start:
            self._check_known(classes)
        elif set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same "
                "classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {classes}"
            )

    def _check_known(self, classes: Array) -> None:
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _encoded(self, y: Any) -> Array:
        """Numbers of classes (n,), or 0 and 1 (n, k)."""
        if self._label_binarizer.y_type_ == "multiclass":
            return np.asarray(np.searchsorted(self.classes_, y))
        found = self._label_binarizer.transform(y)
        return np.asarray(found.toarray() if issparse(found) else found)

    def _weigh(self, X: Any, y: Any, sample_weight: Any) -> Array | None:
        weights = super()._weigh(X, y, sample_weight)
        if self.class_weight is None:
            return weights
        each = self.class_weight if isinstance(self.class_weight, list) else [self.class_weight]
        for weights_of in each:
            for label, weight in weights_of.items() if isinstance(weights_of, dict) else ():
                if not 0 <= weight < np.inf:
                    raise ValueError(
                        f"class_weight[{label!r}] must be finite and not negative; got {weight}"
                    )
        by_class: Array = compute_sample_weight(self.class_weight, y)
        return by_class if weights is None else weights * by_class

    def _labels(self, outputs: Array) -> Array:
        """What logits say."""
        if self.out_activation_ == "softmax":
            return np.asarray(self.classes_.take(outputs.argmax(axis=1)))
        likely = outputs > 0
        if likely.shape[1] > 1 or self._label_binarizer.y_type_.startswith("multilabel"):
            return likely.astype(np.int64)
        return np.asarray(self.classes_.take(likely.ravel().astype(np.intp), mode="clip"))

    def _score_of(self, outputs: Array, fold: Fold) -> float:
        if fold.truth.ndim == 1:
            right = outputs.argmax(axis=1) == fold.truth
        else:
            right = ((outputs > 0) == fold.truth.astype(bool)).all(axis=1)
        return float(np.average(right, weights=fold.data.weights))
