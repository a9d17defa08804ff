"""The pieces that threads share: for any shapes and any number of threads none has much more to do
than another, by multiply-adds, so that no core is needed to see it; any cut gives the same bits.

_epoch.pyx tells the pieces as the loops make them; here whoever is free first takes the next.
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import fastdl as fd
from fastdl import _kernels
from fastdl.network import core_of

BENCH = Path(__file__).parents[1] / "bench"
if not BENCH.is_dir():
    pytest.skip("reads the workloads of the source tree", allow_module_level=True)
sys.path.insert(0, str(BENCH))

from balance import longest  # noqa: E402
from peers.workloads import WORKLOADS, draw  # noqa: E402

pytestmark = pytest.mark.parametrize("isa", ["avx2"], indirect=True)
if "avx2" not in _kernels.ISAS:
    pytest.skip("knows the sizes of one instruction set", allow_module_level=True)
THREADS = range(1, 65)
LEAST = 100_000  # multiply-adds of a thread, from which on it should have its share
MORE = 1.2  # of its share
MEETING = 20_000  # multiply-adds: threads meet once more only where that saves as many


SHAPES = {name: (w.widths, w.batch_size) for name, w in WORKLOADS.items()}
SHAPES |= {w.name: (w.widths, w.batch_size) for w in draw(100, seed=0)}


def program_of(widths, dtype="float32"):
    return core_of(fd.Network(list(widths), loss="mse", dtype=dtype)).program


def work(widths, n):
    """The multiply-adds of a batch: none for the gradient of the first layer's inputs."""
    return n * (3 * sum(d * h for d, h in pairwise(widths)) - widths[0] * widths[1])


def most(widths, n, n_threads):
    """Of the thread that has most of a batch, what it may have: a fifth more than its share.

    But four rows of sixteen columns stay together, of a weight four inputs of sixteen units (by
    unit sixteen) with all rows, and no piece is cut that has 20,000: layers with few units have
    too few pieces for many threads. A product is left whole that BLAS serves, of more than 24 rows
    with a wide weight that is not kept transposed. And that threads meet at each layer has to save
    the time of these meetings.
    """
    layers = list(pairwise(widths))
    share = work(widths, n) / n_threads
    depths = [d for d, _ in layers] + [h for _, h in layers[1:]]
    whole = sum(max(4 * 16 * depth, 2 * 10_000) for depth in depths)
    whole += n * max(4 * 16 if h > 16 else 16 * 16 for _, h in layers)
    whole += sum(n * d * h for d, h in layers[1:] if n > 24 and h > 16 * n)
    meetings = 2 * len(layers)
    return max(MORE * share, 1.15 * share + max(whole, meetings * MEETING))


@pytest.mark.parametrize(("widths", "n"), SHAPES.values(), ids=SHAPES)
def test_no_thread_has_much_more_than_its_share_of_a_batch(widths, n, isa):
    program, whole = program_of(widths), work(widths, n)
    for n_threads in THREADS:
        if whole < LEAST * n_threads and n_threads > 1:
            break
        stages = program.stages(n, n_threads)
        assert sum(map(sum, stages)) == whole
        assert sum(longest(s, n_threads) for s in stages) <= most(widths, n, n_threads), n_threads


def test_most_batches_are_shared_evenly(isa):
    """Where a thread has LEAST for each meeting that there may be, all but a few in a hundred."""
    found = []
    for widths, n in SHAPES.values():
        program, whole, meetings = program_of(widths), work(widths, n), 2 * len(widths) - 1
        for n_threads in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64):
            if whole >= LEAST * meetings * n_threads:
                stages = program.stages(n, n_threads)
                found.append(sum(longest(s, n_threads) for s in stages) * n_threads / whole)
    assert len(found) > 500
    assert np.mean(np.array(found) > MORE) < 0.1


@pytest.mark.parametrize(("widths", "n"), SHAPES.values(), ids=SHAPES)
def test_an_evaluation_is_shared_by_chunks_of_rows(widths, n, isa):
    """By whole chunks: sixteen rows stay together, and some runs of them have one more."""
    program, weights = program_of(widths), sum(d * h for d, h in pairwise(widths))
    for n_threads in THREADS:
        pieces = program.evaluation_pieces(n, n_threads)
        assert sum(pieces) == n * weights
        allowed = max(MORE * n / n_threads, n / n_threads + 2 * 16)
        assert longest(pieces, n_threads) <= allowed * weights


