"""Say what a loader would read, and whether those are the official bytes."""

from fastdl import _check
from fastdl.datasets import _cifar10_forms, _mnist
from fastdl.datasets._files import data_root
from fastdl.datasets._sources import NAMES, OFFICIAL
from fastdl.datasets._types import PathLike, Provenance


def provenance(name: str, *, data_dir: PathLike | None = None) -> Provenance:
    """Say what the loader of a data set finds, and whether it is the official data.

    Parameters
    ----------
    name : str
        ``"cifar10"`` or ``"mnist"``.
    data_dir : path-like, optional
        Where to look, instead of ``$FASTDL_DATA_DIR`` or else the user's cache.

    Returns
    -------
    Provenance
        Its ``str`` is one sentence. ``official`` tells of the first training file alone.

    Raises
    ------
    MissingDatasetError
        If the data set is not found.
    DatasetError
        If its first file is damaged.
    ValueError
        If the name is not known.

    Examples
    --------
    >>> print(fd.datasets.provenance("mnist"))  # doctest: +SKIP
    """
    import hashlib

    root = data_root(data_dir)
    if _check.choice("name", name, NAMES) == "cifar10":
        found = _cifar10_forms.locate(root)
        path, form, content = found.path, found.form.title, _cifar10_forms.first_file(found)
    else:
        path = _mnist.locate(root)
        form, content = "idx files", _mnist.first_file(path)
    official = hashlib.sha256(content.data).hexdigest() == OFFICIAL[name]
    return Provenance(name, str(path), form, official)
