"""optim.py: what the optimisers tell the kernels, and that the trainer follows their formulas."""

import numpy as np
import pytest

import fastdl as fd
from fastdl import _kernels
from tests import cases


@pytest.mark.parametrize("name", cases.OPTIMISERS)
def test_the_kernel_and_the_moments_of_each(name):
    row = cases.OPTIMISERS[name]
    assert row.made.hyper.optimiser == _kernels.OPTIMISERS[name]
    assert row.made.n_moments == len(cases.OPS[row.op].state) - 1


def test_a_momentum_of_zero_is_none():
    plain = fd.SGD(0.1, momentum=0.0)
    assert plain.hyper.optimiser == _kernels.OPTIMISERS["sgd"]
    assert plain.n_moments == 0


def test_settings_reach_the_kernel():
    assert fd.SGD(0.1, momentum=0.7).hyper.settings == (0.0, 0.0, 0.7)
    assert fd.Adam(0.1, beta1=0.8, beta2=0.95, epsilon=1e-4).hyper.settings == (0.8, 0.95, 1e-4)
    assert fd.AdamW(0.1, 0.2, 0.8, 0.95, 1e-4).hyper.settings == (0.8, 0.95, 1e-4, 0.2)


MSE_BY_HAND = {  # of w = 1 under the loss w^2 (gradient 2w), two steps of rate 0.1
    "sgd": (fd.SGD(0.1), [0.8, 0.64]),
    "momentum": (fd.SGD(0.1, momentum=0.5), [0.8, 0.8 - 0.1 * (0.5 * 2 + 1.6)]),
    "nesterov": (
        fd.SGD(0.1, momentum=0.5, nesterov=True),
        [0.7, 0.7 - 0.1 * (1.4 + 0.5 * (0.5 * 2 + 1.4))],
    ),
    "adam": (fd.Adam(0.1, beta1=0.0, beta2=0.0, epsilon=1e-12), [0.9, 0.8]),
    # The mean of squares, .36 g^2 at first, is not corrected; the rate is, by .6 at first.
    "adam_hat": (
        fd.AdamHat(0.1, beta1=0.0, beta2=0.64, epsilon=1.2),
        [0.95, 0.95 - 0.1 * 0.768374908492 * 1.9 / (np.sqrt(0.64 * 1.44 + 0.36 * 3.61) + 1.2)],
    ),
    "adamw": (
        fd.AdamW(0.1, weight_decay=0.5, beta1=0.0, beta2=0.0, epsilon=1e-12),
        [0.9 - 0.1 * 0.5, 0.75 - 0.1 * 0.5 * 0.85],
    ),
}


@pytest.mark.parametrize(("optimiser", "expected"), MSE_BY_HAND.values(), ids=MSE_BY_HAND)
def test_two_steps_computed_by_hand(optimiser, expected):
    network = fd.Network([1, 1], loss="mse", init=fd.init.Normal(0.0), dtype="float64")
    weight = network.parameters["layers.0.weight"]
    weight[...] = 1
    trainer = fd.Trainer(network, optimiser, batch_size=2)
    x, y = np.array([[1.0], [-1.0]]), np.zeros(2)  # the bias stays 0, its gradients cancel
    found = [float((trainer.fit(x, y), weight)[1][0, 0]) for _ in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert network.parameters["layers.0.bias"][0] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("penalty", [{"l2": 0.5}, {"l1": 0.5}])
def test_a_penalty_alone_shrinks_weights_and_no_biases(penalty):
    network = fd.Network([1, 1], loss="mse", dtype="float64")
    for view in network.parameters.values():
        view[...] = 2
    x, y = np.zeros((1, 1)), np.full(1, 2.0)  # the answer is right: no gradient but the penalty's
    fd.Trainer(network, fd.SGD(0.1), **penalty).fit(x, y)
    shrunk = 2 - 0.1 * (2 * 0.5 * 2 if "l2" in penalty else 0.5)
    assert network.parameters["layers.0.weight"][0, 0] == pytest.approx(shrunk, rel=1e-12)
    assert network.parameters["layers.0.bias"][0] == 2


def test_a_decay_shrinks_weights_and_no_biases():
    network = fd.Network([1, 1], loss="mse", dtype="float64")
    for view in network.parameters.values():
        view[...] = 2
    x, y = np.zeros((1, 1)), np.full(1, 2.0)  # the answer is right: no gradient
    fd.Trainer(network, fd.AdamW(0.1, weight_decay=0.5)).fit(x, y)
    assert network.parameters["layers.0.weight"][0, 0] == pytest.approx(2 * (1 - 0.05), rel=1e-12)
    assert network.parameters["layers.0.bias"][0] == 2


def test_a_decay_of_zero_is_adam(dtype, isa):
    x, y = np.random.default_rng(0).standard_normal((50, 6)), np.arange(50) % 3
    found = []
    for optimiser in (fd.Adam(0.01), fd.AdamW(0.01, weight_decay=0.0)):
        network = fd.Network([6, 20, 3], dtype=dtype)
        fd.Trainer(network, optimiser, batch_size=16, l1=1e-3, l2=1e-2).fit(x, y, epochs=3)
        found.append(network.logits(x))
    np.testing.assert_allclose(*found, rtol=1e-4 if dtype == "float32" else 1e-12)
