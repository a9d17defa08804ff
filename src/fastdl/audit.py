"""A student's own gradients against ours and against centred differences, with a diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastdl import _calling, _check, _diagnosis, data, gradcheck, ops
from fastdl._calling import Layout, Problem
from fastdl._check import Array
from fastdl.layers import BatchNorm, dense_of
from fastdl.losses import Own
from fastdl.network import Network, answering, core_of

_STEP = 1e-5
_GOOD = 0.999  # a cosine: this layout is the function's


class ParameterAudit(NamedTuple):
    """What there is to say of one gradient.

    Attributes
    ----------
    name : str
        ``layers.0.weight``, as in ``Network.parameters``.
    diagnosis : str
        What is wrong, in words; empty where nothing is.
    difference : float
        From ours: the norm of the difference to our norm.
    from_numerical : float
        Likewise from centred differences, kinks left out.
    """

    name: str
    diagnosis: str
    difference: float
    from_numerical: float


@dataclass(frozen=True)
class GradientAudit:
    """What ``audit_gradients`` has found; printing it shows a line a gradient.

    Attributes
    ----------
    parameters : tuple of ParameterAudit
    layout : str
        How the function was called.
    notes : tuple of str
        What must be known beside.

    Examples
    --------
    >>> def mine(x, y, W, b):  # without the mean over the rows
    ...     p = fd.ops.softmax(x @ W[0] + b[0]) - np.eye(3)[y]
    ...     return [x.T @ p], [p.sum(axis=0)]
    >>> rows = np.random.default_rng(0).normal(size=(6, 4))
    >>> audit = fd.audit_gradients(mine, fd.Network([4, 3]), rows, [0, 1, 2, 0, 1, 2])
    >>> audit.right, audit.of("layers.0.weight").diagnosis
    (False, 'is ours · n: a sum is taken where the mean is asked for')
    """

    parameters: tuple[ParameterAudit, ...]
    layout: str
    notes: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether every gradient is."""
        return not any(row.diagnosis for row in self.parameters)

    def of(self, name: str) -> ParameterAudit:
        """The audit of one parameter.

        Parameters
        ----------
        name : str
            ``layers.0.weight`` for instance.
        """
        names = tuple(row.name for row in self.parameters)
        return self.parameters[names.index(_check.choice("name", name, names))]

    def __str__(self) -> str:
        wrong = sum(bool(row.diagnosis) for row in self.parameters)
        head = "Every gradient is right." if self.right else (
            f"{wrong} of {len(self.parameters)} gradients are wrong."
        )  # fmt: skip
        lines = [head, f"Called with {self.layout}.", ""]
        for row in self.parameters:
            says = row.diagnosis or "right"
            lines.append(f"{_symbol(row.name)} {says}  [{row.difference:.1e} from ours, "
                         f"{row.from_numerical:.1e} from differences]")  # fmt: skip
        return "\n".join([*lines, *self.notes])

    __repr__ = __str__


