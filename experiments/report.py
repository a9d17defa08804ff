"""Writes the results of an assignment and prints them."""

import contextlib
import csv
import dataclasses
import io
import json
import os
import platform
import textwrap
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fastdl as fd
from experiments import compare, plots
from experiments.compare import Comparison
from experiments.runner import Result
from experiments.spec import Assignment

_PACKAGES = ("fastdl", "numpy", "scipy", "matplotlib")
_JSON = "results.json"
_DASH = "–"
_WIDTH = 100


class Report:
    """The folder of an assignment's results, which grows run by run.

    Every file is written whole or not at all. What an earlier command left is removed when the
    first result comes, so that the folder never mixes two of them.

    Parameters
    ----------
    folder : Path
        Made if need be.
    name : str
        Of the assignment.
    assignment : Assignment
    seed : int
    say : callable
        Prints a line.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        assignment: Assignment,
        *,
        seed: int,
        say: Callable[[str], None],
    ) -> None:
        self.folder, self.name, self.assignment, self.seed = folder, name, assignment, seed
        self._say = say
        self._results: list[Result] = []
        self._files: list[str] = []
        self._began = datetime.now().astimezone()
        self._environment = environment()

    @property
    def training_seconds(self) -> float:
        """Of all fits so far, without gradient checks."""
        return sum(result.seconds for result in self._results if result.history is not None)

    def add(self, result: Result) -> None:
        """Write and print what a run has given, with the figures of it."""
        if not self._results:
            self._open(result)
        self._results.append(result)
        self._say(f"{result.run.title}: {result.summary}")
        if result.history is not None:
            with self._new(f"{result.run.name}.csv") as path:
                result.history.to_csv(path)
        for wanted in self.assignment.figures:
            if wanted.run == result.run.name:
                drawn = plots.draw(wanted, result, self.assignment.title)
                with self._new(f"{wanted.name}.png") as path:
                    drawn.savefig(path, format="png")
        self._write_json(complete=False)

    def close(self) -> None:
        """Write and print the comparison with the reports, after the last run."""
        comparisons = compare.compare(self._results, compare.read())
        with self._new("table.csv") as path:
            _write_table(path, comparisons)
        self._write_json(complete=True)
        self._say("")
        for line in table(comparisons):
            self._say(line)
        self._say("")
        self._say(
            f"training: {self.training_seconds:.2f} s in all; "
            f"threads: {self._environment['threads']} at most"
        )
        self._say(f"results.json and {len(self._files)} more files: {self.folder}")

    def _open(self, first: Result) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        described = self.folder / _JSON
        if described.exists():
            for name in json.loads(described.read_text("utf-8"))["files"]:
                (self.folder / name).unlink(missing_ok=True)
            described.unlink()
        self._say(f"{self.assignment.title} ({self.name})")
        self._say(f"data: {first.data.provenance}")
        if first.data.note:
            self._say(f"note: {first.data.note}")

    @contextlib.contextmanager
    def _new(self, name: str) -> Iterator[Path]:
        with whole(self.folder / name) as path:
            yield path
        self._files.append(name)

    def _write_json(self, *, complete: bool) -> None:
        content = {
            "assignment": self.name,
            "title": self.assignment.title,
            "complete": complete,
            "stand_in": any(result.data.stand_in for result in self._results),
            "seed": self.seed,
            "began": self._began.isoformat(timespec="seconds"),
            "training_seconds": self.training_seconds,
            "runs": {result.run.name: _described(result) for result in self._results},
            "files": self._files,
            "environment": self._environment,
        }
        with whole(self.folder / _JSON) as path:
            path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _described(result: Result) -> dict[str, Any]:
    data = result.data
    return {
        "settings": _plain(result.run),
        "summary": result.summary,
        "metrics": result.metrics,
        "seconds": result.seconds,
        "data": {
            "provenance": data.provenance,
            "stand_in": data.stand_in,
            "note": data.note,
            "rows": {name: len(getattr(data, name)[1]) for name in ("train", "validation", "test")},
        },
    }


def _plain(value: object) -> object:
    """Dataclasses as dictionaries that say of what kind they are; the rest as it is."""
    if dataclasses.is_dataclass(value):
        fields = {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
        return {"kind": type(value).__name__, **fields}
    return value


def environment() -> dict[str, Any]:
    """Versions, machine, threads and what fastdl says of itself."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        fd.show_config()
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "python": platform.python_version(),
        "versions": {package: version(package) for package in _PACKAGES},
        "machine": f"{_processor()}, {platform.platform()}",
        "threads": len(affinity(0)) if affinity else os.cpu_count(),
        "fastdl": text.getvalue().splitlines(),
    }


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of ``path`` when all is written."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _write_table(path: Path, comparisons: list[Comparison]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["id", "setting", "metric", "ours", "reported", "band_low", "band_high", "verdict",
             "reported_verdict", "note"]
        )  # fmt: skip
        for each in comparisons:
            row = each.row
            writer.writerow(
                [row.id, row.setting, row.metric, each.ours, row.reported, row.band_low,
                 row.band_high, each.verdict, row.verdict(row.reported), row.note]
            )  # fmt: skip


def table(comparisons: list[Comparison]) -> list[str]:
    """The comparison in lines for a terminal, with the notes of its rows below.

    Parameters
    ----------
    comparisons : list of Comparison
    """
    cells = [["id", "run", "quantity", "ours", "reported", "band", "verdict on ours"]]
    notes: dict[str, list[str]] = {}
    for each in comparisons:
        cells.append(_cells(each))
        if each.row.note:
            notes.setdefault(each.row.note, []).append(each.row.id)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    lines = [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    remarks = [f"{', '.join(ids)}: {note}." for note, ids in notes.items()]
    for caveat in dict.fromkeys(each.caveat for each in comparisons if each.caveat):
        remarks.append(f"Not judged ({caveat}): the bands are for all of the real data.")
    for remark in remarks:
        lines += textwrap.wrap(remark, _WIDTH, subsequent_indent="  ")
    return lines


def _cells(each: Comparison) -> list[str]:
    row = each.row
    reported = _DASH if row.reported is None else _shown(row.metric, row.reported)
    if row.verdict(row.reported) == "outside":
        reported += " (outside)"
    band = _DASH
    if row.band_low is not None and row.band_high is not None:
        band = _band(row.metric, row.band_low, row.band_high)
    quantity = row.metric.replace("_", " ").replace("below", "<").removeprefix("percent ")
    return [
        row.id, each.run, quantity, _shown(row.metric, each.ours), reported, band, each.verdict
    ]  # fmt: skip


def _shown(metric: str, value: float) -> str:
    if metric.endswith("accuracy"):
        return f"{value:.2%}"
    return f"{value:.2f}%" if metric.startswith("percent") else f"{value:.2g}"


def _band(metric: str, low: float, high: float) -> str:
    if metric.endswith("accuracy"):
        return f"{100 * low:g}{_DASH}{100 * high:g}%"
    unit = "%" if metric.startswith("percent") else ""
    return f"{low:g}{_DASH}{high:g}{unit}"
