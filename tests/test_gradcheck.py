"""gradcheck.py: the compiled gradients are derivatives, a wrong one is noticed, kinks are left
out."""

from itertools import pairwise

import numpy as np
import pytest

import fastdl as fd
from fastdl import gradcheck, losses
from tests import cases
from tests.cases import ACTIVATIONS

N, D, K = 12, 4, 3


@pytest.fixture
def problem(rng):
    """problem(loss): rows, and labels or targets."""
    x, labels = rng.standard_normal((N, D)), rng.integers(0, K, N)
    labelled = {name for name, loss in losses.LOSSES.items() if loss.y == "labels"}
    return lambda loss: (x, labels if loss in labelled else cases.wanted(loss, rng, N, K))


def make(loss="softmax_cross_entropy", activation="tanh", widths=(D, 6, 5, K), **settings):
    layers = [fd.Dense(d, h, activation, l1=0.01, l2=0.02) for d, h in pairwise(widths)]
    layers[-1] = fd.Dense(*widths[-2:], cases.last_activation(loss))
    return fd.Network(layers, loss=loss, dtype="float64", seed=1, **settings)


# --- the gradients ---------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_gradients_are_derivatives(loss, activation, problem):
    network = make(loss, activation)
    x, y = problem(loss)
    result = fd.check_gradients(network, x * cases.SIZE_OF_ROWS.get(activation, 1), y)
    assert [row.name for row in result.parameters] == list(network.parameters)
    for row, p in zip(result.parameters, network.parameters.values(), strict=True):
        assert row.max_relative < 5e-6
        assert row.max_absolute < 5e-8
        assert row.percent_below == 100
        assert row.n_compared + row.n_kinks == p.size
        assert row.n_compared > 0.8 * p.size


def test_gradients_with_a_scaling_and_a_margin(rng):
    x = rng.integers(0, 256, (N, D), np.uint8)
    network = make("hinge", scaling=fd.Scaling.standard(x), margin=2.5)
    result = fd.check_gradients(network, x, rng.integers(0, K, N))
    # Where all hinges are active a bias may have no gradient: nothing to be relative to.
    assert max(row.max_absolute for row in result.parameters) < 1e-9


def test_it_agrees_with_differences_of_evaluate(problem, derivative):
    """An oracle that shares nothing with the check."""
    x, y = problem("hinge")
    network = make("hinge", "sigmoid")
    gradients = network.gradients(x, y)
    for name, view in network.parameters.items():
        before = view.copy()

        def cost(p, view=view):
            view[...] = p
            return network.evaluate(x, y).cost

        expected = derivative(cost, before)
        view[...] = before
        np.testing.assert_allclose(gradients[name], expected, rtol=1e-6, atol=1e-9)


def test_the_network_stays_as_it_is_in_either_dtype(problem, dtype):
    network = make().copy(dtype)
    before = {name: p.tobytes() for name, p in network.parameters.items()}
    result = fd.check_gradients(network, *problem(network.loss))
    assert result.of("weight").percent_below == 100
    assert {name: p.tobytes() for name, p in network.parameters.items()} == before
    assert network.dtype == dtype


# --- what is wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["layers.0.weight", "layers.1.bias", "layers.2.weight"])
def test_a_wrong_element_is_noticed(name, problem, monkeypatch):
    right = fd.Network.gradients

    def wrong(self, x, y):
        gradients = right(self, x, y)
        gradients[name].flat[1] += 1e-3
        return gradients

    monkeypatch.setattr(fd.Network, "gradients", wrong)
    result = fd.check_gradients(make(), *problem("softmax_cross_entropy"))
    for row in result.parameters:
        if row.name == name:
            assert row.max_absolute == pytest.approx(1e-3, rel=1e-3)
            assert row.percent_below == pytest.approx(100 * (1 - 1 / row.n_compared))
        else:
            assert row.max_absolute < 1e-9
    kind = name.split(".")[-1]
    assert result.of(kind).max_absolute > 1e-4
    assert result.of(kind).percent_below < 100
    assert result.of("bias" if kind == "weight" else "weight").percent_below == 100


