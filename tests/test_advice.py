"""A fit that has learnt nothing says why, and only where the data's scale is a likely reason."""

import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import fastdl as fd
from fastdl import advice, losses
from fastdl.data import check
from fastdl.data import weighted as with_weights
from fastdl.network import core_of
from tests import cases

N, D, K = 300, 6, 3


@pytest.fixture
def problem(rng):
    """Rows around zero, and labels that can be learnt from them."""
    x = rng.standard_normal((N, D))
    return x, np.digitize(x[:, 0] + x[:, 1], (-0.6, 0.6))


def far(x, how):
    """The same rows in units in which somebody might bring them."""
    x = x.copy()
    if how == "a salary":
        x[:, 2] = 50_000 + 20_000 * x[:, 2]
    elif how == "a year":
        x[:, 3] = 1990 + 10 * x[:, 3]
    elif how == "milliseconds":
        x[:, 5] = 1.7e12 + 1e9 * x[:, 5]
    elif how == "micrometres":
        x *= 1e-6
    elif how == "pixels as numbers":
        x = np.rint(np.clip(128 + 60 * x, 0, 255))
    elif how == "thousands":
        x *= 1e4
    return x


FAR = {  # how, and the column that is named
    "a salary": 2,
    "a year": 3,
    "milliseconds": 5,
    "micrometres": None,
    "thousands": None,
}


def train(x, y, loss="softmax_cross_entropy", rate=0.05, scaling=None, epochs=3, **settings):
    k = (1 if y.ndim == 1 else y.shape[1]) if losses.LOSSES[loss].y != "labels" else K
    network = fd.Network([D, 8, k], loss=loss, scaling=scaling)
    return fd.Trainer(network, fd.SGD(rate), batch_size=30).fit(x, y, epochs=epochs, **settings)


@pytest.mark.parametrize("settings", [{}, {"record": None}, {"train_metrics": "batches"}])
@pytest.mark.parametrize("kind", [np.float32, np.float64, pd.DataFrame])
@pytest.mark.parametrize("how", FAR)
def test_raw_columns_are_named_with_the_remedy(how, kind, settings, problem):
    x, y = far(problem[0], how), problem[1]
    rate = 1e-3 if how == "micrometres" else 0.05
    told = "column .* of x" if FAR[how] is None else f"column {FAR[how]} of x"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((fd.ScalingWarning, fd.DivergenceError)) as caught:
            train(kind(x), y, rate=rate, **settings)
    assert re.search(rf"{told} reaches from .*Scaling\.standard\(x\)", str(caught.value))
    train(kind(x), y, rate=rate, scaling=fd.Scaling.standard(kind(x)), **settings)


@pytest.mark.parametrize("loss", [name for name, loss in losses.LOSSES.items() if not loss.outputs])
def test_every_loss_is_held_against_a_constant(loss, problem):
    """But for one of exponentials, which diverges."""
    x, y = far(problem[0], "a salary"), problem[1]
    if losses.LOSSES[loss].y != "labels":
        y = problem[0][:, 0] > 0 if losses.LOSSES[loss].y == "binary" else problem[0][:, 0]
    with pytest.warns(fd.ScalingWarning, match="column 2 of x"):
        train(x, y, loss, rate=1e-12)


@pytest.mark.parametrize("scale", [3e5, 1e-4])
def test_targets_far_from_unit_size_are_named(scale, problem):
    x, _ = problem
    y = scale * (1 + 0.3 * x[:, 0])
    with pytest.warns(fd.ScalingWarning, match=r"y reaches from .* y\.std\(axis=0\)"):
        train(x, y, "mse", rate=1e-9 if scale > 1 else 1e-3)
    train(x, (y - y.mean(axis=0)) / y.std(axis=0), "mse")


def test_rows_and_targets_may_both_be_far(problem):
    x, y = far(problem[0], "a year"), 1e6 * problem[0][:, :2]
    with pytest.warns(fd.ScalingWarning, match=r"column 3 of x .* and y reaches"):
        train(x, y, "mse", rate=1e-12)


@pytest.mark.parametrize("how", ["thousands", "milliseconds"])
def test_a_loss_that_explodes_names_scaling_too(how, problem):
    x, y = far(problem[0], how), problem[0][:, 0]
    with pytest.raises(fd.DivergenceError, match=r"Scaling\.standard\(x\); or lower") as caught:
        train(x, y, "mse")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with pytest.raises(fd.DivergenceError, match=r"step \d+, lower the learning rate"):
        train(problem[0], y, "mse", rate=1e4)


@pytest.mark.parametrize("settings", [{}, {"train_metrics": "batches"}, {"record": 10}])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_that_is_told_is_the_historys(settings, weighted, problem, rng):
    x, y = np.resize(far(problem[0], "a salary"), (1000, D)), np.resize(problem[1], 1000)
    if weighted:
        settings = {**settings, "sample_weight": rng.uniform(0.1, 3, 1000)}
    with pytest.warns(fd.ScalingWarning) as caught:
        history = train(x, y, rate=1e-12, **settings)
    assert f"its training loss of {history.last['loss']:.4g} is " in str(caught[0].message)


