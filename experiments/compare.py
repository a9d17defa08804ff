"""What reports say against what we get, each judged by a band.

A band is what about ten public reports of the same assignment, and reruns over several seeds, give.
An id in ``reported.csv`` is the number of a report and of a row in it: rows of two reports may be
about one and the same run.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.runner import Result

REPORTED = Path(__file__).with_name("reported.csv")


@dataclass(frozen=True)
class Reported:
    """One number of a report.

    Attributes
    ----------
    id, setting, output, metric : str
        ``output`` is the figure or table of the report that shows it.
    reported : float or None
        None where the report shows a figure but no number.
    band_low, band_high : float or None
    note : str
    """

    id: str
    setting: str
    output: str
    metric: str
    reported: float | None
    band_low: float | None
    band_high: float | None
    note: str

    def verdict(self, value: float | None) -> str:
        """Where a number lies: "inside the band", "outside", "no band" or, without one, ""."""
        if value is None:
            return ""
        if self.band_low is None or self.band_high is None:
            return "no band"
        return "inside the band" if self.band_low <= value <= self.band_high else "outside"


@dataclass(frozen=True)
class Comparison:
    """A reported number beside ours.

    Attributes
    ----------
    run : str
        The title of the run that ours is from.
    row : Reported
    ours : float
    caveat : str
        Why ours may not be judged by the band; empty where it may.
    """

    run: str
    row: Reported
    ours: float
    caveat: str

    @property
    def verdict(self) -> str:
        """On our number."""
        return "not judged" if self.caveat else self.row.verdict(self.ours)


def read(path: Path = REPORTED) -> list[Reported]:
    """Read the reported numbers, in the order of the file."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Reported(
                id=line["id"],
                setting=line["setting"],
                output=line["output"],
                metric=line["metric"],
                reported=_number(line["reported"]),
                band_low=_number(line["band_low"]),
                band_high=_number(line["band_high"]),
                note=line["note"],
            )
            for line in csv.DictReader(file)
        ]


def _number(text: str) -> float | None:
    return float(text) if text else None


def compare(results: Sequence[Result], rows: Sequence[Reported]) -> list[Comparison]:
    """Put our numbers beside the reported ones.

    Parameters
    ----------
    results : sequence of Result
    rows : sequence of Reported

    Returns
    -------
    list of Comparison
        One for every row that a result answers, run by run.
    """
    return [
        Comparison(
            run=result.run.title,
            row=row,
            ours=result.metrics[row.metric],
            caveat="" if result.run.any_rows else result.data.note,
        )
        for result in results
        for row in rows
        if row.id in result.run.answers
    ]
