"""Where the reported numbers are from: ``reports.csv``, a line a report."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .reported import Reported

REPORTS = Path(__file__).with_name("reports.csv")


@dataclass(frozen=True)
class Report:
    """A report that numbers are from.

    Attributes
    ----------
    report : str
        "000" to "004"; empty for the others, whose numbers made the public bands.
    course, assignment : str
    date : str
        As it stands in the report, or the year of the course; empty where none is known.
    link : str
        To its author's repository; empty where none is known.
    bands : str
        Of those whose numbers made the public bands: of which assignments, by their names.
    """

    report: str
    course: str
    assignment: str
    date: str
    link: str
    bands: str

    @property
    def what(self) -> str:
        """The course, the assignment and the date."""
        return f"{self.course}, {self.assignment}, {self.date or 'no date'}"


@cache
def read() -> tuple[Report, ...]:
    """All of them, in the order of the file."""
    with REPORTS.open(newline="", encoding="utf-8") as file:
        return tuple(Report(**line) for line in csv.DictReader(file))


def held_against(rows: Iterable[Reported]) -> list[Report]:
    """The reports that some rows are from."""
    numbers = {row.report for row in rows}
    return [each for each in read() if each.report and each.report in numbers]


def public(name: str) -> list[Report]:
    """Those that the public bands of an assignment are from."""
    return [each for each in read() if name in each.bands.split()]
