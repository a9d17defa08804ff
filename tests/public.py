"""Everything public that can be called: from ``fastdl.__all__`` on, through modules and classes."""

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType

import fastdl as fd


def functions(module: ModuleType = fd, prefix: str = "") -> Iterator[tuple[str, Callable]]:
    """Yield functions, classes and their methods with their names, such as ``Trainer.fit``."""
    for name, value in _members(module):
        if inspect.ismodule(value):
            yield from functions(value, f"{name}.")
        elif callable(value):
            yield prefix + name, value
            if inspect.isclass(value):
                yield from _methods(value, prefix + name)


def parameters(function: Callable) -> list[inspect.Parameter]:
    """What a function is called with; nothing for what has no signature, such as errors."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return []
    return [p for p in signature.parameters.values() if p.name != "self"]


def _members(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The names in ``__all__``, or else what a module defines itself."""
    for name, value in vars(module).items():
        own = not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
        if name in module.__all__ if hasattr(module, "__all__") else own:
            yield name, value


def _methods(kind: type, name: str) -> Iterator[tuple[str, Callable]]:
    for method in vars(kind):
        if not method.startswith("_") and callable(getattr(kind, method)):
            yield f"{name}.{method}", getattr(kind, method)
