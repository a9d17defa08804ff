"""Networks of other libraries as ours, and ours as theirs: chains of what both know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fastdl import _needed
from fastdl._check import Array
from fastdl.layers import BatchNorm, Dense, Dropout, Layer
from fastdl.losses import Function, Loss
from fastdl.network import Network

_EXAMPLE = "torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), ...)"
# PyTorch's modules, the settings that make them ours, and their names here.
_TORCH: dict[str, tuple[dict[str, Any], str]] = {
    "Identity": ({}, "identity"), "ReLU": ({}, "relu"),
    "LeakyReLU": ({"negative_slope": 0.01}, "leaky_relu"), "Sigmoid": ({}, "sigmoid"),
    "Tanh": ({}, "tanh"), "ELU": ({"alpha": 1.0}, "elu"), "SELU": ({}, "selu"),
    "Softplus": ({"beta": 1.0, "threshold": 20.0}, "softplus"),
    "GELU": ({"approximate": "tanh"}, "gelu"), "SiLU": ({}, "silu"), "Mish": ({}, "mish"),
}  # fmt: skip
_KERAS = {  # Keras's names, and those here; its gelu is another one
    "linear": "identity", "exponential": "exp", "swish": "silu",
    **{name: name for name in (
        "relu", "sigmoid", "tanh", "elu", "selu", "softplus", "silu", "mish",
    )},
}  # fmt: skip


class Chain:
    """Layers and their arrays, as they are found one after another."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.layers: list[Layer] = []
        self.arrays: dict[str, Array] = {}

    def _add(self, layer: Layer, **arrays: Array) -> None:
        """Add a layer with what it has."""
        self.arrays |= {f"layers.{len(self.layers)}.{name}": each for name, each in arrays.items()}
        self.layers.append(layer)

    def dense(self, weight: Array, bias: Array | None, activation: str = "identity") -> None:
        """Add a layer of a weight (d, h)."""
        d, h = weight.shape
        bias = np.zeros(h, weight.dtype) if bias is None else bias
        self._add(Dense(d, h, activation), weight=weight, bias=bias)

    def norm(self, momentum: float, epsilon: float, arrays: Mapping[str, Array]) -> None:
        """Add a batch normalisation; where it has no gamma or no beta these are as they begin."""
        layer = BatchNorm(round(momentum, 12), epsilon, d=len(arrays["running_mean"]))
        if not self.arrays:
            raise ValueError(
                f"{self.name} must have batch normalisation after a dense layer; got it before the "
                "first one, leave it out and scale the rows"
            )
        self._add(layer, **arrays)

    def activate(self, activation: str, what: str) -> None:
        """Give the last layer an activation."""
        last = self.layers[-1] if self.layers else None
        if not isinstance(last, Dense | BatchNorm) or last.activation != "identity":
            raise ValueError(
                f"{self.name} must have an activation after a dense layer or batch normalisation "
                f"alone; got {what} elsewhere, leave it out or put it there"
            )
        self.layers[-1] = replace(last, activation=activation)

    def network(self, loss: str | Loss | Function, dtype: str) -> Network:
        """All of it."""
        if not self.arrays:
            raise ValueError(f"{self.name} must hold a dense layer; got none, use {_EXAMPLE}")
        result = Network(self.layers, loss=loss, dtype=dtype)
        result.parameters.update(self.arrays)
        return result


def from_torch(module: Any, *, loss: str | Loss | Function = "softmax_cross_entropy") -> Network:
    """A network with the layers and parameters of a module of PyTorch.

    Parameters
    ----------
    module : torch.nn.Sequential or torch.nn.Linear
        Of ``Linear``, ``BatchNorm1d``, ``Dropout``, ``Identity``, ``Flatten`` in front, the
        activations ``ReLU``, ``LeakyReLU(0.01)``, ``Sigmoid``, ``Tanh``, ``ELU``, ``SELU``,
        ``Softplus``, ``GELU(approximate="tanh")``, ``SiLU``, ``Mish``, and other ``Sequential``. In
        float32 or float64.
    loss : str, Loss or callable
        As for ``Network``. A softmax or a sigmoid at the end of a module is the loss's here: leave
        it out.

    Returns
    -------
    Network
        Its rows are taken as they are, as the module takes them: pixels as float32 / 255, say.

    Raises
    ------
    TypeError, ValueError
        For what only PyTorch knows.

    Examples
    --------
    >>> net = fd.from_torch(torch.nn.Sequential(  # doctest: +SKIP
    ...     torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)))
    """
    torch = _needed.module("torch", "from_torch", "use pip install torch")
    chain, dtypes = Chain("module"), set()
    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"module must be a torch.nn.Sequential; got {module!r:.100}, use {_EXAMPLE}"
        )
    for i, each in enumerate(_modules(module, torch)):
        kind = type(each).__name__
        if isinstance(each, torch.nn.Linear):
            dtypes.add(str(each.weight.dtype).removeprefix("torch."))
            bias = None if each.bias is None else _numbers(each.bias)
            chain.dense(_numbers(each.weight).T, bias)
        elif isinstance(each, torch.nn.BatchNorm1d):
            _take_norm(chain, each)
        elif isinstance(each, torch.nn.Dropout):
            chain.layers.append(Dropout(each.p))
        elif kind in _TORCH and _is_like(each, _TORCH[kind][0]):
            if _TORCH[kind][1] != "identity":
                chain.activate(_TORCH[kind][1], repr(each))
        elif kind != "Flatten" or chain.layers:
            raise ValueError(
                "module must be made of dense layers, batch normalisation, dropout and activations "
                f"that fastdl has; got {each!r:.100} at place {i}{_TORCH_REMEDY.get(kind, '')}"
            )
    return chain.network(loss, _only(dtypes))


