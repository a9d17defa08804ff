"""How a student's gradient function is called, and which of what it returns belongs to what."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Real
from typing import Any, Literal

import numpy as np

from fastdl._check import Array

# What parameters of a function are called, without underscores and in lower case.
_NAMES = {
    "x": ("x", "xs", "inputs", "input", "images", "data", "batch", "xbatch", "xtrain", "features"),
    "y": ("y", "ys", "labels", "targets", "onehot", "ybatch", "ytrain", "t", "yonehot"),
    "probabilities": ("p", "probs", "probabilities", "yhat", "ypred", "softmax", "predictions"),
    "logits": ("s", "logits", "scores", "z"),
    "hidden": ("h", "hidden", "a", "activations"),
    "weights": ("w", "ws", "weights", "weight", "theta"),
    "biases": ("b", "bs", "bias", "biases"),
    "l2": (
        "l2", "lam", "lambda", "lamda", "lambd", "lmbda", "lmda", "reg", "λ", "regularization",
        "weightdecay", "decay",
    ),
    "parameters": ("params", "parameters", "network", "net", "model", "netparams"),
}  # fmt: skip
_ROLES = {name: role for role, names in _NAMES.items() for name in names}
REMEDY = "use net.gradients for one that works"
_IN_ORDER = ("x", "y", "weights", "biases", "l2")


@dataclass(frozen=True, eq=False)
class Problem:
    """What gradients are asked of: rows and parameters, in this library's layout.

    Attributes
    ----------
    x : float64 array (n, d)
    y : int64 array (n,), or float64 array (n, k) of targets
    weights, biases : list of float64 array (d, h) and (h,)
    zs : list of float64 array (n, h)
        What goes into every activation; the last are the logits.
    hidden : list of float64 array (n, h)
        What comes out of the hidden ones.
    probabilities : float64 array (n, k)
    l2 : float
    """

    x: Array
    y: Array
    weights: list[Array]
    biases: list[Array]
    zs: list[Array]
    hidden: list[Array]
    probabilities: Array
    l2: float


@dataclass(frozen=True)
class Layout:
    """How a function wants its arrays.

    Attributes
    ----------
    columns : bool
        x as (d, n) and not (n, d), and everything else of rows likewise.
    by_unit : bool
        Weights as (h, d) and not (d, h).
    bias : {"(h, 1)", "(h,)", "(1, h)"}
    one_hot : bool
        Labels as rows or columns of zeros and a one.
    listed : bool
        The only weight of a net of one layer in a list of one.
    """

    columns: bool
    by_unit: bool
    bias: Literal["(h, 1)", "(h,)", "(1, h)"]
    one_hot: bool
    listed: bool

    def __str__(self) -> str:
        x, y = ("(d, n)", "(k, n)") if self.columns else ("(n, d)", "(n, k)")
        weights = "(h, d)" if self.by_unit else "(d, h)"
        labels = y if self.one_hot else "(n,)"
        return f"x {x}, y {labels}, weights {weights}, biases {self.bias}"

    def rows(self, array: Array) -> Array:
        """An array (n, any), as wanted."""
        return array.T.copy() if self.columns else array.copy()

    def weight(self, array: Array) -> Array:
        """An array (d, h), as wanted."""
        return array.T.copy() if self.by_unit else array.copy()

    def vector(self, array: Array) -> Array:
        """An array (h,), as wanted."""
        return array.reshape({"(h, 1)": (-1, 1), "(h,)": (-1,), "(1, h)": (1, -1)}[self.bias])


def layouts(problem: Problem) -> Iterator[Layout]:
    """All of them, those of the courses first."""
    labelled = problem.y.ndim == 1
    alone = len(problem.weights) == 1
    biases: tuple[Literal["(h, 1)", "(h,)", "(1, h)"], ...] = ("(h, 1)", "(h,)", "(1, h)")
    for columns, bias, one_hot, listed in product(
        (True, False), biases, (True, False) if labelled else (False,),
        (False, True) if alone else (True,),
    ):  # fmt: skip
        for by_unit in (columns, not columns):
            yield Layout(columns, by_unit, bias, one_hot, listed)


class Caller:
    """Calls a function with a problem, by the names of its parameters.

    Raises
    ------
    TypeError
        If it is no function, or a parameter without a default has a name that says nothing.
    """

    def __init__(self, function: Callable[..., Any], n_layers: int) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable; got {function!r:.100}, {REMEDY}")
        self.function = function
        self.positional: list[tuple[str, int]] = []
        self.named: dict[str, tuple[str, int]] = {}
        parameters = _parameters(function)
        if parameters is None:
            self.positional = [(role, 0) for role in _IN_ORDER]
            return
        first = min((int(i) for p in parameters for i in re.findall(r"\d+$", p.name)), default=0)
        for p in parameters:
            role = _role(p.name, first, n_layers)
            if role is not None and role[0] != "l2" and isinstance(p.default, Real):
                continue  # a step h = 1e-6 is no hidden layer
            if role is None:
                if p.default is p.empty:
                    raise TypeError(
                        "function must have parameters with names such as x, y, weights, biases, "
                        f"l2; got {p.name}, use lambda x, y, weights, biases, l2: "
                        "function(x, y, weights, biases, l2), in the order in which it takes them"
                    )
            elif p.kind is p.POSITIONAL_ONLY:
                self.positional.append(role)
            else:
                self.named[p.name] = role

    @property
    def takes_parameters(self) -> bool:
        """Whether it is given the weights and the biases, and does not have its own."""
        roles = {role for role, _ in (*self.positional, *self.named.values())}
        return "parameters" in roles or {"weights", "biases"} <= roles

    def __call__(self, problem: Problem, layout: Layout) -> Any:
        """What the function returns for copies in this layout."""
        values = [_value(role, problem, layout) for role in self.positional]
        named = {name: _value(role, problem, layout) for name, role in self.named.items()}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of layouts that are only tried
            return self.function(*values, **named)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """Those that have names; None for a function that does not tell, or takes any."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    return [p for p in parameters if p.kind is not p.VAR_KEYWORD]


