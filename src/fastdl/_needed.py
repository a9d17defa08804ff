"""Packages that fastdl does not install, imported where something needs them."""

import importlib
from typing import Any


def module(name: str, what: str, remedy: str = "") -> Any:
    """A module of such a package.

    Parameters
    ----------
    name : str
        With that of its package in front.
    what : str
        Needs it.
    remedy : str
        What to do without it; empty: install the package.
    """
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ModuleNotFoundError(
            f"{what} must have {package}, which is not installed; "
            + (remedy or f"pip install {package}"),
            name=package,
        ) from error
