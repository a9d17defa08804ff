"""What reports claim of a difference between two runs, and what there is of it beyond the noise."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import noise
from .results import Results
from .tables import DASH, label, shown

CLAIMS = Path(__file__).with_name("claims.csv")
Says = Literal["more", "less", "same"]
_CHANCE = "One interval in twenty misses: of many claims some are judged wrongly by chance."


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One row of ``claims.csv``: how a metric of a first run compares with that of a second.

    Attributes
    ----------
    assignment, report, claim : str
        ``claim`` is what the report says, in a sentence.
    first, second : str
        Names of runs.
    metric : str
        Or the difference of two, as in ``"test_loss - train_loss"``.
    says : {"more", "less", "same"}
        What the report says of the first.
    """

    assignment: str
    report: str
    claim: str
    first: str
    second: str
    metric: str
    says: Says


@dataclass(frozen=True)
class Finding:
    """What our runs say of a claim.

    Attributes
    ----------
    claim : Claim
    titles : (str, str)
        Of the two runs.
    difference : noise.Difference or None
        First - second; None where a run is missing.
    note : str
        Why it may not be judged; empty where it may.
    """

    claim: Claim
    titles: tuple[str, str]
    difference: noise.Difference | None
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether there is a difference, and whether it is the claimed one."""
        found = self.difference
        if found is None:
            return "not run"
        if self.note:
            return f"not judged: {self.note}"
        if found.noise is None or found.n < noise.LEAST_SEEDS:
            return f"not judged: noise is known from {noise.LEAST_SEEDS} seeds on"
        size = shown(self.claim.metric, found.noise)
        if self.claim.says == "same":
            return "a difference is found" if found.beyond_noise else f"none found (± {size})"
        if not found.beyond_noise:
            return f"no difference found (± {size})"
        is_more = found.mean > 0
        return "the claim holds" if is_more == (self.claim.says == "more") else "the opposite holds"

    @property
    def outcome(self) -> Literal["holds", "opposite", "none", "unknown"]:
        """The verdict in a word: whether the claim holds, the opposite does, or none is found."""
        if self.verdict.startswith("not "):
            return "unknown"
        assert self.difference
        if not self.difference.beyond_noise:
            return "holds" if self.claim.says == "same" else "none"
        return "holds" if self.verdict == "the claim holds" else "opposite"

    @property
    def quantity(self) -> str:
        """The metric in words."""
        return " − ".join(map(label, self.claim.metric.split(" - ")))

    @property
    def amount(self) -> str:
        """The difference, ± half the width of its 95 % interval; a dash where there is none."""
        found = self.difference
        return DASH if found is None else shown(self.claim.metric, found.mean, found.noise)


def read(path: Path = CLAIMS) -> list[Claim]:
    """Read the claims, in the order of the file."""
    with path.open(newline="", encoding="utf-8") as file:
        lines: Iterable[dict[str, Any]] = csv.DictReader(file)
        return [Claim(**line) for line in lines]


def judge(results: Results, claims: Sequence[Claim]) -> list[Finding]:
    """Hold the claims about an assignment against its results.

    Parameters
    ----------
    results : Results
    claims : sequence of Claim
        Those about other assignments are left out.
    """
    return [_judged(claim, results) for claim in claims if claim.assignment == results.name]


def _judged(claim: Claim, results: Results) -> Finding:
    first, second = results.runs.get(claim.first), results.runs.get(claim.second)
    if first is None or second is None:
        return Finding(claim, (claim.first, claim.second), None)
    difference = noise.difference(first, second, claim.metric)
    return Finding(
        claim, (first.run.title, second.run.title), difference, first.note or second.note
    )


def _difference(finding: Finding) -> str:
    quantity = finding.quantity
    return quantity if finding.difference is None else f"{quantity}, A − B = {finding.amount}"


def table(findings: Sequence[Finding]) -> list[str]:
    """The claims as lines for a terminal, three each; none without a claim.

    Parameters
    ----------
    findings : sequence of Finding
    """
    lines = []
    for each in findings:
        first, second = each.titles
        lines.append(f"{each.claim.report}  {each.claim.claim}")
        lines.append(f"     A: {first}. B: {second}.")
        lines.append(f"     {_difference(each)}: {each.verdict}")
    head = f"What reports say of a difference, and ours: A − B ± its noise. {_CHANCE}"
    return [head, *lines] if lines else []


def markdown(findings: Sequence[Finding]) -> str:
    """The claims as a table in Markdown; empty without a claim.

    Parameters
    ----------
    findings : sequence of Finding
    """
    if not findings:
        return ""
    lines = [
        "| report | claim | A | B | difference | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for each in findings:
        cells = (each.claim.report, each.claim.claim, *each.titles, _difference(each), each.verdict)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + f"\n\n{_CHANCE}\n"
