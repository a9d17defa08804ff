"""What layers are: their sizes, and what makes one differ from another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np

from fastdl import _check, _kernels, activations
from fastdl.init import Init
from fastdl.losses import Loss

_KEYS = ("input", "output", "nonlinear", "regularization")
_EXAMPLE = {"input": 784, "output": 10, "nonlinear": "softmax", "regularization": "none"}
_NONLINEAR = {"relu": "relu", "sigmoid": "sigmoid", "softmax": "identity", "none": "identity"}
_INFERRED: Any = None  # a width that a network finds out: its layers have numbers


@dataclass(frozen=True)
class Dense:
    """activation(x W + b).

    A number alone, ``Dense(50)``, is its units: the inputs are then what the layer before gives,
    which a network finds out. Its first one has to have both.

    Parameters
    ----------
    d, h : int
        Inputs and units: W has the shape (d, h).
    activation : str
        "identity", "relu", "leaky_relu", "sigmoid", "tanh", "elu", "selu", "softplus", "exp",
        "gelu" (the tanh form), "silu" or "mish".
    l1, l2 : float
        The penalty ``l1 sum(|W|) + l2 sum(W^2)``; the bias has none.
    init : str or Init, optional
        Of W; None: the network's.

    Examples
    --------
    >>> fd.Network([fd.Dense(784, 128, "relu"), fd.Dense(10, l2=1e-4)])
    <Network 784-128-10: relu, identity; softmax_cross_entropy; float32; 101,770 parameters>
    """

    d: int = _INFERRED
    h: int = _INFERRED
    activation: str = "identity"
    l1: float = 0.0
    l2: float = 0.0
    init: str | Init | None = None

    def __post_init__(self) -> None:
        second: object = self.h
        if isinstance(second, str) and second in activations.ACTIVATIONS:
            raise TypeError(
                f"h must be a number of units; got {second!r}, "
                f"use fd.Dense({self.d!r}, activation={second!r})"
            )
        d, h = (_INFERRED, self.d) if self.h is None else (self.d, self.h)
        # Numbers of NumPy become Python's, which a saved network's JSON can hold.
        object.__setattr__(self, "d", d if d is None else _check.integer("d", d))
        object.__setattr__(self, "h", _check.integer("h", h))
        activations.get(self.activation)
        object.__setattr__(self, "l1", _check.real("l1", self.l1, 0.0))
        object.__setattr__(self, "l2", _check.real("l2", self.l2, 0.0))

    @property
    def n_parameters(self) -> int:
        """Weights and biases together."""
        return self.d * self.h + self.h

    @property
    def title(self) -> str:
        """What it does to x W + bias, in a word."""
        return self.activation


@dataclass(frozen=True)
class Mask:
    """What multiplies every item by a random factor in training, and leaves it alone else."""

    rate: float
    d: int = _INFERRED
    name: ClassVar[str]  # of its function in ``fastdl.ops``
    n_parameters: ClassVar[int] = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _check.real("rate", self.rate, 0.0, 1.0))
        if self.d is not None:
            object.__setattr__(self, "d", _check.integer("d", self.d))

    @property
    def h(self) -> int:
        """It gives as much as it takes."""
        return self.d

    @property
    def code(self) -> int:
        """The number by which the kernels know it."""
        return _kernels.MASKS[self.name]

    @property
    def title(self) -> str:
        """What it does, in two words."""
        return f"{self.name} {self.rate:g}"


@dataclass(frozen=True)  # so that it is named where an argument is not known
class Dropout(Mask):
    """Sets a random share of its inputs to zero in training (Srivastava et al. 2014).

    The others are divided by 1 - rate, so that nothing needs to be done where a network answers:
    ``predict``, ``evaluate``, ``gradients`` and ``check_gradients`` leave it out, and so do the
    records of a fit but with ``train_metrics="batches"``. It may stand anywhere but at the end.

    What is set to zero is decided by the trainer's seed, the step, the layer, the row's place in
    its batch and the input: the same on any number of threads, and in a fit that goes on.

    Parameters
    ----------
    rate : float in [0, 1)
        The share.
    d : int
        Its inputs; None: a network finds out.

    Examples
    --------
    >>> fd.Network([fd.Dense(784, 128, "relu"), fd.Dropout(0.5), fd.Dense(10)]).layers[1]
    Dropout(rate=0.5, d=128)
    """

    name = "dropout"


@dataclass(frozen=True)
class BatchNorm:
    """activation(gamma (x - mean) / sqrt(variance + epsilon) + beta), unit by unit.

    Mean and variance are those of a batch where a network is trained (Ioffe and Szegedy 2015), the
    variance the biased one, sum((x - mean)^2) / n; where it answers, running ones, which begin at 0
    and 1. Each step moves them: running = momentum running + (1 - momentum) batch. gamma, which
    begins at 1, and beta, at 0, are trained, without a penalty. ``Network.gradients`` and
    ``check_gradients`` take the rows that they are given as one batch, and move nothing.

    It may stand anywhere after the first ``Dense`` layer but at the end; usually right after a
    ``Dense`` without an activation, whose bias then does nothing: beta is in its place.

    Parameters
    ----------
    momentum : float in [0, 1)
        What the running mean and variance keep in each step, as Keras means it; PyTorch's momentum
        is 1 minus this.
    epsilon : float
        Above 0. PyTorch's is 1e-5 as well, that of Keras 1e-3.
    activation : str
        As for ``Dense``; ``fd.BatchNorm(), fd.Activation("relu")`` is the same.
    d : int
        Its inputs; None: a network finds out.

    Notes
    -----
    A batch of one row has the variance 0: all that it normalises is 0, the answer of that step is
    activation(beta) whatever the row, and nothing before the layer learns. So take batches of some
    rows, with ``drop_last=True`` where one would be left at the end of an epoch; a ``batch_size``
    of 1 is warned of. PyTorch's running
    variance is that of the unbiased one, n / (n - 1) as large; Keras's is as here.

    Examples
    --------
    >>> fd.Network([fd.Dense(784, 128), fd.BatchNorm(), fd.Activation("gelu"), fd.Dense(10)])
    <Network 784-128-10: identity, batch_norm gelu, identity; softmax_cross_entropy; float32; \
