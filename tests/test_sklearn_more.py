"""sklearn/: what scikit-learn's multilayer perceptrons do not have."""

import copy
import doctest
import importlib
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import mean_pinball_loss
from sklearn.preprocessing import StandardScaler

import fastdl as fd
from fastdl.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor
from fastdl.sklearn._training import rule

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.RandomState(0)
X = RNG.normal(size=(300, 5))
LABELS = np.array(["cat", "dog", "eel"])[(X[:, 0] > 0.5).astype(int) + (X[:, 1] > 0)]
NUMBERS = X[:, 0] - 2 * X[:, 1] + RNG.normal(size=300) / 10


@pytest.mark.parametrize("weight", ["balanced", {"cat": 3.0, "eel": 0.5}])
def test_class_weights_are_those_of_rows(weight):
    from sklearn.utils import compute_sample_weight

    own = RNG.uniform(0.5, 1, 300)
    settings = {"max_iter": 3, "random_state": 0}
    found = MLPClassifier(class_weight=weight, **settings).fit(X, LABELS, own)
    expected = MLPClassifier(**settings).fit(X, LABELS, own * compute_sample_weight(weight, LABELS))
    assert found.coefs_[0].tobytes() == expected.coefs_[0].tobytes()


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "huber", "absolute_error"])
def test_the_validation_loss_is_that_of_the_given_rows(loss):
    y = np.abs(NUMBERS)
    ours = MLPRegressor(loss, max_iter=4, alpha=0.0, batch_size=300, random_state=0)
    ours.fit(X, y, validation_set=(X, y))
    # A batch of all rows is judged before its step: a loss behind the validation's.
    np.testing.assert_allclose(ours.loss_curve_[1:], ours.validation_loss_curve_[:-1], rtol=1e-9)


def test_a_validation_set_is_watched_instead_of_rows_that_are_held_out():
    weights = RNG.uniform(0.5, 1, 100)
    given = X[200:], LABELS[200:], weights
    ours = MLPClassifier(early_stopping=True, random_state=0, max_iter=8)
    ours.fit(X[:200], LABELS[:200], validation_set=given)
    assert ours.t_ == 200 * ours.n_iter_
    assert ours.best_validation_score_ == ours.score(*given)
    assert len(ours.validation_loss_curve_) == ours.n_iter_


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        (X, TypeError, "validation_set must be"),
        ((X, LABELS[::-1], None, None), TypeError, "validation_set must be"),
        ((X, np.full(300, "ant")), ValueError, "classes not in"),
        ((X[:, :4], LABELS), ValueError, "expecting 5 features"),
        ((X[:1], LABELS[:1]), ValueError, "too small"),
    ],
)
def test_a_validation_set_that_cannot_be_is_refused(given, error, told):
    with pytest.raises(error, match=told):
        MLPClassifier(max_iter=1).fit(X, LABELS, validation_set=given)


def test_callbacks_are_called_after_every_epoch_and_may_end_the_fit():
    seen = []
    ours = MLPClassifier(
        callbacks=[lambda e: seen.append((e.n_iter_, e.loss_)), lambda e: e.n_iter_ == 3],
        random_state=0,
    ).fit(X, LABELS)
    assert ours.n_iter_ == 3
    assert seen == list(enumerate(ours.loss_curve_, 1))


def test_activations_and_dropout_of_each_layer():
    ours = MLPClassifier((8, 6), ["gelu", "logistic"], dropout=[0.5, 0.0], max_iter=2)
    ours.set_params(random_state=0).fit(X, LABELS)
    layers = ours.network_.layers
    assert [type(each).__name__ for each in layers] == ["Dense", "Dropout", "Dense", "Dense"]
    assert [each.activation for each in layers if isinstance(each, fd.Dense)] == [
        "gelu", "sigmoid", "identity",
    ]  # fmt: skip
    bounds = [np.abs(each).max() for each in MLPClassifier(
        (200, 200), ["gelu", "logistic"], max_iter=1, learning_rate_init=1e-9, random_state=0,
    ).fit(X, LABELS).coefs_]  # fmt: skip
    expected = [np.sqrt(6 / 205), np.sqrt(2 / 400), np.sqrt(2 / 203)]
    np.testing.assert_allclose(bounds, expected, rtol=0.05)


