"""What a student hands in: a setting, numbers, a curve, weights; read, understood or refused."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..meant import meant
from . import mistakes, stored
from .ranking import Number
from .recipe import Recipe
from .report import TOLD
from .stored import Runs, Setting
from .student import looks_of

_LARGEST = 100 * 2**20  # bytes of a file that is read
_SETTINGS = {
    "lambda": ("lambda", "lam", "l2", "λ", "reg", "weight decay", "decay"),
    "eta": ("eta", "η", "lr", "rate", "learning rate", "eta max"),
    "batch": ("batch", "batch size", "n batch"),
    "epochs": ("epochs", "n epochs"),
    "n_s": ("n s", "ns", "half cycle", "step size", "stepsize"),
}
_WORDS = {
    "train": ("train", "training", "tr"),
    "validation": ("validation", "val", "valid", "v"),
    "test": ("test",),
    "loss": ("loss",),
    "cost": ("cost",),
    "accuracy": ("accuracy", "acc"),
    "epoch": ("epoch", "epochs"),
    "step": ("step", "steps", "update", "updates", "iteration", "iterations", "t"),
}
_KNOWN = {word: meaning for meaning, words in _WORDS.items() for word in words}


class SubmissionError(ValueError):
    """Something that was handed in cannot be understood; the message says what would be."""


@dataclass(frozen=True, eq=False)
class Series:
    """One column of a curve, where it has values.

    Attributes
    ----------
    epochs, values : array (p,)
        Not all epochs need be whole; accuracies from 0 to 1, NaN where the run was lost.
    rounding : float
        Half a unit of the last digit.
    """

    epochs: NDArray[np.float64]
    values: NDArray[np.float64]
    rounding: float


@dataclass(frozen=True, eq=False)
class Curve:
    """The curves of a run.

    Attributes
    ----------
    columns : dict of str to Series
        Named as in ``report.TOLD``.
    passed_over : tuple of str
        Columns that say nothing to us.
    """

    columns: Mapping[str, Series]
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True)
class Submission:
    """A run that is to be checked.

    Attributes
    ----------
    setting : Setting
    metrics : dict of str to str
        Numbers as they were written, by their names in ``report.TOLD``.
    curve : Curve or None
    weights : dict of str to float
        See ``student.looks_of``.
    name : str
        Whose it is.
    """

    setting: Setting
    metrics: Mapping[str, str]
    curve: Curve | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    name: str = ""

    def numbers(self, runs: Runs) -> list[Number]:
        """All that can be held against stored runs.

        Raises
        ------
        SubmissionError
            If there is nothing.
        """
        found = [number(column, text) for column, text in self.metrics.items()]
        if self.curve is not None:
            found += _points(self.curve, runs.epochs, {each.column for each in found})
        found += [Number(column, value) for column, value in self.weights.items()]
        if not found:
            raise SubmissionError(
                "a check must have a number, a curve or weights to go by; got none within the "
                f"{self.setting.recipe.epochs} epochs, give --test-accuracy or --curve"
            )
        return found


def setting_of(assignment: str, text: str) -> Setting:
    """The setting of an assignment that some words mean.

    Parameters
    ----------
    assignment : str
    text : str
        The name of a run, or settings such as ``lambda=.1, eta=.001``; empty where there is one.

    Raises
    ------
    SubmissionError
    """
    if assignment not in mistakes.SETTINGS:
        raise SubmissionError(
            f"the assignment to check must be one of {', '.join(mistakes.SETTINGS)}; got "
            f"{assignment!r}{meant(assignment, mistakes.SETTINGS)}"
        )
    known = stored.settings(assignment)
    if text.strip() in known:
        return known[text.strip()]
    if not text.strip() and len(known) == 1:
        return next(iter(known.values()))
    listed = ", ".join(_described([each.recipe for each in known.values()]))
    rule = f"--run must be one of the settings of {assignment}, {listed}; got {text!r}"
    if "=" not in text:
        raise SubmissionError(rule + meant(text, known))
    wanted = _pairs(text)
    fitting = [each for each in known.values() if _fits(each, wanted)]
    if len(fitting) > 1:
        raise SubmissionError(f"{rule}, which fits several")
    if not fitting:
        nearest = min(known.values(), key=lambda each: _distance(each, wanted))
        raise SubmissionError(f"{rule}; did you mean {nearest.run.name}?")
    return fitting[0]


def keys(recipe: Recipe) -> dict[str, float]:
    """The settings of a recipe that tell runs apart."""
    schedule = recipe.schedule
    rate = schedule.high if hasattr(schedule, "high") else schedule.rate
    found = {"lambda": recipe.l2, "eta": rate, "batch": recipe.batch_size, "epochs": recipe.epochs}
    if hasattr(schedule, "half_cycle"):
        found["n_s"] = schedule.half_cycle
    return found


def _described(recipes: Sequence[Recipe]) -> Iterator[str]:
    """Each by the settings in which it differs from others, in quotes as a shell takes them."""
    found = [keys(recipe) for recipe in recipes]
    apart = [key for key in found[0] if len({each[key] for each in found}) > 1] or [*found[0]]
    for each in found:
        pairs = ", ".join(f"{key}={each[key]:g}" for key in apart)
        yield f'"{pairs}"'


def _fits(setting: Setting, wanted: Mapping[str, float]) -> bool:
    own = keys(setting.recipe)
    return all(
        name in own and abs(own[name] - value) <= 1e-6 * max(own[name], 1e-12)
        for name, value in wanted.items()
    )


def _distance(setting: Setting, wanted: Mapping[str, float]) -> float:
    """How many powers of ten lie between what is wanted and what a setting has."""
    own, least = keys(setting.recipe), 1e-6
    return sum(
        abs(np.log10(max(own[name], least)) - np.log10(max(value, least))) if name in own else 9.0
        for name, value in wanted.items()
    )


def _pairs(text: str) -> dict[str, float]:
    names = {each: name for name, several in _SETTINGS.items() for each in several}
    found = {}
    apart = re.sub(r"(=\s*[^\s,;=]+)\s+(?=[^\s,;=][^,;=]*=)", r"\1, ", text)  # "a=1 b=2" too
    for part in re.split(r"[,;]", apart):
        if not part.strip():
            continue
        name, _, value = part.partition("=")
        plain = re.sub(r"[\s_-]+", " ", name).strip().lower()
        if plain not in names:
            raise SubmissionError(
                f"--run must set some of {', '.join(_SETTINGS)}; got {name.strip()!r}"
                f"{meant(plain, names)}"
            )
        found[names[plain]] = _decimal(f"--run {names[plain]}", value)
    return found


def _decimal(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SubmissionError(f"{name} must be a number; got {text.strip()!r}") from None


# --- numbers --------------------------------------------------------------------------------------


def number(column: str, text: str) -> Number:
    """A number as it was written; accuracies above 1 are per cent.

    Raises
    ------
    SubmissionError
        If it is none, or an accuracy beyond 100 %.
    """
    plain = text.strip().removesuffix("%").strip()
    name = f"--{column.replace('_', '-')}"
    try:
        exact = Decimal(plain)
    except InvalidOperation:
        raise SubmissionError(f"{name} must be a number; got {text!r}") from None
    value = float(exact)
    rounding = 0.5 * 10.0 ** -_decimals(plain)
    if not column.endswith("accuracy"):
        return Number(column, value, rounding=rounding)
    if value > 1 or text.strip().endswith("%"):
        value, rounding = value / 100, rounding / 100
    if not 0 <= value <= 1:
        raise SubmissionError(f"{name} must lie between 0 and 100 %; got {text!r}")
    return Number(column, value, rounding=rounding)


# --- curves ---------------------------------------------------------------------------------------


def read_curve(path: Path, recipe: Recipe, n_train: int) -> Curve:
    """A curve from a CSV file with a line of names.

    Parameters
    ----------
    path : Path
    recipe : Recipe
        Tells how many steps an epoch has.
    n_train : int
        Training rows.

    Raises
    ------
    SubmissionError
        If the file cannot be read or understood.
    """
    text = _bytes(path).decode("utf-8-sig", "replace")
    try:
        dialect: Any = csv.Sniffer().sniff(text[:2000], ",;\t")
    except csv.Error:
        dialect = csv.excel
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), dialect) if any(line)]
    except csv.Error as error:
        raise SubmissionError(f"{path} must be a CSV file; {error}") from None
    if len(lines) < 2:
        raise SubmissionError(f"{path} must hold a line of names and lines of numbers; got neither")
    meanings = [_meaning(name) for name in lines[0]]
    if not {*meanings} & {*TOLD}:
        raise SubmissionError(
            f"{path} must have columns such as epoch, {', '.join(TOLD[:3])} and test_accuracy; "
            f"got {', '.join(lines[0])}"
        )
    cells = _cells(path, lines, meanings)
    epochs = _epochs(path, cells, recipe, n_train, len(lines) - 1)
    columns = {name: _series(path, name, cells[name], epochs) for name in TOLD if name in cells}
    passed_over = tuple(
        name for name, meaning in zip(lines[0], meanings, strict=True) if not meaning
    )
    return Curve(columns, passed_over)


def _meaning(name: str) -> str:
    """What a column is called here; empty where its name says nothing, or has a slip in a word."""
    words = re.findall(r"[a-z]+", name.lower())
    if any(word not in _KNOWN and meant(word, _KNOWN) for word in words):
        return ""
    known = {_KNOWN[word] for word in words if word in _KNOWN}
    for axis in ("epoch", "step"):
        if known == {axis}:
            return axis
    what = known & {"loss", "cost", "accuracy"}
    split = known & {"train", "validation", "test"}
    if len(what) != 1 or len(split) > 1:
        return ""
    return f"{next(iter(split), 'train')}_{what.pop()}"


def _cells(path: Path, lines: list[list[str]], meanings: list[str]) -> dict[str, list[str]]:
    """What stands in every column that has a meaning."""
    for at, line in enumerate(lines[1:], 2):
        if len(line) != len(meanings):
            raise SubmissionError(
                f"{path} must have {len(meanings)} columns in every line; got {len(line)} in line "
                f"{at}"
            )
    cells: dict[str, list[str]] = {}
    for i, meaning in enumerate(meanings):
        if meaning in cells:
            raise SubmissionError(f"{path} must have one column of {meaning}; got two")
        if meaning:
            cells[meaning] = [line[i].strip().removesuffix("%").strip() for line in lines[1:]]
    return cells


def _series(path: Path, name: str, texts: list[str], epochs: NDArray[np.float64]) -> Series:
    held = np.array([bool(text) for text in texts])
    values = _numbers(path, name, [text for text in texts if text])
    rounding = 0.5 * 10.0 ** -max((_decimals(text) for text in texts), default=0)
    if name.endswith("accuracy"):
        if np.nanmax(values, initial=0.0) > 1:
            values, rounding = values / 100, rounding / 100
        if not ((values >= 0) & (values <= 1)).all():
            raise SubmissionError(f"{path}, {name} must lie between 0 and 100 %; it does not")
    return Series(epochs[held], values, rounding)


def _numbers(path: Path, name: str, texts: list[str]) -> NDArray[np.float64]:
    return np.array(
        [_decimal(f"{path}, line {at}, {name}", text) for at, text in enumerate(texts, 2)]
    )


def _decimals(text: str) -> int:
    """The digits behind the point; as many as can be where it has none because it is no number."""
    try:
        exponent = Decimal(text).as_tuple().exponent
    except InvalidOperation:
        return 0
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _epochs(
    path: Path, cells: Mapping[str, list[str]], recipe: Recipe, n_train: int, n: int
) -> NDArray[np.float64]:
    """Where the lines of a curve are."""
    steps = n_train // recipe.batch_size if recipe.drop_last else -(-n_train // recipe.batch_size)
    if "step" in cells:
        epochs = _numbers(path, "step", cells["step"]) / steps
    elif "epoch" in cells:
        epochs = _numbers(path, "epoch", cells["epoch"])
    elif n in (recipe.epochs, recipe.epochs + 1):
        return np.arange(n, dtype=np.float64) + (n == recipe.epochs)
    else:
        raise SubmissionError(
            f"{path} must have a column epoch or step, or a line for each of {recipe.epochs} "
            f"epochs; got {n} lines without"
        )
    if not (np.diff(epochs) > 0).all() or not np.isfinite(epochs).all():
        raise SubmissionError(f"{path} must have an epoch or step that grows from line to line")
    from_zero = epochs[0] == 0 and epochs[-1] == recipe.epochs - 1 and "step" not in cells
    return epochs + from_zero  # counted from 0, each after its training


def _points(curve: Curve, epochs: tuple[int, ...], given: set[str]) -> list[Number]:
    """The curves at the stored epochs; between two points of a curve lies a straight line."""
    found = []
    for column, series in curve.columns.items():
        for at, epoch in enumerate(epochs):
            told = at == len(epochs) - 1 and column in given
            if not told and _reaches(series.epochs, epoch):
                value = float(np.interp(epoch, series.epochs, series.values))
                found.append(Number(column, value, at, series.rounding))
    return found


def _reaches(epochs: NDArray[np.float64], epoch: int) -> bool:
    """Whether a curve has a point at an epoch, or is dense and goes on past it."""
    if not len(epochs):
        return False
    near = float(np.abs(epochs - epoch).min()) < 1e-6
    dense = len(epochs) > 1 and float(np.diff(epochs).max()) <= 1
    return near or (dense and epochs[0] <= epoch <= epochs[-1])


# --- weights --------------------------------------------------------------------------------------


def read_weights(path: Path, recipe: Recipe) -> dict[str, float]:
    """What the weights in an npz file look like; any names, either orientation.

    Raises
    ------
    SubmissionError
        If the file cannot be read, or lacks the weight of a layer.
    """
    held = io.BytesIO(_bytes(path))
    try:
        with zipfile.ZipFile(held) as members:
            if sum(each.file_size for each in members.infolist()) > _LARGEST:
                raise SubmissionError(f"{path} must hold at most 100 MB; it unpacks to more")
        held.seek(0)
        with np.load(held, allow_pickle=False) as file:
            arrays = [np.asarray(file[name], np.float64) for name in file.files]
    except SubmissionError:
        raise
    except Exception as error:  # of a file of anybody's
        raise SubmissionError(f"{path} must be an npz file of arrays of numbers; {error}") from None
    weights, biases = [], []
    for i, (d, h) in enumerate(zip(recipe.widths[:-1], recipe.widths[1:], strict=True), 1):
        weight = next((each for each in arrays if each.shape in ((d, h), (h, d))), None)
        if weight is None:
            shapes = ", ".join(str(each.shape) for each in arrays)
            raise SubmissionError(
                f"{path} must hold the weight of layer {i}, ({h}, {d}) or ({d}, {h}); got {shapes}"
            )
        weights.append(weight if weight.shape == (d, h) else weight.T)
        biases += [each for each in arrays if each.size == h and max(each.shape) == h][:1]
    looks = looks_of(weights, [bias.reshape(-1) for bias in biases])
    if len(biases) < len(weights):
        looks = {name: value for name, value in looks.items() if not name.startswith("bias")}
    return looks


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise SubmissionError(f"{path} must be a file of at most 100 MB; it is larger")
        return path.read_bytes()
    except OSError as error:
        raise SubmissionError(f"{path} must be a file that can be read; {error.strerror}") from None