102,026 parameters>
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    activation: str = "identity"
    d: int = _INFERRED
    name: ClassVar[str] = "batch_norm"

    def __post_init__(self) -> None:
        if type(self.momentum) is int and self.momentum > 1:  # its units, as PyTorch has them first
            raise ValueError(
                f"momentum must lie in [0, 1); got {self.momentum}, use momentum=0.9 (a network "
                "finds out how many units a layer has)"
            )
        object.__setattr__(self, "momentum", _check.real("momentum", self.momentum, 0.0, 1.0))
        object.__setattr__(self, "epsilon", _check.real("epsilon", self.epsilon, above=0.0))
        activations.get(self.activation)
        if self.d is not None:
            object.__setattr__(self, "d", _check.integer("d", self.d))

    @property
    def h(self) -> int:
        """It gives as much as it takes."""
        return self.d

    @property
    def n_parameters(self) -> int:
        """Those that are trained: gamma and beta."""
        return 2 * self.d

    @property
    def title(self) -> str:
        """What it does, in a word or two."""
        return self.name if self.activation == "identity" else f"{self.name} {self.activation}"


@dataclass(frozen=True)
class Activation:
    """The activation of the layer before it, a ``Dense`` or a ``BatchNorm`` that names none.

    It is another way to write that layer's ``activation``, and no layer of its own: a network that
    is made with it has the activation in the layer before, and counts its layers without it.

    Parameters
    ----------
    activation : str
        As for ``Dense``.

    Examples
    --------
    >>> fd.Network([fd.Dense(4, 8), fd.Activation("relu"), fd.Dense(3)]).layers
    (Dense(d=4, h=8, activation='relu', l1=0.0, l2=0.0, init=None), Dense(d=8, h=3, \
activation='identity', l1=0.0, l2=0.0, init=None))
    """

    activation: str

    def __post_init__(self) -> None:
        activations.get(self.activation)


MASKS = {each.name: each for each in (Dropout,)}
KINDS = {**MASKS, BatchNorm.name: BatchNorm}  # of layers that a file names
Layer = Dense | Mask | BatchNorm
Given = Layer | Activation


def dense_of(layers: Sequence[Layer]) -> dict[int, Dense]:
    """The dense layers by their numbers."""
    return {i: layer for i, layer in enumerate(layers) if isinstance(layer, Dense)}


