"""What somebody meant by a name that is not there."""

import difflib
from collections.abc import Iterable


def meant(text: str, known: Iterable[str]) -> str:
    """The end of a sentence that refuses a name: the one that is nearest, if one is near.

    Parameters
    ----------
    text : str
        As it was given.
    known : iterable of str
        The names that there are.
    """
    by_small = {each.lower(): each for each in known}
    close = difflib.get_close_matches(text.lower(), by_small, n=1, cutoff=0.6)
    return f"; did you mean {by_small[close[0]]}?" if close else ""