def audit_gradients(
    function: Callable[..., Any], net: Network, x: ArrayLike, y: ArrayLike, l2: float = 0.0
) -> GradientAudit:
    """Hold a gradient function of your own against ours, and say what is wrong with it.

    Parameters
    ----------
    function : callable
        Gives the gradient of the cost, the mean loss plus l2 times the sum of the squared weights.
        It is called with what its parameters are named after: ``x``; ``y``; ``weights`` or ``W``,
        ``biases`` or ``b``, or ``W1``, ``b1``, ``W2`` and so on, or ``params``, a dict of all of
        them; ``l2`` or ``lam``; and where it wants them ``P``, the probabilities, ``S``, the
        logits, and ``H``, the hidden layers. A function of ``*args`` gets x, y, weights, biases,
        l2. It may take x as (d, n) or (n, d), y as labels or one-hot, weights as (h, d) or (d, h),
        biases as (h, 1), (h,) or (1, h): the layouts are tried, and that which agrees best is
        taken. It may return a dict with such names, a list, or a tuple of lists; see
        ``GradientAudit.layout``.
    net : Network
        Of the same layers, without ``BatchNorm``; its ``Dropout`` is left out, and not counted. Its
        penalties are set aside for ``l2``; where all its biases are zero the function gets small
        ones, for mistakes with zeros do not show.
    x : array (n, d)
        A few rows: the work is that of ``check_gradients``. With one alone, mistakes in the mean
        over rows do not show.
    y : as for ``Network.evaluate``
    l2 : float
        Where it is 0, mistakes in the penalty do not show.

    Returns
    -------
    GradientAudit

    Raises
    ------
    TypeError, ValueError
        Where the function cannot be called in any layout, or returns something else.

    Examples
    --------
    >>> def mine(x, y, W, b, lam):
    ...     s = W @ x + b
    ...     p = np.exp(s) / np.exp(s).sum(axis=0)
    ...     return (p - y) @ x.T / x.shape[1] + lam * W, (p - y).mean(axis=1, keepdims=True)
    >>> rows, labels = np.random.default_rng(0).normal(size=(6, 4)), [0, 1, 2, 0, 1, 2]
    >>> audit = fd.audit_gradients(mine, fd.Network([4, 3]), rows, labels, l2=0.1)
    >>> audit.of("layers.0.weight").diagnosis
    "λ W in place of 2 λ W: the penalty's factor 2 is missing"
    """
    if not isinstance(net, Network):
        raise TypeError(f"net must be a Network; got {net!r:.100}")
    if any(isinstance(layer, BatchNorm) for layer in net.layers):
        raise ValueError(
            f"net must be of dense layers; got {net}, compare your function's results with "
            "net.gradients(x, y), which has BatchNorm"
        )
    l2 = _check.real("l2", l2, 0.0)
    double = answering(net)
    caller = _calling.Caller(function, len(double.layers))
    double.set_penalty(l1=0.0, l2=l2)
    moved = caller.takes_parameters and _move_biases(double)
    rows, problem = _problem(double, x, y, l2)
    network = _diagnosis.Network(_activations(double), _loss(double, problem.y))
    ours = double.gradients(rows, problem.y)
    layout, found = _called(caller, problem, ours)
    diagnosis = _diagnosis.Diagnosis(network, problem, ours)
    numerical = {
        name: (each, kinks)
        for name, each, kinks in gradcheck.differences(double, rows, problem.y, _STEP)
    }
    audited = [
        _audited(diagnosis, name, found.get(name), layout, *numerical[name])
        for name in double.parameters
    ]
    notes = _notes(len(problem.x), l2, moved)
    return GradientAudit(tuple(audited), str(layout), tuple(notes))


def _activations(double: Network) -> list[str]:
    return [layer.activation for layer in dense_of(double.layers).values()]


def _move_biases(double: Network) -> bool:
    """Give a network without biases small ones; whether it had none."""
    names = [name for name in double.parameters if name.endswith("bias")]
    if any(double.parameters[name].any() for name in names):
        return False
    rng = np.random.default_rng(0)
    for name in names:
        double.parameters[name][...] = rng.normal(0.0, 0.1, double.parameters[name].shape)
    return True


def _problem(double: Network, x: ArrayLike, y: ArrayLike, l2: float) -> tuple[Array, Problem]:
    """The rows as they are and the problem with them; a row less where its number is a width."""
    given = data.check(core_of(double), x, y)
    inputs = gradcheck.network_inputs(double, given.x)
    widths = {double.layers[0].d, *(layer.h for layer in double.layers)}
    n = next((n for n in range(len(inputs), 1, -1) if n not in widths), len(inputs))
    parameters = double.parameters
    weights = [parameters[f"layers.{i}.weight"].copy() for i in range(len(double.layers))]
    biases = [parameters[f"layers.{i}.bias"].copy() for i in range(len(double.layers))]
    network = _diagnosis.Network(_activations(double), ops.identity)
    zs, outputs = _diagnosis.forward(network, inputs[:n], weights, biases)
    p: Array = getattr(ops, double.loss_function.probabilities or "identity")(outputs[-1])
    targets = np.asarray(given.targets) if given.labels is None else given.labels.astype(np.int64)
    problem = Problem(inputs[:n], targets[:n], weights, biases, zs, outputs[:-1], p, l2)
    return given.x[:n], problem


