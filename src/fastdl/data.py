"""Data sets: rows with labels or targets, checked and weighted; those of a fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastdl import _check, inputs
from fastdl._check import Array
from fastdl._epoch import Rows, often_sparse
from fastdl.core import Core
from fastdl.inputs import Inputs

ClassWeight = Mapping[int, float] | ArrayLike | Literal["balanced"]
Validation = tuple[ArrayLike, ArrayLike] | tuple[ArrayLike, ArrayLike, ArrayLike]

_DOUBLE = np.dtype(np.float64)
_SPLIT = 1  # so that the rows are drawn from another stream than the shuffling's


class Data(NamedTuple):
    """A checked data set: rows, what they are, labels or targets, and weights."""

    x: Array
    inputs: Inputs
    labels: NDArray[np.intc] | None = None
    targets: Array | None = None
    weights: Array | None = None


def read(core: Core, name: str, x: ArrayLike, known: Inputs | None = None) -> Data:
    """Rows alone, and what they are: as those known, or as it was fitted."""
    if core.reading_of_steps.has(x) and known in (None, core.inputs):
        assert isinstance(x, np.ndarray)
        assert core.inputs is not None
        return Data(x.view(), core.inputs)  # the caller may set the shape of his
    given = _check.table(name, x, core.layers[0].d)
    return Data(*inputs.read(name, given, known or core.inputs, core.scaling is not None))


def check(
    core: Core,
    x: ArrayLike,
    y: ArrayLike,
    names: tuple[str, str] = ("x", "y"),
    known: Inputs | None = None,
) -> Data:
    """Check rows with their labels or targets; known: what rows beside these are."""
    x_name, y_name = names
    rows, found = read(core, x_name, x, known)[:2]
    _check.some(x_name, rows)
    n, k = len(rows), core.layers[-1].h
    return Data(rows, found, *core.loss.read(y_name, y, n, k, core.dtype))


def refuse_unless_one(y: object, dlogits: object) -> None:
    """Of what is right for rows and the gradient of their logits one alone is to be given."""
    if y is None and dlogits is None:
        raise TypeError("y must be given, or dlogits instead of it; got neither, use y=labels")
    if y is not None and dlogits is not None:
        raise ValueError(
            "dlogits must go without y, which a loss would take; got both, use dlogits=None"
        )


def led(core: Core, x: ArrayLike, dlogits: ArrayLike) -> tuple[Data, Array]:
    """Check rows, and the gradient by their logits (n, k) that leads them instead of a loss."""
    given = read(core, "x", x)
    _check.some("x", given.x)
    refuse_if_not_finite(core, "x", given.x)
    n, k = len(given.x), core.layers[-1].h
    if k == 1 and np.shape(dlogits) == (n,):
        dlogits = np.reshape(dlogits, (n, 1))
    return given, _check.values("dlogits", dlogits, (n, k), core.dtype)


def compiled(core: Core, data: Data, scan_zeros: bool = True, check_finite: bool = False) -> Rows:
    """A data set as the loops take it."""
    applied = core.applied.as_read(data.x)
    targets = None if core.loss.y == "own" else data.targets  # which the loops do not read
    return Rows(data.x, applied, data.labels, targets, data.weights, scan_zeros, check_finite)


def rows_of_fit(core: Core, data: Data, check_finite: bool = False) -> Rows:
    """Rows that are read many times: where few are sparse, none is looked at for zeros."""
    return compiled(core, data, often_sparse(data.x, core.dtype.itemsize), check_finite)


def refuse_if_not_finite(core: Core, name: str, rows: Array) -> None:
    """Name the first item that is not finite, or is not once it is an input."""
    _check.finite(name, rows, core.dtype, core.applied.of(rows))


def weighted(core: Core, data: Data, weights: Array) -> Data:
    """The data set with weights (n,) on its rows, brought to a mean of one."""
    share = weights / weights.max()  # so that no sum of them overflows
    return data._replace(weights=(share / share.mean()).astype(core.dtype))


def some(data: Data, rows: Array | slice) -> Data:
    """Some rows, with the weights that they have among all."""
    labels, targets, weights = (
        None if each is None else each[rows] for each in (data.labels, data.targets, data.weights)
    )
    return Data(data.x[rows], data.inputs, labels, targets, weights)


def part(core: Core, data: Data, rows: Array) -> Data:
    """A copy of some rows, a data set of its own."""
    result = some(data, rows)
    return result if result.weights is None else weighted(core, result, result.weights)


# --- those of a fit --------------------------------------------------------------------------


def data_sets(
    core: Core,
    x: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    class_weight: ClassWeight | None = None,
    validation: Validation | None = None,
    validation_split: float | None = None,
    seed: int = 0,
) -> tuple[Data, Data | None]:
    """The training set, and the validation set if there is one; the arguments are a fit's."""
    if validation is not None and validation_split is not None:
        raise ValueError(
            "validation_split must not go with validation; got both, use validation=None"
        )
    train = check(core, x, y)
    n, own = len(train.x), None
    if sample_weight is not None:
        own = _check.weights("sample_weight", sample_weight, n, _DOUBLE)
    where, held_out, own_held_out = "validation", None, None
    if validation is not None:
        held_out, own_held_out = _validation(core, validation, train.inputs)
    elif validation_split is not None:
        where = "what validation_split draws"
        refuse_if_not_finite(core, "x", train.x)  # while its rows still have their numbers
        rows, drawn = _split(n, validation_split, seed)
        if own is not None:
            own, own_held_out = own[rows], own[drawn]
        train, held_out = part(core, train, rows), part(core, train, drawn)
    by_class = None
    if class_weight is not None:
        if train.labels is None:
            raise ValueError(
                "class_weight must go with labels; got targets, use None, and sample_weight instead"
            )
        by_class = _class_weights(class_weight, train.labels, core.layers[-1].h)
    train = _with_weights(core, train, own, by_class, "x")
    if held_out is not None:
        held_out = _with_weights(core, held_out, own_held_out, by_class, where)
    return train, held_out