@pytest.mark.parametrize(("tolerance", "below"), [(2e-3, 100), (5e-4, 0)])
def test_the_tolerance_is_of_the_absolute_error(tolerance, below, problem, monkeypatch):
    """Also where the gradient itself is hardly larger."""
    right = fd.Network.gradients
    monkeypatch.setattr(
        fd.Network, "gradients",
        lambda self, x, y: {name: g + 1e-3 for name, g in right(self, x, y).items()},
    )  # fmt: skip
    result = fd.check_gradients(make(), *problem("softmax_cross_entropy"), tolerance=tolerance)
    assert max(row.max_relative for row in result.parameters) > 2e-3
    assert {row.percent_below for row in result.parameters} == {below}


@pytest.mark.parametrize("wrong", [lambda g: 1.01 * g, lambda g: -g, lambda g: 0 * g])
def test_a_wrong_factor_is_noticed(wrong, problem, monkeypatch):
    right = fd.Network.gradients
    monkeypatch.setattr(
        fd.Network, "gradients",
        lambda self, x, y: {name: wrong(g) for name, g in right(self, x, y).items()},
    )  # fmt: skip
    result = fd.check_gradients(make(), *problem("softmax_cross_entropy"))
    assert all(row.max_relative > 1e-3 for row in result.parameters)


# --- kinks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_an_element_at_the_kink_of_a_relu_is_left_out(activation):
    """One row (1, 0): unit 0 is at its kink, and a step in the weight of the 1 or in the bias
    crosses it; the weight of the 0 moves nothing."""
    network = fd.Network([2, 2, 2], activation=activation, dtype="float64")
    network.parameters["layers.0.weight"][...] = [[0.0, 0.7], [0.3, 0.4]]
    result = fd.check_gradients(network, np.array([[1.0, 0.0]]), [1])
    assert [row.n_kinks for row in result.parameters] == [1, 1, 0, 0]
    assert [row.n_compared for row in result.parameters] == [3, 1, 4, 2]
    assert max(row.max_relative for row in result.parameters) < 1e-6


def test_an_element_at_the_kink_of_a_hinge_is_left_out():
    """Class 1 wins by exactly the margin over class 0 and by more over class 2."""
    network = fd.Network([1, 3], loss="hinge", init=fd.init.Normal(0.0), dtype="float64")
    network.parameters["layers.0.bias"][...] = [0.0, 1.0, -5.0]
    result = fd.check_gradients(network, np.array([[2.0]]), [1])
    assert [row.n_kinks for row in result.parameters] == [2, 2]
    assert [row.n_compared for row in result.parameters] == [1, 1]


def test_an_element_at_the_kink_of_an_l1_penalty_is_left_out():
    network = fd.Network([fd.Dense(3, 2, l1=0.5)], init=fd.init.Normal(0.0), dtype="float64")
    network.parameters["layers.0.weight"][...] = [[0, 1], [-2, 0], [3, 0]]
    result = fd.check_gradients(network, np.ones((1, 3)), [0])
    assert [row.n_kinks for row in result.parameters] == [3, 0]
    assert max(row.max_relative for row in result.parameters) < 1e-6


def test_nothing_but_kinks():
    network = fd.Network([1, 2], loss="hinge", init=fd.init.Normal(0.0), dtype="float64")
    network.parameters["layers.0.bias"][...] = [0.0, 1.0]
    result = fd.check_gradients(network, np.array([[2.0]]), [1])
    assert [row.n_compared for row in result.parameters] == [0, 0]
    assert not result.passed
    assert not result
    for row in (*result.parameters, result.of("weight"), result.of("bias")):
        assert (row.n_compared, row.n_kinks, row.n_wrong) == (0, 2, 0)
        assert np.isnan(row[1:4]).all()
    text = str(result)
    assert "nan" not in text
    assert text.startswith("Percentage of weight errors < 1e-06: none compared, 2 at kinks")
    assert text.splitlines()[-1] == (
        "not passed: nothing was compared, 4 left out at kinks, "
        "2 of 2 parameters have nothing to compare"
    )


