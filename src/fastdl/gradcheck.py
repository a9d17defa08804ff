"""Compiled gradients against centred differences, for every parameter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastdl import _check, _kernels, activations, data, ops
from fastdl._check import Array
from fastdl.layers import BatchNorm, Dense
from fastdl.losses import Function, Hinge, Own
from fastdl.network import Network, answering, core_of
from fastdl.parameters import is_running

_ROUNDED = 10 * float(np.finfo(np.float64).eps)  # of a cost, at most: sums lose a few digits
_ITEMS = 2_000_000  # of the largest array that is held at once
_KINDS = ("weight", "bias", "gamma", "beta")
_HEADER = "parameter            below   absolute   relative  compared  kinks"


class ParameterCheck(NamedTuple):
    """The check of one parameter array.

    Attributes
    ----------
    name : str
    percent_below : float
        Of the elements compared, those whose absolute error is below the tolerance.
    max_absolute : float
        The greatest |analytic - numerical|.
    max_relative : float
        The greatest |analytic - numerical| / max(1e-6, |analytic| + |numerical|).
    n_compared, n_kinks : int
        Elements compared, and elements left out because a step of theirs crosses a kink. Where none
        was compared the three numbers above are NaN.
    n_wrong : int
        Elements compared whose absolute and relative error are both at the tolerance or above.
    """

    name: str
    percent_below: float
    max_absolute: float
    max_relative: float
    n_compared: int
    n_kinks: int
    n_wrong: int


@dataclass(frozen=True)
class GradientCheck:
    """What ``check_gradients`` has found; printing it shows a table. It is true if ``passed`` is.

    Attributes
    ----------
    parameters : tuple of ParameterCheck
    tolerance : float

    Examples
    --------
    >>> check = fd.check_gradients(fd.Network([4, 8, 3]), np.ones((5, 4)), [0, 1, 2, 1, 0])
    >>> check.passed, check.of("weight").max_absolute < 1e-6
    (True, True)
    """

    parameters: tuple[ParameterCheck, ...]
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether elements were compared, and each is right to the tolerance.

        An element is right if its absolute or its relative error is below the tolerance: a large
        gradient may differ in its last digits, and one far below the tolerance may be anything, so
        take a smaller tolerance for those. Where the cost is huge, the rounding of the differences
        alone may be more than it: scale the rows. Elements at kinks do not count.
        """
        return any(row.n_compared for row in self.parameters) and not any(
            row.n_wrong for row in self.parameters
        )

    def __bool__(self) -> bool:
        return self.passed

    def of(self, kind: str) -> ParameterCheck:
        """All weights, say, taken together; those that had nothing to compare left out.

        Parameters
        ----------
        kind : {"weight", "bias", "gamma", "beta"}
        """
        _check.choice("kind", kind, _KINDS)
        return _together(kind, [row for row in self.parameters if row.name.endswith(kind)])

    def __str__(self) -> str:
        percentages, greatest = [], []
        for kind in _KINDS[: 4 if self.of("gamma").n_compared else 2]:
            row = self.of(kind)
            none = f"none compared, {row.n_kinks:,} at kinks"
            below = row.percent_below if row.n_compared else none
            percentages.append(f"Percentage of {kind} errors < {self.tolerance:g}: {below}")
            greatest.append(f"Max {kind} error: {row.max_absolute if row.n_compared else none}")
        table = [_HEADER, *(_line(row) for row in self.parameters)]
        return "\n".join([*percentages, *greatest, "", *table, "", self._verdict()])

    __repr__ = __str__

    def _verdict(self) -> str:
        total = _together("all", self.parameters)
        empty = sum(row.n_compared == 0 for row in self.parameters)
        wrong = f"{total.n_wrong:,} of {total.n_compared:,} elements compared are wrong"
        facts = [
            wrong if total.n_compared else "nothing was compared",
            f"{total.n_kinks:,} left out at kinks",
        ]
        if empty:
            facts.append(f"{empty} of {len(self.parameters)} parameters have nothing to compare")
        return f"{'passed' if self else 'not passed'}: {', '.join(facts)}"


