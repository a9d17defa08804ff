"""The parameters of a network: where each lies in a flat array, and by name to read and write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from fastdl import _check, _hints, _kernels, _memory, activations
from fastdl._check import Array
from fastdl._epoch import KIND_DENSE, KIND_MASK, KIND_NORM, weight_stride
from fastdl.layers import BatchNorm, Dense, Layer, Mask, dense_of

OF_NORM = ("gamma", "beta", "running_mean", "running_variance")  # as they lie


def shapes_of(layer: Layer) -> dict[str, tuple[int, ...]]:
    """What a layer has, by its name there."""
    if isinstance(layer, Dense):
        return {"weight": (layer.d, layer.h), "bias": (layer.h,)}
    return dict.fromkeys(OF_NORM, (layer.d,)) if isinstance(layer, BatchNorm) else {}


def is_running(name: str) -> bool:
    """Whether a parameter follows the batches instead of being trained."""
    return ".running_" in name


class Places:
    """Where every weight and bias lies in a flat array, and what a norm has.

    Attributes
    ----------
    table : int64 array
        As the loops take it, a row a layer.
    size : int
        Of a flat array.
    """

    def __init__(self, layers: Sequence[Layer], dtype: np.dtype[Any]) -> None:
        rows, at = [], 0
        for i, layer in enumerate(layers):
            if isinstance(layer, Mask):
                rows.append((KIND_MASK, layer.code, layer.d, layer.d, at, 0, at, False))
                continue
            code = activations.ACTIVATIONS[layer.activation].code
            if isinstance(layer, BatchNorm):
                ld = _memory.aligned(layer.d)
                rows.append((KIND_NORM, code, layer.d, layer.d, at, ld, at + ld, False))
                at += len(OF_NORM) * ld
                continue
            by_unit = _kernels.lies_by_unit(layer.d, layer.h, dtype == np.float32, i == 0)
            n, columns = (layer.h, layer.d) if by_unit else (layer.d, layer.h)
            ld = weight_stride(columns)
            bias = at + n * ld
            rows.append((KIND_DENSE, code, layer.d, layer.h, at, ld, bias, by_unit))
            at = _memory.aligned(bias + layer.h)
        self.table = np.array(rows, np.int64)
        self.size, self.dtype = at, dtype

    def zeros(self) -> Array:
        """A flat array of zeros."""
        return _memory.zeros(self.size, self.dtype)

    def first(self) -> Array:
        """Parameters of which none is drawn yet: zeros, but gamma and running variance are ones."""
        flat = self.zeros()
        for name, view in self.views(flat).items():
            if name.endswith((".gamma", ".running_variance")):
                view.fill(1)
        return flat

    def trained(self, flat: Array) -> dict[str, Array]:
        """The views of what an optimiser trains."""
        views = self.views(flat)
        return {name: view for name, view in views.items() if not is_running(name)}

    def views(self, flat: Array) -> dict[str, Array]:
        """A flat array, cut up as the parameters are."""
        views = {}
        for i, (kind, _, d, h, weight, ld, bias, by_unit) in enumerate(self.table.tolist()):
            if kind == KIND_NORM:
                for j, name in enumerate(OF_NORM):
                    views[f"layers.{i}.{name}"] = flat[weight + j * ld : weight + j * ld + d]
            if kind != KIND_DENSE:
                continue
            w = flat[weight:bias].reshape(-1, ld)
            views[f"layers.{i}.weight"] = w[:, :d].T if by_unit else w[:, :h]
            views[f"layers.{i}.bias"] = flat[bias : bias + h]
        return views

    def penalty(self, flat: Array, layers: Sequence[Layer]) -> float:
        """The penalties that these layers put on the weights."""
        total = 0.0
        for i, layer in dense_of(layers).items():
            weight, _, bias = self.table[i, 4:7].tolist()
            if layer.l1 or layer.l2:
                total += _kernels.penalty(flat[weight:bias], layer.l1, layer.l2)
        return total


class Parameters(_hints.Hinted, MutableMapping[str, Array]):
    """Views of a network's parameters: ``layers.0.weight`` (d, h), ``layers.0.bias`` (h,), ...

    ``layers.2.weight`` is that of ``net.layers[2]``: ``Dropout``, which has no parameters, counts.
    A ``BatchNorm`` has ``gamma``, ``beta``, ``running_mean`` and ``running_variance``, (d,) each;
    the last two follow the batches, and are no parameters to an optimiser.

    Writing to a view, ``net.parameters["layers.0.bias"][...] = 0``, or in its place,
    ``net.parameters["layers.0.bias"] = np.zeros(10)``, changes the network. What is given in its
    place must have its shape and hold finite numbers, which are rounded to the network's dtype.
    Nothing can be added or deleted.
    """

    def __init__(self, views: dict[str, Array]) -> None:
        self._views = views

    def _elsewhere(self) -> Mapping[str, str]:
        return {"copy": "net.copy(), or {name: p.copy() for name, p in net.parameters.items()}"}

    def __getitem__(self, name: str) -> Array:
        if name not in self:
            raise KeyError(
                f"a parameter must be one of {', '.join(self)}; got {name!r}"
                f"{_hints.near(name, self)}"
            )
        return self._views[name]

    def __contains__(self, name: object) -> bool:
        return name in self._views

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __setitem__(self, name: str, value: ArrayLike) -> None:
        self.update({name: value})

    def __delitem__(self, name: str) -> NoReturn:
        raise TypeError(f"a parameter cannot be deleted; got {name!r}")

    def update(self, *args: Any, **arrays: ArrayLike) -> None:
        """Write several parameters; either all of them, or where one is refused none.

        Parameters
        ----------
        *args, **arrays
            As for a dict: names and arrays, such as ``other.parameters`` or an ``.npz`` file.
        """
        checked = {
            name: _check.values(f"parameters[{name!r}]", value, self[name].shape, self[name].dtype)
            for name, value in dict(*args, **arrays).items()
        }
        for name, values in checked.items():
            if name.endswith(".running_variance") and (values < 0).any():
                raise ValueError(
                    f"parameters[{name!r}] must not be negative, as no variance is; got "
                    f"{values.min()}"
                )
        for name, values in checked.items():
            self[name][...] = values

    def __repr__(self) -> str:
        return f"<Parameters: {', '.join(f'{name} {p.shape}' for name, p in self.items())}>"
