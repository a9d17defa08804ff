"""evaluation.py: R2 and absolute errors by their formulas, functions of one's own, equal sets."""

import numpy as np
import pytest

import fastdl as fd

N = 9000  # more than two blocks of rows


def score(y, predicted, weight):
    """R2 and the mean absolute error as scikit-learn's documentation writes them."""
    y, predicted = y.reshape(len(y), -1), predicted.reshape(len(y), -1)
    mean = np.average(y, axis=0, weights=weight)
    squares = ((y - predicted) ** 2 * weight[:, None]).sum(0)
    total = ((y - mean) ** 2 * weight[:, None]).sum(0)
    error = np.average(np.abs(y - predicted), axis=0, weights=weight)
    return np.mean(1 - squares / total), error.mean()


def regression(k, dtype="float64"):
    return fd.Network([3, 5, k], loss="mse", dtype=dtype, seed=1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("n", [2, 100, N])
def test_r2_and_absolute_error_are_those_of_their_formulas(rng, n, k, weighted, dtype, agree):
    network = regression(k, dtype)
    x, y = rng.standard_normal((n, 3)).astype(dtype), rng.standard_normal((n, k)).astype(dtype)
    weight = rng.uniform(0, 2, n) if weighted else np.ones(n)
    given = {"sample_weight": weight} if weighted else {}
    result = network.evaluate(x, y, **given)
    assert isinstance(result, fd.RegressionEvaluation)
    assert result._fields == ("loss", "cost", "r2", "mean_absolute_error")
    agree(result[2:], score(y.astype(float), network.predict(x).astype(float), weight), dtype)


@pytest.mark.parametrize("value", [0.1, 1e8])
@pytest.mark.parametrize("right", [True, False])
def test_r2_of_targets_that_are_all_alike_is_one_or_zero(value, right, dtype):
    network = regression(2, dtype)
    for name, view in network.parameters.items():
        view[...] = 0 if "weight" in name else value
    x, y = np.ones((50, 3), dtype), np.full((50, 2), value, dtype)
    if not right:
        network.parameters["layers.1.bias"][1] = 2 * value
    assert network.evaluate(x, y).r2 == (1.0 if right else 0.5)


def test_targets_whose_squares_are_too_large_give_no_warning(rng):
    x, y = rng.standard_normal((9, 3)), 1e200 * rng.standard_normal((9, 2))
    result = regression(2).evaluate(x, y)
    assert np.isfinite(result.mean_absolute_error)
    assert np.isnan(result.r2)


def test_r2_of_one_row_is_not_a_number(rng):
    result = regression(2).evaluate(rng.standard_normal((1, 3)), rng.standard_normal((1, 2)))
    assert np.isnan(result.r2)
    assert result.mean_absolute_error > 0


@pytest.mark.parametrize("targets", [True, False])
def test_parameters_that_are_not_finite_give_no_warning_and_no_score(rng, targets):
    network = regression(2) if targets else fd.Network([3, 5, 2], dtype="float64")
    network.parameters["layers.0.bias"].fill(np.nan)
    x = rng.standard_normal((20, 3))
    result = network.evaluate(x, x[:, :2] if targets else np.zeros(20, int))
    assert np.isnan(result.loss)
    if targets:
        assert np.isnan(result[2:]).all()


# --- columns of a fit ------------------------------------------------------------------------


def problem(rng, targets, n=40):
    x = rng.standard_normal((n, 3))
    return x, (x @ [1.0, -2.0, 0.5] if targets else rng.integers(0, 2, n))


def fitted(data, targets, **settings):
    network = regression(1) if targets else fd.Network([3, 5, 2], dtype="float64", seed=1)
    return network, fd.Trainer(network, fd.SGD(0.05), batch_size=8).fit(*data, **settings)


COLUMNS = {  # targets, train_metrics, the columns of the training set, of the validation set
    "labels, full": (False, "full", ["accuracy", "own"], ["accuracy", "own"]),
    "labels, batches": (False, "batches", ["accuracy"], ["accuracy", "own"]),
    "numbers, full": (True, "full", ["r2", "mean_absolute_error", "own"],
                      ["r2", "mean_absolute_error", "own"]),
    "numbers, batches": (True, "batches", [], ["r2", "mean_absolute_error", "own"]),
}  # fmt: skip


@pytest.mark.parametrize(("targets", "how", "train", "val"), COLUMNS.values(), ids=COLUMNS)
def test_columns_go_by_the_targets_and_by_what_is_measured(rng, targets, how, train, val):
    data = problem(rng, targets)
    settings = {"train_metrics": how, "metrics": {"own": lambda y, predicted: 2.0}}
    _, history = fitted(data, targets, validation=data, **settings)
    assert history.columns == [
        *("epoch", "step", "learning_rate", "loss", "cost", *train, "val_loss", "val_cost"),
        *(f"val_{name}" for name in val),
        "seconds",
    ]
    assert history["val_own"].tolist() == [2.0]


@pytest.mark.parametrize("targets", [True, False])
def test_records_are_what_evaluate_and_functions_of_predictions_say(rng, targets):
    data, other = problem(rng, targets), problem(rng, targets, n=11)

    def own(y, predicted):
        return float((np.abs(y - predicted) > 0.5).mean())

    network, history = fitted(data, targets, epochs=2, validation=other, metrics={"own": own})
    for prefix, (x, y) in (("", data), ("val_", other)):
        expected = {**network.evaluate(x, y)._asdict(), "own": own(y, network.predict(x))}
        found = {name: history[prefix + name][-1] for name in expected}
        assert found == expected


@pytest.mark.parametrize("targets", [True, False])
def test_a_function_is_given_what_predict_gives_and_may_change_nothing(rng, targets):
    data, seen = problem(rng, targets), []

    def own(y, predicted):
        with pytest.raises(ValueError, match="read-only"):
            y[0] = 1
        seen.append((y, predicted))
        return np.float32(0.5)

    _, history = fitted(data, targets, epochs=2, metrics={"own": own})
    assert history["own"].tolist() == [0.5, 0.5]
    for y, predicted in seen:
        np.testing.assert_array_equal(y, data[1])
        assert predicted.shape == data[1].shape
        assert targets or predicted.dtype == np.int64
    first, second = (predicted for _, predicted in seen)
    assert not np.shares_memory(first, second)


def test_a_function_is_not_asked_where_the_loss_is_not_finite(rng):
    (x, y), calls = problem(rng, False), []
    network = fd.Network([3, 2], dtype="float64")
    network.parameters["layers.0.weight"].fill(10)
    far = np.full((5, 3), 1e308), np.zeros(5, int)
    metrics = {"own": lambda y, predicted: calls.append(len(y)) or 1.0}
    history = fd.Trainer(network, fd.SGD(0.0)).fit(x, y, validation=far, metrics=metrics)
    assert not np.isfinite(history["val_loss"][0])
    assert np.isnan(history["val_own"][0])
    assert calls == [40]
