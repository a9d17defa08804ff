"""A whole class: every submission of a folder, a line of a table each."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.check import stored
from experiments.check.answer import Answer, answer
from experiments.check.report import TOLD
from experiments.check.submission import (
    Submission,
    SubmissionError,
    number,
    read_curve,
    read_weights,
    setting_of,
)
from experiments.store import whole

_KEYS = ("name", "assignment", "run", *TOLD, "curve", "weights")
_COLUMNS = ("name", "assignment", "run", "verdict", "fit", "mistakes", "problem")
_NAMED = 5  # mistakes that a line lists


@dataclass(frozen=True)
class Line:
    """What became of one submission.

    Attributes
    ----------
    given : dict
        As it stands in the file.
    answer : Answer or None
    problem : str
        Why there is none.
    """

    given: Mapping[str, Any]
    answer: Answer | None = None
    problem: str = ""


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
            f"a submission must have keys among {', '.join(_KEYS)}; got {unknown[0]}"
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
                lines.append(Line(given, answer(understood(given, folder))))
            except SubmissionError as error:
                lines.append(Line(given, problem=str(error)))
    if not lines:
        raise SubmissionError(
            f"{folder} must hold submissions, JSON or CSV files with {', '.join(_KEYS[1:4])}; "
            "got none"
        )
    return lines


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
    row["problem"] = line.problem
    found = line.answer
    if found is None:
        return row | {"verdict": "not checked", "fit": "", "mistakes": ""}
    right = max(each.fit for each in found.candidates if not each.mistake.wrong)
    wrong = [each.mistake.name for each in found.plausible if each.mistake.wrong]
    named = "" if found.correct else " ".join(wrong[:_NAMED])
    return row | {"verdict": found.verdict, "fit": f"{right:.3g}", "mistakes": named}


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