def test_one_thread_takes_rows_and_weights_in_large_pieces(isa):
    """The pieces for one thread are large: what is cut costs it time."""
    rows, weights = program_of([784, 128, 10]).stages(128, 1)[:2]
    assert (len(rows), len(weights)) == (2, 5)


# --- bits ------------------------------------------------------------------------------------

CUT = {  # widths, batch size, dtype, and what is given to the trainer
    "units no multiple of 16": ([90, 93, 130, 37], 48, "float32", {}),
    "units no multiple of 64": ([300, 200, 72], 130, "float32", {"l1": 1e-4, "l2": 1e-3}),
    "narrow": ([30, 9, 17, 3], 700, "float32", {}),
    "by unit": ([600, 12, 50], 200, "float32", {"l2": 1e-3}),
    "by unit, few rows": ([900, 10], 12, "float32", {}),
    "one layer": ([700, 300], 20, "float32", {"clip_norm": 0.1}),
    "one row": ([400, 500, 300], 1, "float32", {}),
    "few rows, steps that fold": ([500, 300, 200], 9, "float32", {"l2": 1e-3}),
    "several slices": ([1300, 40, 10], 700, "float32", {"clip_norm": 0.1, "l1": 1e-4}),
    "in double": ([200, 100, 90], 60, "float64", {"clip_norm": 0.1}),
    "in double, by BLAS": ([60, 300, 200, 40], 60, "float64", {}),
    "clipped": ([100, 200, 60], 50, "float32", {"clip_norm": 0.05, "l2": 1e-3}),
}
OPTIMISERS = {
    "sgd": fd.SGD(0.01),
    "momentum": fd.SGD(0.01, momentum=0.9),
    "adam": fd.Adam(0.01),
    "adamw": fd.AdamW(0.01, weight_decay=0.1),
}
KINDS = ("numbers", "zeros", "pixels", "masked")


def trained(case, optimiser, kind, n_threads):
    """The bits of a network after two epochs, and of its answers."""
    widths, batch_size, dtype, settings = CUT[case]
    rng = np.random.default_rng(1)
    n, d = batch_size * 5 // 2 + 8, widths[0]
    x = rng.standard_normal((n, d)).astype(dtype)
    if kind == "zeros":
        x[rng.random((n, d)) < 0.85] = 0
    elif kind == "pixels":
        x = rng.integers(0, 256, (n, d), np.uint8)
    scaling = fd.Scaling(np.full(d, 0.1), np.full(d, 2.0)) if kind == "zeros" else None
    layers = []
    for i, (d, h) in enumerate(pairwise(widths)):
        layers += [fd.Dropout(0.3)] if kind == "masked" and i else []
        layers += [fd.BatchNorm()] if kind == "normed" and i else []
        layers += [fd.Dense(d, h, "identity" if i == len(widths) - 2 else "gelu")]
    network = fd.Network(layers, dtype=dtype, scaling=scaling, seed=2)
    trainer = fd.Trainer(
        network, OPTIMISERS[optimiser], batch_size=batch_size, n_threads=n_threads, seed=3,
        **settings,
    )  # fmt: skip
    y = rng.integers(0, widths[-1], n)
    history = trainer.fit(x, y, epochs=2, progress=False)
    arrays = [*network.parameters.values(), network.logits(x, n_threads=n_threads)]
    return [a.tobytes() for a in arrays], history["loss"].tolist()


@pytest.mark.filterwarnings("ignore:a batch of one row has no variance")
@pytest.mark.parametrize("case", CUT)
@pytest.mark.parametrize(
    ("optimiser", "kind"),
    [*zip(OPTIMISERS, KINDS, strict=True), ("sgd", "zeros"), ("sgd", "normed")],
)
def test_any_cut_gives_the_same_bits(case, optimiser, kind, isa):
    first = trained(case, optimiser, kind, 1)
    for n_threads in (2, 3, 5, 8):
        assert trained(case, optimiser, kind, n_threads) == first


@pytest.mark.parametrize("case", CUT)
def test_what_is_cut_is_cut_in_these_cases(case, isa):
    """But for what BLAS serves: its bits are those of a shape."""
    widths, batch_size, dtype, _ = CUT[case]
    program = program_of(widths, dtype)
    one, eight = (program.stages(batch_size, n_threads) for n_threads in (1, 8))
    cut = sum(map(len, eight)) > sum(map(len, one))
    assert cut or case == "in double, by BLAS"
