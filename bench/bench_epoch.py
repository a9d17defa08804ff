"""Whole epochs and whole evaluations, beside NumPy that works in place in preallocated buffers.

An epoch's time is that of a fit divided by its epochs, so it holds its part of the checks of the
data set.
"""

from dataclasses import replace

import numpy as np
import pytest
from peers import data
from peers.adapters import Fastdl, NumPy
from peers.race import TOLERANCE, distance
from peers.workloads import WORKLOADS

OF_PIXELS = ("a1", "a2", "mnist_128")  # timed from uint8 too
CASES = {name: (workload, False) for name, workload in WORKLOADS.items()}
CASES |= {f"{name} of uint8": (WORKLOADS[name], True) for name in OF_PIXELS}
LABELLED = {label: case for label, case in CASES.items() if not case[0].regression}
BACKENDS = ("fastdl", "numpy")


def prepare(label, share):
    """The workload, and both peers, which start from the same parameters."""
    workload, of_pixels = CASES[label]
    workload = replace(workload, n=share(workload.n))
    x, y = data.make(workload)
    peers = Fastdl(workload, x, y, 1), NumPy(workload, x, y, 1)
    if of_pixels:
        for peer in peers:
            peer.x = np.rint(255 * x).astype(np.uint8)
    return workload, dict(zip(BACKENDS, peers, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("label", CASES)
def test_epoch(label, backend, benchmark, counted, share):
    workload, peers = prepare(label, share)
    for peer in peers.values():
        peer.train(1)
    assert distance(*(peer.parameters() for peer in peers.values())) < TOLERANCE
    benchmark.group = f"{label}, epochs: {workload.epochs}"
    counted(workload.epochs * workload.operations)
    benchmark(peers[backend].train, workload.epochs)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("label", LABELLED)
def test_evaluation(label, backend, benchmark, counted, share):
    workload, peers = prepare(label, share)
    network, numpy = peers["fastdl"].network, peers["numpy"].baseline
    x, y = peers["numpy"].x, peers["numpy"].y
    expected = network.evaluate(x, y, n_threads=1)
    loss, accuracy = numpy.evaluate(x, y)
    assert loss == pytest.approx(expected.loss, rel=1e-4)
    assert accuracy == pytest.approx(expected.accuracy, abs=1e-3)
    benchmark.group = f"{label}, evaluation"
    counted(workload.forward_operations)
    if backend == "fastdl":
        benchmark(network.evaluate, x, y, n_threads=1)
    else:
        benchmark(numpy.evaluate, x, y)