def test_dropout_is_drawn_by_the_random_state_and_gone_in_answers():
    one, same, other = (
        MLPClassifier(50, dropout=0.5, max_iter=3, random_state=seed).fit(X, LABELS)
        for seed in (0, 0, 1)
    )
    assert one.coefs_[0].tobytes() == same.coefs_[0].tobytes() != other.coefs_[0].tobytes()
    assert (one.predict_proba(X) == one.predict_proba(X)).all()
    assert one.loss_ != MLPClassifier(50, max_iter=3, random_state=0).fit(X, LABELS).loss_


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_batch_norm_of_every_hidden_layer(kind):
    y = LABELS if kind is MLPClassifier else NUMBERS
    settings = {"hidden_layer_sizes": (8, 6), "batch_norm": True, "max_iter": 3, "random_state": 0}
    ours = kind(**settings).fit(X, y)
    layers = ours.network_.layers
    assert [type(each).__name__ for each in layers] == [
        "Dense", "BatchNorm", "Dense", "BatchNorm", "Dense",
    ]  # fmt: skip
    assert [each.activation for each in layers] == [
        "identity", "relu", "identity", "relu", "identity",
    ]  # fmt: skip
    assert [len(norm["gamma"]) for norm in ours.batch_norms_] == [8, 6]
    assert ours.batch_norms_[0]["running_mean"].any()
    for other in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        np.testing.assert_array_equal(other.predict(X), ours.predict(X))
        other.batch_norms_[1]["gamma"][...] = 0  # they are views
        assert len(np.unique(other.predict(X[:5]))) == 1
    kept = kind(**settings, warm_start=True).fit(X, y)
    before = kept.batch_norms_[0]["running_mean"].copy()
    assert (kept.fit(X, y).batch_norms_[0]["running_mean"] != before).any()
    plain = kept.set_params(batch_norm=False, warm_start=False).fit(X, y)
    assert not hasattr(plain, "batch_norms_")


@pytest.mark.parametrize("name", ["activation", "dropout"])
def test_settings_of_layers_that_do_not_fit_are_refused(name):
    each = {"activation": ["relu", "tanh"], "dropout": [0.1, 0.2]}[name]
    with pytest.raises(ValueError, match=f"{name} must be one for all, or one for each of 1 "):
        MLPClassifier(8, **{name: each}).fit(X, LABELS)


@pytest.mark.parametrize(
    "loss",
    ["huber", "absolute_error", "quantile", fd.losses.Huber(0.2), fd.losses.Quantile(0.9)],
    ids=str,
)
@pytest.mark.parametrize("k", [1, 3])
def test_other_losses_have_the_gradient_of_their_sum_and_tell_their_mean(loss, k):
    used = rule(loss, k, np.dtype(float))
    assert used.of_gradient * used.of_loss == 1
    assert used.of_gradient == k
    y = np.c_[NUMBERS, -NUMBERS, X[:, 2]][:, :k].squeeze()
    ours = MLPRegressor(loss, 20, max_iter=60, learning_rate_init=0.01, random_state=0)
    assert ours.fit(X, y).score(X, y) > 0.5
    assert ours.predict(X).shape == ((300,) if k == 1 else (300, 3))


def test_a_quantile_is_above_its_share_of_the_targets():
    y = NUMBERS + RNG.gumbel(size=300)
    for q in (0.2, 0.8):
        ours = MLPRegressor(fd.losses.Quantile(q), solver="lbfgs", alpha=1e-3, random_state=0)
        ours.set_params(hidden_layer_sizes=4, max_iter=500).fit(X, y)
        assert np.mean(y < ours.predict(X)) == pytest.approx(q, abs=0.06)
        assert ours.loss_ == pytest.approx(mean_pinball_loss(y, ours.predict(X), alpha=q), abs=0.01)


