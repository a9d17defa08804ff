"""What is wrong with a gradient, in words: which mistake gives exactly these numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastdl import activations, ops
from fastdl._calling import Problem
from fastdl._check import Array

RELATIVE = 1e-5  # norm of a difference to the norm: float32 code passes, no mistake does
_EXPLAINED = 1e-4  # of what a mistake leaves unexplained

Gradients = list[tuple[Array, Array]]  # of the loss alone, by layer: (d, h) and (h,)


class Network(NamedTuple):
    """What going back through a network takes.

    Attributes
    ----------
    activations : sequence of str
        Of every layer.
    loss : callable
        From logits to their gradient (n, k), a mean over rows.
    """

    activations: Sequence[str]
    loss: Callable[[Array], Array]


def forward(
    network: Network, x: Array, weights: list[Array], biases: list[Array]
) -> tuple[list[Array], list[Array]]:
    """What goes into every activation, and what comes out."""
    zs, outputs, a = [], [], x
    for weight, bias, activation in zip(weights, biases, network.activations, strict=True):
        zs.append(a @ weight + bias)
        a = getattr(ops, activation)(zs[-1])
        outputs.append(a)
    return zs, outputs


def _slope(activation: str, z: Array) -> Array:
    """The derivative of an activation at z."""
    by = z if activations.get(activation).by_input else getattr(ops, activation)(z)
    slope: Array = getattr(ops, f"{activation}_backward")(np.ones_like(by), by)
    return slope


class _Back:
    """Goes back through a network; a mistake is a method that does something else."""

    def __init__(self, network: Network, problem: Problem) -> None:
        self.network, self.problem = network, problem
        self.inputs = [problem.x, *problem.hidden]
        self.top = self.dlogits(problem.zs[-1])

    def dlogits(self, logits: Array) -> Array:
        """The gradient of the loss by what goes into the last activation."""
        last = self.network.activations[-1]
        return self.network.loss(getattr(ops, last)(logits)) * _slope(last, logits)

    def slope(self, i: int) -> Array:
        """Of the activation of layer i at what goes into it."""
        return _slope(self.network.activations[i], self.problem.zs[i])

    def gradients(
        self,
        top: Array | None = None,
        slope: Callable[[int], Array] | None = None,
        inputs: Sequence[Array] | None = None,
        weights: Sequence[Array] | None = None,
    ) -> Gradients:
        """Of every layer; what is given takes the place of the right one."""
        dz = self.top if top is None else top
        slope = slope or self.slope
        inputs = inputs or self.inputs
        weights = weights or self.problem.weights
        result: Gradients = []
        for i in reversed(range(len(weights))):
            result.insert(0, (inputs[i].T @ dz, dz.sum(axis=0)))
            if i:
                dz = dz @ weights[i].T * slope(i - 1)
        return result


def _stories(network: Network, problem: Problem) -> Iterator[tuple[str, Gradients]]:
    """The gradients that a mistake in going back gives, and its words; first without any."""
    back = _Back(network, problem)
    n = len(problem.x)
    hidden = network.activations[:-1]
    yield "", back.gradients()
    if problem.y.ndim == 1:
        for words, top in _wrong_tops(problem):
            yield words, back.gradients(top / n)
    if hidden:
        yield from _stories_of_hidden(back, hidden)
    for which, part in (("first", np.s_[:1]), ("last", np.s_[-1:])):
        alone = np.zeros_like(back.top)
        alone[part] = back.top[part]
        yield f"only the {which} row of the batch counts", back.gradients(alone)
    bare = [np.zeros_like(bias) for bias in problem.biases]
    zs, outputs = forward(network, problem.x, problem.weights, bare)
    without = _Back(network, replace(problem, biases=bare, zs=zs, hidden=outputs[:-1]))
    yield "the biases are left out of the forward pass", without.gradients()


def _wrong_tops(problem: Problem) -> Iterator[tuple[str, Array]]:
    """Wrong gradients by the logits, summed over rows, of a loss of labels."""
    p, logits = problem.probabilities, problem.zs[-1]
    classes = np.eye(p.shape[1])
    y = classes[problem.y]
    yield "Y is not taken off P", p
    yield "P is left out, only Y is there", -y
    raised = np.exp(logits - logits.max(axis=0))
    yield "softmax sums over the rows, not over the classes", raised / raised.sum(axis=0) - y
    yield "softmax is left out: the scores stand for probabilities", logits - y
    yield "a sigmoid stands for softmax", ops.sigmoid(logits) - y
    yield "the predicted labels stand for probabilities", classes[p.argmax(axis=1)] - y
    for off in (1, -1):
        yield "the labels are one class off", p - np.roll(y, off, axis=1)
    off_by = p - y
    squared = p * (off_by - (off_by * p).sum(axis=1, keepdims=True))
    yield "it is the gradient of a squared error, not of the cross-entropy", squared


def _stories_of_hidden(back: _Back, hidden: Sequence[str]) -> Iterator[tuple[str, Gradients]]:
    zs, outputs, weights = back.problem.zs, back.problem.hidden, back.problem.weights
    named = "mask of the ReLU" if set(hidden) == {"relu"} else f"derivative of the {hidden[0]}"
    yield (
        f"the {named} is left out on the way back",
        back.gradients(slope=lambda i: np.ones_like(zs[i])),
    )
    for j in range(len(hidden)) if len(hidden) > 1 else ():

        def but_one(i: int, j: int = j) -> Array:
            return np.ones_like(zs[i]) if i == j else back.slope(i)

        yield (
            f"the {named} of layer {j + 1} is left out on the way back",
            back.gradients(slope=but_one),
        )
    shifted = [back.slope(i) for i in range(len(hidden))]
    if len({slope.shape for slope in shifted}) < len(shifted):
        for off in (1, -1):

            def neighbour(i: int, off: int = off) -> Array:
                j = i + off
                fits = 0 <= j < len(shifted) and shifted[j].shape == shifted[i].shape
                return shifted[j if fits else i]

            yield f"the {named} is taken from the wrong layer", back.gradients(slope=neighbour)
    yield (
        f"the {named} is taken of the gradient, not of the layer's values",
        _by_gradient(back, hidden),
    )
    yield (
        f"the {named} is taken at the layer's output, not at its input",
        back.gradients(slope=lambda i: _slope(hidden[i], outputs[i])),
    )
    for other in ("sigmoid", "tanh", "leaky_relu", "relu"):
        if other not in hidden:

            def of_another(i: int, other: str = other) -> Array:
                return _slope(other, zs[i])

            yield (
                f"the derivative is that of {other}, not of {hidden[0]}",
                back.gradients(slope=of_another),
            )
    yield (
        "the derivative is h (1 - h), that of a sigmoid",
        back.gradients(slope=lambda i: outputs[i] * (1 - outputs[i])),
    )
    yield (
        "it takes the layer's input before the activation, not after it",
        back.gradients(inputs=[back.problem.x, *zs[:-1]]),
    )
    square = [weight.shape[0] == weight.shape[1] for weight in weights]
    if any(square[1:]):
        turned = [each.T if fits else each for each, fits in zip(weights, square, strict=True)]
        yield (
            "the gradient goes back through W and not through its transpose",
            back.gradients(weights=turned),
        )


def _by_gradient(back: _Back, hidden: Sequence[str]) -> Gradients:
    """With the derivative at the gradient that comes back in place of the layer's values."""
    problem, dz = back.problem, back.top
    result: Gradients = []
    for i in reversed(range(len(problem.weights))):
        result.insert(0, (back.inputs[i].T @ dz, dz.sum(axis=0)))
        if i:
            da = dz @ problem.weights[i].T
            dz = da * _slope(hidden[i - 1], da)
    return result