def half_at_kinks():
    """The bias of the hidden unit is at its kink, its weights and the layer above are not."""
    network = fd.Network([2, 1, 2], dtype="float64")
    network.parameters["layers.0.weight"][...] = [[0.0], [0.0]]
    return fd.check_gradients(network, np.zeros((3, 2)), [1, 0, 1])


def test_a_part_that_is_nothing_but_kinks_is_left_out_and_counted():
    result = half_at_kinks()
    assert [row.n_compared for row in result.parameters] == [2, 0, 2, 2]
    assert result.passed
    assert result.of("bias")[1:] == (*result.parameters[3][1:5], 1, 0)
    text = str(result)
    assert "nan" not in text
    assert text.splitlines()[-1] == (
        "passed: 0 of 6 elements compared are wrong, 1 left out at kinks, "
        "1 of 4 parameters have nothing to compare"
    )


def test_no_parameters_are_no_check():
    empty = fd.GradientCheck((), 1e-6)
    assert not empty
    assert np.isnan(empty.of("weight").max_absolute)
    assert "nothing was compared" in str(empty)


# --- whether it passed -----------------------------------------------------------------------


def test_right_gradients_pass(problem):
    result = fd.check_gradients(make(), *problem("softmax_cross_entropy"))
    assert result.passed is True
    assert result
    assert str(result).splitlines()[-1].startswith("passed: 0 of ")


@pytest.mark.parametrize("name", make().parameters)
@pytest.mark.parametrize("error", [1e-3, -1e-3, 3e-6, np.nan, np.inf])
def test_one_wrong_element_does_not_pass(name, error, problem, monkeypatch):
    right = fd.Network.gradients

    def wrong(self, x, y):
        gradients = right(self, x, y)
        gradients[name].flat[-1] += error
        return gradients

    monkeypatch.setattr(fd.Network, "gradients", wrong)
    result = fd.check_gradients(make(), *problem("softmax_cross_entropy"))
    assert result.passed is False
    assert not result
    assert {row.name: row.n_wrong for row in result.parameters if row.n_wrong} == {name: 1}
    assert str(result).splitlines()[-1].startswith("not passed: 1 of ")
    assert "nan" not in str(result)


@pytest.mark.parametrize(("gradient", "numerical", "wrong"), [
    (0.0, 0.0, 0), (0.0, 9e-7, 0), (0.0, 2e-6, 1), (1e-9, 3e-9, 0),
    (1e6, 1e6 + 1, 0), (1e6, 1e6 + 3, 1), (1.0, 1.0 + 9e-7, 0), (1.0, 1.0 + 3e-6, 1),
    (np.nan, 1.0, 1), (1.0, np.inf, 1), (np.inf, np.inf, 1), (-1.0, 1.0, 1),
])  # fmt: skip
def test_what_is_right_is_so_in_absolute_or_in_relative_terms(gradient, numerical, wrong):
    pair = np.array([gradient]), np.array([numerical])
    with np.errstate(invalid="ignore"):
        row = gradcheck._compare("w", *pair, np.array([False]), 1e-6)
    assert row.n_wrong == wrong
    assert fd.GradientCheck((row,), 1e-6).passed == (not wrong)
    kink = gradcheck._compare("w", *pair, np.array([True]), 1e-6)
    assert (kink.n_compared, kink.n_kinks, kink.n_wrong) == (0, 1, 0)


def test_parameters_that_are_not_numbers_do_not_pass(problem):
    network = make()
    network.parameters["layers.1.bias"][0] = np.nan
    result = fd.check_gradients(network, *problem(network.loss))
    assert not result
    assert "nan" not in str(result)


def test_rows_that_are_not_numbers_are_refused(problem):
    x, y = problem("softmax_cross_entropy")
    x[3, 2] = np.inf
    with pytest.raises(ValueError, match="x must be finite; got inf at row 3, column 2"):
        fd.check_gradients(make(), x, y)


