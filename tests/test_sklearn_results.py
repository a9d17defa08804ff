"""sklearn/: fits beside scikit-learn's own, with the same random_state."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
import sklearn.neural_network as peer
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from fastdl.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
DIGITS, NUMBERS = load_digits(return_X_y=True)
X, NUMBERS = DIGITS[:330] / 16, NUMBERS[:330]  # a last batch of 130 rows
Y = {
    "classes": NUMBERS,
    "two": NUMBERS == 3,
    "strings": np.array([f"digit {i}" for i in NUMBERS], dtype=object),
    "several": np.c_[NUMBERS > 3, NUMBERS < 6, NUMBERS % 2].astype(int),
    "numbers": NUMBERS / 4.0,
    "vectors": np.c_[NUMBERS / 4.0, -NUMBERS, NUMBERS % 2],
    "counts": NUMBERS,
}
SGD = {"solver": "sgd", "learning_rate_init": 0.01}
SETTINGS = {
    "adam": {},
    "adam of other betas": {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-3},
    "plain": SGD | {"momentum": 0},
    "momentum": SGD | {"nesterovs_momentum": False},
    "nesterov": SGD,
    "invscaling": SGD | {"learning_rate": "invscaling", "power_t": 0.3},
    "adaptive": SGD | {"learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1},
    "penalty": {"alpha": 5.0},
    "stopped": {"early_stopping": True},
    "in order": {"shuffle": False, "batch_size": 64},
    "deep": {"hidden_layer_sizes": (20, 15, 10), "activation": "tanh"},
    "logistic": {"hidden_layer_sizes": 30, "activation": "logistic"},
    "no hidden": {"hidden_layer_sizes": (), "activation": "logistic"},
    "lbfgs": {"solver": "lbfgs"},
}


def pair(kind, **settings):
    """scikit-learn's estimator and ours."""
    loss = {"loss": "poisson"} if kind == "counts" else {}
    name = "MLPRegressor" if kind in ("numbers", "vectors", "counts") else "MLPClassifier"
    ours = {"MLPRegressor": MLPRegressor, "MLPClassifier": MLPClassifier}[name]
    settings = {"random_state": 1, "max_iter": 5} | loss | settings
    return getattr(peer, name)(**settings), ours(**settings)


def assert_alike(theirs, ours, rtol=0.0, atol=1e-9):
    """Weights within 1e-5 and losses within 1e-6 are promised; of few epochs they are nearer."""
    for mine, other in zip(
        ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=rtol, atol=atol)
    names = ("loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_")
    for name in names:
        mine, other = getattr(ours, name, None), getattr(theirs, name, None)
        assert (mine is None) == (other is None), name
        if mine is not None:
            np.testing.assert_allclose(mine, other, rtol=1e-6, atol=atol, err_msg=name)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("kind", Y)
def test_a_fit_is_scikit_learns(kind, setting):
    theirs, ours = (each.fit(X, Y[kind]) for each in pair(kind, **SETTINGS[setting]))
    assert_alike(theirs, ours)
    assert [getattr(each, "classes_", [0])[0] for each in (theirs, ours)]
    np.testing.assert_array_equal(getattr(ours, "classes_", 0), getattr(theirs, "classes_", 0))
    mine, other = ours.predict(X), theirs.predict(X)
    assert mine.dtype == other.dtype
    if mine.dtype.kind == "f":
        np.testing.assert_allclose(mine, other, atol=1e-9)
    else:
        np.testing.assert_array_equal(mine, other)
    if hasattr(theirs, "predict_proba"):
        for answer in ("predict_proba", "predict_log_proba"):
            mine, other = getattr(ours, answer)(X), getattr(theirs, answer)(X)
            np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("setting", ["adam", "nesterov", "stopped", "lbfgs"])
@pytest.mark.parametrize("kind", Y)
def test_rows_have_weights(kind, setting):
    weights = np.random.RandomState(0).uniform(0.1, 2, len(X))
    pairs = (each.fit(X, Y[kind], weights) for each in pair(kind, **SETTINGS[setting]))
    assert_alike(*pairs)


@pytest.mark.filterwarnings("ignore::fastdl.ScalingWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["classes", "two", "several"])
def test_a_loss_counts_as_far_as_a_probability_is_told_from_zero(kind, dtype):
    """Of digits that are not scaled the first losses are beyond what scikit-learn counts.

    Of sigmoids near 1 it takes the logarithm of 1 - p, of which few digits are left.
    """
    x, settings = (DIGITS * 10)[: len(X)].astype(dtype), {"activation": "identity"}
    theirs, ours = (each.fit(x, Y[kind]) for each in pair(kind, **settings))
    tolerance = 1e-9 if dtype == "float64" and kind == "classes" else 1e-3
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=tolerance)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(sorted(Y)),
    rows=st.integers(3, 90),
    columns=st.integers(1, 64),
    setting=st.fixed_dictionaries(
        {
            "hidden_layer_sizes": st.lists(st.integers(1, 20), max_size=3),
            "activation": st.sampled_from(["identity", "logistic", "tanh", "relu"]),
            "batch_size": st.sampled_from(["auto", 1, 7, 32]),
            "alpha": st.sampled_from([0.0, 1e-4, 1.0]),
            "solver": st.sampled_from(["adam", "sgd", "lbfgs"]),
            "shuffle": st.booleans(),
        }
    ),
    weighted=st.booleans(),
)
@pytest.mark.filterwarnings("ignore:Got `batch_size`")
def test_a_fit_of_any_shape_is_scikit_learns(kind, rows, columns, setting, weighted):
    x, y = X[:rows, :columns], Y[kind][:rows]
    weights = (np.linspace(0.1, 2, rows),) if weighted else ()
    pairs = (each.fit(x, y, *weights) for each in pair(kind, **setting, max_iter=3))
    assert_alike(*pairs, rtol=1e-6)