def validation_set(core: Core, given: Validation) -> Data:
    """A validation set beside batches, whose rows nobody has seen yet."""
    data, weights = _validation(core, given, core.inputs)
    return data if weights is None else weighted(core, data, weights)


def _validation(core: Core, given: Validation, known: Inputs | None) -> tuple[Data, Array | None]:
    """A validation set, whose rows are what is known, and the weights that it brings along."""
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        parts = isinstance(given, tuple | list)
        got = f"{len(given)} parts" if parts else type(given).__name__
        is_stream = not parts and (callable(given) or isinstance(given, Iterator))
        remedy = (
            "arrays, or memory maps of what is too large: np.load(path, mmap_mode='r')"
            if is_stream
            else "(x, y) of rows that are not trained on, or validation_split=0.2"
        )
        raise TypeError(
            f"validation must be (x, y) or (x, y, sample_weight); got {got}, use {remedy}"
        )
    data = check(core, given[0], given[1], ("validation[0]", "validation[1]"), known)
    refuse_if_not_finite(core, "validation[0]", data.x)
    if len(given) == 2 or given[2] is None:
        return data, None
    return data, _check.weights("validation[2]", given[2], len(data.x), _DOUBLE)


def _split(n: int, share: float, seed: int) -> tuple[Array, Array]:
    """The numbers of the rows to train on and of those held out, drawn at random, in order."""
    share = _check.real("validation_split", share, below=1.0, above=0.0)
    count = round(share * n)
    if not 0 < count < n:
        raise ValueError(
            f"validation_split must draw some of the {n} rows and leave some; got {share:g}, which "
            f"draws {count}, use 0.5"
        )
    order = np.random.default_rng([seed, _SPLIT]).permutation(n)
    return np.sort(order[count:]), np.sort(order[:count])


def _with_weights(
    core: Core, data: Data, own: Array | None, by_class: Array | None, where: str
) -> Data:
    """The rows with their own weights times those of their classes."""
    weights = own
    if by_class is not None:
        assert data.labels is not None
        weights = by_class[data.labels]
        with np.errstate(over="ignore"):
            weights = weights if own is None else weights * own
        if not np.isfinite(weights).all():
            raise ValueError(
                "sample_weight times class_weight must be finite; got a product beyond 1e308, "
                "use sample_weight / np.max(sample_weight)"
            )
    if weights is None:
        return data
    if not weights.any():
        names = ["sample_weight"] * (own is not None) + ["class_weight"] * (by_class is not None)
        raise ValueError(
            f"{' times '.join(names)} must leave some row of {where} a weight above 0; "
            f"got 0 for every one, use {names[-1]}=None"
        )
    return weighted(core, data, weights)


def _class_weights(given: ClassWeight, labels: NDArray[np.intc], k: int) -> Array:
    """A weight for each class, float64 (k,)."""
    if isinstance(given, str):
        _check.choice("class_weight", given, ("balanced",), None, ", or weights by label, or None")
        return len(labels) / (k * np.maximum(np.bincount(labels, minlength=k), 1))
    if hasattr(given, "index") and hasattr(given, "to_dict"):  # a series of pandas, by its labels
        given = given.to_dict()
    if isinstance(given, Mapping):
        each = np.ones(k)
        for key, weight in given.items():
            at = _label(key, k)
            each[at] = _check.real(f"class_weight[{key!r}]", weight, 0.0)
        return each
    each = _check.vector("class_weight", given, k)
    return _check.weights("class_weight", each, k, _DOUBLE)


def _label(key: Any, k: int) -> int:
    """A key of class_weight: a label, in whatever type a whole number comes."""
    try:
        label = int(key)
    except (TypeError, ValueError, OverflowError):
        label = None
    if label is None or isinstance(key, str) or label != key:
        remedy = f", use {label}" if isinstance(key, str) and label is not None else ""
        raise TypeError(
            f"a key of class_weight must be an integer, a label; got {key!r:.100}{remedy}"
        )
    if not 0 <= label < k:
        raise ValueError(f"a key of class_weight must lie in [0, {k}), for {k} labels; got {label}")
    return label
