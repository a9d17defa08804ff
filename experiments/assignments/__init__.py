"""The assignments: every module of this folder is one, under its own name, and holds a ``SPEC``."""

from importlib import import_module
from pkgutil import iter_modules

from experiments.spec import Assignment


def names() -> list[str]:
    """The names of all assignments, sorted."""
    return sorted(module.name for module in iter_modules(__path__))


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
