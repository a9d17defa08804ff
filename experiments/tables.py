"""Runs, searches and machines as tables of words and numbers."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from .results import GroupResult, Results, RunResult
from .spec import GradientCheck, Run, Training, symbol
from .store import Outcome

DASH = "–"
_OF_CLASSES = ("train_cost", "train_accuracy", "validation_accuracy", "test_accuracy", "seconds")
_OF_NUMBERS = ("train_loss", "validation_loss", "test_loss", "seconds")


class Table(NamedTuple):
    """A table of texts.

    Attributes
    ----------
    caption : str
    heads : sequence of str
    rows : sequence of sequences of str
    texts : int
        How many of the first columns are words; the others are numbers.
    note : str
        What holds for all rows.
    """

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    note: str = ""


def alone(results: Results) -> list[RunResult]:
    """The runs that are not some of many: those of no group, and those that a group chose."""
    crowd = {run.run.name for group in results.searches for run in group.runs}
    return [run for name, run in results.runs.items() if name not in crowd]


def training_table(caption: str, runs: Sequence[RunResult]) -> Table:
    """Trainings by their accuracies, or by their losses where there are no classes."""
    classes = any(run.mean("test_accuracy") is not None for run in runs)
    return run_table(caption, runs, _OF_CLASSES if classes else _OF_NUMBERS)


def run_table(caption: str, runs: Sequence[RunResult], columns: Sequence[str] = ()) -> Table:
    """Settings and metrics of runs, a row each; settings that all share are the table's note.

    Parameters
    ----------
    caption : str
    runs : sequence of RunResult
    columns : sequence of str
        Of the metrics, those to show where a run has them; none: all.
    """
    had = {metric: None for run in runs for outcome in run.good for metric in outcome.metrics}
    metrics = [metric for metric in columns or had if metric in had]
    heads = ["run", "settings", "seeds", *(label(metric) for metric in metrics)]
    shared, own = apart([settings(run.run) for run in runs])
    rows = [
        [run.run.title, each or DASH, str(len(run.good)), *_cells(run, metrics)]
        for run, each in zip(runs, own, strict=True)
    ]
    return Table(caption, heads, rows, texts=2, note=f"All: {shared}.")


def ranked_by(group: GroupResult) -> list[str]:
    """The metrics by which a group is ranked: its own, and the same of the training rows."""
    rank = group.group.rank
    return list(dict.fromkeys([rank, rank.replace("validation", "train")]))


def ranking(group: GroupResult, metric: str, top: int) -> Table:
    """The best runs of a group by a metric.

    Parameters
    ----------
    group : GroupResult
    metric : str
    top : int
        How many.
    """
    metrics = [*ranked_by(group), group.group.rank.replace("validation", "test")]
    heads = ["", "settings", *(label(each) for each in metrics)]
    rows = [
        [str(place), run.run.title, *_cells(run, metrics)]
        for place, run in enumerate(group.ranked(metric)[:top], 1)
    ]
    return Table(f"Best by {label(metric)}", heads, rows, texts=2)


def _cells(run: RunResult, metrics: Iterable[str]) -> list[str]:
    return [shown(metric, run.mean(metric), run.sd(metric)) for metric in metrics]


def machines(outcomes: Iterable[Outcome]) -> Table:
    """The machines that did these trials, with their versions, trials and seconds."""
    heads = ("machine", "versions", "cores", "threads a trial", "trials", "seconds of fits")
    rows: dict[tuple[str, ...], list[Outcome]] = {}
    for known, done in environments(outcomes):
        versions = {"Python": known["python"], **known["versions"]}
        texts = ", ".join(f"{name} {number}" for name, number in versions.items())
        row = (known["machine"], texts, str(known["cores"]), str(known["threads"]))
        rows.setdefault(row, []).extend(done)
    cells = [(*row, str(len(done)), f"{seconds(done):,.1f}") for row, done in rows.items()]
    return Table("Machines", heads, cells, texts=2)


def environments(outcomes: Iterable[Outcome]) -> list[tuple[dict[str, Any], list[Outcome]]]:
    """The environments of some trials, each with its trials."""
    found: dict[str, tuple[dict[str, Any], list[Outcome]]] = {}
    for each in outcomes:
        known = {name: value for name, value in each.environment.items() if name != "ended"}
        found.setdefault(json.dumps(known), (known, []))[1].append(each)
    return list(found.values())


def seconds(outcomes: Iterable[Outcome]) -> float:
    """Of all fits and checks together."""
    return sum(outcome.metrics.get("seconds", 0.0) for outcome in outcomes)


def period(outcomes: Sequence[Outcome]) -> tuple[datetime, datetime] | None:
    """When the first of these trials began and the last one ended; None without any."""
    if not outcomes:
        return None
    ended = {id(each): datetime.fromisoformat(each.environment["ended"]) for each in outcomes}
    began = [ended[id(each)] - timedelta(seconds=seconds([each])) for each in outcomes]
    return min(began), max(ended.values())


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


# --- words ----------------------------------------------------------------------------------------


def shortened(text: str, room: int) -> str:
    """A text cut in its middle: names of runs begin alike and differ at their ends."""
    if len(text) <= room:
        return text
    end = (room - 1) * 2 // 3
    return f"{text[: room - 1 - end].rstrip()}…{text[-end:].lstrip()}"


def label(metric: str) -> str:
    """How tables call a metric: ``train_cost@10`` is "training cost at epoch 10"."""
    words = re.sub("^train_", "training ", re.sub("^val_", "validation ", metric))
    return words.replace("@", " at epoch ").replace("_", " ").replace("below", "<")


def shown(metric: str, mean: float | None, sd: float | None = None) -> str:
    """A metric with its unit, and with its spread where that is known, to the same decimals."""
    if mean is None:
        return DASH
    if metric == "weights":
        return f"{mean:,.0f}"
    unit, factor, form = "", 1.0, _significant(mean, 4)
    if metric.partition("@")[0].endswith("accuracy"):
        unit, factor, form = " %", 100.0, ".2f"
    elif metric.startswith("percent"):
        unit, form = " %", ".2f"
    elif metric == "seconds":
        unit, form = " s", _significant(mean, 3)
    numbers = [mean] if sd is None else [mean, sd]
    return " ± ".join(f"{factor * each:{form}}" for each in numbers) + unit


def _significant(value: float, digits: int) -> str:
    """The format that gives a value so many digits."""
    if not math.isfinite(value) or 0 < abs(value) < 1e-5:
        return f".{digits - 1}g"
    return f",.{max(0, digits - 1 - math.floor(math.log10(abs(value or 1.0))))}f"


def settings(run: Run) -> list[str]:
    """What a run does, a few words a setting."""
    model = run.model
    activations = "".join(f" {name}" for name in dict.fromkeys(model.activations))
    parts = ["-".join(map(str, model.widths)) + activations]
    parts += [model.loss.replace("_", " "), f"weights from {brief(model.init)}"]
    if isinstance(run, GradientCheck):
        parts.append(f"first {run.samples} rows")
    if isinstance(run, Training):
        parts += [brief(run.optimiser), f"batches of {run.batch_size:,}", f"{run.epochs:,} epochs"]
        penalties = {symbol(name): getattr(run, name) for name in ("l1", "l2")}
        parts += [f"{name} = {value:.4g}" for name, value in penalties.items() if value]
        parts.append(f"{run.shuffle} shuffled" if run.shuffle else "not shuffled")
    return parts


def apart(all_settings: Sequence[Sequence[str]]) -> tuple[str, list[str]]:
    """What settings have in common, and what each has of its own."""
    first = all_settings[0] if all_settings else []
    shared = [part for part in first if all(part in each for each in all_settings)]
    own = ["; ".join(part for part in each if part not in shared) for each in all_settings]
    return "; ".join(shared), own


def brief(value: Any) -> str:
    """A setting in a few words: of a dataclass what is not by default."""
    if isinstance(value, float):
        return f"{value:g}"
    if not is_dataclass(value):
        return str(value)
    given = {each.name: getattr(value, each.name) for each in fields(value)}
    told = {
        each.name: given[each.name]
        for each in fields(value)
        if each.default is MISSING or given[each.name] != each.default
    }
    shown_fields = told or given
    texts = [f"{name.replace('_', ' ')} {brief(each)}" for name, each in shown_fields.items()]
    if len(texts) == 1:  # a name would say nothing: Normal (0.01), SGD (0.1)
        texts = [brief(each) for each in shown_fields.values()]
    return f"{type(value).__name__} ({', '.join(texts)})" if texts else type(value).__name__