@pytest.mark.parametrize("k", [1, 2])
def test_targets_far_from_unit_size_are_learnt_once_they_are_scaled(k):
    y = 1e6 + 1e4 * np.c_[NUMBERS, -NUMBERS][:, :k].squeeze()
    settings = {"max_iter": 100, "learning_rate_init": 0.01, "random_state": 0}
    ours = MLPRegressor(target_scaling="standard", **settings).fit(X, y)
    assert ours.score(X, y) > 0.9
    with pytest.warns(fd.ScalingWarning, match="use target_scaling='standard'"):
        assert MLPRegressor(**settings).fit(X, y).score(X, y) < 0.9
    np.testing.assert_allclose(ours.target_shift_, y.mean(axis=0))
    np.testing.assert_allclose(ours.target_scale_, y.std(axis=0))
    ours.partial_fit(X, y + 1)
    np.testing.assert_allclose(ours.target_shift_, y.mean(axis=0))


def test_counts_are_refused_what_they_cannot_be():
    with pytest.raises(ValueError, match="y must not be negative"):
        MLPRegressor("poisson").fit(X, NUMBERS)
    with pytest.raises(ValueError, match="target_scaling must be None"):
        MLPRegressor("poisson", target_scaling="standard").fit(X, np.abs(NUMBERS))


def test_a_bar_counts_epochs(capfd):
    MLPClassifier(progress=True, max_iter=3).fit(X, LABELS)
    assert "3/3" in capfd.readouterr().err


def test_the_network_saves_what_was_fitted(tmp_path):
    ours = MLPClassifier(max_iter=5, random_state=0).fit(X, LABELS)
    ours.network_.save(tmp_path / "net.safetensors")
    loaded = fd.Network.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(ours.classes_[loaded.predict(X)], ours.predict(X))
    np.testing.assert_allclose(loaded.predict_proba(X), ours.predict_proba(X))


def handed_out(one, folder):
    """The network of a fitted estimator, and the same from its file."""
    one.network_.save(folder / "net.safetensors")
    return one.network_, fd.Network.load(folder / "net.safetensors")


def over_a_trainer(loss):
    return lambda d, k: fd.Trainer(fd.Network([d, 8, k], loss=loss), fd.Adam(0.01))


ESTIMATORS = {
    "MLPClassifier": lambda: MLPClassifier(max_iter=5, random_state=0),
    "MLPRegressor": lambda: MLPRegressor(max_iter=5, random_state=0),
    "NetworkClassifier": lambda: NetworkClassifier(over_a_trainer("softmax_cross_entropy")),
    "NetworkRegressor": lambda: NetworkRegressor(over_a_trainer("mse")),
}


@pytest.mark.filterwarnings("ignore::fastdl.ScalingWarning")
@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_network_knows_the_columns_that_were_fitted(tmp_path, name, steps):
    one, x = ESTIMATORS[name](), pd.DataFrame(40 * np.abs(X), columns=[*"abcde"])
    x = x.astype(np.uint8)  # numbers, as a network takes every frame
    y = LABELS if name.endswith("Classifier") else NUMBERS
    if steps:
        more = {"classes": np.unique(y)} if name.endswith("Classifier") else {}
        one.partial_fit(x, y, **more)
    else:
        one.fit(x, y)
    for network in handed_out(one, tmp_path):
        assert network.inputs == ("numbers", tuple("abcde"))
        found = network.predict(x)
        expected = one.predict(x)
        if name.endswith("Classifier"):
            found = one.classes_[found]
        np.testing.assert_array_equal(found, expected)
        with pytest.raises(ValueError, match="columns on which this network was fitted"):
            network.predict(x[[*"edcba"]])
        with pytest.raises(TypeError, match=r"x must hold numbers, on which .* got uint8"):
            network.predict(x.to_numpy())


