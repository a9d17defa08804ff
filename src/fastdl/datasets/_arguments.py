"""Check the numbers that callers pass: the rule, the value, the remedy."""

import operator
from typing import SupportsIndex

NAMES = ("cifar10", "mnist")


def whole_number(name: str, value: SupportsIndex, least: int, most: int | None = None) -> int:
    """Return the value as an int within its bounds."""
    bounds = f"from {least:,} on" if most is None else f"from {least:,} to {most:,}"
    rule = f"{name} must be a whole number {bounds}; got {value!r}"
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{rule}: pass an int") from None
    if number < least:
        raise ValueError(f"{rule}: pass at least {least:,}")
    if most is not None and number > most:
        raise ValueError(f"{rule}: pass at most {most:,}")
    return number


def known_name(name: str) -> str:
    """Return the name if it is that of a data set."""
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}; got {name!r}")
    return name