class Diagnosis:
    """Finds the words for the gradients of one function.

    Parameters
    ----------
    network : Network
    problem : Problem
    ours : dict of str to array
        The right gradients of the cost, by the names of ``fastdl.Network.parameters``.
    """

    def __init__(self, network: Network, problem: Problem, ours: dict[str, Array]) -> None:
        self.problem, self.ours = problem, ours
        self.n, self.k = len(problem.x), problem.probabilities.shape[1]
        self.stories = list(_stories(network, problem))

    def weight(self, i: int, found: Array) -> str:
        """Of dW of layer i, as it was returned; empty where it is right."""
        wanted = self.ours[f"layers.{i}.weight"]
        if found.shape == wanted.shape and close(found, wanted):
            return ""
        as_it_is = _as_it_is(found, wanted)
        if as_it_is:
            return as_it_is
        weight = self.problem.weights[i]
        if found.shape == wanted.shape:
            words = self._explained(i, 0, found, weight)
            if words:
                return words
        if found.T.shape == wanted.shape:
            if close(found.T, wanted):
                return "is transposed"
            words = self._explained(i, 0, found.T, weight)
            if words:
                return f"is transposed, and {words}"
        return self._other_layer(i, "weight", found) or self._unknown(found, wanted)

    def bias(self, i: int, found: Array) -> str:
        """Of db of layer i, as it was returned; empty where it is right."""
        wanted = self.ours[f"layers.{i}.bias"]
        as_it_is = _as_it_is(found, wanted)
        if as_it_is:
            return as_it_is
        if found.size == wanted.size:
            flat = found.reshape(-1)
            if close(flat, wanted):
                return ""
            words = self._explained(i, 1, flat, self.problem.biases[i])
            return words or self._other_layer(i, "bias", found) or self._unknown(flat, wanted)
        for axis in range(found.ndim):
            summed = found.sum(axis=axis).reshape(-1)
            if summed.shape == wanted.shape and found.shape[axis] == self.n:
                factor = self._factor(_ratio(summed, wanted))
                rest = "" if factor in ("", None) else f", and its sum {factor}"
                return f"is not summed over the rows of the batch: got {found.shape}{rest}"
        if found.size == self.n:
            return "is summed over the units, not over the rows of the batch"
        return self._unknown(found, wanted)

    def _explained(self, i: int, of: int, found: Array, parameter: Array) -> str:
        """The first story that gives these numbers, up to factors that have a name."""
        n, l2 = self.n, self.problem.l2
        for story, gradients in self.stories:
            loss = gradients[i][of]
            c, e, left = _fit(found, loss, parameter)
            factor = self._factor(c)
            share = _penalty(e / (2 * l2) if l2 else e, n, bool(l2), of)
            if left < _EXPLAINED and factor is not None:
                if factor and not of and l2 and _near(e, 2 * l2 * c):
                    return "; ".join(filter(None, (story, f"{factor}, its penalty included")))
                if share is not None:
                    return "; ".join(filter(None, (story, factor, share)))
            for words, penalty in self._penalties(parameter) if not of else ():
                c, e, left = _fit(found, loss, penalty)
                factor = self._factor(c)
                if left < _EXPLAINED and factor is not None and _near(e, 1.0):
                    return "; ".join(filter(None, (story, factor, words)))
        return ""

    def _factor(self, c: float) -> str | None:
        return _factor(c, self.n, self.k, len(self.problem.weights[0]))

    def _penalties(self, weight: Array) -> Iterator[tuple[str, Array]]:
        """Wrong gradients of the penalty that are no multiple of W, and their words."""
        l2 = self.problem.l2
        if l2:
            yield (
                "the penalty's gradient goes by the sign of W, as that of L1",
                l2 * np.sign(weight),
            )
            whole = np.full_like(weight, l2 * (weight**2).sum())
            yield "the penalty's value is added in place of its gradient", whole
            yield "the penalty's gradient goes by W²", l2 * weight**2

    def _other_layer(self, i: int, kind: str, found: Array) -> str:
        for j in range(len(self.problem.weights)):
            other = self.ours[f"layers.{j}.{kind}"]
            if j != i and found.size == other.size and close(found.reshape(other.shape), other):
                return f"is that of layer {j + 1}: the order of the layers is wrong"
        return ""

    def _unknown(self, found: Array, wanted: Array) -> str:
        if found.shape != wanted.shape:
            return f"has the wrong shape: got {found.shape}, the parameter is {wanted.shape}"
        scale = np.abs(wanted).max() or 1.0
        off = np.abs(found - wanted) > 1e-6 * scale
        at = np.unravel_index(np.abs(found - wanted).argmax(), off.shape)
        place = ", ".join(str(int(each)) for each in at)
        some = f"{off.mean():.0%} of its elements are" if off.mean() > 0.005 else f"{off.sum()} is"
        return (
            f"is none of the known mistakes: {some} off, the most at [{place}], "
            f"{found[at]:.4g} where ours is {wanted[at]:.4g}"
        )