# --- what is printed -------------------------------------------------------------------------


def test_the_first_four_lines_are_those_of_the_reports(problem):
    result = fd.check_gradients(make(), *problem("softmax_cross_entropy"))
    lines = str(result).splitlines()
    weight, bias = result.of("weight"), result.of("bias")
    assert lines[:4] == [
        "Percentage of weight errors < 1e-06: 100.0",
        "Percentage of bias errors < 1e-06: 100.0",
        f"Max weight error: {weight.max_absolute}",
        f"Max bias error: {bias.max_absolute}",
    ]
    for name in make().parameters:
        assert sum(line.startswith(name) for line in lines) == 1
    assert repr(result) == str(result)


def test_the_tolerance_is_counted_and_printed(problem):
    result = fd.check_gradients(make(), *problem("softmax_cross_entropy"), tolerance=1e-300)
    assert result.of("weight").percent_below < 50
    assert "errors < 1e-300:" in str(result)


def test_all_weights_together(problem):
    result = fd.check_gradients(make(), *problem("softmax_cross_entropy"))
    weights = [row for row in result.parameters if row.name.endswith("weight")]
    assert result.of("weight").n_compared == sum(row.n_compared for row in weights)
    assert result.of("weight").max_relative == max(row.max_relative for row in weights)
    with pytest.raises(ValueError, match="kind must be one of weight, bias"):
        result.of("both")


def test_many_parameters_are_checked_in_parts(monkeypatch, problem):
    x, y = problem("hinge")
    whole = fd.check_gradients(make("hinge"), x, y)
    monkeypatch.setattr("fastdl.gradcheck._ITEMS", 150)
    assert fd.check_gradients(make("hinge"), x, y) == whole


@pytest.mark.parametrize("scale", [1.0, 1e3, 5e4])
def test_rounding_of_a_large_cost_is_no_wrong_gradient(scale, rng):
    x = rng.standard_normal((10, 10))
    network = fd.Network([10, 16, 1], loss="mse")
    assert fd.check_gradients(network, x, scale * x[:, 0] + 4 * scale)


def test_a_norm_takes_all_rows_as_one_batch(rng, monkeypatch):
    layers = [fd.Dense(4, 8, l2=0.1), fd.BatchNorm(activation="tanh"), fd.Dropout(0.5),
              fd.Dense(6, activation="gelu"), fd.BatchNorm(epsilon=0.1), fd.Dense(3)]  # fmt: skip
    network = fd.Network(layers)
    for name in ("gamma", "beta"):
        network.parameters[f"layers.1.{name}"][...] += rng.standard_normal(8)
    x, y = rng.standard_normal((5, 4)), [0, 1, 2, 1, 0]
    check = fd.check_gradients(network, x, y)
    assert check
    assert [row.name for row in check.parameters] == [
        "layers.0.weight", "layers.0.bias", "layers.1.gamma", "layers.1.beta", "layers.3.weight",
        "layers.3.bias", "layers.4.gamma", "layers.4.beta", "layers.5.weight", "layers.5.bias",
    ]  # fmt: skip
    assert check.of("gamma").n_compared == 14
    assert "Max beta error" in str(check)
    assert fd.check_gradients(network, x[:1], y[:1])
    assert fd.check_gradients(network, x, dlogits=rng.standard_normal((5, 3)))
    monkeypatch.setattr("fastdl.gradcheck._ITEMS", 150)
    assert fd.check_gradients(network, x, y) == check


def test_dropout_is_left_out(rng):
    layers = [fd.Dropout(0.1), fd.Dense(4, 8, "tanh"), fd.Dropout(0.5), fd.Dense(3)]
    check = fd.check_gradients(fd.Network(layers), rng.standard_normal((5, 4)), [0, 1, 2, 1, 0])
    assert check
    assert [row.name for row in check.parameters] == [
        "layers.1.weight", "layers.1.bias", "layers.3.weight", "layers.3.bias",
    ]  # fmt: skip