def test_a_fit_to_its_end():
    theirs, ours = (each.fit(X, NUMBERS) for each in pair("classes", max_iter=300, tol=1e-3))
    assert ours.n_iter_ < 300
    assert_alike(theirs, ours, atol=1e-5)


@pytest.mark.parametrize("kind", ["classes", "two", "numbers"])
def test_partial_fits_and_warm_starts(kind):
    theirs, ours = pair(kind, solver="sgd", learning_rate="invscaling", warm_start=True)
    classes = () if kind == "numbers" else (None, np.unique(Y[kind]))
    for each in (theirs, ours):
        for rows in (slice(0, 150), slice(100, 330)):
            each.partial_fit(X[rows], Y[kind][rows], *classes)
        each.fit(X, Y[kind])
        each.set_params(learning_rate_init=0.1).fit(X, Y[kind])
    assert_alike(theirs, ours)


@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_array])
@pytest.mark.parametrize("setting", ["adam", "stopped", "in order", "lbfgs"])
@pytest.mark.parametrize("kind", ["classes", "counts"])
def test_sparse_rows(kind, setting, form, monkeypatch):
    monkeypatch.setattr("fastdl.sklearn._engine._ITEMS", 64 * 100)  # some blocks
    weights = np.random.RandomState(0).uniform(0.1, 2, len(X))
    theirs, ours = pair(kind, **SETTINGS[setting])
    assert_alike(theirs.fit(X, Y[kind], weights), ours.fit(form(X), Y[kind], weights))
    np.testing.assert_allclose(ours.predict(form(X)), theirs.predict(X))


def test_sparse_rows_are_never_all_dense_at_once(monkeypatch):
    monkeypatch.setattr("fastdl.sklearn._engine._ITEMS", 1 << 17)
    x = scipy.sparse.random(1000, 4000, density=1e-3, format="csr", random_state=0)
    y = np.arange(1000) % 3
    ours = MLPClassifier(4, max_iter=1, random_state=0)
    tracemalloc.start()
    ours.fit(x, y).predict(x)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < x.shape[0] * x.shape[1] * 8 / 2


@pytest.mark.parametrize("n_jobs", [2, -1, None])
def test_the_bits_are_the_same_for_any_number_of_threads(n_jobs):
    one, several = (
        MLPClassifier(max_iter=3, random_state=0, n_jobs=n).fit(X, NUMBERS) for n in (1, n_jobs)
    )
    pairs = zip(one.coefs_, several.coefs_, strict=True)
    assert all(mine.tobytes() == other.tobytes() for mine, other in pairs)


def test_where_random_state_is_a_generator_it_is_left_as_scikit_learn_leaves_it():
    left = []
    for i in (0, 1):
        rng = np.random.RandomState(3)
        pair("classes", random_state=rng, early_stopping=True)[i].fit(X, NUMBERS)
        left.append(rng.randint(1000))
    assert left[0] == left[1]


def test_read_only_and_strided_rows_and_columns_in_fortran_order():
    expected = MLPClassifier(max_iter=2, random_state=0).fit(X, NUMBERS)
    strided = np.repeat(X, 2, axis=0)[::2]
    frozen = X.copy()
    frozen.flags.writeable = False
    for x in (strided, frozen, np.asfortranarray(X)):
        found = MLPClassifier(max_iter=2, random_state=0).fit(x, NUMBERS)
        assert found.coefs_[0].tobytes() == expected.coefs_[0].tobytes()
        np.testing.assert_array_equal(found.predict(x), expected.predict(X))


def test_weights_that_are_written_to_are_what_it_goes_by():
    theirs, ours = (each.fit(X, Y["numbers"]) for each in pair("numbers"))
    for each in (theirs, ours):
        each.coefs_[0][...] = 0.5
        each.intercepts_[1] = np.array([3.0])
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.network_.predict(X), theirs.predict(X))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of scikit-learn's
def test_a_fit_that_diverges_says_what_scikit_learn_says():
    for estimator in pair("numbers", solver="sgd", learning_rate_init=1.0):
        with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
            estimator.fit(X * 1e200, Y["numbers"])


def test_weights_that_sum_to_nothing_are_refused():
    for estimator in pair("classes", shuffle=False):
        with pytest.raises(ZeroDivisionError, match="can't be normalized"):
            estimator.fit(X, NUMBERS, np.arange(len(X)) // 200)


def test_ctrl_c_ends_a_fit_with_a_warning():
    def interrupt(estimator):
        raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        ours = MLPClassifier(callbacks=interrupt).fit(X, NUMBERS)
    assert ours.n_iter_ == 1


@pytest.mark.parametrize("verbose", [False, True])
def test_what_is_printed_is_what_scikit_learn_prints(verbose, capsys):
    settings = SETTINGS["adaptive"] | {"verbose": verbose, "max_iter": 40}
    for extra in ({}, {"early_stopping": True}):
        said = []
        for estimator in pair("classes", **settings, **extra):
            estimator.fit(X, NUMBERS)
            said.append(capsys.readouterr().out)
        assert said[0] == said[1]
        assert bool(said[0]) == verbose
