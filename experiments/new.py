"""Begins an assignment of somebody's own: a commented file, and its bands in a table beside it."""

import keyword
from pathlib import Path

from . import assignments

_TEMPLATES = Path(__file__).with_name("templates")
_FILES = {".py": "assignment.txt", ".csv": "bands.csv"}


def write(name: str, folder: Path | None = None) -> list[Path]:
    """Write the files of a new assignment.

    Parameters
    ----------
    name : str
        Of the assignment: a word of small letters, digits and underscores.
    folder : Path, optional
        That of the assignments by default.

    Returns
    -------
    list of Path

    Raises
    ------
    ValueError
        If the name is none, or taken.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower() or name[0] == "_":
        raise ValueError(
            f"a name must be small letters, digits and underscores, a letter first; got {name!r}"
        )
    folder = folder or Path(assignments.__file__).parent
    paths = {folder / f"{name}{ending}": _TEMPLATES / source for ending, source in _FILES.items()}
    taken = [path for path in paths if path.exists()]
    if taken:
        raise ValueError(f"a name must be new; got {name!r}, which {taken[0]} has")
    for path, source in paths.items():
        text = source.read_text("utf-8").format(name=name)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    return list(paths)