def test_the_loss_of_a_sample_is_told_as_that(problem):
    x, y = np.resize(far(problem[0], "a salary"), (1000, D)), np.resize(problem[1], 1000)
    with pytest.warns(fd.ScalingWarning, match=r"training loss of \S+ on 250 of its rows is "):
        train(x, y, rate=1e-12, record=None)


RANGES = {  # what a column holds, and what is said of it
    "digits that differ late": (1.7e9 + np.arange(300.0), "from 1.7e+09 to 1.7000003e+09"),
    "digits that differ at once": (np.linspace(-5000, 70000, 300), "from -5000 to 7e+04"),
    "always the same": (np.full(300, 5000.0), "is always 5000: "),
    "one apart at 1e15": (1e15 + np.arange(300) % 2, "1000000000000001: "),
}


@pytest.mark.parametrize("what", RANGES)
def test_a_range_tells_its_ends_apart(what, problem):
    column, expected = RANGES[what]
    x, y = problem
    with pytest.warns(fd.ScalingWarning) as caught:
        train(np.c_[x[:, :5], column], y, rate=1e-30)
    assert expected in str(caught[0].message)


@pytest.mark.parametrize(("epochs", "warns"), [(1, False), (9, False), (10, True)])
def test_a_fit_of_ten_steps_or_more_may_be_expected_to_have_learnt(epochs, warns, problem):
    x, y = far(problem[0], "a salary"), problem[1]
    network = fd.Network([D, 8, K])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fd.Trainer(network, fd.SGD(0.05), batch_size=N).fit(x, y, epochs=epochs)
    assert [each.category for each in caught] == [fd.ScalingWarning] * warns


SILENT = {
    "rows near one, labels at random": lambda x, y, rng: (x, rng.permutation(y)),
    "nothing to learn from": lambda x, y, rng: (np.zeros_like(x), y),
    "small and always the same": lambda x, y, rng: (np.full_like(x, 0.004), y),
    "one label": lambda x, y, rng: (x, np.zeros_like(y)),
    "bits": lambda x, y, rng: ((x > 1).astype(np.float32), y),
    "rare bits": lambda x, y, rng: ((x > 2.5) * 1.0, rng.permutation(y)),
    "images": lambda x, y, rng: (np.clip(128 + 60 * x, 0, 255).astype(np.uint8), y),
    "small columns beside others": lambda x, y, rng: (
        x * [1, 1, 1e-6, 1e-6, 0, 0], rng.permutation(y),
    ),
    "threes": lambda x, y, rng: (3 * x, rng.permutation(y)),
}  # fmt: skip


@pytest.mark.parametrize("rate", [0.0, 1e-4, 0.05])
@pytest.mark.parametrize("what", SILENT)
def test_data_of_about_unit_size_give_no_alarm(what, rate, problem, rng):
    """Whatever was learnt: warnings are errors here."""
    x, y = SILENT[what](*problem, rng)
    train(x, y, rate=rate)
    raw = far(x.astype(float), "a salary")
    train(raw, y, rate=rate, scaling=fd.Scaling.standard(raw))


def test_what_is_learnt_from_far_columns_gives_no_alarm(problem):
    x, y = problem
    x = x * [40, 40, 1, 1, 1, 1]
    assert train(x, y, rate=1e-3, epochs=30)["loss"][-1] < 0.9


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_the_constant_is_the_best_one(loss, weighted, problem, rng):
    """By a search over constants; of the hinge at most as good."""
    x, y = problem
    k = K if losses.LOSSES[loss].y == "labels" else 2
    if losses.LOSSES[loss].y != "labels":
        y = 3 + x[:, :2] if loss in ("mse", "mae") else cases.wanted(loss, rng, N, 2)
    network = fd.Network([D, k], loss=cases.made(loss), dtype="float64")
    data = check(core_of(network), x, y)
    if weighted:
        data = with_weights(core_of(network), data, rng.uniform(0.1, 3, N))
    weights = {} if data.weights is None else {"sample_weight": data.weights}
    settings = network.loss_function.settings

    def of(constant):
        outputs = np.tile(constant, (N, 1))
        return getattr(fd.ops, loss)(outputs, y, **weights, **settings)[0]

    starts = rng.standard_normal((10, k))
    best = min(minimize(of, start, method="Nelder-Mead").fun for start in starts)
    found = advice.constant_loss(core_of(network), data, np.arange(N))
    assert found >= best - 1e-6
    if loss not in ("hinge", "huber"):  # of which plain answers are tried
        assert found == pytest.approx(best, rel=1e-4)
