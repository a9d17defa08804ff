"""sklearn/: the estimators inside what scikit-learn composes, and with what users compose."""

import copy
import io
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastdl as fd
from fastdl.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*sklearn.utils.parallel.delayed.*:UserWarning"),
]
RNG = np.random.RandomState(0)
X = RNG.normal(size=(120, 4))
LABELS = np.where(X[:, 0] + X[:, 1] > 0, "up", "down")
NUMBERS = X[:, 0] - X[:, 1]
FRAME = pd.DataFrame(X, columns=list("abcd")).assign(kind=np.where(X[:, 2] > 0, "x", "y"))


def classifying(d, k):
    return fd.Trainer(fd.Network([d, 16, k], dtype="float64"), fd.Adam(0.02), batch_size=20)


def regressing(d, k):
    net = fd.Network([d, 16, k], loss="mse", dtype="float64")
    return fd.Trainer(net, fd.Adam(0.02), batch_size=20)


SETTINGS = {
    "hidden_layer_sizes": 16, "max_iter": 60, "learning_rate_init": 0.02, "random_state": 0,
    "batch_size": 20,
}  # fmt: skip
CLASSIFIERS = {
    "MLPClassifier": MLPClassifier(**SETTINGS),
    "NetworkClassifier": NetworkClassifier(classifying, epochs=40),
}
REGRESSORS = {
    "MLPRegressor": MLPRegressor(**SETTINGS),
    "NetworkRegressor": NetworkRegressor(regressing, epochs=40),
}
COLUMNS = ColumnTransformer([
    ("numbers", StandardScaler(), list("abcd")), ("kinds", OneHotEncoder(), ["kind"]),
])  # fmt: skip


def fitted(make):
    """A composition that is fitted and scored on the rows."""
    return lambda one: make(one).fit(X, LABELS).score(X, LABELS)


OF_A_CLASSIFIER = {
    "Pipeline": fitted(lambda one: make_pipeline(StandardScaler(), one)),
    "ColumnTransformer": lambda one: (
        Pipeline([("columns", COLUMNS), ("one", one)]).fit(FRAME, LABELS).score(FRAME, LABELS)
    ),
    "GridSearchCV": lambda one: (
        GridSearchCV(one, GRIDS[type(one)], n_jobs=2, cv=2).fit(X, LABELS).best_score_
    ),
    "cross_val_score": lambda one: cross_val_score(one, X, LABELS, cv=3).mean(),
    "cross_val_predict": lambda one: np.mean(
        cross_val_predict(one, X, LABELS, cv=3, method="predict_proba").argmax(1)
        == (LABELS == "up")
    ),
    "learning_curve": lambda one: learning_curve(one, X, LABELS, cv=2, train_sizes=[0.5, 1.0])[2][
        -1
    ].mean(),
    "CalibratedClassifierCV": fitted(lambda one: CalibratedClassifierCV(one, cv=2)),
    "StackingClassifier": fitted(
        lambda one: StackingClassifier([("one", one), ("two", LogisticRegression())], cv=2)
    ),
    "VotingClassifier": fitted(
        lambda one: VotingClassifier([("one", one), ("two", LogisticRegression())], voting="soft")
    ),
    "BaggingClassifier": fitted(lambda one: BaggingClassifier(one, 3, random_state=0)),
    "OneVsRestClassifier": fitted(OneVsRestClassifier),
    "permutation_importance": lambda one: (
        permutation_importance(
            one.fit(X, LABELS), X, LABELS, n_repeats=2, random_state=0
        ).importances_mean.argmax()
        < 2
    ),
    "partial_dependence": lambda one: np.isfinite(
        partial_dependence(one.fit(X, LABELS), X, [0])["average"]
    ).all(),
    "a list of lists": lambda one: one.fit(X.tolist(), LABELS.tolist()).score(X, LABELS),
    "a data frame": lambda one: one.fit(FRAME[list("abcd")], LABELS).score(
        FRAME[list("abcd")], LABELS
    ),
}
GRIDS = {
    MLPClassifier: {"alpha": [1e-4, 1e-2]},
    NetworkClassifier: {"epochs": [30, 40]},
}
OF_A_REGRESSOR = {
    "TransformedTargetRegressor": lambda one: TransformedTargetRegressor(
        one, transformer=StandardScaler()
    ),
    "MultiOutputRegressor": lambda one: MultiOutputRegressor(one),
    "StackingRegressor": lambda one: StackingRegressor([("one", one)], RidgeCV(), cv=2),
    "Pipeline": lambda one: make_pipeline(StandardScaler(), one),
}


