"""What a checkpoint has of a fit beside its network: to a file and back.

Nothing here knows how a fit runs: ``Fit.save`` hands out what it has, ``Trainer.resume`` takes it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from fastdl import _check, files, inputs
from fastdl._check import Array
from fastdl.core import Core
from fastdl.data import Data
from fastdl.files import TRAINING, CheckpointError, Layout
from fastdl.history import History
from fastdl.inputs import Inputs
from fastdl.optim import Optimiser
from fastdl.saved import contents
from fastdl.state import Shuffling, State

_LAST = 2**62  # of what is counted: the compiled loops take 64 bits
_MOST_KEPT = 64  # so that a bad file's names do not fill the memory
_SAMPLE = 1000  # about the rows by which x is told from another one
_DOUBLE = np.dtype(np.float64)
_HISTORY = f"{TRAINING}history"
_CHECKSUM = "the checksum of "
_WEIGHTS = "weights"  # of rows, wherever they come from


class Settings(NamedTuple):
    """A trainer's, as they are when a fit begins."""

    optimiser: Optimiser
    batch_size: int
    l1: float | None
    l2: float | None
    clip_norm: float | None
    shuffle: str | None
    drop_last: bool
    seed: int | None
    n_threads: int | None

    def alike(self) -> dict[str, Any]:
        """Those that a trainer which goes on must have alike."""
        others = self._asdict()
        del others["n_threads"]
        return others | {"optimiser": describe(self.optimiser)}


@dataclass(frozen=True)
class Place:
    """Where a fit is, all but arrays.

    Attributes
    ----------
    settings, data : dict
        What has to be alike in the trainer, and in the fit that goes on.
    first_epoch : int
        The epochs that were done when the fit began.
    epochs : int
        Those that it was asked for.
    epoch, step : int
        Those that are done now.
    batches : int
        Of them, those of the epoch at hand.
    order : int
        A checksum of the order of this epoch's batches.
    generator : dict
        The state of the shuffling's generator when this epoch began.
    sums : list of float
        Loss, hits and rows of the batches since the last record.
    seconds : float
        Since the fit began.
    stopped : str or None
        Why it has ended.
    columns : list of str
        Of the history.
    n_records : int
    kept : list of str
        Names of the parameters that callbacks have kept.
    gone_back : bool
        Whether the parameters are such ones, and not those of the last step.
    """

    settings: dict[str, Any]
    data: dict[str, Any]
    first_epoch: int
    epochs: int
    epoch: int
    step: int
    batches: int
    order: int
    generator: dict[str, Any]
    sums: list[float]
    seconds: float
    stopped: str | None
    columns: list[str]
    n_records: int
    kept: list[str]
    gone_back: bool

    def __post_init__(self) -> None:
        for name in ("settings", "data", "generator"):
            _expect(name, getattr(self, name), dict)
        for name in ("first_epoch", "epochs", "epoch", "step", "batches", "order", "n_records"):
            _check.integer(name, getattr(self, name), 0, _LAST)
        _check.integer("first_epoch", self.first_epoch, 0, self.epoch)
        _check.integer("batches", self.batches, 0, self.step)
        _check.real("seconds", self.seconds, 0.0)
        loss, correct, rows = _expect("sums", self.sums, list)
        for total, least in ((loss, -np.inf), (correct, 0.0), (rows, 0.0)):
            _check.real("sums", total, least)
        if self.stopped is not None:
            _expect("stopped", self.stopped, str)
        for name in ("columns", "kept"):
            names = [_expect(name, each, str) for each in _expect(name, getattr(self, name), list)]
            if len(set(names)) < len(names):
                raise ValueError(f"{name} must differ from each other; got {names}")
        _check.integer("the number of kept", len(self.kept), 0, _MOST_KEPT)
        _check.boolean("gone_back", self.gone_back)
        if bool(self.columns) != bool(self.n_records):
            raise ValueError(f"columns must be those of the records; got {self.columns}")


