"""The assignments: every module of this folder is one, under its own name, and holds a ``SPEC``.

A file elsewhere is an assignment too: given by its path it becomes a module beside these, so that
it takes what it needs by the same relative imports.
"""

import sys
import traceback
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import iter_modules

from ..calling import command
from ..meant import meant
from ..spec import Assignment

# The sections of HW2 in their order; a course that is not here comes by its names.
_ORDER = ("hw2_batch_size", "hw2_regularization", "hw2_architecture", "hw2_regression")
_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The names of all assignments of the project, sorted but for sections that have an order."""
    found = sorted(module.name for module in iter_modules([str(_FOLDER)]))
    ordered = iter([name for name in _ORDER if name in found])
    return [next(ordered) if name in _ORDER else name for name in found]


def get(name: str) -> Assignment:
    """The assignment of this name.

    Raises
    ------
    ValueError
        If there is none, or its file is not one; the message lists those that there are.
    """
    if not there(name):
        here = Path(f"{name}.py")
        near = f"; did you mean ./{here}?" if here.is_file() else meant(name, names())
        raise ValueError(
            f"an assignment must be one of {', '.join(names())}, or the path of a file such as "
            f"./mine.py; got {name!r}{near or f', see {command()} list'}"
        )
    spec = getattr(import_module(f"{__name__}.{name}"), "SPEC", None)
    if type(spec).__name__ == "Assignment" and not isinstance(spec, Assignment):
        raise ValueError(
            f"{name}.py must take what it needs as the assignments of the project do, from ..spec "
            f"import Assignment; it has that of {type(spec).__module__}"
        )
    if not isinstance(spec, Assignment):
        raise ValueError(f"{name}.py must hold SPEC = Assignment(...); got {spec!r}"[:200])
    return spec


def there(name: str) -> bool:
    """Whether it is one of the project's, or was taken in by ``named``."""
    return name in names() or f"{__name__}.{name}" in sys.modules


def named(given: str) -> str:
    """The name of what was given as a name or as the path of a file, which is taken in.

    Raises
    ------
    ValueError
        If a file cannot be read, does not run, or takes the name of another assignment.
    """
    path = Path(given)
    if path.suffix != ".py" and len(path.parts) < 2:
        return given
    path = path.resolve()
    name = path.stem
    if path.parent == _FOLDER and path.is_file():
        return name
    if not path.is_file():
        raise ValueError(
            f"the file of an assignment must be there; got {given!r}, {command()} new NAME "
            "writes one"
        )
    if path.suffix != ".py" or not name.isidentifier():
        raise ValueError(
            "the file of an assignment must be named like one of Python, letters, digits and "
            f"underscores before .py; got {given!r}, rename it"
        )
    if name in names():
        raise ValueError(
            f"an assignment of your own must have a name that is not taken; got {given!r}, and "
            f"{name} is one of the project's: rename the file"
        )
    _load(name, path)
    return name


def file(name: str) -> Path:
    """Of an assignment that is there."""
    module = sys.modules.get(f"{__name__}.{name}")
    known = getattr(module, "__file__", None)
    return Path(known) if known else _FOLDER / f"{name}.py"


def _load(name: str, path: Path) -> None:
    """Run a file as the module of that name."""
    full = f"{__name__}.{name}"
    taken = getattr(sys.modules.get(full), "__file__", str(path))
    if taken != str(path):
        raise ValueError(f"two assignments must have two names; got {taken} and {path}, rename one")
    spec = spec_from_file_location(full, path)
    assert spec is not None
    assert spec.loader is not None  # it ends with .py
    module = sys.modules[full] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # of a file of anybody's
        del sys.modules[full]
        where = [at.lineno for at in traceback.extract_tb(error.__traceback__)
                 if at.filename == str(path)]  # fmt: skip
        line = f" in line {where[-1]}" if where else ""
        raise ValueError(
            f"the file of an assignment must run; {path} ends with {type(error).__name__}{line}: "
            f"{error}"
        ) from error