def close(found: Array, wanted: Array) -> bool:
    """Whether two gradients of one shape are the same up to rounding."""
    return difference(found, wanted) < RELATIVE


def difference(found: Array, wanted: Array) -> float:
    """The norm of their difference to the norm of the one that is wanted; 0 where both are zero."""
    off = float(np.linalg.norm(found - wanted))
    return off / max(float(np.linalg.norm(wanted)), 1e-12)


def _as_it_is(found: Array, wanted: Array) -> str:
    """What is wrong with numbers that no story need be looked for."""
    if not np.isfinite(found).all():
        share = f"{np.mean(~np.isfinite(found)):.0%}"
        return f"has NaN or infinities, {share} of its elements: look for an overflow in exp"
    zero = np.linalg.norm(found) <= 1e-9 * np.linalg.norm(wanted) and wanted.any()
    return "is zero" if zero else ""


def _ratio(found: Array, wanted: Array) -> float:
    return float((found * wanted).sum() / max(float((wanted**2).sum()), 1e-300))


def _fit(found: Array, loss: Array, penalty: Array) -> tuple[float, float, float]:
    """c and e of found = c loss + e penalty, and the share of found that they leave over."""
    sides = np.stack([loss.reshape(-1), penalty.reshape(-1)], axis=1)
    scale = np.linalg.norm(sides, axis=0)
    scale[scale == 0] = 1.0
    (c, e), *_ = np.linalg.lstsq(sides / scale, found.reshape(-1), rcond=1e-9)
    c, e = c / scale[0], e / scale[1]
    rest = np.linalg.norm(sides @ (c, e) - found.reshape(-1))
    size = max(float(np.linalg.norm(found)), 1e-12)
    # A share that is only rounding is none.
    c, e = (
        0.0 if abs(v) * s < 1e-6 * size else float(v) for v, s in ((c, scale[0]), (e, scale[1]))
    )
    return c, e, float(rest / size)


