"""A network as the arrays and the configuration of a file, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np

from fastdl import _check, files, inputs, layers, losses
from fastdl._check import Array
from fastdl.core import Core
from fastdl.files import CheckpointError, Layout
from fastdl.inputs import Inputs
from fastdl.layers import KINDS, Dense, Layer
from fastdl.losses import Loss, Own
from fastdl.parameters import shapes_of
from fastdl.scaling import Scaling

_OF_LAYER = ("d", "h", "activation", "l1", "l2")


def contents(core: Core) -> tuple[dict[str, Array], dict[str, Any]]:
    """A network as the arrays and the configuration of a file."""
    config = {
        "layers": [_described_layer(layer) for layer in core.layers],
        "loss": core.loss.name, "settings": core.loss.settings, "dtype": core.dtype.name,
        "scaled": core.scaling is not None, "inputs": core.inputs,
    }  # fmt: skip
    if isinstance(core.loss, Own):
        config["function"] = core.loss.title
    arrays = dict(core.parameters)
    if core.scaling is not None:
        arrays |= {"scaling.shift": core.scaling.shift, "scaling.scale": core.scaling.scale}
    return arrays, config


class Saved(NamedTuple):
    """What a file says of its network."""

    layers: tuple[Layer, ...]
    loss: Loss
    dtype: np.dtype[Any]
    scaled: bool
    inputs: Inputs | None


def read(
    path: str | os.PathLike[str], loss: object = None
) -> tuple[Saved, Scaling | None, dict[str, Array]]:
    """A saved network: what the file says of it, its scaling, and its arrays."""
    config, arrays = files.read(path, lambda config: _layout(_described(path, config, loss)))
    saved, scaling = _described(path, config, loss), None
    if saved.scaled:
        try:
            scaling = Scaling(arrays["scaling.shift"], arrays["scaling.scale"])
        except ValueError as error:
            raise CheckpointError(f"{path} must hold a scaling: {error}") from error
    return saved, scaling, arrays


def _described(path: str | os.PathLike[str], config: Mapping[str, Any], given: object) -> Saved:
    try:
        found = layers.joined([_from_saved(layer) for layer in config["layers"]])
        loss = losses.from_saved(config, given)
        layers.check_outputs(found, loss, found)
        return Saved(
            found,
            loss,
            _check.dtype(_check.choice("dtype", config["dtype"], ("float32", "float64"))),
            bool(config["scaled"]),
            inputs.from_saved(config.get("inputs"), found[0].d),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path} must describe a network: {error}") from error


def _layout(saved: Saved) -> Layout:
    """The arrays of a saved network."""
    layout: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
    for i, layer in enumerate(saved.layers):
        for name, shape in shapes_of(layer).items():
            layout[f"layers.{i}.{name}"] = shape, saved.dtype
    if saved.scaled:
        shape = (saved.layers[0].d,)
        layout["scaling.shift"] = layout["scaling.scale"] = (shape, np.dtype(np.float64))
    return layout


def _described_layer(layer: Layer) -> dict[str, Any]:
    if isinstance(layer, Dense):
        return {name: getattr(layer, name) for name in _OF_LAYER}
    return {"kind": layer.name} | {name: getattr(layer, name) for name in _keys(type(layer))}


def _keys(kind: type[Layer]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _from_saved(layer: Mapping[str, Any]) -> Layer:
    settings = dict(layer)
    kind = settings.pop("kind", None)
    made: type[Layer] = Dense if kind is None else KINDS[_check.choice("kind", kind, tuple(KINDS))]
    keys = _OF_LAYER if kind is None else _keys(made)
    if not set(settings) <= set(keys):
        raise ValueError(f"a layer must have the keys {', '.join(keys)}; got {list(settings)}")
    return made(**settings)
