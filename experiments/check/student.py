"""A student's training loop in plain NumPy, with every mistake that a recipe can have.

The library has none of these faults, so it cannot show them. All seeds of a recipe are trained side
by side: r networks whose first weights are one array (d, r * h), so a batch is multiplied once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastdl as fd

from ..data import Loaded
from .recipe import Recipe

Array = NDArray[Any]
Labels = NDArray[np.int64]
SPLITS = ("train", "validation", "test")
_ROWS = 5_000  # that are evaluated at once
_SIDES = {3072: 32, 784: 28}  # of images, by their pixels


@dataclass(frozen=True, eq=False)
class Trace:
    """What r runs of a recipe went through.

    Attributes
    ----------
    epochs : tuple of int
        After which everything was measured.
    columns : dict of str to array (r, epochs)
        ``train_loss`` and ``train_accuracy``, likewise of validation and test rows, and of the last
        mini-batch before its step (``batch``); the ``penalty``; the ``best_test_accuracy`` so far.
    weights : dict of str to array (r,)
        What the final weights look like: ``weight1`` and ``bias1``, root mean squares a layer, and
        ``roughness``, how much neighbours in the images of the first weights differ.
    """

    epochs: tuple[int, ...]
    columns: dict[str, NDArray[np.float64]]
    weights: dict[str, NDArray[np.float64]]


# --- data -----------------------------------------------------------------------------------------


def _by_own(x: Array) -> Array:
    scaled: Array = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6)
    return scaled


def _by_image(x: Array) -> Array:
    deviation = x.std(axis=1, keepdims=True) + 1e-6
    scaled: Array = (x - x.mean(axis=1, keepdims=True)) / deviation
    return scaled


def _reshaped(x: Array) -> Array:
    """(n, d) taken for (d, n) and reshaped where it should be transposed."""
    return np.ascontiguousarray(x.reshape(x.shape[::-1]).T)


def _turned(x: Array) -> Array:
    """Every image with its rows for columns."""
    side = _SIDES[x.shape[1]]
    return np.ascontiguousarray(x.reshape(len(x), -1, side, side).swapaxes(2, 3)).reshape(x.shape)


def _of_training(change: Callable[[Array], Array], scaling: str, x: Array, train: Array) -> Array:
    """What is done to the training rows alone, after a scaling."""
    scaled = SCALINGS[scaling](x, train)
    return change(scaled) if x is train else scaled


# From the rows of any split and the training rows, both as x / 255, to inputs.
SCALINGS: dict[str, Callable[[Array, Array], Array]] = {
    "standard": lambda x, train: (x - train.mean(axis=0)) / (train.std(axis=0) + 1e-6),
    "centred": lambda x, train: x - train.mean(axis=0),
    "divided": lambda x, train: x,
    "divided twice": lambda x, train: x / 255,
    "raw": lambda x, train: 255 * x,
    "raw centred": lambda x, train: 255 * (x - train.mean(axis=0)),
    "image": lambda x, train: _by_image(x),
    "own": lambda x, train: _by_own(x),
    "own mean": lambda x, train: x - x.mean(axis=0),
    "one number": lambda x, train: (x - train.mean()) / train.std(),
    "variance": lambda x, train: (x - train.mean(axis=0)) / (train.var(axis=0) + 1e-6),
    "training rows alone": lambda x, train: SCALINGS["standard"](x, train) if x is train else x,
    "training mean alone": lambda x, train: SCALINGS["centred"](x, train) if x is train else x,
    "training rows divided alone": lambda x, train: x if x is train else 255 * x,
    "turned": lambda x, train: _of_training(_turned, "standard", x, train),
    "turned centred": lambda x, train: _of_training(_turned, "centred", x, train),
    "turned divided": lambda x, train: _of_training(_turned, "divided", x, train),
    "reshaped": lambda x, train: _reshaped(SCALINGS["standard"](x, train)),
    "reshaped centred": lambda x, train: _reshaped(SCALINGS["centred"](x, train)),
    "reshaped divided": lambda x, train: _reshaped(x),
}


def inputs(data: Loaded, scaling: str) -> dict[str, Array]:
    """The inputs of every split (n, d)."""
    scaled = {name: getattr(data, name)[0].astype(np.float32) / 255 for name in SPLITS}
    train = scaled["train"]
    scale = SCALINGS[scaling]
    return {name: np.ascontiguousarray(scale(scaled[name], train), np.float32) for name in SPLITS}


def labels(data: Loaded, recipe: Recipe) -> dict[str, Labels]:
    """The labels of every split (n,), as the recipe reads them."""
    found = {name: getattr(data, name)[1].astype(np.int64) for name in SPLITS}
    if recipe.labels == "train next":
        found["train"] = (found["train"] + 1) % recipe.widths[-1]
    return found


# --- networks -------------------------------------------------------------------------------------


class Networks:
    """r networks of one recipe; ``weights[0]`` is (d, r, h), the others (r, h, k)."""

    def __init__(self, recipe: Recipe, seeds: tuple[int, ...]) -> None:
        self.recipe = recipe
        self.weights: list[Array] = []
        self.biases: list[Array] = []
        draws = [np.random.default_rng(seed) for seed in seeds]
        factors = recipe.init_factor
        for i, (d, h) in enumerate(zip(recipe.widths[:-1], recipe.widths[1:], strict=True)):
            factor = factors[i] if isinstance(factors, tuple) else factors
            drawn = np.stack([recipe.init.draw(rng, d, h) for rng in draws], axis=0 if i else 1)
            self.weights.append((factor * drawn).astype(np.float32))
            self.biases.append(np.zeros((len(seeds), 1, h), np.float32))

    @property
    def lost(self) -> bool:
        """Whether all have diverged, so that no step changes anything any more."""
        return bool(np.isnan(self.weights[0]).all())

    def forward(self, x: Array) -> tuple[list[Array], Array]:
        """The inputs of every layer above the first, each (r, n, h), and the logits (r, n, k)."""
        first = self.weights[0]
        z = (x @ first.reshape(len(first), -1)).reshape(len(x), *first.shape[1:])
        z = z.transpose(1, 0, 2) + self.biases[0]
        hidden = []
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden.append(np.maximum(z, 0) if self.recipe.activation == "relu" else z)
            z = hidden[-1] @ weight + bias
        return hidden, np.maximum(z, 0) if self.recipe.output_relu else z

    def measured(self, x: Array, y: Labels) -> tuple[Array, Array]:
        """The mean loss and the accuracy of each network on many rows, (r,)."""
        parts = [self.forward(x[start : start + _ROWS])[1] for start in range(0, len(x), _ROWS)]
        return _measured(self.probabilities(np.concatenate(parts, axis=1)), y)

    def probabilities(self, logits: Array) -> Array:
        """As the recipe has its softmax, (r, n, k)."""
        over = 1 if self.recipe.softmax == "rows" else 2
        shift = 0.0 if self.recipe.softmax == "unshifted" else logits.max(axis=over, keepdims=True)
        raised = np.exp(logits - shift)
        p: Array = raised / raised.sum(axis=over, keepdims=True)
        return p

    def penalties(self) -> Array:
        """The penalty of each network in its cost, (r,)."""
        total = np.zeros(len(self.biases[0]))
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if self._penalised(f"W{i + 1}"):
                total += (weight**2).sum(axis=(1, 2) if i else (0, 2), dtype=np.float64)
            if self._penalised(f"b{i + 1}"):
                total += (bias**2).sum(axis=(1, 2), dtype=np.float64)
        return self.recipe.l2 * total

    def _penalised(self, name: str) -> bool:
        return name in self.recipe.penalised if self.recipe.penalised else name.startswith("W")

    def step(self, x: Array, y: Labels, rate: float) -> Array:
        """One step on a batch; returns the probabilities before it."""
        recipe = self.recipe
        hidden, logits = self.forward(x)
        p = self.probabilities(logits)
        n = len(x)
        dz = p.copy()
        dz[:, np.arange(n), y] -= 1
        if recipe.output_relu:
            dz *= logits > 0
        dz *= {"mean": 1 / n, "sum": 1.0, "twice": 1 / n**2}[recipe.gradient]
        steps = []
        for i in reversed(range(len(self.weights))):
            dbias = dz.sum(axis=1, keepdims=True)
            if i:
                a = hidden[i - 1]
                steps.append((i, a.transpose(0, 2, 1) @ dz, dbias))
                dz = self._through(dz @ self.weights[i].transpose(0, 2, 1), a)
            else:
                beside = np.ascontiguousarray(dz.transpose(1, 0, 2)).reshape(n, -1)
                steps.append((i, (x.T @ beside).reshape(self.weights[0].shape), dbias))
        for i, dweight, dbias in steps:
            if not recipe.trained or i in recipe.trained:
                self._take(i, dweight, dbias, n, np.float32(rate * recipe.rate_factor))
        return p

    def _through(self, da: Array, a: Array) -> Array:
        if self.recipe.derivative == "relu" and self.recipe.activation == "relu":
            da = da * (a > 0)
        if self.recipe.derivative == "sigmoid":
            da = da * (a * (1 - a))
        return da

    def _take(self, i: int, dweight: Array, dbias: Array, n: int, rate: np.float32) -> None:
        decay = np.float32(self.recipe.penalty * self.recipe.l2)
        if self.recipe.penalty_over_batch:
            decay /= np.float32(n)
        if decay and self._penalised(f"W{i + 1}"):
            self.weights[i] *= 1 - rate * decay
        if decay and self._penalised(f"b{i + 1}"):
            self.biases[i] *= 1 - rate * decay
        dweight *= rate
        self.weights[i] -= dweight
        if self.recipe.biases:
            self.biases[i] -= rate * dbias


# --- a fit ----------------------------------------------------------------------------------------


def points(recipe: Recipe) -> tuple[int, ...]:
    """The epochs after which a curve is kept: early ones above all; of cycles all parts alike."""
    most = 12 if recipe.cyclical or recipe.epochs > 12 else 6
    spread = np.linspace if recipe.cyclical else np.geomspace
    first = recipe.epochs / most if recipe.cyclical else 1
    if recipe.epochs <= most:
        return tuple(range(1, recipe.epochs + 1))
    return tuple(sorted({round(each) for each in spread(first, recipe.epochs, most)}))


def train(
    recipe: Recipe,
    x: dict[str, Array],
    y: dict[str, Labels],
    seeds: tuple[int, ...],
    *,
    choose: bool = False,
) -> Trace:
    """Train a recipe with some seeds: side by side, or one by one where each shuffles its own way.

    Parameters
    ----------
    recipe : Recipe
    x, y : dict of str to array
        By split, as ``inputs`` and ``labels`` give them.
    seeds : tuple of int
    choose : bool
        Whether the best test accuracy is of all epochs, and not of those that are kept alone.
    """
    if recipe.order != "file" and len(seeds) > 1:
        return _joined([train(recipe, x, y, (seed,), choose=choose) for seed in seeds])
    networks = Networks(recipe, seeds)
    rng = np.random.default_rng((seeds[0], 1))
    kept = points(recipe)
    columns: dict[str, list[Array]] = {}
    step, best = 0, np.zeros(len(seeds))
    with np.errstate(all="ignore"):  # a run that diverges is one of the things to be shown
        for epoch in range(1, recipe.epochs + 1):
            for rows, its_labels in () if networks.lost else _batches(recipe, len(y["train"]), rng):
                batch = np.ascontiguousarray(x["train"][rows])
                p = networks.step(batch, y["train"][its_labels], _rate(recipe, step, epoch - 1))
                step += 1
            if choose or epoch in kept:
                tested = networks.measured(x["test"], y["test"])
                best = np.maximum(best, tested[1])
            if epoch in kept:
                found = {"penalty": networks.penalties(), "best_test_accuracy": best}
                found |= _named("batch", _measured(p, y["train"][its_labels]))
                found |= _named("train", networks.measured(x["train"], y["train"]))
                found |= _named("validation", networks.measured(x["validation"], y["validation"]))
                found |= _named("test", tested)
                for name, value in found.items():
                    columns.setdefault(name, []).append(value)
        weights = _looks(networks)
    return Trace(kept, {name: np.stack(each, 1) for name, each in columns.items()}, weights)


def _batches(
    recipe: Recipe, n: int, rng: np.random.Generator
) -> Iterator[tuple[slice | Labels, slice | Labels]]:
    """The rows of x and those of y of every batch of an epoch."""
    size = recipe.batch_size
    starts = np.arange(0, n - size + 1 if recipe.drop_last else n, size)
    if recipe.order in ("rows", "x alone"):
        order = rng.permutation(n)
        for start in starts:
            rows = order[start : start + size]
            yield rows, rows if recipe.order == "rows" else np.s_[start : start + size]
        return
    if recipe.order == "batches":
        starts = rng.permutation(starts)
    for start in starts:
        part = np.s_[0:size] if recipe.order == "first batch" else np.s_[start : start + size]
        yield part, part


def _rate(recipe: Recipe, step: int, epoch: int) -> float:
    schedule = recipe.schedule
    if isinstance(schedule, fd.schedules.Constant):
        return schedule.rate
    low, high, half = schedule.low, schedule.high, schedule.half_cycle
    if recipe.clock == "peak":
        return high
    if recipe.clock == "fall":
        return high - (high - low) * (step % (2 * half)) / (2 * half)
    if recipe.clock == "half":
        half = half // 2
    place = (epoch if recipe.clock == "epoch" else step) % (2 * half) / half
    return low + (high - low) * (place if place <= 1 else 2 - place)


def _measured(p: Array, y: Labels) -> tuple[Array, Array]:
    """The mean loss and the accuracy of r networks."""
    own = p[:, np.arange(len(y)), y].astype(np.float64)
    bad = np.isnan(p).any(axis=(1, 2))
    right = (p.argmax(axis=2) == y).mean(axis=1)  # of NaN, argmax takes the first, as students' do
    loss = -np.log(own).mean(axis=1)
    return np.where(bad, np.nan, loss), right


def _named(of: str, measured: tuple[Array, Array]) -> dict[str, Array]:
    return {f"{of}_loss": measured[0], f"{of}_accuracy": measured[1]}


def _looks(networks: Networks) -> dict[str, NDArray[np.float64]]:
    by_run = [networks.weights[0].transpose(1, 0, 2), *networks.weights[1:]]
    looks: dict[str, list[float]] = {}
    for run in range(len(by_run[0])):
        weights = [weight[run].astype(np.float64) for weight in by_run]
        biases = [bias[run, 0].astype(np.float64) for bias in networks.biases]
        for name, value in looks_of(weights, biases).items():
            looks.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in looks.items()}


def looks_of(
    weights: list[NDArray[np.float64]], biases: list[NDArray[np.float64]]
) -> dict[str, float]:
    """What weights (d, h) and biases (h,) of a network's layers look like; see ``Trace``."""
    looks: dict[str, float] = {}
    for i, weight in enumerate(weights, 1):
        looks[f"weight{i}"] = float(np.sqrt(np.mean(weight**2)))
    for i, bias in enumerate(biases, 1):
        looks[f"bias{i}"] = float(np.sqrt(np.mean(bias**2)))
    side = _SIDES.get(len(weights[0]))
    if side is not None:
        images = weights[0].T.reshape(-1, side, side)
        steps = sum(float(np.mean(np.diff(images, axis=axis) ** 2)) for axis in (1, 2))
        looks["roughness"] = float(steps / (2 * np.mean(images**2)))
    return looks


def _joined(traces: list[Trace]) -> Trace:
    first = traces[0]
    return Trace(
        first.epochs,
        {name: np.concatenate([t.columns[name] for t in traces]) for name in first.columns},
        {name: np.concatenate([t.weights[name] for t in traces]) for name in first.weights},
    )
