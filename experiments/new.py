"""Begins an assignment of somebody's own: a commented file, and its bands in a table beside it."""

import keyword
import os
from pathlib import Path

from . import assignments
from .calling import command

_TEMPLATES = Path(__file__).with_name("templates")
_FILES = {".py": "assignment.txt", ".csv": "bands.csv"}


def write(given: str) -> list[str]:
    """Write the files of a new assignment.

    Parameters
    ----------
    given : str
        Its name, a word of small letters, digits and underscores, or the path of its file with or
        without the ending; a bare name goes into the current folder.

    Returns
    -------
    list of str
        The paths of the files as a command takes them.

    Raises
    ------
    ValueError
        If the name is none, or taken, or the folder is none.
    """
    path = Path(given)
    folder, name = path.parent, path.name.removesuffix(".py")
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower() or name[0] == "_":
        raise ValueError(
            f"a name must be small letters, digits and underscores, a letter first; got {name!r}"
        )
    if name in assignments.names():
        raise ValueError(f"a name must be new; got {name!r}, which the project has")
    if not folder.is_dir():
        raise ValueError(
            f"the folder of a new assignment must be there; got {str(folder)!r}, make it"
        )
    paths = {folder / f"{name}{ending}": _TEMPLATES / source for ending, source in _FILES.items()}
    taken = [each for each in paths if each.exists()]
    if taken:
        raise ValueError(f"a name must be new; got {name!r}, which {taken[0]} has")
    shown = [str(each) if each.is_absolute() else os.path.join(".", each) for each in paths]
    for each, source in paths.items():
        text = source.read_text("utf-8").format(name=name, command=command(), path=shown[0])
        with each.open("x", encoding="utf-8") as file:
            file.write(text)
    return shown