def _together(name: str, rows: Sequence[ParameterCheck]) -> ParameterCheck:
    compared = [row for row in rows if row.n_compared]
    n = sum(row.n_compared for row in compared)
    below = sum(row.percent_below * row.n_compared for row in compared)
    return ParameterCheck(
        name,
        below / n if n else math.nan,
        max((row.max_absolute for row in compared), default=math.nan),
        max((row.max_relative for row in compared), default=math.nan),
        n,
        sum(row.n_kinks for row in rows),
        sum(row.n_wrong for row in rows),
    )


def _line(row: ParameterCheck) -> str:
    errors = f"{row.percent_below:7.2f}%{row.max_absolute:11.2e}{row.max_relative:11.2e}"
    if not row.n_compared:
        errors = f"{'-':>8}{'-':>11}{'-':>11}"
    return f"{row.name:18}{errors}{row.n_compared:10,}{row.n_kinks:7,}"


def check_gradients(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    dlogits: ArrayLike | None = None,
    step: float = 1e-5,
    tolerance: float = 1e-6,
) -> GradientCheck:
    """Compare the compiled gradient of the cost with centred differences, in float64.

    An element whose step to either side takes a pre-activation of a ReLU, or a margin of the hinge,
    across zero has no derivative to compare with: it is counted as a kink and left out. ``Dropout``
    is left out, and to a ``BatchNorm`` all rows are one batch, as in ``Network.gradients``.

    Parameters
    ----------
    network : Network
        Of either dtype; it is copied to float64.
    x : array (n, d)
        A few rows: the work is about n times the parameters times a row's forward pass.
    y : as for ``Network.evaluate``
        Of a loss of your own the function's gradient is checked, too.
    dlogits : float array (n, k), optional
        Instead of y, as for ``Trainer.step``: checked is what becomes of it on its way back.
    step : float
        Of the difference, to either side.
    tolerance : float
        What the errors are counted against.

    Returns
    -------
    GradientCheck
        True, as ``passed`` is, where each element compared has an absolute or a relative error
        below the tolerance, or one that the rounding of the cost alone makes; where none was
        compared it is false.

    Examples
    --------
    >>> net = fd.Network([4, 8, 3], activation="tanh")
    >>> assert fd.check_gradients(net, np.ones((5, 4)), [0, 1, 2, 1, 0])
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be a Network; got {network!r:.100}")
    step = _check.real("step", step, above=0.0)
    tolerance = _check.real("tolerance", tolerance, above=0.0)
    double = answering(network)
    data.refuse_unless_one(y, dlogits)
    if dlogits is not None:
        y = data.led(core_of(double), x, dlogits)[1]
        core_of(double).loss = Own(_led_by(len(y)))
    with np.errstate(over="ignore", invalid="ignore"):  # what is not a number counts as wrong
        checks = _checks(double, x, y, step, tolerance)  # type: ignore[arg-type]
        names = [name for name in network.parameters if not is_running(name)]
        named = tuple(check._replace(name=name) for name, check in zip(names, checks, strict=True))
    return GradientCheck(named, tolerance)


def _led_by(n: int) -> Function:
    """The loss of which the mean over n rows has the gradient that is given."""

    def led(logits: Array, dlogits: Array) -> tuple[Array, Array]:
        return n * (logits * dlogits).sum(axis=1), n * dlogits

    return led


def _checks(
    network: Network, x: ArrayLike, y: ArrayLike, step: float, tolerance: float
) -> Iterator[ParameterCheck]:
    analytic = network.gradients(x, y)
    cost = network.evaluate(x, y).cost
    rounding = _ROUNDED * abs(cost) / step if np.isfinite(cost) else 0.0
    for name, numerical, kinks in differences(network, x, y, step):
        yield _compare(name, analytic[name], numerical, kinks, tolerance, rounding)


def differences(
    network: Network, x: ArrayLike, y: ArrayLike, step: float
) -> Iterator[tuple[str, Array, Array]]:
    """Centred differences of an ``answering`` network's cost; where a step crosses a kink.

    Yields
    ------
    name : str
        Of the parameter.
    numerical, kinks : float64 and bool array of its shape
    """
    inputs = network_inputs(network, x)
    outcome = _Outcome(network, y, len(inputs))
    for i, layer in enumerate(network.layers):
        numerical, kinks = _differences(network, i, inputs, outcome, step)
        if isinstance(layer, Dense):
            _add_penalty(layer, network.parameters[f"layers.{i}.weight"], step, numerical, kinks)
            yield f"layers.{i}.weight", numerical[:-1], kinks[:-1]
            yield f"layers.{i}.bias", numerical[-1], kinks[-1]
        else:
            yield f"layers.{i}.gamma", numerical[0], kinks[0]
            yield f"layers.{i}.beta", numerical[1], kinks[1]
        inputs = _forward(network, i, inputs)


def _add_penalty(layer: Dense, weight: Array, step: float, numerical: Array, kinks: Array) -> None:
    """To what is known of a weight, over that of its bias."""
    up = layer.l1 * np.abs(weight + step) + layer.l2 * (weight + step) ** 2
    down = layer.l1 * np.abs(weight - step) + layer.l2 * (weight - step) ** 2
    numerical[:-1] += (up - down) / (2 * step)
    if layer.l1:
        kinks[:-1] |= np.abs(weight) <= step


def network_inputs(network: Network, x: ArrayLike) -> Array:
    """The rows as the first layer sees them, finite."""
    core = core_of(network)
    rows = data.read(core, "x", x).x
    data.refuse_if_not_finite(core, "x", rows)
    scaling = core.applied.of(rows)
    shift, scale = (None, None) if scaling is None else scaling
    return ops.gather(rows, np.arange(len(rows)), shift=shift, scale=scale, dtype="float64")


def _layer(network: Network, i: int) -> Dense | BatchNorm:
    """One of an ``answering`` network."""
    layer = network.layers[i]
    assert isinstance(layer, Dense | BatchNorm)
    return layer


def _preactivation(network: Network, i: int, x: Array, copies: int = 1) -> Array:
    """Of rows (n * copies, d): each copy of all rows is a batch."""
    parameters, layer = network.parameters, _layer(network, i)
    if isinstance(layer, Dense):
        return ops.matmul(x, parameters[f"layers.{i}.weight"]) + parameters[f"layers.{i}.bias"]
    gamma, beta = (np.tile(parameters[f"layers.{i}.{name}"], copies) for name in _KINDS[2:])
    batches = x.reshape(-1, copies * layer.d)
    return ops.batch_norm(batches, gamma, beta, epsilon=layer.epsilon).reshape(x.shape)


def _reaches(network: Network, i: int, x: Array) -> Iterator[Array]:
    """For each unit of layer i, by what (n, parameters) it changes with each of its parameters.

    Those are a column of the weight over the bias, or gamma over beta.
    """
    n, layer = len(x), _layer(network, i)
    if isinstance(layer, Dense):
        yield from [np.column_stack([x, np.ones(n)])] * layer.h
    else:
        normal = ops.batch_norm(x, np.ones(layer.d), np.zeros(layer.d), epsilon=layer.epsilon)
        yield from (np.column_stack([unit, np.ones(n)]) for unit in normal.T)


def _forward(network: Network, i: int, x: Array) -> Array:
    activation = getattr(ops, _layer(network, i).activation)
    result: Array = activation(_preactivation(network, i, x))
    return result


class _Outcome:
    """The loss of each of many altered copies of the rows, and on which side of a kink it lies."""

    def __init__(self, network: Network, y: ArrayLike, n: int) -> None:
        self.loss, k = network.loss_function, network.layers[-1].h
        self.labels, self.targets = self.loss.read("y", y, n, k, np.dtype(np.float64))

    def __call__(self, logits: Array, copies: int) -> tuple[Array, Array]:
        """Losses (n, copies) of logits (n * copies, k), and which hinges are active, likewise."""
        labels = None if self.labels is None else np.repeat(self.labels, copies)
        targets = None if self.targets is None else np.repeat(self.targets, copies, axis=0)
        sides = np.zeros((len(logits), 0), bool)
        if isinstance(self.loss, Own):
            return self.loss.rows(logits, targets)[0].reshape(-1, copies), sides
        out = np.empty(len(logits))
        _kernels.row_losses(self.loss.code, logits, labels, targets, self.loss.numbers, out)
        if isinstance(self.loss, Hinge):
            own = logits[np.arange(len(logits)), labels][:, None]
            sides = logits - own + self.loss.margin > 0
        elif self.loss.kinked:
            sides = logits > targets
        return out.reshape(-1, copies), sides


def _differences(
    network: Network, i: int, x: Array, outcome: _Outcome, step: float
) -> tuple[Array, Array]:
    """d loss / d (weight of layer i over its bias), shape (d + 1, h), and where a kink is crossed.

    A change of W[a, j] by step changes unit j of every row by step x[row, a] and no other unit, so
    all d + 1 changes for one j go through the layers above as so many copies of the rows. Of a norm
    it is gamma over beta, shape (2, h).
    """
    n, d = x.shape
    h = network.layers[i].h
    size = d + 1 if isinstance(network.layers[i], Dense) else 2
    z = _preactivation(network, i, x)
    widest = max(layer.h for layer in network.layers[i:])
    chunk = max(1, _ITEMS // (n * widest))
    numerical, kinks = np.empty((size, h)), np.empty((size, h), bool)
    for j, reach in enumerate(_reaches(network, i, x)):
        for start in range(0, size, chunk):
            part = np.s_[start : start + chunk]
            up, up_sides = _altered(network, i, z, j, step * reach[:, part], outcome)
            down, down_sides = _altered(network, i, z, j, -step * reach[:, part], outcome)
            numerical[part, j] = (up - down).mean(axis=0) / (2 * step)
            crossed = np.zeros(up.shape, bool)
            for one, other in zip(up_sides, down_sides, strict=True):
                crossed |= (one != other).any(axis=1).reshape(up.shape)
            kinks[part, j] = crossed.any(axis=0)
    return numerical, kinks


def _altered(
    network: Network, i: int, z: Array, j: int, change: Array, outcome: _Outcome
) -> tuple[Array, list[Array]]:
    """Losses (n, copies) with unit j of layer i changed by change (n, copies), and all sides."""
    copies = change.shape[1]
    altered = np.repeat(z, copies, axis=0)
    altered[:, j] += change.reshape(-1)
    sides = []
    for at in range(i, len(network.layers)):
        activation = _layer(network, at).activation
        if activations.ACTIVATIONS[activation].kinked:
            sides.append(altered > 0)
        altered = getattr(ops, activation)(altered)
        if at + 1 < len(network.layers):
            altered = _preactivation(network, at + 1, altered, copies)
    losses_of, hinges = outcome(altered, copies)
    return losses_of, [*sides, hinges]


def _compare(
    name: str,
    analytic: Array,
    numerical: Array,
    kinks: Array,
    tolerance: float,
    rounding: float = 0.0,
) -> ParameterCheck:
    """Compare one parameter; rounding is the error that the rounding of the cost alone makes."""
    a, b = analytic[~kinks], numerical[~kinks]
    error = np.abs(a - b)
    relative = error / np.maximum(1e-6, np.abs(a) + np.abs(b))
    for array in (error, relative):
        array[np.isnan(array)] = np.inf
    n = len(error)
    return ParameterCheck(
        name,
        100 * float((error < tolerance).mean()) if n else math.nan,
        float(error.max()) if n else math.nan,
        float(relative.max()) if n else math.nan,
        n,
        int(kinks.sum()),
        int(((np.minimum(error, relative) >= tolerance) & (error > rounding)).sum()),
    )