def without_masks(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers that do something where a network answers."""
    return tuple(layer for layer in layers if not isinstance(layer, Mask))


def from_given(
    given: Sequence[int] | Sequence[Given], activation: str, last: str
) -> tuple[Layer, ...]:
    """Layers as they are, or by their widths, with the activations of hidden ones and the last."""
    if isinstance(given, str | bytes) or not isinstance(given, Sequence | np.ndarray):
        raise TypeError(f"layers must be widths or layers; got {given!r:.100}, use [784, 128, 10]")
    if len(given) and not any(isinstance(layer, Given) for layer in given):
        activations.get(activation)
        return joined(from_widths(cast(Sequence[int], given), activation, last))
    for i, layer in enumerate(given):
        if not isinstance(layer, Given):
            raise TypeError(
                f"layers[{i}] must be a layer, as others are; got {layer!r:.100}, "
                f"use {_between(given, i)}"
            )
    return joined(cast(Sequence[Given], given))


def from_widths(widths: Sequence[int], activation: str, last: str) -> tuple[Dense, ...]:
    """Widths, inputs first, as layers."""
    if len(widths) < 2:
        nested = isinstance(widths[0], list | tuple)
        remedy = f"{widths[0]}" if nested else f"{[*widths, 10]} for ten outputs"
        raise ValueError(
            f"layers must give at least inputs and outputs; got {list(widths)!r}, use {remedy}"
        )
    widths = [_check.integer(f"layers[{i}]", width) for i, width in enumerate(widths)]
    functions = [activation] * (len(widths) - 2) + [last]
    return tuple(Dense(*each) for each in zip(widths, widths[1:], functions, strict=False))


def from_dictionaries(
    config: Sequence[Mapping[str, Any]], weight_decay: float
) -> tuple[Dense, ...]:
    """The dictionaries of Technion 236606 HW2; weight_decay is each named penalty's factor."""
    if not isinstance(config, list | tuple) or not config:
        raise TypeError(
            f"config must be a list of dictionaries, a layer each; got {config!r:.100}, "
            f"use {[_EXAMPLE]}"
        )
    layers: list[Dense] = []
    for i, entry in enumerate(config):
        where = f"config[{i}]"
        if not isinstance(entry, Mapping):
            raise TypeError(f"{where} must be a dictionary; got {entry!r:.100}, use {_EXAMPLE}")
        if set(entry) - set(_KEYS) or not {"input", "output"} <= set(entry):
            raise ValueError(
                f"{where} must have the keys {', '.join(_KEYS)}, the first two always; got "
                f"{', '.join(map(str, entry)) or 'none'}, use {_EXAMPLE}"
            )
        d = _check.integer(f"input of {where}", entry["input"])
        h = _check.integer(f"output of {where}", entry["output"])
        if layers and layers[-1].h != d:
            raise ValueError(
                f"input of {where} must be the {layers[-1].h} outputs of config[{i - 1}]; "
                f"got {d}, use {layers[-1].h}"
            )
        nonlinear = _check.choice(
            f"nonlinear of {where}", entry.get("nonlinear", "none"), tuple(_NONLINEAR)
        )
        if nonlinear == "softmax" and i < len(config) - 1:
            raise ValueError(
                f"nonlinear of {where} must not be softmax, which only the last layer's may be; "
                "got 'softmax', use 'relu'"
            )
        norm = entry.get("regularization", "none")
        _check.choice(f"regularization of {where}", norm, ("l1", "l2", "none"))
        layers.append(
            Dense(
                d,
                h,
                _NONLINEAR[nonlinear],
                l1=weight_decay if norm == "l1" else 0.0,
                l2=weight_decay if norm == "l2" else 0.0,
            )
        )
    return tuple(layers)


def joined(given: Sequence[Given]) -> tuple[Layer, ...]:
    """Layers of which each takes what the one before it gives, with all their widths."""
    if not given:
        raise ValueError("layers must hold at least one layer; got none, use [784, 10]")
    layers = [layer for layer in given if not isinstance(layer, Activation)]
    if not layers or not isinstance(layers[-1], Dense):
        raise ValueError(
            f"layers[-1] must be a Dense layer, which gives the outputs; got {given[-1]}, "
            f"use fd.Dense({'' if dense_of(layers) else '784, '}10) there for ten outputs"
        )
    i, first = next((i, layer) for i, layer in enumerate(given) if isinstance(layer, Dense))
    if first.d is None:
        raise ValueError(
            f"layers[{i}] must give its inputs too, as the first Dense layer; got {first.h} units "
            f"alone, use fd.Dense(784, {first.h}) where x has 784 columns"
        )
    result: list[Layer] = []
    for i, layer in enumerate(given):
        if isinstance(layer, Activation):
            result[-1:] = [_activated(result[-1] if result else None, i, layer.activation)]
            continue
        below = result[-1].h if result else first.d
        if layer.d is not None and layer.d != below:
            source = f"outputs of layers[{i - 1}]" if i else "inputs of the first Dense layer"
            raise ValueError(
                f"layers[{i}] must take the {below} {source}; got d={layer.d}, use "
                f"fd.{type(layer).__name__}({_settings(layer, below)})"
            )
        if isinstance(layer, BatchNorm) and not dense_of(result):
            raise ValueError(
                f"layers[{i}] must come after a Dense layer, whose outputs it normalises; got "
                "BatchNorm before the first one (a network's scaling is for x itself)"
            )
        result.append(replace(layer, d=below))
    return tuple(result)


def _settings(layer: Layer, below: int) -> str:
    """In code, what a layer is made with where it takes so many inputs."""
    if isinstance(layer, Dense):
        return f"{below}, {layer.h}"
    return f"{layer.rate:g}" if isinstance(layer, Mask) else ""


def _activated(layer: Layer | None, i: int, activation: str) -> Layer:
    """The layer before layers[i], with the activation that this gives it."""
    if isinstance(layer, Dense | BatchNorm) and layer.activation == "identity":
        return replace(layer, activation=activation)
    before = "nothing before it" if layer is None else f"it after {layer}"
    remedy = "put it right after such a layer"
    if isinstance(layer, Dense | BatchNorm):
        remedy = "name one of the two"
    raise ValueError(
        f"layers[{i}] must be the activation of a Dense or BatchNorm that names none; got "
        f"{before}, {remedy}"
    )


def penalised(layers: tuple[Layer, ...], l1: float | None, l2: float | None) -> tuple[Layer, ...]:
    """The layers, but with this l1 or l2; None stands for what they have."""
    if l1 is None and l2 is None:
        return layers
    l1 = None if l1 is None else _check.real("l1", l1, 0.0)
    l2 = None if l2 is None else _check.real("l2", l2, 0.0)
    return tuple(
        replace(layer, l1=layer.l1 if l1 is None else l1, l2=layer.l2 if l2 is None else l2)
        if isinstance(layer, Dense)
        else layer
        for layer in layers
    )


def _between(given: Sequence[object], i: int) -> str:
    """In code, the layer that fits where something else is given."""
    before, odd, after = given[:i], given[i], given[i + 1 :]
    d = next((f"{layer.h}" for layer in reversed(before) if isinstance(layer, Dense)), "784")
    h = odd if type(odd) is int and odd > 0 else 10
    h = next((layer.d or h for layer in after if isinstance(layer, Dense)), h)
    return f"fd.Dense({d}, {h})"


def has_norms(layers: Sequence[Layer]) -> bool:
    """Whether rows are normalised by their batch."""
    return any(isinstance(layer, BatchNorm) for layer in layers)


def check_outputs(
    layers: Sequence[Layer], loss: Loss, given: Sequence[int] | Sequence[Given]
) -> None:
    """Refuse a last layer that does not go with the loss.

    A single output would be the only class there is, and so always right.
    """
    last = layers[-1]
    assert isinstance(last, Dense)
    if last.h == 1 and loss.y == "labels":
        raise ValueError(
            f"layers[-1] must have an output for each label with {loss.name}; got 1 alone, use "
            + (f"fd.Dense({last.d}, 2)" if isinstance(given[-1], Given) else "2")
            + " for the labels 0 and 1 (or loss='binary_cross_entropy'), or loss='mse' for numbers"
        )
    if loss.outputs and last.activation not in loss.outputs:
        raise ValueError(
            f"layers[-1] must have the activation {' or '.join(loss.outputs)} with {loss.name}; "
            f"got {last.activation!r}, "
            f"use fd.Dense({last.d}, {last.h}, {loss.outputs[0]!r})"
        )


def unlike_logits(layers: Sequence[Layer], loss: Loss) -> str | None:
    """A sentence where a loss of labels or bits takes logits, which the last layer cannot give.

    A relu there, say, leaves a class without a gradient where its output is 0.
    """
    last = layers[-1]
    assert isinstance(last, Dense)
    kind = activations.get(last.activation)
    if kind.any_number or loss.y not in ("labels", "binary"):
        return None
    if kind.name == loss.probabilities:
        why = f"takes the {kind.name} of the outputs itself, so they get it twice after"
    else:
        why = "takes outputs of any size and sign, not all of which come from"
    return f"{loss.name} {why} a last layer of {kind.name}: use fd.Dense({last.h}) there"