@pytest.mark.filterwarnings("ignore::fastdl.ScalingWarning")
@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_the_network_refuses_as_pixels_what_the_estimator_took_for_numbers(tmp_path, make):
    x = (40 * np.abs(X)).astype(np.uint8)
    one = make(max_iter=5, random_state=0).fit(x, NUMBERS > 0)
    for network in handed_out(one, tmp_path):
        assert network.inputs == ("numbers", None)
        np.testing.assert_array_equal(network.predict(x.astype(float)), one.predict(x))
        with pytest.raises(TypeError, match="for numbers taken as they are"):
            network.predict(x)
        with pytest.raises(ValueError, match="rows must be float32 or float64"):
            network.to_onnx(tmp_path / "net.onnx", rows="uint8")


def test_a_trainer_that_was_fitted_on_a_frame_keeps_its_columns():
    trainer = over_a_trainer("mse")(2, 1)
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    trainer.fit(frame, NUMBERS)
    one = NetworkRegressor(trainer).fit(X[:, :2], NUMBERS)
    assert one.network_.inputs == ("numbers", ("a", "b"))
    with pytest.raises(ValueError, match="columns on which this network was fitted"):
        NetworkRegressor(trainer).fit(frame[["b", "a"]], NUMBERS)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_network_predicts_targets_as_they_were_given(tmp_path, dtype, k):
    x, y = X.astype(dtype), (1e6 + 1e4 * np.c_[NUMBERS, -NUMBERS, NUMBERS**2][:, :k]).squeeze()
    one = MLPRegressor(target_scaling="standard", max_iter=5, random_state=0).fit(x, y)
    for network in handed_out(one, tmp_path):
        found = network.predict(x)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, one.predict(x), rtol=20 * np.finfo(dtype).eps)
    assert abs(one.coefs_[-1]).max() < 10  # which stay as they were


LARGE = np.array([1, 1, 5e4, 1, 1])
FAR = {  # estimator, rows, what is right, what is told
    "targets": (MLPRegressor(), X, 1e7 + 1e6 * NUMBERS, "y reaches .* use target_scaling='stan"),
    "targets of two": (MLPRegressor(), X, 1e7 + 1e6 * X[:, :2], "y reaches .* use target_scaling"),
    "columns of a regressor": (MLPRegressor(), X * LARGE, NUMBERS, "column 2 of X .*, MLPRegr"),
    "counts": (MLPRegressor("poisson"), X * 10, np.arange(300) % 7, "of X reaches"),
    "absolute": (MLPRegressor("absolute_error"), X, 1e7 + 1e6 * NUMBERS, "target_scaling"),
    "columns of a classifier": (MLPClassifier(), X * LARGE, LABELS, "column 2 of X .*, MLPClass"),
    "two classes": (MLPClassifier(), X * LARGE, NUMBERS > 0, "column 2 of X .*, MLPClass"),
    "weights": (MLPClassifier(class_weight="balanced"), X * LARGE, LABELS, "column 2 of X"),
}
CALM = {"learning_rate_init": 1e-15, "max_iter": 10, "solver": "sgd", "random_state": 0}


@pytest.mark.parametrize("what", FAR)
def test_an_estimator_that_has_learnt_nothing_says_why(what):
    one, x, y, expected = FAR[what]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", fd.ScalingWarning)
        fitted = clone(one).set_params(**CALM).fit(x, y)
    (told,) = caught
    assert re.search(expected, str(told.message))
    assert f"its training loss of {fitted.loss_:.4g} is " in str(told.message)
    assert told.filename == __file__
    scaled = StandardScaler().fit_transform(x)
    if "target_scaling" in expected:
        fitted.set_params(target_scaling="standard").fit(scaled, y)
    else:
        fitted.fit(scaled, y)