def _role(name: str, first: int, n_layers: int) -> tuple[str, int] | None:
    """What a parameter is of, and of which layer, from 0; -1 where it is of all."""
    plain = name.replace("_", "").lower()
    if plain in _ROLES:
        return _ROLES[plain], -1
    stem, digits = re.fullmatch(r"(.*?)(\d*)", plain).groups()  # type: ignore[union-attr]
    role = _ROLES.get(stem)
    if role in ("weights", "biases", "hidden", "logits") and digits:
        i = int(digits) - first
        return (role, i) if 0 <= i < n_layers else None
    return None


def _value(role: tuple[str, int], problem: Problem, layout: Layout) -> Any:
    kind, i = role
    weights = [layout.weight(weight) for weight in problem.weights]
    biases = [layout.vector(bias.copy()) for bias in problem.biases]
    if kind in ("weights", "biases"):
        each = weights if kind == "weights" else biases
        if i >= 0:
            return each[i]
        return each if layout.listed else each[0]
    if kind == "hidden":
        hidden = [layout.rows(each) for each in problem.hidden]
        return hidden[i] if 0 <= i < len(hidden) else hidden[0] if len(hidden) == 1 else hidden
    if kind == "logits":
        return layout.rows(problem.zs[i])
    if kind == "parameters":
        numbered = {f"W{j}": weight for j, weight in enumerate(weights, 1)}
        numbered |= {f"b{j}": bias for j, bias in enumerate(biases, 1)}
        return {"W": weights, "b": biases, **numbered}
    if kind == "l2":
        return problem.l2
    if kind == "y" and problem.y.ndim == 1:
        if not layout.one_hot:
            return problem.y.copy()
        return layout.rows(np.eye(problem.probabilities.shape[1])[problem.y])
    return layout.rows({"x": problem.x, "y": problem.y}.get(kind, problem.probabilities))


