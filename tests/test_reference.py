"""_reference.py: the same face as fastdl.ops, and right by an authority of its own."""

import inspect

import numpy as np
import pytest
import scipy.special

from fastdl import _reference, ops


def test_reference_has_every_op():
    functions = {name for name, f in vars(_reference).items() if inspect.isfunction(f)}
    assert {name for name in functions if not name.startswith("_")} == set(ops.__all__)


@pytest.mark.parametrize("op", ops.__all__)
def test_signatures_are_those_of_ops_without_n_threads(op):
    def face(module):
        parameters = inspect.signature(getattr(module, op)).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters if p.name != "n_threads"]

    assert face(_reference) == face(ops)


@pytest.mark.parametrize("op", ops.__all__)
def test_float32_stays_float32(op, arguments, call):
    for result in call(_reference, op, arguments(op, dtype=np.float32)):
        assert isinstance(result, float) or result.dtype == np.float32


def test_softmax_and_sigmoid_are_those_of_scipy(rng):
    x = 10 * rng.standard_normal((4, 6))
    np.testing.assert_allclose(_reference.softmax(x), scipy.special.softmax(x, axis=1), rtol=1e-13)
    np.testing.assert_allclose(_reference.sigmoid(x), scipy.special.expit(x), rtol=1e-13)


def test_cross_entropies_are_those_of_scipy(rng):
    x, y = 10 * rng.standard_normal((4, 6)), np.array([0, 5, 2, 2])
    expected = -scipy.special.log_softmax(x, axis=1)[np.arange(4), y].mean()
    assert _reference.softmax_cross_entropy(x, y)[0] == pytest.approx(expected, rel=1e-13)
    signs = np.where(np.arange(6) == y[:, None], 1, -1)
    expected = -scipy.special.log_expit(signs * x).mean()
    assert _reference.sigmoid_cross_entropy(x, y)[0] == pytest.approx(expected, rel=1e-13)


def test_hinge_is_its_sum_term_by_term():
    s, y = np.array([[1.0, 3.0, 2.5], [4.0, 0.0, 3.5]]), np.array([2, 0])
    loss, ds = _reference.hinge(s, y, margin=1.0)
    assert loss == ((0 + 1.5) + (0 + 0.5)) / 2  # row 0: 1 - 2.5 + 1 < 0, 3 - 2.5 + 1
    assert ds.tolist() == [[0, 0.5, -0.5], [-0.5, 0, 0.5]]


def test_adam_goes_by_the_learning_rate_first():
    param, mean, square = np.ones(3), np.zeros(3), np.zeros(3)
    grad = np.array([5.0, -0.1, 2.0])
    _reference.adam_update(param, grad, mean, square, t=1, learning_rate=0.5)
    np.testing.assert_allclose(param, 1 - 0.5 * np.sign(grad), rtol=1e-6)


def test_nesterov_looks_one_decay_of_the_velocity_ahead():
    plain, ahead = np.zeros(1), np.zeros(1)
    velocity, other = np.full(1, 2.0), np.full(1, 2.0)
    step = {"learning_rate": 0.1, "momentum": 0.5}
    _reference.momentum_update(plain, np.zeros(1), velocity, **step)
    _reference.momentum_update(ahead, np.zeros(1), other, nesterov=True, **step)
    assert velocity == other == 1.0
    assert plain == pytest.approx(-0.1)
    assert ahead == pytest.approx(-0.05)
