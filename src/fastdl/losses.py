"""The losses, a small class each: network, trainer, tests and benchmarks go by this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastdl import _check, _hints, _intake, _kernels
from fastdl._check import Array
from fastdl._epoch import ready_labels, ready_numbers

Answers = tuple[NDArray[np.intc] | None, Array | None]

_FEW = 4096  # targets that are looked at before a step


@dataclass(frozen=True)
class Loss:
    """A loss with its settings, which are the fields of its class.

    Attributes
    ----------
    name : str
        Its name in ``fastdl.ops``, and the shorthand for it with the usual settings.
    y : {"labels", "binary", "numbers", "own"}
        What it goes by: integer labels (n,), or targets (n, k) that are 0 or 1, or any numbers; or
        what a function of one's own takes.
    probabilities : str or None
        How outputs become probabilities: "softmax", "sigmoid" or not at all.
    outputs : tuple of str
        Activations that the last layer may have, the usual one first; none: any.
    kinked : bool
        Whether the derivative by an output jumps at its target.

    Examples
    --------
    >>> fd.losses.get("huber")
    Huber(delta=1.0)
    >>> print(fd.losses.Huber(delta=2))
    huber, delta 2
    """

    name: ClassVar[str]
    y: ClassVar[Literal["labels", "binary", "numbers", "own"]] = "labels"
    probabilities: ClassVar[str | None] = None
    outputs: ClassVar[tuple[str, ...]] = ()
    kinked: ClassVar[bool] = False

    @property
    def code(self) -> int:
        """The number by which the kernels know it."""
        return _kernels.LOSSES[self.name]

    @property
    def settings(self) -> dict[str, float]:
        """Its settings by name, as ``fastdl.ops`` takes them."""
        return {name: float(value) for name, value in asdict(self).items()}

    @property
    def numbers(self) -> NDArray[np.float64]:
        """Its settings as the kernels take them: in the order of its fields."""
        numbers = np.zeros(_kernels.N_SETTINGS)
        numbers[: len(self.settings)] = list(self.settings.values())
        return numbers

    @property
    def ready(self) -> str:
        """What it goes by if the loops can tell whether that is right: labels, or any numbers."""
        if type(self).read is not Loss.read or self.y == "own":
            return ""
        return "labels" if self.y == "labels" else "numbers"

    def takes(self, y: object) -> bool:
        """Whether what the loops do not look at is right, of an array that is ready for them."""
        return self.y != "binary" or (type(y) is np.ndarray and _are_binary(y))

    def read(self, name: str, y: ArrayLike, n: int, k: int, dtype: np.dtype[Any]) -> Answers:
        """Labels or targets, the other None, checked for n rows of k outputs."""
        ready = self.ready
        if ready == "labels" and (labels := ready_labels(y, n, k)) is not None:
            return labels, None
        if ready == "numbers" and self.takes(y) and ready_numbers(y, n, k, dtype == np.float32):
            return None, y.reshape(n, k)
        if self.y == "labels":
            return _check.labels(name, y, n, k), None
        if self.y == "binary":
            return None, _check.binary(name, y, n, k, dtype)
        return None, _check.targets(name, y, n, k, dtype)

    def __str__(self) -> str:
        settings = [f"{name} {value:g}" for name, value in self.settings.items()]
        return ", ".join([self.name, *settings])


def _are_binary(y: Array) -> bool:
    """Whether a few targets are 0 or 1; of many, for which a check costs nothing, say no."""
    if y.size == 1:
        return y.item() in (0, 1)
    return y.size <= _FEW and bool(((y == 0) | (y == 1)).all())


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """-log softmax(logits)[label].

    Parameters
    ----------
    label_smoothing : float in [0, 1)
        The share of the label that is spread over all k classes (Szegedy et al. 2016).

    Examples
    --------
    >>> fd.Network([4, 8, 3], loss=fd.losses.SoftmaxCrossEntropy(label_smoothing=0.1)).loss
    'softmax_cross_entropy'
    """

    name = "softmax_cross_entropy"
    probabilities = "softmax"
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        _check.real("label_smoothing", self.label_smoothing, 0.0, 1.0)

    def __str__(self) -> str:
        return super().__str__() if self.label_smoothing else self.name


@dataclass(frozen=True)
class Hinge(Loss):
    """The sum over j != y of max(0, s_j - s_y + margin) (Weston and Watkins 1999).

    Parameters
    ----------
    margin : float
        Not negative.

    Examples
    --------
    >>> net = fd.Network([4, 8, 3], loss=fd.losses.Hinge(margin=0.5))
    >>> net.margin
    0.5
    """

    name = "hinge"
    margin: float = 1.0

    def __post_init__(self) -> None:
        _check.real("margin", self.margin, 0.0)


@dataclass(frozen=True)
class SigmoidCrossEntropy(Loss):
    """Binary cross-entropy of sigmoid(logits) and the one-hot label: the mean over the outputs.

    Examples
    --------
    >>> fd.Network([4, 8, 3], loss="sigmoid_cross_entropy").predict_proba([[0.0] * 4])
    array([[0.5, 0.5, 0.5]], dtype=float32)
    """

    name = "sigmoid_cross_entropy"
    probabilities = "sigmoid"


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Binary cross-entropy of sigmoid(logits) and targets of 0 and 1: the mean over the outputs.

    Of several outputs each is a question of its own (multi-label); a single one tells two classes.

    Examples
    --------
    >>> net = fd.Network([4, 8, 2], loss="binary_cross_entropy")
    >>> history = fd.Trainer(net, fd.SGD(0.1)).fit(np.eye(4), [[0, 1], [1, 1], [0, 0], [1, 0]])
    >>> net.predict(np.eye(4)).shape
    (4, 2)
    """

    name = "binary_cross_entropy"
    y = "binary"
    probabilities = "sigmoid"


