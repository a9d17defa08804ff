"""The long form of the tests that count: FASTDL_NIGHTLY=1 multiplies what they try.

FASTDL_NIGHTLY_REPORT names a file to which each of them then adds a line of JSON.
"""

import json
import os
from collections.abc import Collection
from itertools import combinations, product
from pathlib import Path
from typing import Any

LONG = os.environ.get("FASTDL_NIGHTLY") == "1"


def count(short: int, long: int) -> int:
    """How often to try: ``long`` in the nightly form."""
    return long if LONG else short


def pairs(*factors: Collection[Any]) -> list[tuple[Any, ...]]:
    """Of the product of factors some, in which any two values of two meet; all in the long form."""
    if LONG:
        return list(product(*factors))
    values = [list(factor) for factor in factors]
    ranges = [range(len(factor)) for factor in values]
    apart = {
        ((i, a), (j, b))
        for i, j in combinations(range(len(values)), 2)
        for a, b in product(ranges[i], ranges[j])
    }
    rows = []
    for pair in sorted(apart):
        if pair in apart:
            row = dict(pair)
            for i in sorted(set(range(len(values))) - set(row), key=lambda i: -len(values[i])):
                row[i] = max(ranges[i], key=lambda a: len(_met({**row, i: a}) & apart))
            apart -= _met(row)
            rows.append(tuple(values[i][row[i]] for i in range(len(values))))
    return rows


def each(*factors: Collection[Any]) -> list[tuple[Any, ...]]:
    """Of the product of factors as few as have every value; all in the long form."""
    if LONG:
        return list(product(*factors))
    values = [list(factor) for factor in factors]
    return [tuple(v[i % len(v)] for v in values) for i in range(max(map(len, values)))]


def _met(row: dict[int, int]) -> set[tuple[tuple[int, int], tuple[int, int]]]:
    """Which values of which two factors meet in a row."""
    return set(combinations(sorted(row.items()), 2))


def report(name: str, **numbers: float | str) -> None:
    """Add what a test has done to the report, if one is asked for."""
    if path := os.environ.get("FASTDL_NIGHTLY_REPORT"):
        with Path(path).open("a") as file:
            file.write(json.dumps({"test": name, **numbers}) + "\n")