@dataclass(frozen=True)
class Paused:
    """A fit as a checkpoint has it.

    Attributes
    ----------
    path : str
        Of the checkpoint.
    place : Place
    history : History
    now, good : State
        As it is, and as it was before the epoch at hand.
    kept : dict of str to array
        Parameters that callbacks have kept.
    inputs : Inputs or None
        What the rows of the fit are.
    """

    path: str
    place: Place
    history: History
    now: State
    good: State
    kept: dict[str, Array]
    inputs: Inputs | None

    def check_epochs(self, asked: int) -> None:
        """Refuse a number of epochs for which the fit cannot go on."""
        place, path = self.place, self.path
        begun = place.epoch - place.first_epoch + (place.batches > 0)
        if asked < begun:
            raise CheckpointError(
                f"epochs must be at least {begun}, of which the fit in {path} has begun the last; "
                f"got {asked}"
            )
        if place.stopped is not None and asked > place.epochs:
            raise CheckpointError(
                f"epochs must be {place.epochs}, as before: the fit in {path} was stopped, with "
                f"{place.stopped!r:.200}; got {asked}, to train on give a new Trainer the network "
                f"that Network.load({path!r}) reads"
            )


def _expect(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}; got {value!r:.100}")
    return value


def describe(value: object) -> Any:
    """A setting as JSON has it: a dataclass by its name and fields; of what is unknown the type."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Real):
        return float(value)
    if is_dataclass(value):
        settings = {each.name: describe(getattr(value, each.name)) for each in fields(value)}
        return {"": type(value).__qualname__} | settings
    return type(value).__qualname__


def checksums(train: Data, validation: Data | None) -> dict[str, int]:
    """What data that a fit goes on with must have alike."""
    x, weights = train.x, train.weights
    y = train.targets if train.labels is None else train.labels
    assert y is not None
    return {
        "the rows of x": len(x),
        _CHECKSUM + "x": checksum(x[:: -(-len(x) // _SAMPLE)]),
        _CHECKSUM + "y": checksum(y),
        _CHECKSUM + _WEIGHTS: 0 if weights is None else checksum(weights),
        "the rows of validation": 0 if validation is None else len(validation.x),
    }


def checksum(array: Array) -> int:
    """By which an array is told from another one."""
    return zlib.crc32(np.ascontiguousarray(array).data)


def compare(path: str, saved: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Refuse a checkpoint whose settings are not one's own."""
    for name, value in own.items():
        if saved.get(name) != value:
            was = saved.get(name)
            if (
                isinstance(was, Mapping)
                and isinstance(value, Mapping)
                and was.get("") == value.get("")
            ):
                compare(
                    path,
                    {f"{name}.{key}": was[key] for key in was},
                    {f"{name}.{key}": value[key] for key in value},
                )
            if name.startswith(_CHECKSUM):
                given = name.removeprefix(_CHECKSUM)
                given = "sample_weight and class_weight" if given == _WEIGHTS else given
                raise CheckpointError(
                    f"{given} must be what the fit was given, as in {path}, to go on from there; "
                    f"got other numbers, use the same {given}, or a new Trainer to begin anew"
                )
            raise CheckpointError(
                f"{name} must be {saved.get(name)!r:.200}, as in {path}, to go on from there; "
                f"got {value!r:.200}"
            )


def write(path: str | os.PathLike[str], core: Core, paused: Paused) -> None:
    """Write a network and what there is of its fit."""
    arrays, config = contents(core)
    now, place = paused.now, paused.place
    flats = [*now.moments, *(paused.good.arrays if place.batches else ()), *paused.kept.values()]
    for prefix, flat in zip(_prefixes(place, len(now.moments)), flats, strict=True):
        arrays |= {prefix + name: view for name, view in core.places.views(flat).items()}
    table = [list(record.values()) for record in paused.history.records]
    arrays[_HISTORY] = np.array(table, _DOUBLE).reshape(len(table), len(place.columns))
    files.write(path, arrays, config | {"training": asdict(place)})