# What a norm has here, and what PyTorch calls it.
_OF_NORM = {
    "gamma": "weight", "beta": "bias",
    "running_mean": "running_mean", "running_variance": "running_var",
}  # fmt: skip


def _take_norm(chain: Chain, module: Any) -> None:
    """Add a ``BatchNorm1d``, whose momentum is what a batch adds."""
    if module.running_mean is None or module.momentum is None:
        raise ValueError(
            f"module must have batch normalisation with running statistics and a momentum; got "
            f"{module!r:.100}, use torch.nn.BatchNorm1d({module.num_features})"
        )
    given = {ours: getattr(module, name) for ours, name in _OF_NORM.items()}
    arrays = {name: _numbers(tensor) for name, tensor in given.items() if tensor is not None}
    chain.norm(1 - module.momentum, module.eps, arrays)


_TORCH_REMEDY = {
    "GELU": ", use torch.nn.GELU(approximate='tanh') where that is near enough",
    "Softmax": ", which is the loss's here: leave it out",
    "LogSoftmax": ", which is the loss's here: leave it out",
}


def _numbers(tensor: Any) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array


def _modules(module: Any, torch: Any) -> Iterator[Any]:
    """Those of a chain, one after another."""
    if not isinstance(module, torch.nn.Sequential):
        yield module
        return
    for each in module:
        yield from _modules(each, torch)


def _is_like(module: Any, settings: Mapping[str, Any]) -> bool:
    return all(getattr(module, name) == value for name, value in settings.items())


def _only(dtypes: set[str]) -> str:
    if len(dtypes) > 1:
        raise ValueError(
            f"module must be of one dtype; got {', '.join(sorted(dtypes))}, use module.float()"
        )
    return next(iter(dtypes), "float32")


def to_torch(network: Network) -> Any:
    """A module of PyTorch that gives the network's logits.

    Parameters
    ----------
    network : Network
        With the activations that ``from_torch`` takes. A scaling goes into the first weight, so
        that the module takes raw features too; a network of pixels without one takes them divided
        by 255.

    Returns
    -------
    torch.nn.Sequential
        With copies of the parameters, in the network's dtype; ``Dropout`` as ``torch.nn.Dropout``,
        ``BatchNorm`` as ``torch.nn.BatchNorm1d``. Call ``eval()`` before it answers.

    Raises
    ------
    ValueError
        For the activation ``exp``, which PyTorch has no module of.

    Examples
    --------
    >>> module = fd.to_torch(fd.Network([784, 128, 10]))  # doctest: +SKIP
    >>> logits = module(torch.from_numpy(x))  # doctest: +SKIP
    """
    torch = _needed.module("torch", "to_torch", "use pip install torch")
    names = {ours: (name, settings) for name, (settings, ours) in _TORCH.items()}
    made: list[Any] = []
    for i, layer in enumerate(network.layers):
        if isinstance(layer, Dropout):
            made.append(torch.nn.Dropout(layer.rate))
        if not isinstance(layer, Dense | BatchNorm):
            continue
        if layer.activation not in names:
            raise ValueError(
                "network must have activations that PyTorch has modules of; got "
                f"{layer.activation!r} in layers[{i}], use network.to_onnx(path)"
            )
        kind = _linear if isinstance(layer, Dense) else _batch_norm
        made.append(kind(torch, network, i, bool(made)))
        if layer.activation != "identity":
            name, settings = names[layer.activation]
            made.append(getattr(torch.nn, name)(**settings))
    return torch.nn.Sequential(*made)