# --- what comes back ------------------------------------------------------------------------------


def gradients(result: Any, weights: Sequence[Array], biases: Sequence[Array]) -> dict[str, Array]:
    """What a function has returned, by our names of the parameters; biases may be missing.

    Parameters
    ----------
    result : dict, list, tuple or nest of them
        By names such as ``W1``, ``grad_b_2`` or ``{"W": [...], "b": [...]}``; or in order, weight
        and bias of every layer in turn, or all weights and then all biases. Single numbers, such as
        a loss beside the gradients, are passed over.
    weights, biases : list of array
        The parameters as the function got them.

    Raises
    ------
    ValueError
        If the arrays are not as many as the weights, or as weights and biases together.
    """
    found = list(_arrays("", result))
    n = len(weights)
    if len(found) not in (n, 2 * n):
        raise ValueError(
            f"function must return the gradients of {n} weights and {n} biases, in a dict, list or "
            f"tuple; got {len(found)} arrays, {REMEDY}"
        )
    names = _by_names(found, n) or _by_shapes(found, weights, biases)
    return {name: array for name, (_, array) in zip(names, found, strict=True)}


def _arrays(path: str, value: Any) -> Iterator[tuple[str, Array]]:
    """All arrays in a nest, each with the keys that lead to it."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _arrays(f"{path}.{key}", each)
    elif isinstance(value, list | tuple) and not _is_numbers(value):
        for i, each in enumerate(value):
            yield from _arrays(f"{path}.{i}", each)
    else:
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"function must return arrays of numbers; got {value!r:.100}, {REMEDY}"
            ) from error
        if value is not None and array.ndim:
            yield path, array


def _is_numbers(value: Sequence[Any]) -> bool:
    return bool(value) and all(isinstance(each, Real) for each in value)


def _by_names(found: list[tuple[str, Array]], n: int) -> list[str] | None:
    """The parameters that the keys name; None where they do not."""
    names = []
    for path, _ in found:
        plain = re.sub("gradients?|grads?|layers?|params?|nabla|delta", "", path.lower())
        kind = "weight" if "w" in plain else "bias" if "b" in plain else None
        digits = re.findall(r"\d+", plain)
        if kind is None or (n > 1 and not digits):
            return None
        names.append((kind, int(digits[-1]) if digits else 0))
    first = min(i for _, i in names)
    result = [f"layers.{i - first}.{kind}" for kind, i in names]
    wanted = {f"layers.{i}.{kind}" for i in range(n) for kind in ("weight", "bias")}
    return result if len(set(result)) == len(found) and set(result) <= wanted else None


def _by_shapes(
    found: list[tuple[str, Array]], weights: Sequence[Array], biases: Sequence[Array]
) -> list[str]:
    """The order that fits the shapes best; the first ones are those of the courses."""
    n = len(weights)
    w = [(f"layers.{i}.weight", weights[i]) for i in range(n)]
    b = [(f"layers.{i}.bias", biases[i]) for i in range(n)]
    if len(found) == n:
        orders = [w, w[::-1]]
    else:
        turns = [list(zip(w, b, strict=True)), list(zip(b, w, strict=True))]
        flat = [[each for pair in turn for each in pair] for turn in turns]
        back = [[each for pair in turn[::-1] for each in pair] for turn in turns]
        orders = [w + b, *flat, b + w, w[::-1] + b[::-1], *back]

    def fit(order: list[tuple[str, Array]]) -> int:
        pairs = zip(order, found, strict=True)
        return sum(_fit(array, parameter) for (_, parameter), (_, array) in pairs)

    return [name for name, _ in max(orders, key=fit)]


def _fit(array: Array, parameter: Array) -> int:
    if array.shape == parameter.shape:
        return 4
    if array.size == parameter.size:
        return 3 if array.shape == parameter.T.shape else 2
    return int(bool({*array.shape} & {*parameter.shape} - {1}))
