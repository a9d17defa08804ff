"""Fits whose bits are known: what every one of them gave when it was first trained.

``python -m tests.golden`` writes ``fits.csv`` again. That is for a commit of its own, which says
why a bit had to change.

The fits are small enough for the library's own kernels to compute every product: the bits of BLAS
are those of a machine. So nothing is known of the baseline, whose products are all of BLAS.
"""

import csv
import itertools
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fastdl as fd

FITS = Path(__file__).with_name("fits.csv")
ISAS = ("avx512", "avx2")
DIGITS = 9  # of losses: their logarithms are those of the machine's C library

LOSSES = ("softmax_cross_entropy", "hinge", "sigmoid_cross_entropy", "mse")
ACTIVATIONS = ("relu", "leaky_relu", "sigmoid", "tanh", "identity")
OPTIMISERS = {
    "sgd": fd.SGD(0.01),
    "momentum": fd.SGD(0.005, momentum=0.9),
    "nesterov": fd.SGD(fd.schedules.Triangular(0.001, 0.02, 3), momentum=0.8, nesterov=True),
    "adam": fd.Adam(0.003),
    "adam_step": fd.Adam(fd.schedules.StepDecay(0.01, 0.5, 1), beta1=0.8, beta2=0.99, epsilon=1e-6),
}
DTYPES = ("float32", "float64")
# Widths, which decide what lies by unit, is transposed, folded, skipped or cut into pieces.
SHAPES = (
    (6, 5, 3), (20, 33, 10), (70, 10), (300, 50, 10), (64, 96, 48, 7), (200, 3), (1, 16, 2),
    (90, 128, 100), (530, 60, 12), (784, 64, 10),
)  # fmt: skip
BATCHES = (1, 2, 7, 16, 25, 40, 130, 600, 1500)
KINDS = ("float32", "float64", "pixels", "zeros", "standard", "strided")


@dataclass(frozen=True)
class Fit:
    """A fit by all that decides over its bits."""

    shape: tuple[int, ...]
    dtype: str
    loss: str
    activation: str
    optimiser: str
    batch_size: int
    rows: str  # one of KINDS
    shuffle: bool
    weighted: bool
    penalised: bool
    drop_last: bool

    @property
    def name(self) -> str:
        """A line of the table."""
        flags = ("shuffle", "weighted", "penalised", "drop_last")
        parts = [
            "-".join(map(str, self.shape)), self.dtype, self.loss, self.activation,
            self.optimiser, f"batch{self.batch_size}", self.rows,
            *(flag for flag in flags if getattr(self, flag)),
        ]  # fmt: skip
        return " ".join(parts)


def fits() -> list[Fit]:
    """All of them: loss x activation x optimiser x dtype, then shape x batch x rows x dtype.

    What is not in a product goes round with its own period.
    """
    found, count = [], itertools.count()
    for dtype, loss, activation, optimiser in itertools.product(
        DTYPES, LOSSES, ACTIVATIONS, OPTIMISERS
    ):
        i = next(count)
        found.append(
            Fit(
                SHAPES[i % 3], dtype, loss, activation, optimiser, BATCHES[i % 7],
                KINDS[i % 5], *_flags(i),
            )
        )  # fmt: skip
    for dtype, shape, batch, rows in itertools.product(DTYPES, SHAPES, BATCHES, KINDS):
        i = next(count)
        found.append(
            Fit(
                shape, dtype, LOSSES[i % 4], ACTIVATIONS[i % 5], list(OPTIMISERS)[i % 5 - i % 2],
                batch, rows, *_flags(i),
            )
        )  # fmt: skip
    return found


def _flags(i: int) -> tuple[bool, bool, bool, bool]:
    """Shuffle, weighted, penalised, drop_last."""
    return i % 3 != 0, i % 4 == 1, i % 5 < 2, i % 7 == 3


def checksum(fit: Fit, n_threads: int) -> str:
    """Of the parameters, bit by bit, and of the history and an evaluation, but for last digits."""
    d, k = fit.shape[0], fit.shape[-1]
    rng = np.random.default_rng(zlib.crc32(fit.name.encode()))
    n = min(200, max(24, 9 * fit.batch_size)) if fit.batch_size < 600 else fit.batch_size + 100
    x, scaling = _rows(rng, n, d, fit.rows)
    target = rng.integers(-8, 8, (n, k)) / 4
    y = target.astype(fit.dtype) if fit.loss == "mse" else rng.integers(0, k, n)
    net = fd.Network(
        fit.shape, activation=fit.activation, loss=fit.loss, init="xavier", dtype=fit.dtype,
        scaling=scaling,
    )  # fmt: skip
    trainer = fd.Trainer(
        net, OPTIMISERS[fit.optimiser], batch_size=fit.batch_size,
        shuffle="rows" if fit.shuffle else None, drop_last=fit.drop_last, n_threads=n_threads,
        **({"l1": 1e-4, "l2": 1e-3} if fit.penalised else {}),
    )  # fmt: skip
    weights = rng.integers(1, 5, n) / 2 if fit.weighted else None
    trainer.fit(x, y, epochs=1, sample_weight=weights, progress=False)
    history = trainer.fit(
        x, y, epochs=1, validation=(x[: n // 2], y[: n // 2]), sample_weight=weights,
        progress=False,
    )  # fmt: skip
    crc = 0
    for array in net.parameters.values():
        crc = zlib.crc32(np.ascontiguousarray(array), crc)
    measured = {name: value for name, value in history.last.items() if name != "seconds"}
    said = " ".join(f"{name} {value:.{DIGITS}g}" for name, value in measured.items())
    return f"{zlib.crc32(said.encode(), crc):08x}"


def _rows(rng, n, d, kind):
    """Rows of a kind, and how they are scaled; all from integers, as any machine draws them."""
    if kind == "pixels":
        return rng.integers(0, 256, (n, d), np.uint8), None
    if kind == "zeros":  # mostly, as in images of digits
        pixels = rng.integers(0, 256, (n, d), np.uint8) * (rng.integers(0, 5, (n, d)) == 0)
        return pixels.astype(np.uint8), fd.Scaling(np.full(d, 33.0), np.full(d, 1 / 79.0))
    numbers = rng.integers(-1000, 1000, (n, 2 * d if kind == "strided" else d)) / 2000
    if kind == "standard":
        return numbers.astype(np.float32), fd.Scaling(np.full(d, 0.25), np.linspace(0.5, 2, d))
    if kind == "strided":
        return numbers.astype(np.float32)[:, :d], None
    return numbers.astype(kind), None


def known() -> dict[str, dict[str, str]]:
    """The checksum of every fit, by its name and instruction set."""
    with FITS.open(newline="") as file:
        return {row.pop("fit"): row for row in csv.DictReader(file)}