def _linear(torch: Any, network: Network, i: int, is_later: bool) -> Any:
    layer = network.layers[i]
    linear = torch.nn.Linear(layer.d, layer.h, dtype=getattr(torch, network.dtype.name))
    weight, bias = _arrays(network, i) if is_later else _of_raw_rows(network, i)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight.T)))
        linear.bias.copy_(torch.from_numpy(bias))
    return linear


def _batch_norm(torch: Any, network: Network, i: int, is_later: bool) -> Any:
    layer = network.layers[i]
    assert isinstance(layer, BatchNorm)
    norm = torch.nn.BatchNorm1d(
        layer.d, layer.epsilon, round(1 - layer.momentum, 12),
        dtype=getattr(torch, network.dtype.name),
    )  # fmt: skip
    with torch.no_grad():
        for ours, name in _OF_NORM.items():
            array = network.parameters[f"layers.{i}.{ours}"].copy()
            getattr(norm, name).copy_(torch.from_numpy(array))
    return norm


def _arrays(network: Network, i: int) -> tuple[Array, Array]:
    p = network.parameters
    return p[f"layers.{i}.weight"].copy(), p[f"layers.{i}.bias"].copy()


def _of_raw_rows(network: Network, i: int) -> tuple[Array, Array]:
    """A first layer's arrays with the scaling in them, in float64."""
    weight, bias = _arrays(network, i)
    if network.scaling is None:
        return weight, bias
    scaled = network.scaling.scale[:, None] * weight
    return scaled, bias - network.scaling.shift @ scaled


def from_keras(model: Any, *, loss: str | Loss | Function = "softmax_cross_entropy") -> Network:
    """A network with the layers and parameters of a sequential model of Keras.

    Parameters
    ----------
    model : keras.Sequential
        Built, of ``Dense``, ``BatchNormalization``, ``Activation``, ``ReLU``, ``Dropout``, and
        ``Flatten`` or an input in front; the activations linear, relu, sigmoid, tanh, elu, selu,
        softplus, silu, mish and exponential. A softmax at the end is left to the loss.
    loss : str, Loss or callable
        As for ``Network``.

    Returns
    -------
    Network
        Its rows are taken as they are, as the model takes them.

    Raises
    ------
    TypeError, ValueError
        For what only Keras knows.

    Examples
    --------
    >>> net = fd.from_keras(model)  # doctest: +SKIP
    """
    layers = getattr(model, "layers", None)
    if not isinstance(layers, list) or type(model).__name__ != "Sequential":
        raise TypeError(f"model must be a keras.Sequential; got {model!r:.100}")
    chain, dtypes = Chain("model"), set()
    for i, each in enumerate(layers):
        kind, config = type(each).__name__, each.get_config()
        if kind == "Dense":
            arrays = [np.asarray(array) for array in each.get_weights()]
            if not arrays:
                raise ValueError(
                    "model must be built, so that it has weights; got a layer without any, use "
                    "model.build((None, 784)) with your number of columns first"
                )
            weight, *bias = arrays
            dtypes.add(weight.dtype.name)
            chain.dense(weight, bias[0] if bias else None)
        elif kind == "BatchNormalization":
            chain.norm(config["momentum"], config["epsilon"], _keras_norm(each, config))
            continue
        elif kind == "Dropout":
            chain.layers.append(Dropout(config["rate"]))
            continue
        elif kind in ("InputLayer", "Flatten") and not chain.layers:
            continue
        elif kind not in ("Activation", "ReLU", "Softmax"):
            raise ValueError(
                "model must be made of dense layers, batch normalisation, dropout and activations "
                f"that fastdl has; got {kind} at place {i}"
            )
        _activate(chain, config.get("activation") or kind.lower(), i == len(layers) - 1)
    return chain.network(loss, _only(dtypes))


def _keras_norm(layer: Any, config: Mapping[str, Any]) -> dict[str, Array]:
    """What a ``BatchNormalization`` has, of which gamma and beta may be left out."""
    names = [name for name, asked in (("gamma", "scale"), ("beta", "center")) if config[asked]]
    names += ["running_mean", "running_variance"]
    return dict(zip(names, map(np.asarray, layer.get_weights()), strict=True))


def _activate(chain: Chain, name: object, is_last: bool) -> None:
    """Give the last layer what Keras calls so."""
    if (name == "softmax" and is_last) or name == "linear":
        return
    if name not in _KERAS:
        raise ValueError(
            f"model must have activations that fastdl has; got {name!r}, use one of "
            f"{', '.join(_KERAS)}"
        )
    chain.activate(_KERAS[str(name)], repr(name))
