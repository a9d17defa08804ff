"""The regressor: numbers, one or several a row."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from fastdl.losses import Loss
from fastdl.network import Network
from fastdl.sklearn._base import BaseMLP, Fold, flat
from fastdl.sklearn._parameters import CONSTRAINTS

Array = NDArray[Any]
_LOSSES = {"squared_error", "poisson", "huber", "absolute_error", "quantile"}


class MLPRegressor(RegressorMixin, BaseMLP):
    """scikit-learn's multilayer perceptron for numbers, trained by the library's loops.

    Parameters, attributes, warnings, errors and results are those of
    ``sklearn.neural_network.MLPRegressor``, as told of ``MLPClassifier``. What is described here is
    what that one does not have.

    Parameters
    ----------
    loss : str or Loss
        "squared_error" or "poisson" as scikit-learn's; "huber", "absolute_error", "quantile" (the
        median); or one with settings of your own: ``fd.losses.Huber(0.5)``,
        ``fd.losses.Quantile(0.9)``. Its mean over rows and outputs is what the curves tell.
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
    target_scaling : "standard" or None
        "standard": the targets are brought to a mean of 0 and a deviation of 1 before training, and
        what is predicted back again; the losses are those of the scaled targets.
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
    coefs_, intercepts_, n_iter_, n_layers_, n_outputs_, out_activation_, t_
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
    target_shift_, target_scale_ : array (k,)
        With ``target_scaling``: what is subtracted from targets, and by what they are divided.
    network_ : fastdl.Network
        A copy of what was fitted, which takes the rows that ``MLPClassifier`` tells of. With
        ``target_scaling`` its last layer is brought back to the targets as they were given, so that
        it predicts what the estimator does, but for rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from fastdl.sklearn import MLPRegressor
    >>> x = np.random.RandomState(0).normal(size=(200, 4))
    >>> reg = MLPRegressor(hidden_layer_sizes=20, solver="lbfgs", random_state=0)
    >>> reg.fit(x, x[:, 0] - x[:, 1]).score(x, x[:, 0] - x[:, 1]) > 0.99
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "loss": [StrOptions(_LOSSES), Loss],
        "target_scaling": [StrOptions({"standard"}), None],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
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
        target_scaling: Literal["standard"] | None = None,
        batch_norm: bool = False,
        dropout: Any = 0.0,
        callbacks: Any = None,
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> None:
        self.loss = loss
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
        self.target_scaling = target_scaling
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.callbacks = callbacks
        self.n_jobs = n_jobs
        self.progress = progress

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, *, validation_set: Any = None
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : array or sparse matrix (n, d), or data frame
            Sparse rows are made dense some thousands at a time.
        y : numbers (n,) or (n, k)
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
    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch on the rows, with the optimiser as it was left.

        Parameters
        ----------
        X, y, sample_weight
            As for ``fit``.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, True)

    def predict(self, X: Any) -> Array:
        """What the network gives for each row (n,), or (n, k) where it was fitted on several."""
        outputs = self._quick(X, "finite")
        if outputs is None:
            outputs = self._outputs(X)
        if self.target_scaling is not None:
            outputs = (outputs * self.target_scale_ + self.target_shift_).astype(outputs.dtype)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    @property
    def network_(self) -> Network:
        """A ``fastdl.Network`` that predicts as the estimator does, and knows its rows."""
        network = super().network_
        if self.target_scaling is not None:  # and the last layer is linear
            parameters, last = network.parameters, f"layers.{len(network.layers) - 1}"
            weight, bias = parameters[f"{last}.weight"], parameters[f"{last}.bias"]
            weight[...] = weight * self.target_scale_
            bias[...] = bias * self.target_scale_ + self.target_shift_
        return network

    # --- what the base asks for --------------------------------------------------------------

    @property
    def _loss_name(self) -> Any:
        return self.loss

    def _out_activation(self) -> str:
        return "exp" if str(self.loss) == "poisson" else "identity"

    def _read(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        X, y = self._validated(X, y, reset)
        if str(self.loss) == "poisson":
            if self.target_scaling is not None:
                raise ValueError(
                    "target_scaling must be None with the loss poisson; got "
                    f"{self.target_scaling!r}"
                )
            if (y < 0).any():
                raise ValueError(f"y must not be negative with the loss poisson; got {y.min()}")
        return X, y

    def _n_outputs(self, truth: Array) -> int:
        return int(truth.shape[1])

    def _read_more(self, X: Any, y: Any) -> tuple[Any, Array]:
        return self._validated(X, y, False)

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Any, Array]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True,
            dtype=(np.float64, np.float32), reset=reset,
        )  # fmt: skip
        return X, flat(y).reshape(len(y), -1)

    def _scaled(self, truth: Array, weights: Array | None, first: bool) -> Array:
        if self.target_scaling is None:
            return truth
        if first:
            self.target_shift_ = np.average(truth, axis=0, weights=weights)
            squares = (truth - self.target_shift_) ** 2
            deviation = np.sqrt(np.average(squares, axis=0, weights=weights))
            self.target_scale_ = np.where(deviation > 0, deviation, 1.0)
        return np.asarray((truth - self.target_shift_) / self.target_scale_)

    def _score_of(self, outputs: Array, fold: Fold) -> float:
        if not np.isfinite(outputs).all():
            return float("nan")
        targets = fold.data.targets
        return float(r2_score(targets, outputs, sample_weight=fold.data.weights))
