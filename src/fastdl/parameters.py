"""The parameters of a network by name, to read and to write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, NoReturn

from numpy.typing import ArrayLike

from fastdl import _check, _hints
from fastdl._check import Array


class Parameters(_hints.Hinted, MutableMapping[str, Array]):
    """Views of a network's parameters: ``layers.0.weight`` (d, h), ``layers.0.bias`` (h,), ...

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
        checked = [
            (
                view := self[name],
                _check.values(f"parameters[{name!r}]", value, view.shape, view.dtype),
            )
            for name, value in dict(*args, **arrays).items()
        ]
        for view, values in checked:
            view[...] = values

    def __repr__(self) -> str:
        return f"<Parameters: {', '.join(f'{name} {p.shape}' for name, p in self.items())}>"
