"""Whole epochs and whole evaluations, beside NumPy that works in place in preallocated buffers.

The workloads: dd2424 assignments 1 and 2, and the MNIST network of Technion 236606. An epoch's time
is that of a fit divided by its epochs, so it holds its part of the checks of the data set.
"""

from typing import NamedTuple

import numpy as np
import pytest
from baseline import Baseline

import fastdl as fd

# The rate is small because training by ReLU magnifies the difference of two roundings.
SETTINGS = {"learning_rate": 1e-3, "l2": 1e-3}


class Workload(NamedTuple):
    name: str
    widths: tuple[int, ...]
    n: int
    batch_size: int
    epochs: int  # of the fit that is timed
    kind: str = "float32"
    zeros: float = 0.0  # the share of pixels that are zero, as in MNIST


WORKLOADS = (
    Workload("a1 10000x3072-10", (3072, 10), 10_000, 100, 5),
    Workload("a1 10000x3072-10 of uint8", (3072, 10), 10_000, 100, 5, "uint8"),
    Workload("a2 10000x3072-50-10", (3072, 50, 10), 10_000, 100, 5),
    Workload("hw2 60000x784-128-10", (784, 128, 10), 60_000, 128, 2),
    Workload("hw2 of uint8, 81 % zeros", (784, 128, 10), 60_000, 128, 2, "uint8", 0.81),
    Workload("reg 1000x2-128-64-10", (2, 128, 64, 10), 1_000, 100, 50),
)
BACKENDS = ("fastdl", "numpy")


@pytest.fixture(params=WORKLOADS, ids=lambda workload: workload.name)
def workload(request, share):
    return request.param._replace(n=share(request.param.n))


@pytest.fixture
def data(workload, rng):
    x = rng.integers(0, 256, (workload.n, workload.widths[0]), np.uint8)
    x[rng.random(x.shape, np.float32) < workload.zeros] = 0
    if workload.kind == "float32":
        x = x.astype(np.float32) / 255
    return x, rng.integers(0, 10, workload.n)


@pytest.fixture
def trainer(workload):
    return fd.Trainer(
        fd.Network(workload.widths, seed=0), fd.SGD(SETTINGS["learning_rate"]),
        batch_size=workload.batch_size, l2=SETTINGS["l2"], seed=1, n_threads=1,
    )  # fmt: skip


@pytest.fixture
def baseline(workload, trainer):
    parameters = [np.array(p, order="C") for p in trainer.network.parameters.values()]
    return Baseline(parameters[::2], parameters[1::2], batch_size=workload.batch_size, **SETTINGS)


def distance(network, baseline):
    """Of all parameters together, relative to their length."""
    pairs = zip(baseline.weights, baseline.biases, strict=True)
    theirs = np.concatenate([p.ravel() for pair in pairs for p in pair])
    ours = np.concatenate([p.ravel() for p in network.parameters.values()])
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


@pytest.mark.parametrize("backend", BACKENDS)
def test_epoch(backend, benchmark, workload, data, trainer, baseline):
    x, y = data
    shuffling = np.random.default_rng(1)  # the trainer's
    trainer.fit(x, y, record=None, progress=False)
    baseline.epoch(x, y, shuffling.permutation(len(x)))
    assert distance(trainer.network, baseline) < 1e-4

    def fastdl():
        trainer.fit(x, y, epochs=workload.epochs, record=None, progress=False)

    def numpy():
        for _ in range(workload.epochs):
            baseline.epoch(x, y, shuffling.permutation(len(x)))

    benchmark.group = f"{workload.epochs} epochs of {workload.name}"
    benchmark(fastdl if backend == "fastdl" else numpy)


@pytest.mark.parametrize("backend", BACKENDS)
def test_evaluation(backend, benchmark, workload, data, trainer, baseline):
    x, y = data
    network = trainer.network
    expected = network.evaluate(x, y, n_threads=1)
    loss, accuracy = baseline.evaluate(x, y)
    assert loss == pytest.approx(expected.loss, rel=1e-4)
    assert accuracy == pytest.approx(expected.accuracy, abs=1e-3)
    benchmark.group = f"evaluation of {workload.name}"
    if backend == "fastdl":
        benchmark(network.evaluate, x, y, n_threads=1)
    else:
        benchmark(baseline.evaluate, x, y)
