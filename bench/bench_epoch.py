"""Whole epochs and whole evaluations, beside NumPy that works in place in preallocated buffers.

An epoch's time is that of a fit divided by its epochs, so it holds its part of the checks of the
data set.
"""

from dataclasses import replace

import baseline
import numpy as np
import pytest
from peers import data
from peers.workloads import L2, LEARNING_RATE, SEED, WORKLOADS

import fastdl as fd

OF_PIXELS = ("a1", "a2", "mnist_128")  # timed from uint8 too
CASES = {name: (workload, False) for name, workload in WORKLOADS.items()}
CASES |= {f"{name} of uint8": (WORKLOADS[name], True) for name in OF_PIXELS}
LABELLED = {label: case for label, case in CASES.items() if not case[0].regression}
BACKENDS = ("fastdl", "numpy")


def prepare(label, share):
    """The workload, its data, and its trainer beside the baseline, from the same parameters."""
    workload, of_pixels = CASES[label]
    workload = replace(workload, n=share(workload.n))
    x, y = data.make(workload)
    if of_pixels:
        x = np.rint(255 * x).astype(np.uint8)
    loss = "mse" if workload.regression else "softmax_cross_entropy"
    network = fd.Network(workload.widths, loss=loss)
    for parameter, start in zip(network.parameters.values(), workload.start(), strict=True):
        parameter[...] = start
    trainer = fd.Trainer(
        network, fd.SGD(LEARNING_RATE), batch_size=workload.batch_size, l2=L2, seed=SEED,
        n_threads=1,
    )  # fmt: skip
    peer = baseline.make(workload, workload.start(), l2=L2, learning_rate=LEARNING_RATE)
    return workload, x, y, trainer, peer


def distance(network, peer):
    """Of all parameters together, relative to their length."""
    pairs = zip(peer.weights, peer.biases, strict=True)
    theirs = np.concatenate([p.ravel() for pair in pairs for p in pair])
    ours = np.concatenate([p.ravel() for p in network.parameters.values()])
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("label", CASES)
def test_epoch(label, backend, benchmark, counted, share):
    workload, x, y, trainer, peer = prepare(label, share)
    shuffling = np.random.default_rng(SEED)  # the trainer's
    trainer.fit(x, y, record=None, progress=False)
    peer.epoch(x, y, shuffling.permutation(len(x)))
    assert distance(trainer.network, peer) < 1e-4

    def of_fastdl():
        trainer.fit(x, y, epochs=workload.epochs, record=None, progress=False)

    def of_numpy():
        for _ in range(workload.epochs):
            peer.epoch(x, y, shuffling.permutation(len(x)))

    benchmark.group = f"{label}, epochs: {workload.epochs}"
    counted(workload.epochs * workload.operations)
    benchmark(of_fastdl if backend == "fastdl" else of_numpy)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("label", LABELLED)
def test_evaluation(label, backend, benchmark, counted, share):
    workload, x, y, trainer, peer = prepare(label, share)
    expected = trainer.network.evaluate(x, y, n_threads=1)
    loss, accuracy = peer.evaluate(x, y)
    assert loss == pytest.approx(expected.loss, rel=1e-4)
    assert accuracy == pytest.approx(expected.accuracy, abs=1e-3)
    benchmark.group = f"{label}, evaluation"
    counted(workload.forward_operations)
    if backend == "fastdl":
        benchmark(trainer.network.evaluate, x, y, n_threads=1)
    else:
        benchmark(peer.evaluate, x, y)