@dataclass(frozen=True)
class MeanSquared(Loss):
    """(output - target)^2: the mean over the outputs.

    Examples
    --------
    >>> net = fd.Network([2, 8, 1], loss="mse")
    >>> net.evaluate([[0.0, 0.0]], [2.0]).loss
    4.0
    """

    name = "mse"
    y = "numbers"


@dataclass(frozen=True)
class MeanAbsolute(Loss):
    """``|output - target|``: the mean over the outputs.

    Examples
    --------
    >>> net = fd.Network([2, 8, 1], loss="mae")
    >>> net.evaluate([[0.0, 0.0]], [2.0]).loss
    2.0
    """

    name = "mae"
    y = "numbers"
    kinked = True


@dataclass(frozen=True)
class Huber(Loss):
    """off^2 / 2 where off = output - target is at most delta, else ``delta (|off| - delta / 2)``.

    Parameters
    ----------
    delta : float
        Above 0 (Huber 1964).

    Examples
    --------
    >>> net = fd.Network([2, 8, 1], loss=fd.losses.Huber(delta=2))
    >>> net.evaluate([[0.0, 0.0]], [5.0]).loss
    8.0
    """

    name = "huber"
    y = "numbers"
    delta: float = 1.0

    def __post_init__(self) -> None:
        _check.real("delta", self.delta, above=0.0)


@dataclass(frozen=True)
class Quantile(Loss):
    """``|output - target|`` times q where the output is below its target, else 1 - q.

    Parameters
    ----------
    q : float
        Between 0 and 1: the share of targets that are to lie below the outputs (Koenker 1978).

    Examples
    --------
    >>> net = fd.Network([2, 8, 1], loss=fd.losses.Quantile(q=0.9))
    >>> net.evaluate([[0.0, 0.0]], [5.0]).loss
    4.5
    """

    name = "quantile"
    y = "numbers"
    kinked = True
    q: float = 0.5

    def __post_init__(self) -> None:
        _check.real("q", self.q, above=0.0, below=1.0)


@dataclass(frozen=True)
class Poisson(Loss):
    """output - target log(output), of counts with the output as their mean: the mean of outputs.

    Examples
    --------
    >>> net = fd.Network([2, 8, 1], loss="poisson")
    >>> net.layers[-1].activation, net.predict([[0.0, 0.0]])
    ('exp', array([1.], dtype=float32))
    """

    name = "poisson"
    y = "numbers"
    outputs = ("exp", "softplus")

    def read(self, name: str, y: ArrayLike, n: int, k: int, dtype: np.dtype[Any]) -> Answers:
        """Targets that are not negative."""
        _, targets = super().read(name, y, n, k, dtype)
        assert targets is not None
        return None, _check.not_negative(name, targets)


_GUARDED = "np.log(np.maximum(p, 1e-30)) and the like where logarithms and quotients may have none"
Function = Callable[[Array, Array], tuple[ArrayLike, ArrayLike]]