def _near(value: float, wanted: float) -> bool:
    return abs(value - wanted) <= 1e-3 * max(abs(wanted), 1e-12)


def _factor(c: float, n: int, k: int, d: int) -> str | None:
    """The words for a gradient of the loss that is c times ours; None where there are none."""
    if c < 0:
        rest = _factor(-c, n, k, d)
        return rest if rest is None else f"has the wrong sign{rest and f'; {rest}'}"
    named = (
        (1.0, ""),
        (0.0, "the gradient of the loss is missing"),
        (n, "is ours · n: a sum is taken where the mean is asked for"),
        (1 / n, "is ours / n: a mean is taken twice"),
        (n / max(1, n - 1), "is ours · n / (n - 1): it is divided by n - 1"),
        (2.0, "is twice ours"),
        (0.5, "is half of ours"),
        (k, "is ours · k, the number of classes"),
        (1 / k, "is ours / k: it is divided by the number of classes"),
        (n / k, "is ours · n / k: it is divided by the number of classes, not by that of the rows"),
        (n / d, "is ours · n / d: it is divided by the number of inputs, not by that of the rows"),
        (1 / d, "is ours / d: it is divided by the number of inputs too"),
        (1 / (n * k), "is ours / (n k): a mean over all elements is taken twice"),
    )
    return _first_near(c, named)


def _penalty(share: float, n: int, penalised: bool, of: int) -> str | None:
    """The words for a penalty whose gradient is so many times 2 λ W; None where there are none."""
    if of == 1 or not penalised:  # no bias is penalised
        if not share:
            return ""
        if of == 1 and penalised:
            return "the penalty counts the bias too"
        return f"{share:.4g} W is added, though l2 is 0"
    named = (
        (1.0, ""),
        (0.0, "missing 2 λ W: the penalty has no gradient"),
        (0.5, "λ W in place of 2 λ W: the penalty's factor 2 is missing"),
        (2.0, "4 λ W in place of 2 λ W: the penalty counts twice"),
        (1 / n, "2 λ W / n in place of 2 λ W: the penalty is divided by the batch size"),
        (0.5 / n, "λ W / n in place of 2 λ W: the penalty is divided by the batch size"),
        (n, "2 λ W · n in place of 2 λ W: the penalty is summed over the rows"),
        (-1.0, "-2 λ W in place of 2 λ W: the penalty has the wrong sign"),
        (-0.5, "-λ W in place of 2 λ W: the penalty has the wrong sign"),
    )
    return _first_near(share, named)


def _first_near(value: float, named: Sequence[tuple[float, str]]) -> str | None:
    """The words of the first number that is this one; sizes may coincide."""
    return next((words for number, words in named if _near(value, number)), None)