def test_an_estimator_that_has_learnt_or_hardly_begun_tells_nothing():
    clone(FAR["targets"][0]).set_params(**CALM | {"max_iter": 4}).fit(X, 1e7 + NUMBERS)
    MLPRegressor(solver="lbfgs", alpha=0, random_state=0).fit(X, 1e4 * NUMBERS)
    MLPClassifier(random_state=0).partial_fit(X * LARGE, LABELS, classes=np.unique(LABELS))


def test_optimiser_whose_weights_were_replaced_by_others_begins_anew():
    ours = MLPRegressor(hidden_layer_sizes=8, max_iter=1).fit(X, NUMBERS)
    larger = MLPRegressor(hidden_layer_sizes=30, max_iter=1).fit(X, NUMBERS)
    ours.coefs_, ours.intercepts_ = larger.coefs_, larger.intercepts_
    ours.partial_fit(X, NUMBERS)
    assert ours.coefs_[0].shape == (5, 30)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused(bad):
    x = X.copy()
    x[1, 2] = bad
    ours = MLPClassifier(max_iter=1).fit(X, LABELS)
    for call in (ours.predict, ours.predict_proba, lambda x: ours.fit(x, LABELS)):
        with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
            call(x)
    with pytest.raises(ValueError, match="0 sample"):
        ours.predict(x[:0])


@pytest.mark.parametrize("module", ["", ".classifier", ".regressor", ".networks"])
def test_examples_run(module):
    found = doctest.testmod(importlib.import_module(f"fastdl.sklearn{module}"))
    assert found.attempted > 1
    assert not found.failed


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: MLPClassifier((8, 0)).fit(X, LABELS), "hidden_layer_sizes must be > 0"),
        (
            lambda: MLPClassifier(solver="lbfgs").fit(X, LABELS, validation_set=(X, LABELS)),
            "validation_set must go with the solver",
        ),
        (
            lambda: MLPClassifier(solver="lbfgs", callbacks=print).fit(X, LABELS),
            "callbacks must go with the solver",
        ),
        (
            lambda: MLPClassifier(solver="lbfgs", dropout=0.5).fit(X, LABELS),
            "dropout must go with the solver",
        ),
        (
            lambda: MLPClassifier(solver="lbfgs", batch_norm=True).fit(X, LABELS),
            "batch_norm must go with the solver",
        ),
        (lambda: MLPClassifier(activation="rely").fit(X, LABELS), "The 'activation' parameter"),
        (
            lambda: MLPClassifier(class_weight={LABELS[0]: -2.0}).fit(X, LABELS),
            r"class_weight\[.*\] must be finite and not negative; got -2.0",
        ),
        (
            lambda: MLPClassifier(class_weight=[{1: np.nan}, {}]).fit(
                X, np.c_[X > 0, X < 0][:, :2]
            ),
            r"class_weight\[1\] must be finite and not negative; got nan",
        ),
        (lambda: MLPClassifier(n_jobs=0).fit(X, LABELS), "The 'n_jobs' parameter"),
        (
            lambda: NetworkClassifier(fd.Trainer(fd.Network([5, 3]), fd.SGD(0.1))).partial_fit(
                X, LABELS
            ),
            "classes must be passed on the first call",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_what_does_not_fit_the_weights_is_refused():
    ours = MLPRegressor(max_iter=1, random_state=0).fit(X, NUMBERS)
    with pytest.raises(ValueError, match="y must be for the 1 outputs that were fitted; got 2"):
        ours.partial_fit(X, np.c_[NUMBERS, NUMBERS])
    with pytest.raises(ValueError, match="y must be for the 1 outputs that were fitted; got 2"):
        ours.fit(X, NUMBERS, validation_set=(X, np.c_[NUMBERS, NUMBERS]))
    ours.coefs_ = [np.ones((7, 3)), np.ones((3, 1))]
    ours.intercepts_ = [np.ones(3), np.ones(1)]
    for call in (ours.predict, lambda x: ours.partial_fit(x, NUMBERS)):
        with pytest.raises(ValueError, match=r"X must have the 7 features of coefs_\[0\]; got 5"):
            call(X)