def _loss(double: Network, y: Array) -> Callable[[Array], Array]:
    """From outputs to the gradient of the mean loss by them."""
    loss = double.loss_function
    if isinstance(loss, Own):
        return lambda outputs: loss.of(outputs.copy(), y, None)[1]
    function = getattr(ops, double.loss)
    settings = loss.settings
    return lambda outputs: np.asarray(function(outputs, y, **settings)[1])


def _called(
    caller: _calling.Caller, problem: Problem, ours: dict[str, Array]
) -> tuple[Layout, dict[str, Array]]:
    """What the function returns in the layout in which it agrees best with ours."""
    best: tuple[float, Layout, dict[str, Array]] | None = None
    failed: Exception | None = None
    refused: ValueError | None = None
    for layout in _calling.layouts(problem):
        weights = [layout.weight(weight) for weight in problem.weights]
        biases = [layout.vector(bias) for bias in problem.biases]
        try:
            result = caller(problem, layout)
        except Exception as error:  # a function of anybody's may fail in any way
            failed = failed or error
            continue
        try:
            found = _calling.gradients(result, weights, biases)
        except ValueError as error:
            refused = refused or error
            continue
        agreement = _agreement(found, ours, layout)
        if best is None or agreement > best[0]:
            best = agreement, layout, found
        if agreement > _GOOD:
            break
    if refused and best is None:
        raise refused
    if best is None:
        layout = next(_calling.layouts(problem))
        raise ValueError(
            f"function must work with {layout}, or in another layout; got {type(failed).__name__}: "
            f"{failed!s:.100} with these and errors with all others, {_calling.REMEDY}"
        ) from failed
    return best[1], best[2]


def _agreement(found: dict[str, Array], ours: dict[str, Array], layout: Layout) -> float:
    """The mean over the parameters of the cosine between the gradients; 0 for another shape."""
    total = 0.0
    for name, got in found.items():
        wanted = ours[name]
        is_bias = name.endswith("bias")
        shaped = layout.vector(wanted) if is_bias else layout.weight(wanted)
        if got.shape == shaped.shape or (is_bias and got.size == shaped.size):
            size = float(np.linalg.norm(got) * np.linalg.norm(wanted))
            dot = abs(float((got.reshape(-1) * shaped.reshape(-1)).sum()))
            total += dot / size if size > 0 and np.isfinite(dot) else 0.0
    return total / len(ours)


def _audited(
    diagnosis: _diagnosis.Diagnosis,
    name: str,
    found: Array | None,
    layout: Layout,
    numerical: Array,
    kinks: Array,
) -> ParameterAudit:
    _, number, kind = name.split(".")
    i = int(number)
    if found is None:
        return ParameterAudit(name, "was not returned as an array", float("nan"), float("nan"))
    wanted = diagnosis.ours[name]
    if kind == "weight":
        found = found.T if layout.by_unit and found.ndim == 2 else found
        words = diagnosis.weight(i, found)
    else:
        words = diagnosis.bias(i, found)
        found = found.reshape(-1) if found.size == wanted.size else found
    if found.shape != wanted.shape:
        return ParameterAudit(name, words, float("nan"), float("nan"))
    return ParameterAudit(
        name,
        words,
        _diagnosis.difference(found, wanted),
        _diagnosis.difference(found[~kinks], numerical[~kinks]),
    )


def _symbol(name: str) -> str:
    _, number, kind = name.split(".")
    return f"{'dW' if kind == 'weight' else 'db'} of layer {int(number) + 1}:"


def _notes(n: int, l2: float, moved: bool) -> Iterator[str]:
    if n == 1:
        yield "There is one row: mistakes in the mean over rows do not show."
    if not l2:
        yield "l2 is 0: mistakes in the penalty do not show; try l2=0.1."
    if moved:
        yield "All biases were zero: the function got small ones."
