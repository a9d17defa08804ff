"""What a layer is: its sizes, its activation, its penalties, its initialisation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, cast

import numpy as np

from fastdl import _check, activations
from fastdl.init import Init
from fastdl.losses import Loss

_KEYS = ("input", "output", "nonlinear", "regularization")
_EXAMPLE = {"input": 784, "output": 10, "nonlinear": "softmax", "regularization": "none"}
_NONLINEAR = {"relu": "relu", "sigmoid": "sigmoid", "softmax": "identity", "none": "identity"}


@dataclass(frozen=True)
class Dense:
    """activation(x W + b).

    Parameters
    ----------
    d, h : int
        Inputs and units: W has the shape (d, h).
    activation : str
        "identity", "relu", "leaky_relu", "sigmoid", "tanh", "elu", "selu", "softplus", "exp",
        "gelu" (the tanh form), "silu" or "mish".
    l1, l2 : float
        The penalty l1 sum(|W|) + l2 sum(W^2); the bias has none.
    init : str or Init, optional
        Of W; None: the network's.
    """

    d: int
    h: int
    activation: str = "identity"
    l1: float = 0.0
    l2: float = 0.0
    init: str | Init | None = None

    def __post_init__(self) -> None:
        # Numbers of NumPy become Python's, which a saved network's JSON can hold.
        object.__setattr__(self, "d", _check.integer("d", self.d))
        object.__setattr__(self, "h", _check.integer("h", self.h))
        activations.get(self.activation)
        object.__setattr__(self, "l1", _check.real("l1", self.l1, 0.0))
        object.__setattr__(self, "l2", _check.real("l2", self.l2, 0.0))

    @property
    def n_parameters(self) -> int:
        """Weights and biases together."""
        return self.d * self.h + self.h


def from_given(
    given: Sequence[int] | Sequence[Dense], activation: str, last: str
) -> tuple[Dense, ...]:
    """Layers as they are, or by their widths, with the activations of hidden ones and the last."""
    if isinstance(given, str | bytes) or not isinstance(given, Sequence | np.ndarray):
        raise TypeError(
            f"layers must be widths or Dense layers; got {given!r:.100}, use [784, 128, 10]"
        )
    if all(isinstance(layer, Dense) for layer in given):
        dense = tuple(layer for layer in given if isinstance(layer, Dense))
    elif any(isinstance(layer, Dense) for layer in given):
        i = next(i for i, layer in enumerate(given) if not isinstance(layer, Dense))
        raise TypeError(
            f"layers[{i}] must be a Dense layer, as others are; got {given[i]!r:.100}, "
            f"use {_between(given, i)}"
        )
    else:
        activations.get(activation)
        dense = from_widths(cast(Sequence[int], given), activation, last)
    check_chain(dense)
    return dense


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


def check_chain(layers: Sequence[Dense]) -> None:
    """Each layer must take what the one before it gives."""
    if not layers:
        raise ValueError("layers must hold at least one layer; got none, use [784, 10]")
    for i, (below, layer) in enumerate(pairwise(layers)):
        if below.h != layer.d:
            raise ValueError(
                f"layers[{i + 1}] must take the {below.h} outputs of layers[{i}]; got d={layer.d}, "
                f"use fd.Dense({below.h}, {layer.h})"
            )


def penalised(layers: tuple[Dense, ...], l1: float | None, l2: float | None) -> tuple[Dense, ...]:
    """The layers, but with this l1 or l2; None stands for what they have."""
    if l1 is None and l2 is None:
        return layers
    l1 = None if l1 is None else _check.real("l1", l1, 0.0)
    l2 = None if l2 is None else _check.real("l2", l2, 0.0)
    return tuple(
        replace(layer, l1=layer.l1 if l1 is None else l1, l2=layer.l2 if l2 is None else l2)
        for layer in layers
    )


def _between(given: Sequence[object], i: int) -> str:
    """In code, the layer that fits where something else is given."""
    before, odd, after = given[i - 1 : i], given[i], given[i + 1 : i + 2]
    d = next((layer.h for layer in before if isinstance(layer, Dense)), 784)
    h = odd if type(odd) is int and odd > 0 else 10
    return f"fd.Dense({d}, {next((layer.d for layer in after if isinstance(layer, Dense)), h)})"


def check_outputs(
    dense: Sequence[Dense], loss: Loss, given: Sequence[int] | Sequence[Dense]
) -> None:
    """Refuse a last layer that does not go with the loss.

    A single output would be the only class there is, and so always right.
    """
    last = dense[-1]
    if last.h == 1 and loss.y == "labels":
        raise ValueError(
            f"layers[-1] must have an output for each label with {loss.name}; got 1 alone, use "
            + (f"fd.Dense({last.d}, 2)" if isinstance(given[-1], Dense) else "2")
            + " for the labels 0 and 1 (or loss='binary_cross_entropy'), or loss='mse' for numbers"
        )
    if loss.outputs and last.activation not in loss.outputs:
        raise ValueError(
            f"layers[-1] must have the activation {' or '.join(loss.outputs)} with {loss.name}; "
            f"got {last.activation!r}, "
            f"use fd.Dense({last.d}, {last.h}, {loss.outputs[0]!r})"
        )
