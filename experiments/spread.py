"""What is known of the spread of numbers over seeds: spread.csv, made of runs on the real data.

python -m experiments.spread results    # after make reproduce
"""

import csv
import json
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from . import noise

SPREAD = Path(__file__).with_name("spread.csv")
_HEADS = ("assignment", "run", "metric", "sd", "n")
Spread = dict[tuple[str, str, str], tuple[float, int]]


@cache
def read(path: Path = SPREAD) -> Spread:
    """Standard deviation and number of seeds by assignment, run or search, and metric."""
    with path.open(newline="", encoding="utf-8") as file:
        return {
            (line["assignment"], line["run"], line["metric"]): (float(line["sd"]), int(line["n"]))
            for line in csv.DictReader(file)
        }


def collect(tables: Iterable[Path]) -> Spread:
    """The same out of the ``table.csv`` of assignments, where there are enough seeds.

    Parameters
    ----------
    tables : iterable of Path
        Each in the folder of its assignment; those of stand-ins and quick looks are left out.
    """
    found: Spread = {}
    for path in tables:
        about = json.loads(path.with_name("results.json").read_text("utf-8"))
        if about["stand_in"] or about["quick"]:
            continue
        with path.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                if (
                    float(line["sd"] or 0)
                    and line["metric"] != "seconds"
                    and int(line["n"]) >= noise.LEAST_SEEDS
                ):
                    at = (path.parent.name, line["run"], line["metric"])
                    found[at] = (float(line["sd"]), int(line["n"]))
    return found


def write(path: Path, found: Spread) -> None:
    """Write what ``read`` reads."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEADS)
        for at, (sd, n) in sorted(found.items()):
            writer.writerow([*at, f"{sd:.3g}", n])


if __name__ == "__main__":
    write(SPREAD, read() | collect(Path(sys.argv[1]).glob("*/table.csv")))