@dataclass(frozen=True)
class Own(Loss):
    """A loss of your own; ``loss=function`` is ``loss=fd.losses.Own(function)``.

    It knows of no labels, so ``predict`` gives the outputs, and records have loss and cost alone:
    what else there is to know comes from ``metrics``.

    Parameters
    ----------
    function : callable
        ``function(logits, y)`` gives ``(losses, dlogits)``: a loss for each row (n,), and the
        gradient of each row's loss by its logits (n, k). The mean over the rows, with the weights
        of rows if there are any, is taken by the library, so nothing is divided by n. It is called
        once a batch, and once an evaluation with all rows, of which each is to be judged by itself.
        The logits (n, k) are an array of the network's dtype of its own, and finite; y are the
        batch's rows of what was given, an array of numbers (n, ...) in their dtype, (n, 1) for a
        number a row where k is 1. It may return any real dtype, and nothing but finite numbers.
        Where it returns others, or raises, the fit ends there: the network is as the step before
        has left it.

    Examples
    --------
    >>> def squared(logits, y):
    ...     off = logits - y
    ...     return (off ** 2).sum(axis=1), 2 * off
    >>> net = fd.Network([2, 16, 1], loss=squared)
    """

    name = "own"
    y = "own"
    function: Function

    def __post_init__(self) -> None:
        if isinstance(self.function, type) or not _check.takes_two(self.function):
            raise TypeError(
                f"loss must be a function of logits and y; got {self.function!r:.100}, use "
                "lambda logits, y: (((logits - y) ** 2).sum(axis=1), 2 * (logits - y)) with yours"
            )

    @property
    def settings(self) -> dict[str, float]:
        """None."""
        return {}

    @property
    def code(self) -> int:
        """That of some loss, which is not asked."""
        return 0

    @property
    def title(self) -> str:
        """The name of the function."""
        return str(getattr(self.function, "__qualname__", type(self.function).__qualname__))

    def read(self, name: str, y: ArrayLike, n: int, k: int, dtype: np.dtype[Any]) -> Answers:
        """Numbers of any kind, something for each of n rows."""
        array = _intake.table(name, y).array
        if array.ndim == 0 or len(array) != n:
            raise ValueError(
                f"{name} must have something for each of {n} rows of x; got the shape {array.shape}"
            )
        if array.ndim == 1 and k == 1:  # logits - y would be (n, n)
            raise ValueError(
                f"{name} must have the shape ({n}, 1), which the logits have, with a loss of your "
                f"own; got ({n},), use np.asarray({name})[:, None]"
            )
        return None, array

    def rows(self, logits: Array, y: Array | None) -> tuple[Array, Array]:
        """The losses of rows (n,), float64, and their gradients in the logits' dtype (n, k)."""
        n = len(logits)
        returned: object = self.function(logits, y)  # type: ignore[arg-type]
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            raise TypeError(
                f"a loss of your own must return (losses, dlogits); got a {type(returned).__name__}"
            )
        losses, dlogits = returned
        if np.ndim(losses) == 0:
            raise ValueError(
                f"losses must be a loss for each of {n} rows, whose mean is taken for you; got "
                f"{losses!r:.40}, return them before they are added up"
            )
        each = _check.values("losses", losses, (n,), _DOUBLE, _GUARDED)
        return each, _check.values("dlogits", dlogits, logits.shape, logits.dtype, _GUARDED)

    def of(self, logits: Array, y: Array | None, weights: Array | None) -> tuple[float, Array]:
        """The mean loss of some rows, and its gradient by their logits, in their dtype."""
        losses, dlogits = self.rows(logits, y)
        if weights is not None:
            losses *= weights
            dlogits *= weights[:, None]
        dlogits /= len(losses)
        return float(losses.mean()), dlogits

    def __str__(self) -> str:
        return f"{self.name} {self.title}"


_DOUBLE = np.dtype(np.float64)

LOSSES: dict[str, type[Loss]] = {
    loss.name: loss
    for loss in (
        SoftmaxCrossEntropy, Hinge, SigmoidCrossEntropy, BinaryCrossEntropy, MeanSquared,
        MeanAbsolute, Huber, Quantile, Poisson,
    )
}  # fmt: skip


_ELSEWHERE = _hints.table(  # what other libraries call them
    {
        "'softmax_cross_entropy'": "cross_entropy crossentropy log_loss nll nll_loss softmax "
        "categorical_crossentropy sparse_categorical_crossentropy",
        "'binary_cross_entropy'": "bce bce_with_logits binary_crossentropy",
        "'mse'": "squared_error mean_squared_error mse_loss l2",
        "'mae'": "absolute_error mean_absolute_error l1 l1_loss",
        "'huber'": "huber_loss smooth_l1 smooth_l1_loss",
        "'quantile'": "pinball",
    }
)


def get(loss: object) -> Loss:
    """The loss of this name, or the one that is given."""
    if isinstance(loss, Loss):
        return loss
    if callable(loss) and not isinstance(loss, type):
        return Own(loss)
    if isinstance(loss, type) and issubclass(loss, Loss):
        raise TypeError(
            f"loss must be a name or a loss with its settings; got the class {loss.__name__}, "
            f"use fd.losses.{loss.__name__}{'(function)' if loss is Own else '()'}"
        )
    beside = ", or one of fd.losses, or a function of your own"
    return LOSSES[_check.choice("loss", loss, tuple(LOSSES), _ELSEWHERE, beside)]()


def with_margin(loss: object, margin: float | None) -> Loss:
    """The loss where a margin may be given beside it, which is the hinge's alone."""
    found = get(loss)
    if margin is None:
        return found
    if found != Hinge():
        raise ValueError(
            f"margin must be left out with another loss than 'hinge'; got {margin!r:.100} with "
            f"{found.name}, use loss='hinge'"
        )
    return Hinge(margin)


def from_saved(config: Mapping[str, Any], given: object = None) -> Loss:
    """The loss of a file; older ones have a margin whatever the loss is.

    Parameters
    ----------
    config : mapping
    given : callable or None
        For a loss of one's own, of which a file has the name alone.
    """
    if config["loss"] == Own.name:
        title = config["function"]
        if given is None:
            raise ValueError(
                f"loss must be given where one's own was saved; got None, use loss={title}"
            )
        return get(given)
    if given is not None:
        raise ValueError(
            f"loss must be left out where the file has it; got {given!r:.100}, use loss=None"
        )
    kind = type(get(config["loss"]))
    if "margin" not in config:
        return kind(**config["settings"])
    hinge = Hinge(config["margin"])
    return hinge if kind is Hinge else kind()
