"""The stand-ins: their bytes, and how hard they are."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from fastdl.datasets import stand_in
from tests import nightly

# These hold on every machine; a change of the generators changes them, and every number reported.
DIGESTS = {"cifar10": "8d9e0622eb58aba8", "mnist": "0754bef87ce33cb9"}


def digest(splits):
    return hashlib.sha256(b"".join(a.tobytes() for split in splits for a in split)).hexdigest()


@pytest.mark.parametrize(("name", "d"), [("cifar10", 3072), ("mnist", 784)])
def test_shapes_and_bytes(name, d):
    splits = stand_in(name, 300, seed=7)
    for (x, y), n in zip(splits, (300, 1000, 1000), strict=True):
        assert (x.shape, x.dtype) == ((n, d), np.uint8)
        assert (y.shape, y.dtype) == ((n,), np.int64)
        assert set(y) == set(range(10))
        assert all(a.flags.c_contiguous and a.flags.writeable for a in (x, y))
    assert digest(splits)[:16] == DIGESTS[name]


@pytest.mark.parametrize("name", DIGESTS)
def test_splits_and_seeds_are_independent(name):
    one, two = stand_in(name, 1000, seed=0), stand_in(name, 1000, seed=1)
    draws = [x for x, _ in (*one, *two)]
    assert len({x.tobytes() for x in draws}) == len(draws)
    means = np.array([x.mean(0) for x in draws])
    assert np.abs(means - means.mean(0)).mean() < 0.05 * 255  # but of one distribution


def test_a_large_set_holds_out_a_fifth():
    assert [len(y) for _, y in stand_in("mnist", 6000)] == [6000, 1200, 1200]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("svhn", 10), "name must be one of"),
        (("mnist", 0), r"n must lie in \[1, .*; got 0"),
        (("mnist", 10, -1), "seed must lie in"),
    ],
)
def test_wrong_values_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        stand_in(*arguments)


def accuracy(splits, widths, eta, epochs, batch, l2=0.0, z_score=True):
    """Train a ReLU network by SGD (a triangular rate where it has a hidden layer) and test it."""
    (x, y), _, (xt, yt) = splits
    mean, scale = (x.mean(0), x.std(0)) if z_score else (0, 255)
    x, xt = (((a - mean) / scale).astype(np.float32) for a in (x, xt))
    rng = np.random.default_rng(0)
    shapes = list(pairwise(widths))
    weights = [(rng.standard_normal(s) / np.sqrt(s[0])).astype(np.float32) for s in shapes]
    biases = [np.zeros(k, np.float32) for _, k in shapes]
    n_steps = epochs * len(y) // batch
    for step in range(n_steps):
        rows = rng.integers(0, len(y), batch)
        layers = forward(x[rows], weights, biases)
        delta = np.exp(layers[-1] - layers[-1].max(1, keepdims=True))
        delta /= delta.sum(1, keepdims=True)
        delta[np.arange(batch), y[rows]] -= 1
        rate = eta if len(weights) == 1 else eta * (1 - abs(2 * step / n_steps - 1))
        for i in reversed(range(len(weights))):
            dw, db = layers[i].T @ delta / batch, delta.mean(0)
            delta = (delta @ weights[i].T) * (layers[i] > 0)
            weights[i] -= rate * (dw + 2 * l2 * weights[i])
            biases[i] -= rate * db
    return (forward(xt, weights, biases)[-1].argmax(1) == yt).mean()


def forward(x, weights, biases):
    layers = [x]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        layers.append(np.maximum(layers[-1] @ w + b, 0))
    return [*layers, layers[-1] @ weights[-1] + biases[-1]]


hard = pytest.mark.skipif(not nightly.LONG, reason="what the bytes above are is known: nightly")


@hard
@threadpool_limits.wrap(1)  # two threads crawl where another process wants a core
def test_the_stand_in_of_cifar10_is_as_hard():
    splits = stand_in("cifar10", 10_000, seed=0)
    linear = accuracy(splits, (3072, 10), 0.001, 40, 100)
    assert 0.35 < linear < 0.42
    assert accuracy(splits, (3072, 50, 10), 0.1, 8, 100, l2=0.005) > linear + 0.04


@hard
@threadpool_limits.wrap(1)
def test_the_stand_in_of_mnist_is_as_hard():
    splits = stand_in("mnist", 30_000, seed=0)
    deep = accuracy(splits, (784, 128, 10), 0.4, 4, 50, z_score=False)
    assert 0.95 < deep < 0.985
    assert accuracy(splits, (784, 10), 0.1, 4, 50, z_score=False) < deep - 0.04
