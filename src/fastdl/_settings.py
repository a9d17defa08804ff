"""Attributes that are checked whenever they are set, and how an object shows its settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class Setting(Generic[T]):
    """An attribute: what is set goes through ``check(name, value)`` first."""

    def __init__(self, check: Callable[[str, Any], T]) -> None:
        self._check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        value: T = getattr(instance, f"_{self._name}")
        return value

    def __set__(self, instance: object, value: Any) -> None:
        setattr(instance, f"_{self._name}", self._check(self._name, value))


def show(value: object) -> str:
    """A call that would make such an object, of the parameters that it has as attributes."""
    names = [name for name in inspect.signature(type(value)).parameters if hasattr(value, name)]
    settings = ", ".join(f"{name}={getattr(value, name)!r}" for name in names)
    return f"{type(value).__name__}({settings})"
