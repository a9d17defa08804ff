"""The assignments: every module of this folder is one, under its own name, and holds a ``SPEC``."""

from importlib import import_module
from pkgutil import iter_modules

from ..spec import Assignment

# The sections of HW2 in their order; a course that is not here comes by its names.
_ORDER = ("hw2_batch_size", "hw2_regularization", "hw2_architecture", "hw2_regression")


def names() -> list[str]:
    """The names of all assignments, sorted but for sections that have an order."""
    found = sorted(module.name for module in iter_modules(__path__))
    ordered = iter([name for name in _ORDER if name in found])
    return [next(ordered) if name in _ORDER else name for name in found]


def get(name: str) -> Assignment:
    """The assignment of this name.

    Raises
    ------
    ValueError
        If there is none, or its file is not one; the message lists those that there are.
    """
    if name not in names():
        raise ValueError(
            f"an assignment must be one of {', '.join(names())}; got {name!r}, "
            "see python -m experiments list"
        )
    spec = getattr(import_module(f"{__name__}.{name}"), "SPEC", None)
    if not isinstance(spec, Assignment):
        raise ValueError(f"{name}.py must hold SPEC = Assignment(...); got {spec!r}"[:200])
    return spec
