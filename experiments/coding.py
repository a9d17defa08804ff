"""Runs as JSON and back, so that a trial can wait in a database and its result have a key."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import fastdl as fd

from . import spec

_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        spec.Cifar10, spec.Mnist, spec.Surface, spec.Model, spec.GradientCheck, spec.Training,
        fd.SGD, fd.Adam, fd.AdamW,
        fd.schedules.Constant, fd.schedules.ExponentialDecay, fd.schedules.StepDecay,
        fd.schedules.Triangular, fd.schedules.Cosine,
        fd.init.Normal, fd.init.Xavier, fd.init.He, fd.init.Uniform,
    )
}  # fmt: skip
_VERSION = 1  # of what a trial does: a new one makes every stored result an old one
_LABELS = ("name", "title", "answers", "seeds", "cut", "searched")


def plain(value: Any) -> Any:
    """Dataclasses as dictionaries that say of what kind they are, tuples as lists."""
    if is_dataclass(value):
        return {
            "kind": type(value).__name__,
            **{each.name: plain(getattr(value, each.name)) for each in fields(value)},
        }
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return value


def restore(value: Any) -> Any:
    """What ``plain`` was given.

    Raises
    ------
    ValueError
        If a dictionary is of a kind that no run has.
    """
    if isinstance(value, Mapping):
        settings = dict(value)
        kind = settings.pop("kind", None)
        if kind not in _KINDS:
            raise ValueError(f"kind must be one of {', '.join(_KINDS)}; got {kind!r}")
        return _KINDS[kind](**{name: restore(each) for name, each in settings.items()})
    if isinstance(value, list):
        return tuple(restore(each) for each in value)
    return value


def key(run: spec.Run, seed: int) -> str:
    """The name of a trial's result: a hash of its settings, not of what the run is called."""
    settings = {name: value for name, value in plain(run).items() if name not in _LABELS}
    whole = {"settings": settings, "seed": seed, "version": _VERSION, "fastdl": fd.__version__}
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