@pytest.mark.parametrize("composed", OF_A_CLASSIFIER)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_in(composed, name):
    assert OF_A_CLASSIFIER[composed](clone(CLASSIFIERS[name])) > 0.85


@pytest.mark.parametrize("composed", OF_A_REGRESSOR)
@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor_in(composed, name):
    y = NUMBERS if composed != "MultiOutputRegressor" else np.c_[NUMBERS, -NUMBERS]
    assert OF_A_REGRESSOR[composed](clone(REGRESSORS[name])).fit(X, y).score(X, y) > 0.85


ALL = CLASSIFIERS | REGRESSORS


def joblib_copy(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


def mapped_copy(estimator, folder):
    """From a file that is mapped to memory, which is read-only."""
    joblib.dump(estimator, folder / "one.joblib")
    return joblib.load(folder / "one.joblib", mmap_mode="r")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("way", ["pickle", "joblib", "mapped", "copy"])
def test_a_fitted_estimator_travels(name, way, tmp_path):
    y = LABELS if name in CLASSIFIERS else NUMBERS
    one = clone(ALL[name]).fit(X, y)
    copied = {
        "pickle": lambda: pickle.loads(pickle.dumps(one)),
        "joblib": lambda: joblib_copy(one),
        "mapped": lambda: mapped_copy(one, tmp_path),
        "copy": lambda: copy.deepcopy(one),
    }[way]()
    np.testing.assert_array_equal(copied.predict(X), one.predict(X))
    np.testing.assert_array_equal(
        copied.partial_fit(X, y).predict(X), one.partial_fit(X, y).predict(X)
    )


@pytest.mark.parametrize("name", ALL)
def test_a_clone_is_not_fitted_and_fits_alike(name):
    y = LABELS if name in CLASSIFIERS else NUMBERS
    one = clone(ALL[name]).fit(X, y)
    other = clone(one)
    assert not hasattr(other, "coefs_")
    assert not hasattr(other, "trainer_")
    np.testing.assert_array_equal(other.fit(X, y).predict(X), one.predict(X))


@pytest.mark.parametrize("name", ALL)
def test_what_comes_before_may_give_frames(name):
    y = LABELS if name in CLASSIFIERS else NUMBERS
    pipe = make_pipeline(StandardScaler(), clone(ALL[name])).set_output(transform="pandas")
    pipe.fit(FRAME[list("abcd")], y)
    assert pipe[-1].feature_names_in_.tolist() == list("abcd")
    assert pipe.score(FRAME[list("abcd")], y) > 0.85
    with pytest.raises(ValueError, match="feature names"):
        pipe[-1].predict(FRAME[list("dcba")])


@pytest.mark.parametrize("name", ALL)
def test_weights_are_routed(name):
    y, weights = LABELS if name in CLASSIFIERS else NUMBERS, np.linspace(0.1, 1, 120)
    with sklearn.config_context(enable_metadata_routing=True):
        one = clone(ALL[name]).set_fit_request(sample_weight=True)
        pipe = Pipeline(
            [("scaled", StandardScaler().set_fit_request(sample_weight=False)), ("one", one)]
        )
        routed = pipe.fit(X, y, sample_weight=weights)[-1]
    x = StandardScaler().fit_transform(X)
    expected = clone(ALL[name]).fit(x, y, sample_weight=weights)
    np.testing.assert_array_equal(routed.predict(x), expected.predict(x))
    assert one.get_metadata_routing().fit.requests["sample_weight"]


def test_a_trainer_that_is_given_stays_as_it_is():
    trainer = classifying(4, 2)
    before = trainer.network.parameters["layers.0.weight"].copy()
    one = NetworkClassifier(trainer, epochs=3).fit(X, LABELS)
    assert (trainer.network.parameters["layers.0.weight"] == before).all()
    assert one.network_ is not trainer.network
    assert len(one.history_["loss"]) == 3
    np.testing.assert_array_equal(clone(one).fit(X, LABELS).predict(X), one.predict(X))


@pytest.mark.parametrize(
    ("kind", "made", "y"),
    [(NetworkClassifier, classifying, LABELS), (NetworkRegressor, regressing, NUMBERS)],
)
def test_a_fold_that_ctrl_c_has_ended_is_told_of_the_callers_line(kind, made, y):
    class CtrlC(fd.Callback):
        def on_record(self, run):
            raise KeyboardInterrupt

    class Stop(fd.Callback):
        def on_record(self, run):
            run.stop("enough")

    with pytest.warns(UserWarning, match=r"^Training interrupted by user\.$") as told:
        found = cross_validate(
            kind(made, epochs=5, callbacks=[CtrlC()]), X, y, cv=2, return_estimator=True
        )
    assert {warning.filename for warning in told} == {__file__}
    assert all(each.history_.n_records == 1 for each in found["estimator"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kind(made, epochs=5, callbacks=[Stop()]).fit(X, y).history_.stopped == "enough"


def test_a_step_of_a_network_is_its_trainers():
    one, trainer = NetworkClassifier(classifying), classifying(4, 2)
    for rows in (slice(0, 50), slice(50, 120)):
        one.partial_fit(X[rows], LABELS[rows], classes=["up", "down"])
        trainer.step(X[rows], (LABELS[rows] == "up").astype(np.int64))
    assert one.trainer_.n_steps == 2
    np.testing.assert_array_equal(one.network_.logits(X), trainer.network.logits(X))
    with pytest.raises(ValueError, match="y must hold the classes"):
        one.partial_fit(X[:2], ["up", "left"])


def test_one_unit_tells_two_classes():
    def made(d, k):
        net = fd.Network([d, 16, 1], loss="binary_cross_entropy", dtype="float64")
        return fd.Trainer(net, fd.Adam(0.02), batch_size=20)

    one = NetworkClassifier(made, epochs=30).fit(X, LABELS)
    assert one.score(X, LABELS) > 0.9
    np.testing.assert_array_equal(one.classes_[one.predict_proba(X).argmax(1)], one.predict(X))


def test_a_loss_without_probabilities_has_no_predict_proba():
    one = NetworkClassifier(fd.Trainer(fd.Network([4, 2], loss="hinge"), fd.SGD(0.1)))
    assert not hasattr(one, "predict_proba")
    assert one.fit(X, LABELS).score(X, LABELS) > 0.8


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_a_trainer_for_other_classes_is_refused_and_what_is_told_works(call):
    more = {"classes": ["up", "down"]} if call == "partial_fit" else {}
    for trainer, told in (
        (
            fd.Trainer(fd.Network([4, 8, 3]), fd.SGD(0.1)),
            "for each of 2 classes; got 3 outputs, use",
        ),
        (
            fd.Trainer(fd.Network([4, 8, 2], loss="mse"), fd.SGD(0.1)),
            "loss of labels; got mse, use",
        ),
    ):
        one = NetworkClassifier(trainer)
        with pytest.raises(ValueError, match=told):
            getattr(one, call)(X, LABELS, **more)
        one.set_params(trainer=lambda d, k: fd.Trainer(fd.Network([d, 50, k]), fd.Adam()))
        likely = getattr(one, call)(X, LABELS, **more).predict_proba(X)
        assert likely.shape == (len(X), 2)


def test_callbacks_and_functions_that_are_none_are_refused():
    with pytest.raises(TypeError, match=r"callbacks must be a list .* use \[callbacks\]"):
        NetworkClassifier(classifying, callbacks=fd.EarlyStopping("loss")).fit(X, LABELS)
    with pytest.raises(TypeError, match="a function that gives a Trainer; got one that gives <Net"):
        NetworkClassifier(lambda d, k: fd.Network([d, k])).fit(X, LABELS)


@pytest.mark.parametrize("trainer", [None, "adam", fd.Network([4, 2])])
def test_what_is_no_trainer_is_refused(trainer):
    with pytest.raises(TypeError, match="trainer must be a Trainer, or a function"):
        NetworkClassifier(trainer).fit(X, LABELS)
