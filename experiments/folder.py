"""Writes the folder of an assignment: figures, curves, tables and what it takes to judge them."""

import contextlib
import csv
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from . import coding, compare, plots, spec
from .compare import Comparison
from .page import DARK, OVERVIEW
from .results import Results, RunResult
from .store import DamagedError, whole
from .tables import environments, period, seconds, settings

_JSON = "results.json"
Writer = Callable[[Path], object]


def write(folder: Path, results: Results, comparisons: Sequence[Comparison]) -> list[Path]:
    """Write all files of an assignment in place of those that an earlier command has left.

    Every file is written whole or not at all; ``results.json`` comes last and names the others.

    Parameters
    ----------
    folder : Path
        Made if need be.
    results : Results
    comparisons : sequence of Comparison

    Returns
    -------
    list of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    forget(folder)
    written: list[Path] = []
    complete = False
    try:
        for name, writer in _files(results, comparisons):
            with whole(folder / name) as path:
                writer(path)
            written.append(folder / name)
        complete = not results.missing
    finally:
        content = _described(results) | {
            "complete": complete, "files": [path.name for path in written]
        }  # fmt: skip
        with whole(folder / _JSON) as path:
            path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return [*written, folder / _JSON]


def forget(folder: Path) -> None:
    """Remove what ``write`` has left in a folder."""
    described = folder / _JSON
    if described.exists():
        try:
            names = json.loads(described.read_text("utf-8"))["files"]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(
                f"{described} must be as run has written it; it is damaged ({error}): remove "
                f"{folder} and run again with --resume"
            ) from error
        for name in names:
            (folder / name).unlink(missing_ok=True)
        described.unlink()


def _files(results: Results, comparisons: Sequence[Comparison]) -> Iterator[tuple[str, Writer]]:
    yield "table.csv", lambda path: compare.write_csv(path, comparisons)
    yield "runs.csv", partial(_write_runs, results)
    for name, run in results.runs.items():
        if run.first is not None and run.first.history:
            yield f"{name}.csv", partial(_write_curves, run)
    overview = plots.verdicts(comparisons, results)
    if overview is not None:
        yield OVERVIEW, _png(overview)
    for wanted in results.assignment.figures:
        with contextlib.suppress(plots.Undrawable):  # the report says which figures are not there
            for name, figure in _drawn(wanted, results):
                yield name, _png(figure)


def _drawn(wanted: spec.Figure, results: Results) -> Iterator[tuple[str, Figure]]:
    """A figure and its snapshots; with pictures, whose colours no page may turn, dark ones too."""
    for dark in (False, True) if wanted.pictures else (False,):
        ending = DARK if dark else ".png"
        yield f"{wanted.name}{ending}", plots.draw(wanted, results, dark=dark)
        if isinstance(wanted, spec.Snapshots):
            for epoch, figure in plots.snapshots(wanted, results, dark=dark):
                yield f"{wanted.name}_{epoch:05}{ending}", figure


def _png(figure: Figure) -> Writer:
    return partial(figure.savefig, format="png")


def _write_curves(run: RunResult, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for i, outcome in enumerate(run.good):
            if i == 0:
                writer.writerow(["seed", *outcome.history])
            seeds = np.full(len(next(iter(outcome.history.values()))), outcome.seed)
            writer.writerows(zip(seeds, *outcome.history.values(), strict=True))


def _write_runs(results: Results, path: Path) -> None:
    metrics = dict.fromkeys(metric for each in results.outcomes for metric in each.metrics)
    columns = [name for metric in metrics for name in (metric, f"{metric}_sd")]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "title", "settings", "n", *columns])
        for name, run in results.runs.items():
            numbers = [each(metric) for metric in metrics for each in (run.mean, run.sd)]
            writer.writerow(
                [name, run.run.title, "; ".join(settings(run.run)), len(run.good), *numbers]
            )


def _described(results: Results) -> dict[str, Any]:
    outcomes = results.outcomes
    times = period(outcomes)
    runs = [run.run for run in results.runs.values()]
    return {
        "assignment": results.name,
        "title": results.assignment.title,
        "seeds": results.seeds,
        "stand_in": any(run.data.stand_in for run in runs),
        "quick": any(run.cut or run.data.rows is not None for run in runs),
        "note": results.note,
        "began": times and times[0].isoformat(timespec="seconds"),
        "ended": times and times[1].isoformat(timespec="seconds"),
        "trials": len(outcomes),
        "seconds": seconds(outcomes),
        "runs": {name: _run(run) for name, run in results.runs.items()},
        "environments": [
            known | {"trials": len(done), "seconds": seconds(done)}
            for known, done in environments(outcomes)
        ],
    }


def _run(run: RunResult) -> dict[str, Any]:
    metrics = run.first.metrics if run.first else ()
    return {
        "settings": coding.plain(run.run),
        "data": sorted({outcome.provenance for outcome in run.outcomes}),
        "note": run.note,
        "metrics": {
            name: {"mean": run.mean(name), "sd": run.sd(name), "n": len(run.values(name))}
            for name in metrics
        },
        "failures": {each.seed: each.failure for each in run.outcomes if each.failure},
    }
