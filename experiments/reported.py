"""What the reports give: the rows of ``reported.csv``, and the bands of an assignment's own."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from . import assignments

REPORTED = Path(__file__).with_name("reported.csv")
# Whose bands are other people's, in words.
FROM = {"public": "other public reports", "reruns": "reruns by others", "spec": "the assignment"}
CHOICES = ("winner", "best_decay")  # what a search is answered by: settings, not a mean


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One row of ``reported.csv``.

    Attributes
    ----------
    id : str
        Several rows may have one: the numbers of one row of a report's table.
    report : str
        "000" to "004"; empty where none of the five has it.
    setting, output, metric : str
        ``output`` is the figure or table of the report that shows it.
    reported : float, str or None
        Words for what was chosen; None where the report shows a figure but no number.
    rounding : float
        Half a unit of its last digit; 0 for counts.
    read_off : float
        How exactly it could be read off a figure; 0 where it is printed.
    band_low, band_high : float or None
        Where the number is expected to lie.
    band_from : {"public", "reruns", "spec", "limit", ""}
        Other public reports of the same assignment; reruns by others; what the assignment asks for;
        a limit that the report itself has set.
    ours : str
        The metric of our runs; empty where there is only a figure.
    noise_of : str
        A metric of another run, as ``run:metric``, whose noise stands in where ours has one seed.
    wrong : str
        What contradicts the number itself, whatever we get; empty where nothing does.
    explains : str
        What may explain a number that we do not get.
    mislabelled : str
        What the number is of, where that is not what the report says.
    shown_by : sequence of str
        Metrics of our runs that show what these say, each as ``run:metric``.
    note : str
        What else must be known; it changes no verdict.
    """

    id: str
    report: str = ""
    setting: str = ""
    output: str = ""
    metric: str
    reported: float | str | None = None
    rounding: float = 0.0
    read_off: float = 0.0
    band_low: float | None = None
    band_high: float | None = None
    band_from: str = ""
    ours: str
    noise_of: str = ""
    wrong: str = ""
    explains: str = ""
    mislabelled: str = ""
    shown_by: Sequence[str] = ()
    note: str = ""

    @property
    def band(self) -> tuple[float, float] | None:
        """The ends of the band, if there is one."""
        if self.band_low is None or self.band_high is None:
            return None
        return self.band_low, self.band_high


def read(path: Path = REPORTED) -> list[Reported]:
    """Read the reported rows, in the order of the file."""
    with path.open(newline="", encoding="utf-8") as file:
        return [_row(line) for line in csv.DictReader(file)]


def of(name: str) -> list[Reported]:
    """All reported rows, and those of the file that an assignment may have beside its own."""
    own = assignments.file(name).with_suffix(".csv")
    return [row for path in (REPORTED, own) if path.exists() for row in read(path)]


def public_band(answers: Sequence[str]) -> Reported | None:
    """The row whose band other people's test accuracies give, of those that a run answers."""
    found = (
        row
        for row in read()
        if row.id in answers and row.ours == "test_accuracy" and row.band and row.band_from in FROM
    )
    return next(found, None)


def _row(given: dict[str, str]) -> Reported:
    line = defaultdict(str, given)  # an assignment's own file needs some of the columns only
    reported = _number_or_words(line["reported"])
    return Reported(
        id=line["id"],
        report=line["report"],
        setting=line["setting"],
        output=line["output"],
        metric=line["metric"],
        reported=reported,
        rounding=_rounding(line["reported"]) if isinstance(reported, float) else 0.0,
        read_off=_number(line["read_off"]) or 0.0,
        band_low=_number(line["band_low"]),
        band_high=_number(line["band_high"]),
        band_from=line["band_from"],
        ours=line["ours"],
        noise_of=line["noise_of"],
        wrong=line["wrong"],
        explains=line["explains"],
        mislabelled=line["mislabelled"],
        shown_by=tuple(line["shown_by"].split()),
        note=line["note"],
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def _number_or_words(text: str) -> float | str | None:
    try:
        return _number(text)
    except ValueError:
        return text


def _rounding(text: str) -> float:
    exponent = int(Decimal(text).as_tuple().exponent)
    return 0.5 * 10.0**exponent if exponent < 0 else 0.0