def read(path: str | os.PathLike[str], core: Core, settings: Settings) -> Paused:
    """What is in a checkpoint, which must be of such a network and of these settings."""
    n_moments = settings.optimiser.n_moments
    name = _check.path(path)
    _, own = contents(core)
    own |= settings.alike()
    del own["inputs"]  # it takes those of the file

    def expect(config: dict[str, Any]) -> Layout:
        if "training" not in config:
            raise CheckpointError(f"{name} must be a checkpoint of a fit; got a saved network")
        place = _place(name, config)
        compare(name, config | place.settings, own)
        return _layout(core, place, n_moments)

    config, arrays = files.read(path, expect)
    place = _place(name, config)
    if core.scaling is not None:
        for each in ("shift", "scale"):
            if not np.array_equal(arrays[f"scaling.{each}"], getattr(core.scaling, each)):
                raise CheckpointError(f"scaling.{each} must be the one in {name} to go on from it")
    flats = [_flat(core, arrays, prefix) for prefix in _prefixes(place, n_moments)]
    moments, flats = flats[:n_moments], flats[n_moments:]
    shuffling = Shuffling.saved(place.generator)
    now = State(_flat(core, arrays, ""), moments, shuffling, place.epoch, place.step)
    good = now
    if place.batches:
        (parameters, *moments), flats = flats[: n_moments + 1], flats[n_moments + 1 :]
        good = State(parameters, moments, shuffling, place.epoch, place.step - place.batches)
    kept = dict(zip(place.kept, flats, strict=True))
    history = _history(place, arrays[_HISTORY])
    return Paused(name, place, history, now, good, kept, _inputs(name, config, core))


def _inputs(path: str, config: dict[str, Any], core: Core) -> Inputs | None:
    try:
        return inputs.from_saved(config.get("inputs"), core.layers[0].d)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} must tell what its rows are: {error!s:.200}") from error


def _place(path: str, config: dict[str, Any]) -> Place:
    try:
        place = Place(**config["training"])
        Shuffling.saved(place.generator)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path} must tell where the fit was: {error!s:.200}") from error
    return place


def _prefixes(place: Place, n_moments: int) -> list[str]:
    """The beginnings of the names of what is laid out like the parameters."""
    groups = [f"moments.{i}" for i in range(n_moments)]
    if place.batches:
        groups += [f"good.{i}" for i in range(n_moments + 1)]
    groups += [f"kept.{i}" for i in range(len(place.kept))]
    return [f"{TRAINING}{group}." for group in groups]


def _layout(core: Core, place: Place, n_moments: int) -> Layout:
    """Every array of a checkpoint."""
    shapes = {name: (view.shape, view.dtype) for name, view in core.parameters.items()}
    layout = {
        prefix + name: shape
        for prefix in ("", *_prefixes(place, n_moments))
        for name, shape in shapes.items()
    }
    if core.scaling is not None:
        shape = (len(core.scaling.shift),)
        layout["scaling.shift"] = layout["scaling.scale"] = (shape, _DOUBLE)
    layout[_HISTORY] = ((place.n_records, len(place.columns)), _DOUBLE)
    return layout


def _flat(core: Core, arrays: dict[str, Array], prefix: str) -> Array:
    """Arrays named like the parameters, laid out as the network's."""
    flat = core.places.zeros()
    for name, view in core.places.views(flat).items():
        view[...] = arrays[prefix + name]
    return flat


def _history(place: Place, table: Array) -> History:
    """The records, those numbers whole that were."""
    history = History()
    for row in table.tolist():
        record = dict(zip(place.columns, row, strict=True))
        for name in ("epoch", "step"):
            if name in record and record[name].is_integer():
                record[name] = int(record[name])
        history.append(record)
    history.stopped = place.stopped
    return history
