"""A whole class: every submission of a folder, a line of a table each."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..meant import meant
from ..store import whole
from . import stored
from .answer import answer
from .ranking import Candidate, together, verdict
from .report import TOLD
from .submission import (
    Submission,
    SubmissionError,
    number,
    read_curve,
    read_weights,
    setting_of,
)

_KEYS = ("name", "assignment", "run", *TOLD, "curve", "weights")
_COLUMNS = ("name", "assignment", "run", "verdict", "fit", "mistakes", "problem")
ALL = "all of them"
_NAMED = 5  # mistakes that a line lists


@dataclass(frozen=True)
class Line:
    """What became of one submission.

    Attributes
    ----------
    given : dict
        As it stands in the file.
    candidates : tuple of Candidate
        The likeliest first; none where there is a problem.
    problem : str
        Why there is none.
    """

    given: Mapping[str, Any]
    candidates: tuple[Candidate, ...] = ()
    problem: str = ""

    @property
    def verdict(self) -> str:
        """As ``ranking.verdict`` gives it, or ``not checked``."""
        return verdict(self.candidates) if self.candidates else "not checked"

    @property
    def mistakes(self) -> list[Candidate]:
        """Those that give the numbers; none where correct code does."""
        wrong = [each for each in self.candidates if each.plausible and each.mistake.wrong]
        return wrong if self.verdict == "mistake" else []


def understood(given: Mapping[str, Any], folder: Path) -> Submission:
    """A submission from its settings and numbers.

    Parameters
    ----------
    given : mapping
        Of ``assignment``, ``run``, numbers such as ``test_accuracy``, and the files ``curve`` and
        ``weights``.
    folder : Path
        Where these lie.

    Raises
    ------
    SubmissionError
    """
    unknown = [key for key in given if key not in _KEYS]
    if unknown:
        raise SubmissionError(
            f"a submission must have keys among {', '.join(_KEYS)}; got {unknown[0]!r}"
            f"{meant(unknown[0], _KEYS)}"
        )
    setting = setting_of(str(given.get("assignment", "")), str(given.get("run") or ""))
    runs = stored.load(setting)
    metrics = {name: str(given[name]) for name in TOLD if given.get(name) not in (None, "")}
    for name, text in metrics.items():
        number(name, text)
    curve = weights = None
    if given.get("curve"):
        path = _beside(folder, "curve", str(given["curve"]))
        curve = read_curve(path, setting.recipe, runs.rows["train"])
    if given.get("weights"):
        weights = read_weights(_beside(folder, "weights", str(given["weights"])), setting.recipe)
    return Submission(setting, metrics, curve, weights or {}, str(given.get("name", "")))


def _beside(folder: Path, key: str, name: str) -> Path:
    if Path(name).name != name:
        raise SubmissionError(f"{key} must be a file in the folder of the submission; got {name!r}")
    return folder / name


def check(folder: Path) -> list[Line]:
    """The answers to all submissions of a folder, by the order of its files.

    Raises
    ------
    SubmissionError
        If there are none.
    """
    lines = []
    for path in sorted(folder.iterdir()):
        for given in _read(path):
            if isinstance(given, SubmissionError):
                lines.append(Line({"name": path.name}, problem=str(given)))
                continue
            given = {"name": path.stem} | given
            try:
                lines.append(Line(given, answer(understood(given, folder)).candidates))
            except SubmissionError as error:
                lines.append(Line(given, problem=str(error)))
    if not lines:
        raise SubmissionError(
            f"{folder} must hold submissions, JSON or CSV files with {', '.join(_KEYS[1:4])}; "
            "got none"
        )
    return [*lines, *_joint(lines)]


def _joint(lines: list[Line]) -> Iterator[Line]:
    """A line for everybody who has several runs of one assignment, by all of them."""
    runs: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if line.candidates:
            runs.setdefault((line.given["name"], line.given["assignment"]), []).append(line)
    for (name, assignment), own in runs.items():
        if len(own) > 1:
            found = together([line.candidates for line in own])
            yield Line({"name": name, "assignment": assignment, "run": ALL}, tuple(found))


def _read(path: Path) -> Iterator[dict[str, Any] | SubmissionError]:
    """The submissions of a file; a CSV without the column ``assignment`` is somebody's curve."""
    try:
        if path.suffix == ".json":
            content = json.loads(path.read_text("utf-8"))
            for each in content if isinstance(content, list) else [content]:
                if not isinstance(each, dict):
                    raise ValueError("it holds no settings and numbers by name")
                yield each
        elif path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file)
                if "assignment" in (reader.fieldnames or ()):
                    yield from ({key: v for key, v in line.items() if key} for line in reader)
    except (OSError, ValueError, csv.Error) as error:
        yield SubmissionError(f"{path.name} must be a submission as JSON or CSV: {error}")


def write(path: Path, lines: list[Line], *, hide_mistakes: bool) -> None:
    """Write the table of a class, whole or not at all."""
    with whole(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        columns = [name for name in _COLUMNS if not (hide_mistakes and name == "mistakes")]
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(map(_row, lines))


def _row(line: Line) -> dict[str, Any]:
    row = {key: line.given.get(key, "") for key in ("name", "assignment", "run")}
    right = [each.fit for each in line.candidates if not each.mistake.wrong]
    names = [each.mistake.name for each in line.mistakes[:_NAMED]]
    return row | {
        "verdict": line.verdict,
        "fit": f"{max(right):.3g}" if right else "",
        "mistakes": " ".join(names),
        "problem": line.problem,
    }


def bands(assignment: str) -> dict[str, Any]:
    """What correct code gives in every setting of an assignment, for other programs."""
    found: dict[str, Any] = {}
    for name, setting in stored.settings(assignment).items():
        curves = stored.load(setting).told["none"].curves
        found[name] = {
            column: {
                "mean": float(values[:, -1].mean()),
                "sd": float(values[:, -1].std(ddof=1)),
                "low": float(values[:, -1].min()),
                "high": float(values[:, -1].max()),
                "seeds": len(values),
            }
            for column, values in curves.items()
        }
    return found
