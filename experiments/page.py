"""What the report says of an assignment, and in what order."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from . import claims, compare
from .compare import Comparison
from .results import GroupResult, Results
from .sources import Report, held_against, public
from .spec import Figure, GradientCheck, Snapshots
from .tables import (
    DASH,
    Table,
    alone,
    apart,
    machines,
    period,
    ranked_by,
    ranking,
    run_table,
    seconds,
    settings,
    training_table,
)  # fmt: skip

OVERVIEW, DARK = "verdicts.png", "_dark.png"


class Shown(NamedTuple):
    """A figure of the report.

    Attributes
    ----------
    name, caption : str
    path : Path
        Of the PNG file.
    more : sequence of Path
        Files that are shown folded.
    shared : str
        Settings that all of our runs have.
    ours : list of (str, str)
        Their titles, and the settings that not all have.
    reported : dict of str to list of Comparison
        By id, what the reports give for these runs.
    """

    name: str
    caption: str
    path: Path
    more: Sequence[Path]
    shared: str
    ours: list[tuple[str, str]]
    reported: dict[str, list[Comparison]]


@dataclass(frozen=True)
class Page:
    """An assignment in the report.

    Attributes
    ----------
    folder : Path
        Where ``folder.write`` has left its figures.
    results : Results
    comparisons : sequence of Comparison
    """

    folder: Path
    results: Results
    comparisons: Sequence[Comparison]

    @property
    def verdicts(self) -> dict[str, int]:
        """How many numbers have each verdict, the most frequent first."""
        return verdicts(self.comparisons)

    @property
    def overview(self) -> Path | None:
        """The figure of all reported numbers, if there is one."""
        path = self.folder / OVERVIEW
        return path if path.exists() else None

    @property
    def leading_overview(self) -> Path | None:
        """That figure, if it is for the first page: beside other public reports, on their data."""
        known = any(each.band_from == "public" for each in self.comparisons)
        return self.overview if known and self.leads and not self.results.note else None

    @property
    def reported(self) -> dict[str, list[Comparison]]:
        """The comparisons by id."""
        return _by_id(self.comparisons)

    @property
    def reasons(self) -> list[str]:
        """Why verdicts are what they are, each reason once; that of all rows is told above."""
        found = compare.reasons(self.comparisons)
        return [reason for reason in found if reason != self.results.note]

    @property
    def leads(self) -> list[Shown]:
        """The figures for the first page."""
        wanted = {each.name for each in self.results.assignment.figures if each.lead}
        return [shown for shown in self.figures if shown.name in wanted]

    @property
    def claims(self) -> Table:
        """What reports say of differences between runs, and what there is of them in ours."""
        heads = ("claim", "report", "finding", "quantity", "run A", "run B", "A − B ± noise")
        rows = []
        for each in claims.judge(self.results, claims.read()):
            claim = each.claim
            words = (claim.claim, claim.report, each.verdict, each.quantity, *each.titles)
            rows.append((*words, each.amount))
        return Table("What reports say of differences", heads, rows, texts=6)

    @property
    def figures(self) -> list[Shown]:
        """Those that were drawn, in the assignment's order."""
        return [
            self._shown(wanted)
            for wanted in self.results.assignment.figures
            if self._picture(wanted).exists()
        ]

    def _picture(self, wanted: Figure) -> Path:
        return self.folder / f"{wanted.name}.png"

    def _shown(self, wanted: Figure) -> Shown:
        results = self.results
        snapshots = self.folder.glob(f"{wanted.name}_*[0-9].png")
        more = isinstance(wanted, Snapshots) and sorted(snapshots)
        titles, all_settings, names = [], [], set(wanted.of)
        for name in wanted.of:
            if name in results.runs:
                titles.append(results.runs[name].run.title)
                all_settings.append(settings(results.runs[name].run))
            elif name in results.groups:
                runs = [each.run for each in results.groups[name].runs]
                titles.append(results.groups[name].group.title)
                all_settings.append(apart([settings(run) for run in runs])[0].split("; "))
                names |= {run.name for run in runs}
        shared, own = apart(all_settings)
        reported = _by_id(each for each in self.comparisons if each.run_name in names)
        ours = list(zip(titles, own, strict=True))
        path = self._picture(wanted)
        return Shown(wanted.name, wanted.caption, path, more or (), shared, ours, reported)

    @property
    def undrawn(self) -> list[str]:
        """Captions of the figures that could not be drawn."""
        return [
            wanted.caption
            for wanted in self.results.assignment.figures
            if not self._picture(wanted).exists()
        ]

    @property
    def tables(self) -> list[Table]:
        """The runs that stand alone: gradient checks, then trainings."""
        runs = list(alone(self.results))
        checks = [run for run in runs if isinstance(run.run, GradientCheck)]
        trainings = [run for run in runs if not isinstance(run.run, GradientCheck)]
        made = []
        if checks:
            made.append(run_table("Gradient checks, compiled against centred differences", checks))
        if trainings:
            made.append(training_table("Trainings, mean ± sd over the seeds", trainings))
        return made

    @property
    def searches(self) -> list[tuple[GroupResult, list[Table], Table]]:
        """Every group of more than one run: its best by two rankings, and all of its runs."""
        return [
            (
                group,
                [ranking(group, metric, 5) for metric in ranked_by(group)],
                training_table("All of its runs, best first", group.ranked()),
            )
            for group in self.results.searches
        ]

    @property
    def sources(self) -> list[Report]:
        """The reports whose numbers it is held against."""
        return held_against(each.row for each in self.comparisons)

    @property
    def others(self) -> list[Report]:
        """The reports that its public bands are from."""
        return public(self.results.name)

    @property
    def data(self) -> Table:
        """Where the rows come from, how many there are, and what to know about them."""
        rows: dict[tuple[str, ...], None] = {}
        for outcome in self.results.outcomes:
            counts = (f"{outcome.rows[split]:,}" for split in ("train", "validation", "test"))
            rows[(outcome.provenance, outcome.note or DASH, *counts)] = None
        heads = ("rows", "note", "training", "validation", "test")
        return Table("Data", heads, list(rows), texts=2)

    @property
    def machines(self) -> Table:
        """The machines that did trials, with their versions."""
        return machines(self.results.outcomes)

    @property
    def seconds(self) -> float:
        """Of all fits and checks."""
        return seconds(self.results.outcomes)

    @property
    def period(self) -> tuple[datetime, datetime] | None:
        """When the first trial began and the last one ended."""
        return period(self.results.outcomes)

    @property
    def failures(self) -> list[str]:
        """Trials that ended without a number."""
        return [
            f"{run.run.title}, seed {outcome.seed}: {outcome.failure}"
            for run in self.results.runs.values()
            for outcome in run.outcomes
            if outcome.failure
        ]


def verdicts(comparisons: Iterable[Comparison]) -> dict[str, int]:
    """How many numbers have each verdict, the most frequent first."""
    return dict(Counter(str(each.verdict) for each in comparisons).most_common())


def stand_ins(pages: Iterable[Page]) -> list[str]:
    """The data sets that stand-ins take the place of."""
    rows = [run.run.data for page in pages for run in page.results.runs.values()]
    return sorted({each.source for each in rows if each.stand_in and each.source})


def _by_id(comparisons: Iterable[Comparison]) -> dict[str, list[Comparison]]:
    found: dict[str, list[Comparison]] = {}
    for each in comparisons:
        found.setdefault(each.row.id, []).append(each)
    return found
